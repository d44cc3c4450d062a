"""What runs under SLURM have left behind."""

import numpy as np

from mpicode.launch import find_mpirun
from mpicode.results import read_run

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
GROUP = (3, 4)  # ranks of the workers that hold the same blocks


def logs(path):
    """What the jobs of a configuration have said."""
    return "\n".join(each.read_text() for each in sorted(path.parent.glob(f"{path.stem}-*.log")))


def bits(path):
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert (made.iterations["iteration"] == np.arange(made.n_iterations)).all()
    return made.parameters.tobytes(), made.iterations["loss"].tobytes()


def fitting():
    """The launcher by srun that belongs to our MPI."""
    return "srun-pmix" if find_mpirun().vendor == "Open MPI" else "srun-pmi2"
