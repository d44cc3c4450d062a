from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from mpicode.results import read_run

# Writes and flushes rows for ever and says after each flush how many there are.
PROGRAM = """
import sys
import numpy as np
from mpicode.outcomes import Outcome
from mpicode.results import RunWriter

writer = RunWriter(sys.argv[1], {"config": "", "seed": 0}, 8, flush_seconds=0.0)
t = 0
while True:
    for worker in range(8):
        writer.message(t, 0, worker, worker, t, t / 7, Outcome.USED)
    writer.iteration({"loss": t, "n_arrived": t}, {"compute_seconds": np.full(8, t / 3)})
    t += 1
    print(t, flush=True)
"""


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_run_leaves_every_flushed_row(tmp_path, seed):
    path = tmp_path / "run.h5"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        # writing never pauses, so whatever row the kill comes after, it comes in the middle of one
        n_flushed = random.Random(seed).randrange(1, 60)
        for line in child.stdout:
            if int(line) == n_flushed:
                break
        child.kill()
        rest = child.stdout.read().split()
    n_flushed = int(rest[-1]) if rest else n_flushed

    run = read_run(tmp_path / "run.h5.part")
    n = run.n_iterations
    assert n >= n_flushed
    assert not run.complete
    assert not path.exists()
    np.testing.assert_array_equal(run.iterations["loss"], np.arange(n))
    np.testing.assert_array_equal(run.iterations["n_arrived"], np.arange(n))
    np.testing.assert_array_equal(
        run.workers["compute_seconds"], np.repeat(np.arange(n)[:, None] / 3, 8, axis=1)
    )
    assert len(run.messages) >= 8 * n_flushed
    np.testing.assert_array_equal(run.messages["iteration"], np.arange(len(run.messages)) // 8)
