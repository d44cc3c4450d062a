"""Write the run file while the run goes on; the master alone does."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from .. import __version__
from ..errors import DataError
from .schema import EVENT, ITERATION_COLUMNS, MESSAGE, SCHEMA, WORKER_COLUMNS, Outcome

_MESSAGES_HELD = 1 << 16
_NAMES = frozenset(ITERATION_COLUMNS) | {"iteration"}
_DEFAULTS = [
    (name, 0.0 if dtype == "i8" else np.nan) for name, (dtype, _, _) in ITERATION_COLUMNS.items()
]


class RunWriter:
    """Collect rows in memory and append them to ``PATH.part`` in batches.

    The file at ``path`` is replaced only by `close`, with a whole one. Until then, and after a crash,
    ``PATH.part`` is readable up to the last flush and says ``complete = False``. Files are flushed
    every ``flush_seconds`` at the end of an iteration, and at once after an event.

    A disk that is full, or otherwise refuses, raises `DataError`; from then on the writer takes
    nothing more and ``path`` stays as it was.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        attrs: Mapping[str, Any],
        n_workers: int,
        flush_seconds: float = 1.0,
    ) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.n_workers = n_workers
        self.flush_seconds = flush_seconds
        self._n_rows = 0
        self._n_codes = 0
        held = int(np.clip((1 << 19) // max(n_workers, 1), 64, 4096))
        self._rows = np.empty((held, 1 + len(ITERATION_COLUMNS)))
        self._workers = {
            name: np.empty((held, n_workers), dtype)
            for name, (dtype, _, _) in WORKER_COLUMNS.items()
        }
        self._held = 0
        self._messages: list[tuple[Any, ...]] = []
        self._closed = False
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = h5py.File(self.part, "w")
            self._lay_out(attrs)
            self._file.flush()
        self._due = time.monotonic() + flush_seconds

    def code(self, arrays: Mapping[str, Any], iteration: int) -> None:
        """Keep a code's ``encoding`` or ``storage`` and ``owner``, in use from ``iteration`` on.

        Sparse arrays become a group with ``data``, ``indices``, ``indptr`` and attribute ``shape``.
        """
        with self._told():
            group = self._file.create_group(f"code/{self._n_codes}")
            group.attrs["iteration"] = iteration
            for name, array in arrays.items():
                if sp.issparse(array):
                    array = sp.csr_array(array)
                    sparse = group.create_group(name)
                    sparse.attrs["shape"] = array.shape
                    for part in ("data", "indices", "indptr"):
                        sparse[part] = getattr(array, part)
                else:
                    group[name] = np.asarray(array)
        self._n_codes += 1

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Append one row to each dataset of /iterations and /workers.

        ``columns`` are numbers by the names of `ITERATION_COLUMNS`, and ``iteration`` where it is not
        simply the next one; ``workers`` are arrays (n_workers,) by the names of `WORKER_COLUMNS`.
        They are copied. A name that is not known is a ``KeyError``, a wrong shape a ``ValueError``.
        """
        if not columns.keys() <= _NAMES:
            raise KeyError(f"no such column: {', '.join(columns.keys() - _NAMES)}")
        if self._held == len(self._rows):
            self._write()
        row = [columns.get("iteration", self._n_rows + self._held)]
        row += [columns.get(name, default) for name, default in _DEFAULTS]
        self._rows[self._held] = row
        for name, held in self._workers.items():
            values = workers.get(name)
            held[self._held] = (held.dtype.kind == "f" and np.nan) if values is None else values
        self._held += 1
        if time.monotonic() >= self._due:
            self.flush()

    def message(
        self,
        iteration: int,
        round: int,
        message: int,
        worker: int,
        parameters_iteration: int,
        seconds: float,
        outcome: Outcome,
    ) -> None:
        """Append one row to /messages: what landed in ``iteration``, and what became of it."""
        self._messages.append(
            (iteration, round, message, worker, parameters_iteration, seconds, outcome)
        )
        if len(self._messages) >= _MESSAGES_HELD:
            self._write()

    def event(self, iteration: int, seconds: float, worker: int, kind: str, detail: str) -> None:
        """Append one row to /events and flush; ``worker`` is -1 for an event of no worker."""
        with self._told():
            _append(
                self._file["events"],
                np.array([(iteration, seconds, worker, kind, detail)], EVENT),
            )
        self.flush()

    def flush(self) -> None:
        """Bring everything so far into ``PATH.part``."""
        self._write()
        with self._told():
            self._file.flush()
        self._due = time.monotonic() + self.flush_seconds

    def close(
        self, parameters: np.ndarray | None, complete: bool, outcome: str, **attrs: Any
    ) -> None:
        """Write ``parameters`` (where there are any) and the outcome, and move the file into place."""
        if self._closed:
            return
        self._write()
        with self._told():
            if parameters is not None:
                self._file.create_dataset(
                    "parameters", data=parameters, chunks=True, fletcher32=True
                )
            self._file.attrs.update({**attrs, "complete": complete, "outcome": outcome})
            self._file.close()
            _sync(self.part)
            self.part.replace(self.path)
            _sync(self.path.parent)
        self._closed = True

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._closed:
            outcome = "not finished" if kind is None else f"{kind.__name__}: {error}"
            self.close(None, complete=False, outcome=outcome)

    def _lay_out(self, attrs: Mapping[str, Any]) -> None:
        self._file.attrs.update(
            {
                "creator": f"mpicode {__version__}",
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                **attrs,
                "schema": SCHEMA,
                "complete": False,
                "outcome": "running",
            }
        )
        iterations = self._file.create_group("iterations")
        workers = self._file.create_group("workers")
        # Each group has scales of its own: readers of netCDF look for them beside the column.
        for group in (iterations, workers):
            _grow(group, "iteration", "i8", "1", "number of the iteration").make_scale("iteration")
        workers["worker"] = np.arange(self.n_workers)
        workers["worker"].make_scale("worker")
        for name, (dtype, unit, description) in ITERATION_COLUMNS.items():
            column = _grow(iterations, name, dtype, unit, description)
            column.dims[0].attach_scale(iterations["iteration"])
        for name, (dtype, unit, description) in WORKER_COLUMNS.items():
            column = _grow(workers, name, dtype, unit, description, self.n_workers)
            column.dims[0].attach_scale(workers["iteration"])
            column.dims[1].attach_scale(workers["worker"])
        _grow(self._file, "messages", MESSAGE, "", "messages in the order they landed")
        _grow(self._file, "events", EVENT, "", "what happened to workers and files")
        self._file.create_group("code")

    def _write(self) -> None:
        with self._told():
            if self._held:
                rows = self._rows[: self._held]
                for group in ("iterations", "workers"):
                    _append(self._file[group]["iteration"], rows[:, 0])
                for column, name in enumerate(ITERATION_COLUMNS, start=1):
                    _append(self._file["iterations"][name], rows[:, column])
                for name, held in self._workers.items():
                    _append(self._file["workers"][name], held[: self._held])
                self._n_rows += self._held
                self._held = 0
            if self._messages:
                _append(self._file["messages"], np.array(self._messages, MESSAGE))
                self._messages.clear()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a refusing disk into one line."""
        try:
            yield
        except OSError as error:
            self._closed = True
            free = shutil.disk_usage(self.part.parent).free
            raise DataError(
                f"{self.part}: cannot be written, {free} bytes are free: {error}"
            ) from None


def _grow(
    group: h5py.Group, name: str, dtype: Any, unit: str, description: str, width: int | None = None
) -> h5py.Dataset:
    shape = (0,) if width is None else (0, width)
    rows = max(1, min(512, (1 << 16) // (np.dtype(dtype).itemsize * max(width or 1, 1))))
    dataset = group.create_dataset(
        name,
        shape,
        dtype,
        maxshape=(None, *shape[1:]),
        chunks=(rows, *(max(n, 1) for n in shape[1:])),
        fletcher32=True,
    )
    dataset.attrs["description"] = description
    if unit:
        dataset.attrs["unit"] = unit
    return dataset


def _append(dataset: h5py.Dataset, rows: np.ndarray) -> None:
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
