// A thread for each value. What is hidden, and where its values come from, was drawn on the host.

#define CONSTANT (-1)
#define NOISE (-2)

// For each patch of the batch: the patch that it shows, itself where it is visible, or what it is filled
// with; its place among the hidden ones of its image, or -1. A patch is HEIGHT by WIDTH.
struct Patch {
    int source, place;
};

// Of each image: how many words of its stream were used before the noise.
extern "C" __global__ void patch_mask_patches(
    const real* images, const Patch* patches, const unsigned* used, real* y, unsigned char* mask,
    long long rows, long long columns, long long channels, long long count, double constant,
    long long low, long long high, long long purpose, long long step
) {
    unsigned i = (unsigned)item();
    if (i >= count) return;
    unsigned width = (unsigned)columns, channel = i % (unsigned)channels, pixel = i / (unsigned)channels;
    unsigned column = pixel % width, row = pixel / width;
    // A batch lies in memory as one tall image.
    unsigned across = width / (unsigned)WIDTH;
    unsigned own = row / (unsigned)HEIGHT * across + column / (unsigned)WIDTH;
    unsigned inner_row = row % (unsigned)HEIGHT, inner_column = column % (unsigned)WIDTH;
    Patch patch = patches[own];
    if (channel == 0) mask[pixel] = patch.place >= 0;
    if (patch.source == CONSTANT) {
        y[i] = narrow((wide)constant);
        return;
    }
    if (patch.source == NOISE) {
        unsigned image = row / (unsigned)rows;
        Stream stream = {(unsigned)low, (unsigned)high, (unsigned)purpose, (unsigned)step, image};
        unsigned value = (unsigned)patch.place * (unsigned)(HEIGHT * WIDTH) + inner_row * (unsigned)WIDTH + inner_column;
        y[i] = narrow((wide)stream.normal(used[image] + 4 * (value * (unsigned)channels + channel)));
        return;
    }
    unsigned source = (unsigned)patch.source;
    unsigned from_row = source / across * (unsigned)HEIGHT + inner_row;
    unsigned from_column = source % across * (unsigned)WIDTH + inner_column;
    y[i] = images[(from_row * width + from_column) * (unsigned)channels + channel];
}

// For each pixel of the batch, the pixel that it shows; below 0 where it is hidden, counted from -1.
extern "C" __global__ void patch_mask_pixels(
    const real* images, const int* sources, real* y, unsigned char* mask, long long channels,
    long long count
) {
    unsigned i = (unsigned)item();
    if (i >= count) return;
    unsigned channel = i % (unsigned)channels, pixel = i / (unsigned)channels;
    int source = sources[pixel];
    if (channel == 0) mask[pixel] = source < 0;
    y[i] = images[(unsigned)(source < 0 ? -1 - source : source) * (unsigned)channels + channel];
}
