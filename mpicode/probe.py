"""Open an HDF5 file and look at all that is in it, as a program: whether HDF5 survives that."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import h5py


def look(name: str, item: Any) -> None:
    """Look at one member as a reader would; what h5py can tell by an exception is no matter."""
    for key in list(item.attrs):
        with contextlib.suppress(Exception):
            item.attrs[key]
    if isinstance(item, h5py.Dataset):
        with contextlib.suppress(Exception):
            if item.is_virtual:
                item.virtual_sources()
            elif item.chunks:
                item.id.get_num_chunks()
            if item.dtype.hasobject and not item.external:
                item[()]


def main(path: str) -> None:
    """Look at everything in the file."""
    with contextlib.suppress(Exception), h5py.File(path, "r", locking=False) as file:
        look("/", file)
        file.visititems(look)


if __name__ == "__main__":
    main(sys.argv[1])
