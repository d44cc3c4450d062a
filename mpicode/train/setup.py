"""What every rank builds from the configuration for itself: names cross the wire, not objects."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import codes, optimizers, problems
from ..codes import GradientCode
from ..config import Config
from ..datasets import Dataset, open_dataset
from ..errors import ConfigError
from ..optimizers import Optimizer
from ..pool import delays, faults
from ..pool.delays import Delay
from ..pool.faults import Injection
from ..problems import Problem, Rows
from ..results import read_run
from .blocks import Blocks, all_rows, held_out
from .gradient_work import GradientWork
from .partition import Partition
from .segments import Segments
from .stop_rules import StopRules


@dataclass(frozen=True)
class Setup:
    """The parts of a run; `build` makes it, which checks every key of the configuration."""

    config: Config
    dtype: np.dtype[Any]
    dataset: Dataset
    test: Dataset | None
    code: GradientCode
    rules: StopRules
    problem: Problem
    segments: Segments
    partition: Partition
    delay: Delay
    faults: Injection | None

    @property
    def checksum(self) -> bool:
        """Whether answers carry a checksum."""
        return self.config.wire.checksum or (self.faults is not None and self.faults.corrupts)

    def blocks(
        self, beside: Blocks | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> Blocks:
        """Return an empty store for rows; see `Blocks`."""
        memory_bytes = self.config.data.memory_mb * 1e6
        return Blocks(self.dataset, self.partition, self.dtype, memory_bytes, beside, cancelled)

    def work(self, worker: int, blocks: Blocks) -> GradientWork:
        """Return what ``worker`` computes, its rows read."""
        return GradientWork(
            worker,
            self.code,
            self.problem,
            self.segments,
            blocks,
            self.partition,
            self.config.run.batch_size,
        )

    def optimizer(self) -> Optimizer:
        """Return a fresh optimizer."""
        part = self.config.optimizer
        return optimizers.make(part.name, part.parameters, n_parameters=self.problem.n_parameters)

    def initial(self) -> NDArray[np.float64]:
        """Return the parameters to begin with, (n_parameters,)."""
        return self.problem.initial(self.config.run.seed).astype(np.float64)

    @property
    def has_test(self) -> bool:
        """Whether anything is held out."""
        return self.test is not None or self.partition.n_test > 0

    def test_rows(self) -> Iterator[Rows]:
        """Yield the held-out rows, in chunks."""
        if self.test is not None:
            return all_rows(self.test, self.dtype)
        return held_out(self.dataset, self.partition, self.dtype)

    def close(self) -> None:
        """Close the dataset files."""
        self.dataset.close()
        if self.test is not None:
            self.test.close()


def partition_for(code: GradientCode, config: Config, n_samples: int) -> Partition:
    """Return the partition of so many rows; raises `ConfigError` where they are too few."""
    run = config.run
    partition = Partition(n_samples, code.n_blocks, config.data.test_fraction, run.seed)
    if run.batch_size is not None and not code.n_blocks <= run.batch_size <= partition.n_train:
        raise ConfigError(
            f"run.batch_size: {run.batch_size} is not between the {code.n_blocks} blocks "
            f"and the {partition.n_train} rows to train on"
        )
    return partition


def build(config: Config) -> Setup:
    """Build the parts; raises `ConfigError` or `DataError` for the first thing that is wrong."""
    with contextlib.ExitStack() as opened:
        setup = _build(config, opened)
        opened.pop_all()  # the files are the caller's now
    return setup


def _build(config: Config, opened: contextlib.ExitStack) -> Setup:
    run = config.run
    dataset = opened.enter_context(open_dataset(config.data.path))
    if run.n_workers > dataset.n_samples:
        # said before a code of that size is made
        raise ConfigError(
            f"run.n_workers: {run.n_workers} workers, but only {dataset.n_samples} rows of data"
        )
    code = codes.make(
        config.code.name, n_workers=run.n_workers, seed=run.seed, **config.code.parameters
    )
    if not isinstance(code, GradientCode):
        raise ConfigError(
            f"code.name: {code.name!r} is a {code.family} code, wants a gradient code"
        )
    delay = delays.make(
        config.delays.name,
        config.delays.parameters,
        n_workers=run.n_workers,
        seed=run.seed,
        read_run=read_run,
    )
    injection = faults.make(config.faults.inject, n_workers=run.n_workers, seed=run.seed)
    if injection is not None and injection.disk_full_at is not None and config.output.path is None:
        raise ConfigError("faults.inject: 'full-disk' needs a run file, output.path is missing")
    rules = StopRules(code, config.decoding)
    dtype = np.dtype(run.dtype)
    problem = problems.make(
        config.problem.name,
        config.problem.parameters,
        n_features=dataset.n_features,
        n_classes=dataset.n_classes,
        task=dataset.task,
        dtype=dtype,
    )
    if code.n_segments > problem.n_parameters:
        raise ConfigError(
            f"code.n_segments: {code.n_segments} segments, but {problem.name!r} has "
            f"{problem.n_parameters} parameters on this data"
        )
    segments = Segments(code, problem.n_parameters, dtype, problem.layout(code.n_segments))
    partition = partition_for(code, config, dataset.n_samples)
    test = None
    if config.data.test is not None:
        test = opened.enter_context(open_dataset(config.data.test))
        for what in ("n_features", "n_classes", "task"):
            ours, theirs = getattr(dataset, what), getattr(test, what)
            if ours != theirs:
                raise ConfigError(f"data.test: {what} is {theirs!r}, but {ours!r} in data.path")
    setup = Setup(
        config, dtype, dataset, test, code, rules, problem, segments, partition, delay, injection
    )
    setup.optimizer()
    return setup
