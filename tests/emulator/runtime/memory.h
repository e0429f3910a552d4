// Memory of the device: global buffers, and the shared memory of the block that runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "record.h"

namespace emulated {

// What fresh memory holds: not a number, in every floating-point type.
constexpr int POISON = 0xff;

// A piece of memory that a kernel may use.
struct Piece {
    char* base = nullptr;
    size_t bytes = 0;
    Record* records = nullptr;    // one for each byte; null in fast mode
    const char* name = nullptr;   // of a shared variable; null for a global buffer
    bool live = true;             // false once it was given back
};

// Global memory. Every buffer begins in a slot of its own, with at least one unused slot behind it,
// and addresses are never used twice: whatever lies outside of a buffer, or in one that was given
// back, is nobody's.
class Memory {
  public:
    explicit Memory(bool check);
    ~Memory();
    Memory(const Memory&) = delete;

    bool reserved() const { return base_ != nullptr; }
    // Poisoned memory; null when there is none left.
    char* allocate(size_t bytes);
    // False when nothing of so many bytes begins there.
    bool release(char* address, size_t bytes);
    // The buffer that an address lies in or behind; null when it was never given out.
    Piece* find(const void* address);
    // The one that was given out after it; null without.
    Piece* next(const Piece* piece);
    size_t left() const { return (SLOTS - owners_.size()) * SLOT; }

  private:
    static constexpr size_t SLOT = 64 << 10;
    static constexpr size_t SLOTS = size_t(1) << 22;

    bool check_;
    char* base_;
    std::vector<Piece> pieces_;
    std::vector<uint32_t> owners_;   // by slot, which of the pieces
};

// Shared memory of one block: dynamic memory first, then variables as the kernel gets to them.
class Shared {
  public:
    static constexpr size_t MOST_STATIC = 48 << 10;
    static constexpr size_t MOST = 227 << 10;

    explicit Shared(bool check);
    ~Shared();
    Shared(const Shared&) = delete;

    bool reserved() const { return base_ != nullptr; }
    // Another block: poisons the dynamic memory and forgets the variables.
    void begin(size_t dynamic_bytes);
    // Memory for a variable, poisoned when it is first asked for; null when it is too much.
    void* variable(const void* key, const char* name, size_t bytes, size_t alignment);
    Piece& dynamic() { return pieces_[0]; }
    // Whether the address is among what shared memory could be.
    bool holds(const void* address) const;
    // The piece at an address, or the last one before it; null without.
    Piece* find(const void* address);

  private:
    // Variables lie apart, so that one cannot be mistaken for another.
    static constexpr size_t RED_ZONE = 256;
    static constexpr size_t ROOM = 512 << 10;

    void add(size_t offset, size_t bytes, const char* name, const void* key);

    char* base_;
    Record* records_ = nullptr;
    std::vector<Piece> pieces_;
    std::vector<const void*> keys_;   // of the pieces
    size_t end_ = 0;
    size_t static_bytes_ = 0;
};

}  // namespace emulated
