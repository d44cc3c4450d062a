from __future__ import annotations

import json
import math

import pytest

from mpicode.outcomes import Outcome
from mpicode.report import numbers, table
from mpicode.results import RunWriter, read_run

CONFIG = '[code]\nname = "cyclic"\nn_stragglers = 2\n'


@pytest.fixture
def run(tmp_path):
    """Four iterations of 1, 2, 3 and 10 s; worker 1 answers the first one 0.5 s late."""
    with RunWriter(tmp_path / "run.h5", {"config": CONFIG}, 2) as writer:
        started = 0.0
        for t, seconds in enumerate((1.0, 2.0, 3.0, 10.0)):
            writer.iteration(
                {
                    "loss": 4.0 - t,
                    "started": started,
                    "seconds": seconds,
                    "wait": seconds / 2,
                    "bytes_received": 1000,
                    "test_accuracy": 0.75 if t == 2 else math.nan,
                },
                {},
            )
            for worker in range(2):
                landed = started + (1.5 if (t, worker) == (0, 1) else 0.9)
                late = landed > started + seconds
                outcome = Outcome.STALE_DROPPED if late else Outcome.USED
                writer.message(t + late, 0, worker, worker, t, landed, outcome)
            started += seconds
        writer.close(None, True, "4 iterations done")
    return read_run(tmp_path / "run.h5")


def test_the_numbers_are_those_of_the_run(run):
    row = numbers("here", run)
    assert (row.run, row.code, row.n_workers, row.n_stragglers) == ("here", "cyclic", 2, 2)
    assert (row.n_iterations, row.loss, row.test_accuracy) == (4, 1.0, 0.75)
    assert (row.seconds, row.median_seconds, row.share_waiting) == (16.0, 2.5, 0.5)
    assert row.p95_seconds == pytest.approx(8.95)
    assert row.waiting_avoided_seconds == pytest.approx(0.5)
    assert row.bytes_received == 4000
    assert row.complete
    assert row.outcome == "4 iterations done"


def test_json_knows_no_nan(tmp_path):
    RunWriter(tmp_path / "run.h5", {"config": "no [TOML"}, 2).close(None, False, "nothing")
    row = numbers("empty", read_run(tmp_path / "run.h5"))
    told = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert told["loss"] is None
    assert told["share_waiting"] is None
    assert told["n_iterations"] == 0
    assert told["code"] == ""


def test_a_run_without_a_code_is_uncoded(tmp_path):
    RunWriter(tmp_path / "run.h5", {"config": "[run]\nseed = 1\n"}, 2).close(None, True, "done")
    assert numbers("x", read_run(tmp_path / "run.h5")).code == "uncoded"


def test_the_table_has_a_line_per_run_where_it_fits(run):
    rows = [numbers("here", run), numbers("there", run)]
    wide = table(rows, 300).splitlines()
    assert len(wide) == 3
    assert wide[0].split()[:4] == ["run", "code", "workers", "stragglers"]
    assert wide[2].split()[:6] == ["there", "cyclic", "2", "2", "4", "1"]
    assert "50%" in wide[1]
    assert "4 kB" in wide[1]


def test_the_table_is_turned_where_it_does_not_fit(run):
    rows = [numbers("here", run), numbers("there", run)]
    narrow = table(rows, 80).splitlines()
    assert narrow[0].split() == ["run", "here", "there"]
    assert narrow[1].split() == ["code", "cyclic", "cyclic"]
    assert max(map(len, narrow)) <= 80


def test_where_neither_fits_lines_have_fewer_columns(run):
    rows = [numbers(f"run-{k}", run, f"seed {k}") for k in range(12)]
    lines = table(rows, 100).splitlines()
    assert len(lines) == 13
    assert max(map(len, lines)) <= 100
    head = " ".join(lines[0].split())
    assert head == "run differs by iterations loss test accuracy seconds median ms waiting outcome"
    assert lines[12].split()[:4] == ["run-11", "seed", "11", "4"]
