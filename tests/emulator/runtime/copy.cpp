// cp.async. A copy may land at any time between its issue and the wait for it; here it lands at the
// wait, and until then check mode lets nobody touch the place.

#include <cstring>

#include "device.h"

namespace emulated {

constexpr size_t COPY_BYTES = 16;

void Device::land(const Copy& copy, const void* at) {
    if (check) {
        set_in_flight(at, copy.shared, COPY_BYTES, false);
        touch(at, copy.shared, COPY_BYTES, Access::Write);
    }
    if (copy.global) {
        memcpy(copy.shared, copy.global, COPY_BYTES);
    } else {
        memset(copy.shared, 0, COPY_BYTES);
    }
}

}  // namespace emulated

using namespace emulated;

extern "C" void emulated_copy_async(void* shared, const void* global, bool there) {
    Device& device = here();
    if (reinterpret_cast<uintptr_t>(shared) % COPY_BYTES) {
        device.fail(CALLER, "misaligned: cp.async to an address that is no multiple of 16");
    }
    if (there && reinterpret_cast<uintptr_t>(global) % COPY_BYTES) {
        device.fail(CALLER, "misaligned: cp.async from an address that is no multiple of 16");
    }
    if (!device.shared.holds(shared)) device.fail(CALLER, "cp.async to what is no shared memory");
    if (device.check) {
        if (there) device.touch(CALLER, global, COPY_BYTES, Access::Read);
        device.touch(CALLER, shared, COPY_BYTES, Access::Write);
        device.set_in_flight(CALLER, shared, COPY_BYTES, true);
    }
    auto& copies = device.current->copies;
    if (copies.empty()) copies.emplace_back();
    copies.back().push_back({shared, there ? global : nullptr});
}

extern "C" void emulated_copy_commit() {
    auto& copies = here().current->copies;
    if (copies.empty()) copies.emplace_back();
    copies.emplace_back();
}

extern "C" void emulated_copy_wait(int groups) {
    auto& copies = here().current->copies;
    while (copies.size() > static_cast<size_t>(groups) + 1) {   // the open one is not waited for
        for (const Copy& copy : copies.front()) here().land(copy, CALLER);
        copies.erase(copies.begin());
    }
}
