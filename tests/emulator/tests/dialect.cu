// The words of CUDA that kernels use, each giving numbers that the host can compute as well.

template <typename T, int COUNT>
struct Pair {
    T value[COUNT];
};

__constant__ float table[4] = {1, 2, 4, 8};

// A template with shared memory of its own.
template <typename T>
__device__ T block_sum(T value) {
    __shared__ T part[32];
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) value += __shfl_down_sync(0xffffffffu, value, lanes);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    T sum = 0;
    for (int warp = 0; warp < (int)blockDim.x / 32; warp++) sum += part[warp];
    __syncthreads();
    return sum;
}

struct Sums {
    const float* x;
    float* floats;
    double* doubles;
    long long* integers;
};

extern "C" __global__ void __launch_bounds__(256) sums(__grid_constant__ const Sums a) {
    float value = a.x[threadIdx.x];
    a.floats[threadIdx.x] = block_sum(value);
    a.doubles[threadIdx.x] = block_sum((double)value * 0.5);
    a.integers[threadIdx.x] = block_sum((long long)value << 33);
}

struct Shuffles {
    int* out;
};

extern "C" __global__ void shuffles(__grid_constant__ const Shuffles a) {
    int me = threadIdx.x, lane = me % 32;
    int* mine = a.out + me * 12;
    mine[0] = __shfl_sync(0xffffffffu, lane, 5);
    mine[1] = __shfl_xor_sync(0xffffffffu, lane, 3);
    mine[2] = __shfl_up_sync(0xffffffffu, lane, 2);
    mine[3] = __shfl_down_sync(0xffffffffu, lane, 2, 8);
    mine[4] = (int)__ballot_sync(0xffffffffu, lane % 3 == 0);
    mine[5] = __any_sync(0xffffffffu, lane == 40) + 2 * __all_sync(0xffffffffu, lane < 32);
    mine[6] = __reduce_add_sync(0xffffffffu, lane);
    mine[7] = __reduce_max_sync(0xffffffffu, -lane);
    // Halves of a warp apart from each other.
    unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    mine[8] = __reduce_add_sync(half, 1) + __shfl_xor_sync(half, lane, 1);
    mine[9] = __syncthreads_count(lane < 3);
    mine[10] = __syncthreads_or(me == 7) + 2 * __syncthreads_and(me != 7);
    mine[11] = warpSize + (int)blockDim.x + (int)gridDim.y;
}

struct Atomics {
    int* ints;
    unsigned* words;
    unsigned long long* longs;
    float* floats;
    double* doubles;
};

extern "C" __global__ void atomics(__grid_constant__ const Atomics a) {
    int me = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(a.ints, me);
    atomicMax(a.ints + 1, me * 7 % 101);
    atomicMin(a.ints + 2, me - 3);
    atomicAdd(a.words, 1u);
    atomicOr(a.words + 1, 1u << me % 32);
    atomicAdd(a.longs, 1ull << 40);
    atomicAdd(a.floats, 0.5f);
    atomicAdd(a.doubles, 0.25);
    // Adding by compare and swap, as for types that have no atomic sum.
    unsigned old = atomicAdd(a.words + 2, 0u), seen;
    do {
        seen = old;
        old = atomicCAS(a.words + 2, seen, seen + 2);
    } while (old != seen);
}

struct Mathematics {
    const float* x;
    float* y;
    double scale;
    long long count;
};

extern "C" __global__ void mathematics(__grid_constant__ const Mathematics args) {
    long long i = thread_index();
    if (i >= args.count) return;
    Pair<float, 2> pair = {{args.x[i], (float)args.scale}};
    float a = pair.value[0] * pair.value[1];
    float4 four = make_float4(expf(a), __logf(1 + a), rsqrtf(1 + a), tanh(a));
    float sum = four.x + four.y + four.z + four.w + fmaf(a, a, 1.0f) + max(a, 0.5f) + fminf(a, 0.25f);
    args.y[i] = sum + table[i % 4] + __uint_as_float(__float_as_uint(a) ^ 0x80000000u) + erff(a);
}

struct Vectors {
    const uint4* words;
    uint4* words_out;
    const double2* pairs;
    double2* pairs_out;
};

// Philox-like arithmetic on whole vectors.
extern "C" __global__ void vectors(Vectors a) {
    uint4 v = __ldg(a.words + threadIdx.x);
    a.words_out[threadIdx.x] =
        make_uint4(__umulhi(v.x, 0xD2511F53u), __popc(v.y), __clz(v.z), __brev(v.w));
    double2 d = a.pairs[threadIdx.x];
    a.pairs_out[threadIdx.x] = make_double2(d.y, fma(d.x, d.y, 1.0));
}

struct Grid {
    int* out;
};

extern "C" __global__ void grid(__grid_constant__ const Grid a) {
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    a.out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] = block * 1000 + thread;
}
