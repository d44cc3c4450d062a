"""What the files of a coded dataset hold.

A coded dataset is a folder. ``coded.h5`` is the index, for the master: attributes that say what was
encoded and how (`CodedIndex`), ``storage`` (n_workers, n_blocks + n_masks) and ``order``
(n_slots, n_blocks), the sample in each slot of each block; -1: there is none.
``worker-00000.h5`` and so on hold what one worker computes on, and nothing else (`BlockFacts`):
``X`` (n_slots, n_features), ``Y`` (n_slots, n_outputs), and its own row of ``storage``. Masks are
nowhere.

``Y`` codes the number itself for regression, -1 and 1 for binary labels, and a row with a single 1
for each of several classes. Where there is no sample, labels are zeros. Among several classes the
features are those of a sample beside it, so that nothing jumps but the labels, by which it counts
nothing; else they are zeros, too, and only in the last slot.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError

Array = npt.NDArray[Any]

SCHEMA = 1
INDEX_NAME = "coded.h5"
INDEX_KIND, BLOCK_KIND = "coded dataset", "coded block"
# Encoding matrices that differ by less, relative to their largest entry, are the same one.
SAME = 1e-9


class StoredBy(Protocol):
    """What encoding needs of a code over the data."""

    @property
    def name(self) -> str: ...  # noqa: D102

    n_workers: int
    n_blocks: int
    n_masks: int
    storage: Array


@dataclass(frozen=True)
class BlockFacts:
    """What a worker's file says of itself.

    ``encoding`` is one text for all files that were made together; ``code``, ``n_workers``,
    ``n_blocks`` and ``n_masks`` are those of the code, ``worker`` is the one the file is for.
    Where ``prime`` is not 0, stored integers are ``round(2**x_bits * x)`` and
    ``round(2**y_bits * y)``, combined modulo that prime.
    """

    encoding: str
    code: str
    n_workers: int
    n_blocks: int
    n_masks: int
    n_slots: int
    n_features: int
    n_outputs: int
    task: str
    n_classes: int
    dtype: str
    prime: int
    x_bits: int
    y_bits: int
    worker: int


@dataclass(frozen=True)
class CodedIndex:
    """What the index says: the facts of all blocks, and where they come from.

    ``parameters`` are those of the code, and its seed. ``n_padding`` places have no sample.
    ``order`` and ``order_seed`` say how samples were put together,
    ``fingerprint`` is that of the dataset. Masks are Gaussian with the standard deviations
    ``mask_x`` and ``mask_y``, 0 where there are none or they are uniform on the field.
    """

    encoding: str
    code: str
    parameters: dict[str, Any]
    n_workers: int
    n_blocks: int
    n_masks: int
    n_slots: int
    n_samples: int
    n_features: int
    n_outputs: int
    n_padding: int
    task: str
    n_classes: int
    dtype: str
    prime: int
    x_bits: int
    y_bits: int
    mask_x: float
    mask_y: float
    order: str
    order_seed: int
    fingerprint: str
    source: str
    license: str

    def block(self, worker: int) -> BlockFacts:
        """Return what the file of a worker says."""
        own = {f.name: getattr(self, f.name) for f in fields(BlockFacts) if f.name != "worker"}
        return BlockFacts(**own, worker=worker)


Facts = TypeVar("Facts", BlockFacts, CodedIndex)


def block_name(worker: int) -> str:
    """Return the name of a worker's file in the folder."""
    return f"worker-{worker:05d}.h5"


def write_facts(file: h5py.File, facts: BlockFacts | CodedIndex, creator: str) -> None:
    """Put facts, kind and schema on the root of a file."""
    kind = INDEX_KIND if isinstance(facts, CodedIndex) else BLOCK_KIND
    for key, value in {"schema": SCHEMA, "kind": kind, "creator": creator, **asdict(facts)}.items():
        file.attrs[key] = json.dumps(value) if isinstance(value, dict) else value


def read_facts(file: h5py.File, path: Path, cls: type[Facts]) -> Facts:
    """Return the facts of a file; `DataError` where it is of another kind or one is missing."""
    kind = INDEX_KIND if cls is CodedIndex else BLOCK_KIND
    if _text(file.attrs.get("kind")) != kind:
        raise DataError(f"{path}: no {kind} of mpicode")
    if file.attrs.get("schema") != SCHEMA:
        raise DataError(
            f"{path}: schema {file.attrs.get('schema')}, this mpicode reads schema {SCHEMA}"
        )
    found: dict[str, Any] = {}
    for field in fields(cls):
        found[field.name] = _fact(file, path, field.name, str(field.type))
    facts = cls(**found)
    lowest: dict[str, int] = {"n_masks": 0, "n_classes": 0, "prime": 0, "worker": 0}
    for name in ("n_workers", "n_blocks", "n_slots", "n_features", "n_outputs", *lowest):
        value = getattr(facts, name, 1)
        if value < lowest.get(name, 1):
            raise DataError(f"{path}: attribute {name!r} is {value}")
    return facts


def _fact(file: h5py.File, path: Path, name: str, kind: str) -> Any:
    value = file.attrs.get(name)
    if kind == "str" or kind.startswith("dict"):
        text = _text(value)
        if text is None:
            raise DataError(f"{path}: attribute {name!r} must be text, got {value!r}")
        if kind == "str":
            return text
        try:
            table = json.loads(text)
        except ValueError:
            table = None
        if not isinstance(table, dict):
            raise DataError(f"{path}: attribute {name!r} is no table, got {text!r}")
        return table
    wanted = (int, np.integer) if kind == "int" else (int, float, np.integer, np.floating)
    if not isinstance(value, wanted) or isinstance(value, (bool, np.bool_)):
        raise DataError(f"{path}: attribute {name!r} must be a number, got {value!r}")
    return int(value) if kind == "int" else float(value)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def see_that_it_is_of(
    path: Path, facts: BlockFacts | CodedIndex, rows: Array, code: StoredBy
) -> None:
    """Raise `ConfigError` unless files were encoded as ``code`` does, naming what disagrees.

    rows : the rows of the encoding matrix the file has: all of them, or one worker's
    """
    for key, ours, theirs in (
        ("code.name", code.name, facts.code),
        ("run.n_workers", code.n_workers, facts.n_workers),
        ("code.n_blocks", code.n_blocks, facts.n_blocks),
        ("code.n_colluding", code.n_masks, facts.n_masks),
    ):
        if ours != theirs:
            raise ConfigError(f"{key}: {ours}, but {path} was encoded with {theirs}")
    wanted = code.storage if isinstance(facts, CodedIndex) else code.storage[facts.worker][None]
    apart = float(np.abs(wanted - rows).max(initial=0))
    # residues are exact
    allowed = 0.0 if facts.prime else SAME * float(np.abs(wanted).max(initial=0))
    if not apart <= allowed:
        raise ConfigError(
            f"code: its encoding matrix differs by up to {apart:.3g} from the one "
            f"{path} was encoded with: other points, smoothing or seed"
        )
