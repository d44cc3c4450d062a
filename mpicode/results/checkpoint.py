"""One checkpoint file: an HDF5 file behind a line that says what its bytes hash to.

The first 512 bytes are HDF5's user block, which it skips; there stands the SHA-256 of all bytes
behind them. It is compared before HDF5 looks at the file, so a damaged one is never interpreted.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..config import Config
from ..errors import ConfigError, DataError
from ..hdf5 import label, member, reading, see_all_stored
from .arrays import see_times
from .schema import COLUMNS, ITERATION_COLUMNS, MISSING

SCHEMA = 1
_FRONT = 512
_MARK = b"mpicode checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at the start of an iteration.

    created    : when its run began, which tells it from others; a resumed run keeps it
    config     : its configuration, TOML text
    identity   : what a run that goes on from here has to agree with, key -> number or text
    iteration  : number of the iteration that comes next
    seconds    : run time at its start
    parameters : (n_parameters,) where its gradient is asked
    optimizer  : `Optimizer.state`
    rows       : (n_rows, columns), the numbers of the iterations so far, by `COLUMNS`; a run that
                 was ended by a goal has one more than ``iteration``, since its step was not taken
    complete   : the run had ended by one of its own stop rules
    outcome    : why it had ended, "running" if it had not
    """

    created: str
    config: str
    identity: Mapping[str, Any]
    iteration: int
    seconds: float
    parameters: NDArray[np.float64]
    optimizer: Mapping[str, Any]
    rows: NDArray[np.float64]
    complete: bool = False
    outcome: str = "running"

    def history(self, n_rows: int | None = None) -> dict[str, NDArray[Any]]:
        """Return the columns of /iterations by name, of the first ``n_rows`` or all iterations."""
        types = {name: dtype for name, (dtype, _, _) in ITERATION_COLUMNS.items()}
        return {
            name: column.astype(types.get(name, "i8"))
            for name, column in zip(COLUMNS, self.rows[:n_rows].T, strict=True)
        }


def to_bytes(checkpoint: Checkpoint) -> memoryview:
    """Return the file less its `front`; nothing of the state is referred to."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=_FRONT) as file:
        file.attrs.update(
            schema=SCHEMA,
            creator=f"mpicode {__version__}",
            created=checkpoint.created,
            iteration=checkpoint.iteration,
            seconds=checkpoint.seconds,
            complete=checkpoint.complete,
            outcome=checkpoint.outcome,
        )
        # texts may be longer than an attribute of HDF5
        file["config"] = checkpoint.config
        file["identity"] = json.dumps(dict(checkpoint.identity), default=str)
        file["parameters"] = checkpoint.parameters
        optimizer = file.create_group("optimizer")
        for key, value in checkpoint.optimizer.items():
            optimizer[key] = value
        # one dataset: as many as there are columns took longer than the parameters
        file["iterations"] = checkpoint.rows
        file["iterations"].attrs["columns"] = COLUMNS
    return memory.getbuffer()[_FRONT:]


def front(rest: memoryview) -> bytes:
    """Return the first bytes of a file whose others are ``rest``."""
    return _front(b"%d" % SCHEMA, hashlib.sha256(rest).hexdigest())


def _front(schema: bytes, digest: str) -> bytes:
    told = b"%s %s\nsha256 %s\n" % (_MARK, schema, digest.encode())
    return told.ljust(_FRONT, b"\n")


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint; `DataError` where it cannot be read, is damaged, or is none."""
    path = Path(path)
    with reading(path):
        with path.open("rb") as file:
            told = file.read(_FRONT)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        mark, _, schema = told.partition(b"\n")[0].rpartition(b" ")
        if mark != _MARK:
            raise DataError(f"{path}: damaged, or not a checkpoint of mpicode")
        if told != _front(schema, digest):
            raise DataError(f"{path}: damaged, its checksum does not match")
        if schema != b"%d" % SCHEMA:
            raise DataError(
                f"{path}: a checkpoint of schema {schema.decode(errors='replace')}, "
                f"this mpicode reads schema {SCHEMA}"
            )
        with h5py.File(path, "r", locking=False) as file:
            checkpoint = _read(file)
        see_times(path, checkpoint.history())
        return checkpoint


# What attributes of these names have to be.
_ATTRIBUTES = {
    "created": str,
    "iteration": np.integer,
    "seconds": np.floating,
    "complete": np.bool_,
    "outcome": str,
}


def _read(file: h5py.File) -> Checkpoint:
    attrs = {name: file.attrs[name] for name in _ATTRIBUTES}
    for name, kind in _ATTRIBUTES.items():
        if not isinstance(attrs[name], kind):
            raise DataError(f"{file.filename}: attribute {name!r} is {attrs[name]!r}")
    stored = _own(file, "iterations")
    iteration, n_rows = int(attrs["iteration"]), len(stored)
    if not 0 <= iteration <= n_rows:
        raise DataError(
            f"{file.filename}: attribute 'iteration' is {iteration}, there are {n_rows} iterations"
        )
    named = dict(zip(stored.attrs["columns"], stored[()].T, strict=True))
    rows = np.empty((n_rows, len(COLUMNS)))
    for number, name in enumerate(COLUMNS):
        rows[:, number] = named.get(name, MISSING.get(name))
    whole = [ITERATION_COLUMNS.get(name, ("i8",))[0] == "i8" for name in COLUMNS]
    counts = rows[:, whole]
    if not (np.abs(counts) < 2**53).all():
        raise DataError(f"{file.filename}: iterations: a count is no integer")
    parameters, identity = (
        _own(file, "parameters")[()],
        json.loads(_own(file, "identity").asstr()[()]),
    )
    if parameters.ndim != 1 or parameters.dtype != np.float64 or not isinstance(identity, dict):
        raise DataError(f"{file.filename}: parameters are {parameters.ndim}-D {parameters.dtype}")
    optimizer, config = _own(file, "optimizer"), str(_own(file, "config").asstr()[()])
    try:
        Config.loads(config)
    except ConfigError as error:
        raise DataError(f"{file.filename}: config: {error}") from None
    return Checkpoint(
        created=attrs["created"],
        config=config,
        identity=identity,
        iteration=iteration,
        seconds=float(attrs["seconds"]),
        parameters=parameters,
        optimizer={key: _own(optimizer, key)[()] for key in optimizer},
        rows=rows,
        complete=bool(attrs["complete"]),
        outcome=attrs["outcome"],
    )


def _own(parent: h5py.Group, name: str) -> Any:
    """Return a member whose numbers stand in this file."""
    path = Path(parent.file.filename)
    found = member(parent, name, path)
    if found is None:
        raise DataError(f"{path}: cannot be read: {label(parent, name)} is not there")
    if isinstance(found, h5py.Dataset):
        if found.is_virtual or found.external:
            raise DataError(f"{path}: {label(parent, name)} is stored in other files")
        see_all_stored(found, path)
    return found
