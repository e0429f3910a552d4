// From FROM bits to REAL, to the nearest; a thread for each element.

#if FROM == 64
typedef double from;
#elif FROM == 32
typedef float from;
#else
typedef unsigned short from;
#endif

extern "C" __global__ void cast(const from* x, real* y, long long count) {
    long long i = item();
    if (i >= count) return;
#if FROM == 16
    y[i] = narrow((wide)__uint_as_float((unsigned)x[i] << 16));
#else
    y[i] = narrow((wide)x[i]);
#endif
}
