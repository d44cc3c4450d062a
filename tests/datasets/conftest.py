from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from mpicode.cli.data import add_parser
from mpicode.datasets import DatasetWriter, Meta, Shape


@pytest.fixture
def command() -> Callable[..., int]:
    """``mpicode data ...`` as a function."""

    def run(*words: object) -> int:
        parser = argparse.ArgumentParser()
        add_parser(parser.add_subparsers())
        args = parser.parse_args(["data", *map(str, words)])
        return args.command(args)

    return run


@pytest.fixture
def rows() -> Callable[..., tuple]:
    """Some rows (X, y), dense or CSR with an empty first row, and labels of 3 classes."""

    def make(n: int = 57, d: int = 11, sparse: bool = False, seed: int = 0) -> tuple:
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, d))
        y = rng.integers(0, 3, n)
        if sparse:
            X[rng.random((n, d)) < 0.7] = 0.0
            X[0] = 0.0
            return csr_array(X), y
        return X, y

    return make


@pytest.fixture
def write() -> Callable[..., Path]:
    """Write rows block by block to a dataset file."""

    def run(path: Path, X, y, *, dtype="float64", shards=None, block=13, **shape) -> Path:
        sparse = not isinstance(X, np.ndarray)
        meta = Meta("multiclass", 3, "made here", "CC0-1.0")
        n, d = X.shape
        with DatasetWriter(
            path, Shape(n, d, dtype, sparse, **shape), meta, rows_per_shard=shards
        ) as writer:
            for start in range(0, n, block):
                writer.append(X[start : start + block], y[start : start + block])
        return path

    return run
