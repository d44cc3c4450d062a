"""The runs of a sweep, one after the other or one of them; under MPI in tests/mpi."""

import os
import signal
import subprocess
import sys

import pytest

from mpicode.config import Config
from mpicode.results import read_run

SWEEP = '\n[sweep.grid]\n"code.name" = ["cyclic", "uncoded"]\n"run.seed" = [0, 1]\n'


@pytest.fixture
def job(tables, tmp_path):
    """Write a configuration of a few short iterations with this sweep; its path."""

    def make(sweep=SWEEP, **changes):
        made = tables(
            code={"name": "cyclic", "n_stragglers": 1},
            run={"n_workers": 4, "iterations": 3},
            **changes,
        )
        path = tmp_path / "job.toml"
        path.write_text(Config.from_dict(made).to_toml() + sweep)
        return path

    return make


@pytest.fixture
def command(tmp_path):
    """Run ``mpicode run ...``: exit code, lines of stderr; stdout stays empty."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "mpicode", "run", *map(str, arguments)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()

    return run


def test_all_runs_are_done_in_order_and_resumed(job, command, tmp_path):
    path = job()
    code, lines = command(path, "--simulate")
    assert code == 0
    told = [line for line in lines if line.startswith("mpicode: element")]
    assert told[1] == "mpicode: element 1, run 2 of 4: code.name = 'cyclic', run.seed = 1"
    assert len(told) == 4
    runs = [read_run(tmp_path / f"job-{k}.h5") for k in range(4)]
    configs = [Config.loads(run.config) for run in runs]
    assert [(c.code.name, c.run.seed, c.element.number) for c in configs] == [
        ("cyclic", 0, 0), ("cyclic", 1, 1), ("uncoded", 0, 2), ("uncoded", 1, 3),
    ]  # fmt: skip
    assert configs[3].element.changes == {"code.name": "uncoded", "run.seed": 1}
    assert all((tmp_path / f"job-{k}.checkpoints").is_dir() for k in range(4))
    created = [run.attrs["created"] for run in runs]

    (tmp_path / "job-2.h5").unlink()
    code, lines = command(path, "--simulate", "--resume")
    assert code == 0
    assert lines.count("mpicode: nothing to do: 3 iterations done") == 3
    again = [read_run(tmp_path / f"job-{k}.h5").attrs["created"] for k in range(4)]
    assert again == created  # the one whose file was lost goes on from its checkpoint


def test_one_run_of_a_sweep(job, command, tmp_path):
    code, _ = command(job(), "--simulate", "--element", 3, "-o", "other.h5")
    assert code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "job.toml", "other-3.checkpoints", "other-3.h5",
    ]  # fmt: skip
    assert Config.loads(read_run(tmp_path / "other-3.h5").config).code.name == "uncoded"


def test_all_runs_are_checked_before_the_first_begins(job, command, tmp_path):
    path = job('\n[sweep.grid]\n"code.n_stragglers" = [1, 4]\n')
    for how in ("--simulate", "--list"):
        code, lines = command(path, how)
        assert code == 2
        assert lines[-1].startswith(
            "mpicode: error: sweep: element 1 (code.n_stragglers = 4): code.n_stragglers: 4 of 4"
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.toml"]


def test_what_would_be_run_can_be_asked_for(job, command, tmp_path):
    code, lines = command(job(), "--list")
    assert code == 0
    assert lines[3] == "mpicode: element 3, run 4 of 4: code.name = 'uncoded', run.seed = 1"
    assert command(job(""), "--list") == (0, ["mpicode: run 1 of 1: no changes"])
    code, lines = command(job(), "--list", "--element", 1)
    assert (code, lines) == (2, ["mpicode: error: --list: tells of all elements, --element of one"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.toml"]


def test_a_run_that_fails_does_not_keep_the_others_from_running(job, command, tmp_path):
    code, lines = command(
        job('\n[sweep.grid]\n"optimizer.step_size" = [0.5, 1e300, 0.25]\n'), "--simulate"
    )
    assert code == 4
    assert [read_run(tmp_path / f"job-{k}.h5").complete for k in range(3)] == [True, False, True]
    assert sum(line.startswith("mpicode: error: diverged") for line in lines) == 1


def test_two_runs_do_not_share_a_file(job, command):
    path = job('\n[sweep.grid]\n"output.path" = ["same.h5"]\n"run.seed" = [0, 1]\n')
    code, lines = command(path, "--simulate")
    assert code == 2
    assert lines[-1].startswith("mpicode: error: sweep: elements 0 and 1 have the same output.path")


def test_a_file_with_a_sweep_is_one_run_for_other_commands_too(job, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mpicode", "simulate", job()],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "describes 4 runs; choose one by --element 0 to 3" in done.stderr


def test_a_signal_ends_the_sweep_and_not_only_the_run(job, tmp_path):
    sweep = '\n[sweep.grid]\n"run.iterations" = [3, 10000000, 3]\n'
    process = subprocess.Popen(
        [sys.executable, "-m", "mpicode", "run", job(sweep), "--simulate"],
        cwd=tmp_path, env={**os.environ, "MPICODE_TTY": "1"}, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        seen = b""
        # the bar shows the loss of the second run: its loop is running
        while b"loss" not in seen.partition(b"run 2 of 3")[2]:
            piece = os.read(process.stderr.fileno(), 4096)
            assert piece, seen
            seen += piece
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 4
    assert rest.decode().splitlines()[-1] == (
        "mpicode: 2 of 3 runs were begun; --resume goes on with them all"
    )
    assert read_run(tmp_path / "job-1.h5").attrs["outcome"] == "interrupted"
    assert not (tmp_path / "job-2.h5").exists()
