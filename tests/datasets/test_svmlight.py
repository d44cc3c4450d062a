from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from mpicode.datasets import open_dataset
from mpicode.datasets.importers import svmlight
from mpicode.errors import DataError


@pytest.fixture
def load(tmp_path, command):
    """Import text and read all rows."""

    def run(text, *words, task="binary", name="a.svm"):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        out = tmp_path / "out.h5"
        assert command("import", path, "--task", task, "-o", out, "--force", *words) == 0
        with open_dataset(out) as data:
            X, y = data.read(0, data.n_samples)
            return X.toarray() if data.sparse else X, y

    return run


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("dense", [[], ["--dense"]])
def test_what_scikit_learn_writes_comes_back(load, monkeypatch, zero_based, dense):
    monkeypatch.setattr(svmlight, "BLOCK_BYTES", 700)  # several blocks
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 13)) * (rng.random((60, 13)) < 0.4)
    X[:, 0], X[:, -1] = 1.5, -2.0  # so that both ends of the columns occur
    X[20] = 0.0
    y = rng.standard_normal(60)
    buffer = io.BytesIO()
    dump_svmlight_file(
        X, y, buffer, zero_based=zero_based, comment="made\nhere", query_id=np.arange(60)
    )
    A, b = load(buffer.getvalue(), *dense, task="regression", name="a.svm.gz")
    expected, labels = load_svmlight_file(
        io.BytesIO(buffer.getvalue()), zero_based=zero_based, n_features=13
    )
    assert_array_equal(A, expected.toarray())
    assert_array_equal(b, labels)
    assert_allclose(A, X)


def test_labels_of_two_classes_become_0_and_1(load):
    assert_array_equal(load("-1 1:1\n+1 2:1\n-1 1:1\n")[1], [0, 1, 0])
    assert_array_equal(load("1 1:1\n0 2:1\n")[1], [1, 0])
    assert_array_equal(load("1 1:1\n2 2:1\n")[1], [0, 1])
    assert_array_equal(load("1 1:1\n1 2:1\n")[1], [1, 1])


def test_classes_keep_their_order(load):
    text = "30 1:1\n10 1:1\n20 1:1\n"
    assert_array_equal(load(text, task="multiclass")[1], [2, 0, 1])
    given = load(text, "--classes", "10,15,20,30", task="multiclass")[1]
    assert_array_equal(given, [3, 0, 2])
    assert_array_equal(load("2 1:1\n0 1:1\n", "--classes", "4", task="multiclass")[1], [2, 0])


def test_the_number_of_features_and_the_first_index_can_be_said(load):
    assert load("1 2:1\n0 4:1\n")[0].shape == (2, 4)
    assert load("1 2:1\n0 4:1\n", "--zero-based")[0].shape == (2, 5)
    assert load("1 2:1\n0 4:1\n", "--n-features", 9)[0].shape == (2, 9)
    assert load("1 0:7\n0 4:1\n")[0][0, 0] == 7


def test_blank_lines_comments_tabs_and_no_last_newline(load):
    X, y = load("# head\n\n1\t1:2  3:4 # tail 9:9\n   \n0 qid:3 2:5")
    assert_array_equal(X, [[2, 0, 4], [0, 5, 0]])
    assert_array_equal(y, [1, 0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("one 1:1", "label 'one' is not a number"),
        ("1,2 1:1", "label '1,2' is not a number"),
        ("1:1 2:1", "label '1:1' is not a number"),
        ("1 1:1 2", "'2' is not index:value"),
        ("1 2 3:4:5", "'2' is not index:value"),
        ("1 2: 3:4", "'2:' is not index:value"),
        ("1 :2", "':2' is not index:value"),
        ("1 1:x", "'1:x' is not index:value"),
        ("1 1.5:2", "'1.5:2' is not index:value"),
        ("1 -3:2", "'-3:2' is not index:value"),
        ("1 3:1 2:1", "index 2 after index 3"),
        ("1 3:1 3:1", "index 3 after index 3"),
    ],
)
def test_a_bad_line_is_named(load, line, message):
    with pytest.raises(DataError, match=rf"a\.svm: line 4: {message}") as caught:
        load(f"# comment\n1 1:1\n0 2:1\n{line}\n1 1:1\n")
    assert "\n" not in str(caught.value)


def test_other_bad_input(load, tmp_path, command):
    with pytest.raises(DataError, match="index 0, though"):
        load("1 0:1\n0 2:1\n", "--no-zero-based")
    with pytest.raises(DataError, match="has 4 features, 3 were announced"):
        load("1 2:1\n0 4:1\n", "--n-features", 3)
    with pytest.raises(DataError, match="3 distinct labels, a binary task has 2"):
        load("1 2:1\n2 4:1\n3 1:1\n")
    with pytest.raises(DataError, match=r"row 1, column 1: value nan"):
        load("1 1:1\n0 1:2 2:nan\n")
    with pytest.raises(DataError, match=r"row 1: label nan"):
        load("1 1:1\nnan 1:2\n", task="regression")
    with pytest.raises(DataError, match=r"label 7 is not one of the classes"):
        load("1 1:1\n7 1:2\n", "--classes", "3", task="multiclass")
    packed = gzip.compress(b"1 1:1\n0 2:1\n" * 1000)
    (tmp_path / "cut.svm.gz").write_bytes(packed[:-20])
    with pytest.raises(DataError, match=r"cut\.svm\.gz: cut short"):
        command("import", tmp_path / "cut.svm.gz", "--task", "binary", "-o", tmp_path / "b.h5")
    assert not list(tmp_path.glob("*.part"))


def test_a_line_longer_than_a_block(load, monkeypatch):
    monkeypatch.setattr(svmlight, "BLOCK_BYTES", 50)
    line = " ".join(f"{i}:{i}" for i in range(1, 400))
    X, _ = load(f"1 {line}\n0 2:1\n")
    assert_array_equal(X[0], np.arange(1, 400))
