"""What a worker computes for a light code: mixes of segments, many of one way there and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..pool.worker import Request
from ..problems import Rows
from ..problems.passed import Passed
from .gradient_work import GradientWork
from .parts import Part


class _Way(NamedTuple):
    """Rows that are looked at together, the weight of each, and what the way through them left."""

    rows: Rows
    weight: float
    passed: Passed[Any] | None


class LightWork(GradientWork):
    """Message ``i`` as `GradientWork` has it, of segments that the problem mixes.

    Problems made of layers mix slices of them before they multiply. What leads there, the way
    forward and back, does not depend on the mix. So it is gone once for all messages of a request
    that are of the same rows, and each message is ready as soon as its own products are; the bits
    are those of a request of its own. What the way left is kept until the next request, within the
    memory for rows; where there is no room each message goes the way by itself.

    The parts of a message cost what they are of a whole gradient; see `Problem.coded_costs`.

    several : requests are for more than one message: only then anything is kept
    """

    def __init__(self, *arguments: Any, several: bool, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._several = several
        self._request: Request | None = None
        self._ways: dict[tuple[int, float], list[_Way]] = {}
        self._reserved = 0
        self._way_cost, self._mix_cost = self._problem.coded_costs(self._segments.n_segments)

    def compute(self, request: Request, message: int, out: NDArray[Any]) -> Iterator[float]:
        """Fill ``out``, (answer_length,): the coded segment and, last, the coded loss."""
        if request is not self._request:
            self._forget()
            self._request = request
        out[:] = 0
        for part in self._parts(message, request.iteration):
            yield from self._mix(part, request, out)

    def _mix(self, part: Part, request: Request, out: NDArray[Any]) -> Iterator[float]:
        """Add one part to the message; yield what each chunk of rows cost."""
        # the direction takes the weight along, so that messages of one block have the same way
        unit = part.blocks[0][1]
        direction = part.direction * unit
        factor = unit if self._plain_loss else direction[0]
        before, loss = out[-1], 0.0
        for block, coefficient in part.blocks:
            for way in self._ways_of(request, block, coefficient / unit):
                n_rows = len(way.rows.y)
                gone = way.passed is not None and way.passed.complete
                loss += self._problem.coded_gradient(
                    request.payload,
                    way.rows,
                    self._row_weights(way.weight, n_rows),
                    direction,
                    out[:-1],
                    self._mixed(block, direction),
                    **({} if way.passed is None else {"passed": way.passed}),
                )
                out[-1] = before + factor * loss
                yield n_rows * (self._mix_cost + (0.0 if gone else self._way_cost))

    def _ways_of(self, request: Request, block: int, share: float) -> Iterator[_Way]:
        """Yield the ways through a block whose rows count ``share``, those that are kept if any."""
        kept = self._ways.get((block, share))
        if kept is not None:
            yield from kept
            return
        slots, weight = self._draw(request.iteration, block)
        ways: list[_Way] | None = [] if self._several else None
        for rows in self._blocks.rows(block, slots):
            passed = None if ways is None else Passed[Any](self._blocks.room)
            way = _Way(rows, share * weight, passed)
            yield way
            if ways is not None and self._keep(way):
                ways.append(way)
            else:
                ways = None
        if ways is not None:
            self._ways[block, share] = ways

    def _keep(self, way: _Way) -> bool:
        """Take room for what a way left, and for its rows; return whether there is any."""
        if way.passed is None or not way.passed.complete:
            return False
        n_bytes = way.passed.n_bytes + self._blocks.bytes_of(way.rows)
        if not self._blocks.reserve(n_bytes):
            return False
        self._reserved += n_bytes
        return True

    def _forget(self) -> None:
        """Let go of what the last request left."""
        self._ways.clear()
        self._blocks.release(self._reserved)
        self._reserved = 0

    def _mixed(self, block: int, direction: NDArray[Any]) -> Any:
        """Return what a whole block gives once and for all, None where there is no room for it."""
        if self._batch_size is not None:
            return None
        return self._blocks.derived(
            block, direction.tobytes(), lambda rows: self._problem.mix(rows, direction)
        )
