/* The loops of modular.h, which says what they do and includes this for each accumulator. */

MPICODE_LOOPS static uint64_t MPICODE_NAME(add)(MPICODE_ACCUMULATOR *MPICODE_RESTRICT sums,
                                               int64_t factor,
                                               const int64_t *MPICODE_RESTRICT vector,
                                               ptrdiff_t size, mpicode_prime m) {
    const MPICODE_ACCUMULATOR c = MPICODE_FACTOR(factor);
    const uint64_t largest = m.p - 1;
    uint64_t bad = 0;
    for (ptrdiff_t e = 0; e < size; e++) {
        sums[e] += c * MPICODE_FACTOR(vector[e]);
        bad |= (uint64_t)vector[e] | (largest - (uint64_t)vector[e]);
    }
    return bad;
}

MPICODE_LOOPS static void MPICODE_NAME(reduce)(MPICODE_ACCUMULATOR *sums, ptrdiff_t size,
                                               mpicode_prime m) {
    for (ptrdiff_t e = 0; e < size; e++) sums[e] = MPICODE_REDUCE(sums[e], m);
}

MPICODE_LOOPS static uint64_t MPICODE_NAME(row)(const int64_t *MPICODE_RESTRICT row,
                                               const int64_t *MPICODE_RESTRICT x,
                                               int64_t *MPICODE_RESTRICT out, ptrdiff_t size,
                                               mpicode_prime m) {
    const uint64_t largest = m.p - 1;
    MPICODE_ACCUMULATOR sum = 0;
    uint64_t bad = 0;
    for (ptrdiff_t begin = 0; begin < size;) {
        const ptrdiff_t end = size - begin > m.chunk ? begin + m.chunk : size;
        for (ptrdiff_t e = begin; e < end; e++) {
            sum += MPICODE_FACTOR(row[e]) * MPICODE_FACTOR(x[e]);
            bad |= (uint64_t)row[e] | (largest - (uint64_t)row[e]);
        }
        sum = MPICODE_REDUCE(sum, m);
        begin = end;
    }
    *out = (int64_t)sum;
    return bad;
}

static uint64_t MPICODE_NAME(tile)(const int64_t *factors, const int64_t *const *vectors,
                                   ptrdiff_t count, int64_t *out, ptrdiff_t begin,
                                   ptrdiff_t length, mpicode_prime m) {
    MPICODE_ACCUMULATOR sums[MPICODE_TILE_SIZE];
    uint64_t bad = 0;
    ptrdiff_t room = m.chunk;
    memset(sums, 0, length * sizeof(*sums));
    for (ptrdiff_t i = 0; i < count; i++) {
        if (room == 0) {
            MPICODE_NAME(reduce)(sums, length, m);
            room = m.chunk;
        }
        bad |= MPICODE_NAME(add)(sums, factors[i], vectors[i] + begin, length, m);
        room--;
    }
    for (ptrdiff_t e = 0; e < length; e++)
        out[begin + e] = (int64_t)MPICODE_REDUCE(sums[e], m);
    return bad;
}

static uint64_t MPICODE_NAME(dot)(const int64_t *X, const int64_t *x, int64_t *out,
                                 ptrdiff_t n_rows, ptrdiff_t n_features, ptrdiff_t c,
                                 mpicode_prime m) {
    const uint64_t largest = m.p - 1;
    MPICODE_ACCUMULATOR sums[MPICODE_TILE_SIZE];
    uint64_t bad = 0;
    if (c == 1) {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            bad |= MPICODE_ROW(X + r * n_features, x, out + r, n_features, m);
        return bad;
    }
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        const int64_t *row = X + r * n_features;
        for (ptrdiff_t f = 0; f < n_features; f++) bad |= (uint64_t)row[f] | (largest - (uint64_t)row[f]);
        for (ptrdiff_t begin = 0; begin < c; begin += MPICODE_TILE_SIZE) {
            const ptrdiff_t length = c - begin < MPICODE_TILE_SIZE ? c - begin : MPICODE_TILE_SIZE;
            ptrdiff_t room = m.chunk;
            memset(sums, 0, length * sizeof(*sums));
            for (ptrdiff_t f = 0; f < n_features; f++) {
                if (room == 0) {
                    MPICODE_NAME(reduce)(sums, length, m);
                    room = m.chunk;
                }
                MPICODE_NAME(add)(sums, row[f], x + f * c + begin, length, m);
                room--;
            }
            for (ptrdiff_t e = 0; e < length; e++)
                out[r * c + begin + e] = (int64_t)MPICODE_REDUCE(sums[e], m);
        }
    }
    return bad;
}

/* Columns of X side by side, all rows one after the other, for each column of the residual. */
static uint64_t MPICODE_NAME(transpose)(const int64_t *X, const int64_t *residual, int64_t *out,
                                       ptrdiff_t n_rows, ptrdiff_t n_features, ptrdiff_t c,
                                       mpicode_prime m) {
    MPICODE_ACCUMULATOR sums[MPICODE_TILE_SIZE];
    uint64_t bad = 0;
    for (ptrdiff_t begin = 0; begin < n_features; begin += MPICODE_TILE_SIZE) {
        const ptrdiff_t length =
            n_features - begin < MPICODE_TILE_SIZE ? n_features - begin : MPICODE_TILE_SIZE;
        for (ptrdiff_t k = 0; k < c; k++) {
            ptrdiff_t room = m.chunk;
            memset(sums, 0, length * sizeof(*sums));
            for (ptrdiff_t r = 0; r < n_rows; r++) {
                if (room == 0) {
                    MPICODE_NAME(reduce)(sums, length, m);
                    room = m.chunk;
                }
                bad |= MPICODE_NAME(add)(sums, residual[r * c + k], X + r * n_features + begin,
                                         length, m);
                room--;
            }
            for (ptrdiff_t f = 0; f < length; f++)
                out[(begin + f) * c + k] = (int64_t)MPICODE_REDUCE(sums[f], m);
        }
    }
    return bad;
}
