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

/* The sum from left to right, after what stands in the brackets. */
#define MPICODE_SUM1(...) __VA_ARGS__ c[0] * v0[e]
#define MPICODE_SUM2(...) MPICODE_SUM1(__VA_ARGS__) + c[1] * v1[e]
#define MPICODE_SUM3(...) MPICODE_SUM2(__VA_ARGS__) + c[2] * v2[e]
#define MPICODE_SUM4(...) MPICODE_SUM3(__VA_ARGS__) + c[3] * v3[e]
#define MPICODE_SUM5(...) MPICODE_SUM4(__VA_ARGS__) + c[4] * v4[e]
#define MPICODE_SUM6(...) MPICODE_SUM5(__VA_ARGS__) + c[5] * v5[e]
#define MPICODE_SUM7(...) MPICODE_SUM6(__VA_ARGS__) + c[6] * v6[e]
#define MPICODE_SUM8(...) MPICODE_SUM7(__VA_ARGS__) + c[7] * v7[e]

#define MPICODE_REAL_PASS(NAME, COUNT, SOURCE, TARGET)                                          \
    MPICODE_WIDE static void NAME##_##COUNT(MPICODE_ARGUMENTS) {                                \
        TARGET *MPICODE_RESTRICT target = (TARGET *)out + start;                                \
        TARGET c[COUNT];                                                                        \
        MPICODE_STREAMS##COUNT(SOURCE)                                                          \
        for (int k = 0; k < COUNT; k++) c[k] = (TARGET)factors[k];                              \
        if (fresh)                                                                              \
            for (ptrdiff_t e = 0; e < size; e++) target[e] = MPICODE_SUM##COUNT();              \
        else                                                                                    \
            for (ptrdiff_t e = 0; e < size; e++) target[e] = MPICODE_SUM##COUNT(target[e] +);   \
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

/* a = b + s * c, the yardstick of memory bandwidth (McCalpin's STREAM triad). */
MPICODE_WIDE static void mpicode_triad(double *MPICODE_RESTRICT a, const double *MPICODE_RESTRICT b,
                                       double s, const double *MPICODE_RESTRICT c, ptrdiff_t size) {
    for (ptrdiff_t e = 0; e < size; e++) a[e] = b[e] + s * c[e];
}

#endif
