"""The parts of a run with a code over the data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import DataCode
from ..codes.data.field_gradient import FieldGradient
from ..codes.data.field_numbers import Form
from ..config import Config
from ..datasets import Dataset
from ..datasets.coded import CodedBlock, CodedDataset
from ..errors import ConfigError
from ..pool.delays import Delay
from ..pool.faults import Injection
from ..pool.worker import Work
from ..problems import Problem, Rows
from ..problems.linear import LinearModel
from .arithmetic import Arithmetic, Floating, OverField
from .blocks import all_rows, chunk_rows, held_out
from .coded_places import Places, places_of
from .coded_rows import CodedRows, Source, soft_labels
from .coded_work import CodedWork, FieldWork
from .common import Common, Wiring, problem_for
from .data_rules import DataRules
from .partition import Partition
from .slots import Slots


@dataclass(frozen=True, kw_only=True)
class DataSetup(Common):
    """The parts of a run with a data code; `data_setup` makes it.

    dataset   : the plain rows, None for a worker that has a coded file instead
    partition : which of them are kept aside
    block     : that file, for a worker; the master, or all in one process, have ``coded``
    field     : the problem over a prime field, None in floating numbers
    """

    code: DataCode
    rules: DataRules
    slots: Slots
    arithmetic: Arithmetic
    dataset: Dataset | None = None
    partition: Partition | None = None
    block: CodedBlock | None = None
    coded: CodedDataset | None = None
    field: FieldGradient | None = None

    @property
    def wiring(self) -> Wiring:
        """What crosses the wire: parameters there, a gradient, mostly with a loss, back."""
        way = self.arithmetic
        n = self.problem.n_parameters
        return Wiring(n, way.request_dtype, way.answer_length, way.answer_dtype, 1)

    @property
    def fingerprint(self) -> str:
        """What the rows to train on hash to."""
        assert self.dataset is not None
        return self.dataset.fingerprint

    def work(self, worker: int) -> Work:
        """Return what ``worker`` computes, its coded block read."""
        memory_bytes, load = self.config.data.memory_mb * 1e6, self.code.load(worker)
        source = self._source(worker)
        if self.field is not None:
            rows = CodedRows(source, _first_column, np.dtype(np.int64), memory_bytes)
            return FieldWork(self.field, rows, self.slots, self.problem.n_parameters, load)
        problem = self.problem
        if self.arithmetic.answer_dtype.kind == "c":
            kind = Places(self.slots, block=self.block).kind(self.dataset)
            problem = problem_for(self.config, kind, np.dtype(np.complex128))
        labels = partial(soft_labels, problem=problem)
        rows = CodedRows(source, labels, problem.dtype, memory_bytes)
        return CodedWork(problem, rows, self.slots, load)

    def _source(self, worker: int) -> Source:
        places = Places(self.slots, self.partition, self.block, self.coded)
        return places.source(worker, self.code, self.dataset, self.dtype, self.field)

    @property
    def has_test(self) -> bool:
        """Whether anything is held out."""
        return self.test is not None or (self.partition is not None and self.partition.n_test > 0)

    def test_rows(self) -> Iterator[Rows]:
        """Yield the held-out rows, in chunks."""
        if self.test is not None:
            return all_rows(self.test, self.dtype)
        assert self.dataset is not None
        assert self.partition is not None
        return held_out(self.dataset, self.partition, self.dtype)

    def train_rows(self) -> Iterator[Rows]:
        """Yield the plain rows to train on, in chunks."""
        dataset, partition = self.dataset, self.partition
        assert dataset is not None
        assert partition is not None
        n = dataset.n_samples
        step = chunk_rows(dataset, 0, n, self.dtype)
        for first in range(0, n, step):
            last = min(first + step, n)
            X, y = dataset.read(first, last, self.dtype)
            train = ~partition.aside(first, last)
            yield Rows(X[train], y[train])

    def loss(self, x: NDArray[np.float64]) -> float:
        """Return the mean loss over the training rows, which the master reads for it."""
        assert self.partition is not None
        x = x.astype(self.dtype)
        total, weight = 0.0, 1.0 / self.partition.n_train
        for rows in self.train_rows():
            total += self.problem.loss(x, rows, np.full(len(rows.y), weight, self.dtype))
        return total

    def close(self) -> None:
        """Close the files."""
        for file in (self.dataset, self.test, self.block, self.coded):
            if file is not None:
                file.close()


def data_setup(
    config: Config,
    code: DataCode,
    delay: Delay,
    injection: Injection | None,
    dataset: Dataset | None,
    worker: int | None,
    opened: contextlib.ExitStack,
) -> DataSetup:
    """Build the parts of a run with a data code; raises `ConfigError` or `DataError`.

    dataset : the plain rows, None for a worker of coded files
    """
    if "gradient" not in code.kinds:
        raise ConfigError(
            f"code.name: {code.name!r} serves {' and '.join(code.kinds)} requests, no gradients"
        )
    places = places_of(config, code, dataset, worker, opened)
    kind = places.kind(dataset)
    dtype = np.dtype(config.run.dtype)
    problem = problem_for(config, kind, dtype)
    check_degree(code, problem)
    arithmetic: Arithmetic = Floating(code, problem.n_parameters, dtype)
    field = None
    form = places.form(config, code)
    if form is not None:
        field = _over_field(config, form, problem)
        per_row = places.slots.weight * places.slots.scale
        arithmetic = OverField(code, field, problem.n_parameters, per_row)
    return DataSetup(
        config=config,
        dtype=dtype,
        problem=problem,
        delay=delay,
        faults=injection,
        code=code,
        rules=DataRules(code, config.decoding),
        slots=places.slots,
        arithmetic=arithmetic,
        dataset=dataset,
        partition=places.partition,
        block=places.block,
        coded=places.coded,
        field=field,
    )


def check_degree(code: DataCode, problem: Problem) -> None:
    """Raise `ConfigError` where a code decodes polynomials, and the gradient is none it can."""
    most = getattr(code, "degree", None)
    if most is None:
        return
    if problem.degree is None:
        raise ConfigError(
            f"problem.name: the gradient of {problem.name!r} is no polynomial in the rows, and "
            f"{code.name!r} decodes nothing else"
        )
    if problem.degree > most:
        raise ConfigError(
            f"code.degree: {most}, but the gradient of {problem.name!r} has degree {problem.degree}"
        )


def _over_field(config: Config, form: Form, problem: Problem) -> FieldGradient:
    """Return the gradient in whole numbers."""
    if not isinstance(problem, LinearModel) or problem.n_outputs != 1 or problem.intercept:
        raise ConfigError(
            "problem.name: over a field models of one output, linear in the features and with "
            f"intercept = false, are computed, got {problem.name!r}"
        )
    slope = problem.slope
    if problem.task == "binary":

        def slope(z: Any, y: Any) -> Any:
            return problem.slope(z, (y + 1) / 2)  # coded labels are -1 and 1

    return FieldGradient(
        slope,
        form.prime,
        data_bits=form.data_bits,
        parameter_bits=form.parameter_bits,
        largest_parameter=config.field.largest_parameter,
    )


def _first_column(columns: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(columns[:, 0])
