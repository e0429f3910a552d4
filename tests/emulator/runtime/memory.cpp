#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace emulated {

static size_t rounded_up(size_t value, size_t to) { return (value + to - 1) / to * to; }

// Addresses without memory behind them.
static char* reserve(size_t bytes) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* memory = mmap(nullptr, bytes, PROT_NONE, flags, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

Memory::Memory(bool check) : check_(check), base_(reserve(SLOT * SLOTS)) {}

Memory::~Memory() {
    for (Piece& piece : pieces_) free(piece.records);
    if (base_) munmap(base_, SLOT * SLOTS);
}

char* Memory::allocate(size_t bytes) {
    size_t slots = bytes / SLOT + 2;
    if (slots > SLOTS - owners_.size()) return nullptr;
    Piece piece;
    piece.base = base_ + owners_.size() * SLOT;
    piece.bytes = bytes;
    if (mprotect(piece.base, bytes, PROT_READ | PROT_WRITE) != 0) return nullptr;
    if (check_) {
        piece.records = static_cast<Record*>(calloc(bytes, sizeof(Record)));
        if (!piece.records) return nullptr;
    }
    memset(piece.base, POISON, bytes);
    owners_.insert(owners_.end(), slots, static_cast<uint32_t>(pieces_.size()));
    pieces_.push_back(piece);
    return piece.base;
}

bool Memory::release(char* address, size_t bytes) {
    Piece* piece = find(address);
    if (!piece || piece->base != address || piece->bytes != bytes || !piece->live) return false;
    piece->live = false;
    free(piece->records);
    piece->records = nullptr;
    // A new mapping in place of the old one gives the pages back.
    mmap(address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return true;
}

Piece* Memory::find(const void* address) {
    const char* place = static_cast<const char*>(address);
    if (place < base_) return nullptr;
    size_t slot = static_cast<size_t>(place - base_) / SLOT;
    return slot < owners_.size() ? &pieces_[owners_[slot]] : nullptr;
}

Piece* Memory::next(const Piece* piece) {
    size_t index = static_cast<size_t>(piece - pieces_.data()) + 1;
    return index < pieces_.size() ? &pieces_[index] : nullptr;
}

Shared::Shared(bool check) : base_(reserve(ROOM)) {
    if (base_ && mprotect(base_, ROOM, PROT_READ | PROT_WRITE) != 0) base_ = nullptr;
    if (check) records_ = static_cast<Record*>(calloc(ROOM, sizeof(Record)));
    if (check && !records_) base_ = nullptr;
}

Shared::~Shared() {
    free(records_);
    if (base_) munmap(base_, ROOM);
}

void Shared::add(size_t offset, size_t bytes, const char* name, const void* key) {
    Piece piece;
    piece.base = base_ + offset;
    piece.bytes = bytes;
    piece.records = records_ ? records_ + offset : nullptr;
    piece.name = name;
    memset(piece.base, POISON, bytes);
    pieces_.push_back(piece);
    keys_.push_back(key);
    end_ = offset + bytes;
}

void Shared::begin(size_t dynamic_bytes) {
    pieces_.clear();
    keys_.clear();
    static_bytes_ = 0;
    add(0, dynamic_bytes, "dynamic shared memory", nullptr);
}

void* Shared::variable(const void* key, const char* name, size_t bytes, size_t alignment) {
    for (size_t i = 0; i < keys_.size(); i++) {
        if (keys_[i] == key) return pieces_[i].base;
    }
    static_bytes_ += bytes;
    if (static_bytes_ > MOST_STATIC || static_bytes_ + dynamic().bytes > MOST) return nullptr;
    // Aligned as declared and no better: what reads a float array as float4 should say __align__.
    size_t offset = rounded_up(end_ + RED_ZONE, 2 * alignment) + alignment;
    if (offset + bytes > ROOM) return nullptr;
    add(offset, bytes, name, key);
    return base_ + offset;
}

bool Shared::holds(const void* address) const {
    const char* place = static_cast<const char*>(address);
    return place >= base_ && place < base_ + ROOM;
}

Piece* Shared::find(const void* address) {
    Piece* found = nullptr;
    for (Piece& piece : pieces_) {
        if (static_cast<const char*>(address) >= piece.base) found = &piece;
    }
    return found;
}

}  // namespace emulated
