"""What every rank builds from the configuration for itself: names cross the wire, not objects."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .. import codes
from ..codes import DataCode, GradientCode
from ..codes.gradient.lwpd import Lwpd
from ..config import Config
from ..datasets import Dataset, open_dataset
from ..errors import ConfigError
from ..pool import delays, faults
from ..pool.delays import Delay
from ..pool.faults import Injection
from ..problems import Problem, Rows
from ..results import read_run
from .asynchronous.parameters import check
from .blocks import Blocks, all_rows, held_out
from .common import Common, Wiring, problem_for
from .data_setup import data_setup
from .gradient_work import GradientWork
from .light_work import LightWork
from .partition import Partition
from .plan import PLAN_HEAD
from .segments import Segments
from .stop_rules import StopRules

# Codes of more segments may take minutes to make.
_FEW_SEGMENTS = 64


@dataclass(frozen=True, kw_only=True)
class Setup(Common):
    """The parts of a run with a gradient code; `build` makes it."""

    dataset: Dataset
    code: GradientCode
    rules: StopRules
    segments: Segments
    partition: Partition

    @property
    def wiring(self) -> Wiring:
        """What crosses the wire."""
        answer = self.segments.answer_length, self.segments.dtype
        n_numbers = max(self.code.n_messages, self.config.run.n_workers + PLAN_HEAD)
        if self.config.asynchronous.repack_every and isinstance(self.code, Lwpd):
            n_numbers = max(n_numbers, self.code.packed.size)
        if self.config.asynchronous.downlink == "updates":
            # parameters go behind the number of steps, in double precision
            asked = self.problem.n_parameters + 1, np.dtype(np.float64)
        else:
            asked = self.problem.n_parameters, self.dtype
        return Wiring(*asked, *answer, n_numbers)

    @property
    def fingerprint(self) -> str:
        """What the rows to train on hash to."""
        return self.dataset.fingerprint

    def blocks(
        self, beside: Blocks | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> Blocks:
        """Return an empty store for rows; see `Blocks`."""
        memory_bytes = self.config.data.memory_mb * 1e6
        return Blocks(self.dataset, self.partition, self.dtype, memory_bytes, beside, cancelled)

    def work(self, worker: int, blocks: Blocks) -> GradientWork:
        """Return what ``worker`` computes, its rows read."""
        table = self.config.asynchronous
        arguments = worker, self.code, self.problem, self.segments, blocks, self.partition
        batch_size, plain_loss = self.config.run.batch_size, table.mode is not None
        # messages that are never added up need not be of the same rows, and teach more if they are
        # not: several workers are asked at one version where their answers came together
        drawer = 0 if table.mode in (None, "round") else worker
        if not self.segments.sliced:
            return GradientWork(*arguments, batch_size, plain_loss, drawer)
        n_at_once = table.n_codewords if plain_loss else self.code.messages(worker).size
        return LightWork(*arguments, batch_size, plain_loss, drawer, several=n_at_once > 1)

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


def build(config: Config, worker: int | None = None) -> Common:
    """Build the parts; raises `ConfigError` or `DataError` for the first thing that is wrong.

    worker : whose parts they are; None: the master's, or all in one process. A worker of a coded
             dataset opens nothing but its own file.
    """
    with contextlib.ExitStack() as opened:
        setup = _build(config, worker, opened)
        opened.pop_all()  # the files are the caller's now
    return setup


def _build(config: Config, worker: int | None, opened: contextlib.ExitStack) -> Common:
    for table in ("problem", "optimizer"):
        if not getattr(config, table).name:
            raise ConfigError(f"{table}: table is missing")
    run = config.run
    dataset = test = None
    if worker is None or config.data.coded is None:
        dataset = opened.enter_context(open_dataset(config.data.path))
        if run.n_workers > dataset.n_samples:
            # said before a code of that size is made
            raise ConfigError(
                f"run.n_workers: {run.n_workers} workers, but only {dataset.n_samples} rows of data"
            )
    given = config.code.parameters.get("n_segments")
    if dataset is not None and isinstance(given, int) and given > _FEW_SEGMENTS:
        # said before a code of that size is made
        _check_segments(given, problem_for(config, dataset, np.dtype(run.dtype)))
    code = codes.make(
        config.code.name, n_workers=run.n_workers, seed=run.seed, **config.code.parameters
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
    setup: Common
    if isinstance(code, DataCode):
        setup = data_setup(config, code, delay, injection, dataset, worker, opened)
    elif dataset is None or config.data.coded is not None:
        raise ConfigError(
            f"data.coded: files of a code over the data, but {code.name!r} is a gradient code"
        )
    else:
        setup = _gradient_setup(config, code, delay, injection, dataset)
    if config.data.test is not None and dataset is not None:
        test = opened.enter_context(_open_test(config.data.test, dataset))
        setup = dataclasses.replace(setup, test=test)
    setup.optimizer()
    if config.asynchronous.mode is not None:
        if not isinstance(setup, Setup):
            raise ConfigError(
                f"asynchronous.mode: {code.name!r} is a code over the data, whose answers are of "
                "use only together"
            )
        check(setup)
    return setup


def _check_segments(n_segments: int, problem: Problem) -> None:
    if n_segments > problem.n_parameters:
        raise ConfigError(
            f"code.n_segments: {n_segments} segments, but {problem.name!r} has "
            f"{problem.n_parameters} parameters on this data"
        )


def _gradient_setup(
    config: Config,
    code: GradientCode,
    delay: Delay,
    injection: Injection | None,
    dataset: Dataset,
) -> Setup:
    rules = StopRules(code, config.decoding)
    dtype = np.dtype(config.run.dtype)
    problem = problem_for(config, dataset, dtype)
    _check_segments(code.n_segments, problem)
    return Setup(
        config=config,
        dtype=dtype,
        problem=problem,
        delay=delay,
        faults=injection,
        dataset=dataset,
        code=code,
        rules=rules,
        segments=Segments.of(code, problem, dtype),
        partition=partition_for(code, config, dataset.n_samples),
    )


def _open_test(path: str, dataset: Dataset) -> Dataset:
    test = open_dataset(path)
    for what in ("n_features", "n_classes", "task"):
        ours, theirs = getattr(dataset, what), getattr(test, what)
        if ours != theirs:
            test.close()
            raise ConfigError(f"data.test: {what} is {theirs!r}, but {ours!r} in data.path")
    return test
