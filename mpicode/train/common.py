"""What runs of either family of codes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .. import optimizers, problems
from ..codes import DataCode, GradientCode
from ..config import Config
from ..datasets import Dataset
from ..optimizers import Optimizer
from ..pool.delays import Delay
from ..pool.faults import Injection
from ..problems import Problem, Rows


class Kind(Protocol):
    """What rows there are, as a dataset or the file of a coded block says."""

    @property
    def n_features(self) -> int: ...  # noqa: D102
    @property
    def n_classes(self) -> int: ...  # noqa: D102
    @property
    def task(self) -> str: ...  # noqa: D102


def problem_for(config: Config, data: Kind, dtype: np.dtype[Any]) -> Problem:
    """Return the configured problem for such rows, which have that type."""
    return problems.make(
        config.problem.name,
        config.problem.parameters,
        n_features=data.n_features,
        n_classes=data.n_classes,
        task=data.task,
        dtype=dtype,
    )


class Wiring(NamedTuple):
    """Lengths and types of requests and answers, and the most numbers a worker is ever told."""

    request_length: int
    request_dtype: np.dtype[Any]
    answer_length: int
    answer_dtype: np.dtype[Any]
    n_numbers: int


# Of a rank that could not find out.
NO_WIRING = Wiring(0, np.dtype(np.float64), 0, np.dtype(np.float64), 0)


@dataclass(frozen=True, kw_only=True)
class Common(ABC):
    """The parts of a run; ``dtype`` is that of the rows and of what workers are sent."""

    config: Config
    dtype: np.dtype[Any]
    problem: Problem
    delay: Delay
    faults: Injection | None
    code: GradientCode | DataCode
    test: Dataset | None = None

    @property
    def checksum(self) -> bool:
        """Whether answers carry a checksum."""
        return self.config.wire.checksum or (self.faults is not None and self.faults.corrupts)

    @property
    @abstractmethod
    def wiring(self) -> Wiring:
        """What crosses the wire."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What the rows to train on hash to."""

    @property
    @abstractmethod
    def has_test(self) -> bool:
        """Whether anything is held out."""

    @abstractmethod
    def test_rows(self) -> Iterator[Rows]:
        """Yield the held-out rows, in chunks."""

    @abstractmethod
    def close(self) -> None:
        """Close the files."""

    def optimizer(self) -> Optimizer:
        """Return a fresh optimizer."""
        part = self.config.optimizer
        return optimizers.make(part.name, part.parameters, n_parameters=self.problem.n_parameters)

    def initial(self) -> NDArray[np.float64]:
        """Return the parameters to begin with, (n_parameters,)."""
        return self.problem.initial(self.config.run.seed).astype(np.float64)
