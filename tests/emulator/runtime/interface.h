// What compiled kernels and the runtime agree on. Kernels include nothing else of the runtime, and
// this file includes nothing, so that a kernel compiles in a fraction of a second.
#pragma once

typedef __SIZE_TYPE__ size_t;

struct uint3 {
    unsigned x, y, z;
};

namespace emulated {

struct Device;

// What the built-in variables of a kernel read. The scheduler fills it in whenever it goes on with
// another thread.
struct Here {
    uint3 thread, block;     // threadIdx, blockIdx
    uint3 threads, blocks;   // blockDim, gridDim
    unsigned lane;           // of the warp
    Device* device;          // null outside of a launch
};

// What a warp does together.
enum class Together { Synchronise, Shuffle, Ballot, Gather, Multiply, LoadMatrices, LoadTransposed };

// A lane's part in a shuffle: its value, and the lane whose value it wants.
struct ShuffleRequest {
    unsigned long long value;
    int source;
};

// A lane's part in a matrix product: its fragments of two factors.
struct MultiplyRequest {
    unsigned a[4], b[2];
};

enum class Access { Read, Write, Atomic };

// An argument that is a pointer, for messages.
struct Pointer {
    const char* name;
    const char* address;
};

// A kernel of a compiled program, as `EMULATED_KERNEL` describes it.
struct Kernel {
    const char* name;
    void (*call)(const void* arguments);   // with its struct
    unsigned most_threads;       // of a block, by __launch_bounds__; 0 without
    const void* image_begin;     // the compiled program in memory, with its constants
    const void* image_end;
};

}  // namespace emulated

// `line` is that of the call in the source: threads that meet should have come from the same line.
extern "C" {
extern __thread emulated::Here emulated_here;

// __syncthreads: the number of threads whose predicate was not 0.
int emulated_barrier(int predicate, int line);

// A warp's operation. `in` and `out` are the lane's own; they may lie on its stack.
void emulated_together(emulated::Together what, unsigned mask, const void* in, void* out, int line);

// Shared memory of the block for a variable, the same for each of its threads.
void* emulated_shared(const void* variable, const char* name, size_t bytes, size_t alignment);
void* emulated_dynamic_shared();

// cp.async of 16 bytes, or of 16 zeros where nothing is `there`.
void emulated_copy_async(void* shared, const void* global, bool there);
void emulated_copy_commit();
void emulated_copy_wait(int groups);

void emulated_threadfence();
void emulated_touch(const void* address, size_t bytes, emulated::Access access);
void emulated_matrix_row(const void* address);   // ldmatrix: a row of 16 bytes that will be read
[[noreturn]] void emulated_trap();
}
