"""How far a long read or write is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Shows ``at(position)`` out of ``total`` on stderr; a context manager.

    Where stderr is no terminal, a plain line every few seconds; work that ends sooner is silent.
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self._bar: Any = None
        self._spoken = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=label, total=total, unit=unit, unit_scale=True, leave=False)

    def at(self, position: int) -> None:
        """Say that ``position`` of ``total`` is reached."""
        if self._bar is not None:
            self._bar.update(position - self._bar.n)
            return
        now = time.monotonic()
        if now - self._spoken >= SECONDS_BETWEEN_LINES:
            self._spoken = now
            share = f"{100 * position / max(self.total, 1):.0f} %"
            print(
                f"{self.label}: {share} of {self.total:,} {self.unit}", file=sys.stderr, flush=True
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
