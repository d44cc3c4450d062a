"""``mpicode infer --simulate`` as a process of its own; under MPI it is tried in tests/mpi."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import tomli_w

import mpicode

COMMAND = [sys.executable, "-m", "mpicode", "infer"]


@pytest.fixture
def job(digits, tmp_path):
    """Write a configuration; its path and its tables."""

    def make(**changes):
        tables = {
            "data": {"path": digits},
            "problem": {"name": "mlp", "hidden": [8]},
            "code": {"name": "letcc", "n_blocks": 4, "n_stragglers": 2},
            "run": {"n_workers": 12},
            "infer": {"check": 0.1, "batch_size": 600},
            **changes,
        }
        path = tmp_path / "job.toml"
        path.write_text(tomli_w.dumps(tables))
        return path, tables

    return make


def call(*arguments, folder):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=folder, timeout=60
    )


def test_it_writes_what_the_call_gives_and_sums_it_up(job, tmp_path):
    path, tables = job()
    done = call(path, "--simulate", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    wanted = mpicode.infer(tables)
    with h5py.File(tmp_path / "job.h5") as file:
        assert np.array_equal(file["values"][:], wanted.values)
        assert file.attrs["kind"] == "inference"
    found = wanted.comparison
    lines = done.stderr.splitlines()
    assert "mpicode: 1797 values of 10 numbers in 3 rounds" in lines
    assert f"  beside the labels: accuracy {found['accuracy']:.4f}" in lines
    assert any(
        line.startswith("  10 to 10 of 12 answers used, Lebesgue constant") for line in lines
    )
    assert any("decoder (generalisation)" in line for line in lines)
    assert any(line.startswith("  beside 180 uncoded: agreement ") for line in lines)


def test_over_a_field_it_says_what_rounding_does(job, tmp_path):
    path, _ = job(
        code={"name": "lagrange", "n_blocks": 4, "degree": 1, "prime": 2**61 - 1},
        problem={"name": "softmax"},
        infer={"check": 0.1},
    )
    done = call(path, "--simulate", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "  4 to 4 of 12 answers used, decoding is exact over the field" in done.stderr
    assert "  rounded rows shift no value by more than " in done.stderr
    assert "nan" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"infer": {"zzz": 1}}, 2, "infer.zzz: no such key; "),
        ({"code": {"name": "cyclic"}}, 2, "code.name: 'cyclic' serves gradient requests"),
        ({"data": {"path": "nowhere.h5"}}, 3, "nowhere.h5"),
        ({"infer": {"parameters": "nowhere.h5"}}, 3, "nowhere.h5"),
        ({"infer": {"parameters": "job.h5"}}, 2, "output.path: "),
        (
            {
                "code": {"name": "lagrange", "degree": 1, "points": "chebyshev"},
                "problem": {"name": "softmax"},
                "decoding": {"deadline": 1.0},
                "delays": {"name": "fixed", "slow_workers": list(range(11)), "seconds": 9.0},
            },
            4,
            "1 of 12 answers arrived by the deadline of 1 s, 'lagrange' wants 2",
        ),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(job, tmp_path, changes, code, text):
    path, _ = job(**changes)
    done = call(path, "--simulate", folder=tmp_path)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mpicode: error: ")
    assert text in done.stderr
    assert not (tmp_path / "job.h5").exists()
