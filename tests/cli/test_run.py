"""``mpicode run --simulate`` as a process of its own; under MPI it is tried in tests/mpi."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mpicode
from mpicode.cli.summary import summary
from mpicode.config import Config
from mpicode.results import read_run

COMMAND = [sys.executable, "-m", "mpicode"]


@pytest.fixture
def job(tables, tmp_path):
    """Write a configuration beside nothing else; its path and its tables."""

    def make(name="job.toml", **changes):
        made = tables(
            data={"test_fraction": 0.2},
            code={"name": "cyclic", "n_stragglers": 1},
            delays={"name": "fixed", "slow_workers": [1], "seconds": 0.25},
            run={"n_workers": 4, "iterations": 20},
        )
        for table, change in changes.items():
            made[table] = {**made.get(table, {}), **change}
        path = tmp_path / name
        path.write_text(Config.from_dict(made).to_toml())
        return path, made

    return make


@pytest.fixture
def command(tmp_path):
    """Run ``mpicode ...`` in an empty folder: exit code, lines of stderr; stdout stays empty."""
    folder = tmp_path / "here"
    folder.mkdir()

    def run(*arguments):
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=folder, env=environment(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()

    return run


def environment():
    """Ours, without what a launcher or a debugging session may have left in it."""
    dropped = ("MPICODE_TTY", "MPICODE_DEBUG")
    root = str(Path(mpicode.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {k: v for k, v in os.environ.items() if k not in dropped} | {"PYTHONPATH": path}


def one_error(lines):
    """The text of the one error line; there is no traceback."""
    errors = [line for line in lines if line.startswith("mpicode: error: ")]
    assert len(errors) == 1, lines
    assert not any("Traceback" in line for line in lines)
    return errors[0].removeprefix("mpicode: error: ")


def test_a_run_sums_itself_up_and_leaves_a_file(job, command, tmp_path):
    path, made = job()
    code, lines = command("run", path, "--simulate")
    assert code == 0
    assert lines[0] == "mpicode: 20 iterations done"
    assert lines[-1].startswith("  run file: ")
    assert lines[-1].endswith("job.h5")
    text = "\n".join(lines)
    assert "20 iterations, loss 2.30259 -> " in text
    assert "test accuracy 0." in text
    assert "exact in every iteration" in text
    saved = read_run(tmp_path / "here" / "job.h5")
    assert saved.complete
    result = mpicode.run(made)
    np.testing.assert_array_equal(saved.parameters, result.parameters)
    np.testing.assert_array_equal(saved.iterations["loss"], result.history["loss"])
    assert result.history["seconds"].max() < 0.25
    left = sorted(path.name for path in (tmp_path / "here").rglob("*"))
    assert left == ["checkpoint-000001.h5", "job.checkpoints", "job.h5"]


def test_what_has_no_numbers_is_left_out_of_the_summary(job, write_data):
    _, made = job()
    result = mpicode.run({**made, "run": {"n_workers": 4, "iterations": 0}})
    assert summary(result) == ["mpicode: 0 iterations done"]
    X = np.random.default_rng(0).standard_normal((40, 3))
    result = mpicode.run(
        {
            **made,
            "data": {"path": write_data(X, X[:, 0].copy()), "test_fraction": 0.2},
            "problem": {"name": "least-squares"},
            "code": {"name": "ignore-stragglers"},
            "run": {"n_workers": 4, "iterations": 9},
        }
    )
    text = "\n".join(summary(result))
    assert f"test loss {result.history['test_loss'][-1]:.6g}\n" in text
    assert "accuracy" not in text
    assert "run file" not in text
    assert f"residual up to {result.history['residual'].max():.3g}, amplification" in text


def test_the_command_line_changes_the_configuration(job, command, tmp_path):
    path, _ = job()
    code, _ = command(
        "run", path, "--simulate", "-n", 6, "-o", "other.h5",
        "--set", "run.iterations=3", "--set", "code.n_stragglers=2", "--set", "run.dtype=float32",
    )  # fmt: skip
    assert code == 0
    saved = read_run(tmp_path / "here" / "other.h5")
    config = Config.loads(saved.config)
    assert (config.run.n_workers, config.run.iterations, config.run.dtype) == (6, 3, "float32")
    assert config.code.parameters == {"n_stragglers": 2}
    assert config.output.path == str(tmp_path / "here" / "other.h5")
    assert (saved.n_workers, saved.n_iterations) == (6, 3)


def test_a_configuration_that_is_wrong(job, command, tmp_path):
    path, _ = job()
    code, lines = command("run", path, "--simulate", "--set", "run.n_wrokers=3")
    assert code == 2
    assert one_error(lines) == "run.n_wrokers: no such key; did you mean 'n_workers'?"
    code, lines = command("run", path, "--simulate", "--set", "code.n_stragglers=4")
    assert code == 2
    assert one_error(lines).startswith("code.n_stragglers: 4 of 4 workers cannot be missing")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_configuration_that_is_not_there(command, tmp_path):
    code, lines = command("run", "nothing.toml", "--simulate")
    assert (code, len(lines)) == (2, 1)
    assert one_error(lines) == "nothing.toml: no such file or directory"


def test_data_that_cannot_be_read(job, command, tmp_path):
    (tmp_path / "torn.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    path, _ = job(data={"path": str(tmp_path / "torn.h5")})
    code, lines = command("run", path, "--simulate")
    assert (code, len(lines)) == (3, 1)
    assert one_error(lines).startswith(f"{tmp_path / 'torn.h5'}: not a whole HDF5 file")


def test_a_run_that_gives_up_is_saved(job, command, tmp_path):
    path, _ = job(optimizer={"step_size": 1e300})
    code, lines = command("run", path, "--simulate")
    assert code == 4
    assert one_error(lines).startswith("diverged: iteration ")
    assert not any("Warning" in line for line in lines)
    saved = read_run(tmp_path / "here" / "job.h5")
    assert not saved.complete
    assert saved.attrs["outcome"] == one_error(lines)
    assert np.isfinite(saved.parameters).all()


BROKEN = """
from mpicode.problems import Softmax

class Broken(Softmax):
    name = "broken"

    def __init__(self, *, fails: bool = True, **rest) -> None:
        super().__init__(**rest)
        self.fails = fails

    def gradient(self, x, rows, weights, out):
        if self.fails and x.any():
            raise KeyError("my own mistake")
        return super().gradient(x, rows, weights, out)
"""


def test_a_problem_of_the_user_s_own_lies_beside_the_configuration(job, command, tmp_path):
    (tmp_path / "mine.py").write_text(BROKEN)
    path, _ = job(problem={"name": "mine:Broken"})
    code, lines = command("run", path, "--simulate", "--set", "problem.fails=false")
    assert code == 0
    code, lines = command("run", path, "--simulate")
    assert code == 1
    assert lines[0].startswith("mpicode: error: worker ")
    assert lines[0].endswith(" raised an exception:")
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "KeyError: 'my own mistake'"
    assert any("mine.py" in line and "in gradient" in line for line in lines)
    # the run so far can be read, and the one before is not lost
    (part,) = (tmp_path / "here").glob("job.h5*")
    assert not read_run(part).complete


def test_debug_adds_the_traceback(job, command):
    path, _ = job()
    code, lines = command("--debug", "run", path, "--simulate", "--set", "run.seed=-1")
    assert code == 2
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "mpicode: error: run.seed: must be at least 0 and below " + (
        f"{2**63}, got -1"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_what_there_is(job, tmp_path, number):
    path, _ = job(run={"iterations": 10**7})
    process = subprocess.Popen(
        [*COMMAND, "run", path, "--simulate", "-o", tmp_path / "run.h5"],
        env=environment() | {"MPICODE_TTY": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        seen = b""
        # the bar shows the loss: the loop is running
        while b"loss" not in seen:
            piece = os.read(process.stderr.fileno(), 4096)
            assert piece, seen
            seen += piece
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 4
    lines = rest.decode().splitlines()
    assert "mpicode: interrupted" in lines
    assert one_error(lines) == "interrupted by a signal; the state so far is saved"
    saved = read_run(tmp_path / "run.h5")
    assert not saved.complete
    assert saved.attrs["outcome"] == "interrupted"
    assert saved.n_iterations > 0
    assert saved.parameters.any()


def test_a_run_is_resumed(job, command, tmp_path):
    path, made = job()
    run = ("run", path, "--simulate", "--resume", "--set", "checkpoint.every=5")
    code, lines = command(*run, "--set", "run.iterations=12")
    assert code == 0
    folder = tmp_path / "here" / "job.checkpoints"
    assert lines[0] == f"mpicode: no checkpoint in {folder}: begins with iteration 0"
    code, lines = command(*run)
    assert code == 0
    newest = folder / "checkpoint-000003.h5"
    assert lines[:2] == [
        f"mpicode: goes on with iteration 12 from {newest}",
        "mpicode: 20 iterations done",
    ]
    saved = read_run(tmp_path / "here" / "job.h5")
    np.testing.assert_array_equal(saved.parameters, mpicode.run(made).parameters)
    assert saved.n_iterations == 20
    # the same without --simulate: nothing is started for it
    for more in (("--simulate",), ()):
        code, lines = command("run", path, "--resume", *more)
        assert (code, lines[0]) == (0, "mpicode: nothing to do: 20 iterations done")
        code, lines = command("run", path, "--resume", "--set", "problem.l2=0.5", *more)
        assert code == 2
        assert one_error(lines).startswith("problem.l2: 0.5, but ")
    for state in folder.iterdir():
        state.write_bytes(state.read_bytes()[:-1])
    code, lines = command(*run)
    assert code == 3
    assert one_error(lines).endswith(
        "its checksum does not match; 2 of 2 checkpoints cannot be read"
    )
