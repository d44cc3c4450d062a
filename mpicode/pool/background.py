"""Work beside the main work of a rank: MPI and the iterations stay with the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Cancelled = Callable[[], bool]
"""Asked now and then by what is done in a job; True: nobody wants it any more."""


class Job(Generic[T]):
    """Something to be done beside the main work, and what came of it.

    do   : gets a `Cancelled`
    done : it has ended, and `result` tells how
    """

    def __init__(self, do: Callable[[Cancelled], T]) -> None:
        self.done = False
        self._do = do
        # what is made may keep it, and is not to keep the job with it
        self._cancelled = threading.Event()
        self._outcome: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it, here and now; an exception is kept for `result`."""
        try:
            self._outcome.append(self._do(self._cancelled.is_set))
        except (Exception, SystemExit) as error:
            self._error = error
        self.done = True

    @property
    def failed(self) -> bool:
        """Whether an exception ended it."""
        return self._error is not None

    def cancel(self) -> None:
        """Have it end soon; what comes of it is of no interest."""
        self._cancelled.set()

    def result(self) -> T:
        """Return what came of it, or raise the exception that ended it."""
        if self._error is not None:
            raise self._error
        return self._outcome[0]


class Background:
    """Runs one job at a time, in a thread; a job waits for those before it, cancelled or not."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, job: Job[Any]) -> None:
        """Begin ``job`` when those before it have ended."""
        before = self._thread

        def run() -> None:
            if before is not None:
                before.join()
            job.run()

        # a daemon: a disk that never answers is not to keep the rank from leaving
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Wait for the last job, which has been cancelled, but no longer than so."""
        if self._thread is not None:
            self._thread.join(seconds)
