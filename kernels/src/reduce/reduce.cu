// Sums in float64: of spans of fixed length, a block for each, then over spans in order.

// SPAN: elements of a block; a multiple of its threads.

struct ReduceSpans {
    const Real* x;   // [count]
    double* sums;    // [blocks]
    long long count;
};

extern "C" __global__ void reduce_spans(__grid_constant__ const ReduceSpans a) {
    __shared__ double partial[32];
    long long start = blockIdx.x * SPAN;
    double sum = 0;
    for (long long i = start + threadIdx.x; i < start + SPAN; i += blockDim.x) {
        if (i < a.count) sum += (double)to_acc(a.x[i]);
    }
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) a.sums[blockIdx.x] = sum;
}

struct ReduceTotal {
    const double* sums;   // [spans]
    Real* y;              // one number
    double scale;
    long long spans;
};

// One block.
extern "C" __global__ void reduce_total(__grid_constant__ const ReduceTotal a) {
    __shared__ double partial[32];
    double sum = 0;
    for (long long i = threadIdx.x; i < a.spans; i += blockDim.x) sum += a.sums[i];
    sum = block_sum(sum, partial);
    if (threadIdx.x == 0) *a.y = to_real((Acc)(a.scale * sum));
}

struct ReduceBackward {
    const Real* gradient;   // one number
    Real* y;                // [count]
    double scale;
    long long count;
};

// Every element has the same share of the one gradient.
extern "C" __global__ void reduce_backward(__grid_constant__ const ReduceBackward a) {
    long long i = thread_index();
    if (i < a.count) a.y[i] = to_real((Acc)(a.scale * (double)to_acc(*a.gradient)));
}

struct ReduceAccumulate {
    double* total;   // one number
    const Real* x;   // one number
};

// One number to a total of many launches.
extern "C" __global__ void reduce_accumulate(__grid_constant__ const ReduceAccumulate a) {
    if (thread_index() == 0) *a.total += (double)to_acc(*a.x);
}
