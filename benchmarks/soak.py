"""Short runs under MPI, 1 to s workers killed at random moments: each has to end as if none was.

Each run is started by `mpicode run` with a code that tolerates s lost workers. SIGKILL meets 1 to s
of them: while the job starts (MPI_Init included; the launcher then starts once more), while it
iterates, or while it ends. A run is passed if its exit code is 0, its parameters equal those of a
run without faults to 1e-10, it ends in time, and no process, no shared memory and no temporary file
is left of it. Printed are the failures, with the command that repeats each, and the slowest
detection: from the kill to the line that tells the loss. Exits with 1 if a run fails.

Usage: python benchmarks/soak.py [--seed 0] [--count 200] [--first 0] [--limit 120]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from faulty import DIGITS, Job, Scratch, distance, reference

CODES = [
    {"name": "cyclic", "n_stragglers": 2},
    {"name": "fractional-repetition", "n_stragglers": 1},
    {"name": "cyclic-mds", "n_stragglers": 2},
]
N_WORKERS = 4
ITERATIONS = 100
TOLERANCE = 1e-10
PHASES = ("start", "run", "end")
# Where in its phase a kill falls, in seconds: drawn from 0 to this.
SPANS = {"start": 4.0, "run": 1.0, "end": 0.1}


class Kill(NamedTuple):
    """One SIGKILL: whom, and how long after the beginning of which phase."""

    rank: int
    phase: str
    seconds: float


def schedule(seed: int, number: int) -> tuple[dict, list[Kill]]:
    """Return the code and the kills of one run."""
    rng = np.random.default_rng([seed, number])
    code = CODES[rng.integers(len(CODES))]
    n_kills = rng.integers(1, code["n_stragglers"] + 1)
    victims = rng.permutation(N_WORKERS)[:n_kills] + 1
    kills = []
    for rank in victims.tolist():
        phase = PHASES[rng.integers(len(PHASES))]
        kills.append(Kill(rank, phase, float(rng.uniform(0.0, SPANS[phase]))))
    return code, kills


class Run:
    """One run and the kills that meet it."""

    def __init__(self, seed: int, number: int, limit: float) -> None:
        self.code, self.kills = schedule(seed, number)
        self.limit = limit
        self.killed: dict[int, float] = {}  # rank -> when
        self.text = ""
        self.restarted = False
        self.detections: list[float] = []

    def go(self) -> list[str]:
        """Carry it out; return what was wrong with it."""
        scratch = Scratch()
        config = DIGITS["write_config"](
            scratch.folder,
            code=self.code,
            run={"n_workers": N_WORKERS, "iterations": ITERATIONS},
        )
        job = Job(config, scratch)
        try:
            return self._watch(job, config)
        finally:
            job.kill()
            scratch.remove()

    def _watch(self, job: Job, config: Path) -> list[str]:
        output = config.with_suffix(".h5")
        part = Path(f"{output}.part")
        signs = {"start": None, "run": part, "end": output}
        began: dict[str, float] = {}
        first_start: dict[int, int] = {}
        due = list(self.kills)
        while due and job.listen(0.005):
            now = time.monotonic()
            if now - job.started > self.limit:
                break
            ranks = job.ranks()
            if not began and ranks:
                began["start"] = now
            for phase in ("run", "end"):
                if phase not in began and signs[phase].exists():
                    began[phase] = now
            for kill in list(due):
                if kill.phase not in began or now < began[kill.phase] + kill.seconds:
                    continue
                pid = ranks.get(kill.rank)
                if pid is None and kill.phase == "start" and now - began["start"] < 10.0:
                    continue  # it is not there yet, or no longer, or will be again
                due.remove(kill)
                if kill.phase == "start" and first_start.get(kill.rank, pid) != pid:
                    continue
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        self.killed[kill.rank] = time.monotonic()
            for rank, pid in ranks.items():
                first_start.setdefault(rank, pid)
        code = job.wait(self.limit)
        self.text = job.text
        self.restarted = "starting once more" in self.text
        for at, line in job.lines:
            told = re.search(r"\(rank (\d+)\) lost: ", line)
            if told and int(told[1]) in self.killed:
                self.detections.append(at - self.killed[int(told[1])])
        if code is None:
            return [f"hangs for {self.limit:g} s"]
        wrong = [] if code == 0 else [f"exit code {code}"]
        wrong += [f"left behind: {each}" for each in job.remains()]
        return wrong + self._compare(config, output)

    @staticmethod
    def _compare(config: Path, output: Path) -> list[str]:
        from mpicode.results import read_run

        if not output.exists():
            return ["no run file"]
        made = read_run(output)
        wrong = [] if made.complete else ["the run file is not complete"]
        off = distance(made.parameters, reference(config))
        if not off < TOLERANCE:
            wrong.append(f"parameters are {off:.1e} away from those without faults")
        return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200, help="runs")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one run")
    options = parser.parse_args()
    n_failed, restarts = 0, 0
    phases: Counter[str] = Counter()
    detections: list[float] = []
    began = time.monotonic()
    for number in range(options.first, options.first + options.count):
        run = Run(options.seed, number, options.limit)
        wrong = run.go()
        restarts += run.restarted
        detections += run.detections
        phases.update(kill.phase for kill in run.kills if kill.rank in run.killed)
        if wrong:
            n_failed += 1
            print(f"run {number}: {run.code['name']}, {run.kills}: {'; '.join(wrong)}")
            print(f"  {run.text.replace(chr(10), chr(10) + '  ')}")
            print(
                f"  again: python benchmarks/soak.py --seed {options.seed} --first {number} "
                "--count 1",
                flush=True,
            )
    n_passed = options.count - n_failed
    each = (time.monotonic() - began) / options.count
    print(f"{n_passed} of {options.count} runs as without faults, {each:.1f} s each")
    print(f"kills that met their worker: {dict(phases)}; starts made once more: {restarts}")
    if detections:
        print(
            f"detection: median {1e3 * np.median(detections):.0f} ms, slowest "
            f"{1e3 * max(detections):.0f} ms, of {len(detections)} seen before the end"
        )
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
