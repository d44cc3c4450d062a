"""Speaking to somebody who may have left."""

from __future__ import annotations

import contextlib
import sys
from typing import IO, Any


class Unheard:
    """A text stream that goes on where nobody reads the other one any more."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if it can be done."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if it can be done."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def speak_anyway() -> None:
    """Have this rank go on although mpirun, through which it speaks, has ended."""
    sys.stdout = Unheard(sys.stdout)
    sys.stderr = Unheard(sys.stderr)
