from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from mpicode.errors import DataError
from mpicode.outcomes import Outcome
from mpicode.results import ITERATION_COLUMNS, WORKER_COLUMNS, RunWriter, read_run


def test_what_goes_in_comes_out(tmp_path):
    rng = np.random.default_rng(0)
    n_rows, n_workers = 1300, 5
    columns = {name: rng.random(n_rows) for name in ITERATION_COLUMNS}
    for name, (dtype, _, _) in ITERATION_COLUMNS.items():
        if dtype == "i8":
            columns[name] = rng.integers(0, 1 << 40, n_rows)
    workers = {
        name: rng.random((n_rows, n_workers)) if dtype == "f8" else rng.random((n_rows, 5)) < 0.5
        for name, (dtype, _, _) in WORKER_COLUMNS.items()
    }
    encoding = sp.random_array((7, 5), density=0.4, rng=rng, format="csr")
    owner = np.arange(7) % 5
    messages = [(t, t % 2, t % 7, t % 5, t - 1, t / 7, Outcome(t % 6)) for t in range(n_rows)]
    parameters = rng.random(11)
    attrs = {"config": "[code]\nname = 'x'\n", "seed": 3, "hosts": ["a", "b"], "compiled": True}

    writer = RunWriter(tmp_path / "run.h5", attrs, n_workers)
    writer.code({"encoding": encoding, "owner": owner}, 0)
    writer.code({"storage": np.eye(5) * 1j}, 700)
    for t in range(n_rows):
        row = {name: table[t] for name, table in workers.items()}
        writer.iteration({name: column[t] for name, column in columns.items()}, row)
        writer.message(*messages[t])
        if t % 200 == 199:
            writer.flush()
            writer.event(t, t / 7, t % 5, "lost", "größer\nals das")
    writer.close(parameters, True, "done", mpi="Open MPI")

    run = read_run(tmp_path / "run.h5")
    assert not (tmp_path / "run.h5.part").exists()
    assert run.complete
    assert run.config == attrs["config"]
    assert run.attrs["outcome"] == "done"
    assert run.attrs["hosts"] == ["a", "b"]
    assert run.attrs["compiled"] is True
    assert run.attrs["mpi"] == "Open MPI"
    np.testing.assert_array_equal(run.iterations["iteration"], np.arange(n_rows))
    for name, column in columns.items():
        np.testing.assert_array_equal(run.iterations[name], column, strict=True)
    assert set(run.workers) == set(workers)
    for name, table in workers.items():
        np.testing.assert_array_equal(run.workers[name], table, strict=True)
    assert [tuple(m) for m in run.messages.tolist()] == messages
    assert [e[:4] for e in run.events.tolist()] == [
        (t, t / 7, t % 5, "lost") for t in range(199, n_rows, 200)
    ]
    assert run.events["detail"][0] == "größer\nals das"
    np.testing.assert_array_equal(run.parameters, parameters)
    np.testing.assert_array_equal(run.codes[0]["encoding"].toarray(), encoding.toarray())
    np.testing.assert_array_equal(run.codes[0]["owner"], owner)
    np.testing.assert_array_equal(run.codes[1]["storage"], np.eye(5) * 1j)
    assert [code["iteration"] for code in run.codes] == [0, 700]


def test_worker_rows_are_copied(tmp_path):
    seconds = np.zeros(3)
    writer = RunWriter(tmp_path / "run.h5", {}, 3)
    for t in range(5):
        seconds[:] = t
        writer.iteration({"loss": t}, {"compute_seconds": seconds})
    writer.close(None, True, "done")
    table = read_run(tmp_path / "run.h5").workers["compute_seconds"]
    np.testing.assert_array_equal(table, np.repeat(np.arange(5.0)[:, None], 3, axis=1))


def test_what_is_left_out_is_nan_zero_or_false(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
        writer.iteration({}, {})
    run = read_run(tmp_path / "run.h5")
    for name, (dtype, _, _) in ITERATION_COLUMNS.items():
        assert run.iterations[name][0] == 0 if dtype == "i8" else np.isnan(run.iterations[name][0])
    assert np.isnan(run.workers["compute_seconds"]).all()
    assert not run.workers["arrived"].any()


def test_iterations_are_numbered_as_told(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
        for number in (40, 41):
            writer.iteration({"iteration": number}, {})
    np.testing.assert_array_equal(read_run(tmp_path / "run.h5").iterations["iteration"], [40, 41])


def test_unknown_columns_and_wrong_shapes_are_refused(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 4) as writer:
        with pytest.raises(KeyError, match="los"):
            writer.iteration({"los": 1.0}, {})
        with pytest.raises(KeyError, match="late"):
            writer.iteration({}, {"late": np.zeros(4)})
        with pytest.raises(ValueError, match="arrived: 3 values for 4 workers"):
            writer.iteration({}, {"arrived": np.zeros(3, bool)})
    assert read_run(tmp_path / "run.h5").n_iterations == 0


def test_the_previous_file_stays_until_close(tmp_path, write_run):
    path = tmp_path / "run.h5"
    write_run(path, n_iterations=5)
    before = path.read_bytes()
    writer = write_run(path, n_iterations=7, close=False)
    assert path.read_bytes() == before
    writer.close(None, True, "done")
    assert read_run(path).n_iterations == 7


def test_an_exception_closes_the_file_as_not_complete(tmp_path):
    def fail():
        with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
            writer.iteration({"loss": 1.0}, {})
            raise ZeroDivisionError("no\nway")

    with pytest.raises(ZeroDivisionError):
        fail()
    run = read_run(tmp_path / "run.h5")
    assert not run.complete
    assert run.attrs["outcome"] == "ZeroDivisionError: no way"
    assert run.n_iterations == 1
    assert run.parameters is None


def test_closing_twice_is_closing_once(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
        writer.close(np.ones(3), True, "done")
        writer.close(None, False, "again")
    assert read_run(tmp_path / "run.h5").attrs["outcome"] == "done"


def test_rows_are_held_until_a_flush_is_due(tmp_path, on_disk):
    def rows(flush_seconds):
        path = tmp_path / f"{flush_seconds}.h5"
        writer = RunWriter(path, {}, 2, flush_seconds)
        for _ in range(3):
            writer.iteration({"loss": 1.0}, {})
        return read_run(on_disk(writer)).n_iterations

    assert rows(0.0) == 3
    assert rows(1e9) == 0


def test_an_event_is_flushed_with_all_before_it(tmp_path, on_disk):
    writer = RunWriter(tmp_path / "run.h5", {}, 2, flush_seconds=1e9)
    writer.iteration({"loss": 1.0}, {})
    writer.event(0, 0.5, 1, "lost", "")
    run = read_run(on_disk(writer))
    assert run.n_iterations == 1
    assert run.events["kind"].tolist() == ["lost"]
    assert not run.complete
    assert run.attrs["outcome"] == "running"


def test_interrupted_writing_can_be_taken_up_again(tmp_path, monkeypatch):
    import mpicode.results.writer as module

    writer = RunWriter(tmp_path / "run.h5", {}, 2, flush_seconds=1e9)
    for t in range(10):
        writer.iteration({"loss": t}, {})
        writer.message(t, 0, 0, 0, t, 0.0, Outcome.USED)
    original, calls = module.append, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        original(*arguments)

    monkeypatch.setattr(module, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    writer.close(None, False, "interrupted")
    run = read_run(tmp_path / "run.h5")
    np.testing.assert_array_equal(run.iterations["loss"], np.arange(10))
    assert {len(column) for column in run.iterations.values()} == {10}
    assert len(run.messages) == 10


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file.run\.h5\.part: cannot be written"):
        RunWriter(tmp_path / "file" / "run.h5", {}, 2)
    with pytest.raises(DataError, match=r"is a folder"):
        RunWriter(tmp_path, {}, 2)


def test_a_second_run_with_the_same_output_is_refused(tmp_path):
    writer = RunWriter(tmp_path / "run.h5", {}, 2)
    writer.iteration({"loss": 1.0}, {})
    with pytest.raises(DataError, match="another run is writing it"):
        RunWriter(tmp_path / "run.h5", {}, 2)
    program = "from mpicode.results import RunWriter; import sys; RunWriter(sys.argv[1], {}, 2)"
    second = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "run.h5")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "another run is writing it" in second.stderr
    writer.close(None, True, "done")
    assert read_run(tmp_path / "run.h5").n_iterations == 1
    RunWriter(tmp_path / "run.h5", {}, 2).close(None, True, "done")


def test_a_closed_file_holds_no_reserve(tmp_path, write_run):
    import h5py

    write_run(tmp_path / "run.h5", n_iterations=300)
    with h5py.File(tmp_path / "run.h5") as file:
        assert file.id.get_filesize() == (tmp_path / "run.h5").stat().st_size
    assert (tmp_path / "run.h5").stat().st_size < 1_000_000
