// What tensor cores are fed with: patches of images in shared memory, and which of their pixels a tap
// reads.
//
// A tile is a rectangle of pixels in each of a few neighbouring images. The patch is all that its taps
// read, EIGHT channels in one copy of 16 bytes, rows of channels EIGHT further apart than they are
// long: so that the eight rows of a matrix that ldmatrix reads lie in different banks, whatever the
// channels.

#define EIGHT 8
#define SIDE ((int)KERNEL)             // rows and columns of the kernel
#define APART ((int)STRIDE)
#define PAD ((SIDE - 1) / 2)

#if TRANSPOSED
// Cells of SPREAD x SPREAD results stand on neighbouring pixels; each place in a cell, its class, has
// taps of its own, every SPREAD-th of the kernel.
#define SPREAD APART
#define STEP 1
#define REACH ((SIDE + APART - 1) / APART)
#define LOW (-((SIDE - 1 - PAD) / APART))
#else
#define SPREAD 1
#define STEP APART
#define REACH SIDE
#define LOW (-PAD)
#endif

// An input as it lies in memory; to be normalised and activated on the way where `mean` is not null.
struct Source {
    const real* data;
    const wide *mean, *scale, *shift;
    int channels;
    wide slope;
};

// Starts to bring eight channels of a pixel; zeros where there are none, or no pixel (below 0).
__device__ __forceinline__ void bring(const Source& source, real* to, long long pixel, int channel) {
    if (source.channels % EIGHT == 0) {
        bool there = pixel >= 0 && channel < source.channels;
        cp_async_16(to, source.data + (there ? pixel * source.channels + channel : 0), there);
        return;
    }
    // Rows that do not begin at multiples of 16 bytes.
    for (int i = 0; i < EIGHT; i++) {
        bool there = pixel >= 0 && channel + i < source.channels;
        to[i] = there ? source.data[pixel * source.channels + channel + i] : narrow(0);
    }
}

// Normalisation of eight channels, as one multiplication and addition.
struct Affine {
    wide factor[EIGHT], offset[EIGHT], slope;

    __device__ __forceinline__ Affine(const Source& source, int channel) : slope(source.slope) {
#pragma unroll
        for (int i = 0; i < EIGHT; i++) {
            bool there = channel + i < source.channels;
            factor[i] = there ? source.scale[channel + i] : 0;
            offset[i] = there ? source.shift[channel + i] - source.mean[channel + i] * factor[i] : 0;
        }
    }

    __device__ __forceinline__ wide of(wide x, int i) const {
        x = x * factor[i] + offset[i];
        return x > 0 ? x : x * slope;
    }

    // Of eight neighbours, in place.
    __device__ __forceinline__ void apply(real* at) const {
        uint4 all = *reinterpret_cast<uint4*>(at);
        unsigned pairs[4] = {all.x, all.y, all.z, all.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            wide low = __uint_as_float(pairs[i] << 16), high = __uint_as_float(pairs[i] & 0xffff0000u);
            pairs[i] = pack_bf16(of(low, 2 * i), of(high, 2 * i + 1));
        }
        *reinterpret_cast<uint4*>(at) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
    }
};

// How a batch of grids of cells is cut into tiles, and the pixels that a tile's taps read.
struct Tiling {
    int batch, rows, columns;               // images, and their pixels that are read
    int cell_rows, cell_columns;            // cells of an image
    int tile_rows, tile_columns;            // of a tile
    int images;                             // images of a tile
    int tiles_down, tiles_across;           // tiles of an image
    int patch_rows, patch_columns;          // of an image's part of the patch

    __device__ __forceinline__ Tiling(
        long long batch, long long rows, long long columns, long long cell_rows,
        long long cell_columns, long long tile_rows, long long tile_columns, int pixels
    )
        : batch((int)batch), rows((int)rows), columns((int)columns), cell_rows((int)cell_rows),
          cell_columns((int)cell_columns), tile_rows((int)tile_rows),
          tile_columns((int)tile_columns), images(pixels / (int)(tile_rows * tile_columns)),
          tiles_down((int)((cell_rows + tile_rows - 1) / tile_rows)),
          tiles_across((int)((cell_columns + tile_columns - 1) / tile_columns)),
          patch_rows((int)(tile_rows - 1) * STEP + REACH),
          patch_columns((int)(tile_columns - 1) * STEP + REACH) {}

    __device__ __forceinline__ int tiles() const {
        return (batch + images - 1) / images * tiles_down * tiles_across;
    }

    __device__ __forceinline__ int patch() const { return images * patch_rows * patch_columns; }

    // Where a tile begins; or where something lies in it.
    struct Corner {
        int image, row, column;

        // In one word, for tables.
        __device__ __forceinline__ int packed() const { return image << 20 | row << 10 | column; }
        static __device__ __forceinline__ Corner of(int packed) {
            return {packed >> 20, packed >> 10 & 1023, packed & 1023};
        }
    };
    __device__ __forceinline__ Corner corner(int tile) const {
        int across = tile % tiles_across, rest = tile / tiles_across;
        return {rest / tiles_down * images, rest % tiles_down * tile_rows, across * tile_columns};
    }

    // A cell of a tile.
    __device__ __forceinline__ Corner cell(int index) const {
        int column = index % tile_columns, rest = index / tile_columns;
        return {rest / tile_rows, rest % tile_rows, column};
    }

    // A pixel of the patch.
    __device__ __forceinline__ Corner read(int index) const {
        int column = index % patch_columns, rest = index / patch_columns;
        return {rest / patch_rows, rest % patch_rows, column};
    }

    // The pixel of the batch that lies at a place of the patch, or -1 outside of the images.
    __device__ __forceinline__ int pixel(const Corner& corner, const Corner& at) const {
        int image = corner.image + at.image;
        int y = corner.row * STEP + LOW + at.row, x = corner.column * STEP + LOW + at.column;
        bool inside = image < batch && y >= 0 && x >= 0 && y < rows && x < columns;
        return inside ? (image * rows + y) * columns + x : -1;
    }

    // Where in the patch the first tap of a cell reads.
    __device__ __forceinline__ int first_read(int index) const {
        Corner at = cell(index);
        return (at.image * patch_rows + at.row * STEP) * patch_columns + at.column * STEP;
    }
};
