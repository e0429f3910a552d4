// What declarations of shared variables and of kernels are rewritten to.
#pragma once

namespace emulated {

// `__shared__ float part[8];` becomes
//     static emulated::Shared<float[8]> part_shared{"part"}; auto& part = part_shared.here();
// The static object's address says which variable is meant.
template <class T, size_t alignment = alignof(T)>
struct Shared {
    const char* name;
    EMULATED_UNWATCHED T& here() const {
        size_t stricter = alignment > alignof(T) ? alignment : alignof(T);
        return *static_cast<T*>(emulated_shared(this, name, sizeof(T), stricter));
    }
};

// `extern __shared__ float all[];` becomes
//     float* const all = emulated::dynamic_shared<float>();
template <class T>
static inline T* dynamic_shared() {
    return static_cast<T*>(emulated_dynamic_shared());
}

// A kernel takes one struct.
template <auto function>
struct Describe {
    static_assert(sizeof(function) == 0, "a kernel takes one struct of arguments, and nothing else");
};
template <class Arguments, void (*function)(Arguments)>
struct Describe<function> {
    static_assert(__is_class(Arguments), "a kernel takes one struct of arguments, and nothing else");
    EMULATED_UNWATCHED static void call(const void* arguments) {
        function(*static_cast<const Arguments*>(arguments));
    }
};

}  // namespace emulated

// Where the linker put the compiled program.
extern "C" const char __ehdr_start __attribute__((visibility("hidden")));
extern "C" const char _end __attribute__((visibility("hidden")));

// Stands before a kernel, which must be declared: its most threads by __launch_bounds__ or 0.
#define EMULATED_KERNEL(function, most_threads)                                                    \
    extern "C" const emulated::Kernel emulated_kernel_##function;                                  \
    const emulated::Kernel emulated_kernel_##function = {                                          \
        #function, emulated::Describe<&function>::call, most_threads, &__ehdr_start, &_end};
