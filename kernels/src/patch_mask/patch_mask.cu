// A thread for each pixel of the batch.

// What hidden patches show; numbered as in cuda.rs.
enum { CONSTANT, NOISE, PATCHES, PIXELS };

// `patches` has for each patch of the batch -1 if it is visible, else: its place among the hidden ones
// of its image (NOISE), the patch that it shows (PATCHES), its place among the hidden ones of the
// batch (PIXELS). Then `pixels` has the pixel that each of theirs shows.
extern "C" __global__ void patch_mask(
    const real* x, const long long* patches, const long long* pixels, real* out, unsigned char* mask,
    long long rows, long long columns, long long channels, long long height, long long width,
    long long fill, double value, long long seed, long long purpose, long long step,
    long long numbers_taken, long long count
) {
    long long i = item();
    if (i >= count) return;
    // Rows are counted through the batch, which lies in memory as one tall image.
    long long row = i / columns, column = i % columns, across = columns / width;
    long long within = row % height * width + column % width;
    long long hidden = patches[row / height * across + column / width];
    mask[i] = hidden >= 0;
    if (hidden >= 0 && fill == CONSTANT) {
        for (long long c = 0; c < channels; c++) out[i * channels + c] = narrow((wide)value);
        return;
    }
    if (hidden >= 0 && fill == NOISE) {
        Stream stream = {seed, purpose, step, row / rows};
        long long first = (hidden * height * width + within) * channels;
        for (long long c = 0; c < channels; c++) {
            double drawn = stream.normal(numbers_taken + 2 * (first + c));
            out[i * channels + c] = narrow((wide)drawn);
        }
        return;
    }
    long long from = i;
    if (hidden >= 0 && fill == PATCHES) {
        long long top = hidden / across * height, left = hidden % across * width;
        from = (top + row % height) * columns + left + column % width;
    }
    if (hidden >= 0 && fill == PIXELS) from = pixels[hidden * height * width + within];
    for (long long c = 0; c < channels; c++) out[i * channels + c] = x[from * channels + c];
}
