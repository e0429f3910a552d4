// The emulated device: its memory, the launch that it is at, and the threads of the current block.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "fiber.h"
#include "interface.h"
#include "memory.h"

namespace emulated {

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = ~0u;

// cp.async: what is on its way to shared memory.
struct Copy {
    void* shared;
    const void* global;   // null: zeros
};

enum class State { Fresh, Ready, AtBarrier, InWarp, Finished };

struct Thread {
    uint3 index;
    unsigned linear, lane, warp;
    State state;
    size_t stack;
    int line;   // of the barrier or warp operation that it waits at
    // Committed groups of copies, oldest first; the last one is still open.
    std::vector<std::vector<Copy>> copies;
};

// A byte that is touched.
struct Place {
    const Piece* piece;
    size_t offset;
    Record& record() const { return piece->records[offset]; }
};

// Blocks of this launch that said, by an atomic operation after a fence, that they are done.
struct Publication {
    size_t blocks = 0;
    uint32_t last = 0;   // when the last of them began
};

// Lanes that meet for a warp operation.
struct Party {
    Party(unsigned mask, Together what, int line) : mask(mask), what(what), line(line) {}

    unsigned mask, arrived = 0;
    Together what;
    int line;
    const void* in[WARP];   // of those that have arrived
    void* out[WARP];
};

struct Warp {
    unsigned lanes;     // that the block has of it
    unsigned finished;  // of these
    unsigned syncs;
    std::vector<Party> parties;
};

struct Device {
    Device(bool check, uint32_t seed) : check(check), memory(check), shared(check), random(seed) {}

    // Fixed for good.
    const bool check;
    Memory memory;
    Shared shared;
    Stacks stacks;
    uint32_t random;   // state of the order of threads; 0: first come, first served

    // The launch.
    const Kernel* kernel = nullptr;
    const void* arguments = nullptr;
    const Pointer* pointers = nullptr;   // among the arguments
    unsigned pointer_count = 0;
    std::string failure;               // empty while all is well
    const void* failed_at = nullptr;   // the instruction; null where it is not known
    int failed_line = 0;               // of the source; 0 where it is not known

    // Time, see record.h.
    uint32_t interval = 0, launch_start = 0, block_start = 0;
    std::vector<uint32_t> block_starts;   // of this launch
    uint64_t first_block = 0;             // which was the first to run

    // Blocks in order, see publish().
    std::unordered_map<const void*, Publication> publications;
    bool fenced = false;     // the block has called __threadfence
    bool acquired = false;   // what earlier blocks wrote is known to be there

    // The block.
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    std::vector<Thread*> ready;
    size_t first_ready = 0;
    std::vector<size_t> idle_stacks;
    std::vector<Context> contexts;     // by stack
    std::vector<Thread*> at_barrier;
    unsigned finished = 0;
    int barrier_predicates = 0, barrier_result = 0;
    Thread* current = nullptr;
    Context scheduler;

    // launch.cpp
    void launch(const Kernel& kernel, uint3 blocks, uint3 threads, size_t dynamic, const void* values,
                const Pointer* pointers, unsigned pointer_count);
    void begin_block(uint64_t block, size_t dynamic);
    // Ends the launch from inside a kernel.
    [[noreturn]] void fail(const void* at, const char* format, ...)
        __attribute__((format(printf, 3, 4)));
    [[noreturn]] void fail_in_line(int line, const char* format, ...)
        __attribute__((format(printf, 3, 4)));
    [[noreturn]] void give_up(const char* format, va_list values);
    std::string thread_name(unsigned linear) const;
    std::string block_name(uint64_t block) const;

    // schedule.cpp
    void run_block();
    void make_ready(Thread& thread);
    Thread* next_ready();
    void resume(Thread& thread);
    void suspend(State state, int line);
    void finish_thread();
    void release_barrier();
    void report_deadlock();
    int barrier(bool predicate, int line);

    // warp.cpp
    void together(Together what, unsigned mask, const void* in, void* out, int line);
    void complete(const Warp& warp, Party& party);

    // copy.cpp
    void land(const Copy& copy, const void* at);

    // check.cpp
    void touch(const void* at, const void* address, size_t bytes, Access access);
    void touch_byte(const void* at, const Place& place, Access access);
    Piece* locate(const void* at, const void* address, size_t bytes, Access access);
    std::string describe(const Piece& piece) const;
    void check_initialised(const void* at, const Place& place, Access access);
    void check_against_write(const void* at, const Place& place, Access access);
    void check_against_reads(const void* at, const Place& place, Access access);
    void remember_write(Record& record, Access access);
    void remember_read(Record& record);
    void publish(const void* address);
    [[noreturn]] void fail_race(const void* at, const Place& place, Access access, const char* did,
                                uint32_t interval, const std::string& whom);
    void set_in_flight(const void* at, const void* address, size_t bytes, bool in_flight);
};

// "(x, y, z)"
std::string coordinates(uint3 at);

// The device whose kernel runs on this thread of the system.
inline Device& here() { return *emulated_here.device; }

}  // namespace emulated

// The instruction of the kernel that called the function in which this stands.
#define CALLER __builtin_return_address(0)
