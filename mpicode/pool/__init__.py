"""Rounds over workers: requests out, coded vectors in, late ones told apart.

The pool never sees a scheme: its caller says when to stop waiting. `mpi` is imported only by who
uses it.
"""

from .books import Answer
from .pool import WorkerPool, largest_answer
from .wire import Kind
from .worker import Request, Work, worker_loop

__all__ = ["Answer", "Kind", "Request", "Work", "WorkerPool", "largest_answer", "worker_loop"]
