// Copies of views, one element of the view after the other.

struct StridedCopy {
    const Real* x;
    Real* y;
    Axes view;
    long long count;
};

// A thread for each element.
extern "C" __global__ void strided_copy(__grid_constant__ const StridedCopy a) {
    long long i = thread_index();
    if (i < a.count) a.y[i] = a.x[a.view.offset(i)];
}

struct StridedTurn {
    const Real* x;
    Real* y;
    long long rows, row_step;            // the contiguous axis: its extent, its stride in y
    long long columns, column_stride;    // the innermost axis of the view: its extent, its stride in x
    Axes from, to;                       // the other axes, with their strides in x and in y
};

// The same where another axis than the innermost one is contiguous in memory. A block turns a tile of
// TILE x TILE elements in shared memory, so that neighbouring threads read and write neighbours.
// Blocks are TILE threads wide.
extern "C" __global__ void strided_turn(__grid_constant__ const StridedTurn a) {
    __shared__ Real tile[TILE][TILE + 1];
    long long tiles_down = (a.rows + TILE - 1) / TILE, tiles_across = (a.columns + TILE - 1) / TILE;
    long long first_column = blockIdx.x % tiles_across * TILE;
    long long first_row = blockIdx.x / tiles_across % tiles_down * TILE;
    long long image = blockIdx.x / tiles_across / tiles_down;
    const Real* x = a.x + a.from.offset(image);
    Real* y = a.y + a.to.offset(image);

    long long row = first_row + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        long long column = first_column + k;
        if (row < a.rows && column < a.columns) {
            tile[k][threadIdx.x] = x[column * a.column_stride + row];
        }
    }
    __syncthreads();
    long long column = first_column + threadIdx.x;
    for (int k = threadIdx.y; k < TILE; k += blockDim.y) {
        row = first_row + k;
        if (row < a.rows && column < a.columns) {
            y[row * a.row_step + column] = tile[threadIdx.x][k];
        }
    }
}
