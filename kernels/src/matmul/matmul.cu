// Products of the matrices of two batches, of any orientation; c is row by row, without gaps.
// A block computes a tile of one product, or of several where there are more than blocks along z.
extern "C" __global__ void matmul_batched(
    const real* a, const real* b, real* c, long long batch, long long rows, long long inner,
    long long columns, long long a_row_step, long long a_column_step, long long b_row_step,
    long long b_column_step
) {
    long long first_row = (long long)blockIdx.y * TILE, first_column = (long long)blockIdx.x * TILE;
    for (long long index = blockIdx.z; index < batch; index += gridDim.z) {
        Matrix left = {a + index * rows * inner, rows, inner, a_row_step, a_column_step};
        Matrix right = {b + index * inner * columns, inner, columns, b_row_step, b_column_step};
        real* out = c + index * rows * columns;
        wide sums[EACH][EACH];
        tile_product(left, right, first_row, first_column, 0, inner, sums);
        each_sum(sums, first_row, first_column, rows, columns, [&](long long row, long long column, wide& sum) {
            out[row * columns + column] = narrow(sum);
        });
    }
}
