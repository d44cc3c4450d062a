"""From a source to a dataset file: rows are checked, scaled, shuffled and written in passing."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from .filling import Shape
from .importers.source import Source
from .importers.stream import sha256
from .layout import Meta
from .shuffle import shuffled
from .writer import DatasetWriter

Array = npt.NDArray[Any]


def convert(
    source: Source,
    inputs: Sequence[Path],
    output: str | os.PathLike[str],
    *,
    title: str = "",
    license: str = "",
    dtype: str | None = None,
    scale: float | None = None,
    shuffle: int | None = None,
    shards: int | None = None,
    rows_per_shard: int | None = None,
    compress: bool = False,
    force: bool = False,
) -> None:
    """Write ``source`` to the dataset file ``output``.

    ``scale`` (None: what is usual for the format) multiplies the values: on reading if they are
    stored as integers, else now. ``shuffle`` is the seed of a random order of the rows.
    """
    if shards is not None:
        if not 1 <= shards <= source.n_samples:
            raise ConfigError(f"--shards {shards}: the data has {source.n_samples} rows")
        rows_per_shard = math.ceil(source.n_samples / shards)
    stored = dtype or source.dtype
    factor = source.scale if scale is None else scale
    integers = np.dtype(stored).kind in "iu"
    shape = Shape(
        source.n_samples,
        source.n_features,
        stored,
        source.sparse,
        factor if integers else None,
        compress,
    )
    meta = Meta(
        source.labels.task,
        source.labels.n_classes,
        title or ", ".join(path.name for path in inputs),
        license,
        ", ".join(f"{path.name}: {sha256(path)}" for path in inputs),
    )
    writer = DatasetWriter(
        output, shape, meta, rows_per_shard=rows_per_shard, extra=source.extra, force=force
    )
    with writer:
        blocks = _checked(source, inputs[0], 1.0 if integers or factor is None else factor)
        if shuffle is not None:
            folder = Path(output).parent
            blocks = shuffled(blocks, source.n_bytes, shuffle, folder)
        for X, y in blocks:
            writer.append(X, y)


def _checked(source: Source, path: Path, factor: float) -> Iterator[tuple[Any, Array]]:
    """Yield the rows of the source, finite and multiplied by ``factor``."""
    row = 0
    for X, y in source.blocks():
        values = X.data if source.sparse else X
        if not np.isfinite(values).all():
            wrong = int(np.argmax(~np.isfinite(values.reshape(-1))))
            if source.sparse:
                at = int(np.searchsorted(X.indptr, wrong, "right")) - 1
                column = int(X.indices[wrong])
            else:
                at, column = divmod(wrong, source.n_features)
            value = values.reshape(-1)[wrong]
            raise DataError(f"{path}: row {row + at}, column {column}: value {value}")
        if not np.isfinite(y).all():
            at = int(np.argmax(~np.isfinite(y)))
            raise DataError(f"{path}: row {row + at}: label {y[at]}")
        row += len(y)
        yield (X * factor if factor != 1.0 else X), y
