// Sums and maxima over warps and blocks. Always in the same order, so that equal inputs give equal
// bits.

#define EVERY_LANE 0xffffffffu

// The row of this thread's warp, where there is a warp for each.
__device__ __forceinline__ long long row() { return thread_index() / 32; }

__device__ __forceinline__ int lane() { return threadIdx.x % 32; }

// The sum over a warp, in every lane.
template <class T> __device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        x += __shfl_xor_sync(EVERY_LANE, x, distance);
    }
    return x;
}

// The maximum over a warp, in every lane.
template <class T> __device__ __forceinline__ T warp_max(T x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        T other = __shfl_xor_sync(EVERY_LANE, x, distance);
        x = other > x ? other : x;
    }
    return x;
}

// The inner product of two rows that this warp works on, in every lane.
__device__ __forceinline__ Acc inner(const Real* a, const Real* b, long long width) {
    Acc sum = 0;
    for (long long j = lane(); j < width; j += 32) sum += to_acc(a[j]) * to_acc(b[j]);
    return warp_sum(sum);
}

// The sum over a block of full warps, in its first thread. `partial` is shared and holds one
// number per warp; its previous contents are overwritten.
template <class T> __device__ __forceinline__ T block_sum(T x, T* partial) {
    int warps = blockDim.x / 32;
    x = warp_sum(x);
    if (lane() == 0) partial[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x < warps ? partial[threadIdx.x] : T(0);
    return threadIdx.x < 32 ? warp_sum(x) : x;
}

// The same in every thread of the block, which may go on to use `partial` again.
template <class T> __device__ __forceinline__ T block_sum_everywhere(T x, T* partial) {
    x = block_sum(x, partial);
    if (threadIdx.x == 0) partial[0] = x;
    __syncthreads();
    x = partial[0];
    __syncthreads();
    return x;
}

// The maximum over a block of full warps, in every thread.
template <class T> __device__ __forceinline__ T block_max_everywhere(T x, T* partial) {
    x = warp_max(x);
    if (lane() == 0) partial[threadIdx.x / 32] = x;
    __syncthreads();
    for (int warp = 0; warp < blockDim.x / 32; warp++) x = partial[warp] > x ? partial[warp] : x;
    __syncthreads();
    return x;
}
