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
    Real* y;         // [count]
    long long count;
};

extern "C" __global__ void cast(__grid_constant__ const Cast a) {
    long long i = thread_index();
    if (i >= a.count) return;
#if FROM == 16
    a.y[i] = to_real((Acc)__uint_as_float((unsigned)a.x[i] << 16));
#else
    a.y[i] = to_real((Acc)a.x[i]);
#endif
}
