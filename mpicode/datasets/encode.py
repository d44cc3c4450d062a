"""Encoding a dataset for a code over the data: one file per worker, in one pass over the rows.

Rows are read in windows, put in order within their window (`mpicode.datasets.similar`), and
combined slot by slot. So neither the data nor a worker's share need fit in memory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from . import similar
from .coded_files import CodedWriter, refuse_folder
from .coded_layout import CodedIndex, StoredBy
from .filling import CHUNK_BYTES
from .mixing import Field, FieldMixing, Mixing, RealMixing
from .progress import Progress
from .reader import Dataset, open_dataset

Array = npt.NDArray[Any]

# Rows that are put in order among themselves; without an order only read together.
WINDOW_BYTES, WINDOW_ROWS = 1 << 26, 1 << 18
READ_BYTES = 1 << 24
# Blocks, or coded blocks, that are in memory at once.
STEP_BYTES = 1 << 26
# Slots more than needed, as a share, that are worth it if no group then mixes classes.
MOST_EMPTY = 0.1
# Rows looked at for the spread of the data, which the scale of masks is in units of.
SAMPLED_ROWS = 256


def encode_dataset(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    code: StoredBy,
    parameters: Mapping[str, Any],
    *,
    order: str = "path",
    order_seed: int = 0,
    mask_scale: float = 1.0,
    field: Field | None = None,
    force: bool = False,
) -> CodedIndex:
    """Write the coded dataset ``folder`` of a dataset file; return its index.

    code       : its name, numbers and ``storage`` are looked at; one file is written per worker
    parameters : of the code, for the index
    order      : which samples are coded together, see `mpicode.datasets.similar`
    mask_scale : standard deviation of Gaussian masks, in units of that of the data
    field      : for a code whose ``storage`` is residues of a prime field

    Raises `ConfigError` for numbers that do not fit together or a field without room for what is to
    be computed (for which the rows are read once more, before), `DataError` for data that cannot be
    read, is sparse, or holds numbers that are not finite, and for a disk that is full.
    """
    folder = Path(folder)
    refuse_folder(folder, force)
    if order not in similar.ORDERS:
        raise ConfigError(f"order: {order!r} is not one of {', '.join(similar.ORDERS)}")
    with open_dataset(source) as dataset:
        _see_that_it_can_be(dataset, code)
        mixing: Mixing
        if field is not None:
            _see_room_in(field, dataset)
            mixing = FieldMixing(code.storage, field)
        else:
            scales = _mask_scales(dataset, mask_scale if code.n_masks else 0.0)
            mixing = RealMixing(code.storage, dataset.dtype, scales)
        index = _index(dataset, code, parameters, mixing, order, order_seed)
        _see_room(folder, index)
        chunk_slots = _chunk_slots(index, mixing)
        with (
            CodedWriter(folder, index, code.storage, chunk_slots, force=force) as writer,
            Progress(f"encoding {dataset.path.name}", dataset.n_samples, "rows") as progress,
        ):
            _Encoding(dataset, index, mixing, writer).run(progress)
    return index


def _see_that_it_can_be(dataset: Dataset, code: StoredBy) -> None:
    """Raise unless the dataset is dense and large enough, and masks hide every coded block."""
    path, n_samples = dataset.path, dataset.n_samples
    if code.n_blocks > n_samples:
        raise ConfigError(f"code.n_blocks: {code.n_blocks} blocks, but {path} has {n_samples} rows")
    if dataset.sparse:
        stored = dataset.n_stored / (n_samples * dataset.n_features)
        raise DataError(
            f"{path}: X is sparse ({100 * stored:.2g} % stored) and its coded blocks would be "
            "dense: codes over the data want dense data"
        )
    bare = np.flatnonzero(~code.storage[:, code.n_blocks :].any(axis=1))
    if code.n_masks and bare.size:
        raise ConfigError(f"code {code.name!r}: worker {bare[0]} would hold data without a mask")


def _see_room_in(field: Field, dataset: Dataset) -> None:
    """Raise `ConfigError` unless the field has room for the function of all rows."""
    if field.room is None:
        return
    step = max(READ_BYTES // (8 * dataset.n_features), 1)
    for start in range(0, dataset.n_samples, step):
        X, y = dataset.read(start, min(start + step, dataset.n_samples), np.float64)
        _see_finite(dataset, start, X, y)
        field.room.add(X, y)
    field.room.check()


def _see_finite(dataset: Dataset, start: int, X: Array, y: Array) -> None:
    """Raise `DataError` for a number that is not finite: it would be in every coded block."""
    for name, values in (("X", X), ("y", y)):
        # the smallest and the largest are found faster than all are looked at
        if values.dtype.kind == "f" and not np.isfinite([values.min(), values.max()]).all():
            row, *column = np.argwhere(~np.isfinite(values))[0].tolist()
            where = f"row {start + row}" + (f", column {column[0]}" if column else "")
            value = values[(row, *column)]
            raise DataError(f"{dataset.path}: {name}, {where}: {value} cannot be coded")


def _mask_scales(dataset: Dataset, mask_scale: float) -> dict[str, float]:
    """Return the standard deviation of masks for X and Y: that of some rows, times a factor."""
    if mask_scale == 0:
        return {"X": 0.0, "Y": 0.0}
    rows = np.unique(np.linspace(0, dataset.n_samples - 1, SAMPLED_ROWS).astype(int)).tolist()
    parts = [dataset.read(row, row + 1, np.float64) for row in rows]
    X = np.concatenate([X for X, _ in parts])
    Y = _labels(dataset, np.concatenate([y for _, y in parts]), np.dtype(np.float64))
    return {"X": mask_scale * (X.std() or 1.0), "Y": mask_scale * (Y.std() or 1.0)}


def _index(
    dataset: Dataset,
    code: StoredBy,
    parameters: Mapping[str, Any],
    mixing: Mixing,
    order: str,
    order_seed: int,
) -> CodedIndex:
    n_slots = _n_slots(dataset, code.n_blocks, order)
    facts: dict[str, Any] = {
        "code": code.name,
        "parameters": dict(parameters),
        "n_workers": code.n_workers,
        "n_blocks": code.n_blocks,
        "n_masks": code.n_masks,
        "n_slots": n_slots,
        "n_samples": dataset.n_samples,
        "n_features": dataset.n_features,
        "n_outputs": dataset.n_classes if dataset.task == "multiclass" else 1,
        "n_padding": n_slots * code.n_blocks - dataset.n_samples,
        "task": dataset.task,
        "n_classes": dataset.n_classes,
        **mixing.facts,
        "order": order,
        "order_seed": order_seed,
        "fingerprint": dataset.fingerprint,
        "source": dataset.meta.source,
        "license": dataset.meta.license,
    }
    # where there are masks, workers must not be able to try out what the data might be
    secret = os.urandom(32) if code.n_masks else b""
    encoding = hashlib.sha256(repr(facts).encode() + code.storage.tobytes() + secret).hexdigest()
    return CodedIndex(encoding=encoding, **facts)


def _n_slots(dataset: Dataset, n_blocks: int, order: str) -> int:
    """Return how many slots there will be: more than needed where classes have groups apart."""
    n_samples = dataset.n_samples
    fewest = -(-n_samples // n_blocks)
    if order == "none" or dataset.task != "multiclass":
        return fewest
    most_waiting = dataset.n_classes * (n_blocks - 1)
    if most_waiting * dataset.n_features * dataset.dtype.itemsize > WINDOW_BYTES:
        return fewest
    counts = np.zeros(dataset.n_classes, np.int64)
    for start in range(0, n_samples, WINDOW_ROWS):
        y = dataset.labels(start, min(start + WINDOW_ROWS, n_samples))
        counts += np.bincount(y, minlength=dataset.n_classes)
    apart = int((-(-counts // n_blocks)).sum())
    return apart if apart - fewest <= MOST_EMPTY * fewest else fewest


def _see_room(folder: Path, index: CodedIndex) -> None:
    """Raise `DataError` if the files will not fit on the disk."""
    width = (index.n_features + index.n_outputs) * np.dtype(index.dtype).itemsize
    due = index.n_workers * index.n_slots * width + 8 * index.n_samples
    free = shutil.disk_usage(folder.parent).free
    if free < due:
        raise DataError(
            f"{folder}: {index.n_workers} coded files take {due / 1e9:.3g} GB, "
            f"{free / 1e9:.3g} GB free on that disk"
        )


def _chunk_slots(index: CodedIndex, mixing: Mixing) -> int:
    """Return how many slots are combined, and stored, at a time."""
    row_bytes = index.n_features * mixing.blocks.itemsize
    most = STEP_BYTES // max(index.n_blocks + index.n_masks, index.n_workers)
    return min(max(min(CHUNK_BYTES, most) // row_bytes, 1), index.n_slots)


def _labels(dataset: Dataset, y: Array, dtype: np.dtype[Any]) -> Array:
    """Return labels as what is coded, (n, n_outputs)."""
    columns = y[:, None]
    if dataset.task == "multiclass":
        columns = columns == np.arange(dataset.n_classes)
    elif dataset.task == "binary":
        columns = 2 * columns - 1
    return columns.astype(dtype)


class _Encoding:
    """One pass over the rows of a dataset.

    Samples that no full group of one class was found for wait for those of the next window.
    """

    def __init__(
        self, dataset: Dataset, index: CodedIndex, mixing: Mixing, writer: CodedWriter
    ) -> None:
        self.dataset, self.index, self.writer = dataset, index, writer
        self._X = _Buffers(index, mixing, index.n_features, writer.chunk_slots)
        self._Y = _Buffers(index, mixing, index.n_outputs, writer.chunk_slots)
        # residues have more digits than float32
        self._dtype = np.dtype(np.float64) if index.prime else dataset.dtype
        self._room = np.empty((0, index.n_features), self._dtype)
        # classes have groups of their own, so that places are empty that need not be
        self._apart = index.n_padding >= index.n_blocks

    def run(self, progress: Progress) -> None:
        """Encode everything."""
        n_samples = self.dataset.n_samples
        window = self._window_rows()
        waiting = _Samples(np.empty(0, np.int64), self._room, np.empty(0))
        for start in range(0, n_samples, window):
            stop = min(start + window, n_samples)
            waiting = self._window(self._read(waiting, start, stop), stop == n_samples)
            progress.at(stop)

    def _read(self, waiting: _Samples, start: int, stop: int) -> _Samples:
        """Return the samples that wait and the rows from ``start`` to ``stop``."""
        n_waiting = len(waiting.y)
        n = n_waiting + stop - start
        if n > len(self._room):
            # kept: the operating system takes its time to give so much memory
            self._room = np.empty((n, self.index.n_features), self._dtype)
        X = self._room[:n]
        X[:n_waiting] = waiting.X
        y = self.dataset.read_into(X[n_waiting:], start)
        _see_finite(self.dataset, start, X[n_waiting:], y)
        numbers = np.concatenate([waiting.numbers, np.arange(start, stop)])
        return _Samples(numbers, X, np.concatenate([waiting.y.astype(y.dtype), y]))

    def _window_rows(self) -> int:
        """Return how many rows are read at a time: whole chunks of slots."""
        index = self.index
        row_bytes = index.n_features * self._dtype.itemsize
        room = READ_BYTES if index.order == "none" else WINDOW_BYTES
        rows = min(room // row_bytes, WINDOW_ROWS)
        chunk_rows = self.writer.chunk_slots * index.n_blocks
        return max(rows // chunk_rows, 1) * chunk_rows

    def _window(self, samples: _Samples, last: bool) -> _Samples:
        """Encode whole chunks of groups, all there are of the last window; return what is left."""
        index, chunk_slots = self.index, self.writer.chunk_slots
        X, y, n_blocks, kind = samples.X, samples.y, index.n_blocks, index.order
        seed = (index.order_seed, int(samples.numbers[0]))
        groups, left = similar.grouped(X, y, n_blocks, kind, seed)
        if last or (not self._apart and len(left) * X[0].nbytes > WINDOW_BYTES):
            closed = similar.closed(X, y, left, n_blocks, kind, apart=self._apart)
            whole = len(closed) if last else len(left) // n_blocks
            groups, left = np.concatenate([groups, closed[:whole]]), closed[whole:].reshape(-1)
        ready = len(groups) if last else len(groups) // chunk_slots * chunk_slots
        Y = _labels(self.dataset, y, X.dtype)
        for at in range(0, ready, chunk_slots):
            self._chunk(samples, Y, groups[at : min(at + chunk_slots, ready)])
        waiting = np.concatenate([groups[ready:].reshape(-1), left[left >= 0]])
        return _Samples(samples.numbers[waiting], X[waiting], y[waiting])

    def _chunk(self, samples: _Samples, Y: Array, groups: Array) -> None:
        """Encode some groups, (n_slots, n_blocks); -1 where there is no sample."""
        copies = self.index.task == "multiclass"
        numbers = np.where(groups < 0, -1, samples.numbers[groups])
        try:
            coded_X = self._X.combine(samples.X, groups, "X", copies)
            coded_Y = self._Y.combine(Y, groups, "Y", False)
        except DataError as error:
            raise DataError(
                f"{self.dataset.path}: row {numbers.max()} or before: {error}"
            ) from error
        self.writer.append(numbers, coded_X, coded_Y)


class _Samples(NamedTuple):
    """Some rows of the dataset.

    numbers : (n,) of the rows      X : (n, n_features)      y : (n,)
    """

    numbers: Array
    X: Array
    y: Array


class _Buffers:
    """Room for the blocks and the coded blocks of some slots."""

    def __init__(self, index: CodedIndex, mixing: Mixing, width: int, n_slots: int) -> None:
        self.n_blocks, self.n_masks, self.n_workers = index.n_blocks, index.n_masks, index.n_workers
        self.width, self._mixing = width, mixing
        self._blocks = np.empty((self.n_blocks + self.n_masks, n_slots * width), mixing.blocks)
        self._coded = np.empty(self.n_workers * n_slots * width, mixing.blocks)

    def combine(self, values: Array, groups: Array, which: str, copies: bool) -> Array:
        """Return the coded rows of some slots, (n_workers, n_slots, width), valid until next time.

        values : (n, width)
        groups : (n_slots, n_blocks), the row of ``values`` in each place; -1: there is none
        copies : whether a row before it is in such a place, or zeros are
        """
        n_slots = len(groups)
        size = n_slots * self.width
        rows = groups[:, 0]
        for j in range(self.n_blocks):
            empty = groups[:, j] < 0
            rows = np.where(empty, rows, groups[:, j])
            block = self._blocks[j, :size].reshape(n_slots, self.width)
            block[:] = self._mixing.enter(values[rows], which)
            if not copies:
                block[empty] = 0
        for mask in self._blocks[self.n_blocks :, :size]:
            self._mixing.mask(mask, which)
        coded = self._coded[: self.n_workers * size].reshape(self.n_workers, size)
        self._mixing.mix([block[:size] for block in self._blocks], coded)
        return coded.reshape(self.n_workers, n_slots, self.width)
