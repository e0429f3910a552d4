// What the lanes of a warp do together.
#pragma once

namespace emulated {

// The value that lane `source` gives, where that is one of the `width` lanes of this lane's segment;
// else its own. Every lane takes part, so that every lane can be a source.
template <class T>
EMULATED_UNWATCHED static inline T shuffle(unsigned mask, T value, int source, int width, int line) {
    static_assert(sizeof(T) <= 8, "shuffles take up to eight bytes");
    int segment = static_cast<int>(lane()) & -width;
    bool inside = source >= 0 && source < width;
    ShuffleRequest request = {0, inside ? segment + source : static_cast<int>(lane())};
    __builtin_memcpy(&request.value, &value, sizeof value);
    unsigned long long taken;
    emulated_together(Together::Shuffle, mask, &request, &taken, line);
    __builtin_memcpy(&value, &taken, sizeof value);
    return value;
}

static inline int lane_in(int width) { return static_cast<int>(lane()) & (width - 1); }

// The values of all lanes, folded by an operation. Those out of the mask are left out.
template <class T, class Operation>
EMULATED_UNWATCHED static inline T reduce(unsigned mask, T value, Operation operation, int line) {
    static_assert(sizeof(T) == sizeof(unsigned), "warp reductions take 32 bits");
    unsigned values[32];
    emulated_together(Together::Gather, mask, &value, values, line);
    int first = __builtin_ctz(mask);
    T result = bits<T>(values[first]);
    for (int lane = first + 1; lane < 32; lane++) {
        if (mask >> lane & 1) result = operation(result, bits<T>(values[lane]));
    }
    return result;
}

}  // namespace emulated

static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = EMULATED_LINE) {
    emulated_together(emulated::Together::Synchronise, mask, nullptr, nullptr, line);
}

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
                            int line = EMULATED_LINE) {
    return emulated::shuffle(mask, value, lane & (width - 1), width, line);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                                int line = EMULATED_LINE) {
    return emulated::shuffle(mask, value, emulated::lane_in(width) ^ bits, width, line);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32,
                                 int line = EMULATED_LINE) {
    int source = emulated::lane_in(width) + static_cast<int>(lanes);
    return emulated::shuffle(mask, value, source, width, line);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32,
                               int line = EMULATED_LINE) {
    int source = emulated::lane_in(width) - static_cast<int>(lanes);
    return emulated::shuffle(mask, value, source, width, line);
}

EMULATED_UNWATCHED static inline unsigned __ballot_sync(unsigned mask, int predicate,
                                                        int line = EMULATED_LINE) {
    unsigned votes;
    emulated_together(emulated::Together::Ballot, mask, &predicate, &votes, line);
    return votes;
}
static inline int __any_sync(unsigned mask, int predicate, int line = EMULATED_LINE) {
    return __ballot_sync(mask, predicate, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, int line = EMULATED_LINE) {
    return __ballot_sync(mask, !predicate, line) == 0;
}

// __reduce_*_sync, for int and unsigned.
#define EMULATED_REDUCE(name, type, expression)                                                    \
    static inline type name(unsigned mask, type value, int line = EMULATED_LINE) {                 \
        return emulated::reduce(mask, value, [](type a, type b) -> type { return expression; },    \
                                line);                                                             \
    }
EMULATED_REDUCE(__reduce_add_sync, int, static_cast<int>(static_cast<unsigned>(a) + b))
EMULATED_REDUCE(__reduce_add_sync, unsigned, a + b)
EMULATED_REDUCE(__reduce_min_sync, int, a < b ? a : b)
EMULATED_REDUCE(__reduce_min_sync, unsigned, a < b ? a : b)
EMULATED_REDUCE(__reduce_max_sync, int, a > b ? a : b)
EMULATED_REDUCE(__reduce_max_sync, unsigned, a > b ? a : b)
EMULATED_REDUCE(__reduce_and_sync, unsigned, a & b)
EMULATED_REDUCE(__reduce_or_sync, unsigned, a | b)
EMULATED_REDUCE(__reduce_xor_sync, unsigned, a ^ b)
#undef EMULATED_REDUCE

// Behind the wrappers of kernels/src/gpu/tensor_core.cuh, which explains them.
namespace emulated {

EMULATED_UNWATCHED static inline void multiply(float (&sum)[4], const unsigned (&a)[4],
                                               const unsigned (&b)[2], int line) {
    MultiplyRequest request = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    emulated_together(Together::Multiply, 0xffffffffu, &request, sum, line);
}

static inline void load_matrices(unsigned (&fragment)[4], const void* row, bool transposed, int line) {
    emulated_matrix_row(row);
    emulated_together(transposed ? Together::LoadTransposed : Together::LoadMatrices, 0xffffffffu, row,
                      fragment, line);
}

}  // namespace emulated
