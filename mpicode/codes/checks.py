"""Refuse impossible numbers before a code is built from them."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ConfigError


def check_stragglers(n_workers: int, n_stragglers: int) -> None:
    """Raise `ConfigError` unless ``0 <= n_stragglers < n_workers``."""
    if n_workers < 1:
        raise ConfigError(f"run.n_workers: wants at least 1 worker, got {n_workers}")
    if not 0 <= n_stragglers < n_workers:
        raise ConfigError(
            f"code.n_stragglers: {n_stragglers} of {n_workers} workers cannot be missing; "
            f"wants 0 to {n_workers - 1}"
        )


def blocks_per_part(n_blocks: int | None, n_parts: int, part: str) -> int:
    """Return how many blocks each of ``n_parts`` equal parts holds (1 if ``n_blocks`` is None).

    ``part`` names a part in the message of the `ConfigError` raised when they cannot be equal.
    """
    if n_blocks is None:
        return 1
    if n_blocks < 1 or n_blocks % n_parts:
        below = n_blocks // n_parts * n_parts
        valid = " or ".join(str(v) for v in (below, below + n_parts) if v > 0)
        raise ConfigError(
            f"code.n_blocks: {n_blocks} blocks cannot be shared evenly by {n_parts} {part}; "
            f"nearest valid: {valid if n_blocks > 0 else n_parts}"
        )
    return n_blocks // n_parts


def nearest(wanted: int, valid: Iterable[int]) -> str:
    """Return the valid numbers next to ``wanted`` on both sides, as a `ConfigError` names them."""
    numbers = set(valid)
    below = max((v for v in numbers if v < wanted), default=None)
    above = min((v for v in numbers if v > wanted), default=None)
    return " or ".join(str(v) for v in (below, above) if v is not None) or "none"
