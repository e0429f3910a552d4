struct ConcatRuns {
    const Real* from;   // [places, from_width]
    Real* to;           // [places, to_width]
    long long places, width, from_width, from_start, to_width, to_start;
};

// Copies runs of values: `width` of every `from_width` to `width` of every `to_width`, for each of
// `places`; a thread for each value.
extern "C" __global__ void concat_runs(__grid_constant__ const ConcatRuns a) {
    long long i = thread_index();
    if (i >= a.places * a.width) return;
    long long place = i / a.width, at = i % a.width;
    a.to[place * a.to_width + a.to_start + at] = a.from[place * a.from_width + a.from_start + at];
}
