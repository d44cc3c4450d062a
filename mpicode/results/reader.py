"""Read a run file: finished, crashed, or still being written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import ConfigError, DataError
from .layout import load_code
from .schema import SCHEMA


@dataclass(frozen=True)
class RunData:
    """A run file in plain numpy.

    path        : the file that was read
    attrs       : the attributes of the file, plain Python values; ``config`` is TOML text
    iterations  : column name -> (n_iterations,); ``iteration`` is one of them
    workers     : column name -> (n_iterations, n_workers)
    messages    : structured (n_messages,), in the order they landed; `MESSAGE` names the fields
    events      : structured (n_events,), ``kind`` and ``detail`` are ``str``
    parameters  : (n_parameters,), None where the run did not get to its end
    codes       : one dict per code used: ``iteration`` it starts at, and its arrays
    """

    path: Path
    attrs: dict[str, Any]
    iterations: dict[str, np.ndarray]
    workers: dict[str, np.ndarray]
    messages: np.ndarray
    events: np.ndarray
    parameters: np.ndarray | None
    codes: list[dict[str, Any]]

    @property
    def config(self) -> str:
        """The configuration, TOML text."""
        return str(self.attrs.get("config", ""))

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.attrs.get("complete", False))

    @property
    def n_iterations(self) -> int:
        """How many iterations are in the file."""
        return len(self.iterations["iteration"])

    @property
    def n_workers(self) -> int:
        """How many workers the run had."""
        return int(self.workers["arrived"].shape[1])


def read_run(path: str | os.PathLike[str]) -> RunData:
    """Read the run file at ``path``, which may be the ``.part`` of a live or crashed run.

    Raises `DataError` where the file is missing, truncated, no HDF5, or no run file.
    """
    path = Path(path)
    if not path.is_file():
        part = path.with_name(path.name + ".part")
        hint = f"; an unfinished run is in {part}" if part.is_file() else ""
        raise DataError(f"{path}: no such file{hint}")
    try:
        # A live file is locked by its writer; reading it is safe up to the last flush.
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("schema") != SCHEMA or "iterations" not in file:
                raise DataError(
                    f"{path}: not a run file of schema {SCHEMA}, "
                    f"its schema is {file.attrs.get('schema', 'missing')}"
                )
            return _read(path, file)
    except (OSError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a run file: {reason}") from None


def _read(path: Path, file: h5py.File) -> RunData:
    attrs = {name: _plain(value) for name, value in file.attrs.items()}
    rows = _rows if attrs["complete"] else _rows_so_far
    iterations = {name: rows(column) for name, column in file["iterations"].items()}
    workers = {name: rows(column) for name, column in file["workers"].items() if name != "worker"}
    # Caught between two columns, a live file has some longer than others.
    whole = min(len(column) for column in (*iterations.values(), *workers.values()))
    del workers["iteration"]
    return RunData(
        path=path,
        attrs=attrs,
        iterations={name: column[:whole] for name, column in iterations.items()},
        workers={name: column[:whole] for name, column in workers.items()},
        messages=rows(file["messages"]),
        events=_decoded(rows(file["events"])),
        parameters=_rows(file["parameters"]) if "parameters" in file else None,
        codes=[
            {"iteration": int(group.attrs["iteration"]), **load_code(group)}
            for _, group in sorted(file["code"].items(), key=lambda item: int(item[0]))
        ],
    )


def _rows(dataset: h5py.Dataset) -> np.ndarray:
    rows: np.ndarray = dataset[()]
    return rows


def _rows_so_far(dataset: h5py.Dataset) -> np.ndarray:
    """Return the rows of a dataset whose writer may have been killed in the middle of a flush.

    HDF5 writes chunks before it writes how many rows there are. So within those rows a chunk cut in
    two is right, although its checksum is not; only what came with the last flush may be missing.
    """
    try:
        return _rows(dataset)
    except OSError:
        parts = [np.empty((0, *dataset.shape[1:]), dataset.dtype)]
        for start in range(0, len(dataset), dataset.chunks[0]):
            try:
                parts.append(dataset[start : start + dataset.chunks[0]])
            except OSError:
                try:
                    parts.append(_unchecked(dataset, start))
                except (OSError, RuntimeError, ValueError):
                    break
        return np.concatenate(parts)


def _unchecked(dataset: h5py.Dataset, start: int) -> np.ndarray:
    """Return the rows of the chunk at ``start``, whatever its checksum says."""
    _, stored = dataset.id.read_direct_chunk((start, *(0 for _ in dataset.shape[1:])))
    checksum_bytes = 4
    rows = np.frombuffer(stored[:-checksum_bytes], dataset.dtype).reshape(dataset.chunks)
    return rows[: len(dataset) - start]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _decoded(events: np.ndarray) -> np.ndarray:
    for field in ("kind", "detail"):
        events[field] = [text.decode(errors="replace") for text in events[field]]
    return events


def open_run(path: str | os.PathLike[str]) -> Any:
    """Return the run file as an `xarray.Dataset` over ``iteration`` and ``worker``.

    Raises `ConfigError` where xarray is not installed, `DataError` as `read_run`.
    """
    try:
        import xarray
    except ImportError:
        raise ConfigError("open_run needs xarray: pip install 'mpicode[analysis]'") from None
    run = read_run(path)
    columns = {name: ("iteration", column) for name, column in run.iterations.items()}
    tables = {name: (("iteration", "worker"), table) for name, table in run.workers.items()}
    return xarray.Dataset(
        {**columns, **tables}, coords={"worker": np.arange(run.n_workers)}, attrs=run.attrs
    )
