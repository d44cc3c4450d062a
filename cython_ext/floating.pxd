"""The types of numbers that kernels are compiled for, each for each."""

ctypedef fused floating:
    float
    double
