#include "fiber.h"

#include <cstdint>
#include <sys/mman.h>

namespace emulated {

#if defined(__x86_64__)

// What a function must keep for its caller goes to the stack; then the stacks are exchanged.
// `swapcontext` does the same and asks the system about signals each time, which takes 50 times as
// long.
extern "C" void emulated_exchange_stacks(void** from, void* to);
asm(R"(
.text
.type emulated_exchange_stacks, @function
emulated_exchange_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulated_exchange_stacks, . - emulated_exchange_stacks
)");

void leave(Context& from, Context& to) {
    emulated_exchange_stacks(&from.stack_pointer, to.stack_pointer);
}

void prepare(Context& context, char* top, size_t, void (*entry)()) {
    constexpr int SAVED_REGISTERS = 6;
    uintptr_t* stack = reinterpret_cast<uintptr_t*>(top);
    *--stack = 0;   // where `entry` would return to; a function begins 8 below a multiple of 16
    *--stack = reinterpret_cast<uintptr_t>(entry);
    for (int i = 0; i < SAVED_REGISTERS; i++) *--stack = 0;
    context.stack_pointer = stack;
}

#else

void leave(Context& from, Context& to) { swapcontext(&from.state, &to.state); }

void prepare(Context& context, char* top, size_t bytes, void (*entry)()) {
    getcontext(&context.state);
    context.state.uc_stack.ss_sp = top - bytes;
    context.state.uc_stack.ss_size = bytes;
    context.state.uc_link = nullptr;
    makecontext(&context.state, entry, 0);
}

#endif

Stacks::Stacks() {
    size_t bytes = COUNT * (BYTES + GUARD);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    base_ = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
    for (size_t stack = 0; base_ && stack < COUNT; stack++) {
        mprotect(base_ + stack * (BYTES + GUARD), GUARD, PROT_NONE);
    }
}

Stacks::~Stacks() {
    if (base_) munmap(base_, COUNT * (BYTES + GUARD));
}

bool Stacks::hold(const void* address) const {
    const char* place = static_cast<const char*>(address);
    return place >= base_ && place < base_ + COUNT * (BYTES + GUARD);
}

}  // namespace emulated
