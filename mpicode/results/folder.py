"""The run files of a folder, which may hold other files as well."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import DataError, said
from .reader import NoRunFile, RunData, read_run


def read_runs(folder: Path, say: Callable[[str], None]) -> list[RunData]:
    """Return all runs in a folder, unfinished ones (``.part``) too, ``NAME-2`` before ``NAME-10``.

    Files that cannot be read are left out, and ``say`` is told so. Raises `DataError` where the
    folder cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if path.name.endswith((".h5", ".h5.part"))]
    except OSError as error:
        raise DataError(f"{folder}: {said(error)}") from None
    runs = []
    for path in sorted(paths, key=_in_order):
        try:
            runs.append(read_run(path))
        except NoRunFile:
            continue  # a dataset
        except DataError as error:
            say(f"left out: {error}")
    return runs


def _in_order(path: Path) -> list[str | int]:
    """Return what sorts names as people do: numbers by their size."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]
