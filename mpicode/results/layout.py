"""How the run file is laid out: groups, growing columns, dimension scales, codes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from .. import __version__
from .schema import EVENT, ITERATION_COLUMNS, MESSAGE, SCHEMA, WORKER_COLUMNS

# A chunk is rewritten at each flush until it is full, so it is small.
_CHUNK_BYTES = 8192
_CHUNK_ROWS = 512


def lay_out(file: h5py.File, attrs: Mapping[str, Any], n_workers: int) -> None:
    """Make the attributes, groups and empty columns of a run file."""
    file.attrs.update(
        {
            "creator": f"mpicode {__version__}",
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **attrs,
            "schema": SCHEMA,
            "complete": False,
            "outcome": "running",
        }
    )
    iterations = file.create_group("iterations")
    workers = file.create_group("workers")
    # Each group has scales of its own: readers of netCDF look for them beside the column.
    for group in (iterations, workers):
        _grow(group, "iteration", "i8", "1", "number of the iteration").make_scale("iteration")
    workers["worker"] = np.arange(n_workers)
    workers["worker"].make_scale("worker")
    for name, (dtype, unit, description) in ITERATION_COLUMNS.items():
        column = _grow(iterations, name, dtype, unit, description)
        column.dims[0].attach_scale(iterations["iteration"])
    for name, (dtype, unit, description) in WORKER_COLUMNS.items():
        column = _grow(workers, name, dtype, unit, description, n_workers)
        column.dims[0].attach_scale(workers["iteration"])
        column.dims[1].attach_scale(workers["worker"])
    _grow(file, "messages", MESSAGE, "", "messages in the order they landed")
    _grow(file, "events", EVENT, "", "what happened to workers and files")
    file.create_group("code")


def _grow(
    group: h5py.Group, name: str, dtype: Any, unit: str, description: str, width: int | None = None
) -> h5py.Dataset:
    row_bytes = np.dtype(dtype).itemsize * (width or 1)
    shape = (0,) if width is None else (0, width)
    dataset = group.create_dataset(
        name,
        shape,
        dtype,
        maxshape=(None, *shape[1:]),
        chunks=(int(np.clip(_CHUNK_BYTES // row_bytes, 8, _CHUNK_ROWS)), *shape[1:]),
        fletcher32=True,
    )
    dataset.attrs["description"] = description
    if unit:
        dataset.attrs["unit"] = unit
    return dataset


def room_for(dataset: h5py.Dataset, n_rows: int) -> int:
    """Return how many bytes the file may grow by at most when ``n_rows`` are appended."""
    chunk_bytes: int = dataset.dtype.itemsize * math.prod(dataset.chunks)
    n_chunks: int = n_rows // dataset.chunks[0] + 2
    # The index of the chunks is a tree of nodes of 2 kB for at least 32 chunks each.
    return n_chunks * (chunk_bytes + 128) + 4096


def append(dataset: h5py.Dataset, start: int, rows: np.ndarray) -> None:
    """Write ``rows`` from ``start`` on; done twice, it is as if done once."""
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows


def store_code(group: h5py.Group, arrays: Mapping[str, Any]) -> None:
    """Write the arrays of a code; a sparse one is a group ``data``, ``indices``, ``indptr``."""
    for name, array in arrays.items():
        is_sparse = sp.issparse(array)
        if is_sparse:
            rows = sp.csr_array(array)
            sparse = group.create_group(name)
            sparse.attrs["shape"] = rows.shape
            for part in ("data", "indices", "indptr"):
                sparse[part] = getattr(rows, part)
        else:
            group[name] = np.asarray(array)
