"""Read a run file: finished, crashed, or still being written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import ConfigError, DataError
from ..hdf5 import open_file, reading
from .arrays import RunArrays
from .schema import SCHEMA


class NoRunFile(DataError):
    """A file that is whole and something else."""


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

    Raises `DataError` where the file is missing, damaged, no HDF5, or no run file.
    """
    path = Path(path)
    if not path.is_file():
        part = path.with_name(path.name + ".part")
        hint = f"; an unfinished run is in {part}" if part.is_file() else ""
        raise DataError(f"{path}: no such file{hint}")
    # A live file is locked by its writer; reading it is safe up to the last flush.
    with open_file(path) as file, reading(path):
        schema = file.attrs.get("schema", "missing")
        if not isinstance(schema, int | np.integer) or schema != SCHEMA or "iterations" not in file:
            raise NoRunFile(
                f"{path}: not a run file of schema {SCHEMA}, its schema is {_plain(schema)}"
            )
        return _read(path, file)


def _read(path: Path, file: h5py.File) -> RunData:
    attrs = {name: _plain(value) for name, value in file.attrs.items()}
    for name, kind in (("complete", bool), ("outcome", str), ("config", str)):
        if not isinstance(attrs.setdefault(name, kind()), kind):
            raise DataError(f"{path}: attribute {name!r} must be {kind.__name__}")
    arrays = RunArrays(path, file, attrs["complete"])
    iterations, workers = arrays.iterations(), arrays.workers()
    # Caught between two columns, a live file has some longer than others.
    lengths = {len(column) for column in (*iterations.values(), *workers.values())}
    if attrs["complete"] and len(lengths) > 1:
        raise DataError(f"{path}: its columns have {min(lengths)} to {max(lengths)} rows")
    whole = min(lengths)
    n_workers = workers["arrived"].shape[1]
    return RunData(
        path=path,
        attrs=attrs,
        iterations={name: column[:whole] for name, column in iterations.items()},
        workers={name: column[:whole] for name, column in workers.items()},
        messages=arrays.messages(n_workers),
        events=arrays.events(n_workers),
        parameters=arrays.parameters(),
        codes=arrays.codes(n_workers),
    )


def _plain(value: Any) -> Any:
    """Return an attribute as plain Python; `ValueError` for what no JSON or TOML could hold."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if not isinstance(value, str | bool | int | float):
        raise ValueError(f"an attribute holds {type(value).__name__}")
    return value


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
