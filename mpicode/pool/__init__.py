"""Rounds over workers, or a stream of answers: requests out, coded vectors in, late ones seen.

The pool never sees a scheme: its caller says when to stop waiting. `mpi` is imported only by who
uses it.
"""

from .books import Answer
from .pool import WorkerPool, largest_answer
from .stream import Stream, request_length
from .wire import Kind
from .worker import Request, Work, worker_loop

__all__ = [
    "Answer",
    "Kind",
    "Request",
    "Stream",
    "Work",
    "WorkerPool",
    "largest_answer",
    "request_length",
    "worker_loop",
]
