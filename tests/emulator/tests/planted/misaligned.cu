// Adds up four neighbours. BROKEN 1: begins one behind a multiple of four. BROKEN 2: reads a shared
// array of floats by fours, without __align__.
extern "C" __global__ void run(Run a) {
#if BROKEN == 2
    __shared__ float copy[256];
#else
    __shared__ __align__(16) float copy[256];
#endif
    copy[threadIdx.x] = a.x[threadIdx.x];
    __syncthreads();
    int first = threadIdx.x % 4 == 0 ? threadIdx.x : 0;
    float4 four = BROKEN == 1 ? *(const float4*)(a.x + first + 1) : *(const float4*)(copy + first);
    a.y[threadIdx.x] = four.x + four.y + four.z + four.w;
}
