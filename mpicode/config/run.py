"""How many workers a run has, and when it stops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from .checks import within


@dataclass(frozen=True)
class Run:
    """``[run]``: how many workers, and when to stop."""

    n_workers: int = 8
    """Workers; under MPI there is one more rank, the master."""
    iterations: int = 100
    """Most iterations."""
    target_loss: float | None = None
    """Stop once the training loss is at or below this."""
    target_gradient_norm: float | None = None
    """Stop once the Euclidean norm of the gradient is at or below this."""
    max_seconds: float | None = None
    """Stop after this much run time."""
    seed: int = 0
    """Of everything random, each in a stream of its own."""
    dtype: Literal["float32", "float64"] = "float64"
    """Of the data, the messages and the snapshots; the master keeps the parameters in float64."""
    batch_size: int | None = None
    """Rows per iteration, over all blocks together; absent: all rows."""
    evaluate_every: int = 10
    """Iterations between evaluations on held-out data."""
    record_every: int | None = None
    """Messages used per iteration of an asynchronous run; absent: as many as there are workers."""
    placement: Literal["spread", "as-numbered"] = "spread"
    """Which worker has which place in the code: so that a node holds few copies of each block, or
    in the order of the ranks. On one node it is the same."""

    def __post_init__(self) -> None:
        within("run.n_workers", self.n_workers, 1)
        within("run.iterations", self.iterations, 0)
        within("run.seed", self.seed, 0, below=2**63)  # the run file holds it as an integer
        within("run.evaluate_every", self.evaluate_every, 1)
        if self.record_every is not None:
            within("run.record_every", self.record_every, 1)
        if self.target_loss is not None and math.isnan(self.target_loss):
            raise ConfigError("run.target_loss: must be a number, got nan")
        for key in ("target_gradient_norm", "max_seconds"):
            value = getattr(self, key)
            if value is not None:
                within(f"run.{key}", value, 0.0)
        if self.batch_size is not None:
            within("run.batch_size", self.batch_size, 1)
