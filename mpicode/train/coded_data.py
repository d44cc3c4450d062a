"""One synchronous gradient by a data code."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..problems import Problem, Rows
from .arithmetic import Arithmetic, Sum
from .coded_rows import soft_labels
from .data_rules import DataRules
from .gathering import Gathering
from .round import Round
from .slots import Slots


class CodedData:
    """Calls the workers for the sum of all blocks' gradients, each worker's of its coded block.

    Answers are gradients with, in floating numbers, the loss on the coded rows behind them; what
    that decodes to is an estimate of the loss, as good as the decoding.

    rules      : when enough has arrived, and what decodes it
    arithmetic : what is sent, and how answers become the sum
    slots      : where samples lie; places that hold none are zeros, and what those add to the sum
                 is known and taken off
    """

    def __init__(
        self,
        gather: Gathering,
        rules: DataRules,
        arithmetic: Arithmetic,
        slots: Slots,
        problem: Problem,
    ) -> None:
        self._gather = gather
        self._code = rules.code
        self._arithmetic = arithmetic
        self._slots = slots
        self._problem = problem

    def __call__(self, x: ArrayLike, iteration: int, until: float | None = None) -> Round:
        """Return the decoded gradient at ``x``, (n_parameters,); see `Gradient`."""
        way = self._arithmetic
        done = self._gather(way.request(x), iteration, way.decode, until)
        if done.found is None:
            total = Sum(np.zeros(self._problem.n_parameters), np.nan, None, np.nan, np.nan)
            lebesgue = np.nan
        else:
            total = self._of_samples(x, iteration, done.found)
            lebesgue = self._code.lebesgue(done.arrived)
        return Round(
            gradient=total.gradient,
            loss=total.loss,
            residual=total.residual,
            amplification=total.weight,
            shrinkage=1.0,
            n_arrived=int(done.arrived.sum()),
            arrived=done.arrived,
            corrupt=done.corrupt,
            post=done.post,
            wait=done.wait,
            decode=done.decode,
            lebesgue=lebesgue,
        )

    def _of_samples(self, x: ArrayLike, iteration: int, total: Sum) -> Sum:
        """Make the sum over all places the mean over samples: less what empty places add."""
        if not self._arithmetic.counts_places:
            return total
        problem, gradient, loss = self._problem, total.gradient, total.loss
        n_padding = self._slots.padding(self._slots.draw(iteration))
        if n_padding and problem.task != "multiclass":  # where labels of zeros count no class
            dtype = problem.dtype
            columns = np.zeros((1, 1), dtype)
            rows = Rows(np.zeros((1, problem.n_features), dtype), soft_labels(columns, problem))
            out = np.zeros(problem.n_parameters, dtype)
            weights = np.array([n_padding * self._slots.weight], dtype)
            loss -= problem.gradient(np.asarray(x, dtype), rows, weights, out)
            gradient -= out
        gradient *= self._slots.scale
        return total._replace(loss=loss * self._slots.scale)
