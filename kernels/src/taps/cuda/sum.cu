// Sums over taps on tensor cores: an implicit matrix product of pixels by output channels, over taps
// and input channels.
//
// A block computes a tile of PIXELS pixels by CHANNELS channels. Input channels are loaded CHUNK at a
// time: once the patch that all taps of the tile read, and the weights of all taps. While a chunk is
// multiplied, the next is loaded into the other of two stages. A warp has 64 pixels by WIDE channels.

constexpr int PIXELS = (int)(64 * WARPS_DOWN);
constexpr int WARP_CHANNELS = (int)WIDE;
constexpr int CHANNELS = (int)(WIDE * WARPS_ACROSS);
constexpr int THREADS = (int)(32 * WARPS_DOWN * WARPS_ACROSS);
constexpr int TAPS = SIDE * SIDE;
constexpr int DEEP = (int)CHUNK;
constexpr int CHUNK_WEIGHTS = TAPS * DEEP * CHANNELS;

// Input channels in chunks: those of the first input, then those of the second.
struct Chunks {
    int of_first, count;

    __device__ __forceinline__ Chunks(long long first_channels, long long second_channels)
        : of_first(((int)first_channels + DEEP - 1) / DEEP),
          count(of_first + ((int)second_channels + DEEP - 1) / DEEP) {}

    __device__ __forceinline__ bool in_first(int chunk) const { return chunk < of_first; }
    // Of its input.
    __device__ __forceinline__ int first_channel(int chunk) const {
        return (in_first(chunk) ? chunk : chunk - of_first) * DEEP;
    }
};

struct TapsPack {
    const Acc* weights;
    Real* packed;
    long long tap_step, input_step, output_step;   // of `weights`, in elements
    long long first_channels, second_channels, outputs;
};

// Weights in the order in which blocks read them: [outputs / CHANNELS, chunks, taps, CHUNK, CHANNELS],
// with zeros beyond the last channels. A block for each tap of a chunk; it reads along whichever axis
// is contiguous in memory.
extern "C" __global__ void __launch_bounds__(THREADS) taps_pack(
    __grid_constant__ const TapsPack a
) {
    __shared__ Acc transposed[DEEP][CHANNELS + 1];
    Chunks chunks(a.first_channels, a.second_channels);
    int tap = blockIdx.x % TAPS, chunk = blockIdx.x / TAPS % chunks.count;
    int first_column = blockIdx.x / TAPS / chunks.count * CHANNELS;
    int first_channel = chunks.first_channel(chunk);
    int channels = (int)(chunks.in_first(chunk) ? a.first_channels : a.second_channels);
    const Acc* weights =
        a.weights + tap * a.tap_step + (chunks.in_first(chunk) ? 0 : a.first_channels) * a.input_step;
    bool across = a.output_step == 1;
    for (int i = threadIdx.x; i < DEEP * CHANNELS; i += THREADS) {
        int k = across ? i / CHANNELS : i % DEEP, column = across ? i % CHANNELS : i / DEEP;
        bool there = first_channel + k < channels && first_column + column < a.outputs;
        long long at = (first_channel + k) * a.input_step + (first_column + column) * a.output_step;
        transposed[k][column] = there ? weights[at] : 0;
    }
    __syncthreads();
    unsigned* to = reinterpret_cast<unsigned*>(a.packed + (long long)blockIdx.x * DEEP * CHANNELS);
    for (int i = threadIdx.x; i < DEEP * CHANNELS / 2; i += THREADS) {
        int k = i / (CHANNELS / 2), column = i % (CHANNELS / 2) * 2;
        to[i] = pack_bf16(transposed[k][column], transposed[k][column + 1]);
    }
}

// The taps that a block sums. The SPREAD x SPREAD results of a cell each have taps of their own, every
// APART-th row and column of the kernel; a block computes one result of each cell.
struct TapSet {
    int row, column;               // of the result within the cell
    int first_row, first_column;   // of its taps within the kernel
    int patch_columns;

    __device__ __forceinline__ TapSet(int result, int patch_columns)
        : row(result / SPREAD), column(result % SPREAD), first_row((row + PAD) % APART),
          first_column((column + PAD) % APART), patch_columns(patch_columns) {}

    __device__ __forceinline__ int rows() const {
        return TRANSPOSED ? (SIDE - first_row + APART - 1) / APART : SIDE;
    }
    __device__ __forceinline__ int columns() const {
        return TRANSPOSED ? (SIDE - first_column + APART - 1) / APART : SIDE;
    }
    // Which tap of the kernel the (i, j)-th of the set is.
    __device__ __forceinline__ int tap(int i, int j) const {
        return TRANSPOSED ? (first_row + i * APART) * SIDE + first_column + j * APART : i * SIDE + j;
    }
    // The pixel of the patch that it reads, counted from the first that the cell reads.
    __device__ __forceinline__ int read(int i, int j) const {
        if (!TRANSPOSED) return i * patch_columns + j;
        int down = (row + PAD - first_row) / APART - i - LOW;
        int across = (column + PAD - first_column) / APART - j - LOW;
        return down * patch_columns + across;
    }
};

typedef PixelTile<DEEP, THREADS> PatchTile;

// The weights of a chunk, [taps, DEEP, CHANNELS], in rows that are EIGHT elements longer.
struct WeightTile {
    static constexpr int ROW = CHANNELS + EIGHT, ELEMENTS = TAPS * DEEP * ROW;
    Real* data;

    // Starts to copy the weights of a set of taps.
    __device__ __forceinline__ void load_async(const Real* packed, const TapSet& taps) const {
        for (int i = 0; i < taps.rows() * taps.columns(); i++) {
            int at = taps.tap(i / taps.columns(), i % taps.columns()) * DEEP;
            for (int v = threadIdx.x; v < DEEP * CHANNELS / EIGHT; v += THREADS) {
                int row = at + v / (CHANNELS / EIGHT), column = v % (CHANNELS / EIGHT) * EIGHT;
                cp_async_16(data + row * ROW + column, packed + row * CHANNELS + column);
            }
        }
    }
};

// One chunk in shared memory.
struct Stage {
    PatchTile patch;
    WeightTile weights;
};

// Results in shared memory, rounded, so that they are written in whole rows.
struct ResultTile {
    static constexpr int ROW = CHANNELS + EIGHT;
    Real* data;
    const int* targets;   // the pixel that each row is written to, or -1

    // Writes channels from `first_channel` on to `y`, whose pixels have `channels` of them.
    __device__ __forceinline__ void write(Real* y, long long channels, int first_channel) const {
        for (int i = threadIdx.x; i < PIXELS * CHANNELS / EIGHT; i += THREADS) {
            int row = i / (CHANNELS / EIGHT), column = i % (CHANNELS / EIGHT) * EIGHT;
            if (targets[row] < 0) continue;
            const Real* from = data + row * ROW + column;
            Real* to = y + (long long)targets[row] * channels + first_channel + column;
            if (channels % EIGHT == 0) {
                if (first_channel + column < channels) {
                    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
                }
                continue;
            }
            for (int e = 0; e < EIGHT && first_channel + column + e < channels; e++) to[e] = from[e];
        }
    }

    // Mean and sum of squared distances from it of the first `channels` channels, over the pixels
    // that are written; returns their number. In two passes, so that a mean far from zero costs no
    // digits. Threads that share a pair of channels take turns at the rows.
    __device__ __forceinline__ double statistics(double* means, double* squares, int channels) const {
        const int pairs = CHANNELS / 2, runs = THREADS / pairs;
        float* partial = reinterpret_cast<float*>(data + PIXELS * ROW);
        int pair = threadIdx.x % pairs, run = threadIdx.x / pairs;
        float centre[2] = {0, 0};
        double all = 0;
        for (int pass = 0; pass < 2; pass++) {
            float sum[2] = {0, 0}, there = 0;
            for (int row = run; row < PIXELS; row += runs) {
                if (targets[row] < 0) continue;
                unsigned both = *reinterpret_cast<const unsigned*>(data + row * ROW + 2 * pair);
                float low = low_half(both) - centre[0], high = high_half(both) - centre[1];
                sum[0] += pass ? low * low : low;
                sum[1] += pass ? high * high : high;
                there += 1;
            }
            float* own = partial + (run * pairs + pair) * 3;
            own[0] = sum[0];
            own[1] = sum[1];
            own[2] = there;
            __syncthreads();
            double total[2] = {0, 0};
            all = 0;
            for (int other = 0; other < runs; other++) {
                const float* from = partial + (other * pairs + pair) * 3;
                total[0] += from[0];
                total[1] += from[1];
                all += from[2];
            }
            __syncthreads();
            for (int i = 0; i < 2; i++) {
                if (!pass) centre[i] = (float)(total[i] / all);
                if (run > 0 || 2 * pair + i >= channels) continue;
                if (pass) squares[2 * pair + i] = total[i];
                else means[2 * pair + i] = centre[i];
            }
        }
        return all;
    }
};

// The sums of a warp, 64 pixels by WARP_CHANNELS channels, as fragments of 16 x 8.
struct Accumulator {
    float sums[4][WARP_CHANNELS / 8][4] = {};
    int lane, first_row, first_column;   // of the tile
    int reads[4];                        // where ldmatrix begins in the patch, for each 16 pixels

    __device__ __forceinline__ Accumulator(const Tiling& tiling) : lane(threadIdx.x % 32) {
        int warp = threadIdx.x / 32;
        first_row = warp / (int)WARPS_ACROSS * 64;
        first_column = warp % (int)WARPS_ACROSS * WARP_CHANNELS;
#pragma unroll
        for (int m = 0; m < 4; m++) {
            int pixel = tiling.first_read(first_row + m * 16 + lane % 16);
            reads[m] = pixel * PatchTile::ROW + lane / 16 * EIGHT;
        }
    }

    // Adds the products of a chunk: for each tap, pixels by its weights.
    __device__ __forceinline__ void multiply(const Stage& stage, const TapSet& taps) {
        const Real* pixels = stage.patch.data;
        const Real* weights = stage.weights.data + first_column + lane / 16 * EIGHT;
#pragma unroll
        for (int i = 0; i < taps.rows(); i++) {
#pragma unroll
            for (int j = 0; j < taps.columns(); j++) {
                int away = taps.read(i, j) * PatchTile::ROW, at = taps.tap(i, j) * DEEP + lane % 16;
#pragma unroll
                for (int k = 0; k < DEEP; k += 16) {
                    unsigned left[4][4], right[WARP_CHANNELS / 16][4];
#pragma unroll
                    for (int m = 0; m < 4; m++) ldmatrix_x4(left[m], pixels + reads[m] + away + k);
#pragma unroll
                    for (int n = 0; n < WARP_CHANNELS / 16; n++) {
                        ldmatrix_x4_trans(right[n], weights + (at + k) * WeightTile::ROW + n * 16);
                    }
                    multiply(left, right);
                }
            }
        }
    }

    // Adds the products of fragments.
    __device__ __forceinline__ void multiply(
        const unsigned (&left)[4][4], const unsigned (&right)[WARP_CHANNELS / 16][4]
    ) {
#pragma unroll
        for (int m = 0; m < 4; m++) {
#pragma unroll
            for (int n = 0; n < WARP_CHANNELS / 8; n++) {
                unsigned pair[2] = {right[n / 2][n % 2 * 2], right[n / 2][n % 2 * 2 + 1]};
                mma_bf16(sums[m][n], left[m], pair);
            }
        }
    }

    // Rounds the sums, plus the bias of the first `channels` channels where it is not null.
    __device__ __forceinline__ void store(
        const ResultTile& results, const Acc* bias, long long channels
    ) const {
#pragma unroll
        for (int n = 0; n < WARP_CHANNELS / 8; n++) {
            int column = first_column + n * 8 + lane % 4 * 2;
            float add[2];
            for (int i = 0; i < 2; i++) add[i] = bias && column + i < channels ? bias[column + i] : 0;
#pragma unroll
            for (int m = 0; m < 4; m++) {
                const int ROW = ResultTile::ROW;
                Real* to = results.data + (first_row + m * 16 + lane / 4) * ROW + column;
                const float(&sum)[4] = sums[m][n];
                *reinterpret_cast<unsigned*>(to) = pack_bf16(sum[0] + add[0], sum[1] + add[1]);
                *reinterpret_cast<unsigned*>(to + 8 * ROW) = pack_bf16(sum[2] + add[0], sum[3] + add[1]);
            }
        }
    }
};

struct TapsSum {
    Input first, second;              // side by side; the second may have no channels
    const Real* packed;               // weights, by `taps_pack`
    const Acc* bias;                 // [outputs], may be null
    Real* y;                          // [batch, out_rows, out_columns, outputs]
    TileStatistics statistics;
    Images images;
    long long outputs, tile_rows, tile_columns;
};

// Shared memory: which pixels are read and written; then two stages, whose place the results take.
struct SharedMemory {
    int* pixels;      // of the batch, for each pixel of the patch; -1 outside
    int* targets;     // of the result, for each pixel of the tile; -1 outside
    Real* buffers;
    int patch;

    __device__ __forceinline__ SharedMemory(unsigned char* memory, int patch)
        : pixels(reinterpret_cast<int*>(memory)), targets(pixels + patch),
          buffers(reinterpret_cast<Real*>(memory + (patch + PIXELS + 3) / 4 * 4 * sizeof(int))),
          patch(patch) {}

    __device__ __forceinline__ void fill_tables(
        const Tiling& tiling, const Place& corner, const TapSet& taps
    ) const {
        for (int i = threadIdx.x; i < patch; i += THREADS) {
            pixels[i] = tiling.read(corner, tiling.patch_pixel(i));
        }
        for (int i = threadIdx.x; i < PIXELS; i += THREADS) {
            targets[i] = tiling.written(corner, tiling.cell(i), taps.row, taps.column);
        }
    }

    __device__ __forceinline__ Stage stage(int chunk) const {
        int elements = PatchTile::elements(patch) + WeightTile::ELEMENTS;
        Real* first = buffers + chunk % 2 * elements;
        return {{first, patch}, {first + PatchTile::elements(patch)}};
    }

    __device__ __forceinline__ ResultTile results() const { return {buffers, targets}; }
};

// Loads chunks of inputs and weights into their stages.
struct Loader {
    const SharedMemory& shared;
    const TapSet& taps;
    Source first, second;
    Chunks chunks;
    const Real* packed;   // of the block's output channels

    __device__ __forceinline__ Loader(const TapsSum& a, const SharedMemory& shared, const TapSet& taps)
        : shared(shared), taps(taps), first(a.first), second(a.second),
          chunks(a.first.channels, a.second.channels),
          packed(a.packed + (long long)blockIdx.y * chunks.count * CHUNK_WEIGHTS) {}

    __device__ __forceinline__ void load_async(int chunk) const {
        const int* pixels = shared.pixels;
        Stage stage = shared.stage(chunk);
        Source source = chunks.in_first(chunk) ? first : second;
        stage.patch.load_async(source, chunks.first_channel(chunk), [=](int i) { return pixels[i]; });
        stage.weights.load_async(packed + (long long)chunk * CHUNK_WEIGHTS, taps);
        cp_async_commit();
    }

    // Until this thread's copies are there. A barrier must follow before others read them.
    __device__ __forceinline__ void wait(int chunk) const {
        cp_async_wait<0>();
        const int* pixels = shared.pixels;
        Source source = chunks.in_first(chunk) ? first : second;
        shared.stage(chunk).patch.normalise(
            source, chunks.first_channel(chunk), [=](int i) { return pixels[i]; }
        );
    }
};

// Blocks along x are tiles, along y output channels, along z results of a cell.
extern "C" __global__ void __launch_bounds__(THREADS) taps_sum(__grid_constant__ const TapsSum a) {
    extern __shared__ __align__(16) unsigned char memory[];
    Tiling tiling(a.images, a.tile_rows, a.tile_columns, PIXELS);
    TapSet taps(blockIdx.z, tiling.patch_columns);
    SharedMemory shared(memory, tiling.patch());
    shared.fill_tables(tiling, tiling.corner(blockIdx.x), taps);
    __syncthreads();

    Loader loader(a, shared, taps);
    Accumulator sums(tiling);
    loader.load_async(0);
    loader.wait(0);
    __syncthreads();
    for (int chunk = 0; chunk < loader.chunks.count; chunk++) {
        bool more = chunk + 1 < loader.chunks.count;
        if (more) loader.load_async(chunk + 1);
        sums.multiply(shared.stage(chunk), taps);
        if (more) loader.wait(chunk + 1);
        __syncthreads();
    }

    int first_channel = blockIdx.y * CHANNELS;
    ResultTile results = shared.results();
    sums.store(results, a.bias ? a.bias + first_channel : nullptr, a.outputs - first_channel);
    __syncthreads();
    results.write(a.y, a.outputs, first_channel);
    if (!a.statistics.means) return;
    long long at = blockIdx.x * a.outputs + first_channel;
    double count = results.statistics(
        a.statistics.means + at, a.statistics.squares + at, (int)a.outputs - first_channel
    );
    if (threadIdx.x == 0 && blockIdx.y == 0) a.statistics.counts[blockIdx.x] = count;
}
