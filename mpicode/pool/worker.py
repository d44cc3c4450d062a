"""What a worker does, written once for every transport.

`worker_loop` is a generator. It yields the few things that a transport must do for it (wait for a
request, sleep, look for a notice, send) and is resumed with the outcome. Under MPI these are real;
under the virtual clock they are events. The worker itself cannot tell which.
"""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import MpicodeError
from . import wire
from .background import Cancelled, Job
from .delays import Delay
from .faults import InjectedError, Injection, ProcessFault, Raise
from .wire import Kind

# looked up once: these run for every request
_STOP, _ASSIGN, _WITHDRAW = int(Kind.STOP), int(Kind.ASSIGN), int(Kind.WITHDRAW)
_PREPARE, _PREPARED = int(Kind.PREPARE), int(Kind.PREPARED)
_BYTE = wire.dtype_number(np.dtype(np.uint8))


class Request(NamedTuple):
    """What the master asks: ``payload``, (length,), is to be read only, until the next request.

    ``sent_at`` is the master's run time in seconds, ``generation`` says which code is meant.
    ``message`` is what is wanted; -1: the messages that were assigned.
    """

    kind: int
    iteration: int
    round: int
    payload: NDArray[Any]
    sent_at: float
    generation: int = 0
    message: int = -1


class Receive(NamedTuple):
    """Wait for the next request or notice, or for the end of a job; resumed with a `Request`.

    Its kind is ``PREPARED`` when the job of the last `Prepare` is done.
    """


class Sleep(NamedTuple):
    """Serve an injected delay to its end."""

    seconds: float


class Send(NamedTuple):
    """Send the first ``n_bytes`` of the answer buffer to completion.

    ``last``: nothing is left to do for this request, so that the next one is received too, and the
    loop resumed with it as after `Receive`. Waiting for it may complete the sending just as well.
    """

    n_bytes: int
    last: bool


class Strike(NamedTuple):
    """Let ``fault`` happen to this process, once ``send``, if there is one, is under way.

    If the worker lives on, it is resumed when the sending is complete.
    """

    fault: ProcessFault
    send: Send | None


class Prepare(NamedTuple):
    """Do ``job`` beside what follows, instead of any before it that is not done."""

    job: Job[tuple[Work | None, float]]


Action = Receive | Sleep | Send | Strike | Prepare | float
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

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterable[float]:
        """Fill ``out``, (answer_length,) with ``message``; yield the cost in rows of each part."""


Renew = Callable[[int, NDArray[np.int64], Cancelled], "tuple[Work | None, float]"]
"""Makes what a worker, by its number, is to compute under the code that the numbers stand for; also
gives the cost, in rows, of getting ready. None: it has no part in that code."""


def worker_loop(
    worker: int,
    make_work: Callable[[], Work],
    delay: Delay | None,
    clock: Callable[[], float],
    buffer: wire.Bytes,
    faults: Injection | None = None,
    checksum: bool = False,
    renew: Renew | None = None,
) -> Generator[Action, Any, BaseException | None]:
    """Answer requests until told to stop; return the exception that ended the work, if one did.

    ``buffer`` is where answers are put together; only this generator writes it, and only between
    sends. ``faults`` are those the worker is to meet; with ``checksum`` each answer carries one.
    By ``renew`` it gets ready for another code while it goes on with the one it has; the first
    assignment of the new generation makes it change over, and let go of the old.
    """
    failure: BaseException | None = None
    messages: list[int] = []
    behind = 0.0  # the master's run time less our clock
    generation = 0
    coming: _Coming | None = None
    # first of all: a process that is known can be seen to have ended
    yield _text(buffer, Kind.HELLO, f"{os.getpid()} {socket.gethostname()}".encode(), 0, last=False)
    try:
        if faults is not None:
            yield from _suffer(faults.due(worker, "start"))
        work: Work | None = make_work()
        assert work is not None
        frame = wire.Frame(buffer, work.answer_length, work.dtype)
        sends = Send(frame.full_bytes, last=False), Send(frame.full_bytes, last=True)
        yield _text(buffer, Kind.READY, b"", 0)
        frame.seal()
    except (Exception, SystemExit) as error:
        failure = error
        yield _failed(buffer, error)
    request: Request | None = None
    while True:
        if request is None:
            request = yield RECEIVE
        kind, iteration, round, payload, sent_at, theirs, single = request
        if kind == _STOP:
            if coming is not None:
                coming.job.cancel()
            if faults is not None and failure is None:
                try:
                    yield from _suffer(faults.due(worker, "shutdown"))
                except InjectedError as error:
                    failure = error
                    yield _failed(buffer, error)
            yield Send(wire.pack(buffer, Kind.GOODBYE, flags=wire.LAST), last=False)
            return failure
        asked, request = request, None
        if kind == _ASSIGN:
            messages = payload.tolist()
            behind = sent_at - clock()
            if theirs != generation:
                generation = theirs
                work = None if coming is None else coming.work_of(generation)
                coming = None
            continue
        if kind == _WITHDRAW or failure is not None:
            continue  # the answer had left before the notice came
        try:
            if kind == _PREPARE:
                assert renew is not None
                if coming is not None:
                    coming.job.cancel()
                numbers = np.array(payload, dtype=np.int64)  # the buffer is the next request's
                coming = _Coming(theirs, Job(partial(renew, worker, numbers)))
                yield Prepare(coming.job)
                continue
            if kind == _PREPARED:
                assert coming is not None
                reason = coming.take()
                yield _text(buffer, Kind.PREPARED, reason, 0, generation=coming.generation)
                continue
            if work is None or theirs != generation:
                raise wire.BadMessage(
                    f"master: asks for the code of generation {theirs}, this worker is "
                    f"{'ready for' if work is not None else 'without a part in'} {generation}"
                )
            wanted = messages
            if single >= 0:
                wanted = [single]
                if delay is not None:
                    # a request takes longer to arrive than an assignment
                    behind = max(behind, sent_at - clock()) if behind else sent_at - clock()
            seconds = 0.0
            withdrawn = False
            if faults is not None:
                yield from _suffer(faults.due(worker, "compute", iteration))
                seconds = faults.slow_seconds(worker, iteration)
            began = clock()
            if delay is not None:
                seconds += delay.seconds(worker, iteration, began + behind, work.load)
            if seconds > 0.0:
                yield Sleep(seconds)
                withdrawn = yield 0.0
                began = clock()
            missing = len(wanted)
            for message in wanted:
                missing -= 1
                if not withdrawn:
                    for cost in work.compute(asked, message, frame.values):
                        withdrawn = yield cost
                        if withdrawn:
                            break
                spent = clock() - began
                if withdrawn or (faults is not None and faults.drops(worker, iteration)):
                    request = yield _dropped(buffer, asked, message, spent, seconds)
                    break
                flags = 0 if missing else wire.LAST
                if faults is not None:
                    faults.falsify(frame.values, worker, iteration)
                frame.pack(kind, iteration, round, message, flags, spent, seconds, generation)
                if checksum:
                    frame.stamp()
                if faults is None:
                    request = yield sends[not missing]
                    continue
                faults.spoil(frame, worker, iteration)
                first = missing == len(wanted) - 1
                striking = faults.due(worker, "send", iteration) if first else []
                yield from _suffer(striking, sends[False])
                if not missing:
                    yield from _suffer(faults.due(worker, "receive", iteration))
        except (Exception, SystemExit) as error:
            failure = error
            yield _failed(buffer, error)


class _Coming:
    """The next code a worker gets ready for, and what it is to compute then."""

    def __init__(self, generation: int, job: Job[tuple[Work | None, float]]) -> None:
        self.generation = generation
        self.job = job
        self.work: Work | None = None

    def take(self) -> bytes:
        """Take over what the job has made; return why there is nothing, empty if there is."""
        try:
            self.work, _ = self.job.result()
        except (Exception, SystemExit) as error:
            # the work at hand can go on all the same
            return f"{type(error).__name__}: {error}".encode(errors="replace")[:1000]
        return b""

    def work_of(self, generation: int) -> Work | None:
        """Return what to compute under that code, None where it is another one."""
        return self.work if generation == self.generation else None


def _suffer(
    striking: list[ProcessFault | Raise], send: Send | None = None
) -> Generator[Action, Any, None]:
    """Let each fault happen, the first of them while ``send`` is under way; send in any case."""
    for fault in striking:
        if isinstance(fault, ProcessFault):
            yield Strike(fault, send)
            send = None
            continue
        if send is not None:
            yield send  # its buffer is where the report of the exception goes
        fault.strike()
    if send is not None:
        yield send


def _dropped(
    buffer: wire.Bytes, request: Request, message: int, spent: float, delay_seconds: float
) -> Send:
    n_bytes = wire.pack(
        buffer, Kind.DROPPED, 1, 0, request.iteration, request.round, message, wire.LAST, spent,
        delay_seconds, request.generation,
    )  # fmt: skip
    return Send(n_bytes, last=True)


def _text(
    buffer: wire.Bytes,
    kind: Kind,
    text: bytes,
    number: int,
    last: bool = True,
    generation: int = 0,
) -> Send:
    text = text[: len(buffer) - wire.HEADER_BYTES - wire.TRAILER_BYTES]
    buffer[wire.HEADER_BYTES : wire.HEADER_BYTES + len(text)] = np.frombuffer(text, dtype=np.uint8)
    flags = wire.LAST if last else 0
    n_bytes = wire.pack(
        buffer, kind, _BYTE, len(text), message=number, flags=flags, generation=generation
    )
    return Send(n_bytes, last=False)


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
