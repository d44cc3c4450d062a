"""Shards: NAME/shard-00000.h5 ... and NAME.h5, which joins them by HDF5 virtual datasets.

Every shard is a dataset file of its own. The joining file has the same layout as any other, so
h5py, MATLAB and HDFView see one array: ``X`` and ``y`` (or ``X/data``, ``X/indices``, ``y``) are
virtual; only ``X/indptr`` of CSR data is stored, with positions that count over all shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..hdf5 import reading
from .rows import RowFile


@dataclass(frozen=True)
class Shard:
    """One shard and the rows ``start <= row < stop`` of the whole that it holds."""

    path: Path
    start: int
    stop: int


def shards_of(head: RowFile) -> list[Shard]:
    """Return the shards a file joins, by their rows; none for a file with rows of its own."""
    if not head.y.is_virtual:
        if head.virtual:
            raise DataError(
                f"{head.path}: {head.virtual[0]} is a virtual dataset and y is not, both must be"
            )
        return []
    shards = []
    with reading(head.path, "the list of its shards"):
        for source in head.y.virtual_sources():
            low, high = source.vspace.get_select_bounds()
            # The names are relative to the joining file, so that both can be moved together.
            shards.append(Shard(head.path.parent / source.file_name, int(low[0]), int(high[0]) + 1))
    shards.sort(key=lambda shard: shard.start)
    row = 0
    for shard in shards:
        if shard.start != row:
            raise DataError(f"{head.path}: rows {row} to {shard.start - 1} are in no shard")
        if not shard.path.is_file():
            raise DataError(f"{shard.path}: no such shard of {head.path}")
        row = shard.stop
    if row != head.n_samples:
        raise DataError(f"{head.path}: has {head.n_samples} rows, its shards {row}")
    return shards


def shard_name(folder: str, number: int) -> str:
    """Return the name of a shard, relative to the folder of the joining file."""
    return f"{folder}/shard-{number:05d}.h5"


def _join(
    group: h5py.Group, name: str, sources: list[tuple[str, int]], dtype: Any, width: int
) -> None:
    """Make the virtual dataset ``name`` out of the arrays of that name in the shards.

    sources : per shard its file name and length      width : columns, 0 for a vector
    """
    tail = (width,) if width else ()
    total = sum(length for _, length in sources)
    layout = h5py.VirtualLayout(shape=(total, *tail), dtype=dtype)
    full = f"{group.name}/{name}".replace("//", "/")
    at = 0
    for file_name, length in sources:
        if length:
            layout[at : at + length] = h5py.VirtualSource(
                file_name, full, shape=(length, *tail), dtype=dtype
            )
        at += length
    # A reader that goes through HDF5 alone sees these where a shard is missing.
    fill = np.nan if np.dtype(dtype).kind == "f" else (-1 if np.dtype(dtype).kind == "i" else 0)
    group.create_virtual_dataset(name, layout, fillvalue=fill)


def join_shards(
    file: h5py.File,
    parts: list[Path],
    names: list[str],
    n_features: int,
    scale: float | None,
) -> None:
    """Fill the joining file.

    parts : where the shards lie now      names : what they will be called, relative to ``file``
    """
    rows: list[int] = []
    filled: list[int] = []
    indptr: list[npt.NDArray[np.int64]] = [np.zeros(1, np.int64)]
    for part in parts:
        with h5py.File(part, "r", locking=False) as shard:
            rows.append(len(shard["y"]))
            y_dtype = shard["y"].dtype
            sparse = isinstance(shard["X"], h5py.Group)
            values = shard["X/data"] if sparse else shard["X"]
            dtype = values.dtype
            if sparse:
                filled.append(len(values))
                index_dtype = shard["X/indices"].dtype
                indptr.append(indptr[-1][-1] + shard["X/indptr"][1:])
    by_rows = list(zip(names, rows, strict=True))
    _join(file, "y", by_rows, y_dtype, 0)
    if sparse:
        group = file.create_group("X")
        by_filled = list(zip(names, filled, strict=True))
        _join(group, "data", by_filled, dtype, 0)
        _join(group, "indices", by_filled, index_dtype, 0)
        group.create_dataset("indptr", data=np.concatenate(indptr), fletcher32=True, chunks=True)
        group.attrs["shape"] = np.array([sum(rows), n_features], np.int64)
    else:
        _join(file, "X", by_rows, dtype, n_features)
    if scale is not None:
        file["X"].attrs["scale"] = scale
