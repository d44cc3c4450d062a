"""Packings that are shipped, made with more effort than one would wait for."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DataError

Matrix = npt.NDArray[np.float64]

# Made, and compared digit for digit, by benchmarks/packing_table.py.
TABLE = "packings.npz"


def key_of(weights: npt.NDArray[np.intp], n_columns: int, floor: float) -> str:
    """Return the name under which a packing of such rows is shipped."""
    counts = "-".join(f"{count}x{weight}" for weight, count in _runs(weights.tolist()))
    return f"{weights.size}_{n_columns}_{counts}_{floor:g}"


def _runs(weights: list[int]) -> list[tuple[int, int]]:
    """Return each weight and how many rows in a row have it."""
    runs: list[tuple[int, int]] = []
    for weight in weights:
        if runs and runs[-1][0] == weight:
            runs[-1] = weight, runs[-1][1] + 1
        else:
            runs.append((weight, 1))
    return runs


@cache
def _table() -> Any:
    content = resources.files(__package__).joinpath(TABLE).read_bytes()
    return np.load(io.BytesIO(content), allow_pickle=False)


def stored(weights: npt.NDArray[np.intp], n_columns: int, floor: float) -> Matrix | None:
    """Return the packing shipped for these parameters, (n_rows, n_columns); None if there is none.

    Raises `DataError` where the file is damaged or does not hold what its names say.
    """
    key = key_of(weights, n_columns, floor)
    try:
        if key not in _table().files:
            return None
        rows: Matrix = _table()[key]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{TABLE}: the packings shipped cannot be read: {error}") from None
    if not _holds(rows, weights, n_columns, floor):
        raise DataError(f"{TABLE}: {key} does not hold rows with these parameters; reinstall")
    return rows


def _holds(rows: Matrix, weights: npt.NDArray[np.intp], n_columns: int, floor: float) -> bool:
    if rows.shape != (weights.size, n_columns) or rows.dtype != np.float64:
        return False
    used = rows != 0
    least = floor / np.sqrt(used.sum(axis=1, keepdims=True)) - 1e-9
    return bool(
        np.array_equal(np.sort(used.sum(axis=1)), np.sort(weights))
        and np.abs(np.linalg.norm(rows, axis=1) - 1.0).max() < 1e-12
        and (np.abs(rows) >= np.where(used, least, 0.0)).all()
    )
