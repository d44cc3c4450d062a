"""What every optimizer promises.

To add one: a file with a subclass of `Optimizer`, its line in ``optimizers/__init__.py``, and its
recurrence in ``tests/test_optimizers.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from .schedules import Name, Schedule

Float = npt.NDArray[np.floating[Any]]
State = dict[str, npt.NDArray[Any] | float | int]

# Numbers per block: an update works block by block, so that however many elementary operations it
# takes, each vector travels through the caches once.
BLOCK = 16_384


class Optimizer(ABC):
    """Turns gradients into steps.

    ``x`` is where the caller asks for the next gradient, `answer` what it reports; they differ only
    for methods that look ahead. Everything an optimizer remembers is in `state`: after `restore` it
    goes on bit by bit. The vectors it keeps are float64 or float32 as ``dtype`` says; the
    arithmetic is elementwise and the same with and without compiled kernels.
    """

    name: ClassVar[str]
    memory: ClassVar[tuple[str, ...]] = ()  # names of the vectors it keeps, (n_parameters,) each

    def __init__(
        self,
        *,
        step_size: float,
        schedule: Name = "constant",
        decay: float = 0.1,
        decay_iterations: int | None = None,
        warmup_iterations: int = 0,
        n_parameters: int,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        self._step_size = Schedule(step_size, schedule, decay, decay_iterations, warmup_iterations)
        self.n_parameters = n_parameters
        self.iteration = 0
        self._vectors: dict[str, Float] = {
            key: np.zeros(n_parameters, dtype) for key in self.memory
        }
        self._scratch = np.empty(min(BLOCK, n_parameters), dtype)

    @np.errstate(over="ignore", invalid="ignore")
    def step(self, x: Float, gradient: Float) -> None:
        """Replace ``x`` by the next point; both are (n_parameters,).

        Numbers that are not finite pass through without a word: the loop sees them in the loss.
        """
        for what, vector in (("x", x), ("the gradient", gradient)):
            if vector.shape != (self.n_parameters,):
                raise ConfigError(
                    f"optimizer: {self.n_parameters} parameters, "
                    f"but {what} has shape {vector.shape}"
                )
        self._update(x, gradient, self._step_size(self.iteration))
        self.iteration += 1

    def next_size(self) -> float:
        """Return the size of the next step; who makes it by itself counts it in ``iteration``."""
        return self._step_size(self.iteration)

    @abstractmethod
    def _update(self, x: Float, gradient: Float, step_size: float) -> None:
        """Do step number ``self.iteration``, in place and without allocating."""

    def answer(self, x: Float) -> Float:
        """Return the parameters to report, (n_parameters,); valid until the next step."""
        return x

    def state(self, copy: bool = True) -> State:
        """Return a copy of all that is remembered, or the vectors themselves: only to be read."""
        state: State = {k: v.copy() if copy else v for k, v in self._vectors.items()}
        state["iteration"] = self.iteration
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; `DataError` if it is not one of this optimizer and this problem."""
        wanted = {"iteration", *self._vectors}
        if set(state) != wanted:
            raise DataError(
                f"optimizer state: {self.name!r} keeps {', '.join(sorted(wanted))}, "
                f"found {', '.join(sorted(state)) or 'nothing'}"
            )
        for key, vector in self._vectors.items():
            if np.shape(state[key]) != vector.shape:
                raise DataError(
                    f"optimizer state: {key!r} has shape {np.shape(state[key])}, "
                    f"the problem has {self.n_parameters} parameters"
                )
        steps = np.asarray(state["iteration"])
        if steps.shape or steps.dtype.kind not in "iu" or steps < 0:
            raise DataError(f"optimizer state: {steps} is no number of iterations")
        for key in self._vectors:
            if np.asarray(state[key]).dtype.kind != "f":
                raise DataError(f"optimizer state: {key!r} holds {np.asarray(state[key]).dtype}")
        for key, vector in self._vectors.items():
            vector[...] = state[key]
        self.iteration = int(steps)

    def _blocks(self, *vectors: Float) -> Iterator[tuple[Float, ...]]:
        """Yield the vectors and a scratch of the same length, block by block."""
        for start in range(0, self.n_parameters, BLOCK):
            parts = [vector[start : start + BLOCK] for vector in vectors]
            yield (*parts, self._scratch[: len(parts[0])])
