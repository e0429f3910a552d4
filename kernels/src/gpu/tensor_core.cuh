// Tensor cores of Ampere and later, through the PTX instructions that drive them.
//
// This text goes before a kernel's source by concatenation. Where there is no GPU (EMULATED), the
// same functions run on the CPU; kernels see no difference.
//
// A warp multiplies D[16][8] += A[16][16] B[16][8] in one instruction: bf16 factors, float sums.
// Each lane holds its share of the three, a fragment, in 32-bit registers. With
//
//     group = lane / 4        which is a row of A and D, and a column of B
//     pair  = lane % 4 * 2    the first of two neighbours
//
// the fragments are (two bf16 to a register, the lower half first):
//
//     a[0]   A[group    ][pair, pair + 1]          D[group    ][pair]       sum[0]
//     a[1]   A[group + 8][pair, pair + 1]          D[group    ][pair + 1]   sum[1]
//     a[2]   A[group    ][pair + 8, pair + 9]      D[group + 8][pair]       sum[2]
//     a[3]   A[group + 8][pair + 8, pair + 9]      D[group + 8][pair + 1]   sum[3]
//
//     b[0]   B[pair, pair + 1    ][group]
//     b[1]   B[pair + 8, pair + 9][group]
//
// So A comes from memory with rows of K one after another, and B from memory with columns of K one
// after another (the "row.col" of the instruction).
//
// ldmatrix_x4 fills four registers with four 8 x 8 matrices of bf16 from shared memory. Lane i gives
// the address of row i % 8 of matrix i / 8; rows are 16 bytes, at multiples of 16. Register m then
// holds of matrix m
//
//     plain         [group][pair, pair + 1]
//     transposed    [pair, pair + 1][group]
//
// For a: rows 0-7 and 8-15 of the left half, then of the right half, plain: lane i points at row
// i % 16, column i / 16 * 8 of A. For two neighbouring b: plain where columns of B lie in memory one
// after another, transposed where rows do.
//
// cp.async copies 16 bytes from global to shared memory asynchronously, bypassing registers. Copies
// are committed in groups; a thread waits only for its own groups, so a barrier must follow before
// other threads read.
//
// Every lane of the warp must call ldmatrix_x4 and mma_bf16 together. Source: PTX ISA 8.0, sections
// 9.7.13.4.8 (fragments of m16n8k16), 9.7.13.4.15 (ldmatrix), 9.7.8.22 (cp.async).

#ifdef EMULATED
#define EMULATED_CALL_LINE , int line = __builtin_LINE()
#else
#define EMULATED_CALL_LINE
#endif

// sum += a b, for the warp's 16 x 16 by 16 x 8.
__device__ __forceinline__ void mma_bf16(float (&sum)[4], const unsigned (&a)[4],
                                         const unsigned (&b)[2] EMULATED_CALL_LINE) {
#ifdef EMULATED
    emulated::multiply(sum, a, b, line);
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// Four 8 x 8 matrices of bf16; `row` is the lane's row in shared memory.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&fragment)[4],
                                            const void* row EMULATED_CALL_LINE) {
#ifdef EMULATED
    emulated::load_matrices(fragment, row, false, line);
#else
    unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
#endif
}

// The same, each matrix transposed.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&fragment)[4],
                                                  const void* row EMULATED_CALL_LINE) {
#ifdef EMULATED
    emulated::load_matrices(fragment, row, true, line);
#else
    unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
#endif
}

// Starts a copy of 16 bytes; both addresses are multiples of 16. Unless `there`, zeros are written
// and `global` is not read.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool there = true) {
#ifdef EMULATED
    emulated_copy_async(shared, global, there);
#else
    unsigned address = (unsigned)__cvta_generic_to_shared(shared);
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes)
                 : "memory");
#endif
}

// Ends a group: the copies that this thread started since the last one.
__device__ __forceinline__ void cp_async_commit() {
#ifdef EMULATED
    emulated_copy_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most `pending` of this thread's groups are still pending.
template <int pending>
__device__ __forceinline__ void cp_async_wait() {
#ifdef EMULATED
    emulated_copy_wait(pending);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

// Two numbers, rounded to the nearest: the first in the lower half.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
#ifdef EMULATED
    return (unsigned)bf16_bits(high) << 16 | bf16_bits(low);
#else
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#endif
}
