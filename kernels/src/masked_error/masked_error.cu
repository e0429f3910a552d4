// Sums over hidden pixels, a block for each span; the divisor is counted on the way.

// SPAN: values of a block; a multiple of its threads.

struct MaskedErrorSpans {
    const Real* output;          // [count]
    const Acc* target;          // [count]
    const unsigned char* mask;   // [count / channels], not 0 where a pixel is hidden
    double* squares;             // [blocks]
    double* hidden;              // [blocks], pixels
    long long count, channels;
};

extern "C" __global__ void masked_error_spans(__grid_constant__ const MaskedErrorSpans a) {
    __shared__ double partial[32], counted[32];
    long long start = blockIdx.x * SPAN;
    double square = 0, values = 0;
    for (long long i = start + threadIdx.x; i < start + SPAN; i += blockDim.x) {
        if (i >= a.count || !a.mask[i / a.channels]) continue;
        double difference = (double)to_acc(a.output[i]) - (double)a.target[i];
        square += difference * difference;
        values += 1;
    }
    square = block_sum(square, partial);
    values = block_sum(values, counted);
    if (threadIdx.x == 0) {
        a.squares[blockIdx.x] = square;
        a.hidden[blockIdx.x] = values / (double)a.channels;
    }
}

struct MaskedErrorTotal {
    const double* squares;   // [spans]
    const double* hidden;    // [spans]
    Acc* y;                 // one number
    double* slope;           // one number
    long long spans;
};

// One block. The error, and what a difference is multiplied by for its gradient.
extern "C" __global__ void masked_error_total(__grid_constant__ const MaskedErrorTotal a) {
    __shared__ double partial[32], counted[32];
    double square = 0, pixels = 0;
    for (long long i = threadIdx.x; i < a.spans; i += blockDim.x) {
        square += a.squares[i];
        pixels += a.hidden[i];
    }
    square = block_sum(square, partial);
    pixels = block_sum(pixels, counted);
    if (threadIdx.x > 0) return;
    double share = pixels > 0 ? 1 / pixels : 0;
    *a.y = (Acc)(share * square);
    *a.slope = 2 * share;
}

// The derivative of the error with respect to a value of the output.
template <class Arguments>
__device__ __forceinline__ Acc slope_at(const Arguments& a, long long i) {
    if (!a.mask[i / a.channels]) return 0;
    return (Acc)(*a.slope * (double)*a.gradient) * (to_acc(a.output[i]) - a.target[i]);
}

struct MaskedErrorOfOutput {
    const Real* output;          // [count]
    const Acc* target;          // [count]
    const unsigned char* mask;   // [count / channels], not 0 where a pixel is hidden
    const Acc* gradient;        // one number
    const double* slope;         // one number, by `masked_error_total`
    Real* y;
    long long count, channels;
};

extern "C" __global__ void masked_error_of_output(__grid_constant__ const MaskedErrorOfOutput a) {
    long long i = thread_index();
    if (i < a.count) a.y[i] = to_real(slope_at(a, i));
}

struct MaskedErrorOfTarget {
    const Real* output;          // [count]
    const Acc* target;          // [count]
    const unsigned char* mask;   // [count / channels], not 0 where a pixel is hidden
    const Acc* gradient;        // one number
    const double* slope;         // one number, by `masked_error_total`
    Acc* y;
    long long count, channels;
};

extern "C" __global__ void masked_error_of_target(__grid_constant__ const MaskedErrorOfTarget a) {
    long long i = thread_index();
    if (i < a.count) a.y[i] = -slope_at(a, i);
}
