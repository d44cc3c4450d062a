"""What workers say in words, and what is said of an answer that nobody asked for."""

from __future__ import annotations

import json

from ..errors import ConfigError, DataError, GaveUp, MpicodeError, WorkerFailed
from . import wire
from .tasks import Task
from .transport import Slot

_ERRORS: dict[int, type[MpicodeError]] = {
    error.exit_code: error for error in (ConfigError, DataError, GaveUp)
}


def text(slot: Slot) -> bytes:
    """Return the text that a worker sent."""
    return slot.view[wire.HEADER_BYTES : slot.n_bytes - wire.TRAILER_BYTES].tobytes()


def failure(worker: str, text: bytes) -> MpicodeError:
    """Return the exception that a worker reported, as ours."""
    report = json.loads(text)
    where = f"{worker} on {report['host']}"
    error = _ERRORS.get(report["exit_code"])
    if error is not None:
        return error(f"{where}: {report['text']}")
    return WorkerFailed(f"{where} raised an exception:\n{report['traceback'].rstrip()}")


def unasked(
    sender: str, task: Task | None, numbers: list[int], found: tuple[int, int, int, int, int, int]
) -> wire.BadMessage:
    """Return what is wrong with an answer to ``task`` that lacked the messages ``numbers`` yet.

    ``found`` is what its header says: kind, flags, message, iteration, round, generation.
    """
    kind, flags, message, iteration, round, generation = found
    if task is None or (iteration, round) != (task.iteration, task.round):
        wanted = "nothing" if task is None else f"{task.iteration}, {task.round}"
        text = f"answers iteration {iteration}, round {round}, was asked for {wanted}"
    elif generation != task.generation:
        text = f"answers for code {generation}, was asked for code {task.generation}"
    else:
        last = ", the last" if flags & wire.LAST else ""
        text = (
            f"sends message {message} of kind {kind}{last}, was to send {numbers} "
            f"of kind {task.kind}"
        )
    return wire.BadMessage(f"{sender}: {text}")
