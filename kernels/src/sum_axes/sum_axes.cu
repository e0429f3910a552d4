// Sums over axes in float64, in spans of at most SPAN terms, and then over spans in order.

// The sums of a launch: the elements at which each begins, and its terms from there.
struct Sums {
    const real* x;
    double* partial;        // [outputs, spans]; not used where there is one span for each sum
    real* y;                // [outputs]
    double scale;
    Axes<3> kept, terms;    // of x
    long long outputs, count, spans;
};

// Where there is one span for each sum, the sum itself; otherwise the span's part of it.
__device__ __forceinline__ void write_span(const Sums& a, long long output, long long span, double sum) {
    if (a.spans == 1) {
        a.y[output] = narrow((wide)(a.scale * sum));
    } else {
        a.partial[output * a.spans + span] = sum;
    }
}

// A thread for each span of each sum: neighbouring threads have neighbouring sums, whose terms are
// neighbours in memory.
extern "C" __global__ void sum_columns(__grid_constant__ const Sums a) {
    long long output = item() % a.outputs, span = item() / a.outputs;
    if (span >= a.spans) return;
    const real* first = a.x + a.kept.offset(output);
    long long end = min((span + 1) * SPAN, a.count);
    double sum = 0;
    for (long long term = span * SPAN; term < end; term++) {
        sum += (double)widen(first[a.terms.offset(term)]);
    }
    write_span(a, output, span, sum);
}

// A warp for each span of each sum, whose terms are neighbours in memory.
extern "C" __global__ void sum_rows(__grid_constant__ const Sums a) {
    long long output = row() % a.outputs, span = row() / a.outputs;
    if (span >= a.spans) return;
    const real* first = a.x + a.kept.offset(output);
    long long end = min((span + 1) * SPAN, a.count);
    double sum = 0;
    for (long long term = span * SPAN + lane(); term < end; term += 32) {
        sum += (double)widen(first[a.terms.offset(term)]);
    }
    sum = warp_sum(sum);
    if (lane() == 0) write_span(a, output, span, sum);
}

struct SumSpans {
    const double* partial;   // [outputs, spans]
    real* y;                 // [outputs]
    double scale;
    long long outputs, spans;
};

// A warp for each sum of several spans.
extern "C" __global__ void sum_spans(__grid_constant__ const SumSpans a) {
    if (row() >= a.outputs) return;
    double sum = 0;
    for (long long span = lane(); span < a.spans; span += 32) sum += a.partial[row() * a.spans + span];
    sum = warp_sum(sum);
    if (lane() == 0) a.y[row()] = narrow((wide)(a.scale * sum));
}
