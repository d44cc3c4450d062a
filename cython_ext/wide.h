/* MPICODE_WIDE before a function: compile it for several vector widths, choose when it is loaded.
 *
 * So one build serves every node of a mixed cluster. Elsewhere (other compilers, no glibc) there is
 * one version of each function, and it is correct. Such functions stand in headers because Cython
 * cannot put an attribute on its own. All versions give the same bits: their loops go over
 * elements, a sum goes over the vectors in order, and setup.py forbids fused multiply-add.
 */
#ifndef MPICODE_WIDE_H
#define MPICODE_WIDE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(MPICODE_ONE_WIDTH) \
    && (defined(__clang__) ? __clang_major__ >= 14 : defined(__GNUC__) && __GNUC__ >= 7)
#define MPICODE_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MPICODE_WIDE
#endif

/* Before a loop whose arrays do not overlap, where `restrict` is not enough: compilers check every
 * pair of local pointers at run time, and give up when there are many. */
#if defined(__clang__)
#define MPICODE_APART _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define MPICODE_APART _Pragma("GCC ivdep")
#else
#define MPICODE_APART
#endif

#if defined(_MSC_VER)
#define MPICODE_RESTRICT __restrict
#else
#define MPICODE_RESTRICT restrict
#endif

#endif
