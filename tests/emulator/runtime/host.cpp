// What the host calls. Functions that can fail return null, or a message that is good until the
// next call.

#include <cstring>
#include <dlfcn.h>

#include "device.h"

using namespace emulated;

// The buffer that holds all of these bytes; null without.
static Piece* whole(Device& device, const void* address, size_t bytes) {
    Piece* piece = device.memory.find(address);
    if (!piece || !piece->live) return nullptr;
    size_t offset = static_cast<size_t>(static_cast<const char*>(address) - piece->base);
    return offset <= piece->bytes && bytes <= piece->bytes - offset ? piece : nullptr;
}

static Record* records(const Piece* piece, const void* address) {
    return piece->records + (static_cast<const char*>(address) - piece->base);
}

static const char* const NO_BUFFER = "copy: not within a buffer of the device";

extern "C" {

Device* emulator_create(int check, uint32_t seed) {
    Device* device = new Device(check != 0, seed);
    if (device->memory.reserved() && device->shared.reserved() && device->stacks) return device;
    delete device;
    return nullptr;
}

void emulator_destroy(Device* device) { delete device; }

void* emulator_allocate(Device* device, size_t bytes) { return device->memory.allocate(bytes); }

size_t emulator_memory_left(const Device* device) { return device->memory.left(); }

int emulator_release(Device* device, void* address, size_t bytes) {
    return device->memory.release(static_cast<char*>(address), bytes);
}

// Whether an address lies within a buffer.
int emulator_is_live(Device* device, const void* address) {
    return whole(*device, address, 1) != nullptr;
}

// Makes a buffer what it was when it was fresh.
void emulator_forget(Device* device, void* address, size_t bytes) {
    Piece* piece = whole(*device, address, bytes);
    if (!piece) return;
    memset(address, POISON, bytes);
    if (!device->check) return;
    Record* record = records(piece, address);
    for (size_t i = 0; i < bytes; i++) record[i] = {};
}

const char* emulator_write(Device* device, void* to, const void* from, size_t bytes) {
    Piece* piece = whole(*device, to, bytes);
    if (!piece) return NO_BUFFER;
    memcpy(to, from, bytes);
    if (!device->check) return nullptr;
    Record* record = records(piece, to);
    for (size_t i = 0; i < bytes; i++) {
        record[i] = {};
        record[i].write.initialised = 1;
    }
    return nullptr;
}

const char* emulator_read(Device* device, const void* from, void* to, size_t bytes) {
    Piece* piece = whole(*device, from, bytes);
    if (!piece) return NO_BUFFER;
    memcpy(to, from, bytes);
    if (!device->check) return nullptr;
    const Record* record = records(piece, from);
    for (size_t i = 0; i < bytes; i++) {
        if (record[i].write.initialised) continue;
        size_t offset = static_cast<size_t>(static_cast<const char*>(from) - piece->base) + i;
        device->failure = "uninitialised: the host reads byte " + std::to_string(offset) +
                          " of a buffer of " + std::to_string(piece->bytes) +
                          " bytes, which nobody has written";
        return device->failure.c_str();
    }
    return nullptr;
}

const char* emulator_copy(Device* device, const void* from, void* to, size_t bytes) {
    Piece *source = whole(*device, from, bytes), *target = whole(*device, to, bytes);
    if (!source || !target) return NO_BUFFER;
    memcpy(to, from, bytes);
    if (!device->check) return nullptr;
    for (size_t i = 0; i < bytes; i++) {
        Record record = {};
        record.write.initialised = records(source, from)[i].write.initialised;
        records(target, to)[i] = record;
    }
    return nullptr;
}

// Where it failed: the offset in the kernel's library, or the line of its source; 0 if unknown.
const char* emulator_launch(Device* device, const Kernel* kernel, const unsigned* blocks,
                            const unsigned* threads, size_t dynamic, const void* arguments,
                            const Pointer* pointers, unsigned pointer_count,
                            size_t* library_offset, int* line) {
    device->launch(*kernel, {blocks[0], blocks[1], blocks[2]}, {threads[0], threads[1], threads[2]},
                   dynamic, arguments, pointers, pointer_count);
    *library_offset = 0;
    *line = device->failed_line;
    if (device->failure.empty()) return nullptr;
    Dl_info image;
    if (device->failed_at && dladdr(device->failed_at, &image)) {
        // A call returns to what follows it: one byte less is within the call.
        *library_offset = static_cast<size_t>(static_cast<const char*>(device->failed_at) -
                                              static_cast<const char*>(image.dli_fbase)) - 1;
    }
    return device->failure.c_str();
}
}
