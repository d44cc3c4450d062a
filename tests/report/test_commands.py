from __future__ import annotations

import argparse
import importlib
import json
import sys

import numpy as np
import pytest

from mpicode.errors import ConfigError, DataError


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
        "loss.png", "waiting.png", "timeline-a.png", "timeline-b.png",
    }  # fmt: skip


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
