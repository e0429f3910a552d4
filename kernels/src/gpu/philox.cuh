// Random numbers by name: Philox 4x32-10, as tensor/src/random.rs has it. The same names give the
// same bits on every device.

__device__ __forceinline__ uint4 philox(uint4 counter, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        counter = make_uint4(
            __umulhi(0xcd9e8d57u, counter.z) ^ counter.y ^ key.x, 0xcd9e8d57u * counter.z,
            __umulhi(0xd2511f53u, counter.x) ^ counter.w ^ key.y, 0xd2511f53u * counter.x
        );
        key = make_uint2(key.x + 0x9e3779b9u, key.y + 0xbb67ae85u);
    }
    return counter;
}

// What names a stream, and the numbers that it gives.
struct Stream {
    long long seed, purpose, epoch, sample;

    // Four words.
    __device__ uint4 block(long long index) const {
        uint2 key = make_uint2((unsigned)seed, (unsigned)(seed >> 32));
        return philox(
            make_uint4((unsigned)index, (unsigned)purpose, (unsigned)epoch, (unsigned)sample), key
        );
    }

    // Number `index` of those that are uniform from 0 to 1; two to a block.
    __device__ double uniform(long long index) const {
        uint4 words = block(index / 2);
        unsigned high = index % 2 ? words.z : words.x, low = index % 2 ? words.w : words.y;
        unsigned long long bits = ((unsigned long long)high << 32 | low) >> 11;
        return (double)bits * (1.0 / 9007199254740992.0);
    }

    // A standard normal number, of the uniform ones `index` and the next (Box and Muller, 1958).
    __device__ double normal(long long index) const {
        double radius = sqrt(-2.0 * log(1.0 - uniform(index)));
        return radius * cos(6.283185307179586 * uniform(index + 1));
    }
};
