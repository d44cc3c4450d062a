"""What a resumed run takes over into its run file from the one it goes on from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .checkpoint import Checkpoint
from .reader import RunData, read_run
from .schema import EVENT, MESSAGE, WORKER_COLUMNS


def recorded(checkpoint: Checkpoint, path: Path, others: Iterable[Path], n_workers: int) -> RunData:
    """Return all that is known of the iterations before the checkpoint's, for `RunWriter`.

    The columns of /iterations come from the checkpoint. The tables by worker, messages, events and
    codes come from the run file that the run has left, whole or as ``.part``, at ``path`` or one of
    ``others``; of what was recorded after the checkpoint nothing stays, since it happens again.
    Where the file is gone, or ends early, times are NaN and flags false there, and
    ``attrs["missing"]`` is the number of those iterations.

    n_workers : width of the tables where no file is found
    """
    n = checkpoint.iteration
    left = _left_by(checkpoint.created, (path, *others))
    n_found = 0 if left is None else min(n, left.n_iterations)
    width = n_workers if left is None else left.n_workers
    workers = {}
    for name, (dtype, _, _) in WORKER_COLUMNS.items():
        absent = np.nan if np.dtype(dtype).kind == "f" else False
        workers[name] = np.full((n, width), absent, dtype)
        if left is not None and name in left.workers:
            workers[name][:n_found] = left.workers[name][:n_found]
    messages, events, codes = np.empty(0, MESSAGE), np.empty(0, EVENT), []
    attrs: dict[str, Any] = {"missing": n - n_found}
    if left is not None:
        messages = left.messages[left.messages["iteration"] < n]
        before = (left.events["iteration"] <= n) & (left.events["seconds"] <= checkpoint.seconds)
        events = left.events[before]
        codes = [code for code in left.codes if code["iteration"] < max(n, 1)]
    return RunData(
        path=path if left is None else left.path,
        attrs=attrs,
        iterations=checkpoint.history(n),
        workers=workers,
        messages=messages,
        events=events,
        parameters=None,
        codes=codes,
    )


def _left_by(created: str, paths: Iterable[Path]) -> RunData | None:
    """Return the first of the run files, or of their parts, that this run has written."""
    for path in paths:
        for file in (path.with_name(path.name + ".part"), path):
            with contextlib.suppress(DataError):
                found = read_run(file)
                if found.attrs.get("created") == created:
                    return found
    return None
