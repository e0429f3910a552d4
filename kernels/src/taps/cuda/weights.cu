// Gradients of weights on tensor cores: for every tap, a matrix product of input channels by output
// channels, over pixels.
//
// One factor is read through the taps (`tapped`, which may be two inputs side by side), the other at
// the pixel itself (`direct`): the input and the gradient, or the other way round in a transposed
// convolution. A block has DOWN channels of the one and ACROSS of the other, for all taps, and sums over
// a span of tiles of DEEP pixels. While a tile is multiplied, the next is loaded into the other of two
// stages. A warp has 16 channels of `tapped` and a row of taps, which share what is read of `direct`.

constexpr int DOWN = (int)(16 * HIGH);
constexpr int ACROSS = (int)COLUMNS;
constexpr int DEEP = (int)PIXELS;
constexpr int THREADS = (int)(32 * KERNEL * HIGH);
constexpr int TAPS = SIDE * SIDE;

// Two blocks on a multiprocessor hide each other's waiting. Ampere's code needs a few more registers
// than that leaves, and spilling them would cost more.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define RESIDENT 2
#else
#define RESIDENT 1
#endif

typedef PixelTile<DOWN, THREADS> TappedTile;
typedef PixelTile<ACROSS, THREADS> DirectTile;

// One tile in shared memory.
struct Stage {
    TappedTile tapped;
    DirectTile direct;
};

// Shared memory: places within a tile, which are the same for every tile; then two stages.
struct SharedMemory {
    int* cells;    // each cell, packed
    int* reads;    // the element of the patch that its first tap reads
    int* places;   // each pixel of the patch, packed
    Real* buffers;
    int patch;

    __device__ __forceinline__ SharedMemory(unsigned char* memory, int patch)
        : cells(reinterpret_cast<int*>(memory)), reads(cells + DEEP), places(reads + DEEP),
          buffers(reinterpret_cast<Real*>(memory + (2 * DEEP + patch + 3) / 4 * 4 * sizeof(int))),
          patch(patch) {}

    __device__ __forceinline__ void fill_tables(const Tiling& tiling) const {
        for (int i = threadIdx.x; i < DEEP; i += THREADS) {
            cells[i] = tiling.cell(i).packed();
            reads[i] = tiling.first_read(i) * TappedTile::ROW;
        }
        for (int i = threadIdx.x; i < patch; i += THREADS) places[i] = tiling.patch_pixel(i).packed();
    }

    __device__ __forceinline__ Stage stage(int number) const {
        int elements = TappedTile::elements(patch) + DirectTile::elements(DEEP);
        Real* first = buffers + number * elements;
        return {{first, patch}, {first + TappedTile::elements(patch), DEEP}};
    }
};

struct TapsWeightParts {
    Input first, second;   // read through the taps, side by side; the second may have no channels
    Input direct;
    Acc* parts;           // [spans, taps, channels of both, channels of direct]
    Acc* bias_parts;      // [spans, channels of direct], or null: sums of `direct`, not normalised
    long long span;        // tiles
    Images images;
    long long tile_rows, tile_columns;
};

// Loads tiles into their stages: this block's channels of both factors.
struct Loader {
    const SharedMemory& shared;
    const Tiling& tiling;
    Source tapped, direct;
    int tapped_channel, direct_channel;   // the first of the block

    __device__ __forceinline__ auto patch_pixel(int tile) const {
        Place corner = tiling.corner(tile);
        return [this, corner](int i) { return tiling.read(corner, Place::of(shared.places[i])); };
    }
    __device__ __forceinline__ auto cell_pixel(int tile) const {
        Place corner = tiling.corner(tile);
        return [this, corner](int i) { return tiling.written(corner, Place::of(shared.cells[i]), 0, 0); };
    }

    __device__ __forceinline__ void load_async(int tile, const Stage& stage) const {
        stage.tapped.load_async(tapped, tapped_channel, patch_pixel(tile));
        stage.direct.load_async(direct, direct_channel, cell_pixel(tile));
        cp_async_commit();
    }

    // Until this thread's copies are there. A barrier must follow before others read them.
    __device__ __forceinline__ void wait(int tile, const Stage& stage) const {
        cp_async_wait<0>();
        stage.tapped.normalise(tapped, tapped_channel, patch_pixel(tile));
        stage.direct.normalise(direct, direct_channel, cell_pixel(tile));
    }
};

// The sums of a warp, for a row of taps 16 by ACROSS channels, as fragments of 16 x 8.
struct Accumulator {
    float sums[SIDE][ACROSS / 8][4] = {};
    int lane, tap_row, first_row;   // within the block's channels of `tapped`

    __device__ __forceinline__ Accumulator()
        : lane(threadIdx.x % 32), tap_row(threadIdx.x / 32 % SIDE), first_row(threadIdx.x / 32 / SIDE * 16) {}

    // Adds the products over the pixels of a tile.
    __device__ __forceinline__ void multiply(const Stage& stage, const int* reads, int patch_columns) {
        const Real* direct = stage.direct.data + lane % 16 * DirectTile::ROW + lane / 16 * EIGHT;
        const Real* tapped = stage.tapped.data + tap_row * patch_columns * TappedTile::ROW + first_row
            + lane / 8 % 2 * EIGHT;
#pragma unroll 2
        for (int k = 0; k < DEEP; k += 16) {
            unsigned right[ACROSS / 16][4];
#pragma unroll
            for (int n = 0; n < ACROSS / 16; n++) {
                ldmatrix_x4_trans(right[n], direct + k * DirectTile::ROW + n * 16);
            }
            const Real* from = tapped + reads[k + lane / 16 * 8 + lane % 8];
#pragma unroll
            for (int tap = 0; tap < SIDE; tap++) {
                unsigned left[4];
                ldmatrix_x4_trans(left, from + tap * TappedTile::ROW);
#pragma unroll
                for (int n = 0; n < ACROSS / 8; n++) {
                    unsigned pair[2] = {right[n / 2][n % 2 * 2], right[n / 2][n % 2 * 2 + 1]};
                    mma_bf16(sums[tap][n], left, pair);
                }
            }
        }
    }

    // Writes the sums to a span's part, [taps, inputs, outputs], of which this block has `rows` by
    // `columns` channels from `first` on.
    __device__ __forceinline__ void store(
        Acc* part, long long inputs, long long outputs, int rows, int columns
    ) const {
#pragma unroll
        for (int tap = 0; tap < SIDE; tap++) {
#pragma unroll
            for (int n = 0; n < ACROSS / 8; n++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int row = first_row + lane / 4 + i / 2 * 8, column = n * 8 + lane % 4 * 2 + i % 2;
                    if (row >= rows || column >= columns) continue;
                    long long at = (tap_row * SIDE + tap) * inputs + row;
                    part[at * outputs + column] = sums[tap][n][i];
                }
            }
        }
    }
};

// Sums of the eight channels of `direct` that this thread copies.
struct BiasSum {
    float sums[EIGHT] = {};

    __device__ __forceinline__ void add(const DirectTile& tile) {
        tile.each([&](int, const Real* at) {
            uint4 all = *reinterpret_cast<const uint4*>(at);
            unsigned pairs[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                sums[2 * e] += low_half(pairs[e]);
                sums[2 * e + 1] += high_half(pairs[e]);
            }
        });
    }

    // Writes the sums over the block's threads of its first `columns` channels.
    __device__ __forceinline__ void store(float* partial, Acc* part, int columns) const {
#pragma unroll
        for (int e = 0; e < EIGHT; e++) partial[threadIdx.x * EIGHT + e] = sums[e];
        __syncthreads();
        for (int column = threadIdx.x; column < ACROSS && column < columns; column += THREADS) {
            float sum = 0;
            for (int other = column / EIGHT; other < THREADS; other += DirectTile::PARTS) {
                sum += partial[other * EIGHT + column % EIGHT];
            }
            part[column] = sum;
        }
    }
};

// Blocks along x are channels of `tapped`, along y of `direct`, along z spans.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) taps_weight_parts(
    __grid_constant__ const TapsWeightParts a
) {
    extern __shared__ __align__(16) unsigned char memory[];
    Tiling tiling(a.images, a.tile_rows, a.tile_columns, DEEP);
    SharedMemory shared(memory, tiling.patch());
    shared.fill_tables(tiling);

    // This block's channels are in one of the two inputs.
    int of_first = ((int)a.first.channels + DOWN - 1) / DOWN;
    bool in_first = blockIdx.x < of_first;
    Source first(a.first), second(a.second);
    int first_row = (blockIdx.x - (in_first ? 0 : of_first)) * DOWN, first_column = blockIdx.y * ACROSS;
    Loader loader = {
        shared, tiling, in_first ? first : second, Source(a.direct), first_row, first_column,
    };
    bool biased = a.bias_parts && blockIdx.x == 0;
    Accumulator sums;
    BiasSum bias;

    int start = (int)(blockIdx.z * a.span), end = start + (int)a.span;
    if (end > tiling.tiles()) end = tiling.tiles();
    __syncthreads();
    loader.load_async(start, shared.stage(0));
    loader.wait(start, shared.stage(0));
    if (biased) bias.add(shared.stage(0).direct);
    __syncthreads();
    for (int tile = start; tile < end; tile++) {
        Stage stage = shared.stage((tile - start) % 2), next = shared.stage(1 - (tile - start) % 2);
        bool more = tile + 1 < end;
        if (more) loader.load_async(tile + 1, next);
        sums.multiply(stage, shared.reads, tiling.patch_columns);
        if (more) {
            loader.wait(tile + 1, next);
            if (biased) bias.add(next.direct);
        }
        __syncthreads();
    }

    long long inputs = a.first.channels + a.second.channels, outputs = a.direct.channels;
    long long row = blockIdx.z * TAPS * inputs + (in_first ? 0 : a.first.channels) + first_row;
    int rows = loader.tapped.channels - first_row, columns = (int)outputs - first_column;
    sums.store(a.parts + row * outputs + first_column, inputs, outputs, rows, columns);
    if (biased) {
        Acc* part = a.bias_parts + blockIdx.z * outputs + first_column;
        bias.store(reinterpret_cast<float*>(shared.buffers), part, columns);
    }
}
