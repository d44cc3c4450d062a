"""The synthetic problems of the papers, with the parameters they were made from.

least-squares         X ~ N(0, 1), y = X w + noise. Without noise, as S. Li et al., "Lagrange Coded
                      Computing", AISTATS 2019 (8,000 x 7,000 and 160,000 x 500), w is the solution.
sparse-least-squares  w has d/3 nonzeros from N(0, 4), the noise is N(0, 1): L. Data, L. Song, S.
                      Diggavi, "Data Encoding for Byzantine-Resilient Distributed Optimization",
                      2021 (20,000 x 22,000). logistic              x from N(m, I) or N(-m, I), m
                      = 1.5 w / d, w of random signs, and y = 1 with probability 1 / (1 + exp(-x
                      w)): the artificial data of R. Tandon et al., "Gradient Coding", ICML 2017.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from .filling import Shape
from .layout import Meta
from .progress import Progress
from .writer import DatasetWriter

Array = npt.NDArray[Any]

KINDS = ("least-squares", "sparse-least-squares", "logistic")

# Fixed, since every block has its own random stream: the rows depend on the seed alone.
BLOCK_VALUES = 1 << 19


def parameters(kind: str, n_features: int, rng: np.random.Generator) -> Array:
    """Return the parameters w (n_features,) the rows are made from."""
    if kind == "least-squares":
        return rng.standard_normal(n_features)
    if kind == "sparse-least-squares":
        w = np.zeros(n_features)
        support = rng.choice(n_features, max(n_features // 3, 1), replace=False)
        w[support] = rng.normal(0.0, 2.0, len(support))
        return w
    if kind == "logistic":
        return rng.choice([-1.0, 1.0], n_features)
    raise ConfigError(f"unknown kind {kind!r}; one of: {', '.join(KINDS)}")


def _rows(
    kind: str,
    w: Array,
    n_samples: int,
    noise: float,
    seeds: np.random.SeedSequence,
    dtype: str,
) -> Iterator[tuple[Array, Array]]:
    d = len(w)
    n_rows = max(BLOCK_VALUES // d, 1)
    n_blocks = -(-n_samples // n_rows)
    for block, seed in enumerate(seeds.spawn(n_blocks)):
        rng = np.random.default_rng(seed)
        n = min(n_rows, n_samples - block * n_rows)
        X = rng.standard_normal((n, d))
        if kind == "logistic":
            X += rng.choice([-1.5, 1.5], (n, 1)) / d * w
        # y belongs to the rows as they are stored, or w would be no exact answer.
        X = X.astype(dtype, copy=False)
        if kind == "logistic":
            y = (rng.random(n) * (1 + np.exp(-(X @ w))) < 1).astype(np.int64)
        else:
            y = X @ w + noise * rng.standard_normal(n)
        yield X, y


def make_dataset(
    kind: str,
    output: str | os.PathLike[str],
    *,
    n_samples: int,
    n_features: int,
    noise: float | None = None,
    seed: int = 0,
    dtype: str = "float64",
    rows_per_shard: int | None = None,
    force: bool = False,
) -> None:
    """Write a synthetic dataset; ``answer`` in the file holds w (n_features,).

    ``noise`` is the standard deviation of what is added to y: 0 for ``least-squares`` and 1 for
    ``sparse-least-squares`` unless given. The rows depend on the other parameters and the seed
    alone.
    """
    if n_samples < 1 or n_features < 1:
        raise ConfigError(f"{n_samples} rows of {n_features} features are no dataset")
    if seed < 0:
        raise ConfigError(f"--seed {seed}: a seed is 0 or more")
    if kind == "logistic" and noise is not None:
        raise ConfigError(
            "--noise goes with least squares; logistic labels are random by themselves"
        )
    sigma = float(kind == "sparse-least-squares") if noise is None else noise
    if not (np.isfinite(sigma) and sigma >= 0):
        raise ConfigError(f"--noise {sigma}: a standard deviation is 0 or more")
    root = np.random.SeedSequence(seed)
    answer_seed, row_seeds = root.spawn(2)
    w = parameters(kind, n_features, np.random.default_rng(answer_seed))
    logistic = kind == "logistic"
    given = f"seed {seed}" if logistic else f"noise {sigma:g}, seed {seed}"
    meta = Meta(
        "binary" if logistic else "regression",
        2 if logistic else 0,
        f"mpicode data make {kind}, {given}",
        "CC0-1.0",
    )
    shape = Shape(n_samples, n_features, dtype)
    writer = DatasetWriter(
        output, shape, meta, rows_per_shard=rows_per_shard, extra={"answer": w}, force=force
    )
    with writer, Progress(f"making {kind}", n_samples, "rows") as progress:
        for X, y in _rows(kind, w, n_samples, sigma, row_seeds, dtype):
            writer.append(X, y)
            progress.at(writer.rows)
