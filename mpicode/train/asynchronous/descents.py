"""What a message does to the parameters: one class for each mode.

All of them keep the parameters as segments x (n_segments, length), in the order of the layout, and
are told of a message by its number, its numbers (length,) and its age in steps. The L2 term never
travels: it is added here, at the parameters of the moment.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes.light import LightDecoder, Stepper
from ...kernels import LightSteps, accumulate, finite_square
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
    messages     : those that come, by their numbers
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
        self.messages = messages
        self._optimizer = optimizer
        self._decay = decay
        self._per_step = per_step
        self._at_once = per_step == 1 and isinstance(optimizer, GradientDescent)
        # looks at a message and steps along it, where one pass over memory does both
        self._stepper: Stepper | None = None

    def take(self, message: int, codeword: NDArray[Any], age: int) -> float:
        """Use one message, and step if there are as many as a step wants; return its square.

        A message with numbers that are not finite is left, and NaN returned.
        """
        if self._stepper is not None:
            optimizer = self._optimizer
            square = self._stepper(message, codeword, optimizer.next_size(), age)
            if square == square:
                optimizer.iteration += 1
            return square
        square = finite_square(codeword)
        if math.isnan(square):
            return square
        self._add(message, codeword, age)
        self.n_waiting += 1
        if self.n_waiting == self._per_step:
            self.n_waiting = 0
            self._step()
        return square

    @abstractmethod
    def estimate(self) -> Matrix:
        """Return the estimate of all pieces of the gradient, only to be read."""

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

    decoder : what keeps an estimate beside, of which no use is made here; None: nobody asks for it
    """

    def __init__(self, *arguments: Any, decoder: LightDecoder | None = None) -> None:
        super().__init__(*arguments)
        self._decoder = decoder
        length = self.x.shape[1]
        self._vector = np.zeros(length)
        self._term = np.zeros(length)
        self._gradient = None if self._at_once else np.zeros_like(self.x)
        self._touched: set[int] = set()
        if self._at_once and self._decay is None:
            self._stepper = self._steps()
            if decoder is not None:
                self._stepper = _heard(self._stepper, decoder)

    def _steps(self) -> Stepper:
        directions = np.zeros((len(self.messages), len(self.x)))
        for row, light in zip(directions, self.messages, strict=True):
            row[light.segments] = np.multiply(light.direction, light.scale)
        take = LightSteps(self.x, directions).take
        return lambda message, codeword, step_size, age: take(message, codeword, step_size)

    def estimate(self) -> Matrix:
        """Return what is kept beside."""
        assert self._decoder is not None
        return self._decoder.estimate()

    def _add(self, message: int, codeword: NDArray[Any], age: int) -> None:
        if self._decoder is not None:
            self._decoder.add(message, codeword, age)
        light = self.messages[message]
        vector = self._whole(light, codeword)
        share = self._share(message)
        self._took(message, share)
        if self._gradient is None:
            step_size, into = -self._optimizer.next_size() * share, self.x
            self._optimizer.iteration += 1
        else:
            step_size, into = share / self._per_step, self._gradient
            self._touched.update(light.segments)
        for segment, factor in zip(light.segments, light.direction, strict=True):
            accumulate(step_size * factor, vector, into[segment])

    def _share(self, message: int) -> float:
        """Return how much of a step a message would be now."""
        return 1.0

    def _took(self, message: int, share: float) -> None:
        """Take down that a message was so much of a step."""

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
        """Return what the messages since the last step add up to, and the estimate kept beside."""
        state = super().state()
        if self._decoder is not None:
            state.update(self._decoder.memory())
        return state if self._gradient is None else {**state, "gradient": self._gradient}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        super().restore(state)
        if self._decoder is not None:
            self._decoder.recall(state)
        if self._gradient is not None:
            self._gradient[:] = numbers(state, "gradient", self._gradient.shape)
            self._touched.update(range(len(self.x)))


def _heard(stepper: Stepper, decoder: LightDecoder) -> Stepper:
    """Return what hands each message on to a decoder, too."""

    def take(message: int, codeword: NDArray[Any], step_size: float, age: int) -> float:
        square = stepper(message, codeword, step_size, age)
        if not math.isnan(square):
            decoder.add(message, codeword, age)
        return square

    return take


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
        self._shrunk: tuple[float, Matrix] | None = None
        if self._at_once and self._n_blocks == 1:
            self._stepper = decoder.stepper(self.x)
            if self._decay is not None:
                self._stepper = self._shrinking(self._stepper, self._decay)

    def estimate(self) -> Matrix:
        """Return what steps go along, the pieces of each block apart."""
        return self._decoder.estimate()

    def _add(self, message: int, codeword: NDArray[Any], age: int) -> None:
        if self._n_blocks == 1:
            # the step from 0 of size -1 is the direction of a step
            self._ahead[:] = 0.0
            self._decoder.add_and_step(message, codeword, self._ahead, -1.0, age)
        else:
            self._add_piece(message, codeword, age)

    def _shrinking(self, stepper: Stepper, decay: Matrix) -> Stepper:
        """Return what steps along the L2 term too, at the parameters before."""

        def take(message: int, codeword: NDArray[Any], step_size: float, age: int) -> float:
            square = finite_square(codeword)
            if math.isnan(square):
                return square
            if self._shrunk is None or self._shrunk[0] != step_size:
                self._shrunk = step_size, 1.0 - step_size * decay
            self.x *= self._shrunk[1]
            return stepper(message, codeword, step_size, age)

        return take

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
