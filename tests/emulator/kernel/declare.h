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

// A parameter that is a struct, the only one of its kernel.
template <class T>
struct Parameter {
    static_assert(__is_class(T), "kernels take a struct, pointers, long long and double, nothing else");
    static constexpr char KIND = 's';
    EMULATED_UNWATCHED static const T& of(const Word* words) {
        return *reinterpret_cast<const T*>(words);
    }
};
template <class T>
struct Parameter<T*> {
    static constexpr char KIND = 'p';
    EMULATED_UNWATCHED static T* of(const Word* words) { return static_cast<T*>(words->pointer); }
};
// By value, a const parameter's type is the same.
template <>
struct Parameter<long long> {
    static constexpr char KIND = 'i';
    EMULATED_UNWATCHED static long long of(const Word* words) { return words->integer; }
};
template <>
struct Parameter<double> {
    static constexpr char KIND = 'n';
    EMULATED_UNWATCHED static double of(const Word* words) { return words->number; }
};

template <int... I>
struct Indices {};

template <auto function>
struct Describe;
template <class... Types, void (*function)(Types...)>
struct Describe<function> {
    static constexpr unsigned COUNT = sizeof...(Types);
    static constexpr char KINDS[] = {Parameter<Types>::KIND..., 0};

    template <int... I>
    EMULATED_UNWATCHED static void call_with(const Word* words, Indices<I...>) {
        function(Parameter<Types>::of(words + I)...);
    }
    EMULATED_UNWATCHED static void call(const Word* words) {
        call_with(words, Indices<__integer_pack(sizeof...(Types))...>());
    }
};

}  // namespace emulated

// Where the linker put the compiled program.
extern "C" const char __ehdr_start __attribute__((visibility("hidden")));
extern "C" const char _end __attribute__((visibility("hidden")));

// Stands before a kernel, which must be declared: its most threads by __launch_bounds__ or 0, the
// names of its parameters, and null.
#define EMULATED_KERNEL(function, most_threads, ...)                                               \
    static const char* const emulated_names_##function[] = {__VA_ARGS__};                          \
    extern "C" const emulated::Kernel emulated_kernel_##function;                                  \
    const emulated::Kernel emulated_kernel_##function = {                                          \
        #function, emulated::Describe<&function>::call, emulated::Describe<&function>::COUNT,      \
        emulated::Describe<&function>::KINDS, emulated_names_##function, most_threads,             \
        &__ehdr_start, &_end};
