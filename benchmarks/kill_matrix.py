"""Every way to die or hang, at every moment of a worker's life, for one worker up to one too many.

The matrix is {SIGKILL, SIGSEGV, SIGSTOP for 3 s, an exception, os._exit} x {getting ready, before
the next request, computing, sending 8 MB, shutdown} x {1 ... s, s + 1 victims} x {ULFM on, off}:
150 cells with s = 2. Each is a run under MPI by `mpicode run` with these faults injected. It has to
end with the parameters of a run without faults, to 1e-10, or, where that cannot be, with exit code
4, one line that says why, and a run file that holds the good iterations; in time, and with nothing
left of it. Exits with 1 if a cell fails.

Usage: python benchmarks/kill_matrix.py [--seed 0] [--count 150] [--first 0] [--limit 120]
       [--cell CELL ...]
       a cell is written e.g. kill/send/2/ulfm; --count takes so many of them in random order
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from faulty import DIGITS, Job, Scratch, distance, reference

N_WORKERS, TOLERATED = 4, 2
ITERATION = 5
ITERATIONS = 12
TOLERANCE = 1e-10
FAULTS = ("kill", "segfault", "stop", "exception", "exit")
MOMENTS = ("start", "receive", "compute", "send", "shutdown")
FATAL = ("kill", "segfault", "exit")
# 1,000,010 numbers, from few rows
LARGE = {"problem": {"name": "mlp", "hidden": [13_333], "l2": 0.0}, "batch_size": 24}


class Cell(NamedTuple):
    """One run: what happens, when, to how many, and whether MPI is to survive it."""

    fault: str
    moment: str
    n_victims: int
    survive: bool

    def __str__(self) -> str:
        mode = "ulfm" if self.survive else "plain"
        return f"{self.fault}/{self.moment}/{self.n_victims}/{mode}"

    @classmethod
    def parse(cls, text: str) -> Cell:
        fault, moment, n_victims, mode = text.split("/")
        return cls(fault, moment, int(n_victims), mode == "ulfm")

    @property
    def codes(self) -> set[int]:
        """The exit codes that the run may have."""
        # mpirun passes the code on of a rank that leaves before all are present
        if (self.fault, self.moment, self.survive) == ("exit", "start", False):
            return {0, 1, 4}
        late = self.moment == "shutdown"
        if self.fault == "stop" or (self.fault == "exception" and late):
            return {0}
        if self.fault == "exception" or self.survive:
            return {0} if late or self.n_victims <= TOLERATED else {4}
        if late or self.n_victims <= TOLERATED:
            return {0, 4}  # who is first: the master, done without them, or mpirun
        return {4}


CELLS = [
    Cell(*each)
    for each in itertools.product(FAULTS, MOMENTS, range(1, TOLERATED + 2), (True, False))
]


def configuration(cell: Cell, seed: int) -> dict[str, Any]:
    """Return the tables of the cell's run."""
    fault: dict[str, Any] = {"kind": cell.fault, "most": cell.n_victims, "at": cell.moment}
    if cell.moment not in ("start", "shutdown"):
        fault["iteration"] = ITERATION
    if cell.fault == "stop":
        fault["seconds"] = 3.0
    tables: dict[str, Any] = {
        "code": {"name": "cyclic", "n_stragglers": TOLERATED},
        "run": {"n_workers": N_WORKERS, "iterations": ITERATIONS, "seed": seed},
        "faults": {
            "inject": [fault],
            "survive": cell.survive,
            "when_lost": "stop",
            "on_error": "lose",
        },
    }
    if cell.moment == "send":
        tables["problem"] = LARGE["problem"]
        tables["run"]["batch_size"] = LARGE["batch_size"]
    return tables


def run(cell: Cell, seed: int, limit: float) -> tuple[list[str], str]:
    """Run one cell; return what was wrong with it, and what it said."""
    scratch = Scratch()
    config = DIGITS["write_config"](scratch.folder, **configuration(cell, seed))
    job = Job(config, scratch)
    try:
        code = job.wait(limit)
        if code is None:
            return [f"hangs for {limit:g} s"], job.text
        wrong = [f"left behind: {each}" for each in job.remains()]
        if code not in cell.codes:
            wrong.append(f"exit code {code}, wants one of {sorted(cell.codes)}")
        wrong += finished(config) if code == 0 else given_up(config, job.text, code)
        return wrong, job.text
    finally:
        job.kill()
        scratch.remove()


def finished(config: Path) -> list[str]:
    """Return what is wrong with the run file of a run that says it is done."""
    from mpicode.results import read_run

    made = read_run(config.with_suffix(".h5"))
    wrong = [] if made.complete else ["the run file is not complete"]
    return wrong + compare(made.parameters, reference(config))


def given_up(config: Path, text: str, code: int) -> list[str]:
    """Return what is wrong with a run that ended early."""
    from mpicode.results import read_run

    wrong = []
    n_errors = text.count("mpicode: error: ")
    if code == 4 and n_errors != 1:
        wrong.append(f"{n_errors} lines say what is wrong")
    if "Traceback" in text:
        wrong.append("a traceback")
    output = config.with_suffix(".h5")
    if output.exists():
        made = read_run(output)
        n = made.n_iterations
        if made.parameters is None:
            wrong.append("a run file without parameters in the place of whole ones")
        elif not made.complete and n > 0:
            # those of the last gradient; interrupted (mpirun ends its ranks) one step further
            good = [reference(config, n - 1), reference(config, n)]
            wrong += compare(made.parameters, min(good, key=lambda x: distance(x, made.parameters)))
    elif (part := Path(f"{output}.part")).exists():
        wrong += ["the part file says it is complete"] * bool(read_run(part).complete)
    return wrong


def compare(parameters: np.ndarray, wanted: np.ndarray) -> list[str]:
    off = distance(parameters, wanted)
    return [] if off < TOLERANCE else [f"parameters are {off:.1e} away"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=len(CELLS), help="cells")
    parser.add_argument("--first", type=int, default=0, help="place of the first cell")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one run")
    parser.add_argument("--cell", action="append", type=Cell.parse, help="this one, and no others")
    options = parser.parse_args()
    order = np.random.default_rng(options.seed).permutation(len(CELLS))
    cells = options.cell or [CELLS[i] for i in order[options.first :][: options.count]]
    n_failed, longest = 0, (0.0, "")
    for cell in cells:
        began = time.monotonic()
        wrong, text = run(cell, options.seed, options.limit)
        longest = max(longest, (time.monotonic() - began, str(cell)))
        if wrong:
            n_failed += 1
            print(f"{cell}: {'; '.join(wrong)}")
            print(f"  {text.replace(chr(10), chr(10) + '  ')}")
            print(
                f"  again: python benchmarks/kill_matrix.py --seed {options.seed} --cell {cell}",
                flush=True,
            )
    print(f"{len(cells) - n_failed} of {len(cells)} cells as they have to be")
    print(f"the longest took {longest[0]:.1f} s: {longest[1]}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
