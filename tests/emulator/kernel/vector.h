// CUDA's short vectors, with its alignments: twos and fours are aligned to their size, 16 at most.
#pragma once

#define EMULATED_VECTORS(type, name)                                                               \
    struct name##1 { type x; };                                                                    \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                       \
    struct name##3 { type x, y, z; };                                                              \
    struct alignas(4 * sizeof(type) > 16 ? 16 : 4 * sizeof(type)) name##4 { type x, y, z, w; };    \
    EMULATED_MAKERS(type, name)

#define EMULATED_MAKERS(type, name)                                                                \
    static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                        \
    static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }             \
    static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

EMULATED_VECTORS(signed char, char)
EMULATED_VECTORS(unsigned char, uchar)
EMULATED_VECTORS(short, short)
EMULATED_VECTORS(unsigned short, ushort)
EMULATED_VECTORS(int, int)
EMULATED_VECTORS(long long, longlong)
EMULATED_VECTORS(unsigned long long, ulonglong)
EMULATED_VECTORS(float, float)
EMULATED_VECTORS(double, double)

// uint3 is the type of the built-in variables, and in interface.h.
struct uint1 { unsigned x; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
EMULATED_MAKERS(unsigned, uint)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
