#ifndef MPICODE_FLETCHER_H
#define MPICODE_FLETCHER_H

#include "wide.h"

/* Bytes in pairs, the first of a pair being the high one. So many pairs that `rising` stays below
 * 2^32: 65535 * 256 * 257 / 2. */
#define MPICODE_PAIRS 256

/* Modulo 65535, as end-around carries leave it: 0 for 0 alone. */
static inline uint64_t mpicode_carried(uint64_t sum) { return sum ? (sum - 1) % 65535 + 1 : 0; }

/* The sum of `pairs` pairs of bytes, and that of the sums on the way (Fletcher, 1982). */
MPICODE_WIDE static void mpicode_fletcher(const unsigned char *data, ptrdiff_t pairs,
                                          uint64_t *sum, uint64_t *of_sums) {
    uint64_t a = *sum, b = *of_sums;
    while (pairs > 0) {
        const uint32_t n = pairs < MPICODE_PAIRS ? (uint32_t)pairs : MPICODE_PAIRS;
        uint32_t plain = 0, rising = 0;
        if (n == MPICODE_PAIRS) {
            for (uint32_t k = 0; k < MPICODE_PAIRS; k++) {
                const uint32_t pair = (uint32_t)data[2 * k] << 8 | data[2 * k + 1];
                plain += pair;
                rising += (MPICODE_PAIRS - k) * pair;
            }
        } else {
            for (uint32_t k = 0; k < n; k++) {
                const uint32_t pair = (uint32_t)data[2 * k] << 8 | data[2 * k + 1];
                plain += pair;
                rising += (n - k) * pair;
            }
        }
        b = mpicode_carried(b + n * a + rising);
        a = mpicode_carried(a + plain);
        data += 2 * n;
        pairs -= n;
    }
    *sum = a;
    *of_sums = b;
}

#endif
