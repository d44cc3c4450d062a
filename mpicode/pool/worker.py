"""What a worker does, written once for every transport.

`worker_loop` is a generator. It yields the few things that a transport must do for it (wait for a
request, sleep, look for a notice, send) and is resumed with the outcome. Under MPI these are real;
under the virtual clock they are events. The worker itself cannot tell which.
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

# looked up once: these run for every request
_STOP, _ASSIGN, _WITHDRAW = int(Kind.STOP), int(Kind.ASSIGN), int(Kind.WITHDRAW)
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


class Send(NamedTuple):
    """Send the first ``n_bytes`` of the answer buffer to completion.

    ``last``: the next thing is `Receive`, and waiting there may complete it just as well.
    """

    n_bytes: int
    last: bool


Action = Receive | Sleep | Send | float
"""A number says that a part of the work is done, at that cost in rows; the loop is then
resumed with True if the request was withdrawn."""

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
        """Fill ``out``, (answer_length,) with ``message``; yield the cost in rows of each part."""


def worker_loop(
    worker: int,
    make_work: Callable[[], Work],
    delay: Delay | None,
    clock: Callable[[], float],
    buffer: wire.Bytes,
) -> Generator[Action, Any, BaseException | None]:
    """Answer requests until told to stop; return the exception that ended the work, if one did.

    ``buffer`` is where answers are put together; only this generator writes it, and only between
    sends.
    """
    failure: BaseException | None = None
    messages: list[int] = []
    behind = 0.0  # the master's run time less our clock
    try:
        work = make_work()
        answer = _Answer(work, clock, buffer)
        yield _text(buffer, Kind.READY, socket.gethostname().encode(), 0)
    except Exception as error:
        failure = error
        yield _failed(buffer, error)
    while True:
        request: Request = yield RECEIVE
        kind = request.kind
        if kind == _STOP:
            yield Send(wire.pack(buffer, Kind.GOODBYE, flags=wire.LAST), last=False)
            return failure
        if kind == _ASSIGN:
            messages = request.payload.tolist()
            behind = request.sent_at - clock()
            continue
        if kind == _WITHDRAW or failure is not None:
            continue  # the answer had left before the notice came
        try:
            seconds = 0.0
            withdrawn = False
            if delay is not None:
                now = clock() + behind
                seconds = delay.seconds(worker, request.iteration, now, work.load)
                if seconds > 0.0:
                    yield Sleep(seconds)
                    withdrawn = yield 0.0
            yield from answer(request, messages, seconds, withdrawn)
        except Exception as error:
            failure = error
            yield _failed(buffer, error)


class _Answer:
    """Computes the messages of a request and sends each when it is ready."""

    def __init__(self, work: Work, clock: Callable[[], float], buffer: wire.Bytes) -> None:
        self._compute = work.compute
        self._clock = clock
        self._buffer = memoryview(buffer)
        self._out = wire.payload(buffer, work.answer_length, work.dtype)
        self._dtype = wire.dtype_number(work.dtype)
        self._length = work.answer_length
        full_bytes = wire.message_bytes(work.answer_length, work.dtype)
        self._send = Send(full_bytes, last=False), Send(full_bytes, last=True)

    def __call__(
        self, request: Request, messages: list[int], delay_seconds: float, withdrawn: bool
    ) -> Generator[Action, Any, None]:
        kind, iteration, round = request.kind, request.iteration, request.round
        clock, out = self._clock, self._out
        began = clock()
        missing = len(messages)
        for message in messages:
            missing -= 1
            if not withdrawn:
                for cost in self._compute(request, message, out):
                    withdrawn = yield cost
                    if withdrawn:
                        break
            if withdrawn:
                yield Send(
                    wire.pack(
                        self._buffer, Kind.DROPPED, self._dtype, 0, iteration, round, message,
                        wire.LAST, clock() - began, delay_seconds,
                    ),
                    last=True,
                )  # fmt: skip
                return
            wire.pack(
                self._buffer, kind, self._dtype, self._length, iteration, round, message,
                0 if missing else wire.LAST, clock() - began, delay_seconds,
            )  # fmt: skip
            yield self._send[not missing]


def _text(buffer: wire.Bytes, kind: Kind, text: bytes, number: int) -> Send:
    text = text[: len(buffer) - wire.HEADER_BYTES - wire.TRAILER_BYTES]
    buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + len(text)] = np.frombuffer(text, dtype=np.uint8)
    return Send(
        wire.pack(buffer, kind, _BYTE, len(text), message=number, flags=wire.LAST), last=True
    )


def _failed(buffer: wire.Bytes, error: BaseException) -> Send:
    """Put together what the master needs to raise ``error`` again, as UTF-8 JSON."""
    exit_code = error.exit_code if isinstance(error, MpicodeError) else 1
    report = {
        "host": socket.gethostname(),
        "exit_code": exit_code,
        "text": str(error)[:1000],
        "traceback": "".join(traceback.format_exception(error))[-6000:],
    }
    # at most 4 bytes a character, and twice that for quotes and line ends: it fits 64 KiB
    text = json.dumps(report, ensure_ascii=False).encode(errors="replace")
    return _text(buffer, Kind.FAILED, text, exit_code)
