"""Which samples are coded together: similar ones, one behind the other on a short path.

A code over the data mixes one sample of each block, a group. The function is seen along a curve
through the samples of a group, so its error is small where the curve is short and smooth. No paper
on these codes orders the data; it matters more than the choice of the code.

Groups are found by halving the samples of a class again and again across the direction in which
they differ most (the k-d tree of J. L. Bentley, 1975, here of balanced halves), and a group is put
in order by nearest neighbours, then by reversing parts of the path for as long as that shortens it
(2-opt, G. A. Croes, 1958). Both look at few principal directions of the features only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError

ORDERS = ("none", "class", "path")

# Principal directions looked at, and the samples, and numbers in them, that they are found from.
N_DIRECTIONS = 16
N_SAMPLED = 256
SAMPLED_NUMBERS = 1 << 23
# Rounds of 2-opt: seldom more than four find anything.
MOST_ROUNDS = 8
# Distances within groups are computed for so many pairs at a time.
PAIRS_AT_ONCE = 1 << 22

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Seed = int | tuple[int, ...]


class Groups(NamedTuple):
    """Samples put together, by their numbers.

    full : (n, n_blocks), a group in each row, all of one class, in random order
    left : what is left over of each class, class by class
    """

    full: Indices
    left: Indices


def order(X: Array, y: Array | None, n_blocks: int, kind: str, seed: Seed = 0) -> Indices:
    """Return the samples group by group: entry ``r * n_blocks + j`` goes to slot r of block j.

    X : (n, d)      y : (n,) integer classes, or numbers, or None: all are of one class

    ``none`` leaves the samples as they are. ``class`` makes groups of one class, or of like numbers
    y, and is random otherwise. ``path`` makes groups of similar samples of one class, each ordered
    along a short path. Full groups come in random order; what is left over of each class makes
    mixed ones at the end, the very last of which may be short. The same for the same ``seed``.
    """
    if X.size and not np.isfinite([X.min(), X.max()]).all():
        raise DataError("order: X holds a number that is not finite")
    full, left = grouped(X, y, n_blocks, kind, seed)
    last = closed(X, y, left, n_blocks, kind, apart=False)
    places = np.concatenate([full.reshape(-1), last.reshape(-1)])
    return places[places >= 0]


def grouped(X: Array, y: Array | None, n_blocks: int, kind: str, seed: Seed = 0) -> Groups:
    """Return the groups that are full and of one class, and what is left over; see `order`.

    X : finite numbers
    """
    n = len(X)
    if kind not in ORDERS:
        raise ConfigError(f"order: {kind!r} is not one of {', '.join(ORDERS)}")
    if n_blocks < 1:
        raise ConfigError(f"code.n_blocks: must be at least 1, got {n_blocks}")
    if y is not None and len(y) != n:
        raise ConfigError(f"order: X has {n} rows, y has {len(y)}")
    if kind == "none":
        whole = n // n_blocks * n_blocks
        samples = np.arange(n, dtype=np.int64)
        return Groups(samples[:whole].reshape(-1, n_blocks), samples[whole:])
    rng = np.random.default_rng([*np.atleast_1d(seed).tolist(), n_blocks])
    points = _points(X, y) if kind == "path" else None
    shuffled = rng.permutation(n).astype(np.int64)
    classes = _classes(y, shuffled, kind)
    sizes = [len(samples) // n_blocks * n_blocks for samples in classes]
    full = np.concatenate([samples[:n] for samples, n in zip(classes, sizes, strict=True)])
    left = np.concatenate([samples[n:] for samples, n in zip(classes, sizes, strict=True)])
    if points is not None:
        full = _halved(points, full, np.cumsum([0, *sizes]), n_blocks)
    groups = full.reshape(-1, n_blocks)
    groups = groups[rng.permutation(len(groups))]
    if points is not None:
        groups = _paths(points, groups)
    return Groups(groups, left)


def closed(
    X: Array, y: Array | None, left: Indices, n_blocks: int, kind: str, *, apart: bool
) -> Indices:
    """Return groups of what was left over, (n, n_blocks), -1 where a group is short of samples.

    left  : class by class, as `grouped` gave it
    apart : each class gets groups of its own; else they are mixed and only the last group is short
    """
    classes = _classes(y, left, kind) if apart else [left]
    groups = []
    for samples in classes:
        short = -len(samples) % n_blocks
        places = np.concatenate([samples, np.full(short, -1, np.int64)]).reshape(-1, n_blocks)
        if kind == "path" and len(samples):
            points = _points(X[samples], None if y is None else y[samples])
            own = np.arange(len(samples), dtype=np.int64)
            whole = len(samples) // n_blocks * n_blocks
            paths = [_paths(points, own[:whole].reshape(-1, n_blocks)).reshape(-1)]
            if short:
                paths.append(_paths(points, own[None, whole:])[0])
            places.reshape(-1)[: len(samples)] = samples[np.concatenate(paths)]
        groups.append(places)
    return np.concatenate(groups)


def _classes(y: Array | None, samples: Indices, kind: str) -> list[Indices]:
    """Return the samples of each class; or all, of like numbers y one behind the other."""
    if y is None or (y.dtype.kind == "f" and kind == "path"):
        return [samples]
    samples = samples[np.argsort(y[samples], kind="stable")]
    if y.dtype.kind == "f" or kind == "none":
        return [samples]
    return np.split(samples, np.flatnonzero(np.diff(y[samples])) + 1)


def _points(X: Array, y: Array | None) -> Array:
    """Return each sample's place along the principal directions, (n, p) float32.

    Numbers y are one more direction, spread as widely as the widest of the others.
    """
    d = X.shape[1]
    dtype = np.result_type(X.dtype, np.float32)
    if d > N_DIRECTIONS:
        n_sampled = min(len(X), N_SAMPLED, max(SAMPLED_NUMBERS // d, 2))
        sample = X[np.linspace(0, len(X) - 1, n_sampled).astype(int)].astype(np.float64)
        centre = sample.mean(axis=0)
        sample -= centre
        # the Gram matrix is small where the features are many
        values, vectors = np.linalg.eigh(sample @ sample.T)
        chosen = np.argsort(values)[::-1][:N_DIRECTIONS]
        chosen = chosen[values[chosen] > 1e-12 * max(values.max(), 0.0)]
        directions = sample.T @ (vectors[:, chosen] / np.sqrt(values[chosen]))
        points = X @ directions.astype(dtype) - (centre @ directions).astype(dtype)
    else:
        points = X - X.mean(axis=0)
    if not points.shape[1]:
        points = np.zeros((len(X), 1), dtype)
    points /= np.abs(points).max() or 1.0
    if y is not None and y.dtype.kind == "f":
        spread = points.std(axis=0).max(initial=0.0) or 1.0
        like = (y - y.mean()) / (y.std() or 1.0) * spread
        points = np.column_stack([points, like])
    return np.ascontiguousarray(points, np.float32)


def _halved(points: Array, samples: Indices, bounds: Indices, n_blocks: int) -> Indices:
    """Return the samples such that each ``n_blocks`` in a row are near each other.

    bounds : where the classes begin, and the end: no sample leaves its class

    All parts are halved at once, level by level: a sort by part and place.
    """
    bounds = np.unique(bounds)
    while True:
        n_groups = np.diff(bounds) // n_blocks
        if not (n_groups > 1).any():
            return samples
        part = np.repeat(np.arange(len(n_groups)), np.diff(bounds))
        place = points[samples]
        widest = _widest(place, bounds)
        along = place[np.arange(len(samples)), widest[part]]
        samples = samples[np.lexsort((along, part))]
        middles = bounds[:-1] + n_groups // 2 * n_blocks
        bounds = np.unique(np.concatenate([bounds, middles]))


def _widest(place: Array, bounds: Indices) -> Indices:
    """Return for each part the direction along which it is spread most."""
    sizes = np.diff(bounds)[:, None]
    mean = np.add.reduceat(place, bounds[:-1], axis=0) / sizes
    square = np.add.reduceat(place * place, bounds[:-1], axis=0) / sizes
    widest: Indices = np.argmax(square - mean * mean, axis=1)
    return widest


def _paths(points: Array, groups: Indices) -> Indices:
    """Return each group, a row, in the order of a short path through it."""
    n_groups, size = groups.shape
    if size < 3:
        return groups
    step = max(PAIRS_AT_ONCE // size**2, 1)
    done = np.empty_like(groups)
    for at in range(0, n_groups, step):
        part = groups[at : at + step]
        place = points[part]
        place -= place.mean(axis=1, keepdims=True)
        squares = np.einsum("gkp,gkp->gk", place, place)
        far = squares[:, :, None] + squares[:, None] - 2 * place @ place.transpose(0, 2, 1)
        far = np.sqrt(np.maximum(far, 0.0))
        path = _greedy(far, np.argmax(squares, axis=1))
        _untangle(far, path)
        done[at : at + step] = np.take_along_axis(part, path, axis=1)
    return done


def _greedy(far: Array, first: Indices) -> Indices:
    """Return paths (n_groups, size) that go on to the nearest not yet visited.

    far : (n_groups, size, size) distances      first : (n_groups,) where the paths begin
    """
    n_groups, size, _ = far.shape
    each = np.arange(n_groups)
    path = np.empty((n_groups, size), np.int64)
    path[:, 0] = first
    visited = np.zeros((n_groups, size), bool)
    for k in range(1, size):
        visited[each, path[:, k - 1]] = True
        path[:, k] = np.argmin(np.where(visited, np.inf, far[each, path[:, k - 1]]), axis=1)
    return path


def _untangle(far: Array, path: Indices) -> None:
    """Reverse parts of each path for as long as that makes it shorter (2-opt), in place."""
    n_groups, size = path.shape
    each = np.arange(n_groups)
    for _ in range(MOST_ROUNDS):
        shorter = False
        for i in range(size - 1):
            for j in range(i + 1, size):
                gain = np.zeros(n_groups, far.dtype)
                if i > 0:
                    before = path[:, i - 1]
                    gain += far[each, before, path[:, i]] - far[each, before, path[:, j]]
                if j < size - 1:
                    after = path[:, j + 1]
                    gain += far[each, path[:, j], after] - far[each, path[:, i], after]
                better = np.flatnonzero(gain > 1e-6 * far[each, path[:, i], path[:, j]])
                if better.size:
                    path[better, i : j + 1] = path[better, i : j + 1][:, ::-1]
                    shorter = True
        if not shorter:
            return
