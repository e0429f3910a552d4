struct Sum {
    Real* a;
    const Real* b;
    long long count;
};

// a += b, element by element.
extern "C" __global__ void sum(__grid_constant__ const Sum s) {
    long long i = thread_index();
    if (i < s.count) s.a[i] = to_real(to_acc(s.a[i]) + to_acc(s.b[i]));
}
