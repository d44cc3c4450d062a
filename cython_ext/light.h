/* What is left of a codeword once the estimate has foretold it. */
#ifndef MPICODE_LIGHT_H
#define MPICODE_LIGHT_H

#include "wide.h"

/* The sum of the squares, in eight parts that do not wait for one another. */
#define MPICODE_SQUARES(NAME, SOURCE)                                                              \
    MPICODE_WIDE static double NAME(const SOURCE *v, ptrdiff_t size) {                             \
        double part[8] = {0.0};                                                                    \
        ptrdiff_t e = 0;                                                                           \
        for (; e + 8 <= size; e += 8)                                                              \
            for (int i = 0; i < 8; i++) part[i] += (double)v[e + i] * (double)v[e + i];            \
        for (int i = 0; e < size; i++, e++) part[i] += (double)v[e] * (double)v[e];                \
        return ((part[0] + part[4]) + (part[2] + part[6]))                                         \
               + ((part[1] + part[5]) + (part[3] + part[7]));                                      \
    }

MPICODE_SQUARES(mpicode_squares, double)
MPICODE_SQUARES(mpicode_squares_f32, float)

#endif
