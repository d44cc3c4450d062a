"""Whether the messages carry enough digits for the code that decodes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..codes.sets import straggler_sets
from ..errors import ConfigError
from .stop_rules import StopRules

# What is refused unless the configuration says otherwise: float64 keeps the promise of exact codes,
# float32 is left four digits of its seven to lose.
MAX_ERROR = {"float64": 1e-8, "float32": 1e-3}

_MOST_SETS, _FEWEST_SETS = 400, 16
_MOST_STEPS = 2e9  # of the search for hard sets, which grows with the fourth power of the workers


def check_precision(rules: StopRules, dtype: np.dtype[Any], max_error: float | None) -> None:
    """Raise `ConfigError` if decoding may blow the rounding of ``dtype`` up beyond ``max_error``.

    Looked for among the sets of lost workers that are hard for the code, and random ones, as many
    lost as the rules do without.
    """
    code, n_lost = rules.code, rules.n_lost
    limit = MAX_ERROR[dtype.name] if max_error is None else max_error
    most = int(np.clip(4e9 / code.n_messages**3, _FEWEST_SETS, _MOST_SETS))
    rng = np.random.default_rng([0, n_lost])
    sets = straggler_sets(code.n_workers, n_lost, most, rng)
    if code.n_blocks**2 * code.n_workers * n_lost <= _MOST_STEPS:
        sets = np.concatenate([code.hard_sets(n_lost)[:most], sets])
    worst = max(code.decode(~np.isin(code.owner, lost)).amplification for lost in sets)
    error = worst * float(np.finfo(dtype).eps)
    if error > limit:
        raise ConfigError(
            f"decoding.max_error: {limit:g}, but without {n_lost} of {code.n_workers} workers "
            f"decoding amplifies noise {worst:.3g} times, the rounding of {dtype} to {error:.2g}"
        )
