"""What workers say in words: which host they are on, and what went wrong."""

from __future__ import annotations

import json

from ..errors import ConfigError, DataError, GaveUp, MpicodeError, WorkerFailed
from . import wire
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
