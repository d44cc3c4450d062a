/* Exponentials and logarithms in loops that a compiler can make wide.
 *
 * The C library's functions stop that, and differ in the last bit between CPUs; these do neither.
 * Both stay within a few units in the last place; NaN gives NaN. Series and constants are the
 * textbook ones.
 */
#ifndef MPICODE_EXPONENTIALS_H
#define MPICODE_EXPONENTIALS_H

#include <math.h>
#include <string.h>

#include "wide.h"

/* exp(x) for x <= 0; 0 where the result would be less than 2^-1021.
 * x = n log 2 + r with |r| <= log(2) / 2, a Taylor series for exp(r), and 2^n made from bits. */
static inline double mpicode_exp(double x) {
    const double half = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    const double kept = x < -708.0 ? -708.0 : x;
    const double rounded = kept * 1.4426950408889634 + half;
    const double n = rounded - half;
    const double r = (kept - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    double scale, sum = 1.0 / 6227020800.0;
    uint64_t bits;
    sum = sum * r + 1.0 / 479001600.0;
    sum = sum * r + 1.0 / 39916800.0;
    sum = sum * r + 1.0 / 3628800.0;
    sum = sum * r + 1.0 / 362880.0;
    sum = sum * r + 1.0 / 40320.0;
    sum = sum * r + 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits + 1023) << 52; /* the low bits of `rounded` are n */
    memcpy(&scale, &bits, sizeof scale);
    return x < -708.0 ? 0.0 : sum * scale;
}

/* log(1 + s) for 0 <= s <= 1, as 2 artanh(s / (2 + s)). */
static inline double mpicode_log1p(double s) {
    const double t = s / (2.0 + s), u = t * t;
    double sum = 1.0 / 33.0;
    sum = sum * u + 1.0 / 31.0;
    sum = sum * u + 1.0 / 29.0;
    sum = sum * u + 1.0 / 27.0;
    sum = sum * u + 1.0 / 25.0;
    sum = sum * u + 1.0 / 23.0;
    sum = sum * u + 1.0 / 21.0;
    sum = sum * u + 1.0 / 19.0;
    sum = sum * u + 1.0 / 17.0;
    sum = sum * u + 1.0 / 15.0;
    sum = sum * u + 1.0 / 13.0;
    sum = sum * u + 1.0 / 11.0;
    sum = sum * u + 1.0 / 9.0;
    sum = sum * u + 1.0 / 7.0;
    sum = sum * u + 1.0 / 5.0;
    sum = sum * u + 1.0 / 3.0;
    sum = sum * u + 1.0;
    return 2.0 * t * sum;
}

/* values = exp(values), all <= 0. */
MPICODE_WIDE static void mpicode_exp_all(double *values, ptrdiff_t size) {
    for (ptrdiff_t e = 0; e < size; e++) values[e] = mpicode_exp(values[e]);
}

/* z becomes w (sigmoid(z) - y), w becomes the weighted loss w (log(1 + exp(z)) - y z). One
 * exponential serves both, of minus the modulus, so it cannot overflow. */
MPICODE_WIDE static void mpicode_logistic(double *MPICODE_RESTRICT z, double *MPICODE_RESTRICT w,
                                          const double *MPICODE_RESTRICT y, ptrdiff_t size) {
    for (ptrdiff_t e = 0; e < size; e++) {
        const double logit = z[e], weight = w[e];
        const double small = mpicode_exp(-fabs(logit));
        const double sigmoid = (logit >= 0.0 ? 1.0 : small) / (1.0 + small);
        const double positive = logit > 0.0 ? logit : 0.0;
        w[e] = weight * (positive + mpicode_log1p(small) - y[e] * logit);
        z[e] = weight * (sigmoid - y[e]);
    }
}

#endif
