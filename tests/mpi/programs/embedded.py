"""A user's own program in which a worker or the master (the argument) is wrong."""

import sys

import numpy as np
from mpi4py import MPI

import mpicode

who = sys.argv[1]
comm = MPI.COMM_WORLD
code = mpicode.codes.make("cyclic", n_workers=comm.size - 1, n_stragglers=1)


def gradient(x, block):
    if who == "worker" and comm.rank == 2 and x[0] == 2.0:
        raise ArithmeticError("on purpose in the gradient")
    return np.ones(3)


x = np.zeros(3)
with mpicode.CodedWorkers(comm, code, gradient, n_parameters=3) as workers:
    while comm.rank == 0:
        workers.gradient(x)
        x += 1
        if who == "master" and x[0] == 2.0:
            raise ArithmeticError("on purpose in the master")
