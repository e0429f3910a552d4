// Sums over hidden pixels, a block for each span; the divisor is counted on the way.

// SPAN: values of a block; a multiple of its threads.

extern "C" __global__ void masked_error_spans(
    const real* output, const wide* target, const unsigned char* mask, double* squares,
    double* hidden, long long count, long long channels
) {
    __shared__ double partial[32], counted[32];
    long long start = blockIdx.x * SPAN;
    double square = 0, values = 0;
    for (long long i = start + threadIdx.x; i < start + SPAN; i += blockDim.x) {
        if (i >= count || !mask[i / channels]) continue;
        double difference = (double)widen(output[i]) - (double)target[i];
        square += difference * difference;
        values += 1;
    }
    square = block_sum(square, partial);
    values = block_sum(values, counted);
    if (threadIdx.x == 0) {
        squares[blockIdx.x] = square;
        hidden[blockIdx.x] = values / (double)channels;
    }
}

// One block. The error, and what a difference is multiplied by for its gradient.
extern "C" __global__ void masked_error_total(
    const double* squares, const double* hidden, wide* y, double* slope, long long spans
) {
    __shared__ double partial[32], counted[32];
    double square = 0, pixels = 0;
    for (long long i = threadIdx.x; i < spans; i += blockDim.x) {
        square += squares[i];
        pixels += hidden[i];
    }
    square = block_sum(square, partial);
    pixels = block_sum(pixels, counted);
    if (threadIdx.x > 0) return;
    double share = pixels > 0 ? 1 / pixels : 0;
    *y = (wide)(share * square);
    *slope = 2 * share;
}

__device__ __forceinline__ wide slope_at(
    const real* output, const wide* target, const unsigned char* mask, const wide* gradient,
    const double* slope, long long i, long long channels
) {
    if (!mask[i / channels]) return 0;
    return (wide)(*slope * (double)*gradient) * (widen(output[i]) - target[i]);
}

extern "C" __global__ void masked_error_of_output(
    const real* output, const wide* target, const unsigned char* mask, const wide* gradient,
    const double* slope, real* y, long long count, long long channels
) {
    long long i = item();
    if (i < count) y[i] = narrow(slope_at(output, target, mask, gradient, slope, i, channels));
}

extern "C" __global__ void masked_error_of_target(
    const real* output, const wide* target, const unsigned char* mask, const wide* gradient,
    const double* slope, wide* y, long long count, long long channels
) {
    long long i = item();
    if (i < count) y[i] = -slope_at(output, target, mask, gradient, slope, i, channels);
}
