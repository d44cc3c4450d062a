"""Segments that take a slice of every layer, so that a mix of them costs little more than one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base import Float, Integer, segment_length
from .columns import Entering, add_product, mixed_columns, mixed_slots, picked_columns


class TooSmall(ValueError):
    """The layers have too few parameters for slices."""


class Shape(NamedTuple):
    """Where a layer ``entering @ W + b`` has its parameters, among all.

    weights : the first of W, (n_in, n_out) in C order
    biases  : the first of b, (n_out,); None: there are none
    """

    n_in: int
    n_out: int
    weights: int
    biases: int | None

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.n_in * self.n_out + (0 if self.biases is None else self.n_out)


class _Rest(NamedTuple):
    """Numbers of W that are in no slice: some of those at the crossings of rows and columns."""

    rows: Integer
    columns: Integer
    crossings: Integer  # flat, of (rows, columns)
    tail: Integer  # their places there


class _Cut:
    """How one layer is cut, and where in a segment its slice lies.

    height  : rows of W in a slice of those
    width   : columns of W in a slice of the rows left over
    breadth : biases in a slice
    """

    def __init__(self, shape: Shape, n_segments: int, begin: int) -> None:
        self.shape = shape
        self.height, n_others = divmod(shape.n_in, n_segments)
        self.width = shape.n_out // n_segments if n_others else 0
        self.breadth = 0 if shape.biases is None else shape.n_out // n_segments
        self.others: Integer = np.arange(n_segments * self.height, shape.n_in)
        sizes = [begin, self.breadth, self.width * n_others, self.height * shape.n_out]
        ends = np.cumsum(sizes).tolist()
        self.biases, self.by_columns, self.by_rows = map(slice, ends[:-1], ends[1:])
        self.end: int = ends[-1]
        self.rests: list[_Rest] = []
        none: Integer = np.empty(0, dtype=np.intp)
        self.rest_biases: tuple[Integer, Integer] = none, none  # and their places in the tail

    def places(self, n_segments: int) -> Integer:
        """Return which parameters lie in a segment from ``begin`` on, (n_segments, size)."""
        shape, k = self.shape, n_segments
        W = shape.weights + np.arange(shape.n_in * shape.n_out).reshape(shape.n_in, shape.n_out)
        first = 0 if shape.biases is None else shape.biases
        biases = (first + np.arange(k * self.breadth)).reshape(k, -1)
        others = W[self.others, : k * self.width].reshape(self.others.size, k, self.width)
        by_columns = others.swapaxes(0, 1).reshape(k, self.others.size * self.width)
        by_rows = W[: k * self.height].reshape(k, self.height * shape.n_out)
        return np.concatenate([biases, by_columns, by_rows], axis=1)

    def note_rests(self, tail: Integer, n_segments: int) -> None:
        """Find out which parameters of the tail are of this layer, and how to compute them."""
        shape = self.shape
        if shape.biases is not None:
            bias = tail - shape.biases
            mine = np.flatnonzero((bias >= 0) & (bias < shape.n_out))
            self.rest_biases = bias[mine], mine
        weight = tail - shape.weights
        mine = np.flatnonzero((weight >= 0) & (weight < shape.n_in * shape.n_out))
        row, column = np.divmod(weight[mine], shape.n_out)
        corner = row >= n_segments * self.height
        for part in (corner, ~corner):
            if part.any():
                rows, r = np.unique(row[part], return_inverse=True)
                columns, c = np.unique(column[part], return_inverse=True)
                self.rests.append(_Rest(rows, columns, r * columns.size + c, mine[part]))


class Slices:
    """The parameters of layers in k segments, each with a slice of every layer.

    With X (n_rows, n_in) what enters a layer and D (n_rows, n_out) the slopes of the losses in its
    outputs, the gradient of W is X^T D. A slice of W is some of its rows, as many in each segment;
    so the mix ``sum_u a[u] X[:, slice u]^T D`` is the mix of columns of X, transposed, times D: one
    product of 1/k of the size. The rows left over, if n_in is no multiple of k, are cut by columns,
    where columns of D are mixed. What is left over of both, the tail, is few numbers, which are
    computed one by one. Only the last segment is padded, at its end, so segments are no longer than
    they must be.

    length : of a segment
    order  : (n_parameters,) the parameters in the order of the segments

    Raises `TooSmall` where there is no room for slices.
    """

    def __init__(self, shapes: Sequence[Shape], n_segments: int) -> None:
        k = self.n_segments = n_segments
        n_parameters = sum(shape.size for shape in shapes)
        self.length = segment_length(n_parameters, k)
        # the largest last: its end gives way where the tail is too short for the padding
        ordered = sorted(range(len(shapes)), key=lambda i: shapes[i].size)
        cuts: dict[int, _Cut] = {}
        end = 0
        for i in ordered:
            cuts[i] = _Cut(shapes[i], k, end)
            end = cuts[i].end
        n_padding = k * self.length - n_parameters
        begin = min(end, self.length - n_padding)
        last = cuts[ordered[-1]]
        if begin <= (last.by_rows if last.height else last.by_columns).start:
            raise TooSmall(f"{n_parameters} parameters in {k} segments")
        sliced = np.concatenate([cuts[i].places(k) for i in ordered], axis=1)[:, :begin]
        tail = np.setdiff1d(np.arange(n_parameters), sliced, assume_unique=True)
        for cut in cuts.values():
            cut.note_rests(tail, k)
        self.cuts = [cuts[i] for i in range(len(shapes))]
        self.begin_tail, self.n_tail = begin, tail.size
        padded = np.append(tail, np.zeros(n_padding, tail.dtype)).reshape(k, -1)
        self.order: Integer = np.concatenate([sliced, padded], axis=1).reshape(-1)[:n_parameters]

    @property
    def products(self) -> int:
        """How many multiplications a mix of the gradient of a row takes, beside the mixing."""
        return sum(
            cut.height * cut.shape.n_out
            + cut.width * cut.others.size
            + sum(rest.rows.size * rest.columns.size for rest in cut.rests)
            for cut in self.cuts
        )

    def mix(self, entering: Entering, direction: npt.NDArray[np.float64]) -> Entering | None:
        """Return the mixed columns of what enters the first layer, None where none are mixed."""
        height = self.cuts[0].height
        return mixed_columns(entering, direction, height) if height else None


class Mixing:
    """Adds a mix of segments, ``sum_u direction[u] * segment u`` of a gradient, to ``out``.

    direction : (n_segments,)      out : (length,)
    """

    def __init__(self, slices: Slices, direction: npt.NDArray[np.float64], out: Float) -> None:
        self._slices = slices
        self._direction = direction
        self._out = out
        self._tail = np.zeros((slices.n_segments, slices.length - slices.begin_tail), out.dtype)

    def add_layer(
        self, number: int, entering: Entering, slopes: Float, mixed: Entering | None = None
    ) -> None:
        """Add what some rows give of one layer.

        entering : (n_rows, n_in)      slopes : (n_rows, n_out), of the weighted loss
        mixed    : what `Slices.mix` gives for these rows, if that is at hand
        """
        cut, direction = self._slices.cuts[number], self._direction
        if cut.height:
            if mixed is None:
                mixed = mixed_columns(entering, direction, cut.height)
            self._add(mixed, slopes, cut.by_rows)
        if cut.width:
            others = picked_columns(entering, cut.others)
            self._add(others, mixed_slots(slopes, direction, cut.width), cut.by_columns)
        tail = self._tail.reshape(-1)
        for rest in cut.rests:
            product = picked_columns(entering, rest.rows).T @ slopes[:, rest.columns]
            tail[rest.tail] += product.reshape(-1)[rest.crossings]
        if cut.shape.biases is not None:
            sums = slopes.sum(axis=0)
            if cut.breadth:
                mixed_biases = mixed_slots(sums[np.newaxis], direction, cut.breadth)[0]
                self._out[cut.biases] += mixed_biases
            biases, places = cut.rest_biases
            tail[places] += sums[biases]

    def finish(self) -> None:
        """Add the mix of the tail, once for all rows."""
        self._out[self._slices.begin_tail :] += (
            self._direction.astype(self._tail.dtype) @ self._tail
        )

    def _add(self, entering: Entering, slopes: Float, place: slice) -> None:
        """Add ``entering.T @ slopes`` to its place in a segment, as far as the tail leaves it."""
        shape = -1, slopes.shape[1]
        begin_tail = self._slices.begin_tail
        if place.stop <= begin_tail:
            add_product(entering, slopes, self._out[place].reshape(shape))
            return
        product = np.zeros(place.stop - place.start, self._out.dtype)
        add_product(entering, slopes, product.reshape(shape))
        self._out[place.start : begin_tail] += product[: begin_tail - place.start]


class SlicedLayers:
    """Gives the slices of some layers, None for one segment and where there is no room for any."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._shapes = tuple(shapes)
        self._known: dict[int, Slices | None] = {1: None}

    def __call__(self, n_segments: int) -> Slices | None:
        """Return the slices for so many segments."""
        if n_segments not in self._known:
            try:
                self._known[n_segments] = Slices(self._shapes, n_segments)
            except TooSmall:
                self._known[n_segments] = None
        return self._known[n_segments]
