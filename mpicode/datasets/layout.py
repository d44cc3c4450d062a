"""What a dataset file holds, and the one place where it is opened and judged.

A dataset is an HDF5 file with

* ``X`` (n_samples, n_features), float32, float64, or int8/uint8 with an attribute ``scale`` by
  which the integers are multiplied on reading; or, for sparse data, a group ``X`` in CSR form:
  ``data`` (nnz,), ``indices`` (nnz,), ``indptr`` (n_samples + 1,) and the attribute ``shape``;
* ``y`` (n_samples,), float for regression, integer labels ``0 <= y < n_classes`` otherwise;
* the attributes of `Meta`.

Optional are ``answer`` (n_features,), the parameters a synthetic problem was made with;
``classes``, what the labels were called in the source; and ``columns/``, what the columns mean. A
large dataset is a folder of such files and one that joins them by virtual datasets, see
`mpicode.datasets.shards`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import DataError

SCHEMA = 1
TASKS = ("regression", "binary", "multiclass")
STORED_DTYPES = ("float32", "float64", "int8", "uint8")


@dataclass(frozen=True)
class Meta:
    """The attributes of a dataset file.

    ``n_classes`` is 0 for regression and 2 for binary labels; ``content`` is the SHA-256 of the
    rows (`mpicode.datasets.content`), empty in a file that something else has written.
    """

    task: str
    n_classes: int
    source: str = ""
    license: str = ""
    source_sha256: str = ""
    content: str = ""
    creator: str = ""

    def write(self, group: h5py.Group) -> None:
        """Put the attributes, and the schema number, on the root of a file."""
        group.attrs["schema"] = SCHEMA
        for key, value in asdict(self).items():
            group.attrs[key] = value


def _attribute(file: h5py.File, path: Path, key: str, kind: type[Any], default: Any = None) -> Any:
    """Return one attribute as ``kind``; without a default it must be there."""
    if key not in file.attrs:
        if default is None:
            raise DataError(f"{path}: no attribute {key!r}, so not a dataset file of mpicode")
        return default
    value = file.attrs[key]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    wanted = (int, np.integer) if kind is int else kind
    if not isinstance(value, wanted) or isinstance(value, bool):
        name = "an integer" if kind is int else "text"
        raise DataError(f"{path}: attribute {key!r} must be {name}, got {value!r}")
    return kind(value)


def read_meta(file: h5py.File, path: Path) -> Meta:
    """Return the attributes; raise `DataError` for a file of another kind or a newer schema."""
    schema = _attribute(file, path, "schema", int)
    if schema != SCHEMA:
        raise DataError(f"{path}: schema {schema}, this mpicode reads schema {SCHEMA}")
    for missing in {"X", "y"} - set(file):
        raise DataError(f"{path}: no {missing!r} in it, so not a dataset file")
    task = _attribute(file, path, "task", str)
    if task not in TASKS:
        raise DataError(f"{path}: task {task!r} is not one of {', '.join(TASKS)}")
    n_classes = _attribute(file, path, "n_classes", int, 0 if task == "regression" else None)
    lowest = {"regression": 0, "binary": 2, "multiclass": 2}[task]
    if n_classes < lowest or (task != "multiclass" and n_classes > lowest):
        raise DataError(f"{path}: n_classes = {n_classes} does not go with task {task!r}")
    texts = ("source", "license", "source_sha256", "content", "creator")
    return Meta(task, n_classes, **{key: _attribute(file, path, key, str, "") for key in texts})
