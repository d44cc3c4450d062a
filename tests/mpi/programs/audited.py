"""``mpicode`` with a list of the files that this rank opens: ``audited.py FOLDER ARGUMENTS...``.

Each rank writes ``opened-RANK`` in the folder, a path a line: what Python opens is told by its
audit hook, what HDF5 opens by the one function through which h5py does that.
"""

import os
import sys
from pathlib import Path

import h5py

from mpicode.cli import main

RANK = os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ.get("PMI_RANK") or "none"
LIST = os.open(Path(sys.argv[1]) / f"opened-{RANK}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)


def note(path):
    if isinstance(path, str | bytes | os.PathLike):
        os.write(LIST, os.path.realpath(os.fsencode(path)) + b"\n")


def hook(event, arguments):
    if event == "open":
        note(arguments[0])


def opening(name, *arguments, _open=h5py.h5f.open, **options):
    note(name)
    return _open(name, *arguments, **options)


if __name__ == "__main__":
    sys.addaudithook(hook)
    h5py.h5f.open = opening
    sys.exit(main(sys.argv[2:]))
