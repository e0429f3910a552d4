#include "matrix.h"

#include <cstring>

namespace emulated {

static float lower(unsigned pair) {
    unsigned bits = pair << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float upper(unsigned pair) { return lower(pair >> 16); }

// A lane holds two neighbours of a row in each register, and of the sum four values: which row, and
// which pair of columns, of an 8 x 8 quarter.
static unsigned row_of(unsigned lane) { return lane / 4; }
static unsigned column_of(unsigned lane) { return lane % 4 * 2; }

void multiply(Party& party) {
    float a[16][16], b[16][8], sum[16][8] = {};
    for (unsigned lane = 0; lane < WARP; lane++) {
        const auto* given = static_cast<const MultiplyRequest*>(party.in[lane]);
        unsigned row = row_of(lane), column = column_of(lane);
        for (unsigned i = 0; i < 4; i++) {   // quarters: top left, bottom left, top right, bottom right
            float* pair = &a[row + i % 2 * 8][column + i / 2 * 8];
            pair[0] = lower(given->a[i]);
            pair[1] = upper(given->a[i]);
        }
        for (unsigned i = 0; i < 2; i++) {   // halves: top, bottom; a pair lies in one column
            b[column + i * 8][row] = lower(given->b[i]);
            b[column + i * 8 + 1][row] = upper(given->b[i]);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 16; k++) {
            for (unsigned j = 0; j < 8; j++) sum[i][j] += a[i][k] * b[k][j];
        }
    }
    for (unsigned lane = 0; lane < WARP; lane++) {
        float* out = static_cast<float*>(party.out[lane]);
        for (unsigned i = 0; i < 4; i++) {
            out[i] += sum[row_of(lane) + i / 2 * 8][column_of(lane) + i % 2];
        }
    }
}

void load_matrices(Party& party, bool transposed) {
    for (unsigned matrix = 0; matrix < 4; matrix++) {
        unsigned short values[8][8];
        for (unsigned row = 0; row < 8; row++) {
            memcpy(values[row], party.in[matrix * 8 + row], sizeof values[row]);
        }
        for (unsigned lane = 0; lane < WARP; lane++) {
            unsigned row = row_of(lane), column = column_of(lane);
            unsigned first = transposed ? values[column][row] : values[row][column];
            unsigned second = transposed ? values[column + 1][row] : values[row][column + 1];
            static_cast<unsigned*>(party.out[lane])[matrix] = first | second << 16;
        }
    }
}

}  // namespace emulated
