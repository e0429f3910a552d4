// a += b, elementwise.
extern "C" __global__ void sum(real* a, const real* b, long long count) {
    long long i = item();
    if (i < count) a[i] = narrow(widen(a[i]) + widen(b[i]));
}
