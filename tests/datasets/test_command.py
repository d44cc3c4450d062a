"""``mpicode data``: what it prints, and what leaves with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mpicode.datasets import open_dataset
from mpicode.errors import ConfigError, DataError

DATA = Path(__file__).parents[2] / "data"


def test_info_as_json(tmp_path, command, capsys):
    out = tmp_path / "a.h5"
    words = "make least-squares --n-samples 100 --n-features 5 --shards 3 --seed 7 -o"
    assert command(*words.split(), out) == 0
    capsys.readouterr()
    assert command("info", out, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_samples"] == 100
    assert facts["n_features"] == 5
    assert facts["n_shards"] == 3
    assert facts["task"] == "regression"
    assert facts["answer"] is True
    assert facts["license"] == "CC0-1.0"
    with open_dataset(out) as data:
        assert facts["fingerprint"] == data.fingerprint


def test_info_for_people(tmp_path, command, rows, write, capsys):
    assert command("info", write(tmp_path / "a.h5", *rows(sparse=True))) == 0
    text = capsys.readouterr().err
    assert "57 x 11 features (CSR, " in text
    assert "multiclass, 3 classes" in text
    assert "made here" in text


def test_check(tmp_path, command, rows, write, capsys):
    path = write(tmp_path / "a.h5", *rows())
    assert command("check", path) == 0
    with h5py.File(path, "r+") as file:
        file["X"][5, 6] = np.nan
        file["y"][9] = 5
    capsys.readouterr()
    with pytest.raises(DataError, match=r"X, row 5, column 6: nan \(and 2 more, above\)") as caught:
        command("check", path)
    assert caught.value.exit_code == 3
    assert f"{path}: y, row 9: label 5 is not one of 0 to 2" in capsys.readouterr().err


def test_the_source_and_its_hash_are_in_the_file(tmp_path, command):
    import hashlib

    source = tmp_path / "a.csv"
    source.write_text("a,b\n1,0\n2,1\n")
    words = f"import {source} --label b --task binary -o {tmp_path}/a.h5 --license".split()
    command(*words, "CC BY 4.0")
    with open_dataset(tmp_path / "a.h5") as data:
        assert data.meta.source == "a.csv"
        assert data.meta.license == "CC BY 4.0"
        assert (
            data.meta.source_sha256 == f"a.csv: {hashlib.sha256(source.read_bytes()).hexdigest()}"
        )


def test_an_output_that_is_there_is_refused_before_the_source_is_read(tmp_path, command):
    (tmp_path / "a.h5").write_text("precious")
    with pytest.raises(ConfigError, match=r"a\.h5: is there already; --force"):
        command("import", tmp_path / "none.csv", "-o", tmp_path / "a.h5")
    with pytest.raises(ConfigError, match=r"a\.h5: is there already; --force"):
        command(
            *["make", "logistic", "--n-samples", "3", "--n-features", "2", "-o"], tmp_path / "a.h5"
        )
    assert (tmp_path / "a.h5").read_text() == "precious"


@pytest.mark.parametrize("scale", ["0", "1/0", "x"])
def test_a_scale_that_is_no_factor(command, scale, capsys):
    with pytest.raises(SystemExit) as caught:
        command("import", "a.csv", "-o", "a.h5", "--scale", scale)
    assert caught.value.code == 2
    assert "is no number or fraction other than 0" in capsys.readouterr().err


def test_the_parser_loads_nothing_heavy():
    program = (
        "import argparse, sys; from mpicode.cli.data import add_parser;"
        "add_parser(argparse.ArgumentParser().add_subparsers());"
        "print({'numpy', 'scipy', 'h5py', 'tqdm', 'mpi4py'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=DATA.parent
    )
    assert done.stdout.strip() == "set()"


def test_the_command_line_offers_what_there_is():
    """The parser lists names itself, so as not to load the packages that know them."""
    from mpicode.cli import data, data_import
    from mpicode.datasets import importers, layout, synthetic

    assert data_import.TASKS == layout.TASKS
    assert data_import.DTYPES == layout.STORED_DTYPES
    assert data_import.FORMATS == importers.FORMATS
    assert data.KINDS == synthetic.KINDS


def test_a_long_import_says_now_and_then_how_far_it_is(tmp_path, command, monkeypatch, capsys):
    from mpicode.datasets import progress
    from mpicode.datasets.importers import csv

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(csv, "BLOCK_CELLS", 20)
    (tmp_path / "a.csv").write_text("a,b\n" + "1,0\n2,1\n" * 100)
    command(*f"import {tmp_path}/a.csv --label b --task binary -o {tmp_path}/a.h5".split())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "looking through a.csv: 100 % of 804 bytes"
    assert "importing a.csv: 100 % of 804 bytes" in lines


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [("digits", (1797, 64), 10), ("fashion-mnist-10k", (10_000, 784), 10)],
)
def test_the_data_that_come_along(command, name, shape, n_classes):
    path = DATA / f"{name}.h5"
    assert command("check", path) == 0
    with open_dataset(path) as data:
        assert (data.n_samples, data.n_features) == shape
        assert data.n_classes == n_classes
        assert data.meta.source
        assert data.meta.license
        assert len(data.meta.source_sha256) >= 64
        X, y = data.read(0, data.n_samples)
    assert (X.min(), X.max()) == (0.0, 1.0)
    # shuffled, so that blocks of consecutive rows are alike
    thirds = [np.bincount(part, minlength=10) / len(part) for part in np.array_split(y, 3)]
    assert np.abs(np.array(thirds) - 0.1).max() < 0.04


def test_the_data_that_come_along_are_small():
    assert sum(path.stat().st_size for path in DATA.glob("*.h5")) < 12e6
