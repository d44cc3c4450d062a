#ifndef MPICODE_TRIAD_H
#define MPICODE_TRIAD_H

#include "wide.h"

/* a = b + s * c, the yardstick of memory bandwidth (McCalpin's STREAM triad). */
MPICODE_WIDE static void mpicode_triad(double *MPICODE_RESTRICT a, const double *MPICODE_RESTRICT b,
                                       double s, const double *MPICODE_RESTRICT c, ptrdiff_t size) {
    for (ptrdiff_t e = 0; e < size; e++) a[e] = b[e] + s * c[e];
}

#endif
