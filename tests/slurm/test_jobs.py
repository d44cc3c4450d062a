"""A cluster user's day, under a real SLURM: submit, lose the allocation, come back."""

import numpy as np
import pytest

from mpicode.launch import find_mpirun
from mpicode.results import read_run

from ..mpi.digits import write_config

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


@pytest.fixture(scope="session")
def calm(one_node, tmp_path_factory):
    """Bits of the run that nothing happens to, by ``mpicode run`` outside any job."""
    path = write_config(tmp_path_factory.mktemp("calm"))
    done = one_node.mpicode("run", path)
    assert done.code == 0, done.err
    return bits(path)


def fitting():
    """The launcher by srun that belongs to our MPI, and the one that does not."""
    ours = "srun-pmix" if find_mpirun().vendor == "Open MPI" else "srun-pmi2"
    return ours, {"srun-pmix": "srun-pmi2", "srun-pmi2": "srun-pmix"}[ours]


def interrupt(cluster, job, stage, path, call):
    """Have the run of a job wait in the middle, and send what comes before the time is up.

    The workers of a group wait at their ``call``-th gradient, so that the master cannot go on.
    """
    for rank in GROUP:
        cluster.until(stage.held("gradient", rank, call), f"gradient {call} of rank {rank}")
    saved = path.with_suffix(".h5")
    before = saved.stat().st_mtime_ns if saved.exists() else 0
    cluster.ask("scancel", "--batch", "--signal=USR1", job)
    cluster.until(lambda: saved.exists() and saved.stat().st_mtime_ns > before, "the run is saved")


@pytest.mark.parametrize("launcher", ["mpirun", "srun"])
def test_a_job_ends_with_the_parameters_of_mpicode_run(cluster, calm, tmp_path, launcher):
    folder = tmp_path / 'it\'s "5%" of $HOME'
    folder.mkdir()
    path = write_config(folder, "a b")
    more = ("--launcher", fitting()[0]) if launcher == "srun" else ()
    done = cluster.mpicode("submit", path, "--partition", "other", "--wait", *more)
    assert done.code == 0, done.err + logs(path)
    assert done.out.strip().isdigit()
    assert bits(path) == calm
    assert "no checkpoint in" in logs(path)


def test_a_job_whose_time_is_up_twice_ends_with_the_same_bits(cluster, calm, config, stage):
    path = config(problem={"name": stage.name})
    for rank in GROUP:
        stage.hold("gradient", rank, 7)
    job = cluster.submit(path)
    for call in (7, 9):
        interrupt(cluster, job, stage, path, call)
        assert read_run(path.with_suffix(".h5")).attrs["outcome"] == "interrupted"
        for rank in GROUP:
            stage.release("gradient", rank)
            if call == 7:
                stage.hold("gradient", rank, 9)
        cluster.until_state(job, "PENDING", "COMPLETING")
    cluster.until_state(job, *OVER)
    assert cluster.states(job) == ["COMPLETED"], logs(path)
    assert "Restarts=2" in cluster.shown(job)
    assert bits(path) == calm
    events = [event["kind"] for event in read_run(path.with_suffix(".h5")).events]
    assert events.count("resumed") == 2
