// Precedes every kernel source. REAL is the number of bits of the storage type.
//
// Images and features are stored as `Real`. Kernels compute in `Acc`, the accumulator type, in which
// everything else is also stored: parameters, their gradients, statistics and losses. There are no
// includes, so that compilation needs no CUDA headers; hence a bf16 type of our own.

#if REAL == 64
typedef double Real;
typedef double Acc;
#elif REAL == 32
typedef float Real;
typedef float Acc;
#elif REAL == 16
struct Real { unsigned short bits; };
typedef float Acc;
#endif

// Rounds to bf16: to nearest, ties to even. NaN stays NaN.
__device__ __forceinline__ unsigned short bf16_bits(float x) {
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
__device__ __forceinline__ Acc to_acc(Real x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ __forceinline__ Real to_real(Acc x) { return {bf16_bits(x)}; }
#else
__device__ __forceinline__ Acc to_acc(Real x) { return x; }
__device__ __forceinline__ Real to_real(Acc x) { return x; }
#endif

// The global index of this thread in a one-dimensional grid.
__device__ __forceinline__ long long thread_index() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

#define ACC_INFINITY ((Acc)__int_as_float(0x7f800000))
