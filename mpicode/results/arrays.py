"""The arrays of a run file, each looked at before anything relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from ..errors import DataError
from ..hdf5 import dataset, label, member, reading, rows_stored, see_all_stored
from ..outcomes import Outcome
from .schema import EVENT, ITERATION_COLUMNS, MESSAGE, WORKER_COLUMNS

_INTEGERS, _NUMBERS = "iu", "iuf"
# What no run lasts, so that sums of times are numbers.
_MOST_SECONDS = 1e12


def see_times(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Raise `DataError` where a time among columns of /iterations is absurd; NaN is none."""
    for name, (_, unit, _) in ITERATION_COLUMNS.items():
        if unit == "s":
            _see_seconds(path, f"iterations/{name}", columns[name])


def _see_seconds(path: Path, label: str, seconds: np.ndarray) -> None:
    wrong = np.abs(seconds) > _MOST_SECONDS
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{path}: {label}, row {row}: {seconds[row]:g} s is no time")


class RunArrays:
    """Reads a run file array by array; everything raises `DataError` for what cannot be.

    Where the file is not ``complete`` its writer may have been killed in the middle of a flush: an
    array then ends where its chunks do.
    """

    def __init__(self, path: Path, file: h5py.File, complete: bool) -> None:
        self.path, self.file, self.complete = path, file, complete

    def iterations(self) -> dict[str, np.ndarray]:
        """Return the columns of /iterations."""
        columns = {"iteration": _INTEGERS}
        columns |= {name: dtype[0] for name, (dtype, _, _) in ITERATION_COLUMNS.items()}
        found = self._columns("iterations", columns, 1)
        see_times(self.path, found)
        return found

    def workers(self) -> dict[str, np.ndarray]:
        """Return the tables of /workers, all of one width."""
        kinds = {name: "b" if t == "?" else t[0] for name, (t, _, _) in WORKER_COLUMNS.items()}
        tables = self._columns("workers", kinds, 2)
        widths = {table.shape[1] for table in tables.values()}
        if len(widths) != 1:
            raise DataError(f"{self.path}: its tables are of {sorted(widths)} workers")
        return tables

    def _columns(self, group: str, kinds: dict[str, str], ndim: int) -> dict[str, np.ndarray]:
        parent = self._group(self.file, group)
        return {name: self._array(parent, name, ndim, kind) for name, kind in kinds.items()}

    def messages(self, n_workers: int) -> np.ndarray:
        """Return /messages; workers and outcomes are such as there are."""
        rows = self._table("messages", MESSAGE)
        self._see_numbers("messages", rows, "worker", n_workers)
        self._see_numbers("messages", rows, "outcome", len(Outcome))
        _see_seconds(self.path, "messages", rows["seconds"])
        return rows

    def _see_numbers(
        self, table: str, rows: np.ndarray, field: str, most: int, least: int = 0
    ) -> None:
        wrong = (rows[field] < least) | (rows[field] >= most)
        if wrong.any():
            row = int(np.argmax(wrong))
            found = f"{field} {rows[field][row]} of {most}"
            raise DataError(f"{self.path}: {table}, row {row}: {found}")

    def events(self, n_workers: int) -> np.ndarray:
        """Return /events, texts as ``str``; workers are such as there are, or -1 for none."""
        events = self._table("events", EVENT)
        self._see_numbers("events", events, "worker", n_workers, least=-1)
        for field in ("kind", "detail"):
            # a text that was never written is no bytes
            texts = [text.decode(errors="replace") if text else "" for text in events[field]]
            events[field] = texts
        return events

    def parameters(self) -> np.ndarray | None:
        """Return /parameters, None where the run did not get that far."""
        if "parameters" not in self.file:
            return None
        return self._array(self.file, "parameters", 1, "fc")

    def codes(self, n_workers: int) -> list[dict[str, Any]]:
        """Return the arrays of each code by name, and the ``iteration`` it starts at."""
        group = self._group(self.file, "code")
        numbers = sorted((int(name), name) for name in group)
        return [self._code(self._group(group, name), n_workers) for _, name in numbers]

    def _code(self, group: h5py.Group, n_workers: int) -> dict[str, Any]:
        iteration = group.attrs["iteration"]
        if not isinstance(iteration, np.integer):
            raise DataError(f"{self.path}: {group.name} starts at iteration {iteration!r}")
        code: dict[str, Any] = {"iteration": int(iteration)}
        for name in group:
            found = member(group, name, self.path)
            if isinstance(found, h5py.Group):
                code[name] = self._sparse(found)
            else:
                code[name] = self._array(group, name, found.ndim, _NUMBERS + "cb")
        self._check_workers(group, code, "workers", n_workers)
        self._check_workers(group, code, "owner", len(code.get("workers", range(n_workers))))
        return code

    def _check_workers(
        self, group: h5py.Group, code: dict[str, Any], name: str, n_workers: int
    ) -> None:
        """Raise `DataError` if the array, where there is one, tells of workers there are not."""
        found = code.get(name, np.empty(0, int))
        if found.ndim != 1 or found.dtype.kind not in _INTEGERS:
            raise DataError(f"{self.path}: {group.name}/{name} is {found.ndim}-D {found.dtype}")
        if len(found) and not 0 <= found.min() <= found.max() < n_workers:
            raise DataError(
                f"{self.path}: {group.name}/{name}: workers {found.min()} to {found.max()} "
                f"of {n_workers}"
            )

    def _sparse(self, group: h5py.Group) -> sp.csr_array:
        parts = (
            self._array(group, "data", 1, _NUMBERS + "c"),
            self._array(group, "indices", 1, _INTEGERS),
            self._array(group, "indptr", 1, _INTEGERS),
        )
        rows = sp.csr_array(parts, shape=tuple(group.attrs["shape"].tolist()))
        rows.check_format(full_check=True)
        return rows

    def _group(self, parent: h5py.Group, name: str) -> h5py.Group:
        found = member(parent, name, self.path)
        if not isinstance(found, h5py.Group):
            raise DataError(f"{self.path}: {label(parent, name)} is not there or no group")
        return found

    def _table(self, name: str, wanted: np.dtype[Any]) -> np.ndarray:
        table = dataset(self.file, name, self.path, 1)
        found = table.dtype
        names = wanted.names or ()
        if found.names != names or any(found[f].kind != wanted[f].kind for f in names):
            raise DataError(f"{self.path}: {name} holds {found}, wants the fields {names}")
        return self._read(table)

    def _array(self, parent: h5py.Group, name: str, ndim: int, kinds: str) -> np.ndarray:
        found = dataset(parent, name, self.path, ndim)
        if found.dtype.kind not in kinds or found.dtype.hasobject:
            raise DataError(f"{self.path}: {label(parent, name)} holds {found.dtype}")
        return self._read(found)

    def _read(self, found: h5py.Dataset) -> np.ndarray:
        name = found.name.lstrip("/")
        if found.is_virtual:
            raise DataError(f"{self.path}: {name} is stored in other files, which are not read")
        with reading(self.path, name):
            if self.complete or found.chunks is None:
                see_all_stored(found, self.path)
                rows: np.ndarray = found[()]
                return rows
            return _rows_so_far(found)


def _rows_so_far(found: h5py.Dataset) -> np.ndarray:
    """Return the rows of a dataset whose writer may have been killed in the middle of a flush.

    HDF5 writes chunks before it writes how many rows there are. So within those rows a chunk cut in
    two is right, although its checksum is not; only what came with the last flush may be missing.
    """
    n_rows = rows_stored(found)
    try:
        rows: np.ndarray = found[:n_rows]
        return rows
    except OSError:
        parts = [np.empty((0, *found.shape[1:]), found.dtype)]
        for start in range(0, n_rows, found.chunks[0]):
            try:
                parts.append(found[start : min(start + found.chunks[0], n_rows)])
            except OSError:
                try:
                    parts.append(_unchecked(found, start, n_rows))
                except (OSError, RuntimeError, ValueError):
                    break
        return np.concatenate(parts)


def _unchecked(found: h5py.Dataset, start: int, n_rows: int) -> np.ndarray:
    """Return the rows of the chunk at ``start``, whatever its checksum says."""
    if found.dtype.hasobject:
        raise ValueError("texts are stored elsewhere, a pointer to them must be right")
    _, stored = found.id.read_direct_chunk((start, *(0 for _ in found.shape[1:])))
    checksum_bytes = 4
    rows = np.frombuffer(stored[:-checksum_bytes], found.dtype).reshape(found.chunks)
    return rows[: n_rows - start]
