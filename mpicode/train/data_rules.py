"""When an iteration with a data code has enough, and what of ``[decoding]`` it can obey."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..codes import DataCode
from ..codes.sets import runs, straggler_sets
from ..config import Decoding
from ..errors import ConfigError
from .precision import MAX_ERROR

_SETS = 64


class DataRules:
    """How many answers end an iteration.

    That many as are needed where a number says so (Lagrange's codes of a polynomial function); else
    ``decoding.n_answers``, or all but the stragglers that the code was made for.

    kind, degree : what is asked of the workers; see `DataCode.threshold`
    n_needed     : answers below which nothing can be decoded
    n_answers    : answers that end the iteration
    deadline     : seconds after which it makes do with what it has, None: it does not

    Raises `ConfigError` for a rule that can never hold, or that has no meaning for these codes.
    """

    def __init__(
        self,
        code: DataCode,
        decoding: Decoding | None = None,
        kind: str = "gradient",
        degree: int | None = None,
    ) -> None:
        decoding = Decoding() if decoding is None else decoding
        if decoding.method != "optimal":
            raise ConfigError(
                f"decoding.method: {decoding.method!r} is for gradient codes, {code.name!r} has "
                "its own decoding"
            )
        if decoding.max_residual is not None:
            raise ConfigError(
                f"decoding.max_residual: {code.name!r} does not know what it misses; n_answers "
                "and deadline end its iterations"
            )
        threshold = code.threshold(kind, degree)
        self.code = code
        self.degree = degree
        self.deadline = decoding.deadline
        self.has_threshold = threshold is not None
        self.n_needed = 1 if threshold is None else threshold
        if decoding.n_answers is not None:
            self.n_answers = decoding.n_answers
        elif threshold is not None:
            self.n_answers = threshold
        else:
            self.n_answers = code.n_workers - int(getattr(code, "n_stragglers", 0))
        if not self.n_needed <= self.n_answers <= code.n_workers:
            raise ConfigError(
                f"decoding.n_answers: {self.n_answers} answers, but {code.name!r} decodes from "
                f"{self.n_needed} on and has {code.n_workers} workers"
            )


def check_stability(rules: DataRules, dtype: np.dtype[Any], max_error: float | None) -> None:
    """Raise `ConfigError` if decoding may blow the rounding of ``dtype`` up beyond ``max_error``.

    By the largest Lebesgue constant among random and consecutive sets of as many lost workers as
    the rules do without.
    """
    code = rules.code
    if getattr(code, "prime", None) is not None:
        return  # nothing is rounded
    n_lost = code.n_workers - rules.n_answers
    limit = MAX_ERROR[dtype.name] if max_error is None else max_error
    sets = straggler_sets(code.n_workers, n_lost, _SETS, np.random.default_rng([0, n_lost]))
    sets = np.concatenate([sets, runs(code.n_workers, n_lost)])
    everyone = np.arange(code.n_workers)
    worst = max(code.lebesgue(~np.isin(everyone, lost)) for lost in sets)
    error = worst * float(np.finfo(dtype).eps)
    if error > limit:
        raise ConfigError(
            f"decoding.max_error: {limit:g}, but without {n_lost} of {code.n_workers} workers "
            f"decoding amplifies noise {worst:.3g} times, the rounding of {dtype} to {error:.2g}"
        )
