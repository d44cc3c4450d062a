"""Asynchronous descent on 9 ranks, three of them killed: all that counts is which messages came."""

import numpy as np

from mpicode import problems
from mpicode.datasets import open_dataset
from mpicode.problems import Rows
from mpicode.results import read_run

from .digits import DIGITS

# before the first row, with the answer half sent, and between two requests
KILLED = [
    {"kind": "kill", "worker": 1, "iteration": 40, "at": "compute"},
    {"kind": "kill", "worker": 4, "iteration": 60, "at": "send"},
    {"kind": "kill", "worker": 6, "iteration": 80, "at": "receive"},
]


def test_the_messages_in_the_file_give_the_parameters(run, config, tmp_path):
    ended = run(
        config(
            problem={"l2": 0.0},
            code={"name": "lwpd", "n_segments": 13},
            run={"n_workers": 8, "iterations": 40},
            asynchronous={"mode": "direct", "n_codewords": 2},
            faults={"inject": KILLED},
        )
    ).wait()
    assert ended.code == 0, ended.err
    made = read_run(tmp_path / "run.h5")
    assert made.complete
    lost = {int(event["worker"]) for event in made.events if event["kind"] == "lost"}
    assert lost == {1, 4, 6}
    # each message is header, 50 of 650 parameters and the loss, trailer; no half of one counts
    n_bytes = made.iterations["bytes_received"] / (64 + 8 * 51 + 8)
    assert (n_bytes == made.iterations["n_arrived"]).all()
    encoding = made.codes[0]["encoding"].toarray()
    with open_dataset(DIGITS) as data:
        rows = Rows(*data.read(0, data.n_samples, np.dtype(float)))
    problem = problems.make("softmax", {}, n_features=64, n_classes=10, task="multiclass")
    weights = np.full(len(rows.y), 1 / len(rows.y))
    order, x, versions = problem.slices(13), np.zeros(650), []
    for entry in made.messages[made.messages["outcome"] < 2]:
        versions.append(x.copy())
        gradient = np.zeros(650)
        at = versions[len(versions) - 1 - entry["round"]]
        problem.gradient(at, rows, weights, gradient)
        a = encoding[entry["message"]]
        x[order] -= 0.5 * np.outer(a, a @ gradient[order].reshape(13, 50)).ravel()
    assert made.iterations["n_arrived"].sum() == len(versions)
    np.testing.assert_allclose(made.parameters, x, rtol=0, atol=1e-10)
