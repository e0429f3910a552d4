// Atomic operations. Threads take turns only where they wait, so that plain code is atomic; check
// mode is told, for it allows what would otherwise be a race.
#pragma once

namespace emulated {

template <class T, class Operation>
EMULATED_UNWATCHED static inline T atomic(T* address, Operation operation) {
#ifdef EMULATED_CHECK
    emulated_touch(address, sizeof(T), Access::Atomic);
#endif
    T old = *address;
    *address = operation(old);
    return old;
}

}  // namespace emulated

// `value` and `old` may stand in the expression of the new value.
#define EMULATED_ATOMIC(function, type, expression)                                                \
    static inline type function(type* address, type value) {                                       \
        return emulated::atomic(address, [=](type old) -> type { return expression; });            \
    }
#define EMULATED_ATOMICS(function, expression)                                                     \
    EMULATED_ATOMIC(function, int, expression)                                                     \
    EMULATED_ATOMIC(function, unsigned, expression)                                                \
    EMULATED_ATOMIC(function, unsigned long long, expression)

EMULATED_ATOMICS(atomicAdd, old + value)
EMULATED_ATOMIC(atomicAdd, float, old + value)
EMULATED_ATOMIC(atomicAdd, double, old + value)
EMULATED_ATOMIC(atomicSub, int, old - value)
EMULATED_ATOMIC(atomicSub, unsigned, old - value)
EMULATED_ATOMICS(atomicMin, value < old ? value : old)
EMULATED_ATOMIC(atomicMin, long long, value < old ? value : old)
EMULATED_ATOMICS(atomicMax, value > old ? value : old)
EMULATED_ATOMIC(atomicMax, long long, value > old ? value : old)
EMULATED_ATOMICS(atomicExch, (static_cast<void>(old), value))
EMULATED_ATOMIC(atomicExch, float, (static_cast<void>(old), value))
EMULATED_ATOMICS(atomicAnd, old & value)
EMULATED_ATOMICS(atomicOr, old | value)
EMULATED_ATOMICS(atomicXor, old ^ value)
EMULATED_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
#undef EMULATED_ATOMICS
#undef EMULATED_ATOMIC

#define EMULATED_COMPARE_AND_SWAP(type)                                                            \
    static inline type atomicCAS(type* address, type expected, type value) {                       \
        return emulated::atomic(address,                                                           \
                                [=](type old) -> type { return old == expected ? value : old; });  \
    }
EMULATED_COMPARE_AND_SWAP(unsigned short)
EMULATED_COMPARE_AND_SWAP(int)
EMULATED_COMPARE_AND_SWAP(unsigned)
EMULATED_COMPARE_AND_SWAP(unsigned long long)
#undef EMULATED_COMPARE_AND_SWAP
