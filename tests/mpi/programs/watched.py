"""A user's problem that a test can watch, hold and make fail while it runs under MPI.

What they tell each other are files in the folder ``stage`` beside this one. Points are named
WHAT-RANK, with WHAT one of construct, gradient, evaluate (the master, on held-out data) and
regularise (the master, once per iteration), and RANK that of MPI. The test writes ``hold-POINT``,
``raise-POINT``, ``exit-POINT`` or ``vanish-POINT``, with the number of the call from which on it
counts; ``held-POINT`` answers the first, with the number of the call that is held.
"""

import contextlib
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from mpicode.problems import PROBLEMS

STAGE = Path(__file__).parent / "stage"
RANK = next(
    (os.environ[k] for k in ("OMPI_COMM_WORLD_RANK", "PMI_RANK") if k in os.environ), "none"
)


class Watched(PROBLEMS["softmax"]):
    name = "watched"

    def __init__(self, *, l2: float = 0.0, n_features, n_classes, task, dtype=np.float64):
        super().__init__(l2=l2, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype)
        self._calls = Counter()
        (STAGE / f"pid-{RANK}").write_text(str(os.getpid()))
        with contextlib.suppress(FileNotFoundError):
            size = int((STAGE / f"largest-file-{RANK}").read_text())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        self._reach("construct")

    def gradient(self, x, rows, weights, out):
        self._reach("gradient")
        return super().gradient(x, rows, weights, out)

    def evaluate(self, x, rows):
        self._reach("evaluate")
        return super().evaluate(x, rows)

    def regularise(self, x, gradient):
        self._reach("regularise")
        return super().regularise(x, gradient)

    def _reach(self, what):
        point = f"{what}-{RANK}"
        call = self._calls[what]
        self._calls[what] += 1
        if self._due(f"raise-{point}", call):
            (STAGE / "failed").write_text(str(time.monotonic()))
            raise ArithmeticError(f"on purpose in {point}")
        if self._due(f"exit-{point}", call):
            (STAGE / "failed").write_text(str(time.monotonic()))
            sys.exit(f"leaving in {point}")
        if self._due(f"vanish-{point}", call):
            os._exit(3)
        if self._due(f"hold-{point}", call):
            (STAGE / f"held-{point}").write_text(str(call))
            while self._due(f"hold-{point}", call):
                time.sleep(0.001)

    def _due(self, name, call):
        with contextlib.suppress(FileNotFoundError):
            return call >= int((STAGE / name).read_text())
        return False
