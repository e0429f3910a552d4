// Fibers: stacks of their own, between which one thread of the system goes back and forth.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulated {

// A place to go on from.
struct Context {
#if defined(__x86_64__)
    void* stack_pointer = nullptr;
#else
    ucontext_t state;
#endif
};

// Leaves for `to`, and comes back when something leaves for `from`.
void leave(Context& from, Context& to);

// Begins at `entry`, which must not return, on the stack that ends at `top`.
void prepare(Context& context, char* top, size_t bytes, void (*entry)());

// Room for the stacks of one block. Pages that no thread touches cost nothing.
class Stacks {
  public:
    static constexpr size_t BYTES = 128 << 10;
    static constexpr size_t GUARD = 4 << 10;
    static constexpr size_t COUNT = 1024;

    Stacks();
    ~Stacks();
    Stacks(const Stacks&) = delete;

    // Whether there was memory for them.
    explicit operator bool() const { return base_ != nullptr; }
    // Where a stack ends, which grows downwards.
    char* top(size_t stack) const { return base_ + (stack + 1) * (BYTES + GUARD); }
    // Whether an address lies on any of them.
    bool hold(const void* address) const;

  private:
    char* base_;
};

}  // namespace emulated
