// Sums over taps: each output pixel is a sum over KERNEL x KERNEL taps of an input pixel times a
// matrix. A convolution, and where TRANSPOSED its adjoint; see `mod.rs`.

#define PAD ((KERNEL - 1) / 2)

// An input as it is read: raw, or normalised and activated on the way where `mean` is not null.
struct Source {
    const real* data;
    const wide *mean, *scale, *shift;
    long long channels;
    wide slope;
    __device__ wide at(long long pixel, long long channel) const {
        wide x = widen(data[pixel * channels + channel]);
        if (!mean) return x;
        x = (x - mean[channel]) * scale[channel] + shift[channel];
        return x > 0 ? x : x * slope;
    }
};

// Pixels of a batch of images.
struct Grid {
    long long batch, rows, columns;
};

struct Pixel {
    long long image, y, x;
};

__device__ __forceinline__ Pixel pixel_of(const Grid& grid, long long index) {
    return {index / (grid.rows * grid.columns), index / grid.columns % grid.rows, index % grid.columns};
}

// The input pixel that a tap of an output pixel reads, or -1 where that is outside.
__device__ __forceinline__ long long tapped(const Grid& input, const Pixel& output, int tap) {
#if TRANSPOSED
    long long y = output.y + PAD - tap / KERNEL, x = output.x + PAD - tap % KERNEL;
    if (y % STRIDE || x % STRIDE) return -1;
    y /= STRIDE;
    x /= STRIDE;
#else
    long long y = output.y * STRIDE + tap / KERNEL - PAD, x = output.x * STRIDE + tap % KERNEL - PAD;
#endif
    if (y < 0 || x < 0 || y >= input.rows || x >= input.columns) return -1;
    return (output.image * input.rows + y) * input.columns + x;
}

// Two sources side by side, the second possibly of no channels, read through the taps: a matrix of
// output pixels by taps times channels.
struct Tapped {
    Source first, second;
    Grid input, output;

    __device__ long long channels() const { return first.channels + second.channels; }

    __device__ wide value(const Pixel& pixel, int tap, long long channel) const {
        long long from = tapped(input, pixel, tap);
        if (from < 0) return 0;
        if (channel < first.channels) return first.at(from, channel);
        return second.at(from, channel - first.channels);
    }

    // A row: an output pixel.
    struct Row {
        const Tapped& all;
        Pixel pixel;
        bool there;
        __device__ wide at(long long k) const {
            long long channels = all.channels();
            return there ? all.value(pixel, (int)(k / channels), k % channels) : wide(0);
        }
    };
    __device__ Row row(long long index) const {
        bool there = index < output.batch * output.rows * output.columns;
        return {*this, pixel_of(output, there ? index : 0), there};
    }
};

// Weights by tap, input and output channel, as a matrix of taps times inputs by outputs.
struct Weights {
    const wide* first;
    long long inputs, outputs, tap_step, input_step, output_step;
    struct Column {
        const wide* first;
        long long inputs, tap_step, input_step;
        __device__ wide at(long long k) const {
            if (!first) return 0;
            return first[k / inputs * tap_step + k % inputs * input_step];
        }
    };
    __device__ Column column(long long j) const {
        return {j < outputs ? first + j * output_step : nullptr, inputs, tap_step, input_step};
    }
};

// Mean, and sum of squared distances from it, over the rows of a tile that there are, for each of
// its columns. In two passes, so that a mean far from zero costs no digits.
__device__ void measure_tile(
    const wide (&sums)[EACH][EACH], long long there, double* means, double* squares,
    long long columns
) {
    __shared__ double parts[APART][TILE], mean[TILE];
    for (int pass = 0; pass < 2; pass++) {
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            int column = tile_column() + j * APART;
            double part = 0;
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                if (tile_row() + i * APART >= there) continue;
                double value = (double)widen(narrow(sums[i][j]));
                part += pass ? (value - mean[column]) * (value - mean[column]) : value;
            }
            parts[tile_row()][column] = part;
        }
        __syncthreads();
        if (threadIdx.x < TILE) {
            double total = 0;
            for (int i = 0; i < APART; i++) total += parts[i][threadIdx.x];
            if (!pass) mean[threadIdx.x] = total / (double)there;
            if (threadIdx.x < columns) {
                if (pass) squares[threadIdx.x] = total;
                else means[threadIdx.x] = mean[threadIdx.x];
            }
        }
        __syncthreads();
    }
}

// The sum over taps. Where `means` is not null, the moments of each tile's channels are measured.
extern "C" __global__ void taps_sum(
    const real* first, const wide* first_mean, const wide* first_scale, const wide* first_shift,
    long long first_channels, double first_slope, const real* second, const wide* second_mean,
    const wide* second_scale, const wide* second_shift, long long second_channels,
    double second_slope, const wide* weights, long long tap_step, long long input_step,
    long long output_step, const wide* bias, real* y, double* means, double* squares, double* counts,
    long long batch, long long rows, long long columns, long long out_rows, long long out_columns,
    long long outputs
) {
    Tapped input = {
        {first, first_mean, first_scale, first_shift, first_channels, (wide)first_slope},
        {second, second_mean, second_scale, second_shift, second_channels, (wide)second_slope},
        {batch, rows, columns},
        {batch, out_rows, out_columns},
    };
    Weights matrix = {weights, input.channels(), outputs, tap_step, input_step, output_step};
    long long first_pixel = (long long)blockIdx.x * TILE, first_column = (long long)blockIdx.y * TILE;
    wide sums[EACH][EACH];
    tile_product(
        input, matrix, first_pixel, first_column, 0, KERNEL * KERNEL * input.channels(), sums
    );
    long long pixels = batch * out_rows * out_columns;
    each_sum(sums, first_pixel, first_column, pixels, outputs, [&](long long pixel, long long column, wide& sum) {
        if (bias) sum += bias[column];
        y[pixel * outputs + column] = narrow(sum);
    });
    if (means) {
        long long there = pixels - first_pixel < TILE ? pixels - first_pixel : TILE;
        long long at = blockIdx.x * outputs + first_column;
        measure_tile(sums, there, means + at, squares + at, outputs - first_column);
        if (threadIdx.x == 0 && blockIdx.y == 0) counts[blockIdx.x] = (double)there;
    }
}

// A matrix of taps times channels by output pixels: the transpose of `Tapped`.
struct Transposed {
    const Tapped& all;
    struct Row {
        const Tapped& all;
        int tap;
        long long channel;
        bool there;
        __device__ wide at(long long k) const {
            return there ? all.value(pixel_of(all.output, k), tap, channel) : wide(0);
        }
    };
    __device__ Row row(long long k) const {
        long long channels = all.channels();
        return {all, (int)(k / channels), k % channels, k < KERNEL * KERNEL * channels};
    }
};

// Gradients of outputs: a matrix of output pixels by channels.
struct Gradient {
    const real* first;
    long long outputs;
    struct Column {
        const real* first;
        long long outputs;
        __device__ wide at(long long k) const { return first ? widen(first[k * outputs]) : wide(0); }
    };
    __device__ Column column(long long j) const {
        return {j < outputs ? first + j : nullptr, outputs};
    }
};

// The gradient of the weights over a span of pixels, blocks along z being spans: [taps, inputs,
// outputs] for each span.
extern "C" __global__ void taps_weight_spans(
    const real* first, const wide* first_mean, const wide* first_scale, const wide* first_shift,
    long long first_channels, double first_slope, const real* second, const wide* second_mean,
    const wide* second_scale, const wide* second_shift, long long second_channels,
    double second_slope, const real* gradient, wide* y, long long span, long long batch,
    long long rows, long long columns, long long out_rows, long long out_columns, long long outputs
) {
    Tapped input = {
        {first, first_mean, first_scale, first_shift, first_channels, (wide)first_slope},
        {second, second_mean, second_scale, second_shift, second_channels, (wide)second_slope},
        {batch, rows, columns},
        {batch, out_rows, out_columns},
    };
    Transposed left = {input};
    Gradient right = {gradient, outputs};
    long long pixels = batch * out_rows * out_columns;
    long long start = blockIdx.z * span, end = start + span < pixels ? start + span : pixels;
    long long first_row = (long long)blockIdx.x * TILE, first_column = (long long)blockIdx.y * TILE;
    wide sums[EACH][EACH];
    tile_product(left, right, first_row, first_column, start, end, sums);
    long long weights = KERNEL * KERNEL * input.channels();
    each_sum(sums, first_row, first_column, weights, outputs, [&](long long row, long long column, wide& sum) {
        y[(blockIdx.z * weights + row) * outputs + column] = sum;
    });
}
