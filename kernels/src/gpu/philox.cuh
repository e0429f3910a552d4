// Philox 4x32-10, counter-based: the numbers of the host's streams (tensor/src/random.rs), drawn where
// they are needed.

struct Words {
    unsigned at[4];
};

__device__ __forceinline__ Words philox(Words counter, unsigned low, unsigned high) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        unsigned long long a = (unsigned long long)counter.at[0] * 0xD2511F53u;
        unsigned long long b = (unsigned long long)counter.at[2] * 0xCD9E8D57u;
        counter = {
            (unsigned)(b >> 32) ^ counter.at[1] ^ low, (unsigned)b,
            (unsigned)(a >> 32) ^ counter.at[3] ^ high, (unsigned)a,
        };
        low += 0x9E3779B9u;
        high += 0xBB67AE85u;
    }
    return counter;
}

// A stream, named by seed, purpose, epoch and sample.
struct Stream {
    unsigned low, high, purpose, epoch, sample;

    // Four words in a row.
    __device__ __forceinline__ Words block(unsigned index) const {
        return philox({index, purpose, epoch, sample}, low, high);
    }

    __device__ __forceinline__ unsigned word(unsigned index) const {
        return block(index / 4).at[index % 4];
    }

    // The uniform number that takes this word and the next, from 0 up to 1.
    __device__ __forceinline__ double uniform(unsigned index) const {
        unsigned long long bits = (unsigned long long)word(index) << 32 | word(index + 1);
        return (double)(bits >> 11) / 9007199254740992.0;
    }

    // The standard normal number that takes this word and three more.
    __device__ __forceinline__ double normal(unsigned index) const {
        double radius = sqrt(-2 * log(1 - uniform(index)));
        return radius * cos(6.283185307179586 * uniform(index + 2));
    }
};
