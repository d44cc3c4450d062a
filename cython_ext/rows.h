/* target += value * source, for the short rows beside one entry of a sparse matrix.
 *
 * In C for the word `restrict`: without it the loop is checked for overlap at every entry.
 */
#ifndef MPICODE_ROWS_H
#define MPICODE_ROWS_H

#include "wide.h"

#define MPICODE_ADD_ROW(NAME, REAL)                                                          \
    static inline void NAME(REAL value, const REAL *MPICODE_RESTRICT source,                 \
                            REAL *MPICODE_RESTRICT target, ptrdiff_t size) {                 \
        for (ptrdiff_t k = 0; k < size; k++) target[k] += value * source[k];                 \
    }

MPICODE_ADD_ROW(mpicode_add_row_f32, float)
MPICODE_ADD_ROW(mpicode_add_row_f64, double)

#endif
