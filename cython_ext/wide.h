/* The loops that want wide vectors, in C because Cython cannot put an attribute on a function.
 *
 * Each function is compiled several times and the loader picks the version this CPU runs best, so one
 * wheel fits all CPUs. Elsewhere (other compilers, no glibc) there is one version, and it is correct.
 * All versions give the same bits: the loops go over elements, a sum goes over the vectors in order,
 * and setup.py forbids contraction to fused multiply-add.
 */
#ifndef MPICODE_WIDE_H
#define MPICODE_WIDE_H

#include <stddef.h>

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(MPICODE_NO_CLONES) \
    && (defined(__clang__) ? __clang_major__ >= 14 : defined(__GNUC__) && __GNUC__ >= 7)
#define MPICODE_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MPICODE_WIDE
#endif

#if defined(_MSC_VER)
#define MPICODE_RESTRICT __restrict
#else
#define MPICODE_RESTRICT restrict
#endif

/* One pass over `size` elements: target = SUM if fresh, else target + SUM. The two loops differ in
 * that alone; SUM(START) spells the sum so that it is taken from left to right. */
#define MPICODE_PASS(SUM)                                        \
    if (fresh)                                                   \
        for (ptrdiff_t e = 0; e < size; e++) target[e] = SUM();  \
    else                                                         \
        for (ptrdiff_t e = 0; e < size; e++) target[e] = SUM(target[e] +);

#define MPICODE_SUM1(...) __VA_ARGS__ c[0] * v0[e]
#define MPICODE_SUM2(...) MPICODE_SUM1(__VA_ARGS__) + c[1] * v1[e]
#define MPICODE_SUM4(...) MPICODE_SUM2(__VA_ARGS__) + c[2] * v2[e] + c[3] * v3[e]
#define MPICODE_SUM8(...) \
    MPICODE_SUM4(__VA_ARGS__) + c[4] * v4[e] + c[5] * v5[e] + c[6] * v6[e] + c[7] * v7[e]

#define MPICODE_STREAM(SOURCE, k) const SOURCE *MPICODE_RESTRICT v##k = (const SOURCE *)vectors[k] + start;
#define MPICODE_STREAMS1(SOURCE) MPICODE_STREAM(SOURCE, 0)
#define MPICODE_STREAMS2(SOURCE) MPICODE_STREAMS1(SOURCE) MPICODE_STREAM(SOURCE, 1)
#define MPICODE_STREAMS4(SOURCE) \
    MPICODE_STREAMS2(SOURCE) MPICODE_STREAM(SOURCE, 2) MPICODE_STREAM(SOURCE, 3)
#define MPICODE_STREAMS8(SOURCE)                                                     \
    MPICODE_STREAMS4(SOURCE) MPICODE_STREAM(SOURCE, 4) MPICODE_STREAM(SOURCE, 5)     \
    MPICODE_STREAM(SOURCE, 6) MPICODE_STREAM(SOURCE, 7)

/* NAME##8 and so on: add eight (four, two, one) vectors, elements start to start + size. */
#define MPICODE_ARGUMENTS                                                                      \
    const void *const *vectors, const double *factors, void *out, ptrdiff_t start, ptrdiff_t size, \
        int fresh

typedef void (*mpicode_pass)(MPICODE_ARGUMENTS);

#define MPICODE_REAL_SUM(NAME, COUNT, STREAMS, SOURCE, TARGET)                  \
    MPICODE_WIDE static void NAME##COUNT(MPICODE_ARGUMENTS) {                   \
        TARGET *MPICODE_RESTRICT target = (TARGET *)out + start;                \
        TARGET c[COUNT];                                                        \
        for (int k = 0; k < COUNT; k++) c[k] = (TARGET)factors[k];              \
        STREAMS(SOURCE)                                                         \
        MPICODE_PASS(MPICODE_SUM##COUNT)                                        \
    }

#define MPICODE_REAL_SUMS(NAME, SOURCE, TARGET)                     \
    MPICODE_REAL_SUM(NAME, 1, MPICODE_STREAMS1, SOURCE, TARGET)     \
    MPICODE_REAL_SUM(NAME, 2, MPICODE_STREAMS2, SOURCE, TARGET)     \
    MPICODE_REAL_SUM(NAME, 4, MPICODE_STREAMS4, SOURCE, TARGET)     \
    MPICODE_REAL_SUM(NAME, 8, MPICODE_STREAMS8, SOURCE, TARGET)

MPICODE_REAL_SUMS(mpicode_add_f32_f32_, float, float)
MPICODE_REAL_SUMS(mpicode_add_f32_f64_, float, double)
MPICODE_REAL_SUMS(mpicode_add_f64_f64_, double, double)

/* Complex numbers are pairs of doubles; the product is the schoolbook one, as numpy's is. */
MPICODE_WIDE static void mpicode_add_c128(MPICODE_ARGUMENTS) {
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

/* a = b + s * c, the yardstick of memory bandwidth (McCalpin's STREAM triad). */
MPICODE_WIDE static void mpicode_triad(double *MPICODE_RESTRICT a, const double *MPICODE_RESTRICT b,
                                       double s, const double *MPICODE_RESTRICT c, ptrdiff_t size) {
    for (ptrdiff_t e = 0; e < size; e++) a[e] = b[e] + s * c[e];
}

#endif
