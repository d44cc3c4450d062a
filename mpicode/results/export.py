"""Hand a run over to programs that read numpy's files but not HDF5."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..disk import refusal, sync
from ..outcomes import Outcome
from .reader import RunData


def export_npz(run: RunData, path: Path) -> None:
    """Write everything in ``run`` to ``path``, a file for `numpy.load` without pickles.

    The arrays have the names and the very bits of the run file: ``parameters``,
    ``iterations/loss``, ``workers/arrived``, ``messages/seconds``, ``events/kind``,
    ``code/0/owner`` ...; a sparse array is ``data``, ``indices``, ``indptr`` and ``shape``.
    ``outcomes`` are the words that the numbers ``messages/outcome`` stand for, and ``attrs`` is
    JSON. The file is moved into place when it is whole; raises `DataError` where it cannot be.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, **dict(_arrays(run)))
        sync(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise refusal(path, error) from None


def _arrays(run: RunData) -> Iterator[tuple[str, Any]]:
    if run.parameters is not None:
        yield "parameters", run.parameters
    for group, columns in (("iterations", run.iterations), ("workers", run.workers)):
        for name, column in columns.items():
            yield f"{group}/{name}", column
    for table, rows in (("messages", run.messages), ("events", run.events)):
        for name in rows.dtype.names or ():
            column = rows[name]
            # a type with notes of h5py's own, or of objects, would not be saved as it is
            plain = np.str_ if column.dtype.kind == "O" else column.dtype.str
            yield f"{table}/{name}", column.astype(plain)
    yield "outcomes", np.array([outcome.label for outcome in Outcome])
    for number, code in enumerate(run.codes):
        for name, array in code.items():
            if hasattr(array, "indptr"):
                for part in ("data", "indices", "indptr", "shape"):
                    yield f"code/{number}/{name}/{part}", np.asarray(getattr(array, part))
            else:
                yield f"code/{number}/{name}", np.asarray(array)
    yield "attrs", np.array(json.dumps(run.attrs))
