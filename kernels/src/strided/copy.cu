// Copies of views, one after the other element of the view.

// A thread for each element.
extern "C" __global__ void strided_copy(
    const real* x, real* y, long long count, long long extent0, long long extent1, long long extent2,
    long long extent3, long long extent4, long long extent5, long long stride0, long long stride1,
    long long stride2, long long stride3, long long stride4, long long stride5
) {
    Axes<6> view = {
        {extent0, extent1, extent2, extent3, extent4, extent5},
        {stride0, stride1, stride2, stride3, stride4, stride5},
    };
    long long i = item();
    if (i < count) y[i] = x[view.offset(i)];
}

// The same where another axis than the innermost one is contiguous in memory. `batch` has the axes
// but for these two, and `rows` of the contiguous axis are `row_step` apart in the result. A block
// turns a tile of TILE x TILE elements in shared memory, so that both reads and writes are of
// neighbours. Blocks are TILE threads wide.
extern "C" __global__ void strided_turn(
    const real* x, real* y, long long rows, long long row_step, long long columns,
    long long column_stride, long long extent0, long long extent1, long long extent2,
    long long extent3, long long stride0, long long stride1, long long stride2, long long stride3,
    long long step0, long long step1, long long step2, long long step3
) {
    __shared__ real tile[TILE][TILE + 1];
    Axes<4> from = {{extent0, extent1, extent2, extent3}, {stride0, stride1, stride2, stride3}};
    Axes<4> to = {{extent0, extent1, extent2, extent3}, {step0, step1, step2, step3}};
    long long tiles_down = (rows + TILE - 1) / TILE, tiles_across = (columns + TILE - 1) / TILE;
    long long first_column = blockIdx.x % tiles_across * TILE;
    long long first_row = blockIdx.x / tiles_across % tiles_down * TILE;
    long long image = blockIdx.x / tiles_across / tiles_down;
    x += from.offset(image);
    y += to.offset(image);

    long long row = first_row + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        long long column = first_column + k;
        if (row < rows && column < columns) tile[k][threadIdx.x] = x[column * column_stride + row];
    }
    __syncthreads();
    long long column = first_column + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        row = first_row + k;
        if (row < rows && column < columns) y[row * row_step + column] = tile[threadIdx.x][k];
    }
}
