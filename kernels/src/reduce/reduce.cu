// Sums in float64: of spans of fixed length, a block for each, then over spans in order.

// SPAN: elements of a block; a multiple of its threads.

extern "C" __global__ void reduce_spans(const real* x, double* sums, long long count) {
    __shared__ double partial[32];
    long long start = blockIdx.x * SPAN;
    double sum = 0;
    for (long long i = start + threadIdx.x; i < start + SPAN; i += blockDim.x) {
        if (i < count) sum += (double)widen(x[i]);
    }
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block.
extern "C" __global__ void reduce_total(const double* sums, real* y, double scale, long long spans) {
    __shared__ double partial[32];
    double sum = 0;
    for (long long i = threadIdx.x; i < spans; i += blockDim.x) sum += sums[i];
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) *y = narrow((wide)(scale * sum));
}

// Every element has the same share of the one gradient.
extern "C" __global__ void reduce_backward(const real* gradient, real* y, double scale, long long count) {
    long long i = item();
    if (i < count) y[i] = narrow((wide)(scale * (double)widen(*gradient)));
}

// One number to a total of many launches.
extern "C" __global__ void reduce_accumulate(double* total, const real* x) {
    if (item() == 0) *total += (double)widen(*x);
}
