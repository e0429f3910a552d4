// From FROM bits to REAL, to the nearest; a thread for each element.

#if FROM == 64
typedef double from;
#else
typedef float from;
#endif

extern "C" __global__ void cast(const from* x, real* y, long long count) {
    long long i = item();
    if (i < count) y[i] = narrow((wide)x[i]);
}
