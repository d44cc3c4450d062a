from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from mpicode.results import read_run

# Writes a whole run, then another one to the same path until the disk refuses, and says how.
PROGRAM = """
import resource
import sys
from mpicode.errors import DataError
from mpicode.outcomes import Outcome
from mpicode.results import RunWriter, read_run

path, limit = sys.argv[1], int(sys.argv[2])
with RunWriter(path, {"config": "first"}, 8) as writer:
    writer.iteration({"loss": 1.0}, {})
    writer.close(None, True, "done")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
n_flushed = 0
try:
    with RunWriter(path, {"config": "second"}, 8, flush_seconds=1e9) as writer:
        while True:
            for t in range(100):
                writer.message(n_flushed + t, 0, 0, 0, t, 0.0, Outcome.USED)
                writer.iteration({"loss": n_flushed + t}, {})
            writer.flush()
            n_flushed += 100
except DataError as error:
    print(error)
try:
    writer.iteration({"loss": 0.0}, {})
    writer.flush()
except DataError as again:
    print(again)
writer.close(None, True, "done")
print(n_flushed)
print(read_run(path).config, read_run(path).complete)
part = read_run(path + ".part")
print(part.config, part.complete, part.n_iterations, len(part.messages))
"""


def _check(answer: subprocess.CompletedProcess[str], reason: str) -> None:
    # a crash of HDF5 at the end of the process would show in the code it leaves with
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    error, again, n_flushed, first, second = answer.stdout.splitlines()
    assert "run.h5.part: cannot be written: " + reason in error
    assert "MB wanted" in error
    assert "MB free" in error
    assert again == error
    assert first == "first True"
    assert int(n_flushed) > 0
    assert second == f"second False {n_flushed} {n_flushed}"


def test_a_file_that_may_not_grow_is_reported_and_the_previous_one_whole(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run.h5"), "1500000"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    _check(answer, "file too large")
    assert read_run(tmp_path / "run.h5").config == "first"


def test_a_full_disk_is_reported_and_the_previous_run_whole(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    # the mount is seen by the child alone and goes with it
    mount = ["unshare", "--mount", "sh", "-c"]
    make = f"mount -t tmpfs -o size=2m tmpfs '{small}'"
    if (
        not shutil.which("unshare")
        or subprocess.run([*mount, make], capture_output=True).returncode
    ):
        pytest.skip("mounting a small disk is not allowed here")
    answer = subprocess.run(
        [
            *mount,
            make + ' && exec "$@"',
            "sh",
            sys.executable,
            "-c",
            PROGRAM,
            f"{small}/run.h5",
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    _check(answer, "no space left on device")
