// Sums over axes in float64, in spans of at most SPAN terms, and then over spans in order.

// The sums of a launch: which elements each begins at, and where its terms are from there.
struct Sums {
    Axes<3> kept, terms;
    long long outputs, count, spans;
};

// Where there is one span for each sum, the sum itself; else the span's part of it.
__device__ __forceinline__ void write_span(
    double* partial, real* y, const Sums& sums, long long output, long long span, double sum, double scale
) {
    if (sums.spans == 1) {
        y[output] = narrow((wide)(scale * sum));
    } else {
        partial[output * sums.spans + span] = sum;
    }
}

#define SUMS                                                                                        \
    Sums sums = {                                                                                   \
        {{kept_extent0, kept_extent1, kept_extent2}, {kept_stride0, kept_stride1, kept_stride2}},   \
        {{term_extent0, term_extent1, term_extent2}, {term_stride0, term_stride1, term_stride2}},   \
        outputs, count, spans,                                                                      \
    };

#define ARGUMENTS                                                                                   \
    const real* x, double* partial, real* y, double scale, long long outputs, long long count,      \
        long long spans, long long kept_extent0, long long kept_extent1, long long kept_extent2,    \
        long long kept_stride0, long long kept_stride1, long long kept_stride2,                     \
        long long term_extent0, long long term_extent1, long long term_extent2,                     \
        long long term_stride0, long long term_stride1, long long term_stride2

// A thread for each span of each sum: neighbouring threads have neighbouring sums, whose terms are
// neighbours in memory.
extern "C" __global__ void sum_columns(ARGUMENTS) {
    SUMS
    long long output = item() % outputs, span = item() / outputs;
    if (span >= spans) return;
    const real* first = x + sums.kept.offset(output);
    long long end = min((span + 1) * SPAN, count);
    double sum = 0;
    for (long long term = span * SPAN; term < end; term++) {
        sum += (double)widen(first[sums.terms.offset(term)]);
    }
    write_span(partial, y, sums, output, span, sum, scale);
}

// A warp for each span of each sum, whose terms are neighbours in memory.
extern "C" __global__ void sum_rows(ARGUMENTS) {
    SUMS
    long long output = row() % outputs, span = row() / outputs;
    if (span >= spans) return;
    const real* first = x + sums.kept.offset(output);
    long long end = min((span + 1) * SPAN, count);
    double sum = 0;
    for (long long term = span * SPAN + lane(); term < end; term += 32) {
        sum += (double)widen(first[sums.terms.offset(term)]);
    }
    sum = warp_sum(sum);
    if (lane() == 0) write_span(partial, y, sums, output, span, sum, scale);
}

// A warp for each sum of several spans.
extern "C" __global__ void sum_spans(
    const double* partial, real* y, double scale, long long outputs, long long spans
) {
    if (row() >= outputs) return;
    double sum = 0;
    for (long long span = lane(); span < spans; span += 32) sum += partial[row() * spans + span];
    sum = warp_sum(sum);
    if (lane() == 0) y[row()] = narrow((wide)(scale * sum));
}
