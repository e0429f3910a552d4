// From FROM bits to REAL, to the nearest; a thread for each element.

#if FROM == 64
typedef double from;
#elif FROM == 32
typedef float from;
#else
typedef unsigned short from;
#endif

struct Cast {
    const from* x;   // [count]
    real* y;         // [count]
    long long count;
};

extern "C" __global__ void cast(__grid_constant__ const Cast a) {
    long long i = item();
    if (i >= a.count) return;
#if FROM == 16
    a.y[i] = narrow((wide)__uint_as_float((unsigned)a.x[i] << 16));
#else
    a.y[i] = narrow((wide)a.x[i]);
#endif
}
