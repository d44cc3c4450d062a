from __future__ import annotations

import argparse
import importlib
import json
import sys

import h5py
import numpy as np
import pytest

from mpicode.errors import ConfigError, DataError
from mpicode.results import RunWriter


@pytest.fixture
def mpicode():
    """Run ``mpicode`` with these arguments in this process."""

    def run(*arguments):
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        for name in ("report", "export"):
            importlib.import_module(f"mpicode.cli.{name}").add_parser(commands)
        options = parser.parse_args([str(argument) for argument in arguments])
        return options.command(options)

    return run


def test_report_prints_a_table_and_draws(tmp_path, write_run, mpicode, capsys):
    pytest.importorskip("matplotlib")
    write_run(tmp_path / "a.h5", n_iterations=20)
    live = write_run(tmp_path / "b.h5", n_iterations=10, code="uncoded", close=False)
    assert mpicode("report", tmp_path / "a.h5", live.part, "-o", tmp_path / "out", "--json") == 0
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [(r["run"], r["code"], r["n_iterations"], r["complete"]) for r in rows] == [
        ("a", "cyclic", 20, True),
        ("b", "uncoded", 10, False),
    ]
    assert "20 iterations done" in err
    assert "mpicode: b is not complete: running" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "loss.png", "iterations.png", "waiting.png", "comparison.png",
        "timeline-a.png", "timeline-b.png",
    }  # fmt: skip


def element(code, seed, number=None):
    """Return the configuration of an element of a sweep over code and seed, or of a run alone."""
    text = f'[code]\nname = "{code}"\n[run]\nseed = {seed}\n[output]\npath = "{code}{seed}"\n'
    if number is not None:
        text += f'[element]\nnumber = {number}\nchanges = {{ "run.seed" = {seed} }}\n'
    return text


@pytest.fixture
def drawn(monkeypatch):
    """Draw nothing; what would have been drawn: labels of the runs, names of their files."""
    seen = []

    def draw(runs, folder, names):
        seen.append((list(runs), names))
        return []

    monkeypatch.setattr("mpicode.report.draw", draw)
    return seen


def test_a_folder_is_compared_by_what_differs(tmp_path, mpicode, capsys, drawn):
    for number in (10, 2, 0):
        write(tmp_path / f"run-{number}.h5", element("cyclic", number, number))
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.attrs["schema"] = 1
    (tmp_path / "torn.h5").write_bytes(b"nothing")
    assert mpicode("report", tmp_path, "-o", tmp_path / "out", "--json") == 0
    out, err = capsys.readouterr()
    rows = [(row["run"], row["label"]) for row in json.loads(out)]
    assert rows == [("run-0", "seed 0"), ("run-2", "seed 2"), ("run-10", "seed 10")]
    assert "differs by" in err
    assert "mpicode: left out: " in err
    assert "torn.h5" in err
    assert "data.h5" not in err
    assert drawn == [(["seed 0", "seed 2", "seed 10"], ["run-0", "run-2", "run-10"])]


def test_runs_named_one_by_one_keep_their_names_unless_they_are_a_sweep(
    tmp_path, mpicode, capsys, drawn
):
    def told(number):
        paths = [tmp_path / f"{name}.h5" for name in "ab"]
        for seed, path in enumerate(paths):
            write(path, element("cyclic", seed, number))
        mpicode("report", *paths, "-o", tmp_path / "out", "--json")
        return [row["label"] for row in json.loads(capsys.readouterr().out)]

    assert told(None) == ["", ""]
    assert told(3) == ["seed 0", "seed 1"]
    assert drawn == [(["a", "b"], ["a", "b"]), (["seed 0", "seed 1"], ["a", "b"])]


def write(path, config):
    """Write a run file of one iteration."""
    with RunWriter(path, {"config": config}, 2) as writer:
        writer.iteration({"loss": 1.0, "started": 0.0, "seconds": 1.0, "wait": 0.5}, {})
        writer.close(None, True, "1 iterations done")


def test_a_folder_without_runs_is_told(tmp_path, mpicode):
    with pytest.raises(DataError, match=r"there is no run file in this folder$"):
        mpicode("report", tmp_path)


def test_many_runs_have_no_timelines(tmp_path, mpicode, capsys):
    pytest.importorskip("matplotlib")
    for number in range(13):
        write(tmp_path / f"run-{number}.h5", element("cyclic", number))
    assert mpicode("report", tmp_path, "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.png", "iterations.png", "loss.png", "waiting.png",
    ]  # fmt: skip
    assert "timelines are drawn for 12 runs at most, these are 13" in capsys.readouterr().err


def test_without_json_nothing_goes_to_stdout(tmp_path, write_run, mpicode, capsys):
    pytest.importorskip("matplotlib")
    write_run(tmp_path / "a.h5", n_iterations=3)
    mpicode("report", tmp_path / "a.h5", "-o", tmp_path / "out")
    assert capsys.readouterr().out == ""


def test_without_matplotlib_the_table_comes_all_the_same(
    tmp_path, write_run, mpicode, capsys, monkeypatch
):
    write_run(tmp_path / "a.h5", n_iterations=3)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'mpicode\[analysis\]'"):
        mpicode("report", tmp_path / "a.h5", "-o", tmp_path / "out")
    assert "3 iterations done" in capsys.readouterr().err


def test_report_names_the_file_it_cannot_read(tmp_path, mpicode):
    with pytest.raises(DataError, match=r"gone\.h5: no such file"):
        mpicode("report", tmp_path / "gone.h5")


def test_export_writes_beside_the_run(tmp_path, write_run, mpicode, capsys):
    write_run(tmp_path / "a.h5", n_iterations=3)
    assert mpicode("export", tmp_path / "a.h5") == 0
    with np.load(tmp_path / "a.npz") as loaded:
        np.testing.assert_array_equal(loaded["parameters"], np.arange(10) / 3)
    assert "a.npz written" in capsys.readouterr().err


def test_export_of_an_unfinished_run_says_so(tmp_path, write_run, mpicode, capsys):
    live = write_run(tmp_path / "a.h5", n_iterations=3, close=False)
    assert mpicode("export", live.part, "-o", tmp_path / "out.npz") == 0
    assert "is of an unfinished run" in capsys.readouterr().err
    assert (tmp_path / "out.npz").exists()
