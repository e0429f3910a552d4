// Sums in float64: of spans of fixed length, a block for each, then over spans in order.

// SPAN: elements of a block; a multiple of its threads.

struct ReduceSpans {
    const real* x;   // [count]
    double* sums;    // [blocks]
    long long count;
};

extern "C" __global__ void reduce_spans(__grid_constant__ const ReduceSpans a) {
    __shared__ double partial[32];
    long long start = blockIdx.x * SPAN;
    double sum = 0;
    for (long long i = start + threadIdx.x; i < start + SPAN; i += blockDim.x) {
        if (i < a.count) sum += (double)widen(a.x[i]);
    }
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) a.sums[blockIdx.x] = sum;
}

struct ReduceTotal {
    const double* sums;   // [spans]
    real* y;              // one number
    double scale;
    long long spans;
};

// One block.
extern "C" __global__ void reduce_total(__grid_constant__ const ReduceTotal a) {
    __shared__ double partial[32];
    double sum = 0;
    for (long long i = threadIdx.x; i < a.spans; i += blockDim.x) sum += a.sums[i];
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) *a.y = narrow((wide)(a.scale * sum));
}

struct ReduceBackward {
    const real* gradient;   // one number
    real* y;                // [count]
    double scale;
    long long count;
};

// Every element has the same share of the one gradient.
extern "C" __global__ void reduce_backward(__grid_constant__ const ReduceBackward a) {
    long long i = item();
    if (i < a.count) a.y[i] = narrow((wide)(a.scale * (double)widen(*a.gradient)));
}

struct ReduceAccumulate {
    double* total;   // one number
    const real* x;   // one number
};

// One number to a total of many launches.
extern "C" __global__ void reduce_accumulate(__grid_constant__ const ReduceAccumulate a) {
    if (item() == 0) *a.total += (double)widen(*a.x);
}
