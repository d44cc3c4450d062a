"""Kill whole jobs at random moments and resume them: the trajectory must stay the same, bit by bit.

A trial starts ``mpicode run`` on an empty folder, with a checkpoint in every iteration and
``fractional-repetition`` under random delays. At a random moment, start-up and end included,
SIGKILL goes to everything: launcher, mpirun, master and workers. What is left behind is looked at
(the run file whole or absent, a ``.part`` readable, both with the losses of a run that nobody
disturbed), then the job is resumed, killed again, and so on, until it has come to its end. Then all
its losses and parameters are compared with those of the undisturbed run.

Usage: python benchmarks/resume.py [--count 100] [--seed 0] [--first 0] [--iterations 500]
                                   [--workers 4]

A trial that fails is printed with its number; ``--seed S --first NUMBER --count 1`` repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import tomli_w

from mpicode.errors import DataError
from mpicode.results import read_run

ROOT = Path(__file__).parents[1]
MARK = "MPICODE_BENCHMARK_JOB"
SECONDS = 120  # within which a job ends, or hangs


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="kills, at least")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--workers", type=int, default=4)
    return parser.parse_args()


def configuration(options, seed: int) -> dict:
    return {
        "data": {"path": str(ROOT / "data" / "digits.h5"), "test_fraction": 0.2},
        "problem": {"name": "softmax", "l2": 1e-3},
        "code": {"name": "fractional-repetition", "n_stragglers": 1},
        "optimizer": {"name": "adam", "step_size": 0.01},
        "run": {
            "n_workers": options.workers,
            "iterations": options.iterations,
            "batch_size": 400,
            "seed": seed,
        },
        "delays": {"name": "shifted-exponential", "mean": 1e-3},
        "output": {"path": "run.h5", "flush_seconds": 0.0},
        "checkpoint": {"every": 1},
    }


class Job:
    """``mpicode run CONFIG``, and everything it starts."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.mark = uuid.uuid4().hex
        self.log = folder / f"{self.mark}.log"
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mpicode", "run", "job.toml", "-o", "run.h5", *more],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        entry = f"{MARK}={self.mark}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if entry in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def kill(self) -> None:
        """SIGKILL to all processes, until none is left."""
        deadline = time.monotonic() + SECONDS
        while pids := self.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise Failed(f"processes {pids} do not die")
            time.sleep(0.002)
        self.process.wait()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, None if there is none after so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Failed(Exception):
    """A trial did not keep the promise."""


def whole(folder: Path, reference) -> None:
    """Raise unless the finished run in ``folder`` is the undisturbed one, bit by bit."""
    run = read_run(folder / "run.h5")
    if not run.complete or run.n_iterations != reference.n_iterations:
        raise Failed(f"{run.n_iterations} iterations, complete: {run.complete}")
    for name in ("iteration", "loss", "residual", "test_loss", "test_accuracy"):
        if not np.array_equal(run.iterations[name], reference.iterations[name], equal_nan=True):
            wrong = np.flatnonzero(run.iterations[name] != reference.iterations[name])
            raise Failed(f"{name} differs, first in iteration {wrong[:1]}")
    if run.parameters.tobytes() != reference.parameters.tobytes():
        raise Failed("the parameters differ")
    if not (run.workers["arrived"].sum(axis=1) > 0).all():
        raise Failed("an iteration to which no worker is recorded to have contributed")
    left = sorted(p.name for p in folder.rglob("*.part*"))
    if left:
        raise Failed(f"left behind: {left}")


def look(folder: Path, reference) -> str:
    """Raise unless what a kill has left is whole or absent, and right as far as it goes."""
    found = []
    for name, complete in (("run.h5", True), ("run.h5.part", False)):
        if (folder / name).exists():
            try:
                run = read_run(folder / name)
            except DataError as error:
                # killed before its first flush, it says nothing and loses nothing
                if complete or any((folder / "run.checkpoints").glob("*.h5")):
                    raise Failed(str(error)) from None
                continue
            n = run.n_iterations
            if run.iterations["loss"].tobytes() != reference.iterations["loss"][:n].tobytes():
                raise Failed(f"{name} has other losses than the undisturbed run")
            found.append(f"{name} with {run.n_iterations} iterations")
    return ", ".join(found) or "nothing"


def trial(options, number: int, reference, seconds: float) -> list[str]:
    """Return what each kill has left; raise `Failed` where it is not what it should be."""
    rng = np.random.default_rng([options.seed, number])
    story: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.toml").write_text(tomli_w.dumps(configuration(options, options.seed)))
        job = None
        try:
            while True:
                job = Job(folder, *(["--resume"] if story else []))
                # longer from kill to kill: on a machine that got slower it ends all the same
                ended = job.wait(rng.uniform(0.0, (0.7 + 0.1 * len(story)) * seconds))
                if ended not in (None, 0):
                    raise Failed(f"exit code {ended}")
                job.kill()
                if ended == 0:
                    whole(folder, reference)
                    return story
                story.append(look(folder, reference))
        except Failed as failed:
            raise Failed(f"{failed}\n{story}\n{job.said() if job else ''}") from None
        finally:
            if job is not None:
                job.kill()


def undisturbed(options):
    """Return the run that nobody disturbs, and the seconds it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job.toml").write_text(tomli_w.dumps(configuration(options, options.seed)))
        began = time.monotonic()
        job = Job(folder)
        if job.wait(SECONDS) != 0:
            job.kill()
            raise SystemExit(f"the undisturbed run failed\n{job.said()}")
        return read_run(folder / "run.h5"), time.monotonic() - began


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the job that is running ends too
    reference, seconds = undisturbed(options)
    print(f"undisturbed: {reference.n_iterations} iterations in {seconds:.2f} s", flush=True)
    kills = failed = 0
    number = options.first
    while kills < options.count:
        try:
            story = trial(options, number, reference, seconds)
            kills += len(story)
            print(f"{number:4d} {len(story)} kills: {' | '.join(story)}", flush=True)
        except Failed as error:
            failed += 1
            kills += 1
            again = f"--seed {options.seed} --first {number} --count 1"
            print(f"{number:4d} FAILED ({again}): {error}", flush=True)
        number += 1
    print(f"{kills - failed} of {kills} kills left the same bits (seed {options.seed})")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
