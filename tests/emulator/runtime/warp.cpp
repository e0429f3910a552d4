// What the lanes of a warp do together. Each leaves what it gives and where it takes; the last one
// to come does the work for all.

#include <cstring>

#include "device.h"
#include "matrix.h"

namespace emulated {

static const char* name(Together what) {
    switch (what) {
        case Together::Synchronise: return "__syncwarp";
        case Together::Shuffle: return "a shuffle";
        case Together::Ballot: return "a vote";
        case Together::Gather: return "a warp reduction";
        case Together::Multiply: return "mma.sync";
        case Together::LoadMatrices: return "ldmatrix";
        case Together::LoadTransposed: return "ldmatrix.trans";
    }
    return "?";
}

void Device::together(Together what, unsigned mask, const void* in, void* out, int line) {
    Thread& thread = *current;
    Warp& warp = warps[thread.warp];
    unsigned me = 1u << thread.lane;
    mask &= warp.lanes;
    if (!(mask & me)) fail_in_line(line, "%s without itself in the mask %08x", name(what), mask);
    if (mask & warp.finished) {
        fail_in_line(line, "%s with lanes that have ended (mask %08x)", name(what),
                     mask & warp.finished);
    }

    size_t index = 0;
    while (index < warp.parties.size() && warp.parties[index].mask != mask) index++;
    if (index == warp.parties.size()) warp.parties.push_back({mask, 0, what, line, {}, {}});
    Party& party = warp.parties[index];
    if (party.what != what || party.line != line) {
        fail_in_line(line, "divergent warp: comes to %s of line %d while lanes wait at %s of line %d",
                     name(what), line, name(party.what), party.line);
    }
    party.arrived |= me;
    party.in[thread.lane] = in;
    party.out[thread.lane] = out;
    if (party.arrived != mask) {
        suspend(State::InWarp, line);
        return;
    }
    if (what == Together::Synchronise && mask == warp.lanes) warp.syncs++;
    complete(warp, party);
    warp.parties.erase(warp.parties.begin() + index);
    for (unsigned lane = 0; lane < WARP; lane++) {
        if ((mask & ~me) >> lane & 1) make_ready(threads[thread.warp * WARP + lane]);
    }
}

void Device::complete(const Warp& warp, Party& party) {
    switch (party.what) {
        case Together::Synchronise:
            break;
        case Together::Shuffle:
            for (unsigned lane = 0; lane < WARP; lane++) {
                if (!(party.mask >> lane & 1)) continue;
                int source = static_cast<const ShuffleRequest*>(party.in[lane])->source;
                if (!(party.mask >> source & 1)) {
                    fail_in_line(party.line, "lane %u takes from lane %d, which is not in the mask %08x",
                                 lane, source, party.mask);
                }
                const auto* given = static_cast<const ShuffleRequest*>(party.in[source]);
                memcpy(party.out[lane], &given->value, sizeof given->value);
            }
            break;
        case Together::Ballot: {
            unsigned votes = 0;
            for (unsigned lane = 0; lane < WARP; lane++) {
                if (party.mask >> lane & 1 && *static_cast<const int*>(party.in[lane])) {
                    votes |= 1u << lane;
                }
            }
            for (unsigned lane = 0; lane < WARP; lane++) {
                if (party.mask >> lane & 1) memcpy(party.out[lane], &votes, sizeof votes);
            }
            break;
        }
        case Together::Gather: {
            unsigned values[WARP] = {};
            for (unsigned lane = 0; lane < WARP; lane++) {
                if (party.mask >> lane & 1) memcpy(&values[lane], party.in[lane], sizeof(unsigned));
            }
            for (unsigned lane = 0; lane < WARP; lane++) {
                if (party.mask >> lane & 1) memcpy(party.out[lane], values, sizeof values);
            }
            break;
        }
        case Together::Multiply:
        case Together::LoadMatrices:
        case Together::LoadTransposed:
            if (party.mask != ALL_LANES) {
                fail_in_line(party.line, "%s by %d lanes; it takes all 32", name(party.what),
                             __builtin_popcount(warp.lanes));
            }
            if (party.what == Together::Multiply) {
                multiply(party);
            } else {
                load_matrices(party, party.what == Together::LoadTransposed);
            }
    }
}

}  // namespace emulated

extern "C" void emulated_together(emulated::Together what, unsigned mask, const void* in, void* out,
                                  int line) {
    emulated::here().together(what, mask, in, out, line);
}

extern "C" void emulated_matrix_row(const void* address) {
    constexpr size_t ROW_BYTES = 16;
    emulated::Device& device = emulated::here();
    if (reinterpret_cast<uintptr_t>(address) % ROW_BYTES) {
        device.fail(CALLER, "misaligned: ldmatrix of a row whose address is no multiple of 16");
    }
    if (!device.shared.holds(address)) device.fail(CALLER, "ldmatrix of what is no shared memory");
    if (device.check) device.touch(CALLER, address, ROW_BYTES, emulated::Access::Read);
}
