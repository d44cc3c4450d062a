"""The README's program for a user's own mpi4py code, run as it is printed there."""

import re
import socket

import pytest

from .digits import ROOT
from .stage import PROGRAM

N_RANKS = 6


def block_under(heading):
    """Return the first Python block under the heading of the README that contains ``heading``."""
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^#+ [^\n]*{heading}.*?^```python\n(.*?)^```", text, re.M | re.S)
    assert found, f"README.md has no Python block under a heading with {heading!r}"
    return found.group(1)


def test_the_program_of_the_readme(start, tmp_path):
    program = tmp_path / "embedded.py"
    program.write_text(block_under("Embed"))
    ended = start(program, ranks=N_RANKS).wait()
    assert ended.code == 0, ended.err
    assert ended.err == ""
    error = float(ended.out.split()[-1])
    assert error < 1e-8


@pytest.mark.parametrize("who", ["worker", "master"])
def test_an_exception_in_the_users_program_ends_all_ranks(start, who):
    ended = start(PROGRAM.with_name("embedded.py"), who, ranks=N_RANKS, seconds=30).wait()
    assert ended.code == 1
    assert ended.err.count("ArithmeticError: on purpose") == 1
    if who == "worker":
        assert f"worker 1 (rank 2) on {socket.gethostname()}" in ended.err


def test_codes_that_cut_gradients_or_send_complex_numbers(start):
    ended = start(PROGRAM.with_name("segmented.py"), ranks=7, seconds=30).wait()
    assert (ended.code, ended.err) == (0, "")
    lines = [line.split() for line in ended.out.splitlines()]
    assert [line[:2] for line in lines] == [
        ["kadhe", "float64"],
        ["ye-abbe", "float64"],
        ["cyclic-mds", "complex128"],
    ]
    assert all(float(error) < 1e-10 for *_, error in lines)
