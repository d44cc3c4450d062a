"""A cluster user's day, under a real SLURM: submit, lose the allocation, come back."""

import os

import pytest

from mpicode.launch import find_mpirun
from mpicode.results import read_checkpoint, read_run

from ..mpi.digits import write_config
from .telling import GROUP, OVER, bits, fitting, logs


@pytest.fixture(scope="module")
def calm(one_node, tmp_path_factory):
    """Bits of the run that nothing happens to, by ``mpicode run`` outside any job."""
    path = write_config(tmp_path_factory.mktemp("calm"))
    done = one_node.mpicode("run", path)
    assert done.code == 0, done.err
    return bits(path)


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


def see_it_put_back_twice(cluster, job, stage, path, calm, saved):
    """Let a job go on each time its run is ``saved``; it must end as if nothing had happened.

    Its workers of a group wait at their gradient 7, and are told to wait at the 9th then.
    """
    for call in (7, 9):
        saved(call)
        for rank in GROUP:
            stage.release("gradient", rank)
            if call == 7:
                stage.hold("gradient", rank, 9)
        cluster.until_state(job, "PENDING", "COMPLETING")
    cluster.until_state(job, *OVER)
    assert cluster.states(job) == ["COMPLETED"], logs(path)
    assert "Restarts=2" in cluster.shown(job)
    assert bits(path) == calm


@pytest.mark.parametrize("launcher", ["mpirun", "srun"])
def test_a_job_ends_with_the_parameters_of_mpicode_run(cluster, calm, tmp_path, launcher):
    folder = tmp_path / 'it\'s "5%" of $HOME'
    folder.mkdir()
    path = write_config(folder, "a b")
    more = ("--launcher", fitting()) if launcher == "srun" else ()
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

    def saved(call):
        interrupt(cluster, job, stage, path, call)
        assert read_run(path.with_suffix(".h5")).attrs["outcome"] == "interrupted"

    see_it_put_back_twice(cluster, job, stage, path, calm, saved)
    events = [event["kind"] for event in read_run(path.with_suffix(".h5")).events]
    assert events.count("resumed") == 2


@pytest.mark.skipif(
    os.environ.get("MPICODE_TIME_LIMIT") != "1",
    reason="takes some minutes: MPICODE_TIME_LIMIT=1 python -m pytest tests/slurm -k real",
)
def test_a_real_time_limit_puts_a_job_back_each_time(cluster, calm, config, stage):
    path = config(problem={"name": stage.name})
    file = path.with_suffix(".h5")
    for rank in GROUP:
        stage.hold("gradient", rank, 7)
    job = cluster.submit(path, "--time", "2:00", "--seconds-to-save", "60")

    def saved(call):
        before = file.stat().st_mtime_ns if file.exists() else 0
        cluster.slurm.until(
            lambda: file.exists() and file.stat().st_mtime_ns > before, "the run is saved", 180
        )

    see_it_put_back_twice(cluster, job, stage, path, calm, saved)


def test_a_job_begins_after_the_one_it_depends_on(cluster, calm, config, stage):
    first = config(problem={"name": stage.name})
    stage.hold("regularise", 0, 3)
    job = cluster.submit(first)
    cluster.until(stage.held("regularise", 0, 3), "the first job is in its iteration 3")
    second = config("second")
    after = cluster.submit(second, "--dependency", f"afterok:{job}")
    assert "Reason=Dependency" in cluster.shown(after)
    stage.release("regularise", 0)
    cluster.until_state(after, *OVER)
    assert cluster.states(job) == cluster.states(after) == ["COMPLETED"], logs(second)
    assert bits(first) == bits(second) == calm
    begun = [read_run(each.with_suffix(".h5")).attrs["created"] for each in (first, second)]
    assert begun == sorted(begun)


def test_a_cancelled_job_leaves_whole_files_and_its_run_can_go_on(cluster, calm, config, stage):
    path = config(problem={"name": stage.name}, checkpoint={"every": 2})
    for rank in GROUP:
        stage.hold("gradient", rank, 15)
    job = cluster.submit(path)
    for rank in GROUP:
        cluster.until(stage.held("gradient", rank, 15), f"gradient 15 of rank {rank}")
    cluster.ask("scancel", job)
    cluster.until_state(job, "CANCELLED")
    for rank in GROUP:
        stage.release("gradient", rank)
    cluster.until(lambda: not cluster.processes(job), "nothing of the job is left")
    saved = path.with_suffix(".h5")
    left = read_run(saved if saved.exists() else f"{saved}.part")
    assert not left.complete
    newest = sorted(path.with_suffix(".checkpoints").glob("checkpoint-*.h5"))[-1]
    assert left.n_iterations >= read_checkpoint(newest).iteration >= 4
    done = cluster.mpicode("submit", path, "--wait")
    assert done.code == 0, done.err + logs(path)
    assert f"from {newest}" in logs(path)
    assert bits(path) == calm


def test_ranks_that_do_not_find_each_other_are_named(cluster, config):
    """A launcher of another MPI starts as many worlds of one rank."""
    if find_mpirun().vendor != "Open MPI":
        pytest.skip("this MPI fails by itself under the other kind")
    path = config()
    done = cluster.mpicode("submit", path, "--wait", "--launcher", "srun-pmi2")
    assert done.code == 2, done.err
    said = [line for line in logs(path).splitlines() if line.startswith("mpicode: error:")]
    assert len(said) == 1
    assert "launcher and MPI library do not match: the launcher started 5 ranks" in said[0]
    assert not path.with_suffix(".h5").exists()


def test_a_job_under_mpirun_survives_the_death_of_a_worker(cluster, calm, config):
    if find_mpirun().vendor != "Open MPI":
        pytest.skip("this MPI survives no death")
    kill = {"kind": "kill", "worker": 2, "iteration": 5}
    path = config(faults={"inject": [kill], "when_lost": "approximate"})
    done = cluster.mpicode("submit", path, "--wait")
    assert done.code == 0, done.err + logs(path)
    made = read_run(path.with_suffix(".h5"))
    assert [event["worker"] for event in made.events if event["kind"] == "lost"] == [2]
    assert bits(path) == calm


def test_waiting_returns_the_exit_code_of_the_run(cluster, config):
    diverges = config("diverges", optimizer={"step_size": 1e300})
    done = cluster.mpicode("submit", diverges, "--wait")
    assert done.code == 4, done.err + logs(diverges)
    assert "failed" in done.err
    never = config("never")
    done = cluster.mpicode("submit", never, "--wait", "--dependency", f"afterok:{done.out.strip()}")
    assert done.code == 4
    assert len(done.errors) == 1
    assert "can never begin" in done.errors[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--partition", "nowhere"], "--partition: there is no 'nowhere'; there are debug, other"),
        (["--partition", "other", "--time", "2:00:00"], "sbatch refuses: "),
        (["--sbatch=--constraint=gold"], "sbatch refuses: "),
        (["--nodes", "3"], "sbatch refuses: "),
    ],
)
def test_what_this_site_does_not_have_is_one_line(cluster, config, arguments, says):
    path = config()
    done = cluster.mpicode("submit", path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.errors) == 1
    assert done.errors[0].startswith(f"mpicode: error: {says}")
    assert done.err.count("\n") == 1
    assert cluster.ask("squeue", "-h") == ""
