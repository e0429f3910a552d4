// Threads of a block take turns: each runs until it waits for others, at a barrier or in its warp.

#include "device.h"

namespace emulated {

// A stack serves one thread after another; most kernels never wait and need only one.
static void run_threads() {
    for (;;) {
        Device& device = here();
        device.kernel->call(device.arguments);
        device.finish_thread();
    }
}

void Device::run_block() {
    while (failure.empty()) {
        Thread* next = next_ready();
        if (!next) break;
        resume(*next);
    }
    if (failure.empty() && finished < threads.size()) report_deadlock();
    current = nullptr;
}

void Device::make_ready(Thread& thread) {
    if (thread.state != State::Fresh) thread.state = State::Ready;
    ready.push_back(&thread);
}

Thread* Device::next_ready() {
    if (first_ready == ready.size()) {
        ready.clear();
        first_ready = 0;
        return nullptr;
    }
    if (random) {
        random ^= random << 13, random ^= random >> 17, random ^= random << 5;   // xorshift
        size_t chosen = first_ready + random % (ready.size() - first_ready);
        std::swap(ready[first_ready], ready[chosen]);
    }
    return ready[first_ready++];
}

void Device::resume(Thread& thread) {
    if (thread.state == State::Fresh) {
        if (idle_stacks.empty()) {
            idle_stacks.push_back(contexts.size());
            contexts.emplace_back();
            prepare(contexts.back(), stacks.top(idle_stacks.back()), Stacks::BYTES, run_threads);
        }
        thread.stack = idle_stacks.back();
        idle_stacks.pop_back();
    }
    thread.state = State::Ready;
    current = &thread;
    emulated_here.thread = thread.index;
    emulated_here.lane = thread.lane;
    leave(scheduler, contexts[thread.stack]);
    if (thread.state == State::Finished) idle_stacks.push_back(thread.stack);
}

void Device::suspend(State state, int line) {
    Thread& thread = *current;
    thread.state = state;
    thread.line = line;
    leave(contexts[thread.stack], scheduler);
}

void Device::finish_thread() {
    Thread& thread = *current;
    Warp& warp = warps[thread.warp];
    for (const Party& party : warp.parties) {
        if (party.mask >> thread.lane & 1) {
            fail_in_line(party.line, "ends while lanes of its warp wait for it at line %d", party.line);
        }
    }
    for (const auto& group : thread.copies) {
        if (check && !group.empty()) fail(nullptr, "ends while a cp.async of it is in flight");
    }
    warp.finished |= 1u << thread.lane;
    finished++;
    if (!at_barrier.empty() && at_barrier.size() + finished == threads.size()) release_barrier();
    suspend(State::Finished, 0);
}

int Device::barrier(bool predicate, int line) {
    // The hardware lets different barriers meet; CUDA leaves it undefined, and it is a mistake.
    if (check && !at_barrier.empty() && at_barrier[0]->line != line) {
        fail_in_line(line, "divergent barrier: comes to line %d while thread %s waits at line %d", line,
                     thread_name(at_barrier[0]->linear).c_str(), at_barrier[0]->line);
    }
    barrier_predicates += predicate;
    if (at_barrier.size() + finished + 1 == threads.size()) {
        release_barrier();
    } else {
        at_barrier.push_back(current);
        suspend(State::AtBarrier, line);
    }
    // Nobody passes another barrier before everyone has come from this one to take its result.
    return barrier_result;
}

void Device::release_barrier() {
    interval++;
    barrier_result = barrier_predicates;
    barrier_predicates = 0;
    for (Thread* thread : at_barrier) make_ready(*thread);
    at_barrier.clear();
}

// Nobody is ready, and not everybody has finished.
void Device::report_deadlock() {
    const Thread *barrier = nullptr, *warp = nullptr;
    unsigned in_warp = 0;
    for (const Thread& thread : threads) {
        if (thread.state == State::AtBarrier && !barrier) barrier = &thread;
        if (thread.state == State::InWarp && !warp) warp = &thread;
        in_warp += thread.state == State::InWarp;
    }
    failure = std::string(kernel->name) + ", block " + coordinates(emulated_here.block) + ": deadlock: ";
    if (barrier) {
        failed_line = barrier->line;
        failure += std::to_string(at_barrier.size()) + " threads wait at the barrier of line " +
                   std::to_string(barrier->line) + ", ";
    }
    if (warp) {
        failed_line = warp->line;
        failure += std::to_string(in_warp) + " wait for lanes of their warp at line " +
                   std::to_string(warp->line) + ", ";
    }
    failure += std::to_string(finished) + " have ended";
}

}  // namespace emulated

extern "C" int emulated_barrier(int predicate, int line) {
    return emulated::here().barrier(predicate != 0, line);
}
