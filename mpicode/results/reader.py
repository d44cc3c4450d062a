"""Read a run file: finished, crashed, or still being written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from ..errors import ConfigError, DataError
from .schema import SCHEMA


@dataclass(frozen=True)
class RunData:
    """A run file in plain numpy.

    path        : the file that was read
    attrs       : the attributes of the file, plain Python values; ``config`` is TOML text
    iterations  : column name -> (n_iterations,); ``iteration`` is one of them
    workers     : column name -> (n_iterations, n_workers)
    messages    : structured (n_messages,), in the order they landed
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
        return bool(self.attrs["complete"])


def read_run(path: str | os.PathLike[str]) -> RunData:
    """Read the run file at ``path``, which may be the ``.part`` of a live or crashed run.

    Raises `DataError` where the file is missing, truncated, no HDF5, or no run file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        # A live file is locked by its writer; reading it is safe up to the last flush.
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("schema") != SCHEMA or "iterations" not in file:
                raise DataError(
                    f"{path}: not a run file of schema {SCHEMA}, "
                    f"its schema is {file.attrs.get('schema', 'missing')}"
                )
            return _read(path, file)
    except (OSError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as a run file: {error}") from None


def _read(path: Path, file: h5py.File) -> RunData:
    iterations = {name: column[()] for name, column in file["iterations"].items()}
    workers = {name: column[()] for name, column in file["workers"].items() if column.ndim == 2}
    # Caught between two columns, a live file has some longer than others.
    whole = min(len(column) for column in (*iterations.values(), *workers.values()))
    events = file["events"]
    return RunData(
        path=path,
        attrs={name: _plain(value) for name, value in file.attrs.items()},
        iterations={name: column[:whole] for name, column in iterations.items()},
        workers={name: column[:whole] for name, column in workers.items()},
        messages=file["messages"][()],
        events=_decoded(events[()]),
        parameters=file["parameters"][()] if "parameters" in file else None,
        codes=[_code(file["code"][number]) for number in sorted(file["code"], key=int)],
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _decoded(events: np.ndarray) -> np.ndarray:
    for field in ("kind", "detail"):
        events[field] = [text.decode() for text in events[field]]
    return events


def _code(group: h5py.Group) -> dict[str, Any]:
    code: dict[str, Any] = {"iteration": int(group.attrs["iteration"])}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            parts = (item["data"][()], item["indices"][()], item["indptr"][()])
            code[name] = sp.csr_array(parts, shape=tuple(item.attrs["shape"]))
        else:
            code[name] = item[()]
    return code


def open_run(path: str | os.PathLike[str]) -> Any:
    """Return the run file as an `xarray.Dataset` over ``iteration`` and ``worker``.

    Raises `ConfigError` where xarray is not installed, `DataError` as `read_run`.
    """
    try:
        import xarray
    except ImportError:
        raise ConfigError("open_run needs xarray: pip install 'mpicode[analysis]'") from None
    run = read_run(path)
    number = run.iterations["iteration"]
    columns = {k: ("iteration", v) for k, v in run.iterations.items() if k != "iteration"}
    tables = {k: (("iteration", "worker"), v) for k, v in run.workers.items()}
    n_workers = next(iter(run.workers.values())).shape[1]
    return xarray.Dataset(
        {**columns, **tables},
        coords={"iteration": number, "worker": np.arange(n_workers)},
        attrs=run.attrs,
    )
