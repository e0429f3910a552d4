// Views of slices, each read where it lies. A row of a table says where that is, how the view lies on
// it, and, by intensity.cuh, what happens to its values.

struct View {
    // Where intensities and labels begin, in bytes; -1 for no labels.
    long long pixels, labels;
    long long rows, columns;
    // Whether intensities are floats; else they are whole numbers of 16 bits.
    long long real_numbers;
    Map map;
};

// Geometry, in the first pass of the three of intensity.cu.
extern "C" __global__ void views_first(
    const unsigned char* memory, const View* views, const Adjustment* adjustments, real* images,
    wide* unblurred, wide* extremes, long long rows, long long columns
) {
    __shared__ wide partial[32];
    Tile tile(rows, columns);
    const View view = views[tile.image];
    const unsigned short* whole = (const unsigned short*)(memory + view.pixels);
    const float* numbers = (const float*)(memory + view.pixels);
    Geometry g(view.rows, view.columns, rows, columns);
    auto sample = [&](long long row, long long column) {
        Position at = g.position(view.map, (int)row, (int)column);
        return bicubic(at, g.rows, g.columns, false, [&](int from) {
            return view.real_numbers ? (wide)__ldg(numbers + from) : (wide)__ldg(whole + from);
        });
    };
    first_pass(tile, adjustments[tile.image], images, unblurred, extremes, partial, sample);
}

// A thread for each pixel of the views.
extern "C" __global__ void views_labels(
    const unsigned char* memory, const View* views, unsigned char* out, long long rows,
    long long columns, long long count
) {
    long long i = item();
    if (i >= count) return;
    const View& view = views[i / (rows * columns)];
    Geometry g(view.rows, view.columns, rows, columns);
    Position at = g.position(view.map, (int)(i / columns % rows), (int)(i % columns));
    int p = nearest(at.row, g.rows, false), q = nearest(at.column, g.columns, false);
    bool outside = view.labels < 0 || p < 0 || q < 0;
    out[i] = outside ? 0 : memory[view.labels + p * view.columns + q];
}
