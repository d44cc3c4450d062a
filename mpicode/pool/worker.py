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

_BYTE = wire.dtype_number(np.dtype(np.uint8))


class Request(NamedTuple):
    """What the master asks: ``payload``, (length,), is to be read only, until the next request.

    ``sent_at`` is the master's run time in seconds.
    """

    kind: int
    iteration: int
    round: int
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


class Send(NamedTuple):
    """Send the first ``n_bytes`` of the answer buffer to completion.

    ``last``: the next thing is `Receive`, and waiting there may complete it just as well.
    """

    n_bytes: int
    last: bool


Action = Receive | Sleep | Step | Send
RECEIVE = Receive()
LOOK = Step(0.0)


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


def worker_loop(
    worker: int,
    make_work: Callable[[], Work],
    delay: Delay | None,
    clock: Callable[[], float],
    buffer: wire.Bytes,
) -> Generator[Action, Any, BaseException | None]:
    """Answer requests until told to stop; return the exception that ended the work, if one did.

    ``buffer`` is where answers are put together; only this generator writes it, and only between sends.
    """
    failure: BaseException | None = None
    messages: list[int] = []
    behind = 0.0  # the master's run time less our clock
    try:
        work = make_work()
        out = wire.payload(buffer, work.answer_length, work.dtype)
        yield _text(buffer, Kind.READY, socket.gethostname().encode(), 0)
    except Exception as error:
        failure = error
        yield _failed(buffer, error)
    while True:
        request: Request = yield RECEIVE
        if request.kind == Kind.STOP:
            yield Send(wire.pack(buffer, Kind.GOODBYE, flags=wire.LAST), last=False)
            return failure
        if request.kind == Kind.ASSIGN:
            messages = request.payload.tolist()
            behind = request.sent_at - clock()
            continue
        if failure is not None or request.kind == Kind.WITHDRAW:
            continue  # the answer had left before the notice came
        try:
            seconds = (
                delay.seconds(worker, request.iteration, clock() + behind, work.load)
                if delay is not None
                else 0.0
            )
            yield from _answer(request, messages, work, seconds, clock, buffer, out)
        except Exception as error:
            failure = error
            yield _failed(buffer, error)


def _answer(
    request: Request,
    messages: list[int],
    work: Work,
    delay_seconds: float,
    clock: Callable[[], float],
    buffer: wire.Bytes,
    out: NDArray[Any],
) -> Generator[Action, Any, None]:
    withdrawn = False
    if delay_seconds > 0.0:
        yield Sleep(delay_seconds)
        withdrawn = yield LOOK
    dtype = wire.dtype_number(work.dtype)
    length = work.answer_length
    began = clock()
    missing = len(messages)
    for message in messages:
        missing -= 1
        if not withdrawn:
            for cost in work.compute(request, message, out):
                withdrawn = yield Step(cost)
                if withdrawn:
                    break
        if withdrawn:
            yield Send(
                wire.pack(
                    buffer, Kind.DROPPED, dtype, 0, request.iteration, request.round, message,
                    wire.LAST, clock() - began, delay_seconds,
                ),
                last=True,
            )  # fmt: skip
            return
        yield Send(
            wire.pack(
                buffer, request.kind, dtype, length, request.iteration, request.round, message,
                0 if missing else wire.LAST, clock() - began, delay_seconds,
            ),
            last=not missing,
        )  # fmt: skip


def _text(buffer: wire.Bytes, kind: Kind, text: bytes, number: int) -> Send:
    text = text[: len(buffer) - wire.HEADER_BYTES - wire.TRAILER_BYTES]
    buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + len(text)] = np.frombuffer(text, dtype=np.uint8)
    return Send(wire.pack(buffer, kind, _BYTE, len(text), message=number, flags=wire.LAST), last=True)


def _failed(buffer: wire.Bytes, error: BaseException) -> Send:
    """Put together what the master needs to raise ``error`` again, as UTF-8 JSON."""
    exit_code = error.exit_code if isinstance(error, MpicodeError) else 1
    report = {
        "host": socket.gethostname(),
        "exit_code": exit_code,
        "text": str(error)[:4000],
        "traceback": "".join(traceback.format_exception(error))[-12000:],
    }
    return _text(buffer, Kind.FAILED, json.dumps(report).encode(), exit_code)
