"""What a message does to the parameters: one class for each mode.

All of them keep the parameters as segments x (n_segments, length), in the order of the layout, and
are told of a message by its number, its numbers (length,) and its age in steps. The L2 term never
travels: it is added here, at the parameters of the moment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes.light import LightDecoder
from ...kernels import accumulate, innovate
from ...optimizers import Optimizer
from ...optimizers.gradient_descent import GradientDescent
from .kept import count, numbers
from .light import Light

Matrix = NDArray[np.float64]


class Descent(ABC):
    """Steps that messages lead to.

    x            : (n_segments, length) parameters, changed in place
    n_parameters : of the numbers in x; those behind them are padding and stay 0
    decay        : (n_segments, length) the factor of each parameter in the L2 term; None: no term
    per_step     : messages that make up one step, whose mean counts
    """

    def __init__(
        self,
        x: Matrix,
        n_parameters: int,
        messages: Sequence[Light],
        optimizer: Optimizer,
        decay: Matrix | None,
        per_step: int,
    ) -> None:
        self.x = x
        self.n_waiting = 0
        self._flat = x.reshape(-1)[:n_parameters]
        self._messages = messages
        self._optimizer = optimizer
        self._decay = decay
        self._per_step = per_step
        self._plain = isinstance(optimizer, GradientDescent)

    def take(self, message: int, codeword: NDArray[Any], age: int) -> None:
        """Use one message, and step if there are as many as a step wants."""
        self._add(message, codeword, age)
        self.n_waiting += 1
        if self.n_waiting == self._per_step:
            self.n_waiting = 0
            self._step()

    def skip(self) -> None:
        """Count one message of which no use is made."""
        self.n_waiting = (self.n_waiting + 1) % self._per_step

    @abstractmethod
    def _add(self, message: int, codeword: NDArray[Any], age: int) -> None:
        """Take a message in."""

    @abstractmethod
    def _step(self) -> None:
        """Make the step that the messages since the last one lead to."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what is remembered beside parameters and optimizer, only to be read."""
        return {"waiting": np.array(self.n_waiting)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self.n_waiting = count(state, "waiting", self._per_step)


class Direct(Descent):
    """Steps along the message itself: ``x -= step_size * direction x codeword``.

    Where one message makes a step of plain gradient descent, only the segments it touches are
    read or written.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        length = self.x.shape[1]
        self._vector = np.zeros(length)
        self._term = np.zeros(length)
        self._at_once = self._plain and self._per_step == 1
        self._gradient = None if self._at_once else np.zeros_like(self.x)
        self._touched: set[int] = set()
        self._nothing = np.zeros(len(self.x))
        self._directions = np.zeros((len(self._messages), len(self.x)))
        for directions, light in zip(self._directions, self._messages, strict=True):
            directions[light.segments] = np.multiply(light.direction, light.scale)

    def _add(self, message: int, codeword: NDArray[Any], age: int) -> None:
        if self._at_once and self._decay is None:
            step_size = self._optimizer.count_step() * self._share(message)
            gain = self._directions[message] * -step_size
            innovate(self._nothing, codeword, gain, self.x)
            return
        light = self._messages[message]
        vector = self._whole(light, codeword)
        if self._gradient is None:
            step_size, into = -self._optimizer.count_step() * self._share(message), self.x
        else:
            step_size, into = self._share(message) / self._per_step, self._gradient
            self._touched.update(light.segments)
        for segment, factor in zip(light.segments, light.direction, strict=True):
            accumulate(step_size * factor, vector, into[segment])

    def _share(self, message: int) -> float:
        """Return how much of a step a message is."""
        return 1.0

    def _whole(self, light: Light, codeword: NDArray[Any]) -> NDArray[Any]:
        """Return the message of the whole gradient, the L2 term included."""
        if self._decay is None and light.scale == 1.0:
            return codeword
        vector = self._vector
        np.multiply(codeword, light.scale, out=vector)
        if self._decay is not None:
            for segment, factor in zip(light.segments, light.direction, strict=True):
                np.multiply(self._decay[segment], self.x[segment], out=self._term)
                accumulate(factor, self._term, vector)
        return vector

    def _step(self) -> None:
        if self._gradient is None:
            return
        self._optimizer.step(self._flat, self._gradient.reshape(-1)[: self._flat.size])
        self._gradient[list(self._touched)] = 0.0
        self._touched.clear()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the messages since the last step add up to."""
        state = super().state()
        return state if self._gradient is None else {**state, "gradient": self._gradient}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        if self._gradient is not None:
            self._gradient[:] = numbers(state, "gradient", self._gradient.shape)
            self._touched.update(range(len(self.x)))


class Memory(Descent):
    """Keeps an estimate of the gradient, which each message corrects, and steps along that.

    The estimate has all pieces, those of each block apart, of `decoder`; what counts is their sum
    over the blocks. Of one block the correction and the step are one pass over memory.

    decoder : of rows (n_messages, n_segments * n_blocks), the code's encoding
    jump    : by how much more than it changes the estimate a message counts in the step made with
              it; 1 but for `sega`
    """

    def __init__(self, *arguments: Any, decoder: LightDecoder, jump: float = 1.0) -> None:
        super().__init__(*arguments)
        self._decoder = decoder
        self._n_blocks = decoder.n_segments // len(self.x)
        self._jump = jump
        self._sum = np.zeros_like(self.x)
        self._ahead = np.zeros_like(self.x)
        self._at_once = self._plain and self._per_step == 1 and self._n_blocks == 1
        self._shrunk: tuple[float, Matrix] | None = None

    def _add(self, message: int, codeword: NDArray[Any], age: int) -> None:
        decoder = self._decoder
        if self._at_once:
            step_size = self._optimizer.count_step()
            if self._decay is not None:
                self.x *= self._shrinking(step_size, self._decay)
            decoder.add_and_step(message, codeword, self.x, step_size, age)
        elif self._n_blocks == 1:
            # the step from 0 of size -1 is the direction of a step
            self._ahead[:] = 0.0
            decoder.add_and_step(message, codeword, self._ahead, -1.0, age)
        else:
            self._add_piece(message, codeword, age)

    def _shrinking(self, step_size: float, decay: Matrix) -> Matrix:
        """Return what a step along the L2 term multiplies the parameters by."""
        if self._shrunk is None or self._shrunk[0] != step_size:
            self._shrunk = step_size, 1.0 - step_size * decay
        return self._shrunk[1]

    def _add_piece(self, message: int, codeword: NDArray[Any], age: int) -> None:
        touched = self._decoder.add(message, codeword, age)
        pieces = self._decoder.estimate()
        n = self._n_blocks
        self._ahead[:] = self._sum
        for segment in sorted({int(piece) // n for piece in touched}):
            whole = pieces[segment * n : (segment + 1) * n].sum(axis=0)
            self._ahead[segment] += self._jump * (whole - self._sum[segment])
            self._sum[segment] = whole

    def _step(self) -> None:
        if self._at_once:
            return
        if self._decay is not None:
            self._ahead += self._decay * self.x
        self._optimizer.step(self._flat, self._ahead.reshape(-1)[: self._flat.size])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the estimate and what its decoder knows of it."""
        return {**super().state(), **self._decoder.memory()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        self._decoder.recall(state)
        pieces = self._decoder.estimate()
        self._sum[:] = pieces.reshape(len(self.x), self._n_blocks, -1).sum(axis=1)
