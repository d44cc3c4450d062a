from __future__ import annotations

import gzip
from itertools import combinations

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mpicode.datasets import open_dataset
from mpicode.datasets.importers import csv as importer
from mpicode.errors import ConfigError, DataError

TABLE = """day,carrier,delay,late,when
1,UA,2.5,no,2013-01-07
2,"A,A",-3,yes,2013-01-12
2,UA,1e3,no,2013-01-13T05:00:00Z
10,B6,0,no,2013-01-07
"""
LATE = ["--label", "late", "--task", "binary"]


@pytest.fixture
def load(tmp_path, command):
    """Import text and read all rows; the file stays as out.h5."""

    def run(text, *words, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        out = tmp_path / "out.h5"
        assert command("import", path, "-o", out, "--force", *words) == 0
        with open_dataset(out) as data:
            X, y = data.read(0, data.n_samples)
            return X.toarray() if data.sparse else X, y

    return run


def test_numbers(load):
    for name in ("a.csv", "a.csv.gz"):
        X, y = load(
            TABLE, *["--label", "late", "--task", "binary", "--columns", "delay,day"], name=name
        )
        assert_array_equal(X, [[2.5, 1], [-3, 2], [1000, 2], [0, 10]])
        assert_array_equal(y, [0, 1, 0, 0])


def test_without_a_header_columns_are_numbers(load):
    words = [
        "--no-header",
        "--label",
        "-1",
        "--task",
        "multiclass",
        "--delimiter",
        ";",
        "--scale",
        "1/2",
    ]
    X, y = load("1;2;7\n3;4;8\n5;6;9\n", *words)
    assert_array_equal(X, [[0.5, 1], [1.5, 2], [2.5, 3]])
    assert_array_equal(y, [0, 1, 2])
    assert_array_equal(load("1;2;7\n3;4;8\n", *words, "--columns", "1")[0], [[1], [2]])


def test_a_threshold_makes_numbers_binary(load):
    X, y = load(TABLE, *["--label", "delay", "--threshold", "2", "--columns", "day"])
    assert_array_equal(X, [[1], [2], [2], [10]])
    assert_array_equal(y, [1, 0, 1, 0])


def test_a_byte_order_mark_quotes_and_windows_lines(load):
    text = "\ufeff" + TABLE.replace("\n", "\r\n")
    X, _ = load(text, *["--label", "late", "--task", "binary", "--columns", "day"])
    assert_array_equal(X, [[1], [2], [2], [10]])


def test_one_hot_and_numbers_together(load, tmp_path):
    words = [
        "--label",
        "late",
        "--task",
        "binary",
        "--columns",
        "carrier,delay,day",
        "--one-hot",
        "carrier,day",
    ]
    X, _ = load(TABLE, *words)
    with h5py.File(tmp_path / "out.h5") as file:
        levels = [level.decode() for level in file["columns/levels"][:]]
        assert_array_equal(file["columns/terms"][:], [[i, -1] for i in range(7)])
        assert [c.decode() for c in file["classes"][:]] == ["no", "yes"]
    # numbers first; values in the order of numbers where all are
    assert levels == [
        "delay",
        "carrier=A,A",
        "carrier=B6",
        "carrier=UA",
        "day=1",
        "day=2",
        "day=10",
    ]
    expected = [
        [2.5, 0, 0, 1, 1, 0, 0],
        [-3, 1, 0, 0, 0, 1, 0],
        [1000, 0, 0, 1, 0, 1, 0],
        [0, 0, 1, 0, 0, 0, 1],
    ]
    assert_array_equal(X, expected)


@pytest.mark.parametrize("block", [1 << 16, 40])
def test_pairs_are_all_that_occur(load, tmp_path, monkeypatch, block):
    monkeypatch.setattr(importer, "BLOCK_CELLS", block)
    rng = np.random.default_rng(3)
    cells = rng.integers(0, [3, 5, 4], (80, 3))
    lines = ["a,b,c,y", *(f"{a},v{b},{c},{a % 2}" for a, b, c in cells)]
    X, _ = load(
        "\n".join(lines), *["--label", "y", "--task", "binary", "--pairs", "--dtype", "float32"]
    )
    with h5py.File(tmp_path / "out.h5") as file:
        levels = [level.decode() for level in file["columns/levels"][:]]
        terms = file["columns/terms"][:]
    names = [[f"a={a}", f"b=v{b}", f"c={c}"] for a, b, c in cells]
    found = sorted({pair for row in names for pair in combinations(row, 2)})
    assert X.shape[1] == len(levels) + len(found)
    meaning = [tuple(levels[i] for i in term if i >= 0) for term in terms]
    assert sorted(m for m in meaning if len(m) == 2) == found
    for row, values in zip(names, X, strict=True):
        expected = {(v,) for v in row} | set(combinations(row, 2))
        assert {meaning[i] for i in np.flatnonzero(values)} == expected
        assert set(values) == {0.0, 1.0}


def test_parts_of_a_date(load, tmp_path):
    words = ["--label", "late", "--task", "binary", "--columns"]
    parts = "when:weekday,when:month,when:day,when:year,when:hour"
    X, _ = load(TABLE, *words, parts)
    assert_array_equal(X, [[1, 1, 7, 2013, 0], [6, 1, 12, 2013, 0], [7, 1, 13, 2013, 5], X[0]])
    text = "y,m,d,late\n2013,1,7,no\n2013,11,30,yes\n"
    assert_array_equal(load(text, *words, "y-m-d:weekday")[0], [[1], [6]])
    with pytest.raises(DataError, match=r"row 2 \(line 3\), column 'y-m-d:weekday': '2013-13-30'"):
        load(text.replace("11", "13"), *words, "y-m-d:weekday")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1e3", "1e", r"row 3 \(line 4\), column 'delay': '1e' is not a finite number"),
        ("1e3", "inf", r"row 3 \(line 4\), column 'delay': 'inf' is not a finite number"),
        ("1e3", "NA", r"row 3 \(line 4\), column 'delay': missing value 'NA'; --drop-missing"),
        ("1e3", "", r"row 3 \(line 4\), column 'delay': missing value ''"),
        (",no,2013-01-13", ",,2013-01-13", r"row 3 \(line 4\), column 'late': missing value ''"),
        ("UA,1e3", "UA", r"row 3 \(line 4\): 4 cells, 5 were due"),
        ('"A,A"', '"A,\nA"', r"row 4 \(line 6\), column 'delay'"),
    ],
)
def test_a_bad_cell_is_named(load, old, new, message):
    text = TABLE.replace(old, new)
    if "\n" in new:  # a cell of two lines moves the lines, not the rows
        text = text.replace("B6,0", "B6,zero")
    words = ["--label", "late", "--task", "binary", "--columns", "day,delay"]
    with pytest.raises(DataError, match=r"a\.csv: " + message):
        load(text, *words)


def test_rows_with_missing_cells_are_dropped_on_demand(load, capsys):
    text = TABLE.replace("1e3", "NA").replace("B6", "")
    words = ["--label", "late", "--task", "binary", "--columns", "day,delay", "--drop-missing"]
    X, y = load(text, *words)  # carrier is not used, so its gap does not matter
    assert_array_equal(X, [[1, 2.5], [2, -3], [10, 0]])
    assert_array_equal(y, [0, 1, 0])
    assert "1 rows dropped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--task binary", "--label is missing"),
        ("--label late", "--task is missing; one of"),
        ("--label lat --task binary", "no column 'lat'; did you mean 'late'"),
        ("--label late --task binary --columns dai", "no column 'dai'; did you mean 'day'"),
        ("--label late --task binary --columns day,late", "--columns: 'late' is the label"),
        ("--label late --task binary --one-hot dya", "'dya' is no feature column"),
        ("--label late --task binary --pairs day", "at least 2 categorical"),
        ("--label late --task binary --one-hot --pairs", "one of them"),
        ("--label late --task binary --columns when:week", "did you mean 'weekday'"),
        ("--label late --task regression --threshold 1", "--threshold makes binary labels"),
        ("--label day --task regression --classes 3", "--classes goes with"),
        ("--label late --task binary --dense", "--dense is for svmlight"),
        ("--label late --task binary --columns day --shards 9", "--shards 9: the data has 4 rows"),
    ],
)
def test_a_wrong_command_line(load, words, message):
    with pytest.raises(ConfigError, match=message):
        load(TABLE, *words.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows left, 0 dropped"),
        ("a,b\n1,2\n", "1 distinct labels, a binary task has 2"),
        ("a,b\n1,0\n2,1\n3,2\n", "3 distinct labels"),
        ('a,b\n1,0\n2,"1\n', "cannot be read: unexpected end of data"),
    ],
)
def test_a_file_that_makes_no_dataset(load, text, message):
    with pytest.raises(DataError, match=message):
        load(text, "--label", "b", "--task", "binary")


def test_text_that_is_not_utf_8(tmp_path, command):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,\xff\xfe\n")
    with pytest.raises(DataError, match=r"a\.csv: is not UTF-8"):
        command(*f"import {tmp_path}/a.csv --label b --task binary -o {tmp_path}/o.h5".split())


def test_a_nul_is_named(load):
    with pytest.raises(DataError, match="line contains NUL"):
        load("label,a\n1,2\n\x00,3\n", "--label", "label", "--task", "multiclass")
