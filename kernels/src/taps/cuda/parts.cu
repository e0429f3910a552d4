// What sums over taps leave in parts is brought together here, in an order that extents alone decide.

// Threads of a block: 32 columns by 32 runs.
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

// Mean and variance of every channel from those of tiles: the squared distances from the mean of all
// are those from the tile's own, and as many times the distance of the two means.
extern "C" __global__ void taps_moments(
    const double* means, const double* squares, const double* counts, wide* mean, wide* variance,
    long long tiles, long long pixels, long long channels
) {
    long long channel = (long long)blockIdx.x * 32 + threadIdx.x;
    bool there = channel < channels;
    double sum = 0, square = 0;
#pragma unroll 4
    for (long long tile = threadIdx.y; tile < tiles; tile += RUNS) {
        if (there) sum += counts[tile] * means[tile * channels + channel];
    }
    double middle = sum_of_runs(sum) / (double)pixels;
#pragma unroll 4
    for (long long tile = threadIdx.y; tile < tiles; tile += RUNS) {
        if (!there) break;
        double distance = means[tile * channels + channel] - middle;
        square += squares[tile * channels + channel] + counts[tile] * distance * distance;
    }
    square = sum_of_runs(square);
    if (threadIdx.y > 0 || !there) return;
    mean[channel] = (wide)middle;
    variance[channel] = (wide)(square / (double)pixels);
}

// The sum over parts, in order. `rows` of `columns` in each part, and the columns become rows where
// `turned`, within each of the blocks of `rows` by `columns` that follow one another.
extern "C" __global__ void taps_add_parts(
    const wide* parts, wide* y, long long count_of_parts, long long count, long long rows,
    long long columns, long long turned
) {
    long long i = item();
    if (i >= count) return;
    double sum = 0;
#pragma unroll 4
    for (long long part = 0; part < count_of_parts; part++) sum += (double)parts[part * count + i];
    long long block = i / (rows * columns), row = i / columns % rows, column = i % columns;
    long long to = turned ? (block * columns + column) * rows + row : i;
    y[to] = (wide)sum;
}

// The gradient of the bias over a span of pixels: a block of 32 channels by 32 pixels.
extern "C" __global__ void taps_bias_parts(
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
