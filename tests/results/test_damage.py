"""Run files that do not say what they must: one line each, before anything relies on them."""

from __future__ import annotations

import re

import h5py
import numpy as np
import pytest

from mpicode import hdf5
from mpicode.errors import DataError
from mpicode.results import read_run


@pytest.fixture(autouse=True)
def opened_at_once(monkeypatch):
    """Do without the process that first opens files without a seal: these are sound for HDF5."""
    monkeypatch.setattr(hdf5, "see_that_it_opens", lambda path: None)


@pytest.fixture
def path(tmp_path, write_run):
    write_run(tmp_path / "run.h5", n_iterations=30)
    return tmp_path / "run.h5"


def put(name, value, **options):
    """Return a change: another array in the place of ``name``."""

    def change(file):
        del file[name]
        if value is not None:
            file.create_dataset(name, data=value, **options)

    return change


def attribute(name, value):
    return lambda file: file.attrs.create(name, value)


def add(name, value):
    return lambda file: file.create_dataset(name, data=value)


def table(name, field, row, value):
    def change(file):
        rows = file[name][()]
        rows[field][row] = value
        file[name][...] = rows

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("iterations/loss", None), "iterations/loss is not there or no dataset"),
        (put("iterations/loss", ["a"] * 30), "iterations/loss holds object"),
        (put("iterations/loss", np.ones((30, 2))), "iterations/loss has 2 dimensions, not 1"),
        (put("iterations/loss", np.ones(29)), "its columns have 29 to 30 rows"),
        (put("iterations/n_lost", np.ones(30)), "iterations/n_lost holds float64"),
        (put("workers/arrived", np.ones((30, 3), bool)), r"its tables are of \[3, 8\] workers"),
        (put("workers/arrived", np.ones((30, 8))), "workers/arrived holds float64"),
        (put("workers", None), "workers is not there or no group"),
        (put("messages", np.ones(3)), "messages holds float64, wants the fields"),
        (table("messages", "worker", 5, 8), "messages, row 5: worker 8 of 8"),
        (table("messages", "worker", 5, -1), "messages, row 5: worker -1 of 8"),
        (table("events", "worker", 0, 200), "events, row 0: worker 200 of 8"),
        (table("events", "worker", 0, -2), "events, row 0: worker -2 of 8"),
        (table("messages", "outcome", 5, 77), "messages, row 5: outcome 77 of"),
        (put("parameters", np.ones((2, 2))), "parameters has 2 dimensions, not 1"),
        (put("parameters", np.array([b"ab"])), r"parameters holds \|S2"),
        (put("code/0/owner", np.array([0, 9])), "owner: workers 0 to 9 of 8"),
        (add("code/0/workers", np.array([0, 9])), "workers: workers 0 to 9 of 8"),
        (add("code/0/workers", np.array([0, 1])), "owner: workers 0 to 7 of 2"),
        (put("code/0/owner", np.array([0.5])), "owner is 1-D float64"),
        (put("code/0/encoding/indices", np.full(8, 99)), "cannot be read"),
        (put("code/0/encoding/indptr", np.zeros(2, int)), "cannot be read"),
        (put("code", None), "code is not there or no group"),
        (attribute("complete", "yes"), "attribute 'complete' must be bool"),
        (attribute("outcome", 3), "attribute 'outcome' must be str"),
        (attribute("config", np.ones(3)), "attribute 'config' must be str"),
        (attribute("mpi", np.complex128(1j)), "cannot be read: an attribute holds complex"),
        (attribute("mpi", h5py.Empty("f8")), "cannot be read: an attribute holds Empty"),
        (attribute("schema", "1"), "not a run file of schema 1, its schema is 1"),
        (attribute("schema", [1, 1]), r"its schema is \[1, 1\]"),
    ],
)
def test_what_is_wrong_is_named(path, change, told):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=rf"run\.h5: .*{told}") as caught:
        read_run(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", ["iterations/loss", "workers/arrived", "messages", "events"])
def test_rows_that_are_announced_and_not_there_take_no_memory(path, name, complete):
    with h5py.File(path, "r+") as file:
        file.attrs["complete"] = complete
        file[name].resize(2**40, axis=0)
    if complete:
        with pytest.raises(DataError, match=rf"{name} is not all there: \d+ of \d+ chunks"):
            read_run(path)
    else:
        assert read_run(path).n_iterations == 30


def test_a_run_stored_elsewhere_is_not_followed(path):
    with h5py.File(path, "r+") as file:
        del file["iterations/loss"]
        file["iterations/loss"] = h5py.ExternalLink("other.h5", "/loss")
    with pytest.raises(DataError, match=r"iterations/loss is a link to another place"):
        read_run(path)


def test_a_flipped_byte_outside_the_columns_is_found(tmp_path, write_run, monkeypatch):
    monkeypatch.undo()
    write_run(tmp_path / "run.h5", n_iterations=30)
    whole = (tmp_path / "run.h5").read_bytes()
    place = re.search(rb"iterations done", whole).start()
    (tmp_path / "run.h5").write_bytes(whole[:place] + b"I" + whole[place + 1 :])
    with pytest.raises(DataError, match="damaged, the checksum of its headers does not match"):
        read_run(tmp_path / "run.h5")


def test_an_attribute_of_bytes_is_text(path):
    with h5py.File(path, "r+") as file:
        file.attrs["mpi"] = np.bytes_(b"Open MPI\xff")
    assert read_run(path).attrs["mpi"] == "Open MPI\ufffd"
