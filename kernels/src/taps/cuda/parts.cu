// What sums over taps leave in parts is brought together here, in an order that extents alone decide.

// Threads of a block: 32 columns by 32 runs. Kernels with such blocks say so, for a thread may have a
// quarter of the registers then that it may have otherwise.
#define RUNS 32

// The sum of a column over a block's runs, in every thread of it.
__device__ __forceinline__ double sum_of_runs(double own) {
    __shared__ double partial[RUNS][33];
    partial[threadIdx.y][threadIdx.x] = own;
    __syncthreads();
    for (int runs = RUNS / 2; runs > 0; runs /= 2) {
        if (threadIdx.y < runs) {
            partial[threadIdx.y][threadIdx.x] += partial[threadIdx.y + runs][threadIdx.x];
        }
        __syncthreads();
    }
    double sum = partial[0][threadIdx.x];
    __syncthreads();
    return sum;
}

// Moments of a run of tiles from `start` to `end`: how many pixels, their mean, and the sum of squared
// distances from it, which are those from the tiles' own means and as many times the squared distance
// of the two. All threads of the block call it.
struct Moments {
    double count, mean, square;
};

__device__ __forceinline__ Moments moments_of_tiles(
    const double* means, const double* squares, const double* counts, long long start,
    long long end, long long channel, long long channels
) {
    double count = 0, sum = 0, square = 0;
    if (channel >= channels) end = start;
#pragma unroll 4
    for (long long tile = start + threadIdx.y; tile < end; tile += RUNS) {
        count += counts[tile];
        sum += counts[tile] * means[tile * channels + channel];
    }
    count = sum_of_runs(count);
    double mean = sum_of_runs(sum) / (count > 0 ? count : 1);
#pragma unroll 4
    for (long long tile = start + threadIdx.y; tile < end; tile += RUNS) {
        double distance = means[tile * channels + channel] - mean;
        square += squares[tile * channels + channel] + counts[tile] * distance * distance;
    }
    return {count, mean, sum_of_runs(square)};
}

// Tiles that one block brings together.
#define TILES 64

// Moments of every so many tiles, in the place of those of each.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_moments_of_tiles(
    const double* means, const double* squares, const double* counts, double* all_means,
    double* all_squares, double* all_counts, long long tiles, long long channels
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x, start = (long long)blockIdx.y * TILES;
    long long end = start + TILES < tiles ? start + TILES : tiles;
    Moments found = moments_of_tiles(means, squares, counts, start, end, channel, channels);
    if (threadIdx.y > 0 || channel >= channels) return;
    all_means[blockIdx.y * channels + channel] = found.mean;
    all_squares[blockIdx.y * channels + channel] = found.square;
    if (channel == 0) all_counts[blockIdx.y] = found.count;
}

// Mean and variance of every channel.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_moments(
    const double* means, const double* squares, const double* counts, wide* mean, wide* variance,
    long long tiles, long long channels
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    Moments found = moments_of_tiles(means, squares, counts, 0, tiles, channel, channels);
    if (threadIdx.y > 0 || channel >= channels) return;
    mean[channel] = (wide)found.mean;
    variance[channel] = (wide)(found.square / found.count);
}

// Where an element goes: `rows` of `columns` in each part, and the columns become rows where `turned`,
// within each of the blocks of `rows` by `columns` that follow one another.
__device__ __forceinline__ long long turned_place(
    long long i, long long rows, long long columns, long long turned
) {
    if (!turned) return i;
    long long block = i / (rows * columns), row = i / columns % rows, column = i % columns;
    return (block * columns + column) * rows + row;
}

// The sum over parts, in order; a thread for each element.
extern "C" __global__ void taps_add_parts(
    const wide* parts, wide* y, long long count_of_parts, long long count, long long rows,
    long long columns, long long turned
) {
    long long i = item();
    if (i >= count) return;
    double sum = 0;
#pragma unroll 8
    for (long long part = 0; part < count_of_parts; part++) sum += (double)parts[part * count + i];
    y[turned_place(i, rows, columns, turned)] = (wide)sum;
}

// The same where parts are many, and so elements few: a block of 32 elements by 32 runs of parts.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_add_many_parts(
    const wide* parts, wide* y, long long count_of_parts, long long count, long long rows,
    long long columns, long long turned
) {
    long long i = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = 0;
    if (i < count) {
#pragma unroll 4
        for (long long part = threadIdx.y; part < count_of_parts; part += RUNS) {
            sum += (double)parts[part * count + i];
        }
    }
    sum = sum_of_runs(sum);
    if (threadIdx.y == 0 && i < count) y[turned_place(i, rows, columns, turned)] = (wide)sum;
}

// The gradient of the bias over a span of pixels: a block of 32 channels by 32 pixels.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_bias_parts(
    const real* gradient, wide* y, long long span, long long pixels, long long outputs
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    long long start = blockIdx.y * span, end = start + span < pixels ? start + span : pixels;
    double sum = 0;
    if (channel < outputs) {
#pragma unroll 4
        for (long long pixel = start + threadIdx.y; pixel < end; pixel += RUNS) {
            sum += (double)widen(gradient[pixel * outputs + channel]);
        }
    }
    sum = sum_of_runs(sum);
    if (threadIdx.y == 0 && channel < outputs) y[blockIdx.y * outputs + channel] = (wide)sum;
}
