// A launch: its blocks one after another, until one of them fails.

#include <cstdio>

#include "device.h"

__thread emulated::Here emulated_here;

namespace emulated {

static uint3 unfold(uint64_t linear, uint3 size) {
    return {static_cast<unsigned>(linear % size.x), static_cast<unsigned>(linear / size.x % size.y),
            static_cast<unsigned>(linear / size.x / size.y)};
}

std::string coordinates(uint3 at) {
    return "(" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

std::string Device::thread_name(unsigned linear) const { return coordinates(threads[linear].index); }

std::string Device::block_name(uint64_t block) const {
    return coordinates(unfold(block, emulated_here.blocks));
}

void Device::launch(const Kernel& launched, uint3 blocks, uint3 block_size, size_t dynamic,
                    const void* values, const Pointer* named, unsigned count_of_named) {
    kernel = &launched;
    arguments = values;
    pointers = named;
    pointer_count = count_of_named;
    failure.clear();
    failed_at = nullptr;
    failed_line = 0;
    emulated_here = {{}, {}, block_size, blocks, 0, this};

    // An earlier launch may have failed half way, or run on another thread of the system.
    contexts.clear();
    contexts.reserve(Stacks::COUNT);
    idle_stacks.clear();
    unsigned count = block_size.x * block_size.y * block_size.z;
    threads.resize(count);
    warps.resize((count + WARP - 1) / WARP);
    for (unsigned i = 0; i < count; i++) {
        Thread& thread = threads[i];
        thread.index = unfold(i, block_size);
        thread.linear = i;
        thread.lane = i % WARP;
        thread.warp = i / WARP;
    }

    launch_start = interval + 1;
    block_starts.clear();
    publications.clear();
    uint64_t all = uint64_t(blocks.x) * blocks.y * blocks.z;
    first_block = random % all;
    for (uint64_t i = 0; i < all && failure.empty(); i++) {
        begin_block((first_block + i) % all, dynamic);
        run_block();
    }
    emulated_here.device = nullptr;
}

void Device::begin_block(uint64_t block, size_t dynamic) {
    emulated_here.block = unfold(block, emulated_here.blocks);
    block_start = ++interval;
    if (check) block_starts.push_back(block_start);
    fenced = acquired = false;
    finished = 0;
    barrier_predicates = 0;
    at_barrier.clear();
    ready.clear();
    first_ready = 0;
    shared.begin(dynamic);
    for (size_t i = 0; i < warps.size(); i++) {
        size_t lanes = threads.size() - i * WARP;
        warps[i].lanes = lanes >= WARP ? ALL_LANES : (1u << lanes) - 1;
        warps[i].finished = 0;
        warps[i].syncs = 0;
        warps[i].parties.clear();
    }
    for (Thread& thread : threads) {
        thread.state = State::Fresh;
        thread.copies.clear();
        make_ready(thread);
    }
}

void Device::fail(const void* at, const char* format, ...) {
    failed_at = at;
    va_list values;
    va_start(values, format);
    give_up(format, values);
}

void Device::fail_in_line(int line, const char* format, ...) {
    failed_line = line;
    va_list values;
    va_start(values, format);
    give_up(format, values);
}

void Device::give_up(const char* format, va_list values) {
    char text[512];
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    failure = std::string(kernel->name) + ", block " + coordinates(emulated_here.block) + ", thread " +
              coordinates(emulated_here.thread) + ": " + text;
    // The thread is left where it is, and with it the whole block.
    leave(contexts[current->stack], scheduler);
    __builtin_unreachable();
}

}  // namespace emulated

using namespace emulated;

extern "C" void* emulated_shared(const void* variable, const char* name, size_t bytes,
                                 size_t alignment) {
    void* memory = here().shared.variable(variable, name, bytes, alignment);
    if (!memory) {
        here().fail(CALLER, "shared memory: no room for %s of %zu bytes; 48 KiB may be static, and "
                    "227 KiB all together", name, bytes);
    }
    return memory;
}

extern "C" void* emulated_dynamic_shared() { return here().shared.dynamic().base; }

extern "C" void emulated_trap() { here().fail(CALLER, "__trap()"); }
