"""What every rank makes of an ``[infer]`` table: the function, its inputs, how many rounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import codes
from ..codes import DataCode
from ..codes.data.degree import probe_degree
from ..config import Config, Infer
from ..datasets import Dataset, open_dataset
from ..errors import ConfigError
from ..pool import Work, delays, faults
from ..problems import Problem
from ..problems.imported import imported
from ..results import read_run
from .coded_places import Places, places_of
from .coded_rows import CodedRows
from .common import Kind, Wiring, problem_for
from .data_rules import DataRules
from .infer_field import FieldFunction, Lift, columns_of, lifting, of_problem
from .map_job import MapJob
from .map_work import Function, MapWork, outputs_per_row, tried
from .own_function import of_arrays

# Numbers in an answer, about, where no batch size is given.
_MESSAGE_NUMBERS = 1 << 20
_PROBE_ROWS = 3

Array = NDArray[Any]


@dataclass(frozen=True)
class InferSetup:
    """The parts of an inference.

    dataset  : the plain rows, None for a worker that has a coded file instead
    function : of parameters and rows
    payload  : what the function gets as parameters, on the master
    shape    : of what it gives for a row, or a block
    step     : slots per round
    dtype    : of coded rows
    field    : the function over a prime field, None in floating numbers
    """

    config: Config
    table: Infer
    code: DataCode
    rules: DataRules
    places: Places
    dataset: Dataset | None
    function: Function
    payload: Array
    shape: tuple[int, ...]
    step: int
    dtype: np.dtype[Any]
    field: FieldFunction | None = None

    @property
    def per_block(self) -> bool:
        """Whether the function is of a whole block."""
        return self.table.per == "block"

    def samples(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return which row of the dataset is in slots ``start`` to ``stop`` of each block.

        (stop - start, n_blocks); -1 where there is none.
        """
        if self.places.coded is not None:
            return self.places.coded.samples(start, stop)
        n_blocks = self.code.n_blocks
        found = np.arange(start * n_blocks, stop * n_blocks).reshape(-1, n_blocks)
        assert self.dataset is not None
        return np.where(found < self.dataset.n_samples, found, -1)

    @cached_property
    def job(self) -> MapJob:
        """The job for a pool."""
        config, run = self.config, self.config.run
        length = int(np.prod(self.shape)) * (1 if self.per_block else self.step)
        answer: np.dtype[Any] = np.dtype(run.dtype)
        if self.field is not None or self.dtype.kind == "c":
            answer = np.dtype(np.complex128 if self.field is None else np.int64)
        n_rounds = 1 if self.per_block else -(-self.places.slots.n_slots // self.step)
        injection = faults.make(config.faults.inject, n_workers=run.n_workers, seed=run.seed)
        context = {"n_workers": run.n_workers, "seed": run.seed}
        return MapJob(
            code=self.code,
            rules=self.rules,
            wiring=Wiring(self.payload.size, self.payload.dtype, length, answer, 1),
            n_rounds=n_rounds,
            work=lambda worker: self._work(worker, length, answer),
            payload=self.payload,
            delay=delays.make(
                config.delays.name, config.delays.parameters, read_run=read_run, **context
            ),
            faults=injection,
            trouble=config.faults,
            target_error=self.table.target_error,
            checksum=config.wire.checksum or (injection is not None and injection.corrupts),
        )

    def _work(self, worker: int, length: int, answer: np.dtype[Any]) -> Work:
        run_dtype = np.dtype(self.config.run.dtype)
        source = self.places.source(worker, self.code, self.dataset, run_dtype, self.field)
        memory_bytes = self.config.data.memory_mb * 1e6
        dtype = self.dtype if self.field is None else np.dtype(np.int64)
        rows = CodedRows(source, lambda columns: columns, dtype, memory_bytes)
        n_slots, step = self.places.slots.n_slots, self.step

        def inputs(number: int) -> Array:
            slots = np.arange(number * step, min((number + 1) * step, n_slots))
            chunks = [np.asarray(chunk.X) for chunk in rows.rows(slots)]
            return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

        function = self.function if self.field is None else self.field
        return MapWork(function, inputs, length, answer, self.code.load(worker))

    def lift(self) -> Lift | None:
        """Return what makes residues numbers, on the master, which reads the rows for it.

        None without a field; raises `ConfigError` for one that is too small.
        """
        if self.field is None:
            return None
        assert self.dataset is not None
        rows, copies = (self.step, 1) if self.per_block else (1, self.step)
        columns = columns_of(self.dataset, self.field.data_bits)
        return lifting(self.field, self.payload, columns, rows, copies)

    def close(self) -> None:
        """Close the files."""
        for file in (self.dataset, self.places.block, self.places.coded):
            if file is not None:
                file.close()


def infer_setup(config: Config, worker: int | None) -> InferSetup:
    """Build the parts; raises `ConfigError` or `DataError` for the first thing that is wrong.

    worker : whose parts they are; None: the master's, or all in one process
    """
    with contextlib.ExitStack() as opened:
        setup = _build(config, worker, opened)
        opened.pop_all()  # the files are the caller's now
    return setup


def _build(config: Config, worker: int | None, opened: contextlib.ExitStack) -> InferSetup:
    table, run = config.infer, config.run
    if table is None:
        raise ConfigError("infer: table is missing")
    if config.data.test_fraction:
        raise ConfigError("data.test_fraction: must be 0, outputs are wanted of all rows")
    dataset = None
    if worker is None or config.data.coded is None:
        dataset = opened.enter_context(open_dataset(config.data.path))
    code = _code(config)
    places = places_of(config, code, dataset, worker, opened)
    kind = places.kind(dataset)
    dtype = np.dtype(np.complex128 if code.storage.dtype.kind == "c" else run.dtype)
    function, payload, name, polynomial = _function(config, table, kind, dtype)
    n_slots = places.slots.n_slots
    if table.per == "block":
        # a row of zeros may be no block that the function can take; random ones are the usual case
        block = np.random.default_rng(0).standard_normal((n_slots, kind.n_features)).astype(dtype)
        shape, step = tried(function, payload, block, name).shape, n_slots
    else:
        width = outputs_per_row(function, payload, kind.n_features, dtype, name)
        shape, step = (width,), max(1, _MESSAGE_NUMBERS // max(1, width))
        if table.batch_size is not None:
            step = table.batch_size // code.n_blocks
    if step < 1:
        raise ConfigError(
            f"infer.batch_size: {table.batch_size} rows, but there are {code.n_blocks} blocks"
        )
    degree = getattr(code, "degree", None)
    if worker is None and degree is not None:
        n_rows = min(n_slots, _PROBE_ROWS)
        shapes, rng = ((n_rows, kind.n_features),), np.random.default_rng([0, degree])
        probe_degree(lambda X: function(payload, X), shapes, degree, rng, dtype=dtype)
    form, field = places.form(config, code), None
    if form is not None:
        field = FieldFunction(polynomial(), form, name)
        n_rows = n_slots if table.per == "block" else 1
        given = np.zeros((n_rows, kind.n_features), dtype)
        field.check(payload, given.shape, np.shape(function(payload, given)))
    rules = DataRules(code, config.decoding, kind="map")
    return InferSetup(
        config=config,
        table=table,
        code=code,
        rules=rules,
        places=places,
        dataset=dataset,
        function=function,
        payload=payload,
        shape=shape,
        step=min(step, n_slots),
        dtype=dtype,
        field=field,
    )


def _code(config: Config) -> DataCode:
    part, run = config.code, config.run
    code = codes.make(part.name, n_workers=run.n_workers, seed=run.seed, **part.parameters)
    if not isinstance(code, DataCode) or "map" not in code.kinds:
        serving = [name for name in codes.names("data") if "map" in codes.CODES[name].kinds]
        raise ConfigError(
            f"code.name: {part.name!r} serves {', '.join(code.kinds)} requests, `infer` wants "
            f"'map'; one of: {', '.join(serving)}"
        )
    return code


def _function(
    config: Config, table: Infer, kind: Kind, dtype: np.dtype[Any]
) -> tuple[Function, Array, str, Callable[[], Callable[[Array, Any], Any]]]:
    """Return the function, its parameters, what errors call it, and what makes it of `Numbers`."""
    if table.function is not None:
        own = imported(table.function, "infer.function", "function")
        if not callable(own):
            raise ConfigError(f"infer.function: {table.function!r} is no function")
        of_arrays_alone = of_arrays(own, "infer.function")

        def of_rows(x: Array, X: Any) -> Any:
            return of_arrays_alone(X)

        return of_rows, np.zeros(1, config.run.dtype), table.function, lambda: of_rows
    if not config.problem.name:
        raise ConfigError("infer.function: missing, and there is no table [problem] either")
    problem = problem_for(config, kind, np.dtype(config.run.dtype))
    if dtype.kind == "c":
        if problem.degree is None:
            raise ConfigError(
                f"code.points: the coded rows are complex, which {problem.name!r} cannot take; "
                "wants 'chebyshev'"
            )
        problem = problem_for(config, kind, dtype)
    x = _parameters(config, table, problem).astype(config.run.dtype)
    return (
        lambda x, X: problem.outputs(x.astype(dtype, copy=False), np.ascontiguousarray(X)),
        x,
        problem.name,
        lambda: of_problem(problem),
    )


def _parameters(config: Config, table: Infer, problem: Problem) -> Array:
    if table.parameters is None:
        return problem.initial(config.run.seed).real
    found = read_run(table.parameters).parameters
    if found is None:
        raise ConfigError(f"infer.parameters: {table.parameters} did not get to its end, has none")
    if found.shape != (problem.n_parameters,):
        raise ConfigError(
            f"infer.parameters: {table.parameters} has {found.size}, {problem.name!r} on this data "
            f"has {problem.n_parameters}"
        )
    return found
