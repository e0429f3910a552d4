// Precedes every kernel source. REAL is the number of bits of the storage type.
//
// Images and features are stored as `real`. Kernels compute in `wide`, the accumulator type, in which
// everything else is also stored: parameters, their gradients, statistics and losses. There are no
// includes, so that compilation needs no CUDA headers; hence a bf16 type of our own.

#if REAL == 64
typedef double real;
typedef double wide;
#elif REAL == 32
typedef float real;
typedef float wide;
#elif REAL == 16
struct real { unsigned short bits; };
typedef float wide;
#endif

// Rounds to bf16: to nearest, ties to even. NaN stays NaN.
__device__ __forceinline__ unsigned short bf16_of(float x) {
#ifdef EMULATED
    unsigned bits = __float_as_uint(x);
    bool number = (bits & 0x7fffffffu) <= 0x7f800000u;
    return number ? (bits + 0x7fffu + (bits >> 16 & 1)) >> 16 : 0x7fff;
#else
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
#endif
}

#if REAL == 16
__device__ __forceinline__ wide widen(real x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ real narrow(wide x) { return {bf16_of(x)}; }
#else
__device__ __forceinline__ wide widen(real x) { return x; }
__device__ __forceinline__ real narrow(wide x) { return x; }
#endif

// The global index of this thread in a one-dimensional grid.
__device__ __forceinline__ long long item() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

#define INFINITE ((wide)__int_as_float(0x7f800000))
