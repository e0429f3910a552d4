// Sums over taps: each output pixel is a sum over KERNEL x KERNEL taps of an input pixel times a
// matrix. A convolution, and where TRANSPOSED its adjoint; see mod.rs.

#define PAD ((KERNEL - 1) / 2)

// The value of an input at a pixel, normalised and activated if need be.
__device__ __forceinline__ Acc value_of(const Input& input, long long pixel, long long channel) {
    Acc x = to_acc(input.data[pixel * input.channels + channel]);
    if (!input.mean) return x;
    x = (x - input.mean[channel]) * input.scale[channel] + input.shift[channel];
    return x > 0 ? x : x * (Acc)input.slope;
}

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

// Two inputs side by side, the second possibly of no channels, read through the taps: a matrix of
// output pixels by taps times channels.
struct Tapped {
    Input first, second;
    Grid input, output;

    __device__ Tapped(const Input& first, const Input& second, const Images& images)
        : first(first), second(second), input{images.batch, images.rows, images.columns},
          output{images.batch, images.out_rows, images.out_columns} {}

    __device__ long long channels() const { return first.channels + second.channels; }

    __device__ Acc value(const Pixel& pixel, int tap, long long channel) const {
        long long from = tapped(input, pixel, tap);
        if (from < 0) return 0;
        if (channel < first.channels) return value_of(first, from, channel);
        return value_of(second, from, channel - first.channels);
    }

    // A row: an output pixel.
    struct Row {
        const Tapped& all;
        Pixel pixel;
        bool there;
        __device__ Acc at(long long k) const {
            long long channels = all.channels();
            return there ? all.value(pixel, (int)(k / channels), k % channels) : Acc(0);
        }
    };
    __device__ Row row(long long index) const {
        bool there = index < output.batch * output.rows * output.columns;
        return {*this, pixel_of(output, there ? index : 0), there};
    }
};

// Weights by tap, input and output channel; steps are the distance of neighbours, in elements.
struct WeightSteps {
    const Acc* first;
    long long tap_step, input_step, output_step;
};

// The same as a matrix of taps times inputs by outputs.
struct Weights {
    WeightSteps weights;
    long long inputs, outputs;
    struct Column {
        const Acc* first;
        long long inputs, tap_step, input_step;
        __device__ Acc at(long long k) const {
            if (!first) return 0;
            return first[k / inputs * tap_step + k % inputs * input_step];
        }
    };
    __device__ Column column(long long j) const {
        const Acc* first = j < outputs ? weights.first + j * weights.output_step : nullptr;
        return {first, inputs, weights.tap_step, weights.input_step};
    }
};

// Mean, and sum of squared distances from it, over the first `there` rows of a tile, for each of its
// columns. In two passes, so that a mean far from zero costs no digits.
__device__ void tile_statistics(
    const Acc (&sums)[EACH][EACH], long long there, double* means, double* squares,
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
                double value = (double)to_acc(to_real(sums[i][j]));
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

struct TapsSum {
    Input first, second;
    WeightSteps weights;
    const Acc* bias;                 // [outputs], may be null
    Real* y;                          // [batch, out_rows, out_columns, outputs]
    TileStatistics statistics;
    Images images;
    long long outputs;
};

// The sum over taps, and the statistics of each tile's channels where they are wanted.
extern "C" __global__ void taps_sum(__grid_constant__ const TapsSum a) {
    Tapped input(a.first, a.second, a.images);
    long long outputs = a.outputs;
    Weights matrix = {a.weights, input.channels(), outputs};
    long long first_pixel = (long long)blockIdx.x * TILE, first_column = (long long)blockIdx.y * TILE;
    Acc sums[EACH][EACH];
    tile_product(
        input, matrix, first_pixel, first_column, 0, KERNEL * KERNEL * input.channels(), sums
    );
    long long pixels = input.output.batch * input.output.rows * input.output.columns;
    each_sum(sums, first_pixel, first_column, pixels, outputs, [&](long long pixel, long long column, Acc& sum) {
        if (a.bias) sum += a.bias[column];
        a.y[pixel * outputs + column] = to_real(sum);
    });
    if (a.statistics.means) {
        double *means = a.statistics.means, *squares = a.statistics.squares;
        long long there = pixels - first_pixel < TILE ? pixels - first_pixel : TILE;
        long long at = blockIdx.x * outputs + first_column;
        tile_statistics(sums, there, means + at, squares + at, outputs - first_column);
        if (threadIdx.x == 0 && blockIdx.y == 0) a.statistics.counts[blockIdx.x] = (double)there;
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
        __device__ Acc at(long long k) const {
            return there ? all.value(pixel_of(all.output, k), tap, channel) : Acc(0);
        }
    };
    __device__ Row row(long long k) const {
        long long channels = all.channels();
        return {all, (int)(k / channels), k % channels, k < KERNEL * KERNEL * channels};
    }
};

// Gradients of outputs: a matrix of output pixels by channels.
struct Gradient {
    const Real* first;
    long long outputs;
    struct Column {
        const Real* first;
        long long outputs;
        __device__ Acc at(long long k) const { return first ? to_acc(first[k * outputs]) : Acc(0); }
    };
    __device__ Column column(long long j) const {
        return {j < outputs ? first + j : nullptr, outputs};
    }
};

struct TapsWeightSpans {
    Input first, second;
    const Real* gradient;             // [batch, out_rows, out_columns, outputs]
    Acc* y;                          // [spans, taps, channels of both inputs, outputs]
    long long span;                   // pixels
    Images images;
    long long outputs;
};

// The gradient of the weights over a span of pixels; blocks along z are spans.
extern "C" __global__ void taps_weight_spans(__grid_constant__ const TapsWeightSpans a) {
    Tapped input(a.first, a.second, a.images);
    long long outputs = a.outputs;
    Transposed left = {input};
    Gradient right = {a.gradient, outputs};
    long long pixels = input.output.batch * input.output.rows * input.output.columns;
    long long start = blockIdx.z * a.span, end = start + a.span < pixels ? start + a.span : pixels;
    long long first_row = (long long)blockIdx.x * TILE, first_column = (long long)blockIdx.y * TILE;
    Acc sums[EACH][EACH];
    tile_product(left, right, first_row, first_column, start, end, sums);
    long long weights = KERNEL * KERNEL * input.channels();
    each_sum(sums, first_row, first_column, weights, outputs, [&](long long row, long long column, Acc& sum) {
        a.y[(blockIdx.z * weights + row) * outputs + column] = sum;
    });
}
