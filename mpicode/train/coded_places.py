"""Where the rows of a data code are: plain ones, or coded files, one per worker."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..codes import DataCode
from ..codes.data.field import masks, quantise
from ..codes.data.field_numbers import Form
from ..config import Config
from ..datasets import Dataset
from ..datasets.coded import CodedBlock, CodedDataset, open_block, open_coded
from ..datasets.coded_layout import BlockFacts, CodedIndex
from ..datasets.mixing import Field, FieldMixing, Mixing, RealMixing
from ..errors import ConfigError
from .coded_rows import Source
from .combined import Combined
from .common import Kind
from .partition import Partition
from .slots import Slots


class Written(Protocol):
    """How rows are written over a prime field: bits of fraction of features and labels."""

    @property
    def prime(self) -> int: ...  # noqa: D102
    @property
    def data_bits(self) -> int: ...  # noqa: D102
    @property
    def label_bits(self) -> int: ...  # noqa: D102


class Places(NamedTuple):
    """Where the rows are: plain ones, the file of a worker, or an index of such files."""

    slots: Slots
    partition: Partition | None = None
    block: CodedBlock | None = None
    coded: CodedDataset | None = None

    def kind(self, dataset: Dataset | None) -> Kind:
        """Return what says how the rows are: the dataset, if there is one."""
        if dataset is not None:
            return dataset
        assert self.block is not None
        return self.block.facts

    def source(
        self,
        worker: int,
        code: DataCode,
        dataset: Dataset | None,
        dtype: np.dtype[Any],
        field: Written | None = None,
    ) -> Source:
        """Return the coded block of a worker, from its file or combined from the plain rows."""
        if self.block is not None:
            return self.block
        if self.coded is not None:
            return self.coded.block(worker)
        assert dataset is not None
        assert self.partition is not None
        samples = np.flatnonzero(~self.partition.aside(0, dataset.n_samples))
        storage = code.storage[worker : worker + 1]
        if field is None:
            mixing: Mixing = RealMixing(storage, dtype, {"X": 0.0, "Y": 0.0})
            return Combined(dataset, code.n_blocks, samples, mixing, dtype)
        written = Field(field.prime, field.data_bits, field.label_bits, quantise, masks)
        mixing = FieldMixing(storage, written)
        return Combined(dataset, code.n_blocks, samples, mixing, np.dtype(np.float64))

    def form(self, config: Config, code: DataCode) -> Form | None:
        """Return how numbers are written over the code's prime field, None where it has none.

        As in the coded files; where there are none, as ``[field]`` says.
        """
        prime, bits = getattr(code, "prime", None), self._bits
        if prime is None:
            return None
        if bits is None:
            return Form(prime, config.field.data_bits, config.field.parameter_bits)
        if bits.prime != prime:
            raise ConfigError(f"code.prime: {prime}, the coded files have {bits.prime or 'none'}")
        return Form(prime, bits.x_bits, bits.y_bits - bits.x_bits)

    @property
    def _bits(self) -> BlockFacts | CodedIndex | None:
        if self.block is not None:
            return self.block.facts
        return None if self.coded is None else self.coded.index


def places_of(
    config: Config,
    code: DataCode,
    dataset: Dataset | None,
    worker: int | None,
    opened: contextlib.ExitStack,
) -> Places:
    """Open coded files, if that is what the rows are in, and count their places."""
    run, folder, n_blocks = config.run, config.data.coded, code.n_blocks
    if dataset is None:
        assert folder is not None
        assert worker is not None
        block = opened.enter_context(open_block(folder, worker))
        block.see_that_it_is_of(code)
        return Places(Slots(block.n_slots, n_blocks, run.batch_size, run.seed), block=block)
    partition = Partition(dataset.n_samples, 1, config.data.test_fraction, run.seed)
    if folder is None:
        _check_plain(code, dataset)
        slots = Slots.of(partition.n_train, n_blocks, run.batch_size, run.seed)
        return Places(slots, partition)
    if partition.n_test:
        raise ConfigError(
            f"data.test_fraction: {config.data.test_fraction}, but the coded files hold all rows; "
            "wants data.test"
        )
    coded = opened.enter_context(open_coded(folder))
    coded.see_that_it_is_of(code, dataset.fingerprint)
    index = coded.index
    slots = Slots(index.n_slots, n_blocks, run.batch_size, run.seed, index.n_padding)
    return Places(slots, partition, coded=coded)


def _check_plain(code: DataCode, dataset: Dataset) -> None:
    """Raise `ConfigError` where workers may not, or cannot, combine the plain rows themselves."""
    if code.n_masks:
        raise ConfigError(
            f"data.coded: missing; {code.name!r} with n_colluding = {code.n_masks} hides the rows "
            "from the workers, which need files made by `mpicode data encode`"
        )
    if dataset.sparse:
        raise ConfigError(
            f"data.path: the rows are sparse, which their combinations are not; {code.name!r} "
            "wants dense rows"
        )
