"""Folders of coded files, as `mpicode data encode` writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from . import raw
from .kind import Kind, bytes_or_members, configuration, made, mpicode, put_in_place, write_data
from .server import SILENT_CHANGE

N_WORKERS = 6


def facts(folder: Path) -> tuple[object, ...]:
    """Return everything that reading a folder of coded files gives."""
    from mpicode.datasets.coded import open_coded

    with open_coded(folder) as coded:
        index = coded.index
        arrays = [coded.storage, coded.samples(0, index.n_slots)]
        for worker in range(index.n_workers):
            with coded.block(worker) as block:
                arrays += [block.storage, *block.read(0, index.n_slots)]
        return index, tuple((a.dtype.name, a.shape, a.tobytes()) for a in arrays)


class CodedFiles(Kind):
    """The index of such a folder or the file of a worker; read by training and inference."""

    name = "coded"
    variants: ClassVar[dict[str, tuple[str, dict[str, Any], dict[str, Any]]]] = {
        "letcc": ("multiclass", {"name": "softmax"}, {"name": "letcc", "n_blocks": 3}),
        "berrut": (
            "multiclass",
            {"name": "softmax"},
            {"name": "berrut", "n_blocks": 2, "n_colluding": 1},
        ),
        "lagrange": ("regression", {"name": "least-squares"}, {"name": "lagrange", "n_blocks": 2}),
        "field": (
            "regression",
            {"name": "least-squares", "intercept": False},
            {"name": "lagrange", "n_blocks": 2, "n_colluding": 1, "prime": 2**61 - 1},
        ),
    }

    def prepare(self, folder: Path) -> None:
        for variant, (task, problem, code) in self.variants.items():
            place = folder / variant
            place.mkdir()
            write_data(place / "data.h5", sparse=False, shards=False, task=task)
            tables: dict[str, Any] = {
                "data": {"path": "data.h5", "coded": "coded"},
                "problem": problem,
                "code": code,
                "decoding": {},
                "run": {"n_workers": N_WORKERS, "iterations": 3, "seed": 1},
            }
            (place / "run.toml").write_text(configuration(**tables))
            (place / "infer.toml").write_text(configuration(**tables, infer={"check": 0.1}))
            os.chdir(place)
            given = [("--set", f"{key}={value}") for key, value in code.items() if key != "name"]
            words = [word for pair in given for word in pair]
            made(
                *("data", "encode", "data.h5", "-o", "coded", "--seed", "1"),
                *("--code", code["name"], "--workers", N_WORKERS, *words),
            )

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        os.mkfifo(folder / "fifo")
        files = sorted(folder.glob("coded/*.h5"))
        # the index as often as all others together
        chosen = files[0] if rng.random() < 0.5 else files[int(rng.integers(1, len(files)))]
        self.only_bytes = rng.random() < 0.5
        if self.only_bytes:
            return raw.damage(rng, chosen)
        draw = rng.random()
        if draw < 0.05:
            chosen.unlink()
            return f"{chosen.name} deleted"
        if draw < 0.1:
            return put_in_place(chosen, files[int(rng.integers(len(files)))])
        return bytes_or_members(rng, chosen)

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        draw = rng.random()
        if draw < 0.1:
            return mpicode("data", "info", "coded", "--json")
        if draw < 0.35:
            return mpicode("run", "run.toml", "--simulate")
        if draw < 0.6:
            return mpicode("infer", "infer.toml", "--simulate")
        code = mpicode("data", "check", "coded")
        if code or not self.only_bytes:
            return code
        return 0 if facts(Path("coded")) == facts(sound / "coded") else SILENT_CHANGE
