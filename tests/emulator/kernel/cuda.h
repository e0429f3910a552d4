// CUDA as kernels write it, in C++ for the host. Goes before every kernel source; includes nothing of
// the system, as NVRTC has no headers either: what compiles here should compile there.
#pragma once

#include "interface.h"

#define __CUDA_ARCH__ 800
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

// Not watched by the checker: what belongs to the emulation and not to the kernel.
#define EMULATED_UNWATCHED __attribute__((no_sanitize("thread", "alignment", "bounds")))

extern "C" int printf(const char* format, ...);

namespace emulated {

EMULATED_UNWATCHED static inline uint3 thread_index() { return emulated_here.thread; }
EMULATED_UNWATCHED static inline uint3 block_index() { return emulated_here.block; }
EMULATED_UNWATCHED static inline uint3 block_size() { return emulated_here.threads; }
EMULATED_UNWATCHED static inline uint3 grid_size() { return emulated_here.blocks; }
EMULATED_UNWATCHED static inline unsigned lane() { return emulated_here.lane; }

}  // namespace emulated

#define threadIdx (::emulated::thread_index())
#define blockIdx (::emulated::block_index())
#define blockDim (::emulated::block_size())
#define gridDim (::emulated::grid_size())
#define warpSize 32

// The line of the call, which a default argument of the called function knows.
#define EMULATED_LINE __builtin_LINE()

static inline void __syncthreads(int line = EMULATED_LINE) { emulated_barrier(0, line); }
static inline int __syncthreads_count(int predicate, int line = EMULATED_LINE) {
    return emulated_barrier(predicate, line);
}
static inline int __syncthreads_or(int predicate, int line = EMULATED_LINE) {
    return emulated_barrier(predicate, line) != 0;
}
static inline int __syncthreads_and(int predicate, int line = EMULATED_LINE) {
    return emulated_barrier(!predicate, line) == 0;
}
static inline void __threadfence() { emulated_threadfence(); }
static inline void __threadfence_block() {}
static inline void __trap() { emulated_trap(); }

#include "declare.h"
#include "vector.h"
#include "math.h"
#include "warp.h"
#include "atomic.h"
