"""What the run file of a resumed run begins with."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mpicode.outcomes import Outcome
from mpicode.results import COLUMNS, Checkpoint, RunWriter, read_run, recorded

N = 100


def state(iteration, created, seconds=1e9):
    rows = np.zeros((iteration, len(COLUMNS)))
    rows[:, 0] = np.arange(iteration)
    rows[:, COLUMNS.index("loss")] = [2.3 * 0.97**t for t in range(iteration)]
    return Checkpoint(created, "", {}, iteration, seconds, np.zeros(3), {}, rows)


@pytest.fixture
def left(tmp_path_factory, tmp_path, write_run):
    """A run of 100 iterations that was killed: its path, and what it has left."""
    writer = write_run(tmp_path_factory.mktemp("alive") / "run.h5", n_iterations=N, close=False)
    writer.flush()
    path = tmp_path / "run.h5"
    shutil.copy(writer.part, f"{path}.part")
    return path, read_run(f"{path}.part")


def test_the_rows_before_the_checkpoint_are_taken_over(left):
    path, before = left
    earlier = recorded(state(60, before.attrs["created"]), path, (), 8)
    assert earlier.attrs["missing"] == 0
    with RunWriter(path, {"created": before.attrs["created"]}, 8, 0.0, earlier) as writer:
        # not one moment without them
        now = read_run(f"{path}.part")
        np.testing.assert_array_equal(now.iterations["loss"], before.iterations["loss"][:60])
        writer.message(60, 0, 3, 3, 60, 9.5, Outcome.USED)
        writer.iteration({"loss": 60.0}, {"arrived": np.ones(8, bool)})
        writer.close(np.ones(3), True, "done")
    after = read_run(path)
    assert after.n_iterations == 61
    np.testing.assert_array_equal(after.iterations["iteration"], np.arange(61))
    assert after.iterations["loss"][60] == 60.0
    for name, table in before.workers.items():
        np.testing.assert_array_equal(after.workers[name][:60], table[:60])
    assert after.workers["arrived"][60].all()
    kept = before.messages[before.messages["iteration"] < 60]
    np.testing.assert_array_equal(after.messages[:-1], kept)
    assert after.messages[-1]["seconds"] == 9.5
    assert len(after.events) == 0  # the loss of a worker came later
    assert len(after.codes) == 1
    np.testing.assert_array_equal(after.codes[0]["owner"], before.codes[0]["owner"])
    assert not list(path.parent.glob("*.part*"))


def test_events_are_kept_up_to_the_checkpoint(left):
    path, before = left
    assert len(recorded(state(N, before.attrs["created"]), path, (), 8).events) == 1
    assert len(recorded(state(N, before.attrs["created"], 0.1), path, (), 8).events) == 0
    earlier = recorded(state(N, before.attrs["created"]), path, (), 8)
    with RunWriter(path, {}, 8, earlier=earlier) as writer:
        writer.event(N, 1e9, -1, "resumed", "here")
    told = read_run(path).events
    assert list(told["kind"]) == ["lost", "resumed"]
    assert told["detail"][0] == before.events["detail"][0]


def test_a_file_that_ends_early_gives_what_it_has(left):
    path, before = left
    earlier = recorded(state(N + 20, before.attrs["created"]), path, (), 8)
    assert earlier.attrs["missing"] == 20
    assert earlier.n_iterations == N + 20
    assert np.isnan(earlier.workers["compute_seconds"][N:]).all()
    assert not earlier.workers["arrived"][N:].any()
    np.testing.assert_array_equal(earlier.workers["arrived"][:N], before.workers["arrived"])


def test_the_file_of_another_run_gives_nothing(left):
    path, _ = left
    earlier = recorded(state(50, "another time"), path, (), 8)
    assert earlier.attrs["missing"] == 50
    assert len(earlier.messages) == len(earlier.codes) == 0
    np.testing.assert_array_equal(earlier.iterations["loss"], [2.3 * 0.97**t for t in range(50)])


def test_the_part_comes_before_the_file_and_both_before_others(left, tmp_path):
    path, before = left
    created = before.attrs["created"]
    moved = tmp_path / "moved.h5"
    assert recorded(state(50, created), moved, (path,), 8).path.name == "run.h5.part"
    earlier = recorded(state(50, created), path, (), 8)
    with RunWriter(path, {"created": created}, 8, earlier=earlier):
        pass
    assert recorded(state(50, created), path, (), 8).path.name == "run.h5"
    (tmp_path / "run.h5.part").write_bytes(b"\x89HDF damaged")
    assert recorded(state(50, created), path, (), 8).path.name == "run.h5"


@pytest.mark.parametrize("n_workers", [5, 12])
def test_the_tables_are_as_wide_as_the_wider_run(left, n_workers):
    path, before = left
    earlier = recorded(state(N, before.attrs["created"]), path, (), n_workers)
    with RunWriter(path, {}, n_workers, earlier=earlier) as writer:
        writer.iteration({}, {"arrived": np.ones(n_workers, bool)})
        with pytest.raises(ValueError, match=f"7 values for {n_workers} workers"):
            writer.iteration({}, {"arrived": np.ones(7, bool)})
    after = read_run(path)
    assert after.n_workers == max(8, n_workers)
    np.testing.assert_array_equal(after.workers["arrived"][:N, :8], before.workers["arrived"])
    assert not after.workers["arrived"][:N, 8:].any()
    assert after.workers["arrived"][N].sum() == n_workers


PROGRAM = """
import resource, sys
from pathlib import Path
from mpicode.errors import DataError
from mpicode.results import RunWriter, read_run, recorded
from test_takeover import state
path = Path(sys.argv[1])
created = read_run(f"{path}.part").attrs["created"]
earlier = recorded(state(100, created), path, (), 8)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    RunWriter(path, {}, 8, earlier=earlier)
except DataError as error:
    print(error)
"""


def test_a_disk_that_refuses_leaves_the_part_as_it_was(left):
    path, before = left
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=Path(__file__).parent,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{path}.part: cannot be written: file too large: ")
    after = read_run(f"{path}.part")
    assert after.n_iterations == N
    np.testing.assert_array_equal(after.messages, before.messages)
    assert [p.name for p in path.parent.iterdir()] == ["run.h5.part"]
