"""Run files, and who reads them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from .kind import CONFIG, Kind, bytes_or_members, called, mpicode, write_data

REPLAYING = """\
[data]
path = "data.h5"
[problem]
name = "softmax"
[optimizer]
name = "gradient-descent"
step_size = 0.1
[code]
name = "cyclic"
n_stragglers = 1
[run]
n_workers = 4
iterations = 5
[delays]
name = "replay"
path = "run.h5"
"""


class RunFile(Kind):
    """The file a run has written, whole or of a crashed run."""

    name = "run"

    def prepare(self, folder: Path) -> None:
        import mpicode as package
        from mpicode.config import Config
        from mpicode.results import Outcome, RunWriter

        whole, crashed = folder / "whole", folder / "crashed"
        for place in (whole, crashed):
            place.mkdir()
            write_data(place / "data.h5", sparse=False, shards=False)
            (place / "replay.toml").write_text(REPLAYING)
        config = Config.loads(CONFIG, whole, ["run.iterations=12", "output.path='run.h5'"])
        package.run(config)
        writer = RunWriter(crashed / "run.h5", {"config": CONFIG, "seed": 0}, 4)
        for iteration in range(12):
            for worker in range(4):
                landed = iteration + 0.1 * worker
                writer.message(iteration, 0, worker, worker, iteration, landed, Outcome.USED)
            row = {"loss": 1.0 / (1 + iteration), "started": iteration, "seconds": 0.5, "wait": 0.2}
            writer.iteration(row, {"arrived": np.ones(4, bool)})
        writer.code({"encoding": csr_array(np.eye(4)), "owner": np.arange(4)}, 0)
        writer.event(3, 3.5, 2, "lost", "worker 2 fell silent")
        shutil.copy(writer.part, crashed / "copy")
        writer.close(None, False, "not finished")
        (crashed / "copy").replace(crashed / "run.h5")

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        os.mkfifo(folder / "fifo")
        return bytes_or_members(rng, folder / "run.h5")

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        from mpicode.results import open_run

        draw = rng.random()
        if draw < 0.15:
            return mpicode("report", "run.h5", "--json", "-o", "pictures")
        if draw < 0.45:
            return mpicode("export", "run.h5", "-o", "run.npz")
        if draw < 0.7:
            return mpicode("simulate", "replay.toml")
        return called(lambda: open_run("run.h5").load())
