// Tiles of images in shared memory for tensor cores, and which of their pixels a tap reads.
//
// A block works on a rectangle of cells in each of a few neighbouring images. A cell is one result, or,
// in a transposed convolution, SPREAD x SPREAD neighbouring results. The patch is all pixels that the
// taps of the block's cells read.

constexpr int EIGHT = 8;               // channels of one asynchronous copy: 16 bytes
constexpr int SIDE = (int)KERNEL;      // rows and columns of the kernel
constexpr int APART = (int)STRIDE;
constexpr int PAD = (SIDE - 1) / 2;

// Results of a cell along an axis; pixels between what neighbouring cells read; pixels that a cell
// reads; and where the first of them is, from the pixel of the cell.
constexpr int SPREAD = TRANSPOSED ? APART : 1;
constexpr int STEP = TRANSPOSED ? 1 : APART;
constexpr int REACH = TRANSPOSED ? (SIDE + APART - 1) / APART : SIDE;
constexpr int LOW = TRANSPOSED ? -((SIDE - 1 - PAD) / APART) : -PAD;

// An input in registers.
struct Source {
    const Real* data;
    const Acc *mean, *scale, *shift;
    int channels;
    Acc slope;

    __device__ __forceinline__ Source(const Input& input)
        : data(input.data), mean(input.mean), scale(input.scale), shift(input.shift),
          channels((int)input.channels), slope((Acc)input.slope) {}

    // Starts to copy eight channels of a pixel to shared memory; zeros beyond the last channel and
    // where there is no pixel (below 0).
    __device__ __forceinline__ void load_async(Real* to, long long pixel, int channel) const {
        if (channels % EIGHT == 0) {
            bool there = pixel >= 0 && channel < channels;
            cp_async_16(to, data + (there ? pixel * channels + channel : 0), there);
            return;
        }
        // Rows that do not begin at multiples of 16 bytes.
        for (int i = 0; i < EIGHT; i++) {
            bool there = pixel >= 0 && channel + i < channels;
            to[i] = there ? data[pixel * channels + channel + i] : to_real(0);
        }
    }
};

// Two neighbours of bf16 in a word.
__device__ __forceinline__ float low_half(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_half(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// Normalisation of eight channels as one multiplication and addition, and the activation.
struct Affine {
    Acc factor[EIGHT], offset[EIGHT], slope;

    __device__ __forceinline__ Affine(const Source& source, int channel) : slope(source.slope) {
#pragma unroll
        for (int i = 0; i < EIGHT; i++) {
            bool there = channel + i < source.channels;
            factor[i] = there ? source.scale[channel + i] : 0;
            offset[i] = there ? source.shift[channel + i] - source.mean[channel + i] * factor[i] : 0;
        }
    }

    __device__ __forceinline__ Acc of(Acc x, int i) const {
        x = x * factor[i] + offset[i];
        return x > 0 ? x : x * slope;
    }

    // Of eight neighbours, in place.
    __device__ __forceinline__ void apply(Real* at) const {
        uint4 all = *reinterpret_cast<uint4*>(at);
        unsigned pairs[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            pairs[i] = pack_bf16(of(low_half(pairs[i]), 2 * i), of(high_half(pairs[i]), 2 * i + 1));
        }
        *reinterpret_cast<uint4*>(at) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
};

// CHANNELS channels of some pixels in shared memory. Rows are EIGHT elements longer than that, so that
// the eight rows of a matrix that ldmatrix reads are in different banks. Each of the block's BLOCK
// threads copies the same eight channels of every pixel that it copies, and normalises what it copied
// itself: so it only waits for its own copies.
template <int CHANNELS, int BLOCK>
struct PixelTile {
    static constexpr int ROW = CHANNELS + EIGHT, PARTS = CHANNELS / EIGHT;
    Real* data;
    int pixels;

    static __device__ __forceinline__ int own_channel() { return threadIdx.x % PARTS * EIGHT; }
    static __device__ __forceinline__ int elements(int pixels) { return pixels * ROW; }

    // Calls body(index of the pixel, its eight channels) for all that this thread copies.
    template <class Body>
    __device__ __forceinline__ void each(Body body) const {
        for (int i = threadIdx.x; i < pixels * PARTS; i += BLOCK) {
            body(i / PARTS, data + i / PARTS * ROW + own_channel());
        }
    }

    // Starts to copy the channels from `channel` on. `pixel_of(index)` is a pixel of the batch, or -1.
    template <class PixelOf>
    __device__ __forceinline__ void load_async(const Source& source, int channel, PixelOf pixel_of) const {
        each([&](int index, Real* to) {
            source.load_async(to, pixel_of(index), channel + own_channel());
        });
    }

    // Normalises and activates what this thread has copied; padding stays zero.
    template <class PixelOf>
    __device__ __forceinline__ void normalise(const Source& source, int channel, PixelOf pixel_of) const {
        if (!source.mean) return;
        Affine affine(source, channel + own_channel());
        each([&](int index, Real* at) {
            if (pixel_of(index) >= 0) affine.apply(at);
        });
    }
};

// A cell or pixel, in the batch or within a tile.
struct Place {
    int image, row, column;

    // In one word, for tables.
    __device__ __forceinline__ int packed() const { return image << 20 | row << 10 | column; }
    static __device__ __forceinline__ Place of(int packed) {
        return {packed >> 20, packed >> 10 & 1023, packed & 1023};
    }
};

// How a batch of grids of cells is cut into tiles, and the pixels that a tile's taps read.
struct Tiling {
    int batch, rows, columns;           // images, and their pixels that are read
    int out_rows, out_columns;          // and that are written
    int cell_rows, cell_columns;        // cells of an image
    int tile_rows, tile_columns;        // of a tile
    int images;                         // images of a tile
    int tiles_down, tiles_across;       // tiles of an image
    int patch_rows, patch_columns;      // of an image's part of the patch

    // `cells`: in a tile.
    __device__ __forceinline__ Tiling(
        const Images& all, long long rows_of_tile, long long columns_of_tile, int cells
    )
        : batch((int)all.batch), rows((int)all.rows), columns((int)all.columns),
          out_rows((int)all.out_rows), out_columns((int)all.out_columns),
          cell_rows((out_rows + SPREAD - 1) / SPREAD), cell_columns((out_columns + SPREAD - 1) / SPREAD),
          tile_rows((int)rows_of_tile), tile_columns((int)columns_of_tile),
          images(cells / (tile_rows * tile_columns)),
          tiles_down((cell_rows + tile_rows - 1) / tile_rows),
          tiles_across((cell_columns + tile_columns - 1) / tile_columns),
          patch_rows((tile_rows - 1) * STEP + REACH), patch_columns((tile_columns - 1) * STEP + REACH) {}

    __device__ __forceinline__ int tiles() const {
        return (batch + images - 1) / images * tiles_down * tiles_across;
    }

    // Pixels of the patch.
    __device__ __forceinline__ int patch() const { return images * patch_rows * patch_columns; }

    // The first cell of a tile.
    __device__ __forceinline__ Place corner(int tile) const {
        int across = tile % tiles_across, rest = tile / tiles_across;
        return {rest / tiles_down * images, rest % tiles_down * tile_rows, across * tile_columns};
    }

    // A cell within a tile.
    __device__ __forceinline__ Place cell(int index) const {
        int column = index % tile_columns, rest = index / tile_columns;
        return {rest / tile_rows, rest % tile_rows, column};
    }

    // A pixel within a patch.
    __device__ __forceinline__ Place patch_pixel(int index) const {
        int column = index % patch_columns, rest = index / patch_columns;
        return {rest / patch_rows, rest % patch_rows, column};
    }

    // The pixel of the batch that is read at a place of the patch, or -1 outside of the images.
    __device__ __forceinline__ int read(const Place& corner, const Place& at) const {
        int image = corner.image + at.image;
        int y = corner.row * STEP + LOW + at.row, x = corner.column * STEP + LOW + at.column;
        bool inside = image < batch && y >= 0 && x >= 0 && y < rows && x < columns;
        return inside ? (image * rows + y) * columns + x : -1;
    }

    // The result of a cell at (row, column) within it, or -1 outside of the images.
    __device__ __forceinline__ int written(
        const Place& corner, const Place& cell, int row, int column
    ) const {
        int image = corner.image + cell.image;
        int y = (corner.row + cell.row) * SPREAD + row, x = (corner.column + cell.column) * SPREAD + column;
        bool inside = image < batch && y < out_rows && x < out_columns;
        return inside ? (image * out_rows + y) * out_columns + x : -1;
    }

    // The pixel of the patch that the first tap of a cell reads.
    __device__ __forceinline__ int first_read(int index) const {
        Place at = cell(index);
        return (at.image * patch_rows + at.row * STEP) * patch_columns + at.column * STEP;
    }
};
