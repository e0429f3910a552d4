// Copies runs of values: `width` of every `from_width` to `width` of every `to_width`, for each of
// `places`; a thread for each value.
extern "C" __global__ void concat_runs(
    const real* from, real* to, long long places, long long width, long long from_width,
    long long from_start, long long to_width, long long to_start
) {
    long long i = item();
    if (i >= places * width) return;
    long long place = i / width, at = i % width;
    to[place * to_width + to_start + at] = from[place * from_width + from_start + at];
}
