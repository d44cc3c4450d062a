"""A user's own program under codes that cut gradients, or send complex numbers; prints errors."""

import numpy as np
from mpi4py import MPI

import mpicode

LENGTH = 7  # no code cuts it evenly
comm = MPI.COMM_WORLD


def gradient(x, block):
    return np.arange(LENGTH) * (block + 1.0) + x, 10.0 + block


for name, parameters in (
    ("kadhe", {"n_segments": 2, "replication": 3}),
    ("ye-abbe", {"n_segments": 3, "n_stragglers": 1}),
    ("cyclic-mds", {"n_stragglers": 2}),
):
    code = mpicode.codes.make(name, n_workers=comm.size - 1, **parameters)
    x = np.ones(LENGTH)
    with mpicode.CodedWorkers(comm, code, gradient, n_parameters=LENGTH) as workers:
        if comm.rank == 0:
            parts = [gradient(x, block) for block in range(code.n_blocks)]
            got = workers.gradient(x)
            error = np.abs(got - sum(part for part, _ in parts)).max()
            loss = abs(workers.last.loss - sum(loss for _, loss in parts))
            print(name, code.encoding.dtype, max(error, loss))
