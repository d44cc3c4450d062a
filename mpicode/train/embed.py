"""Coded gradients in somebody else's mpi4py program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..codes import GradientCode
from ..errors import ConfigError
from ..pool import Request, WorkerPool, largest_answer, wire, worker_loop
from .coded_gradient import CodedGradient
from .parts import Parts
from .round import Round
from .segments import Segments

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

BlockGradient = Callable[[NDArray[Any], int], Any]
_GRACE_SECONDS = 5.0


class CodedWorkers:
    """The workers of a gradient code, on the ranks of ``comm``.

    A context manager that every rank of ``comm`` enters. Rank 0, the master, goes on at once and
    calls `gradient`; ranks 1 to ``code.n_workers`` serve it inside ``with`` until rank 0 leaves;
    any other rank passes through.

    comm         : an mpi4py communicator; it is duplicated, so its own messages cannot meet ours
    code         : the same on every rank, as ``mpicode.codes.make`` gives it
    gradient     : ``gradient(x, block)`` gives the gradient of one block at ``x``, (n_parameters,),
                   or a pair of it and the block's loss; called by the workers alone
    n_parameters : length of ``x``
    dtype        : of the messages and of the ``x`` that workers see, float32 or float64
    """

    def __init__(
        self,
        comm: Intracomm,
        code: GradientCode,
        gradient: BlockGradient,
        n_parameters: int,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if comm.size < code.n_workers + 1:
            raise ConfigError(
                f"code.n_workers: {code.n_workers} workers need {code.n_workers + 1} ranks, "
                f"the communicator has {comm.size}"
            )
        self.is_master = comm.rank == 0
        self.last: Round | None = None
        self._comm = comm
        self._code = code
        self._gradient = gradient
        self._n_parameters = n_parameters
        self._dtype = np.dtype(dtype)
        self._segments = Segments(code, n_parameters, self._dtype)
        self._iteration = 0

    def __enter__(self) -> CodedWorkers:
        from ..pool import mpi

        part = mpi.group(self._comm, self._code.n_workers)
        if part is None:
            return self
        answer = self._segments.answer_length, self._segments.dtype
        if self.is_master:
            transport = mpi.MPIMaster(part, *answer, largest_answer(*answer))
            self._pool = WorkerPool(transport, payload_length=self._n_parameters, dtype=self._dtype)
            try:
                self._pool.start()
                self._coded = CodedGradient(self._pool, self._code, self._segments)
            except BaseException:
                self._pool.close(_GRACE_SECONDS)
                raise
            return self
        buffer = wire.new_buffer(largest_answer(*answer))
        end = mpi.MPIWorker(
            part, self._n_parameters, self._dtype, self._code.n_messages, buffer,
            wire.message_bytes(*answer),
        )  # fmt: skip
        worker = part.rank - 1
        # made inside the loop: what is wrong with it is then told to the master
        end.run(worker_loop(worker, lambda: self._work(worker), None, end.now, buffer))
        end.close()
        return self

    def _work(self, worker: int) -> _BlockWork:
        return _BlockWork(self._code, worker, self._gradient, self._segments, self._dtype)

    def gradient(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return the sum of all blocks' gradients at ``x``, (n_parameters,); for the master alone.

        The answer is valid until the next call. ``last`` then tells loss, residual, who answered
        and how long it took. Raises `WorkerFailed` with the traceback of an exception on a worker.
        """
        x = np.asarray(x)
        if x.shape != (self._n_parameters,):
            raise ConfigError(f"x: wants shape ({self._n_parameters},), got {x.shape}")
        self.last = self._coded(x, self._iteration)
        self._iteration += 1
        return self.last.gradient

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.is_master:
            return
        silent = self._pool.close(_GRACE_SECONDS)
        if silent:
            warnings.warn(
                f"workers {silent} did not leave within {_GRACE_SECONDS:g} s; "
                "MPI_Finalize will wait for them",
                stacklevel=2,
            )


class _BlockWork:
    """Messages made of the gradients of single blocks."""

    def __init__(
        self,
        code: GradientCode,
        worker: int,
        gradient: BlockGradient,
        segments: Segments,
        dtype: np.dtype[Any],
    ) -> None:
        self.answer_length = segments.answer_length
        self.dtype = segments.dtype
        self.load = code.load(worker)
        self._parts = Parts(code)
        self._gradient = gradient
        self._segments = segments
        self._padded = np.zeros(segments.padded_length, dtype)

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (answer_length,): the coded gradient and, last, the coded loss."""
        out[:] = 0
        x = request.payload.view()
        x.flags.writeable = False
        for part in self._parts(message, request.iteration):
            for block, weight in part.blocks:
                gradient, loss = self._ask(x, block)
                self._segments.fold(weight * part.direction, gradient, out[:-1])
                out[-1] += weight * part.direction[0] * loss
                yield 1.0

    def _ask(self, x: NDArray[Any], block: int) -> tuple[NDArray[Any], float]:
        """Return the gradient of a block, (padded_length,), and its loss, 0 where none is given."""
        answer = self._gradient(x, block)
        gradient, loss = answer if isinstance(answer, tuple) else (answer, 0.0)
        gradient, shape = np.asarray(gradient), (self._segments.n_parameters,)
        if gradient.shape != shape:
            raise ConfigError(
                f"gradient of block {block}: wants shape {shape}, got {gradient.shape}"
            )
        np.copyto(self._padded[: gradient.size], gradient, casting="same_kind")
        return self._padded, loss
