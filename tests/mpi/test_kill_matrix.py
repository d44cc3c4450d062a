"""Samples of the two campaigns of faults; ``benchmarks/`` has them whole."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("program", "arguments", "last"),
    [
        ("kill_matrix.py", ["--cell", "kill/send/2/ulfm", "--cell", "segfault/receive/1/ulfm"], 2),
        ("kill_matrix.py", ["--cell", "exit/compute/3/ulfm", "--cell", "kill/compute/3/plain"], 2),
        ("kill_matrix.py", ["--cell", "exception/start/3/ulfm"], 1),
        ("soak.py", ["--seed", "0", "--count", "2"], 2),
    ],
    ids=["survived", "too many", "too many at the start", "random moments"],
)
def test_faults_end_as_they_have_to(start, program, arguments, last):
    ended = start(BENCHMARKS / program, *arguments, seconds=180).wait()
    assert ended.code == 0, ended.out + ended.err
    assert f"{last} of {last} " in ended.out
