"""Write the run file while the run goes on; the master alone does."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..disk import lock, refusal, reserve, sync, trim
from ..errors import DataError
from ..outcomes import Outcome
from ..seal import checked_chunks, seal
from .layout import append, lay_out, room_for, store_code
from .reader import RunData
from .schema import COLUMNS, EVENT, MESSAGE, MISSING, WORKER_COLUMNS

_MESSAGES_HELD = 1 << 16
# Room for attributes, events and codes, whose exact need is HDF5's matter.
_SLACK = 1 << 16
_NAMES = frozenset(COLUMNS)


class RunWriter:
    """Collect rows in memory and append them to ``PATH.part`` in batches.

    The file at ``path`` is replaced only by `close`, with a whole one. Until then, and after a
    crash, ``PATH.part`` is readable up to the last flush and says ``complete = False``. It is
    flushed every ``flush_seconds`` at the end of an iteration, and at once after an event.

    A run that goes on from a checkpoint begins with what was recorded ``earlier``; until that is in
    the new file, the ``PATH.part`` before it stays.

    A disk that is full, or otherwise refuses, raises `DataError`. From then on each method but
    `close` raises it again, ``PATH.part`` ends with the last flush, and ``path`` stays as it was.

    attrs : attributes of the file: ``config`` (TOML text), ``seed``, ``mpi``, ``hosts``, ...;
            numbers, strings, or lists of them
    earlier : what the file begins with, None for a run that begins; where it has more workers, the
            tables stay as wide as they were
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        attrs: Mapping[str, Any],
        n_workers: int,
        flush_seconds: float = 1.0,
        earlier: RunData | None = None,
    ) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.n_workers = n_workers
        self.flush_seconds = flush_seconds
        self._n_iterations = self._n_messages = self._n_events = self._n_codes = 0
        width = n_workers if earlier is None else max(n_workers, earlier.n_workers)
        held = int(np.clip((1 << 19) // width, 64, 4096))
        self._rows = np.empty((held, len(COLUMNS)))
        self._workers = {
            name: np.full((held, width), _absent(dtype), dtype)
            for name, (dtype, _, _) in WORKER_COLUMNS.items()
        }
        self._held = 0
        self._messages: list[tuple[Any, ...]] = []
        self._closed = False
        self._failure: DataError | None = None
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_dir():
                raise IsADirectoryError(f"{self.path} is a folder")
            self._handle = lock(self.part)
            self._unlock = weakref.finalize(self, os.close, self._handle)
            if earlier is None:
                self._create(self.part, attrs, width)
            else:
                self._begin_with(earlier, attrs, width)
        self._due = time.monotonic() + flush_seconds

    def _create(self, path: Path, attrs: Mapping[str, Any], width: int) -> None:
        self._file = h5py.File(path, "w", locking=False)
        config_bytes = sum(len(str(value)) for value in attrs.values())
        n_columns = len(COLUMNS) + len(WORKER_COLUMNS) + 4
        self._reserve(4 * config_bytes + 4096 * n_columns + 8 * width)
        lay_out(self._file, attrs, width)
        self._file.flush()

    def _begin_with(self, earlier: RunData, attrs: Mapping[str, Any], width: int) -> None:
        """Write what was recorded earlier beside the file it comes from, and take its place."""
        fresh = self.part.with_name(self.part.name + ".new")
        try:
            self._copy(fresh, earlier, attrs, width)
        except (OSError, RuntimeError):
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise

    def _copy(self, fresh: Path, earlier: RunData, attrs: Mapping[str, Any], width: int) -> None:
        unlock_old, self._handle = self._unlock, lock(fresh)
        self._unlock = weakref.finalize(self, os.close, self._handle)
        self._create(fresh, attrs, width)
        for code in earlier.codes:
            self.code({k: v for k, v in code.items() if k != "iteration"}, code["iteration"])
        columns = self._taken_over(earlier, width)
        self._reserve(sum(room_for(dataset, len(rows)) for dataset, rows in columns))
        self._reserve(sum(4 * len(event["detail"]) + 8192 for event in earlier.events))
        for dataset, rows in columns:
            append(dataset, 0, rows)
        self._n_iterations = earlier.n_iterations
        self._n_messages, self._n_events = len(earlier.messages), len(earlier.events)
        self._file.flush()
        os.fsync(self._handle)
        fresh.replace(self.part)
        unlock_old()

    def _taken_over(self, earlier: RunData, width: int) -> list[tuple[h5py.Dataset, np.ndarray]]:
        iterations, workers = self._file["iterations"], self._file["workers"]
        columns = [(iterations[name], column) for name, column in earlier.iterations.items()]
        columns.append((workers["iteration"], earlier.iterations["iteration"]))
        for name, (dtype, _, _) in WORKER_COLUMNS.items():
            table = np.full((earlier.n_iterations, width), _absent(dtype), dtype)
            table[:, : earlier.n_workers] = earlier.workers[name]
            columns.append((workers[name], table))
        columns.append((self._file["messages"], earlier.messages))
        columns.append((self._file["events"], earlier.events))
        return columns

    def code(self, arrays: Mapping[str, Any], iteration: int) -> None:
        """Keep a code's ``encoding`` or ``storage`` and ``owner``, in use from ``iteration`` on.

        Arrays may be sparse.
        """
        with self._told():
            self._reserve(sum(_bytes(array) + 8192 for array in arrays.values()))
            group = self._file.create_group(f"code/{self._n_codes}")
            group.attrs["iteration"] = iteration
            store_code(group, arrays)
        self._n_codes += 1

    def iteration(self, columns: Mapping[str, float], workers: Mapping[str, Any]) -> None:
        """Append one row to each dataset of /iterations and /workers.

        ``columns`` are numbers by the names of `ITERATION_COLUMNS`, and ``iteration`` where it is
        not simply the next one; ``workers`` are arrays (n_workers,) by the names of
        `WORKER_COLUMNS`. They are copied; what is left out is NaN, a count 0, a flag false. A name
        that is not known is a ``KeyError``, a wrong shape a ``ValueError``.
        """
        if not (columns.keys() <= _NAMES and workers.keys() <= WORKER_COLUMNS.keys()):
            unknown = (columns.keys() - _NAMES) | (workers.keys() - WORKER_COLUMNS.keys())
            raise KeyError(f"no such column in a run file: {', '.join(sorted(unknown))}")
        if self._held == len(self._rows):
            self._write()
        row = [columns.get("iteration", self._n_iterations + self._held)]
        row += [columns.get(name, missing) for name, missing in MISSING.items()]
        self._rows[self._held] = row
        for name, held in self._workers.items():
            values = workers.get(name)
            if values is None:
                values = _absent(held.dtype)
            elif len(values) != self.n_workers:
                raise ValueError(f"{name}: {len(values)} values for {self.n_workers} workers")
            held[self._held, : self.n_workers] = values
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
        """Append one row to /messages: what landed, and what became of it.

        iteration            : the master's when the message landed
        parameters_iteration : the one whose request, and parameters, it answers
        seconds              : when it landed, since the start of the run
        """
        self._messages.append(
            (iteration, round, message, worker, parameters_iteration, seconds, outcome)
        )
        if len(self._messages) >= _MESSAGES_HELD:
            self._write()

    def event(self, iteration: int, seconds: float, worker: int, kind: str, detail: str) -> None:
        """Append one row to /events and flush; ``worker`` is -1 for an event of no worker."""
        with self._told():
            events = self._file["events"]
            # The texts go to a heap of 4 kB pieces.
            self._reserve(room_for(events, 1) + 4 * len(detail) + 8192)
            row = np.array([(iteration, seconds, worker, kind, detail)], EVENT)
            append(events, self._n_events, row)
            self._n_events += 1
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
        """Write the answer (where there is one) and the outcome, and move the file into place.

        parameters : (n_parameters,), or None where the run did not get that far

        Nothing happens where the file was closed before or the disk has already refused.
        """
        if self._closed or self._failure:
            return
        self._write()
        with self._told():
            self._reserve(_bytes(parameters) * 2 + 4 * len(outcome) + 65536)
            if parameters is not None:
                self._file.create_dataset(
                    "parameters", data=parameters, chunks=True, fletcher32=True
                )
            self._file.attrs.update({**attrs, "complete": complete, "outcome": outcome})
            self._file.flush()
            used = self._file.id.get_filesize()
            chunks = checked_chunks(self._file)
            self._file.close()
            trim(self._handle, used)
            with self.part.open("r+b") as raw:
                seal(raw, chunks)
            os.fsync(self._handle)
            self.part.replace(self.path)
            self._unlock()
            sync(self.path.parent)
        self._closed = True

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close(None, complete=False, outcome="not finished")
            return
        try:
            text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
            self.close(None, complete=False, outcome=text)
        except DataError as refused:
            error.add_note(str(refused))

    def _write(self) -> None:
        with self._told():
            columns = self._pending()
            if columns:
                self._reserve(sum(room_for(dataset, len(rows)) for dataset, _, rows in columns))
            for dataset, start, rows in columns:
                append(dataset, start, rows)
            self._n_iterations, self._held = self._n_iterations + self._held, 0
            self._n_messages += len(self._messages)
            self._messages.clear()

    def _pending(self) -> list[tuple[h5py.Dataset, int, np.ndarray]]:
        """Return what is held in memory: dataset, first row, rows."""
        pending = []
        if self._held:
            rows, start = self._rows[: self._held], self._n_iterations
            iterations, workers = self._file["iterations"], self._file["workers"]
            pending += [(group["iteration"], start, rows[:, 0]) for group in (iterations, workers)]
            pending += [
                (iterations[name], start, rows[:, column])
                for column, name in enumerate(MISSING, start=1)
            ]
            pending += [
                (workers[name], start, held[: self._held]) for name, held in self._workers.items()
            ]
        if self._messages:
            rows = np.array(self._messages, MESSAGE)
            pending.append((self._file["messages"], self._n_messages, rows))
        return pending

    def _reserve(self, n_bytes: int) -> None:
        reserve(self._handle, self._file.id.get_filesize(), n_bytes + _SLACK)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn a refusing disk into one line, and keep to it."""
        if self._failure:
            raise self._failure
        try:
            yield
        except (OSError, RuntimeError) as error:
            self._failure = refusal(self.part, error)
            # When `reserve` refused, HDF5 holds nothing that it has no room for. After an error of
            # its own it must be left alone.
            if isinstance(error, OSError) and hasattr(self, "_file"):
                with contextlib.suppress(OSError, RuntimeError):
                    used = self._file.id.get_filesize()
                    self._file.close()
                    trim(self._handle, used)
            if hasattr(self, "_unlock"):
                self._unlock()
            raise self._failure from None


def _absent(dtype: Any) -> Any:
    return np.nan if np.dtype(dtype).kind == "f" else False


def _bytes(array: Any) -> int:
    """Return the size of an array, dense, sparse or absent, from above."""
    if array is None:
        return 0
    if hasattr(array, "nnz"):
        return int(24 * array.nnz + 8 * (array.shape[0] + 1))
    return int(np.asarray(array).nbytes)
