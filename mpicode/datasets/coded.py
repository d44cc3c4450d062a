"""Reading a coded dataset: the index, for the master, and what one worker computes on."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError, said
from ..hdf5 import dataset, open_file, reading, see_all_stored
from .coded_layout import (
    INDEX_NAME,
    BlockFacts,
    CodedIndex,
    StoredBy,
    block_name,
    read_facts,
    see_that_it_is_of,
)

Array = npt.NDArray[Any]


class _Opened:
    """An open file of a coded dataset; a context manager."""

    path: Path
    file: h5py.File

    def close(self) -> None:
        """Close the file; closing twice does nothing."""
        self.file.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _array(self, name: str, shape: tuple[int, ...], kinds: str) -> h5py.Dataset:
        found = dataset(self.file, name, self.path, len(shape))
        if found.is_virtual or found.dtype.kind not in kinds:
            raise DataError(f"{self.path}: {name} holds {found.dtype}, or lies elsewhere")
        if found.shape != shape:
            raise DataError(f"{self.path}: {name} is {found.shape}, {shape} was due")
        see_all_stored(found, self.path)
        return found


class CodedBlock(_Opened):
    """What one worker computes on, open for reading; no other file is looked at.

    ``facts`` are what the file says of itself; ``n_slots``, ``n_features``, ``n_outputs``,
    ``task`` and ``n_classes`` are among them. ``dtype`` is what `read` gives unless asked
    otherwise: that of the file, int64 for a field. ``storage`` is the worker's row of the encoding
    matrix.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.file = open_file(self.path)
        try:
            with reading(self.path):
                self.facts = read_facts(self.file, self.path, BlockFacts)
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        facts = self.facts
        if facts.worker >= facts.n_workers:
            raise DataError(f"{self.path}: for worker {facts.worker} of {facts.n_workers}")
        self.n_slots = facts.n_slots
        self.n_features, self.n_outputs = facts.n_features, facts.n_outputs
        self.task, self.n_classes = facts.task, facts.n_classes
        kinds = "iu" if facts.prime else "fc"
        self._X = self._array("X", (self.n_slots, self.n_features), kinds)
        self._Y = self._array("Y", (self.n_slots, self.n_outputs), kinds)
        for name, array in (("X", self._X), ("Y", self._Y)):
            if array.dtype != np.dtype(facts.dtype):
                raise DataError(f"{self.path}: {name} holds {array.dtype}, not {facts.dtype}")
        self.storage: Array = self._array("storage", (facts.n_blocks + facts.n_masks,), "iufc")[:]
        self.dtype = np.dtype(np.int64 if facts.prime else facts.dtype)

    def read(self, start: int, stop: int, dtype: Any = None) -> tuple[Array, Array]:
        """Return the coded samples ``(X, Y)`` of the slots ``start <= slot < stop``.

        X is (stop - start, n_features), Y (stop - start, n_outputs), both of ``dtype``. Raises
        `DataError` naming file and slots for what cannot be read or is out of range.
        """
        if not 0 <= start <= stop <= self.n_slots:
            raise DataError(
                f"{self.path}: slots {start} to {stop - 1} asked for, the file has slots 0 to "
                f"{self.n_slots - 1}"
            )
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        return self._read(self._X, start, stop, dtype), self._read(self._Y, start, stop, dtype)

    def _read(self, array: h5py.Dataset, start: int, stop: int, dtype: np.dtype[Any]) -> Array:
        out = np.empty((stop - start, array.shape[1]), array.dtype)
        if out.size:
            name = array.name.lstrip("/")
            with reading(self.path, f"{name}, slots {start} to {stop - 1}"):
                array.read_direct(out, np.s_[start:stop])
            self._see_residues(name, out, start)
        return out.astype(dtype, copy=False)

    def _see_residues(self, name: str, values: Array, start: int) -> None:
        """Raise `DataError` for a number that is no residue of the field, if there is a field."""
        prime = self.facts.prime
        if prime and not 0 <= int(values.min()) <= int(values.max()) < prime:
            slot, column = np.argwhere((values < 0) | (values >= prime))[0].tolist()
            raise DataError(
                f"{self.path}: {name}, slot {start + slot}, column {column}: "
                f"{values[slot, column]}, wants 0 to {prime - 1}"
            )

    def nbytes(self, start: int, stop: int) -> int:
        """Return the memory that `read` gives for these slots, in bytes."""
        return (stop - start) * (self.n_features + self.n_outputs) * self.dtype.itemsize

    def see_that_it_is_of(self, code: StoredBy) -> None:
        """Raise `ConfigError` unless the block was encoded as ``code`` does."""
        see_that_it_is_of(self.path, self.facts, self.storage[None], code)

    def __enter__(self) -> CodedBlock:
        return self


class CodedDataset(_Opened):
    """The index of a coded dataset, open for reading; the workers' files as they are asked for.

    ``index`` is what it says of itself; ``storage`` the encoding matrix (n_workers, n_blocks +
    n_masks).
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = coded_folder(folder)
        self.path = self.folder / INDEX_NAME
        self.file = open_file(self.path)
        try:
            with reading(self.path):
                self.index = index = read_facts(self.file, self.path, CodedIndex)
                shape = (index.n_workers, index.n_blocks + index.n_masks)
                self.storage: Array = self._array("storage", shape, "iufc")[:]
                self._order = self._array("order", (index.n_slots, index.n_blocks), "i")
        except BaseException:
            self.close()
            raise
        if index.n_samples + index.n_padding != index.n_slots * index.n_blocks:
            self.close()
            raise DataError(
                f"{self.path}: {index.n_samples} samples and {index.n_padding} empty places are "
                f"not {index.n_slots} slots of {index.n_blocks} blocks"
            )

    @property
    def code(self) -> tuple[str, dict[str, Any]]:
        """The name and the parameters of the code it was encoded with."""
        return self.index.code, dict(self.index.parameters)

    def block(self, worker: int) -> CodedBlock:
        """Open the file of a worker; `DataError` if it is missing or of another encoding."""
        if not 0 <= worker < self.index.n_workers:
            raise DataError(
                f"{self.folder}: no worker {worker}, it was encoded for {self.index.n_workers}"
            )
        path = self.folder / block_name(worker)
        if not path.exists():
            raise DataError(
                f"{path}: missing, {self.folder} was encoded for {self.index.n_workers} workers"
            )
        block = open_block(self.folder, worker)
        wanted = self.index.block(worker)
        if block.facts != wanted:
            block.close()
            raise DataError(
                f"{path}: of another encoding ({block.facts.encoding[:12]}) than "
                f"{self.path} ({wanted.encoding[:12]})"
            )
        return block

    def samples(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return which sample is in each slot ``start <= slot < stop`` of each block.

        (stop - start, n_blocks); -1 in a place that no sample is in
        """
        n_slots, n_samples = self.index.n_slots, self.index.n_samples
        if not 0 <= start <= stop <= n_slots:
            raise DataError(f"{self.path}: slots {start} to {stop - 1} asked for, it has {n_slots}")
        with reading(self.path, "order"):
            found: npt.NDArray[np.int64] = self._order[start:stop].astype(np.int64, copy=False)
        if found.size and not (found.min() >= -1 and found.max() < n_samples):
            raise DataError(f"{self.path}: order names samples beyond {n_samples}")
        return found

    def see_that_it_is_of(self, code: StoredBy, fingerprint: str | None = None) -> None:
        """Raise `ConfigError` unless it was encoded as ``code`` does, of the dataset given.

        fingerprint : of the plain dataset, None where that is not to be looked at
        """
        see_that_it_is_of(self.path, self.index, self.storage, code)
        if fingerprint is not None and fingerprint != self.index.fingerprint:
            raise ConfigError(
                f"data.path: its fingerprint is {fingerprint[:12]}, but {self.path} was encoded "
                f"from the dataset {self.index.fingerprint[:12]}"
            )

    def __enter__(self) -> CodedDataset:
        return self


def coded_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder of a coded dataset, which its index may be named for."""
    path = Path(path)
    return path.parent if path.name == INDEX_NAME else path


def is_coded(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is the folder of a coded dataset, or its index.

    Raises `DataError` where that cannot be found out.
    """
    try:
        return (coded_folder(path) / INDEX_NAME).is_file()
    except OSError as error:
        raise DataError(f"{path}: {said(error)}") from None


def open_coded(folder: str | os.PathLike[str]) -> CodedDataset:
    """Open a coded dataset to read, as the master does; no worker's file is looked at yet."""
    folder = coded_folder(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of coded files")
    return CodedDataset(folder)


def open_block(folder: str | os.PathLike[str], worker: int) -> CodedBlock:
    """Open what one worker computes on, as that worker does: the index is not looked at."""
    path = coded_folder(folder) / block_name(worker)
    block = CodedBlock(path)
    if block.facts.worker != worker:
        block.close()
        raise DataError(f"{path}: is the file of worker {block.facts.worker}, not {worker}")
    return block
