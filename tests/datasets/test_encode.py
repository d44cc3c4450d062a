"""What encoding writes, for any code over the data, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data.field import masks, quantise, signed
from mpicode.datasets import DatasetWriter, Meta, Shape, encode, open_dataset
from mpicode.datasets.coded import open_coded
from mpicode.datasets.coded_info import check_coded
from mpicode.datasets.encode import encode_dataset
from mpicode.datasets.mixing import Field, gaussian
from mpicode.errors import ConfigError, DataError

PRIME = 2**31 - 1


def code_of(storage, n_masks=0, name="made-up"):
    storage = np.asarray(storage)
    n_workers, n_columns = storage.shape
    return SimpleNamespace(
        name=name,
        n_workers=n_workers,
        n_blocks=n_columns - n_masks,
        n_masks=n_masks,
        storage=storage,
    )


@pytest.fixture
def dataset(tmp_path):
    """Write a dataset of some task."""

    def make(n=101, d=7, task="multiclass", dtype="float64", X=None, name="a.h5", **shape):
        rng = np.random.default_rng(n)
        X = rng.standard_normal((n, d)) if X is None else X
        n_classes = {"multiclass": 3, "binary": 2, "regression": 0}[task]
        y = rng.integers(0, n_classes, len(X)) if n_classes else rng.standard_normal(len(X))
        path = tmp_path / name
        n, d = X.shape
        with DatasetWriter(path, Shape(n, d, dtype, **shape), Meta(task, n_classes)) as writer:
            writer.append(X, y)
        return path

    return make


def plain(path, coded):
    """Return samples and label columns by slot and block, and what is where there is none."""
    with open_dataset(path) as data:
        X, y = data.read(0, data.n_samples, np.float64)
    if data.task == "multiclass":
        Y = np.eye(data.n_classes)[y]
    else:
        Y = (2 * y - 1 if data.task == "binary" else y)[:, None].astype(float)
    X, Y = (np.vstack([values, np.zeros(values.shape[1])]) for values in (X, Y))
    places = coded.samples(0, coded.index.n_slots)
    X, Y = X[places], Y[places]
    if data.task == "multiclass":
        for j in range(1, places.shape[1]):
            empty = places[:, j] < 0
            X[empty, j] = X[empty, j - 1]
    return X, Y


def everything(coded):
    """Return the coded samples and labels of all workers."""
    parts = []
    for worker in range(coded.index.n_workers):
        with coded.block(worker) as block:
            parts.append(block.read(0, block.n_slots))
    return np.stack([X for X, _ in parts]), np.stack([Y for _, Y in parts])


@pytest.fixture(params=["one window", "many windows"])
def windows(request, monkeypatch):
    """Cut the pass over the rows into few or many pieces."""
    if request.param == "many windows":
        monkeypatch.setattr(encode, "CHUNK_BYTES", 5 * 7 * 8)
        monkeypatch.setattr(encode, "READ_BYTES", 100)
        monkeypatch.setattr(encode, "WINDOW_BYTES", 20 * 7 * 8)


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("order", "task", "n", "n_blocks"),
    [
        ("none", "multiclass", 101, 4),
        ("class", "binary", 101, 4),
        ("class", "regression", 103, 4),
        ("path", "multiclass", 100, 4),
        ("path", "regression", 103, 5),
        ("path", "binary", 7, 7),
        ("path", "multiclass", 8, 1),
    ],
)
def test_each_file_holds_its_combination(tmp_path, dataset, order, task, n, n_blocks):
    path = dataset(n, task=task)
    storage = np.random.default_rng(0).standard_normal((n_blocks + 2, n_blocks))
    index = encode_dataset(path, tmp_path / "c", code_of(storage), {"k": 1}, order=order)
    with open_coded(tmp_path / "c") as coded, open_dataset(path) as data:
        assert coded.index == index
        assert coded.code == ("made-up", {"k": 1})
        assert index.fingerprint == data.fingerprint
        places = coded.samples(0, index.n_slots)
        assert_array_equal(np.sort(places[places >= 0]), np.arange(n))
        assert index.n_padding == (places < 0).sum()
        if task != "multiclass" or order == "none":
            assert index.n_padding == -n % n_blocks
            assert (places.reshape(-1)[n:] == -1).all()
        X, Y = plain(path, coded)
        X_coded, Y_coded = everything(coded)
        assert_allclose(X_coded, np.einsum("ij,sjd->isd", storage, X), atol=1e-12)
        assert_allclose(Y_coded, np.einsum("ij,sjd->isd", storage, Y), atol=1e-12)
    assert check_coded(tmp_path / "c") == []


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("order", ["class", "path"])
@pytest.mark.parametrize(("n", "apart"), [(400, True), (41, False)])
def test_no_group_mixes_classes_where_that_takes_few_places(tmp_path, dataset, order, n, apart):
    path = dataset(n)
    with open_dataset(path) as data:
        y = data.read(0, n)[1]
    index = encode_dataset(path, tmp_path / "c", code_of(np.eye(5)), {}, order=order)
    with open_coded(tmp_path / "c") as coded:
        places = coded.samples(0, index.n_slots)
    mixed = sum(len(set(y[slot[slot >= 0]])) > 1 for slot in places)
    if apart:
        assert index.n_slots == sum(-(-np.bincount(y) // 5))
        assert mixed == 0
    else:
        assert index.n_slots == 9
        assert 1 <= mixed <= 2


def test_samples_too_wide_to_wait_for_others_are_mixed(tmp_path, dataset, monkeypatch):
    monkeypatch.setattr(encode, "CHUNK_BYTES", 56)
    monkeypatch.setattr(encode, "WINDOW_BYTES", 4 * 56)
    index = encode_dataset(dataset(200), tmp_path / "c", code_of(np.eye(5)), {})
    assert index.n_slots == 40
    assert check_coded(tmp_path / "c") == []
    with open_coded(tmp_path / "c") as coded:
        assert (coded.samples(0, 40)[:39] >= 0).all()


@pytest.mark.parametrize(
    ("dtype", "scale", "complex_code", "stored"),
    [
        ("float32", None, False, "float32"),
        ("uint8", 0.5, False, "float32"),
        ("float32", None, True, "complex128"),
        ("float64", None, True, "complex128"),
    ],
)
def test_types(tmp_path, dataset, dtype, scale, complex_code, stored):
    X = np.random.default_rng(0).integers(0, 9, (50, 6)).astype(float)
    path = dataset(X=X, dtype=dtype, scale=scale)
    storage = np.random.default_rng(1).standard_normal((5, 3))
    if complex_code:
        storage = storage + 1j * storage[::-1]
    index = encode_dataset(path, tmp_path / "c", code_of(storage), {}, order="class")
    assert index.dtype == stored
    with open_coded(tmp_path / "c") as coded:
        X_coded, _ = everything(coded)
        assert X_coded.dtype == stored
        expected = np.einsum("ij,sjd->isd", storage, plain(path, coded)[0])
        assert_allclose(X_coded, expected, atol=1e-12 if complex_code else 1e-5)


def test_every_code_over_the_data_can_be_encoded_and_decoded_from(tmp_path, dataset):
    path = dataset(64)
    for name in codes.names("data"):
        code = codes.make(name, n_workers=9)
        folder = tmp_path / name
        encode_dataset(path, folder, code, {})
        with open_coded(folder) as coded:
            coded.see_that_it_is_of(code)
            X_coded, _ = everything(coded)
            # a function of degree 1: the identity
            decoded = code.decode(X_coded.reshape(9, -1), np.ones(9, bool), 1).values
            X = plain(path, coded)[0].transpose(1, 0, 2).reshape(code.n_blocks, -1)
            off = np.abs(decoded - X).max()
            # an approximate code is that; its own tests say how much
            assert off < (1e-9 if code.threshold("map", 1) is not None else 3.0), name


@pytest.mark.parametrize("prime", [PRIME, 2**61 - 1, 65537])
def test_a_field_is_exact_and_its_masks_come_off(tmp_path, dataset, prime):
    path = dataset(50, task="regression")
    code = codes.make("lagrange", n_workers=8, n_colluding=1, prime=prime)
    field = Field(prime, 4, 6, quantise, masks)
    index = encode_dataset(path, tmp_path / "c", code, {}, order="none", field=field)
    assert index.dtype == ("int64" if prime > 2**32 else "uint32")
    assert (index.prime, index.x_bits, index.y_bits) == (prime, 4, 6)
    assert index.mask_x == index.mask_y == 0.0
    with open_coded(tmp_path / "c") as coded:
        X, Y = plain(path, coded)
        for values, found, bits in zip((X, Y), everything(coded), (4, 6), strict=True):
            assert found.dtype == np.int64
            decoded = code.decode(found.reshape(8, -1), np.ones(8, bool), 1).values
            expected = np.rint(values * 2**bits).transpose(1, 0, 2).reshape(2, -1)
            assert_array_equal(signed(decoded, prime), expected)
            assert len(np.unique(found)) > 0.9 * min(found.size, prime)
    assert check_coded(tmp_path / "c") == []


@pytest.mark.parametrize("value", [-1, 2**61 - 1])
def test_a_number_that_is_none_of_the_field_is_named(tmp_path, dataset, value):
    prime = 2**61 - 1
    code = codes.make("lagrange", n_workers=8, n_colluding=1, prime=prime)
    field = Field(prime, 4, 6, quantise, masks)
    encode_dataset(dataset(50, task="regression"), tmp_path / "c", code, {}, field=field)
    with h5py.File(tmp_path / "c" / "worker-00002.h5", "r+") as file:
        file["Y"][7, 0] = value
    said = rf"worker-00002.h5: Y, slot 7, column 0: {value}, wants 0 to {prime - 1}$"
    with open_coded(tmp_path / "c") as coded, pytest.raises(DataError, match=said):
        coded.block(2).read(5, 9)
    (found,) = check_coded(tmp_path / "c")
    assert re.search(said, found)


def test_masks_are_fresh_gaussian_of_the_stated_scale(tmp_path, dataset):
    path = dataset(6000, X=3.0 + 2.0 * np.random.default_rng(0).standard_normal((6000, 5)))
    storage = np.array([[1.0, 0.0, 0.5], [0.5, 0.5, -1.0]])
    found = []
    for folder in ("c", "d"):
        index = encode_dataset(path, tmp_path / folder, code_of(storage, 1), {}, mask_scale=4.0)
        assert index.mask_x == pytest.approx(8.0, rel=0.1)
        assert index.mask_y == pytest.approx(4 * 0.47, rel=0.1)
        with open_coded(tmp_path / folder) as coded:
            (X, Y), (X_coded, Y_coded) = plain(path, coded), everything(coded)
            for values, out, scale in ((X, X_coded, index.mask_x), (Y, Y_coded, index.mask_y)):
                mask = (out - np.einsum("ij,sjd->isd", storage[:, :2], values)) / scale
                # one mask, in each worker's file by its own weight
                assert_allclose(mask[0], -0.5 * mask[1], atol=1e-9)
                assert abs(mask[1].mean()) < 0.05
                assert abs(mask[1].std() - 1) < 0.05
        found.append((index.encoding, X_coded))
    assert found[0][0] != found[1][0]
    assert (found[0][1] != found[1][1]).all()


def test_gaussian_numbers_are_such():
    drawn = gaussian(100_001)
    assert drawn.shape == (100_001,)
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
    assert abs((drawn**4).mean() - 3) < 0.3
    assert abs(np.mean(drawn > 1.96) - 0.025) < 0.005
    assert (gaussian(10) != gaussian(10)).all()


def test_without_masks_the_files_are_the_same_each_time(tmp_path, dataset):
    path = dataset()
    for folder in ("c", "d"):
        encode_dataset(path, tmp_path / folder, codes.make("berrut", n_workers=6), {})
    for file in (tmp_path / "c").iterdir():
        assert file.read_bytes() == (tmp_path / "d" / file.name).read_bytes()


def test_no_file_of_a_worker_holds_masks_or_what_others_hold(tmp_path, dataset):
    path = dataset()
    code = codes.make("lagrange", n_workers=9, n_colluding=1, prime=PRIME)
    field = Field(PRIME, 8, 16, quantise, masks)
    encode_dataset(path, tmp_path / "c", code, {"n_colluding": 1}, field=field)
    with open_dataset(path) as data:
        fingerprint = data.fingerprint
    for worker in range(9):
        file = tmp_path / "c" / f"worker-{worker:05d}.h5"
        with h5py.File(file) as open_file:
            assert set(open_file) == {"X", "Y", "storage"}
            assert_array_equal(open_file["storage"][:], code.storage[worker])
            assert not {"order", "fingerprint", "parameters", "source"} & set(open_file.attrs)
        # a fingerprint would let a worker try out what the data might be
        assert fingerprint.encode() not in file.read_bytes()


@pytest.mark.parametrize(
    ("storage", "n_masks", "message"),
    [
        (np.ones((3, 200)), 0, r"code\.n_blocks: 200 blocks, but .*a\.h5 has 101 rows"),
        ([[1, 1.0], [1, 0.0]], 1, "code 'made-up': worker 1 would hold data without a mask"),
    ],
)
def test_codes_that_do_not_fit(tmp_path, dataset, storage, n_masks, message):
    path = dataset()
    with pytest.raises(ConfigError, match=message):
        encode_dataset(path, tmp_path / "c", code_of(storage, n_masks), {})
    assert list(tmp_path.iterdir()) == [path]


def test_sparse_data_is_refused(tmp_path, rows, write):
    path = write(tmp_path / "a.h5", *rows(sparse=True))
    with pytest.raises(DataError, match=r"a\.h5: X is sparse \(\d+ % stored\) and its coded"):
        encode_dataset(path, tmp_path / "c", code_of(np.eye(3)), {})


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_numbers_that_are_not_finite_are_named(tmp_path, dataset, value):
    X = np.ones((101, 7))
    X[83, 5] = value
    path = dataset(X=X)
    with pytest.raises(DataError, match=rf"a\.h5: X, row 83, column 5: {value} cannot be coded"):
        encode_dataset(path, tmp_path / "c", code_of(np.eye(3)), {})
    assert list(tmp_path.iterdir()) == [path]


def test_a_number_too_large_for_the_field_is_named(tmp_path, dataset):
    path = dataset(X=np.full((20, 3), 2000.0))
    code = codes.make("lagrange", n_workers=5, prime=65537)
    with pytest.raises(DataError, match=r"a\.h5: row 19 or before: .* 2000, .*field of \d+ bits"):
        encode_dataset(path, tmp_path / "c", code, {}, field=Field(65537, 8, 8, quantise, masks))


def test_a_disk_that_is_too_small_is_told_before(tmp_path, dataset, monkeypatch):
    path = dataset()
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(DataError, match=r"c: 3 coded files take .* GB, 1e-06 GB free"):
        encode_dataset(path, tmp_path / "c", code_of(np.eye(3)), {})


PROGRAM = """
import os, resource, signal, sys
import numpy as np
from mpicode import codes
from mpicode.datasets import coded_files, encode
from mpicode.errors import DataError

path, folder, how = sys.argv[1:]
encode.CHUNK_BYTES = 4000
if how.isdigit():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(how), int(how)))
if how == "kill":
    append = coded_files.CodedWriter.append
    def until(self, *chunk):
        if self.slots:
            os.kill(os.getpid(), signal.SIGKILL)
        append(self, *chunk)
    coded_files.CodedWriter.append = until
try:
    encode.encode_dataset(path, folder, codes.make("berrut", n_workers=4), {}, force=True)
except DataError as error:
    print(error)
    sys.exit(3)
"""


def run(path, folder, how):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, path, folder, how],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.fixture
def encoded(tmp_path, dataset):
    """Return a dataset and the folder it is encoded in, with what is in there."""
    path, folder = dataset(4000), tmp_path / "c"
    encode_dataset(path, folder, codes.make("berrut", n_workers=3), {})
    return path, folder, {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("limit", ["1500", "9000"])
def test_a_full_disk_is_one_line_and_what_was_there_is_whole(tmp_path, encoded, limit):
    path, folder, before = encoded
    done = run(path, folder, limit)
    assert done.returncode == 3, done.stderr
    assert "cannot be written: file too large: " in done.stdout
    assert done.stdout.startswith(f"{folder}/")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert sorted(tmp_path.iterdir()) == [path, folder]


def test_a_killed_encoding_leaves_what_was_there_and_the_next_one_clears_up(tmp_path, encoded):
    path, folder, before = encoded
    assert run(path, folder, "kill").returncode == -9
    assert (tmp_path / "c.part").exists()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert run(path, folder, "well").returncode == 0
    assert sorted(tmp_path.iterdir()) == [path, folder]
    with open_coded(folder) as coded:
        assert coded.index.n_workers == 4


def test_only_coded_files_are_replaced_and_only_on_demand(tmp_path, encoded):
    path, folder, _ = encoded
    code = codes.make("berrut", n_workers=3)
    with pytest.raises(ConfigError, match=r"c: is there already; --force replaces it"):
        encode_dataset(path, folder, code, {})
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.tex: in the way"):
        encode_dataset(path, folder, code, {}, force=True)
    with pytest.raises(ConfigError, match=r"a\.h5: is there already and is no folder"):
        encode_dataset(path, path, code, {}, force=True)
    with pytest.raises(ConfigError, match=r"none: no such folder"):
        encode_dataset(path, tmp_path / "none" / "c", code, {})


def test_more_workers_than_files_may_be_open(tmp_path, dataset):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 200:
        pytest.skip("no more files may be open")
    path = dataset(20)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
        encode_dataset(path, tmp_path / "c", code_of(np.ones((60, 2))), {})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(list((tmp_path / "c").iterdir())) == 61


def test_command(tmp_path, dataset, command, capsys):
    path = dataset()
    words = ["encode", path, "-o", tmp_path / "c", "--code", "letcc", "--workers", 8]
    words += ["--set", "n_blocks=4", "--set", "code.n_stragglers=2"]
    assert command(*words, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["order"] == "path"
    assert facts["parameters"] == {"seed": 0, "n_blocks": 4, "n_stragglers": 2}
    assert command("info", tmp_path / "c", "--json") == 0
    assert json.loads(capsys.readouterr().out) == facts
    assert command("info", tmp_path / "c" / "coded.h5") == 0
    assert "8, of 4 blocks of data" in capsys.readouterr().err
    assert command("check", tmp_path / "c") == 0


def test_command_for_a_field(tmp_path, dataset, command, capsys):
    words = ["encode", dataset(), "-o", tmp_path / "c", "--code", "lagrange", "--workers", 8]
    words += ["--set", f"prime={PRIME}", "--set", "n_colluding=1"]
    assert command(*words, "--data-bits", 8) == 0
    said = capsys.readouterr().err
    assert f"modulo {PRIME}, 8 bits of fraction (Y: 20)" in said
    assert "uniform on the field" in said
    assert "order none, 1 places without a sample" in said
    with pytest.raises(ConfigError, match="--data-bits 20, --parameter-bits 12: together"):
        command(*words, "--data-bits", 20, "--force")


def test_a_field_too_small_for_the_gradient_is_refused_before_anything_is_written(
    tmp_path, dataset, command
):
    path = dataset(300, task="regression")
    words = ["encode", path, "-o", tmp_path / "c", "--code", "lagrange", "--workers", 8]
    words += ["--set", f"prime={PRIME}", "--data-bits", 6, "--parameter-bits", 8]
    text = r"^code\.prime: a field of 31 bits is too small, the gradient needs (\d+) with data_bits"
    with pytest.raises(ConfigError, match=text) as caught:
        command(*words)
    assert list(tmp_path.iterdir()) == [path]
    needed = int(str(caught.value).split("needs ")[1].split()[0])
    with open_dataset(path) as data:
        X, y = data.read(0, 300, np.float64)
    X, y = (np.abs(np.rint(2.0**bits * values)) for values, bits in ((X, 6), (y, 14)))
    largest = int(((X.sum(axis=1) * 16 * 2**8 + y) @ X).max())
    assert needed == (2 * largest).bit_length() + 1
    with pytest.raises(ConfigError, match=rf"the gradient needs {needed - 2} "):
        command(*words, "--largest-parameter", 4)
    assert command(*words, "--data-bits", 3, "--parameter-bits", 5) == 0
    # a linear map has no gradient, and wants less
    assert command(*words, "--set", "degree=1", "--force") == 0


def test_a_field_for_numbers_that_are_none_names_them(tmp_path, dataset, command):
    X = np.ones((101, 7))
    X[83, 5] = np.inf
    path = dataset(X=X, task="regression")
    words = ["encode", path, "-o", tmp_path / "c", "--code", "lagrange", "--workers", 8]
    with pytest.raises(DataError, match=r"a\.h5: X, row 83, column 5: inf cannot be coded"):
        command(*words, "--set", f"prime={PRIME}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--code", "cyclic"], "--code cyclic: combines gradients, not data"),
        (["--code", "berut"], "did you mean 'berrut'"),
        (["--code", "berrut", "--set", "n_block=2"], r"code\.n_block: no such parameter"),
        (["--code", "berrut", "--set", "n_workers=2"], "--set n_workers=2: that is for --workers"),
        (["--code", "berrut", "--set", "n_blocks"], "--set"),
        (["--code", "berrut", "--data-bits", "3"], "want --set prime=P with them"),
        (["--code", "berrut", "--largest-parameter", "3"], "want --set prime=P with them"),
    ],
)
def test_commands_that_are_refused(tmp_path, dataset, command, words, message):
    path = dataset()
    with pytest.raises(ConfigError, match=message):
        command("encode", path, "-o", tmp_path / "c", "--workers", 8, *words)
    assert list(tmp_path.iterdir()) == [path]
