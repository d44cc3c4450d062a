"""Finished files end with a checksum of their headers; files without one are tried out first."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

from mpicode import seal
from mpicode.errors import DataError
from mpicode.hdf5 import open_file


@pytest.fixture
def sealed(tmp_path):
    """A small sealed file: a dataset under fletcher32, one without, and attributes."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("checked", data=np.arange(500.0), chunks=(100,), fletcher32=True)
        file["plain"] = np.arange(30)
        file.attrs["text"] = "some words"
        file.flush()
        chunks = seal.checked_chunks(file)
    with path.open("r+b") as raw:
        seal.seal(raw, chunks)
    return path


@pytest.fixture
def outside_mpi(monkeypatch):
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)


def test_every_byte_is_under_the_seal_or_a_checksum_of_hdf5(sealed):
    whole = sealed.read_bytes()
    with h5py.File(sealed) as file:
        chunks = seal.checked_chunks(file)
    unsealed = []
    for at in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[at] ^= 1 << at % 8
        sealed.write_bytes(broken)
        in_chunk = ((chunks[:, 0] <= at) & (at < chunks[:, 1])).any()
        try:
            if not seal.is_sealed(sealed):
                unsealed.append(at)
            else:
                assert in_chunk, at
        except DataError:
            assert not in_chunk, at
    # only damage to the last line makes a file one that was never sealed
    assert min(unsealed) >= len(whole) - 98


def test_a_chunk_whose_checksum_was_left_out_is_under_the_seal(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (8,), "f8", chunks=(4,), fletcher32=True)
        data[:4] = 1.0
        data.id.write_direct_chunk((4,), np.ones(4).tobytes(), filter_mask=1)
        file.flush()
        assert len(seal.checked_chunks(file)) == 1


def test_who_changes_a_file_by_hdf5_takes_the_seal_off(sealed):
    assert seal.is_sealed(sealed)
    with h5py.File(sealed, "r+") as file:
        file["plain"][3] = 5
    assert not seal.is_sealed(sealed)


@pytest.mark.parametrize("length", [0, 1, 97, 98, 99, 500])
def test_a_file_cut_short_has_no_seal(sealed, length):
    sealed.write_bytes(sealed.read_bytes()[:length])
    assert not seal.is_sealed(sealed)


@pytest.mark.parametrize("line", [b"%020d" % 10**19, b"%020d" % 3, b"%020d" % 0])
def test_a_seal_that_points_nowhere_is_broken(sealed, line):
    whole = sealed.read_bytes()
    start = whole.rindex(b"mpicode seal ") + 13
    sealed.write_bytes(whole[:start] + line + whole[start + 20 :])
    with pytest.raises(DataError, match=r"a\.h5: damaged, the checksum of its headers"):
        seal.is_sealed(sealed)


def test_a_heap_on_which_hdf5_loops_or_dies_is_one_line(sealed, monkeypatch, outside_mpi):
    with h5py.File(sealed, "r+") as file:
        file.attrs["text"] = "other words"
    whole = bytearray(sealed.read_bytes())
    heap = whole.rindex(b"GCOL")
    whole[heap + 16 : heap + 400] = bytes(384)
    sealed.write_bytes(whole)
    monkeypatch.setattr(seal, "PROBE_SECONDS", 2)
    with pytest.raises(DataError, match=r"a\.h5: (damaged|.*cannot be read)") as caught:
        open_file(sealed)
    assert "\n" not in str(caught.value)


def test_a_sound_file_without_a_seal_is_opened(sealed, outside_mpi):
    with h5py.File(sealed, "r+") as file:
        file.attrs["text"] = "other words"
    with open_file(sealed) as file:
        assert file.attrs["text"] == "other words"


def test_under_mpi_no_process_is_started(sealed, monkeypatch):
    with h5py.File(sealed, "r+") as file:
        file.attrs["text"] = "other words"
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", object())
    monkeypatch.setattr(seal.subprocess, "run", None)
    open_file(sealed).close()
