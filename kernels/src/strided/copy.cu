// Copies of views, one after the other element of the view.

struct StridedCopy {
    const real* x;
    real* y;            // [count]
    long long count;
    Axes<6> view;       // of x
};

// A thread for each element.
extern "C" __global__ void strided_copy(__grid_constant__ const StridedCopy a) {
    long long i = item();
    if (i < a.count) a.y[i] = a.x[a.view.offset(i)];
}

struct StridedTurn {
    const real* x;
    real* y;
    long long rows, row_step, columns, column_stride;
    Axes<4> from, to;   // the other axes, in x and in y
};

// The same where another axis than the innermost one is contiguous in memory. The `rows` of
// the contiguous axis are `row_step` apart in the result. A block
// turns a tile of TILE x TILE elements in shared memory, so that both reads and writes are of
// neighbours. Blocks are TILE threads wide.
extern "C" __global__ void strided_turn(__grid_constant__ const StridedTurn a) {
    __shared__ real tile[TILE][TILE + 1];
    long long rows = a.rows, columns = a.columns;
    long long tiles_down = (rows + TILE - 1) / TILE, tiles_across = (columns + TILE - 1) / TILE;
    long long first_column = blockIdx.x % tiles_across * TILE;
    long long first_row = blockIdx.x / tiles_across % tiles_down * TILE;
    long long image = blockIdx.x / tiles_across / tiles_down;
    const real* x = a.x + a.from.offset(image);
    real* y = a.y + a.to.offset(image);

    long long row = first_row + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        long long column = first_column + k;
        if (row < rows && column < columns) tile[k][threadIdx.x] = x[column * a.column_stride + row];
    }
    __syncthreads();
    long long column = first_column + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        row = first_row + k;
        if (row < rows && column < columns) y[row * a.row_step + column] = tile[threadIdx.x][k];
    }
}
