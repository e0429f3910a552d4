// Views of slices, read in place. A row of a table has the address of a view's slice, the map from one
// to the other, and, in intensity.cuh, what happens to its values.

struct View {
    // Where intensities and labels begin, in bytes; -1 for no labels.
    long long pixels, labels;
    long long rows, columns;
    // Whether intensities are floats; else they are 16-bit unsigned integers.
    long long real_numbers;
    Map map;
};

struct ViewsFirst {
    const unsigned char* memory;   // all slices
    const View* views;             // [images]
    FirstPass pass;
};

// Geometry, in the first pass of the three of intensity.cu.
extern "C" __global__ void views_first(__grid_constant__ const ViewsFirst args) {
    __shared__ Acc partial[32];
    long long rows = args.pass.rows, columns = args.pass.columns;
    Tile tile(rows, columns);
    const View view = args.views[tile.image];
    const unsigned short* whole = (const unsigned short*)(args.memory + view.pixels);
    const float* numbers = (const float*)(args.memory + view.pixels);
    Geometry g(view.rows, view.columns, rows, columns);
    auto sample = [&](long long row, long long column) {
        Position at = g.position(view.map, (int)row, (int)column);
        return bicubic(at, g.rows, g.columns, false, [&](int from) {
            return view.real_numbers ? (Acc)__ldg(numbers + from) : (Acc)__ldg(whole + from);
        });
    };
    first_pass(args.pass, tile, partial, sample);
}

struct ViewsLabels {
    const unsigned char* memory;   // all slices
    const View* views;             // [images]
    unsigned char* out;            // [images, rows, columns]
    long long rows, columns, count;
};

// A thread for each pixel of the views.
extern "C" __global__ void views_labels(__grid_constant__ const ViewsLabels args) {
    long long i = thread_index(), rows = args.rows, columns = args.columns;
    if (i >= args.count) return;
    const View& view = args.views[i / (rows * columns)];
    Geometry g(view.rows, view.columns, rows, columns);
    Position at = g.position(view.map, (int)(i / columns % rows), (int)(i % columns));
    int p = nearest(at.row, g.rows, false), q = nearest(at.column, g.columns, false);
    bool outside = view.labels < 0 || p < 0 || q < 0;
    args.out[i] = outside ? 0 : args.memory[view.labels + p * view.columns + q];
}
