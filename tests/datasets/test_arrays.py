"""IDX, npy and npz."""

from __future__ import annotations

import gzip
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from mpicode.datasets import open_dataset
from mpicode.datasets.importers import arrays, npy
from mpicode.errors import ConfigError, DataError

FASHION = Path(__file__).parents[3] / "shared" / "data" / "fashion-mnist"


@pytest.fixture
def load(tmp_path, command):
    def run(*words, task="multiclass"):
        out = tmp_path / "out.h5"
        assert command("import", *words, "--task", task, "-o", out, "--force") == 0
        with open_dataset(out) as data:
            X, y = data.read(0, data.n_samples, "float64")
            return X.toarray() if data.sparse else X, y, data.stored

    return run


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 256)
    monkeypatch.setattr(npy, "BLOCK_BYTES", 256)


def idx(path, array, code, kind):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    data = header + array.astype(kind).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("code", "kind", "stored"),
    [
        (0x08, "u1", "uint8"),
        (0x09, "i1", "int8"),
        (0x0B, ">i2", "float64"),
        (0x0C, ">i4", "float64"),
        (0x0D, ">f4", "float32"),
        (0x0E, ">f8", "float64"),
    ],
)
@pytest.mark.usefixtures("small_blocks")
def test_idx(tmp_path, load, suffix, code, kind, stored):
    images = np.arange(50 * 3 * 4).reshape(50, 3, 4) % 120
    labels = np.arange(50) % 7
    X = idx(tmp_path / f"x-idx3-ubyte{suffix}", images, code, kind)
    y = idx(tmp_path / f"y-idx1-ubyte{suffix}", labels, 0x08, "u1")
    A, b, dtype = load(X, y)
    assert dtype.name == stored
    assert_allclose(A, images.reshape(50, 12) * (1 / 255 if stored == "uint8" else 1))
    assert_array_equal(b, labels)
    A, _, dtype = load(X, y, "--scale", "1/2", "--dtype", "float32")
    assert dtype == np.float32
    assert_allclose(A, images.reshape(50, 12) / 2)


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"no {FASHION.name} files beside the repository")
def test_fashion_mnist(load):
    X, y, stored = load(
        FASHION / "t10k-images-idx3-ubyte.gz", FASHION / "t10k-labels-idx1-ubyte.gz"
    )
    assert (X.shape, stored.name) == ((10_000, 784), "uint8")
    assert_array_equal(np.bincount(y), np.full(10, 1000))
    assert (X.min(), X.max()) == (0.0, 1.0)


def test_damaged_idx(tmp_path, load):
    y = idx(tmp_path / "y.idx", np.arange(10) % 2, 0x08, "u1")
    x = idx(tmp_path / "x.idx", np.ones((10, 4)), 0x08, "u1")
    whole = x.read_bytes()
    for keep, message in ((2, "not an IDX file"), (7, "inside its header"), (30, "row 4 of 10")):
        x.write_bytes(whole[:keep])
        with pytest.raises(DataError, match=rf"x\.idx: .*{message}"):
            load(x, y)
    x.write_bytes(b"\x89PNG" + whole)
    with pytest.raises(DataError, match="not an IDX file: starts with 89 50 4e 47"):
        load(x, y)
    idx(x, np.ones((9, 4)), 0x08, "u1")
    with pytest.raises(DataError, match=r"9 rows, but .*y\.idx has 10 labels"):
        load(x, y)
    with pytest.raises(ConfigError, match="wants a second file"):
        load(x)
    with pytest.raises(DataError, match=r"none\.idx: no such file"):
        load(x, tmp_path / "none.idx")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "i8", "u1", "?"])
@pytest.mark.usefixtures("small_blocks")
def test_npy(tmp_path, load, order, kind):
    X = (np.arange(60).reshape(20, 3) % 17).astype(kind, order=order)
    y = np.arange(20).reshape(20, 1) % 3
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    A, b, _ = load(tmp_path / "X.npy", tmp_path / "y.npy")
    assert_array_equal(A, X)
    assert_array_equal(b, y[:, 0])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.usefixtures("small_blocks")
def test_npz(tmp_path, load, save):
    X, y = np.random.default_rng(0).standard_normal((40, 5)), np.arange(40) / 7
    save(tmp_path / "a.npz", X=X, y=y, data=X + 1, target=y + 1)
    A, b, _ = load(tmp_path / "a.npz", task="regression")
    assert_array_equal(A, X)
    assert_array_equal(b, y)
    keys = ["--x-key", "data", "--y-key", "target"]
    A, b, _ = load(tmp_path / "a.npz", *keys, task="regression")
    assert_array_equal(A, X + 1)
    assert_array_equal(b, y + 1)
    with pytest.raises(DataError, match="no array 'Z' in it; it has X, y, data, target"):
        load(tmp_path / "a.npz", "--x-key", "Z")


@pytest.mark.usefixtures("small_blocks")
def test_sparse_npz(tmp_path, load):
    X = sparse.random_array((80, 30), density=0.2, rng=np.random.default_rng(1), format="csr")
    y = np.arange(80) % 2
    sparse.save_npz(tmp_path / "X.npz", X)
    np.save(tmp_path / "y.npy", y)
    A, b, _ = load(tmp_path / "X.npz", tmp_path / "y.npy", "--shards", 3)
    assert_array_equal(A, X.toarray())
    assert_array_equal(b, y)
    sparse.save_npz(tmp_path / "C.npz", X.tocsc())
    with pytest.raises(DataError, match=r"C\.npz: the sparse matrix is b'csc', wants csr"):
        load(tmp_path / "C.npz", tmp_path / "y.npy")
    parts = {"data": X.data, "indices": X.indices + 25, "indptr": X.indptr, "shape": X.shape}
    np.savez(tmp_path / "W.npz", **parts)
    with pytest.raises(DataError, match="a column number is not in 0 to 29"):
        load(tmp_path / "W.npz", tmp_path / "y.npy")
    np.savez(tmp_path / "S.npz", **(parts | {"data": X.data[:-1]}))
    with pytest.raises(DataError, match=r"S\.npz: data has 479 entries, indptr says 480"):
        load(tmp_path / "S.npz", tmp_path / "y.npy")
    np.savez(tmp_path / "D.npz", **(parts | {"shape": np.array([80, 30, 2])}))
    with pytest.raises(DataError, match=r"D\.npz: shape has shape \(3,\), not that of a matrix's"):
        load(tmp_path / "D.npz", tmp_path / "y.npy")


def test_damaged_members_of_a_zip_archive(tmp_path, load):
    X = sparse.random_array((8, 3), density=0.5, rng=np.random.default_rng(1), format="csr")
    np.save(tmp_path / "y.npy", np.arange(8) % 2)
    sparse.save_npz(tmp_path / "X.npz", X, compressed=False)
    with zipfile.ZipFile(tmp_path / "X.npz") as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(tmp_path / "F.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, b"no array" if name == "format.npy" else data)
    with pytest.raises(DataError, match=r"F\.npz: format is no array as scipy saves it"):
        load(tmp_path / "F.npz", tmp_path / "y.npy")
    # bit 0 of the flags in each local header and in the directory: encrypted
    data = bytearray((tmp_path / "X.npz").read_bytes())
    for begin, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(begin)
        while place >= 0:
            data[place + at] |= 1
            place = data.find(begin, place + 1)
    (tmp_path / "E.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"E\.npz: cannot be read: .*encrypted"):
        load(tmp_path / "E.npz", tmp_path / "y.npy")


def test_bad_npy_and_npz(tmp_path, load):
    y = tmp_path / "y.npy"
    np.save(y, np.arange(10) % 2)

    def refuses(name, message, *more):
        with pytest.raises(DataError, match=message) as caught:
            load(tmp_path / name, *more)
        assert "\n" not in str(caught.value)

    np.save(tmp_path / "o.npy", np.array([{}] * 10, dtype=object), allow_pickle=True)
    refuses("o.npy", "holds pickled Python objects, which are never loaded", y)
    np.save(tmp_path / "c.npy", np.ones((10, 2), complex))
    refuses("c.npy", "holds complex128, not real numbers", y)
    np.save(tmp_path / "n.npy", np.full((10, 2), np.nan))
    refuses("n.npy", r"n\.npy: row 0, column 0: value nan", y)
    (tmp_path / "t.npy").write_text("no array")
    refuses("t.npy", r"t\.npy: not a npy file", y)
    np.save(tmp_path / "w.npy", np.ones((10, 2)))
    refuses("w.npy", r"w\.npy: labels have shape \(10, 2\)", tmp_path / "w.npy")
    data = (tmp_path / "w.npy").read_bytes()
    (tmp_path / "w.npy").write_bytes(data[:-40])
    refuses("w.npy", r"w\.npy: cut short: ends in row 7 of 10", y)
    np.save(tmp_path / "f.npy", np.ones((10, 2), order="F"))
    data = (tmp_path / "f.npy").read_bytes()
    (tmp_path / "f.npy").write_bytes(data[:-40])
    refuses("f.npy", r"f\.npy: cut short", y)
    np.savez(tmp_path / "f.npz", X=np.ones((10, 2), order="F"), y=np.arange(10))
    refuses("f.npz", "X is stored by columns; save it with numpy.ascontiguousarray")
    (tmp_path / "b.npz").write_text("no archive")
    refuses("b.npz", r"b\.npz: damaged: File is not a zip file")
    with pytest.raises(ConfigError, match="cannot tell its format by the name; --format csv"):
        load(tmp_path / "what.dat")
