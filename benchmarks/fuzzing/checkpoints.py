"""Checkpoints, of every way to train."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from . import members, raw
from .kind import Kind, configuration, made, mpicode, write_data

RESUMED = ("run", "run.toml", "--simulate", "--resume", "--set", "run.iterations=8")


class CheckpointFile(Kind):
    """One of the two checkpoints that a run goes on from."""

    name = "checkpoint"
    task = "multiclass"
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "one": {"optimizer": {"name": "adam", "step_size": 0.1, "schedule": "constant"}}
    }

    def prepare(self, folder: Path) -> None:
        for variant, tables in self.variants.items():
            place = folder / variant
            place.mkdir()
            write_data(place / "data.h5", sparse=False, shards=False, task=self.task)
            text = configuration(**tables, checkpoint={"every": 2})
            (place / "run.toml").write_text(text)
            os.chdir(place)
            made("run", "run.toml", "--simulate", "--set", "run.iterations=6")

    def damage(self, rng: np.random.Generator, folder: Path) -> str:
        from mpicode.results.checkpoint import front

        files = sorted(folder.glob("out.checkpoints/*.h5"))
        path = files[int(rng.integers(len(files)))] if rng.random() < 0.3 else files[-1]
        if rng.random() < 0.4:
            return raw.damage(rng, path)
        told = members.damage(rng, path)
        if rng.random() < 0.9:
            # as if it had been written like this
            rest = memoryview(path.read_bytes())[512:]
            path.write_bytes(front(rest) + bytes(rest))
            told += ", its checksum put right"
        return told

    def act(self, rng: np.random.Generator, sound: Path) -> int:
        return mpicode(*RESUMED)


def _asynchronous(mode: str, optimizer: str = "gradient-descent", **table: Any) -> dict[str, Any]:
    every = {} if mode == "round" else {"record_every": 3}
    return {
        "code": {"name": "lwpd", "n_segments": 5},
        "asynchronous": {"mode": mode, **table},
        "optimizer": {"name": optimizer, "step_size": 0.02},
        "decoding": {},
        "run": {"n_workers": 4, "iterations": 3, "seed": 1, "batch_size": 12, **every},
    }


class AsynchronousCheckpoint(CheckpointFile):
    """The same of a run that waits for nobody: with queue, estimate and who holds what."""

    name = "checkpoint-asynchronous"
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "direct": _asynchronous("direct", "adam"),
        "updates": _asynchronous("direct", downlink="updates"),
        "even": _asynchronous("direct", rows="fixed", even=True),
        "memory": _asynchronous("memory"),
        "repacked": _asynchronous("memory", repack_every=4),
        "kalman": _asynchronous("memory", decoder="kalman"),
        "sega": _asynchronous("sega"),
        "round": _asynchronous("round", decoder="ortho"),
    }


class CodedCheckpoint(CheckpointFile):
    """The same of a run with a code over the data."""

    name = "checkpoint-coded"
    task = "regression"
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        name: {
            "problem": {"name": "least-squares", "intercept": False},
            "code": code,
            "decoding": {},
            "run": {"n_workers": 6, "iterations": 3, "seed": 1, "batch_size": 12},
        }
        for name, code in {
            "letcc": {"name": "letcc", "n_blocks": 3, "n_stragglers": 1},
            "lagrange": {"name": "lagrange", "n_blocks": 2, "n_stragglers": 1},
            "field": {"name": "lagrange", "n_blocks": 2, "prime": 2**61 - 1, "n_corrupt": 1},
        }.items()
    }
