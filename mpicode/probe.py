"""Open an HDF5 file and look at all that is in it, as a program: whether HDF5 survives that."""

from __future__ import annotations

import contextlib
import resource
import sys
from typing import Any

import h5py

# What is larger is not read whole: it is the headers that HDF5 breaks its neck on.
MOST_BYTES = 1 << 26


def look(name: str, item: Any) -> None:
    """Look at one member as a reader would; what h5py can tell by an exception is no matter."""
    for key in list(item.attrs):
        with contextlib.suppress(Exception):
            item.attrs[key]
    if isinstance(item, h5py.Dataset):
        with contextlib.suppress(Exception):
            if item.is_virtual:
                item.virtual_sources()
            elif not item.external:
                item[_piece(item)]


def _piece(item: h5py.Dataset) -> Any:
    """Return what to read of a dataset: all of it, a row, or a number."""
    if item.nbytes <= MOST_BYTES:
        return ()
    return slice(1) if item.nbytes // len(item) <= MOST_BYTES else (0,) * item.ndim


def main(path: str, seconds: int) -> int:
    """Look at everything in the file; 1, and why on stderr, if not everything can be found.

    SIGXCPU ends it after so many ``seconds`` of processor time.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        file = h5py.File(path, "r", locking=False)
    except Exception:
        return 0  # whoever wants to read it hears of that
    with file:
        try:
            look("/", file)
            file.visititems(look)
        except Exception as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
