"""Reading coded files: by slots, in bounded memory, and never those of another encoding."""

from __future__ import annotations

import shutil
import sys

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode import codes
from mpicode.datasets import DatasetWriter, Meta, Shape, open_dataset
from mpicode.datasets.coded import CodedDataset, is_coded, open_block, open_coded
from mpicode.datasets.coded_info import check_coded
from mpicode.datasets.encode import encode_dataset
from mpicode.errors import ConfigError, DataError


def make(folder, seed=0, n=100, **parameters):
    """Write a dataset and encode it; return the folder of coded files, and the code."""
    rng = np.random.default_rng(seed)
    path = folder / f"data-{seed}.h5"
    with DatasetWriter(path, Shape(n, 5), Meta("multiclass", 3)) as writer:
        writer.append(rng.standard_normal((n, 5)), rng.integers(0, 3, n))
    code = codes.make("berrut", n_workers=6, **parameters)
    encode_dataset(path, folder / f"c{seed}", code, parameters)
    return folder / f"c{seed}", code


@pytest.fixture
def coded(tmp_path):
    return make(tmp_path, n_blocks=3)


def change(path, **attributes):
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)


def worker_file(folder, worker):
    return folder / f"worker-{worker:05d}.h5"


def test_slots_are_read_as_asked_for(coded):
    folder, _ = coded
    with open_block(folder, 2) as block:
        X, Y = block.read(0, block.n_slots)
        assert X.shape == (34, block.n_features) == (34, 5)
        assert Y.shape == (34, block.n_outputs) == (34, 3)
        assert (block.task, block.n_classes) == ("multiclass", 3)
        for start, stop in ((0, 0), (3, 9), (33, 34)):
            for all_of_it, part in zip((X, Y), block.read(start, stop), strict=True):
                assert_array_equal(part, all_of_it[start:stop])
        assert block.read(0, 3, "float32")[0].dtype == np.float32
        assert block.nbytes(0, 10) == 10 * 8 * 8
        with pytest.raises(
            DataError, match=r"slots 30 to 34 asked for, the file has slots 0 to 33"
        ):
            block.read(30, 35)


def test_a_worker_needs_no_other_file(coded):
    folder, code = coded
    for file in folder.iterdir():
        if file.name != "worker-00002.h5":
            file.unlink()
    with open_block(folder, 2) as block:
        block.see_that_it_is_of(code)
        block.read(0, 34)


def test_the_index_is_found_by_folder_and_by_name(coded):
    folder, _ = coded
    assert is_coded(folder)
    assert is_coded(folder / "coded.h5")
    assert not is_coded(folder.parent)
    with open_coded(folder / "coded.h5") as by_name, open_coded(folder) as by_folder:
        assert by_name.index == by_folder.index
        with pytest.raises(DataError, match="slots 0 to 34 asked for, it has 34"):
            by_name.samples(0, 35)


def test_what_is_not_there(coded, tmp_path):
    folder, _ = coded
    with pytest.raises(DataError, match=r"none: no such folder of coded files"):
        open_coded(tmp_path / "none")
    with pytest.raises(DataError, match=r"coded\.h5: no such file"):
        open_coded(tmp_path)
    worker_file(folder, 4).unlink()
    with open_coded(folder) as found:
        with pytest.raises(DataError, match=r"worker-00004\.h5: missing, .* for 6 workers"):
            found.block(4)
        with pytest.raises(DataError, match=r"c0: no worker 6, it was encoded for 6"):
            found.block(6)
    with pytest.raises(DataError, match=r"worker-00004\.h5: no such file"):
        open_block(folder, 4)
    assert len(check_coded(folder)) == 1
    shutil.copy(tmp_path / "data-0.h5", folder / "coded.h5")
    with pytest.raises(DataError, match=r"coded\.h5: no coded dataset of mpicode"):
        open_coded(folder)


def test_files_of_another_encoding_and_of_another_worker(coded, tmp_path):
    folder, _ = coded
    other, _ = make(tmp_path, seed=1, n_blocks=3)
    shutil.copy(worker_file(other, 1), worker_file(folder, 1))
    shutil.copy(worker_file(folder, 2), worker_file(folder, 3))
    with open_coded(folder) as found:
        with pytest.raises(DataError, match=r"worker-00001\.h5: of another encoding \(\w{12}\) th"):
            found.block(1)
        with pytest.raises(DataError, match=r"worker-00003\.h5: is the file of worker 2, not 3"):
            found.block(3)
    assert len(check_coded(folder)) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (("letcc", 6, {"n_blocks": 3}), r"code\.name: letcc, but .* was encoded with berrut"),
        (("berrut", 7, {"n_blocks": 3}), r"run\.n_workers: 7, but .* was encoded with 6"),
        (("berrut", 6, {"n_blocks": 2}), r"code\.n_blocks: 2, but .* was encoded with 3"),
        (
            ("berrut", 6, {"n_blocks": 3, "n_colluding": 1, "points": "first"}),
            r"code\.n_colluding: 1, but .* with 0",
        ),
        (("berrut", 6, {"n_blocks": 3, "points": "first"}), r"code: its encoding matrix differs"),
    ],
)
def test_another_code(coded, code, message):
    folder, _ = coded
    name, n_workers, parameters = code
    other = codes.make(name, n_workers=n_workers, **parameters)
    with open_coded(folder) as found, pytest.raises(ConfigError, match=message):
        found.see_that_it_is_of(other)
    with open_block(folder, 1) as block, pytest.raises(ConfigError, match=message):
        block.see_that_it_is_of(other)


def test_what_does_not_change_the_encoding_may_differ(coded):
    folder, _ = coded
    with open_coded(folder) as found:
        found.see_that_it_is_of(codes.make("berrut", n_workers=6, n_blocks=3, n_stragglers=3))


def test_another_dataset(coded, tmp_path):
    folder, code = coded
    make(tmp_path, seed=1)
    with open_coded(folder) as found:
        for seed, fits in ((0, True), (1, False)):
            with open_dataset(tmp_path / f"data-{seed}.h5") as data:
                fingerprint = data.fingerprint
            if fits:
                found.see_that_it_is_of(code, fingerprint)
            else:
                with pytest.raises(ConfigError, match=r"data\.path: its fingerprint is \w{12}, b"):
                    found.see_that_it_is_of(code, fingerprint)


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("coded.h5", {"schema": 2}, r"coded\.h5: schema 2, this mpicode reads schema 1"),
        ("coded.h5", {"n_samples": 99}, "99 samples and 2 empty places are not 34 slots of 3"),
        (
            "coded.h5",
            {"n_padding": 5},
            "100 samples and 5 empty places are not 34 slots of 3 blocks",
        ),
        ("coded.h5", {"parameters": "[1"}, "attribute 'parameters' is no table"),
        ("coded.h5", {"n_workers": -6}, "attribute 'n_workers' is -6"),
        ("coded.h5", {"n_workers": 8}, r"storage is \(6, 3\), \(8, 3\) was due"),
        ("coded.h5", {"mask_x": "big"}, "attribute 'mask_x' must be a number, got 'big'"),
        ("worker-00000.h5", {"worker": 6}, "for worker 6 of 6"),
        ("worker-00000.h5", {"n_slots": 1.5}, "attribute 'n_slots' must be a number"),
        ("worker-00000.h5", {"n_slots": 2**40}, r"X is \(34, 5\), \(1099511627776, 5\) was due"),
        ("worker-00000.h5", {"dtype": "float32"}, "X holds float64, not float32"),
        ("worker-00000.h5", {"dtype": "object"}, "X holds float64, not object"),
        ("worker-00000.h5", {"prime": 7}, "X holds float64, or lies elsewhere"),
        ("worker-00000.h5", {"encoding": h5py.Empty("f8")}, "attribute 'encoding' must be text"),
        ("worker-00000.h5", {"kind": "cake"}, "no coded block of mpicode"),
    ],
)
def test_attributes_that_are_wrong(coded, name, attributes, message):
    folder, _ = coded
    change(folder / name, **attributes)
    with pytest.raises(DataError, match=message):
        CodedDataset(folder) if name == "coded.h5" else open_block(folder, 0)


def test_a_flipped_byte_is_found(coded, monkeypatch):
    # in flips of the last line the file is no longer known to be sealed; a process for each is slow
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", object())
    folder, _ = coded

    def everything():
        with open_coded(folder) as found:
            parts = [found.samples(0, 34), found.storage]
            for worker in (0, 5):
                with found.block(worker) as block:
                    parts += [*block.read(0, 34), block.storage]
            return found.index, [part.tobytes() for part in parts]

    def problem():
        try:
            return next(iter(check_coded(folder)), "")
        except DataError as error:
            return str(error)

    sound = everything()
    found = tried = 0
    for file in (folder / "coded.h5", worker_file(folder, 5)):
        whole = file.read_bytes()
        used = [at for at in range(0, len(whole), 13) if any(whole[at : at + 13])]
        for at in used[:: max(len(used) // 60, 1)]:
            broken = bytearray(whole)
            broken[at] ^= 1 << at % 8
            file.write_bytes(broken)
            said = problem()
            assert "\n" not in said
            assert said or everything() == sound, at
            found += said != ""
            tried += 1
        file.write_bytes(whole)
    assert found > 0.8 * tried
    assert check_coded(folder) == []


def test_numbers_that_cannot_be_are_found(coded):
    folder, _ = coded
    with h5py.File(worker_file(folder, 1), "r+") as file:
        file["X"][7, 2] = np.nan
        file["Y"][33, 0] = np.inf
    with h5py.File(folder / "coded.h5", "r+") as file:
        file["order"][17, 1] = file["order"][18, 0]
    first, *others = check_coded(folder)
    assert "coded.h5: order: sample " in first
    assert first.endswith(" is in no place")
    assert [text.partition("worker-")[2] for text in others] == [
        "00001.h5: X, slot 7, column 2: nan",
        "00001.h5: Y, slot 33, column 0: inf",
    ]
    with h5py.File(folder / "coded.h5", "r+") as file:
        file["order"][17, 1] = 100
    assert "order names samples beyond 100" in check_coded(folder)[0]
