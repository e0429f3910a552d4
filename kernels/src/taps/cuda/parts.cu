// Adds up what blocks leave in parts, in an order that depends on extents alone.

// Threads of a block: 32 columns by 32 runs of rows. Their kernels declare that number, since each
// thread can have fewer registers than in smaller blocks.
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

// Statistics of a channel over some tiles: pixels, mean, and sum of squared distances from the mean.
struct Statistics {
    double count, mean, square;
};

// Those of tiles from `start` to `end`. The squared distances are those from the tiles' own means, plus
// for each pixel the squared distance of the two means. All threads of the block call it.
__device__ __forceinline__ Statistics merged(
    const TileStatistics& tiles, long long start, long long end, long long channel, long long channels
) {
    const double *means = tiles.means, *squares = tiles.squares, *counts = tiles.counts;
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

// Tiles that one block merges.
#define TILES 64

struct TapsMergeTiles {
    TileStatistics of_tiles, merged;
    long long tiles, channels;
};

// Statistics of each run of TILES tiles; blocks along y are runs.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_merge_tiles(
    __grid_constant__ const TapsMergeTiles a
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x, start = (long long)blockIdx.y * TILES;
    long long end = start + TILES < a.tiles ? start + TILES : a.tiles;
    Statistics found = merged(a.of_tiles, start, end, channel, a.channels);
    if (threadIdx.y > 0 || channel >= a.channels) return;
    a.merged.means[blockIdx.y * a.channels + channel] = found.mean;
    a.merged.squares[blockIdx.y * a.channels + channel] = found.square;
    if (channel == 0) a.merged.counts[blockIdx.y] = found.count;
}

struct TapsStatistics {
    TileStatistics of_tiles;
    Acc *mean, *variance;   // [channels]
    long long tiles, channels;
};

// Mean and variance of every channel.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_statistics(
    __grid_constant__ const TapsStatistics a
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    Statistics found = merged(a.of_tiles, 0, a.tiles, channel, a.channels);
    if (threadIdx.y > 0 || channel >= a.channels) return;
    a.mean[channel] = (Acc)found.mean;
    a.variance[channel] = (Acc)(found.square / found.count);
}

struct TapsAddParts {
    const Acc* parts;             // [parts, count]
    Acc* y;                       // [count]
    long long parts_count, count;
    long long rows, columns;       // of the matrices that the elements are
    long long transposed;          // whether they are transposed on the way
};

// The destination of an element.
__device__ __forceinline__ long long target(const TapsAddParts& a, long long i) {
    if (!a.transposed) return i;
    long long matrix = i / (a.rows * a.columns), row = i / a.columns % a.rows, column = i % a.columns;
    return (matrix * a.columns + column) * a.rows + row;
}

// The sum over parts, in order; a thread for each element.
extern "C" __global__ void taps_add_parts(__grid_constant__ const TapsAddParts a) {
    long long i = thread_index();
    if (i >= a.count) return;
    double sum = 0;
#pragma unroll 8
    for (long long part = 0; part < a.parts_count; part++) sum += (double)a.parts[part * a.count + i];
    a.y[target(a, i)] = (Acc)sum;
}

// The same for many parts of few elements: a block for 32 elements, by 32 runs of parts.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_add_many_parts(
    __grid_constant__ const TapsAddParts a
) {
    long long i = (long long)blockIdx.x * 32 + threadIdx.x;
    double sum = 0;
    if (i < a.count) {
#pragma unroll 4
        for (long long part = threadIdx.y; part < a.parts_count; part += RUNS) {
            sum += (double)a.parts[part * a.count + i];
        }
    }
    sum = sum_of_runs(sum);
    if (threadIdx.y == 0 && i < a.count) a.y[target(a, i)] = (Acc)sum;
}

struct TapsBiasParts {
    const Real* gradient;           // [pixels, outputs]
    Acc* y;                        // [spans, outputs]
    long long span, pixels, outputs;
};

// The gradient of the bias over a span of pixels: blocks of 32 channels by 32 runs, along y spans.
extern "C" __global__ void __launch_bounds__(32 * RUNS) taps_bias_parts(
    __grid_constant__ const TapsBiasParts a
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    long long start = blockIdx.y * a.span, end = start + a.span < a.pixels ? start + a.span : a.pixels;
    double sum = 0;
    if (channel < a.outputs) {
#pragma unroll 4
        for (long long pixel = start + threadIdx.y; pixel < end; pixel += RUNS) {
            sum += (double)to_acc(a.gradient[pixel * a.outputs + channel]);
        }
    }
    sum = sum_of_runs(sum);
    if (threadIdx.y == 0 && channel < a.outputs) a.y[blockIdx.y * a.outputs + channel] = (Acc)sum;
}
