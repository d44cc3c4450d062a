/* The innermost loops of weighted sums. */
#ifndef MPICODE_SUMS_H
#define MPICODE_SUMS_H

#include "wide.h"

/* A pass adds a few vectors: elements start to start + size of `out` become the sum, or grow by it
 * unless `fresh`. factors: one double per vector, two (real, imaginary) for complex vectors. */
#define MPICODE_ARGUMENTS                                                                          \
    const void *const *vectors, const double *factors, void *out, ptrdiff_t start, ptrdiff_t size, \
        int fresh

typedef void (*mpicode_pass)(MPICODE_ARGUMENTS);

#define MPICODE_STREAM(SOURCE, k) \
    const SOURCE *MPICODE_RESTRICT v##k = (const SOURCE *)vectors[k] + start;
#define MPICODE_STREAMS1(SOURCE) MPICODE_STREAM(SOURCE, 0)
#define MPICODE_STREAMS2(SOURCE) MPICODE_STREAMS1(SOURCE) MPICODE_STREAM(SOURCE, 1)
#define MPICODE_STREAMS3(SOURCE) MPICODE_STREAMS2(SOURCE) MPICODE_STREAM(SOURCE, 2)
#define MPICODE_STREAMS4(SOURCE) MPICODE_STREAMS3(SOURCE) MPICODE_STREAM(SOURCE, 3)
#define MPICODE_STREAMS5(SOURCE) MPICODE_STREAMS4(SOURCE) MPICODE_STREAM(SOURCE, 4)
#define MPICODE_STREAMS6(SOURCE) MPICODE_STREAMS5(SOURCE) MPICODE_STREAM(SOURCE, 5)
#define MPICODE_STREAMS7(SOURCE) MPICODE_STREAMS6(SOURCE) MPICODE_STREAM(SOURCE, 6)
#define MPICODE_STREAMS8(SOURCE) MPICODE_STREAMS7(SOURCE) MPICODE_STREAM(SOURCE, 7)

/* The sum from left to right under the factors C, after what stands in the brackets. */
#define MPICODE_SUM1(C, ...) __VA_ARGS__ C[0] * v0[e]
#define MPICODE_SUM2(C, ...) MPICODE_SUM1(C, __VA_ARGS__) + C[1] * v1[e]
#define MPICODE_SUM3(C, ...) MPICODE_SUM2(C, __VA_ARGS__) + C[2] * v2[e]
#define MPICODE_SUM4(C, ...) MPICODE_SUM3(C, __VA_ARGS__) + C[3] * v3[e]
#define MPICODE_SUM5(C, ...) MPICODE_SUM4(C, __VA_ARGS__) + C[4] * v4[e]
#define MPICODE_SUM6(C, ...) MPICODE_SUM5(C, __VA_ARGS__) + C[5] * v5[e]
#define MPICODE_SUM7(C, ...) MPICODE_SUM6(C, __VA_ARGS__) + C[6] * v6[e]
#define MPICODE_SUM8(C, ...) MPICODE_SUM7(C, __VA_ARGS__) + C[7] * v7[e]

#define MPICODE_REAL_PASS(NAME, COUNT, SOURCE, TARGET)                                          \
    MPICODE_WIDE static void NAME##_##COUNT(MPICODE_ARGUMENTS) {                                \
        TARGET *MPICODE_RESTRICT target = (TARGET *)out + start;                                \
        TARGET c[COUNT];                                                                        \
        MPICODE_STREAMS##COUNT(SOURCE)                                                          \
        for (int k = 0; k < COUNT; k++) c[k] = (TARGET)factors[k];                              \
        if (fresh)                                                                              \
            for (ptrdiff_t e = 0; e < size; e++) target[e] = MPICODE_SUM##COUNT(c, );             \
        else                                                                                    \
            for (ptrdiff_t e = 0; e < size; e++) target[e] = MPICODE_SUM##COUNT(c, target[e] +);\
    }

/* The passes of one type: NAME[k - 1] adds k vectors. */
#define MPICODE_REAL_PASSES(NAME, SOURCE, TARGET)                                                  \
    MPICODE_REAL_PASS(NAME, 1, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 2, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 3, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 4, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 5, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 6, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 7, SOURCE, TARGET)                                                     \
    MPICODE_REAL_PASS(NAME, 8, SOURCE, TARGET)                                                     \
    static const mpicode_pass NAME[8] = {NAME##_1, NAME##_2, NAME##_3, NAME##_4,                   \
                                         NAME##_5, NAME##_6, NAME##_7, NAME##_8};

MPICODE_REAL_PASSES(mpicode_add_f32_f32, float, float)
MPICODE_REAL_PASSES(mpicode_add_f32_f64, float, double)
MPICODE_REAL_PASSES(mpicode_add_f64_f64, double, double)

/* A tile adds a few vectors to a few rows of ``out`` at once, each under factors of its own, so that
 * every element is loaded once for all of them: the same sums, in the same order, as row by row.
 * factors: those of row r begin at r * pitch; row r of ``out`` begins at r * width elements. */
#define MPICODE_TILE_ARGUMENTS                                                               \
    const void *const *vectors, const double *factors, ptrdiff_t pitch, void *out,           \
        ptrdiff_t width, ptrdiff_t start, ptrdiff_t size, int fresh

typedef void (*mpicode_tile)(MPICODE_TILE_ARGUMENTS);

#define MPICODE_ROW(COUNT, TARGET, r)                                             \
    TARGET *MPICODE_RESTRICT t##r = (TARGET *)out + r * width + start;            \
    TARGET c##r[COUNT];                                                           \
    for (int k = 0; k < COUNT; k++) c##r[k] = (TARGET)factors[r * pitch + k];

#define MPICODE_ROWS2(COUNT, TARGET) MPICODE_ROW(COUNT, TARGET, 0) MPICODE_ROW(COUNT, TARGET, 1)
#define MPICODE_ROWS4(COUNT, TARGET)                                      \
    MPICODE_ROWS2(COUNT, TARGET) MPICODE_ROW(COUNT, TARGET, 2) MPICODE_ROW(COUNT, TARGET, 3)

#define MPICODE_BEGIN(COUNT, r) t##r[e] = MPICODE_SUM##COUNT(c##r, );
#define MPICODE_GROW(COUNT, r) t##r[e] = MPICODE_SUM##COUNT(c##r, t##r[e] +);
#define MPICODE_EACH2(DO, COUNT) DO(COUNT, 0) DO(COUNT, 1)
#define MPICODE_EACH4(DO, COUNT) MPICODE_EACH2(DO, COUNT) DO(COUNT, 2) DO(COUNT, 3)

#define MPICODE_TILE(NAME, ROWS, COUNT, SOURCE, TARGET)                                            \
    MPICODE_WIDE static void NAME##_##ROWS##_##COUNT(MPICODE_TILE_ARGUMENTS) {                     \
        MPICODE_STREAMS##COUNT(SOURCE)                                                             \
        MPICODE_ROWS##ROWS(COUNT, TARGET)                                                          \
        if (fresh) {                                                                               \
            MPICODE_APART                                                                          \
            for (ptrdiff_t e = 0; e < size; e++) { MPICODE_EACH##ROWS(MPICODE_BEGIN, COUNT) }      \
        } else {                                                                                   \
            MPICODE_APART                                                                          \
            for (ptrdiff_t e = 0; e < size; e++) { MPICODE_EACH##ROWS(MPICODE_GROW, COUNT) }       \
        }                                                                                          \
    }

/* The tiles of one type: NAME[k - 1] for two rows, NAME[4 + k - 1] for four, k vectors each. */
#define MPICODE_TILES(NAME, SOURCE, TARGET)                                                        \
    MPICODE_TILE(NAME, 2, 1, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 2, 2, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 2, 3, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 2, 4, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 4, 1, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 4, 2, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 4, 3, SOURCE, TARGET)                                                       \
    MPICODE_TILE(NAME, 4, 4, SOURCE, TARGET)                                                       \
    static const mpicode_tile NAME[8] = {NAME##_2_1, NAME##_2_2, NAME##_2_3, NAME##_2_4,           \
                                         NAME##_4_1, NAME##_4_2, NAME##_4_3, NAME##_4_4};

MPICODE_TILES(mpicode_tile_f32_f32, float, float)
MPICODE_TILES(mpicode_tile_f32_f64, float, double)
MPICODE_TILES(mpicode_tile_f64_f64, double, double)

MPICODE_WIDE static void mpicode_add_c128_1(MPICODE_ARGUMENTS) {
    const double real = factors[0], imaginary = factors[1];
    double *MPICODE_RESTRICT target = (double *)out + 2 * start;
    const double *MPICODE_RESTRICT v = (const double *)vectors[0] + 2 * start;
    if (fresh)
        for (ptrdiff_t e = 0; e < size; e++) {
            target[2 * e] = real * v[2 * e] - imaginary * v[2 * e + 1];
            target[2 * e + 1] = real * v[2 * e + 1] + imaginary * v[2 * e];
        }
    else
        for (ptrdiff_t e = 0; e < size; e++) {
            target[2 * e] += real * v[2 * e] - imaginary * v[2 * e + 1];
            target[2 * e + 1] += real * v[2 * e + 1] + imaginary * v[2 * e];
        }
}

static const mpicode_pass mpicode_add_c128[1] = {mpicode_add_c128_1};

/* Of the complex sum, the real part. */
MPICODE_WIDE static void mpicode_add_real_1(MPICODE_ARGUMENTS) {
    const double real = factors[0], imaginary = factors[1];
    double *MPICODE_RESTRICT target = (double *)out + start;
    const double *MPICODE_RESTRICT v = (const double *)vectors[0] + 2 * start;
    if (fresh)
        for (ptrdiff_t e = 0; e < size; e++)
            target[e] = real * v[2 * e] - imaginary * v[2 * e + 1];
    else
        for (ptrdiff_t e = 0; e < size; e++)
            target[e] += real * v[2 * e] - imaginary * v[2 * e + 1];
}

static const mpicode_pass mpicode_add_real[1] = {mpicode_add_real_1};

#endif
