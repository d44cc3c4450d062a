"""A sweep under a real SLURM: an array of jobs, a run file each, one comparison."""

import json

import tomli_w

from mpicode.results import read_run

from ..mpi.digits import DIGITS
from .telling import logs


def test_six_elements_make_six_run_files_and_one_comparison(cluster, tmp_path):
    folder = tmp_path / "six runs"
    folder.mkdir()
    path = folder / "sweep.toml"
    tables = {
        "data": {"path": str(DIGITS)},
        "problem": {"name": "softmax"},
        "optimizer": {"name": "gradient-descent", "step_size": 0.5},
        "run": {"n_workers": 2, "iterations": 5},
        "output": {"path": str(folder / "run.h5")},
        "sweep": {
            "grid": {
                "code.name": ["fractional-repetition", "cyclic"],
                "code.n_stragglers": [1],
                "run.seed": [0, 1, 2],
            }
        },
    }
    path.write_text(tomli_w.dumps(tables))
    done = cluster.mpicode("submit", path, "--array", "%4", "--wait", seconds=200)
    assert done.code == 0, done.err + logs(path)
    made = [read_run(folder / f"run-{element}.h5") for element in range(6)]
    assert all(run.complete and run.n_iterations == 5 for run in made)
    names = [("fractional-repetition", "cyclic")[element // 3] for element in range(6)]
    assert all(
        f'name = "{name}"' in run.attrs["config"] for name, run in zip(names, made, strict=True)
    )
    assert [run.attrs["seed"] for run in made] == [0, 1, 2, 0, 1, 2]
    assert sorted(each.name for each in folder.glob("run*.h5")) == [
        f"run-{element}.h5" for element in range(6)
    ]
    done = cluster.mpicode("report", folder, "-o", tmp_path / "report", "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)) == 6
    assert list((tmp_path / "report").glob("*.png"))


def test_one_element_can_be_submitted_alone(cluster, tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(
        f'data.path = "{DIGITS}"\nproblem.name = "softmax"\n'
        'optimizer = { name = "gradient-descent", step_size = 0.5 }\n'
        'run = { n_workers = 2, iterations = 3 }\nsweep.grid = { "run.seed" = [4, 5] }\n'
    )
    done = cluster.mpicode("submit", path, "--element", "1", "-o", tmp_path / "it.h5", "--wait")
    assert done.code == 0, done.err + logs(tmp_path / "it-1")
    assert read_run(tmp_path / "it-1.h5").attrs["seed"] == 5
