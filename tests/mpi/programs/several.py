"""Train as each of the configurations says, one after the other in one world."""

import sys

from mpi4py import MPI

import mpicode

for path in sys.argv[1:]:
    mpicode.run(path, MPI.COMM_WORLD)
