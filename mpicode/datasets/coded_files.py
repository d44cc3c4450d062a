"""Writing the folder of a coded dataset, whole or not at all."""

from __future__ import annotations

import math
import resource
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from .. import __version__
from ..disk import Disk, sync
from ..errors import ConfigError, DataError
from ..kernels import fletcher32
from .coded_layout import INDEX_NAME, BlockFacts, CodedIndex, block_name, write_facts
from .filling import seal_and_finish
from .wholly import WrittenWholly

Array = npt.NDArray[Any]

# What the filter fletcher32 puts behind a chunk.
CHECKSUM_BYTES = 4
# Places whose samples are stored together.
ORDER_PLACES = 1 << 16
# Besides ours, a process has some files open.
OTHER_FILES = 64


class _File:
    """One HDF5 file being written."""

    def __init__(self, path: Path, name: Path, facts: BlockFacts | CodedIndex) -> None:
        self.disk = Disk(path, name)
        self.file = h5py.File(self.disk, "w")
        write_facts(self.file, facts, f"mpicode {__version__}")

    def array(self, name: str, shape: tuple[int, ...], dtype: str, chunk_rows: int) -> h5py.Dataset:
        chunks = (min(chunk_rows, shape[0]), *shape[1:])
        return self.file.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=True)

    def finish(self) -> None:
        seal_and_finish(self.file, self.disk)

    def abandon(self) -> None:
        self.file.close()
        self.disk.close()


class _Chunk:
    """One chunk on its way into a file, with the checksum behind it.

    HDF5 would compute the checksum at a quarter of the speed and copy the rows once more.
    """

    def __init__(self, array: h5py.Dataset) -> None:
        self._n_bytes = math.prod(array.chunks) * array.dtype.itemsize
        self._raw = np.zeros(self._n_bytes + CHECKSUM_BYTES, np.uint8)

    def write(self, array: h5py.Dataset, start: int, rows: Array) -> None:
        """Write rows from ``start`` on, the first of a chunk; zeros where they do not fill it."""
        data, checksum = self._raw[: self._n_bytes], self._raw[self._n_bytes :]
        used = rows.size * array.dtype.itemsize
        data[:used].view(array.dtype).reshape(rows.shape)[...] = rows
        data[used:] = 0
        checksum.view("<u4")[...] = fletcher32(data)
        array.id.write_direct_chunk((start, 0), self._raw)


class CodedWriter(WrittenWholly):
    """Writes the folder ``path`` slot by slot.

    index      : what is to be written; exactly ``index.n_slots`` slots must be appended
    storage    : (n_workers, n_blocks + n_masks), the encoding matrix
    chunk_slots : slots that are stored, and checked on reading, together

    Everything is written to ``PATH.part``, brought to the disk and moved into place at the end.
    """

    def __init__(
        self,
        path: Path,
        index: CodedIndex,
        storage: Array,
        chunk_slots: int,
        *,
        force: bool = False,
    ) -> None:
        super().__init__(path)
        self.index, self.storage = index, storage
        self.chunk_slots = chunk_slots
        self._part = path.with_name(path.name + ".part")
        self._old = path.with_name(path.name + ".old")
        self._files: list[_File] = []
        self._order: h5py.Dataset | None = None
        self._X: list[h5py.Dataset] = []
        self._Y: list[h5py.Dataset] = []
        self.slots = 0
        refuse_folder(path, force)

    def _begin(self) -> None:
        self._part.mkdir()
        index = self.index
        _allow_files(index.n_workers + 1)
        head = self._new(INDEX_NAME, index)
        head.file["storage"] = self.storage
        self._order = head.array(
            "order",
            (index.n_slots, index.n_blocks),
            "int64",
            max(ORDER_PLACES // index.n_blocks, 1),
        )
        for worker in range(index.n_workers):
            file = self._new(block_name(worker), index.block(worker))
            file.file["storage"] = self.storage[worker]
            sizes = (("X", index.n_features, self._X), ("Y", index.n_outputs, self._Y))
            for name, width, arrays in sizes:
                shape = (index.n_slots, width)
                arrays.append(file.array(name, shape, index.dtype, self.chunk_slots))
        self._X_chunk, self._Y_chunk = _Chunk(self._X[0]), _Chunk(self._Y[0])

    def _new(self, name: str, facts: BlockFacts | CodedIndex) -> _File:
        self._files.append(_File(self._part / name, self.path / name, facts))
        return self._files[-1]

    def append(self, samples: Array, X: Array, Y: Array) -> None:
        """Write the next ``chunk_slots`` slots, or the last ones.

        samples : (n, n_blocks)
        X       : (n_workers, n, n_features)      Y : (n_workers, n, n_outputs)
        """
        assert self._order is not None
        due = min(self.chunk_slots, self.index.n_slots - self.slots)
        if X.shape[1] != due:
            raise DataError(f"{self.path}: {X.shape[1]} slots came, {due} were due")
        with self._reported():
            for worker, (X_file, Y_file) in enumerate(zip(self._X, self._Y, strict=True)):
                self._X_chunk.write(X_file, self.slots, X[worker])
                self._Y_chunk.write(Y_file, self.slots, Y[worker])
                self._files[worker + 1].disk.check()
            self._order[self.slots : self.slots + due] = samples
            self._files[0].disk.check()
        self.slots += due

    def _finish(self) -> None:
        if self.slots != self.index.n_slots:
            raise DataError(
                f"{self.path}: {self.slots} slots came, {self.index.n_slots} were announced"
            )
        while self._files:
            # the index last: without it nothing is a coded dataset
            self._files[-1].finish()
            self._files.pop()
        sync(self._part)
        if self.path.exists():
            self.path.rename(self._old)
        self._part.rename(self.path)
        sync(self.path.parent)
        shutil.rmtree(self._old, ignore_errors=True)

    def _discard(self) -> None:
        for leftover in (self._part, self._old):
            shutil.rmtree(leftover, ignore_errors=True)

    def _close(self) -> None:
        for file in self._files:
            file.abandon()


def refuse_folder(folder: Path, force: bool) -> None:
    """Replace a folder only if it was asked for and nothing but a coded dataset can be lost."""
    if not folder.parent.is_dir():
        raise ConfigError(f"{folder.parent}: no such folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is there already and is no folder")
    for file in folder.iterdir():
        if file.name != INDEX_NAME and not file.match("worker-?????.h5"):
            raise ConfigError(f"{file}: in the way: the folder is for coded files alone")
    if not force:
        raise ConfigError(f"{folder}: is there already; --force replaces it")


def _allow_files(n_files: int) -> None:
    """Raise the number of files this process may have open as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_files + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
