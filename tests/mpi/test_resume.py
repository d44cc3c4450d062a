"""Jobs that are killed whole and resumed; ``benchmarks/resume.py`` does it at random moments."""

import signal

import numpy as np
import pytest

from mpicode.results import read_checkpoint, read_run

from .digits import descend, distance

N_RANKS = 5
ITERATIONS = 200


@pytest.fixture
def job(config, tmp_path):
    """A configuration with random delays, and a checkpoint every other iteration."""

    def make(name="run", **tables):
        tables = {
            "delays": {"name": "shifted-exponential", "mean": 2e-3},
            "checkpoint": {"every": 2},
            **tables,
            "run": {"iterations": ITERATIONS, **tables.get("run", {})},
        }
        return config(name, **tables)

    return make


def states(path):
    return sorted(path.with_suffix(".checkpoints").glob("checkpoint-*.h5"))


def reached(path, number):
    """Whether the checkpoint of that number, or a later one, is there."""
    return lambda: any(int(state.stem[-6:]) >= number for state in states(path))


def bits(path):
    made = read_run(path.with_suffix(".h5"))
    assert made.complete
    assert (made.iterations["iteration"] == np.arange(made.n_iterations)).all()
    assert not list(path.parent.rglob("*.part*"))
    return made.n_iterations, made.parameters.tobytes(), made.iterations["loss"].tobytes()


def test_killed_jobs_go_on_with_the_same_bits(run, job):
    """Everything is killed, twice, while checkpoints and run file are being written."""
    tables = {"optimizer": {"name": "adam", "step_size": 0.01}, "run": {"batch_size": 400}}
    path, calm = job(**tables), job("calm", **tables)
    assert run(calm).wait().code == 0
    for number, more in ((5, ()), (31, ("--resume",))):
        killed = run(path, *more)
        killed.until(reached(path, number), f"checkpoint {number}")
        killed.kill()
        assert not path.with_suffix(".h5").exists()
        left = read_run(f"{path.with_suffix('.h5')}.part")
        assert not left.complete
        newest = read_checkpoint(states(path)[-1])
        assert left.n_iterations >= newest.iteration >= number
    ended = run(path, "--resume").wait()
    assert ended.code == 0, ended.err
    assert f"goes on with iteration {newest.iteration} from" in ended.err
    assert bits(path) == bits(calm)
    made = read_run(path.with_suffix(".h5"))
    assert [event["kind"] for event in made.events].count("resumed") == 2
    assert (np.diff(made.iterations["started"]) > 0).all()
    assert made.workers["arrived"].any(axis=1).all()
    # a worker that a killed leg had withdrawn was not asked twice in one iteration
    used = made.messages[made.messages["outcome"] == 0]
    keys = used["iteration"] * 1000 + used["message"]
    assert len(np.unique(keys)) == len(keys)


def test_a_signal_leaves_a_checkpoint_and_exit_code_4(run, job):
    path = job(checkpoint={"every": 20})
    stopped = run(path)
    stopped.until(reached(path, 2), "iteration 40")
    stopped.signal(signal.SIGTERM)
    ended = stopped.wait()
    assert ended.code == 4
    made = read_run(path.with_suffix(".h5"))
    newest = states(path)[-1]
    assert f"checkpoint: {newest}; --resume goes on from there" in ended.err
    assert read_checkpoint(newest).iteration == made.n_iterations >= 40
    ended = run(path, "--resume").wait()
    assert ended.code == 0, ended.err
    assert f"goes on with iteration {made.n_iterations} from {newest}" in ended.err
    made = read_run(path.with_suffix(".h5"))
    assert made.n_iterations == ITERATIONS
    assert distance(made.parameters, descend(ITERATIONS)) < 1e-10


def test_an_exact_code_goes_on_to_rounding_with_another_number_of_workers(run, job):
    path = job(code={"name": "cyclic", "n_stragglers": 1}, run={"n_workers": 3})
    killed = run(path)
    killed.until(reached(path, 20), "iteration 40")
    killed.kill()
    ended = run(path, "--resume", "-n", 4).wait()
    assert ended.code == 0, ended.err
    assert "4 workers instead of 3" in ended.err
    made = read_run(path.with_suffix(".h5"))
    assert made.n_iterations == ITERATIONS
    assert distance(made.parameters, descend(ITERATIONS)) < 1e-10


def test_the_ranks_of_a_user_leave_where_nothing_can_or_need_be_resumed(run, job):
    path = job(run={"iterations": 10})
    assert run(path, "--simulate").wait().code == 0
    before = bits(path)
    ended = run(path, "--resume", ranks=N_RANKS).wait()
    assert (ended.code, ended.errors) == (0, [])
    assert "mpicode: nothing to do: 10 iterations done" in ended.err
    ended = run(path, "--resume", "--set", "run.seed=5", ranks=N_RANKS).wait()
    assert ended.code == 2
    (error,) = ended.errors
    assert error.startswith("mpicode: error: run.seed: 5, but ")
    assert bits(path) == before
