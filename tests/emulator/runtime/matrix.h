// Tensor cores: matrix products and loads of a warp, on fragments in the layouts of the PTX ISA.
#pragma once

#include "device.h"

namespace emulated {

// mma.sync.m16n8k16, bf16 factors. Adds into the four floats that each lane's `out` points to.
void multiply(Party& party);

// ldmatrix.x4. Each lane's `in` is the address of a row of eight bf16; `out` takes four registers.
void load_matrices(Party& party, bool transposed);

}  // namespace emulated
