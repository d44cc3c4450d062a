"""``mpicode simulate`` as a process of its own: its table, and codes of both families in one."""

import json
import subprocess
import sys

import pytest
import tomli_w

NAMES = ["letcc", "uncoded", "cyclic"]


@pytest.fixture
def simulated(digits, tmp_path):
    """Simulate codes; return what is printed to stdout and to stderr."""
    path = tmp_path / "job.toml"
    path.write_text(
        tomli_w.dumps(
            {
                "data": {"path": digits},
                "problem": {"name": "softmax"},
                "optimizer": {"name": "gradient-descent", "step_size": 0.1},
                "code": {"name": "letcc", "n_blocks": 3, "n_stragglers": 2},
                "delays": {"name": "bernoulli", "probability": 0.2, "seconds": 0.05},
                "run": {"n_workers": 12, "iterations": 20},
            }
        )
    )

    def run(*arguments):
        command = [sys.executable, "-m", "mpicode", "simulate", path, "--codes", *NAMES, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def test_codes_over_the_data_stand_beside_gradient_codes(simulated):
    """The number of blocks is not handed on: to a gradient code it is another thing."""
    rows = json.loads(simulated("--json")[0])
    assert [row["code"] for row in rows] == NAMES
    assert [row["load"] for row in rows] == [1 / 3, 1 / 12, 3 / 12]
    assert [row["messages_used"] for row in rows] == [10, 12, 10]
    # what a code over the data misses is not known
    assert [row["mean_residual"] is None for row in rows] == [True, False, False]
    # where two more may be late, few iterations wait for one that is
    assert rows[0]["total_seconds"] < rows[1]["total_seconds"]


def test_the_table_has_a_dash_for_what_is_not_known(simulated):
    out, err = simulated()
    assert out == ""
    head, *lines = [line.split() for line in err.splitlines()]
    assert [line[0] for line in lines] == NAMES
    assert head[-2] == "residual"
    assert [line[-2] == "-" for line in lines] == [True, False, False]
