// What check mode remembers of every byte: who wrote it last, and who has read it since.
//
// Time is counted in intervals. A new one begins with every launch, every block and every barrier
// of a block, so that two accesses of different intervals within a block are in order, and only
// those of the same interval can race. Within an interval the threads of a warp order each other
// by __syncwarp, which is counted by `syncs`.
#pragma once

#include <cstdint>

namespace emulated {

struct LastWrite {
    uint64_t interval : 32;     // 0: the host, or nobody
    uint64_t thread : 10;
    uint64_t syncs : 18;        // of the thread's warp at that time
    uint64_t atomic : 1;
    uint64_t initialised : 1;
    uint64_t other_blocks : 1;  // other blocks of this launch wrote as well, all of them atomically
    uint64_t in_flight : 1;     // a cp.async on its way here
};

// Readers of the interval. One is enough where it is known that a writer is ordered with all the
// others: earlier intervals and earlier syncs of the warp are forgotten.
struct LastReads {
    uint64_t interval : 32;
    uint64_t warp : 5;
    uint64_t lane : 5;
    uint64_t syncs : 18;
    uint64_t lanes : 1;         // several lanes of that warp since its last sync
    uint64_t warps : 1;         // several warps
    uint64_t other_blocks : 1;  // other blocks of this launch have read as well
    uint64_t unused : 1;
};

struct Record {
    LastWrite write;
    LastReads reads;
};

static_assert(sizeof(Record) == 16, "a record is two words");

constexpr uint32_t SYNCS_MASK = (1u << 18) - 1;

}  // namespace emulated
