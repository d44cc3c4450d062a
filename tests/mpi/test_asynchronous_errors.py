"""What an asynchronous run refuses, and what it leaves when it diverges: ``mpicode run`` whole."""

import numpy as np
import pytest

from mpicode.datasets import DatasetWriter, Meta, Shape
from mpicode.results import read_checkpoint, read_run

LWPD = {"name": "lwpd", "n_segments": 8}


def errors(text):
    assert "Traceback" not in text
    return [line for line in text.splitlines() if line.startswith("mpicode: error: ")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"code": {**LWPD, "weight": 9}},
            "code.weight: 9 of 8 segments cannot be in a message; wants 1 to 8",
        ),
        (
            {"code": {**LWPD, "n_messages": 5}, "asynchronous": {"mode": "round"}},
            "code.n_messages: 5 messages of a block cannot tell its 8 segments apart; wants at "
            "least 8",
        ),
        (
            {"code": {"name": "lwpd", "n_segments": 700}},
            "code.n_segments: 700 segments, but 'softmax' has 650 parameters on this data",
        ),
        (
            {"asynchronous": {"mode": "memory", "n_codewords": 17}},
            "asynchronous.n_codewords: 17 messages at a time, but code 'lwpd' has 16",
        ),
    ],
    ids=["weight", "rows", "blocks", "codewords"],
)
def test_what_cannot_be_is_one_line_before_anything_is_made(run, config, tmp_path, changes, said):
    tables = {"code": LWPD, "asynchronous": {"mode": "direct"}, "run": {"n_workers": 2}}
    path = config(**{**tables, **changes})
    ended = run(path).wait()
    assert ended.code == 2
    assert ended.err.splitlines() == [f"mpicode: error: {said}"]
    assert not [
        file for file in tmp_path.iterdir() if file.name.startswith("run.") and file != path
    ]


@pytest.mark.parametrize("mode", ["direct", "memory", "round"])
def test_a_step_too_large_ends_with_4_and_the_last_good_parameters(run, config, tmp_path, mode):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 20))
    shape = Shape(*X.shape, "float64", False)
    with DatasetWriter(tmp_path / "data.h5", shape, Meta("regression", 0, "", "CC0-1.0")) as data:
        data.append(X, X @ rng.standard_normal(20))
    ended = run(
        config(
            data={"path": str(tmp_path / "data.h5")},
            problem={"name": "least-squares"},
            code=LWPD,
            asynchronous={"mode": mode},
            optimizer={"step_size": 1e6},
            run={"n_workers": 3, "iterations": 400},
            checkpoint={"every": 2},
        )
    ).wait()
    assert ended.code == 4
    (error,) = errors(ended.err)
    assert "diverged: iteration " in error
    assert "a smaller optimizer.step_size?" in error
    made = read_run(tmp_path / "run.h5")
    assert not made.complete
    assert made.attrs["outcome"] == error.removeprefix("mpicode: error: ")
    assert np.isfinite(made.parameters).all()
    last = max((tmp_path / "run.checkpoints").glob("*.h5"))
    assert np.isfinite(read_checkpoint(last).parameters).all()
