"""The file of an inference: what a function gives for each row, or each block."""

from __future__ import annotations

import datetime
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .. import __version__
from ..disk import refusal, replace
from ..seal import checked_chunks, seal

SCHEMA = 1
KIND = "inference"

# What stands in the file, with unit and description; further dimensions are the function's own.
ARRAYS = {
    "values": ("1", "outputs of each row, or of each block"),
    "error": ("1", "estimated error of them, root mean square over the outputs"),
    "total": ("1", "sum of the values over all rows, or blocks"),
    "rounds/arrived": ("1", "whose answers were used"),
    "rounds/corrupt": ("1", "whose answers were found to be wrong"),
    "rounds/lebesgue": ("1", "what the set that arrived makes of errors of 1 in its answers"),
    "rounds/wait": ("s", "waiting for answers"),
    "rounds/decode": ("s", "decoding"),
}


def write_inference(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], attrs: Mapping[str, Any]
) -> None:
    """Write the arrays, by the names of `ARRAYS`, so that the file is whole or as it was.

    Raises `DataError` where the disk refuses.
    """
    path = Path(path)
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file.attrs.update(
            {
                **attrs,
                "schema": SCHEMA,
                "kind": KIND,
                "creator": f"mpicode {__version__}",
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            }
        )
        for name, array in arrays.items():
            unit, description = ARRAYS[name]
            chunked = {"chunks": True, "fletcher32": True} if np.size(array) else {}
            dataset = file.create_dataset(name, data=np.atleast_1d(array), **chunked)
            dataset.attrs["unit"], dataset.attrs["description"] = unit, description
        file.flush()
        chunks = checked_chunks(file)
    seal(memory, chunks)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, [memory.getbuffer()])
    except OSError as error:
        raise refusal(path, error) from None
