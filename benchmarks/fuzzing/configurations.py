"""Configuration files, of one run and of several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from . import raw, text
from .kind import CONFIG, Kind, mpicode, write_data

GRID = """
[sweep.grid]
"code.name" = ["cyclic", "fractional-repetition"]
"run.seed" = [1, 2]
optimizer.step_size = [0.1, 0.2]
"""
LIST = """
[sweep]
list = [
  {"code.n_stragglers" = 0},
  {code = {n_stragglers = 1}, optimizer = {name = "adam", step_size = 0.05}},
  {"output.path" = "own.h5", "run.n_workers" = 3},
]
"""


@contextlib.contextmanager
def nothing_started() -> Iterator[None]:
    """Have no mpirun started: what is asked for may rightly take for ever."""
    with (
        mock.patch("mpicode.launch.launch", return_value=0),
        mock.patch("mpicode.launch.launcher", return_value=None),
    ):
        yield


class Configuration(Kind):
    """A configuration file."""

    name = "config"

    def prepare(self, folder: Path) -> None:
        place = folder / "one"
        place.mkdir()
        write_data(place / "data.h5", sparse=False, shards=False)
        (place / "run.toml").write_text(CONFIG)

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        path = folder / "run.toml"
        return raw.damage(rng, path) if rng.random() < 0.15 else text.damage(rng, path)

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        if rng.random() < 0.5:
            with nothing_started():
                return mpicode("run", "run.toml")
        few = ("--set", "run.iterations=2")
        if rng.random() < 0.5:
            return mpicode("run", "run.toml", "--simulate", *few)
        return mpicode("simulate", "run.toml", *few)


class SweepFile(Configuration):
    """A configuration file with a table of what differs between its runs."""

    name = "sweep"

    def prepare(self, folder: Path) -> None:
        for variant, table in (("grid", GRID), ("list", LIST)):
            place = folder / variant
            place.mkdir()
            write_data(place / "data.h5", sparse=False, shards=False)
            (place / "run.toml").write_text(CONFIG + table)

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        draw = rng.random()
        if draw < 0.25:
            return mpicode("run", "run.toml", "--list")
        if draw < 0.4:
            return mpicode("submit", "run.toml", "--print")
        few = ("--simulate", "--set", "run.iterations=2")
        if draw < 0.6:
            return mpicode("run", "run.toml", *few, "--element", int(rng.integers(9)))
        if draw < 0.8:
            return mpicode("run", "run.toml", *few)
        with nothing_started():
            return mpicode("run", "run.toml")
