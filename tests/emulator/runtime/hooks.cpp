// What compiled kernels call in check mode. GCC's thread sanitizer calls a function at every access
// to memory, its alignment and bounds sanitizers at every mistake; their own runtimes are not
// linked, so that these are the functions.

#include "device.h"

using namespace emulated;

static void touch(const void* at, const void* address, size_t bytes, Access access) {
    if (emulated_here.device) here().touch(at, address, bytes, access);
}

extern "C" {

#define EMULATED_HOOKS(bytes)                                                                       \
    void __tsan_read##bytes(void* p) { touch(CALLER, p, bytes, Access::Read); }                     \
    void __tsan_write##bytes(void* p) { touch(CALLER, p, bytes, Access::Write); }                   \
    void __tsan_unaligned_read##bytes(void* p) { touch(CALLER, p, bytes, Access::Read); }           \
    void __tsan_unaligned_write##bytes(void* p) { touch(CALLER, p, bytes, Access::Write); }         \
    void __tsan_volatile_read##bytes(void* p) { touch(CALLER, p, bytes, Access::Read); }            \
    void __tsan_volatile_write##bytes(void* p) { touch(CALLER, p, bytes, Access::Write); }
EMULATED_HOOKS(1)
EMULATED_HOOKS(2)
EMULATED_HOOKS(4)
EMULATED_HOOKS(8)
EMULATED_HOOKS(16)

void __tsan_read_range(void* p, size_t bytes) { touch(CALLER, p, bytes, Access::Read); }
void __tsan_write_range(void* p, size_t bytes) { touch(CALLER, p, bytes, Access::Write); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

// What the sanitizers say of a mistake, as GCC lays it out.
struct SourcePlace {
    const char* file;
    unsigned line, column;
};

struct TypeName {
    unsigned short kind, info;
    char name[];
};

struct Misalignment {
    SourcePlace place;
    const TypeName* type;
    unsigned char log_alignment, access;
};

struct IndexOutOfBounds {
    SourcePlace place;
    const TypeName *array, *index;
};

void __ubsan_handle_type_mismatch_v1(const Misalignment* mistake, uintptr_t address) {
    unsigned alignment = 1u << mistake->log_alignment;
    here().fail(CALLER, "misaligned: %s at an address that lies %u bytes behind a multiple of %u",
                mistake->type->name, static_cast<unsigned>(address % alignment), alignment);
}

void __ubsan_handle_out_of_bounds(const IndexOutOfBounds* mistake, uintptr_t index) {
    here().fail(CALLER, "out of bounds: index %lld of %s", static_cast<long long>(index),
                mistake->array->name);
}
}
