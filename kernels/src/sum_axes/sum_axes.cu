// Sums over axes in float64, in spans of at most SPAN terms, and then over spans in order.

struct SumAxes {
    const Real* x;
    double* partial;    // [outputs, spans], where a sum has several spans
    Real* y;            // [outputs], where a sum has one
    Axes kept, terms;   // where the terms of each sum begin, and where they are from there
    long long outputs, count, spans;    // sums, terms of each, spans of each
    double scale;
};

// Where a sum has one span, the sum itself; else the span's part of it.
__device__ __forceinline__ void write_span(const SumAxes& a, long long output, long long span, double sum) {
    if (a.spans == 1) {
        a.y[output] = to_real((Acc)(a.scale * sum));
    } else {
        a.partial[output * a.spans + span] = sum;
    }
}

// A thread for each span of each sum: neighbouring threads have neighbouring sums, whose terms are
// neighbours in memory.
extern "C" __global__ void sum_columns(__grid_constant__ const SumAxes a) {
    long long output = thread_index() % a.outputs, span = thread_index() / a.outputs;
    if (span >= a.spans) return;
    const Real* first = a.x + a.kept.offset(output);
    long long end = min((span + 1) * SPAN, a.count);
    double sum = 0;
    for (long long term = span * SPAN; term < end; term++) {
        sum += (double)to_acc(first[a.terms.offset(term)]);
    }
    write_span(a, output, span, sum);
}

// A warp for each span of each sum, whose terms are neighbours in memory.
extern "C" __global__ void sum_rows(__grid_constant__ const SumAxes a) {
    long long output = row() % a.outputs, span = row() / a.outputs;
    if (span >= a.spans) return;
    const Real* first = a.x + a.kept.offset(output);
    long long end = min((span + 1) * SPAN, a.count);
    double sum = 0;
    for (long long term = span * SPAN + lane(); term < end; term += 32) {
        sum += (double)to_acc(first[a.terms.offset(term)]);
    }
    sum = warp_sum(sum);
    if (lane() == 0) write_span(a, output, span, sum);
}

struct SumSpans {
    const double* partial;   // [outputs, spans]
    Real* y;                 // [outputs]
    long long outputs, spans;
    double scale;
};

// A warp for each sum of several spans.
extern "C" __global__ void sum_spans(__grid_constant__ const SumSpans a) {
    if (row() >= a.outputs) return;
    double sum = 0;
    for (long long span = lane(); span < a.spans; span += 32) sum += a.partial[row() * a.spans + span];
    sum = warp_sum(sum);
    if (lane() == 0) a.y[row()] = to_real((Acc)(a.scale * sum));
}
