"""Checkpoint files: whole or told apart from whole ones, whatever happens to them."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mpicode.errors import DataError
from mpicode.results import COLUMNS, Checkpoint, CheckpointFolder, read_checkpoint, to_bytes
from mpicode.results.checkpoint import front

CONFIG = """
data.path = "data.h5"
problem.name = "softmax"
optimizer.name = "adam"
"""


def made(iteration=7, n=1000, config=CONFIG):
    rows = np.arange(float(iteration * len(COLUMNS))).reshape(iteration, len(COLUMNS))
    return Checkpoint(
        created="now",
        config=config + "# é\n" * 40_000,  # more than an attribute of HDF5 may hold
        identity={"run.seed": 3, "optimizer.step_size": 0.1, "code.name": "cyclic", "none": None},
        iteration=iteration,
        seconds=1.25,
        parameters=np.full(n, iteration / 3),
        optimizer={"velocity": np.arange(n) / 7, "iteration": iteration},
        rows=rows,
        outcome="running",
    )


@pytest.fixture
def path(tmp_path):
    folder = CheckpointFolder(tmp_path)
    return folder.write(to_bytes(made()))


def test_what_goes_in_comes_out(path):
    saved, back = made(), read_checkpoint(path)
    for name in ("created", "config", "identity", "iteration", "seconds", "complete", "outcome"):
        assert getattr(back, name) == getattr(saved, name)
    np.testing.assert_array_equal(back.parameters, saved.parameters)
    np.testing.assert_array_equal(back.optimizer["velocity"], saved.optimizer["velocity"])
    assert back.optimizer["iteration"] == 7
    np.testing.assert_array_equal(back.rows, saved.rows)
    history = back.history(5)
    assert list(history) == list(COLUMNS)
    np.testing.assert_array_equal(history["loss"], saved.rows[:5, 1])
    assert history["n_arrived"].dtype == np.int64


def test_the_state_may_change_at_once():
    checkpoint = made()
    rest = to_bytes(checkpoint)
    before = bytes(rest)
    checkpoint.parameters[:] = 0
    checkpoint.rows[:] = 0
    assert bytes(rest) == before


def test_other_programs_see_an_ordinary_hdf5_file(path):
    with h5py.File(path) as file:
        assert file.attrs["iteration"] == 7
        assert json.loads(file["identity"][()])["run.seed"] == 3
        assert file["parameters"].shape == (1000,)


@pytest.mark.parametrize("seed", range(3))
def test_any_flipped_bit_is_found(path, seed):
    good = path.read_bytes()
    random_ = random.Random(seed)
    for _ in range(60):
        at = random_.choice((random_.randrange(600), random_.randrange(len(good))))
        bad = bytearray(good)
        bad[at] ^= 1 << random_.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(DataError) as caught:
            read_checkpoint(path)
        assert str(caught.value).startswith(f"{path}: damaged, ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 513, 3000, -1])
def test_a_cut_file_is_found(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match="damaged"):
        read_checkpoint(path)


def test_what_is_no_checkpoint(tmp_path, path):
    other = tmp_path / "other.h5"
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(other)
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros(1000)
    with pytest.raises(DataError, match="not a checkpoint"):
        read_checkpoint(other)
    # right by its checksum, but of something else
    with h5py.File(other, "w", userblock_size=512) as file:
        file["x"] = np.zeros(1000)
    rest = other.read_bytes()[512:]
    other.write_bytes(front(memoryview(rest)) + rest)
    with pytest.raises(DataError, match="cannot be read"):
        read_checkpoint(other)
    newer = path.read_bytes().replace(b"checkpoint 1\n", b"checkpoint 2\n", 1)
    other.write_bytes(newer)
    with pytest.raises(DataError, match="schema 2, this mpicode reads schema 1"):
        read_checkpoint(other)


@pytest.mark.parametrize(("name", "value"), [("seconds", 1j), ("iteration", 2.5), ("created", 3)])
def test_an_attribute_of_another_type(path, name, value):
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    rest = path.read_bytes()[512:]
    path.write_bytes(front(memoryview(rest)) + rest)
    with pytest.raises(DataError, match=f"attribute '{name}' is .*{re.escape(str(value))}"):
        read_checkpoint(path)


@pytest.mark.parametrize("value", [-1, 8])
def test_an_iteration_that_cannot_be(path, value):
    with h5py.File(path, "r+") as file:
        file.attrs["iteration"] = value
    rest = path.read_bytes()[512:]
    path.write_bytes(front(memoryview(rest)) + rest)
    with pytest.raises(DataError, match=f"'iteration' is {value}, there are 7 iterations"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("(0, 0)", "not TOML"),
        ("run = 5", "run: wants a table, got 5"),
        (CONFIG + "run.iterations = 'many'", "run.iterations"),
    ],
)
def test_a_configuration_that_is_none(tmp_path, config, told):
    path = CheckpointFolder(tmp_path).write(to_bytes(made(config=config + "\n")))
    with pytest.raises(DataError, match=f"{path.name}: config: .*{told}"):
        read_checkpoint(path)


def test_a_folder_keeps_the_newest_of_its_run(tmp_path):
    folder = CheckpointFolder(tmp_path / "states", keep=2)
    assert folder.newest() is None
    folder.claim()
    for iteration in (5, 10, 15):
        folder.write(to_bytes(made(iteration)))
    assert [path.name for path in folder.files()] == [
        "checkpoint-000003.h5",
        "checkpoint-000002.h5",
    ]
    path, newest, damaged = folder.newest()
    assert (path.name, newest.iteration, damaged) == ("checkpoint-000003.h5", 15, [])
    with pytest.raises(DataError, match="another run is writing it"):
        CheckpointFolder(tmp_path / "states").claim()
    folder.release()
    second = CheckpointFolder(tmp_path / "states", keep=2)
    second.claim()
    (tmp_path / "states" / "notes.txt").write_text("mine")
    second.write(to_bytes(made(1)))
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == [
        "checkpoint-000004.h5",
        "notes.txt",
    ]


def test_a_disk_that_refuses_leaves_what_there_was(tmp_path):
    program = f"""
import resource
import sys; sys.path[:0] = {sys.path!r}
from pathlib import Path
from mpicode.errors import DataError
from mpicode.results import CheckpointFolder, to_bytes
from test_checkpoint import made
folder = CheckpointFolder(Path({str(tmp_path)!r}))
folder.write(to_bytes(made(1)))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    folder.write(to_bytes(made(2, n=100_000)))
except DataError as error:
    print(error)
print(folder.newest()[1].iteration)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, left = done.stdout.splitlines()
    assert "cannot be written: file too large: " in said
    assert left == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000001.h5"]


# Writes checkpoints for ever and says after each which it was.
PROGRAM = """
import sys
from pathlib import Path
from mpicode.results import CheckpointFolder, to_bytes
from test_checkpoint import made

folder = CheckpointFolder(Path(sys.argv[1]))
folder.claim()
iteration = 1
while True:
    folder.write(to_bytes(made(iteration, n=200_000)))
    print(iteration, flush=True)
    iteration += 1
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_in_the_middle_leaves_a_whole_one(tmp_path, seed):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        n_written = random.Random(seed).randrange(1, 12)
        for line in child.stdout:
            if int(line) == n_written:
                break
        child.kill()
        rest = child.stdout.read().split()
    n_written = int(rest[-1]) if rest else n_written
    folder = CheckpointFolder(tmp_path)
    _, newest, damaged = folder.newest()
    assert damaged == []
    assert newest.iteration in (n_written, n_written + 1)
    np.testing.assert_array_equal(newest.parameters, newest.iteration / 3)
    assert len(folder.files()) <= 3
    # and the next one clears up
    folder.write(to_bytes(made(100)))
    assert all(path.suffix == ".h5" for path in tmp_path.iterdir())
