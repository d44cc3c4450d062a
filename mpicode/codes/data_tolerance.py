"""How a data code fares with some of its workers lost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import NotDecodable
from .data_code import DataCode
from .sets import masks, runs, straggler_sets


class DataTolerance(NamedTuple):
    """Which sets of answers decode, and what that does to errors in them.

    n_lost          : workers lost
    n_sets          : sets tried: all, or some drawn, and those below
    decodable_share : the share of them that decodes
    mean_lebesgue   : the factor by which errors of answers grow at most, over those drawn
    worst_lebesgue  : of all tried: those drawn, and workers that are neighbours, by number or by
                      where they sit; None, as the mean, where nothing decodes, and over a prime
                      field, where no answer is a little wrong
    """

    n_lost: int
    n_sets: int
    decodable_share: float
    mean_lebesgue: float | None
    worst_lebesgue: float | None


def data_tolerance(code: DataCode, n_lost: int, count: int, seed: int = 0) -> DataTolerance:
    """Decode without every set of ``n_lost`` workers, or ``count`` random sets if more exist."""
    n = code.n_workers
    drawn = straggler_sets(n, n_lost, count, np.random.default_rng([seed, n_lost]))
    found = [_lebesgue(code, lost) for lost in masks(drawn, n)]
    worst = found + [_lebesgue(code, lost) for lost in masks(_neighbours(code, n_lost), n)]
    decodable = sum(each is not None for each in worst)
    # NaN: there is no such factor
    known, all_known = ([x for x in some if x is not None and x == x] for some in (found, worst))
    return DataTolerance(
        n_lost=n_lost,
        n_sets=len(worst),
        decodable_share=decodable / len(worst),
        mean_lebesgue=float(np.mean(known)) if known else None,
        worst_lebesgue=max(all_known, default=None),
    )


def _lebesgue(code: DataCode, lost: npt.NDArray[np.bool_]) -> float | None:
    try:
        code.check_count(~lost)
        return code.lebesgue(~lost)
    except NotDecodable:
        return None


def _neighbours(code: DataCode, n_lost: int) -> npt.NDArray[np.intp]:
    """Return sets of consecutive workers, and of neighbours on the line if there is one."""
    if n_lost == 0:
        return np.empty((0, 0), dtype=np.intp)
    consecutive = runs(code.n_workers, n_lost)
    points = getattr(code, "worker_points", None)
    if points is None:
        return consecutive
    along = np.argsort(points, kind="stable")
    windows = along[np.arange(code.n_workers - n_lost + 1)[:, None] + np.arange(n_lost)]
    return np.unique(np.concatenate([consecutive, np.sort(windows, axis=1)]), axis=0)
