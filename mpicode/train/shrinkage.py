"""By how much decoded sums fall short on average, estimated once before a run.

Least squares shrinks: where messages are missing, the decoded sum falls short of the true one, in
expectation by a factor alpha if placement and stragglers favour no block:
``E[coefficients @ encoding] = alpha * target`` (Munim & Ramamoorthy, "Communication-efficient
approximate gradient coding", lemmas 3 and 4 and corollaries 4 and 5, for their random-diagonal
codes). The projection on the target gives alpha for any coefficients,

    alpha = E[<coefficients @ encoding, target>] / (n_segments * n_blocks),

which for least squares is 1 minus the expected relative residual. Exact sums are left as they are,
so the expectation is over the others; what comes out is right on average either way, and varies
less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..codes import Decoding, GradientCode
from ..codes.decoder import EXACT
from .stop_rules import StopRules

_MOST_ORDERS, _FEWEST_ORDERS = 400, 16
_STANDARD_ERROR = 2e-3
_SIZES = 16
_ROUNDING = 1e-12
_STREAM = 0x616C706861  # keeps these random numbers apart from others of the same seed


@dataclass(frozen=True)
class Shrinkage:
    """What decoded sums are divided by; an exact one is left as it is.

    stopped : where a rule other than the deadline found enough
    late    : (n_messages + 1,) at the deadline, by the number of messages; None without a deadline
    """

    stopped: float = 1.0
    late: NDArray[np.float64] | None = None

    def of(self, code: GradientCode, decoding: Decoding, n_late: int | None) -> float:
        """Return the divisor for one decoding; ``n_late`` messages came by the deadline, if any."""
        if decoding.residual <= EXACT * code.n_segments * code.n_blocks:
            return 1.0
        if n_late is None or self.late is None:
            return self.stopped
        return float(self.late[n_late])


def estimate(rules: StopRules, seed: int) -> Shrinkage:
    """Return the expected shrinkage under ``rules`` if the workers answer in random order.

    Every order is taken to be equally likely, and fed to the rules message by message, as in a run.
    So a count stands for uniform sets of that size. Nothing is assumed of how many answers come by
    a deadline: what is divided by then depends on their number, which makes the sums right for
    independent stragglers of any probability.

    Exact codes and unbiased decodings give 1. Of a code that varies, every order takes another
    iteration.
    """
    if rules.is_exact or rules.is_unbiased:
        return Shrinkage()
    code = rules.code
    trial = _Trial(rules)
    rng = np.random.default_rng([seed, _STREAM])
    most = int(np.clip(4e9 / code.n_messages**3, _FEWEST_ORDERS, _MOST_ORDERS))
    if rules.deadline is not None:
        most = max(_FEWEST_ORDERS, most // 4)  # each order is decoded at many sizes
    for number in range(1, most + 1):
        trial.run(_order(code, rng), number)
        if number > _FEWEST_ORDERS and trial.is_certain():
            break
    stopped = _divisor(trial.stopped)
    if rules.deadline is None:
        return Shrinkage(stopped)
    seen = {size: _divisor(shares) for size, shares in trial.late.items() if shares}
    sizes = np.array(sorted(seen) or [0])
    values = np.array([seen.get(size, 1.0) for size in sizes])
    return Shrinkage(stopped, np.interp(np.arange(code.n_messages + 1), sizes, values))


class _Trial:
    """Shares of the sum that random arrivals decode to, exact sums left out.

    stopped : of those that a rule found enough
    late    : of those that would be taken at a deadline, by number of messages (a few of these)
    """

    def __init__(self, rules: StopRules) -> None:
        code = rules.code
        self.stopped: list[float] = []
        self.late: dict[int, list[float]] = {}
        if rules.deadline is not None:
            sizes = np.linspace(1, max(1, code.n_messages - 1), _SIZES)
            self.late = {int(size): [] for size in sizes}
        self._rules = rules
        self._use(code)
        self._nothing = np.zeros(1, dtype=code.encoding.dtype)

    def _use(self, code: GradientCode) -> None:
        target = np.repeat(np.eye(code.n_segments), code.n_blocks, axis=0)
        self._sums = code.encoding @ target / (code.n_segments * code.n_blocks)
        self._decoder = code.decoder("gradient")

    def run(self, order: NDArray[np.intp], iteration: int) -> None:
        """Let messages arrive in one iteration until the rules have enough."""
        if self._rules.code.varies:
            self._use(self._rules.code.at(iteration))
        decoder = self._decoder
        decoder.reset()
        for message in order.tolist():
            kept = decoder.add(message, self._nothing)
            if self._rules.enough(decoder):
                self._take(self.stopped)
                return
            if kept and decoder.n_arrived in self.late:
                self._take(self.late[decoder.n_arrived])

    def is_certain(self) -> bool:
        """Return whether every mean is known well enough."""
        many = [shares for shares in (self.stopped, *self.late.values()) if len(shares) > 1]
        errors = [np.std(s) / np.sqrt(len(s)) / max(abs(np.mean(s)), 1e-300) for s in many]
        return max(errors, default=0.0) <= _STANDARD_ERROR

    def _take(self, shares: list[float]) -> None:
        code = self._decoder.code
        decoding = code.decode(self._decoder.arrived)
        if decoding.residual > EXACT * code.n_segments * code.n_blocks:
            shares.append(float(np.sum(decoding.coefficients * self._sums.T).real))


def _order(code: GradientCode, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the messages in random order, those of one worker in their own, (n_messages,)."""
    order = np.empty(code.n_messages, dtype=np.intp)
    by_worker = np.argsort(rng.permutation(code.owner), kind="stable")
    order[by_worker] = np.argsort(code.owner, kind="stable")
    return order


def _divisor(shares: list[float]) -> float:
    mean = float(np.mean(shares)) if shares else 1.0
    return 1.0 if mean <= 0.0 or abs(mean - 1.0) <= _ROUNDING else mean
