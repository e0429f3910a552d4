// A thread for each value. What is hidden, and where its values come from, was drawn on the host.

#define CONSTANT (-1)
#define NOISE (-2)

// For each patch of the batch: the patch that it shows, itself where it is visible, or what it is filled
// with; its place among the hidden ones of its image, or -1. A patch is HEIGHT by WIDTH.
struct Patch {
    int source, place;
};

struct PatchMaskPatches {
    const Real* images;     // [batch, rows, columns, channels]
    const Patch* patches;   // of the whole batch
    const unsigned* used;   // [batch], words of its stream that were drawn before the noise
    Real* y;                // like images
    unsigned char* mask;    // [batch, rows, columns], whether a pixel is hidden
    long long rows, columns, channels;
    long long count;        // values
    double constant;
    long long low, high, purpose, step;   // of the noise; low and high are the seed
};

extern "C" __global__ void patch_mask_patches(__grid_constant__ const PatchMaskPatches a) {
    unsigned i = (unsigned)thread_index();
    if (i >= a.count) return;
    unsigned width = (unsigned)a.columns, channels = (unsigned)a.channels;
    unsigned channel = i % channels, pixel = i / channels;
    unsigned column = pixel % width, row = pixel / width;
    // In memory a batch is one tall image.
    unsigned across = width / (unsigned)WIDTH;
    unsigned own = row / (unsigned)HEIGHT * across + column / (unsigned)WIDTH;
    unsigned inner_row = row % (unsigned)HEIGHT, inner_column = column % (unsigned)WIDTH;
    Patch patch = a.patches[own];
    if (channel == 0) a.mask[pixel] = patch.place >= 0;
    if (patch.source == CONSTANT) {
        a.y[i] = to_real((Acc)a.constant);
        return;
    }
    if (patch.source == NOISE) {
        unsigned image = row / (unsigned)a.rows;
        Stream stream = {(unsigned)a.low, (unsigned)a.high, (unsigned)a.purpose, (unsigned)a.step, image};
        unsigned value = (unsigned)patch.place * (unsigned)(HEIGHT * WIDTH);
        value += inner_row * (unsigned)WIDTH + inner_column;
        a.y[i] = to_real((Acc)stream.normal(a.used[image] + 4 * (value * channels + channel)));
        return;
    }
    unsigned source = (unsigned)patch.source;
    unsigned from_row = source / across * (unsigned)HEIGHT + inner_row;
    unsigned from_column = source % across * (unsigned)WIDTH + inner_column;
    a.y[i] = a.images[(from_row * width + from_column) * channels + channel];
}

// A source is the pixel that a pixel shows; where the pixel is hidden, -1 minus that.
struct PatchMaskPixels {
    const Real* images;    // [batch, rows, columns, channels]
    const int* sources;    // [batch, rows, columns]
    Real* y;               // like images
    unsigned char* mask;   // [batch, rows, columns], whether a pixel is hidden
    long long channels, count;
};

extern "C" __global__ void patch_mask_pixels(__grid_constant__ const PatchMaskPixels a) {
    unsigned i = (unsigned)thread_index();
    if (i >= a.count) return;
    unsigned channel = i % (unsigned)a.channels, pixel = i / (unsigned)a.channels;
    int source = a.sources[pixel];
    if (channel == 0) a.mask[pixel] = source < 0;
    a.y[i] = a.images[(unsigned)(source < 0 ? -1 - source : source) * (unsigned)a.channels + channel];
}
