"""What a worker does, written once for every transport.

`worker_loop` is a generator. It yields the few things that a transport must do for it (wait for a
request, sleep, look for a notice, send) and is resumed with the outcome. Under MPI these are real; under
the virtual clock they are events. The worker itself cannot tell which.
"""

from __future__ import annotations

import json
import socket
import traceback
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MpicodeError
from . import wire
from .delays import Delay
from .wire import Kind


class Request(NamedTuple):
    """What the master asks of one worker.

    ``messages`` are the numbers of the wanted messages, (n,) int32; ``payload`` is read-only,
    (length,); ``sent_at`` is the master's run time in seconds.
    """

    kind: int
    iteration: int
    round: int
    messages: NDArray[np.int32]
    payload: NDArray[Any]
    sent_at: float


class Receive(NamedTuple):
    """Wait for the next request or notice; resumed with a `Request`."""


class Sleep(NamedTuple):
    """Serve an injected delay to its end."""

    seconds: float


class Step(NamedTuple):
    """A part of the work is done, at a cost in rows; resumed with True if the request was withdrawn."""

    cost: float
    iteration: int


class Send(NamedTuple):
    """Send the first ``n_bytes`` of the answer buffer to completion."""

    n_bytes: int


Action = Receive | Sleep | Step | Send
RECEIVE = Receive()


class Work(Protocol):
    """What a worker can compute: the only thing a scheme or problem adds to the worker."""

    answer_length: int
    """Elements of each answer's payload."""
    dtype: np.dtype[Any]
    """The dtype of each answer's payload."""
    load: float
    """Share of all blocks that this worker holds."""

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (answer_length,), with ``message``; after each part yield its cost in rows."""


def describe_failure(error: BaseException) -> bytes:
    """Return what the master needs to raise ``error`` again, as UTF-8 JSON."""
    return json.dumps(
        {
            "host": socket.gethostname(),
            "exit_code": error.exit_code if isinstance(error, MpicodeError) else 1,
            "text": str(error),
            "traceback": "".join(traceback.format_exception(error))[-12000:],
        }
    ).encode()


def worker_loop(
    worker: int,
    make_work: Callable[[], Work],
    delay: Delay,
    clock: Callable[[], float],
    buffer: wire.Bytes,
) -> Generator[Action, Any, BaseException | None]:
    """Answer requests until told to stop; return the exception that ended the work, if one did.

    ``buffer`` is where answers are put together; only this generator writes it, and only between sends.
    """
    failure: BaseException | None = None
    try:
        work = make_work()
        yield Send(_text(buffer, Kind.READY, socket.gethostname().encode(), 0))
    except Exception as error:
        failure = error
        yield Send(_failed(buffer, error))
    while True:
        request: Request = yield RECEIVE
        if request.kind == Kind.STOP:
            wire.pack(buffer, Kind.GOODBYE, flags=wire.LAST)
            yield Send(wire.seal(buffer, 0))
            return failure
        if failure is not None or request.kind == Kind.WITHDRAW:
            continue  # the answer had left before the notice came
        try:
            yield from _answer(worker, request, work, delay, clock, buffer)
        except Exception as error:
            failure = error
            yield Send(_failed(buffer, error))


def _answer(
    worker: int,
    request: Request,
    work: Work,
    delay: Delay,
    clock: Callable[[], float],
    buffer: wire.Bytes,
) -> Generator[Action, Any, None]:
    seconds = delay.seconds(worker, request.iteration, request.sent_at, work.load)
    withdrawn = False
    if seconds > 0.0:
        yield Sleep(seconds)
        withdrawn = yield Step(0.0, request.iteration)
    payload_bytes = work.answer_length * work.dtype.itemsize
    out = buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + payload_bytes].view(work.dtype)
    began = clock()
    last = len(request.messages) - 1
    for position, message in enumerate(request.messages.tolist()):
        if not withdrawn:
            for cost in work.compute(request, message, out):
                withdrawn = yield Step(cost, request.iteration)
                if withdrawn:
                    break
        wire.pack(
            buffer,
            Kind.DROPPED if withdrawn else request.kind,
            dtype=wire.dtype_number(work.dtype),
            flags=wire.LAST if withdrawn or position == last else 0,
            iteration=request.iteration,
            round=request.round,
            message=message,
            length=0 if withdrawn else work.answer_length,
            compute_seconds=clock() - began,
            delay_seconds=seconds,
        )
        yield Send(wire.seal(buffer, 0 if withdrawn else payload_bytes))
        if withdrawn:
            return


def _text(buffer: wire.Bytes, kind: Kind, text: bytes, exit_code: int) -> int:
    text = text[: len(buffer) - wire.HEADER_BYTES - wire.TRAILER_BYTES]
    wire.pack(
        buffer, kind, dtype=wire.dtype_number(np.dtype(np.uint8)), flags=wire.LAST,
        message=exit_code, length=len(text),
    )  # fmt: skip
    buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + len(text)] = np.frombuffer(text, dtype=np.uint8)
    return wire.seal(buffer, len(text))


def _failed(buffer: wire.Bytes, error: BaseException) -> int:
    exit_code = error.exit_code if isinstance(error, MpicodeError) else 1
    return _text(buffer, Kind.FAILED, describe_failure(error), exit_code)
