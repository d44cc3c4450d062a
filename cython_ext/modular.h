/* Sums of products of residues modulo a prime p, in [0, p), without overflow.
 *
 * As many products as an unsigned accumulator can hold beside one residue are added (the chunk), then
 * the sum is reduced, and so on. For p < 2^31 the accumulator has 64 bits and a chunk at least 4
 * products; for p = 2^61 - 1 it has 128 bits and a chunk is 64 products. The loops are written once,
 * in modular_loops.h, and compiled for both.
 *
 * `bad` gathers what is not in [0, p): exactly there v and p - 1 - v both lack the highest bit.
 */
#ifndef MPICODE_MODULAR_H
#define MPICODE_MODULAR_H

#include <stdint.h>
#include <string.h>

#include "wide.h"

/* Elements worked on at a time: their accumulators stay in the L1 cache. */
#define MPICODE_TILE_SIZE 1024

typedef struct {
    uint64_t p;
    uint64_t inverse; /* floor((2^64 - 1) / p) */
    ptrdiff_t chunk;
} mpicode_prime;

#define MPICODE_MERSENNE 0x1fffffffffffffffULL

static inline uint64_t mpicode_reduce_narrow(uint64_t x, mpicode_prime m) {
#ifdef __SIZEOF_INT128__
    /* Barrett: the quotient is right or 1 too small. */
    uint64_t q = (uint64_t)(((unsigned __int128)x * m.inverse) >> 64);
    uint64_t r = x - q * m.p;
    return r >= m.p ? r - m.p : r;
#else
    return x % m.p;
#endif
}

/* One row times x for primes with short chunks: the two halves of the products are added apart, so
 * that there is a reduction after a million terms only, and the loop fills vector registers. */
#define MPICODE_SHORT_CHUNK 256
MPICODE_WIDE static uint64_t mpicode_row_in_halves(const int64_t *MPICODE_RESTRICT row,
                                                   const int64_t *MPICODE_RESTRICT x,
                                                   int64_t *MPICODE_RESTRICT out, ptrdiff_t size,
                                                   mpicode_prime m) {
    const uint64_t largest = m.p - 1, unit = mpicode_reduce_narrow((uint64_t)1 << 32, m);
    uint64_t sum = 0, bad = 0;
    for (ptrdiff_t begin = 0; begin < size;) {
        const ptrdiff_t end = size - begin > 1 << 20 ? begin + (1 << 20) : size;
        uint64_t low = 0, high = 0;
        for (ptrdiff_t e = begin; e < end; e++) {
            const uint64_t product = (uint64_t)(uint32_t)row[e] * (uint32_t)x[e];
            low += (uint32_t)product;
            high += product >> 32;
            bad |= (uint64_t)row[e] | (largest - (uint64_t)row[e]);
        }
        sum += mpicode_reduce_narrow(high, m) * unit + mpicode_reduce_narrow(low, m);
        sum = mpicode_reduce_narrow(sum, m);
        begin = end;
    }
    *out = (int64_t)sum;
    return bad;
}

#define MPICODE_NAME(NAME) mpicode_narrow_##NAME
#define MPICODE_ACCUMULATOR uint64_t
#define MPICODE_FACTOR(x) ((uint64_t)(uint32_t)(x))
#define MPICODE_REDUCE mpicode_reduce_narrow
#define MPICODE_LOOPS MPICODE_WIDE
#define MPICODE_ROW \
    (m.chunk < MPICODE_SHORT_CHUNK ? mpicode_row_in_halves : mpicode_narrow_row)
#include "modular_loops.h"
#undef MPICODE_NAME
#undef MPICODE_ACCUMULATOR
#undef MPICODE_FACTOR
#undef MPICODE_REDUCE
#undef MPICODE_LOOPS
#undef MPICODE_ROW

#ifdef __SIZEOF_INT128__
#define MPICODE_HAS_MERSENNE 1

static inline uint64_t mpicode_reduce_mersenne(unsigned __int128 x, mpicode_prime m) {
    /* 2^61 is 1: the three digits in base 2^61 are added, their sum is below 2^63. */
    uint64_t r = ((uint64_t)x & MPICODE_MERSENNE) + ((uint64_t)(x >> 61) & MPICODE_MERSENNE)
                 + (uint64_t)(x >> 122);
    (void)m;
    r = (r & MPICODE_MERSENNE) + (r >> 61);
    return r >= MPICODE_MERSENNE ? r - MPICODE_MERSENNE : r;
}

#define MPICODE_NAME(NAME) mpicode_mersenne_##NAME
#define MPICODE_ACCUMULATOR unsigned __int128
#define MPICODE_FACTOR(x) ((unsigned __int128)(uint64_t)(x))
#define MPICODE_REDUCE mpicode_reduce_mersenne
#define MPICODE_LOOPS
#define MPICODE_ROW mpicode_mersenne_row
#include "modular_loops.h"
#undef MPICODE_NAME
#undef MPICODE_ACCUMULATOR
#undef MPICODE_FACTOR
#undef MPICODE_REDUCE
#undef MPICODE_LOOPS
#undef MPICODE_ROW
#else
#define MPICODE_HAS_MERSENNE 0
#endif

/* Either of the two. */
#if MPICODE_HAS_MERSENNE
#define MPICODE_EITHER(CALL) \
    (m.p == MPICODE_MERSENNE ? mpicode_mersenne_##CALL : mpicode_narrow_##CALL)
#else
#define MPICODE_EITHER(CALL) mpicode_narrow_##CALL
#endif

static mpicode_prime mpicode_prime_of(uint64_t p) {
    mpicode_prime m = {p, UINT64_MAX / p, 64};
    if (p != MPICODE_MERSENNE) {
        uint64_t most = (UINT64_MAX - (p - 1)) / ((p - 1) * (p - 1));
        m.chunk = most < PTRDIFF_MAX ? (ptrdiff_t)most : PTRDIFF_MAX;
    }
    return m;
}

/* out[r][e] = sum_i factors[r][i] * vectors[i][e] for each row and element; nonzero where a vector is
 * bad. A tile of the vectors serves all rows before the next one is read from memory. */
static int mpicode_modular_combine(const int64_t *factors, const int64_t *const *vectors,
                                   ptrdiff_t count, int64_t *out, ptrdiff_t n_rows, ptrdiff_t size,
                                   mpicode_prime m) {
    uint64_t bad = 0;
    for (ptrdiff_t begin = 0; begin < size; begin += MPICODE_TILE_SIZE) {
        const ptrdiff_t length =
            size - begin < MPICODE_TILE_SIZE ? size - begin : MPICODE_TILE_SIZE;
        for (ptrdiff_t r = 0; r < n_rows; r++)
            bad |= MPICODE_EITHER(tile(factors + r * count, vectors, count, out + r * size, begin,
                                       length, m));
    }
    return bad >> 63 != 0;
}

/* out = X x (c columns); nonzero where X is bad. */
static int mpicode_modular_dot(const int64_t *X, const int64_t *x, int64_t *out, ptrdiff_t n_rows,
                               ptrdiff_t n_features, ptrdiff_t c, mpicode_prime m) {
    return MPICODE_EITHER(dot(X, x, out, n_rows, n_features, c, m)) >> 63 != 0;
}

/* out = X^T residual (c columns); nonzero where X is bad. */
static int mpicode_modular_transpose(const int64_t *X, const int64_t *residual, int64_t *out,
                                     ptrdiff_t n_rows, ptrdiff_t n_features, ptrdiff_t c,
                                     mpicode_prime m) {
    return MPICODE_EITHER(transpose(X, residual, out, n_rows, n_features, c, m)) >> 63 != 0;
}

#endif
