struct Sum {
    real* a;
    const real* b;
    long long count;
};

// a += b, element by element.
extern "C" __global__ void sum(__grid_constant__ const Sum s) {
    long long i = item();
    if (i < s.count) s.a[i] = narrow(widen(s.a[i]) + widen(s.b[i]));
}
