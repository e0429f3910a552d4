// CUDA's mathematics by the host's. Approximate functions (__expf and the like) are exact here.
#pragma once

// A function of the C library for double, for float under its C name, and for float overloaded.
#define EMULATED_MATH1(name)                                                                       \
    extern "C" double name(double);                                                                \
    extern "C" float name##f(float);                                                               \
    static inline float name(float x) { return name##f(x); }
#define EMULATED_MATH2(name)                                                                       \
    extern "C" double name(double, double);                                                        \
    extern "C" float name##f(float, float);                                                        \
    static inline float name(float x, float y) { return name##f(x, y); }

EMULATED_MATH1(exp) EMULATED_MATH1(exp2) EMULATED_MATH1(expm1)
EMULATED_MATH1(log) EMULATED_MATH1(log2) EMULATED_MATH1(log10) EMULATED_MATH1(log1p)
EMULATED_MATH1(sqrt) EMULATED_MATH1(cbrt) EMULATED_MATH1(fabs)
EMULATED_MATH1(sin) EMULATED_MATH1(cos) EMULATED_MATH1(tan)
EMULATED_MATH1(asin) EMULATED_MATH1(acos) EMULATED_MATH1(atan)
EMULATED_MATH1(sinh) EMULATED_MATH1(cosh) EMULATED_MATH1(tanh)
EMULATED_MATH1(erf) EMULATED_MATH1(erfc)
EMULATED_MATH1(floor) EMULATED_MATH1(ceil) EMULATED_MATH1(trunc) EMULATED_MATH1(round)
EMULATED_MATH1(rint) EMULATED_MATH1(nearbyint)
EMULATED_MATH2(pow) EMULATED_MATH2(fmod) EMULATED_MATH2(atan2) EMULATED_MATH2(hypot)
EMULATED_MATH2(fmin) EMULATED_MATH2(fmax) EMULATED_MATH2(copysign)
#undef EMULATED_MATH1
#undef EMULATED_MATH2

extern "C" double fma(double, double, double);
extern "C" float fmaf(float, float, float);
static inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
extern "C" double ldexp(double, int);
extern "C" float ldexpf(float, int);
extern "C" void sincos(double, double*, double*);
extern "C" void sincosf(float, float*, float*);

// Macros: newer C libraries have some of these names, and other types for them.
static inline double emulated_rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float emulated_rsqrt(float x) { return 1.0f / sqrtf(x); }
#define rsqrt emulated_rsqrt
#define rsqrtf emulated_rsqrt
#define __expf expf
#define __logf logf
#define __log2f log2f
#define __sinf sinf
#define __cosf cosf
#define __powf powf
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frsqrt_rn(float x) { return rsqrtf(x); }
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline float __saturatef(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }

static inline bool isnan(float x) { return __builtin_isnan(x); }
static inline bool isnan(double x) { return __builtin_isnan(x); }
static inline bool isinf(float x) { return __builtin_isinf(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(float x) { return __builtin_isfinite(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }
static inline bool signbit(float x) { return __builtin_signbit(x); }
static inline bool signbit(double x) { return __builtin_signbit(x); }

// Of floating-point numbers, the one that is a number; of integers, in their common type.
template <class A, class B>
static inline auto max(A a, B b) -> decltype(a + b) {
    return a < b || a != a ? b : a;
}
template <class A, class B>
static inline auto min(A a, B b) -> decltype(a + b) {
    return b < a || a != a ? b : a;
}
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return fabsf(x); }
static inline double abs(double x) { return fabs(x); }

namespace emulated {

template <class To, class From>
EMULATED_UNWATCHED static inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "as many bits");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}

}  // namespace emulated

static inline unsigned __float_as_uint(float x) { return emulated::bits<unsigned>(x); }
static inline int __float_as_int(float x) { return emulated::bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return emulated::bits<float>(x); }
static inline float __int_as_float(int x) { return emulated::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emulated::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulated::bits<double>(x); }

static inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
static inline int __float2int_rz(float x) { return static_cast<int>(x); }
static inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
static inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
static inline int __double2int_rn(double x) { return static_cast<int>(rint(x)); }
static inline float __int2float_rn(int x) { return static_cast<float>(x); }
static inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
static inline float __double2float_rn(double x) { return static_cast<float>(x); }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
static inline int __clzll(long long x) {
    return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64;
}
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; bit++) reversed |= (x >> bit & 1) << (31 - bit);
    return reversed;
}
static inline unsigned __umulhi(unsigned x, unsigned y) {
    return static_cast<unsigned>(static_cast<unsigned long long>(x) * y >> 32);
}
static inline int __mulhi(int x, int y) {
    return static_cast<int>(static_cast<long long>(x) * y >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(x) * y >> 64);
}

template <class T>
static inline T __ldg(const T* address) {
    return *address;
}
template <class T>
static inline T __ldcs(const T* address) {
    return *address;
}
template <class T>
static inline void __stcs(T* address, T value) {
    *address = value;
}
