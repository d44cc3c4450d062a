"""Train as each of the configurations says, ``TIMES`` times, one after the other in one world."""

import sys

import numpy as np
from mpi4py import MPI

import mpicode

times, *paths = sys.argv[1:]
try:
    for path in paths:
        first = None
        for _ in range(int(times)):
            result = mpicode.run(path, MPI.COMM_WORLD)
            if result is not None and first is None:
                first = result.parameters
            if result is not None:
                np.testing.assert_array_equal(result.parameters, first)
except BaseException:
    sys.excepthook(*sys.exc_info())
    MPI.COMM_WORLD.Abort(1)  # a failed check must not leave the others waiting
