from __future__ import annotations

import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mpicode import hdf5
from mpicode.errors import ConfigError, DataError
from mpicode.results import RunWriter, open_run, read_run


def test_a_live_file_is_readable_while_it_grows(tmp_path, on_disk, monkeypatch):
    # each would first be opened by a process of its own
    monkeypatch.setattr(hdf5, "see_that_it_opens", lambda path: None)
    writer = RunWriter(tmp_path / "run.h5", {}, 3, flush_seconds=0.0)
    for t in range(40):
        writer.iteration({"loss": t}, {"arrived": np.ones(3, bool)})
        for path in (writer.part, on_disk(writer)):
            run = read_run(path)
            np.testing.assert_array_equal(run.iterations["loss"], np.arange(t + 1))
            assert run.workers["arrived"].all()
            assert run.workers["arrived"].shape == (t + 1, 3)
            assert not run.complete
    writer.close(None, True, "done")


def test_another_process_reads_a_live_file(tmp_path):
    writer = RunWriter(tmp_path / "run.h5", {}, 3, flush_seconds=0.0)
    writer.iteration({"loss": 1.0}, {})
    program = (
        "from mpicode.results import read_run; import sys; print(read_run(sys.argv[1]).complete)"
    )
    reader = [sys.executable, "-c", program, str(writer.part)]
    answer = subprocess.run(reader, capture_output=True, text=True, timeout=60)
    assert (answer.stdout, answer.stderr) == ("False\n", "")
    writer.close(None, True, "done")


def test_a_missing_file_is_named_with_its_unfinished_twin(tmp_path):
    with pytest.raises(DataError, match=r"run\.h5: no such file$"):
        read_run(tmp_path / "run.h5")
    RunWriter(tmp_path / "run.h5", {}, 3)
    with pytest.raises(DataError, match=r"no such file; an unfinished run is in .*run\.h5\.part"):
        read_run(tmp_path / "run.h5")


def test_what_is_no_run_file_is_said(tmp_path):
    (tmp_path / "a.h5").write_text("# not HDF5")
    with pytest.raises(DataError, match=r"a\.h5: not a whole HDF5 file"):
        read_run(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["X"] = np.eye(3)
    with pytest.raises(DataError, match=r"b\.h5: not a run file of schema 1, .* missing"):
        read_run(tmp_path / "b.h5")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.attrs["schema"] = 99
    with pytest.raises(DataError, match="schema is 99"):
        read_run(tmp_path / "c.h5")
    with pytest.raises(DataError, match="no such file"):
        read_run(tmp_path)


def test_a_truncated_file_is_one_line(tmp_path, write_run):
    write_run(tmp_path / "run.h5", n_iterations=50)
    whole = (tmp_path / "run.h5").read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 20_000):
        (tmp_path / "cut.h5").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.h5: not a whole HDF5 file") as caught:
            read_run(tmp_path / "cut.h5")
        assert "\n" not in str(caught.value)


def _last_chunk(path, name):
    with h5py.File(path, "r", locking=False) as file:
        dataset = file[name]
        info = dataset.id.get_chunk_info(dataset.id.get_num_chunks() - 1)
    return info.byte_offset, info.size


def _flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


@pytest.mark.parametrize("name", ["iterations/loss", "workers/arrived", "messages", "parameters"])
def test_a_flipped_byte_in_a_finished_run_is_found(tmp_path, write_run, name):
    write_run(tmp_path / "run.h5", n_iterations=50)
    offset, _ = _last_chunk(tmp_path / "run.h5", name)
    _flip(tmp_path / "run.h5", offset + 17)
    with pytest.raises(DataError, match=rf"run\.h5: {name}: cannot be read: damaged, its checksum"):
        read_run(tmp_path / "run.h5")


@pytest.mark.parametrize("name", ["iterations/loss", "workers/compute_seconds", "messages"])
def test_a_chunk_cut_in_two_by_a_crash_is_read_all_the_same(tmp_path, write_run, on_disk, name):
    writer = write_run(tmp_path / "run.h5", n_iterations=700, close=False)
    part = on_disk(writer)
    whole = read_run(part)
    offset, size = _last_chunk(part, name)
    _flip(part, offset + size - 1)  # the last bytes are the checksum's
    with h5py.File(part, "r") as file, pytest.raises(OSError, match="filter"):
        file[name][()]
    run = read_run(part)
    np.testing.assert_array_equal(run.iterations["loss"], whole.iterations["loss"])
    for column, table in whole.workers.items():
        np.testing.assert_array_equal(run.workers[column], table)
    np.testing.assert_array_equal(run.messages, whole.messages)


def test_xarray_opens_the_file_as_it_is(tmp_path, write_run):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    write_run(tmp_path / "run.h5", n_iterations=30)
    run = read_run(tmp_path / "run.h5")
    for group, dims in (("iterations", {"iteration"}), ("workers", {"iteration", "worker"})):
        # the names of dimensions come from the file: none is made up ("phony")
        with xarray.open_dataset(
            tmp_path / "run.h5", group=group, engine="h5netcdf", phony_dims="sort"
        ) as opened:
            assert set(opened.sizes) == dims
            np.testing.assert_array_equal(opened["iteration"], np.arange(30))
            columns = run.iterations if group == "iterations" else run.workers
            for name, column in columns.items():
                np.testing.assert_array_equal(opened[name], column)
            assert all("unit" in opened[name].attrs for name in opened.data_vars)


def test_open_run_joins_iterations_and_workers(tmp_path, write_run):
    pytest.importorskip("xarray")
    write_run(tmp_path / "run.h5", n_iterations=30)
    run = read_run(tmp_path / "run.h5")
    opened = open_run(tmp_path / "run.h5")
    assert dict(opened.sizes) == {"iteration": 30, "worker": 8}
    np.testing.assert_array_equal(opened["loss"], run.iterations["loss"])
    np.testing.assert_array_equal(opened["arrived"], run.workers["arrived"])
    assert float(opened["loss"].sel(iteration=7)) == run.iterations["loss"][7]
    assert opened.attrs["outcome"] == "30 iterations done"


def test_open_run_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'mpicode[analysis]'")):
        open_run(tmp_path / "run.h5")
