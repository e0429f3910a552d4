// Check mode: every access of a kernel is held against what is remembered of the byte.

#include <algorithm>
#include <cstring>

#include "device.h"

namespace emulated {

static const char* verb(Access access) {
    switch (access) {
        case Access::Read: return "reads";
        case Access::Write: return "writes";
        case Access::Atomic: return "updates";
    }
    return "?";
}

// "x (400 bytes of global memory)"
std::string Device::describe(const Piece& piece) const {
    std::string size = " (" + std::to_string(piece.bytes) + " bytes";
    if (piece.name) return piece.name + size + " of shared memory)";
    for (unsigned i = 0; i < pointer_count; i++) {
        const char* at = pointers[i].address;
        if (at >= piece.base && at < piece.base + piece.bytes) {
            return pointers[i].name + size + " of global memory)";
        }
    }
    return "a buffer that is no argument" + size + " of global memory)";
}

// Where an access falls; null where nothing is remembered, in the thread's own memory.
Piece* Device::locate(const void* at, const void* address, size_t bytes, Access access) {
    const char* place = static_cast<const char*>(address);
    bool in_shared = shared.holds(address);
    Piece* piece = in_shared ? shared.find(address) : memory.find(address);
    if (piece) {
        size_t offset = static_cast<size_t>(place - piece->base);
        if (piece->live && offset + bytes <= piece->bytes) return piece;
        if (!piece->live && offset < piece->bytes) {
            fail(at, "%s %zu bytes of a buffer that was given back", verb(access), bytes);
        }
        const Piece* next = in_shared ? nullptr : memory.next(piece);
        if (next && size_t(next->base - place) < offset - piece->bytes) {
            fail(at, "out of bounds: %s %zu bytes, %zu bytes before the beginning of %s", verb(access),
                 bytes, size_t(next->base - place), describe(*next).c_str());
        }
        fail(at, "out of bounds: %s %zu bytes at byte %zu of %s", verb(access), bytes, offset,
             describe(*piece).c_str());
    }
    if (stacks.holds(current->stack, address)) return nullptr;
    if (stacks.hold_any(address)) {
        fail(at, "%s %zu bytes of another thread's local memory", verb(access), bytes);
    }
    if (address >= kernel->image_begin && address < kernel->image_end) return nullptr;   // constants
    fail(at, "out of bounds: %s %zu bytes at address %p, which is no device memory", verb(access),
         bytes, address);
}

void Device::touch(const void* at, const void* address, size_t bytes, Access access) {
    Piece* piece = locate(at, address, bytes, access);
    if (!piece) return;
    if (access == Access::Atomic && !piece->name) publish(address);
    size_t offset = static_cast<size_t>(static_cast<const char*>(address) - piece->base);
    // Bytes of a word mostly have one past: what holds for one then holds for the next.
    Record before = piece->records[offset];
    touch_byte(at, {piece, offset}, access);
    Record after = piece->records[offset];
    for (size_t next = offset + 1; next < offset + bytes; next++) {
        Record& record = piece->records[next];
        if (memcmp(&record, &before, sizeof record) == 0) {
            record = after;
        } else {
            touch_byte(at, {piece, next}, access);
        }
    }
}

void Device::touch_byte(const void* at, const Place& place, Access access) {
    Record& record = place.record();
    bool shared_memory = place.piece->name != nullptr;   // which holds nothing of earlier blocks
    if (shared_memory && record.write.interval < block_start) record.write = {};
    if (shared_memory && record.reads.interval < block_start) record.reads = {};
    check_initialised(at, place, access);
    check_against_write(at, place, access);
    if (access == Access::Read) {
        remember_read(record);
    } else {
        check_against_reads(at, place, access);
        remember_write(record, access);
    }
}

void Device::check_initialised(const void* at, const Place& place, Access access) {
    const LastWrite& write = place.record().write;
    if (write.in_flight) {
        fail(at, "cp.async without wait: %s byte %zu of %s while a copy to it is in flight",
             verb(access), place.offset, describe(*place.piece).c_str());
    }
    if (access != Access::Write && !write.initialised) {
        fail(at, "uninitialised: %s byte %zu of %s, which nobody has written yet", verb(access),
             place.offset, describe(*place.piece).c_str());
    }
}

void Device::check_against_write(const void* at, const Place& place, Access access) {
    const LastWrite& write = place.record().write;
    if (write.interval < launch_start || (access == Access::Atomic && write.atomic)) return;
    if (write.interval < block_start || write.other_blocks) {
        if (!acquired) fail_race(at, place, access, "wrote", write.interval, "");
        return;
    }
    if (write.interval != interval) return;
    if (write.warps) fail_race(at, place, access, "wrote", interval, "several threads");
    bool synced = write.thread / WARP == current->warp &&
                  write.syncs != (warps[current->warp].syncs & SYNCS_MASK);
    if (synced || write.thread == current->linear) return;
    fail_race(at, place, access, "wrote", interval, "thread " + thread_name(write.thread));
}

void Device::check_against_reads(const void* at, const Place& place, Access access) {
    const LastReads& reads = place.record().reads;
    if (reads.interval < launch_start) return;
    if (reads.interval < block_start || reads.other_blocks) {
        if (!acquired) fail_race(at, place, access, "read", reads.interval, "");
        return;
    }
    if (reads.interval != interval) return;
    bool synced = reads.syncs != (warps[current->warp].syncs & SYNCS_MASK);
    bool own = synced || (!reads.lanes && reads.lane == current->lane);
    if (reads.warps || reads.warp != current->warp || !own) {
        std::string whom = reads.warps || reads.lanes
                               ? "several threads"
                               : "thread " + thread_name(reads.warp * WARP + reads.lane);
        fail_race(at, place, access, "read", interval, whom);
    }
}

// `did` what by whom, in this block; by another block if `when` was before this one.
void Device::fail_race(const void* at, const Place& place, Access access, const char* did,
                       uint32_t when, const std::string& whom) {
    std::string what = describe(*place.piece);
    if (!whom.empty()) {
        fail(at, "race: %s byte %zu of %s, which %s %s since the last barrier", verb(access),
             place.offset, what.c_str(), whom.c_str(), did);
    }
    std::string other = "another block";
    if (when < block_start) {
        auto after = std::upper_bound(block_starts.begin(), block_starts.end(), when);
        uint64_t order = static_cast<uint64_t>(after - block_starts.begin()) - 1;
        uint64_t all = uint64_t(emulated_here.blocks.x) * emulated_here.blocks.y * emulated_here.blocks.z;
        other = "block " + block_name((first_block + order) % all);
    }
    fail(at, "race between blocks: %s byte %zu of %s, which %s %s in the same launch", verb(access),
         place.offset, what.c_str(), other.c_str(), did);
}

void Device::remember_write(Record& record, Access access) {
    const LastWrite before = record.write;
    bool others = access == Access::Atomic && before.interval >= launch_start &&
                  (before.interval < block_start || before.other_blocks);
    bool several = access == Access::Atomic && before.interval == interval &&
                   (before.warps || before.thread / WARP != current->warp);
    LastWrite& write = record.write;
    write.interval = interval;
    write.thread = current->linear;
    write.syncs = warps[current->warp].syncs & SYNCS_MASK;
    write.atomic = access == Access::Atomic;
    write.warps = several;
    write.initialised = 1;
    write.other_blocks = others;
    write.in_flight = 0;
}

void Device::remember_read(Record& record) {
    LastReads& reads = record.reads;
    unsigned syncs = warps[current->warp].syncs & SYNCS_MASK;
    if (reads.interval != interval) {
        bool others = reads.interval >= launch_start &&
                      (reads.interval < block_start || reads.other_blocks);
        reads = {};
        reads.interval = interval;
        reads.warp = current->warp;
        reads.lane = current->lane;
        reads.syncs = syncs;
        reads.other_blocks = others;
    } else if (reads.warp != current->warp) {
        reads.warps = 1;
    } else if (reads.syncs != syncs) {
        reads.syncs = syncs;
        reads.lane = current->lane;
        reads.lanes = 0;
    } else if (reads.lane != current->lane) {
        reads.lanes = 1;
    }
}

// The last block to come may read what the others wrote: each has called __threadfence and then
// counted itself by an atomic operation, all at the same address.
void Device::publish(const void* address) {
    if (!fenced) return;
    Publication& publication = publications[address];
    if (publication.last == block_start) return;
    size_t earlier_blocks = block_starts.size() - 1;
    acquired |= publication.blocks == earlier_blocks;
    publication.blocks++;
    publication.last = block_start;
}

void Device::set_in_flight(const void* at, const void* address, size_t bytes, bool in_flight) {
    Piece* piece = shared.find(address);
    size_t first = static_cast<size_t>(static_cast<const char*>(address) - piece->base);
    if (first + bytes > piece->bytes) locate(at, address, bytes, Access::Write);
    for (size_t i = 0; i < bytes; i++) piece->records[first + i].write.in_flight = in_flight;
}

}  // namespace emulated

extern "C" void emulated_touch(const void* address, size_t bytes, emulated::Access access) {
    emulated::here().touch(CALLER, address, bytes, access);
}

extern "C" void emulated_threadfence() { emulated::here().fenced = true; }
