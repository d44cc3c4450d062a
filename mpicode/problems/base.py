"""What every problem promises.

To add a problem: one file with a subclass of `Problem` (or of `LinearModel`), its line in
``problems/__init__.py``, and a subclass of ``ProblemSuite`` in ``tests/problems`` that gives its
parameters. A problem of your own needs none of this: name it in the configuration as
``module:Class``. The name crosses the wire, never the object, so every rank must be able to import
the module.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from .passed import Passed, Whole

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Float = npt.NDArray[np.floating[Any]]
Integer = npt.NDArray[np.integer[Any]]
# A float; complex of complex rows, which the type of a problem does not tell.
Number = Any


# For functions of parameters that may have diverged: that is told once, by a loss that is not
# finite, and not by numpy in the middle of a product.
quiet = np.errstate(over="ignore", invalid="ignore")


def segment_length(n_parameters: int, n_segments: int) -> int:
    """Return the length of each segment; the last is padded."""
    return -(-n_parameters // n_segments)


class Rows(NamedTuple):
    """Samples: ``X`` (n_rows, n_features), dense or CSR, and ``y`` (n_rows,).

    ``X`` has the data type of the problem; ``y`` holds numbers for regression, int64 labels else.
    Of combinations of samples the labels are soft (see `mpicode.problems.losses`): floating,
    (n_rows, n_outputs) for a model with one output per class, (n_rows,) for one with one output.
    """

    X: Float | csr_array
    y: npt.NDArray[Any]


class Problem(ABC):
    """A sum of losses over samples, as a function of a flat parameter vector ``x`` (n_parameters,).

    The master minimises (weighted sum of the losses, scaled by it) + l2/2 |penalised parameters|^2.

    The constructor's keyword-only parameters are the keys of the table ``[problem]``, except what
    the program hands over itself: ``n_features``, ``n_classes``, ``task`` and ``dtype``. A subclass
    sets ``n_parameters``, and ``penalised`` if the L2 term spares some parameters.

    The same rows, parameters and weights give the same bits in every process on equal machines:
    replicas of one block must agree.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]  # the kinds of data it serves
    n_parameters: int
    penalised: slice = slice(None)  # the parameters under the L2 term
    n_outputs: int = 0  # numbers predicted per row; 0: not said, then there are no soft labels
    # of the gradient, as a polynomial in the numbers of the rows, labels included; None: it is none
    degree: int | None = None
    # whether a gradient with weights (n_segments, n_rows) costs no more than an ordinary one
    segments_in_one_pass: ClassVar[bool] = False

    def __init__(
        self,
        *,
        l2: float = 0.0,
        n_features: int,
        n_classes: int = 0,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        if task not in self.tasks:
            raise ConfigError(
                f"problem.name: {self.name!r} serves {' or '.join(self.tasks)} data, "
                f"the dataset is {task!r}"
            )
        if not (math.isfinite(l2) and l2 >= 0):
            raise ConfigError(f"problem.l2: must be zero or positive, got {l2}")
        if n_features < 1:
            raise ConfigError(f"problem: needs at least 1 feature, the dataset has {n_features}")
        self.l2 = l2
        self.n_features = n_features
        self.n_classes = n_classes
        self.task = task
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        # a polynomial has values at the complex rows that some codes make
        is_polynomial = self.dtype == np.complex128 and self.degree is not None
        if self.dtype not in (np.float32, np.float64) and not is_polynomial:
            raise ConfigError(f"run.dtype: wants float32 or float64, got {self.dtype}")

    @abstractmethod
    def gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> Number:
        """Add sum_i weights_i * (gradient of loss_i at x) to ``out``.

        x : (n_parameters,)    weights : (n_rows,), any sign    out : (n_parameters,)

        Returns sum_i weights_i * loss_i(x), of complex rows what the polynomial makes of them: a
        complex number. Neither contains the L2 term.

        With weights (n_segments, n_rows), ``out`` is (n_segments * length,), padded: segment u of
        it gets segment u of the gradient weighted by ``weights[u]``, and the loss returned is
        weighted by ``weights[0]``. This is asked only of problems with ``segments_in_one_pass``,
        where their segments are cut in the parameters' own order.
        """

    @abstractmethod
    def loss(self, x: Float, rows: Rows, weights: Float) -> Number:
        """Return the number that `gradient` returns, without the gradient."""

    @abstractmethod
    def evaluate(self, x: Float, rows: Rows) -> tuple[float, float]:
        """Return the sum of the losses and the number of rows predicted right (NaN: regression)."""

    def outputs(self, x: Float, X: Float | csr_array) -> Float:
        """Return what the model makes of each row, (n_rows, n_outputs): class scores, or a number.

        A problem without this serves no ``map`` requests.
        """
        raise ConfigError(f"problem.name: {self.name!r} does not say what its outputs are")

    def initial(self, seed: int) -> Float:
        """Return where descent starts, (n_parameters,): zeros, good for convex problems."""
        return np.zeros(self.n_parameters, self.dtype)

    @quiet
    def regularise(self, x: Float, gradient: Float) -> float:
        """Add the gradient of the L2 term to ``gradient`` and return the term.

        The master alone does this, after decoding.
        """
        if self.l2 == 0.0:
            return 0.0
        penalised = x[self.penalised]
        gradient[self.penalised] += self.l2 * penalised
        return 0.5 * self.l2 * float(penalised @ penalised)

    def layout(self, n_segments: int) -> Integer | None:
        """Return the order of the parameters in which segments are cut; None is their own order."""
        return None

    def slices(self, n_segments: int) -> Integer | None:
        """Return the order in which each segment has a slice of every layer, if there is one.

        (n_parameters,), as `layout`. In this order `coded_gradient` may cost less than `gradient`.
        """
        return self.layout(n_segments)

    def mix(self, rows: Rows, direction: npt.NDArray[np.float64]) -> Any:
        """Return what of `coded_gradient` depends on rows and direction alone, None: nothing.

        Arrays, as large as the rows divided by the number of segments.
        """
        return None

    @quiet
    def coded_gradient(
        self,
        x: Float,
        rows: Rows,
        weights: Float,
        direction: npt.NDArray[np.float64],
        out: Float,
        mixed: Any = None,
        passed: Passed[Any] | None = None,
    ) -> Number:
        """Add ``sum_u direction[u] * segment u`` of what `gradient` gives to ``out``.

        weights   : (n_rows,)      direction : (n_segments,), real
        out       : (length,)      the segments are cut in the order of `slices`
        mixed     : what `mix` gave for these rows and this direction; it saves computing that anew
        passed    : empty, it keeps what does not depend on the direction; then it saves computing
                    that for another direction, with the same x, rows and weights, to the same bits

        Returns the same loss. Here the whole gradient is computed and folded, so only the message
        is shorter; problems made of layers mix first and multiply then.
        """
        self.check_coded(x, rows, weights, direction, out)
        way = self._whole(x, rows, weights, direction.size, out.size)
        loss = 0.0
        for whole in way if passed is None else passed.along(way):
            loss += whole.loss
            pieces = whole.gradient.reshape(direction.size, -1)
            out += direction.astype(self.dtype) @ pieces
        return loss

    def coded_costs(self, n_segments: int) -> tuple[float, float]:
        """Return what messages of `coded_gradient` cost, in parts of the cost of `gradient`.

        That of the way forward and back, which serves all messages that share it by ``passed``; and
        of what each of them needs beside that. Multiplications are counted, for dense rows, without
        the few of mixing. Here the first is a whole gradient.
        """
        return 1.0, 0.0

    def _whole(
        self, x: Float, rows: Rows, weights: Float, n_segments: int, length: int
    ) -> Iterator[Whole]:
        """Compute the whole gradient, in the order of `slices`."""
        order = self.slices(n_segments)
        padded = np.zeros(n_segments * length, self.dtype)
        gradient = padded[: self.n_parameters]
        loss = self.gradient(x, rows, weights, gradient)
        if order is not None:
            gradient[:] = gradient[order]
        yield Whole(loss, padded)

    def check(self, x: Float, rows: Rows, weights: Float | None = None) -> None:
        """Raise an error that names the two numbers that disagree, if some do."""
        self._check_vector("x", x)
        X, y = rows
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise DataError(
                f"X: the problem has {self.n_features} features, the rows have shape {X.shape}"
            )
        if not isinstance(X, np.ndarray) and X.format != "csr":
            raise DataError(f"X: wants a dense array or CSR, got {X.format}")
        if X.dtype != self.dtype:
            raise DataError(f"X: the problem works in {self.dtype}, the rows are {X.dtype}")
        if not isinstance(X, np.ndarray) and X.dtype.kind == "c":
            raise DataError("X: complex rows must be dense, got CSR")
        self._check_labels(y, X.shape[0], soft=weights is not None)
        if weights is not None and weights.shape != (X.shape[0],):
            raise DataError(
                f"weights: {X.shape[0]} rows, but the weights have shape {weights.shape}"
            )

    def _check_labels(self, y: npt.NDArray[Any], n_rows: int, *, soft: bool) -> None:
        if soft and self.task != "regression" and (y.dtype.kind == "f" or y.dtype == self.dtype):
            wanted = (n_rows,) if self.n_outputs == 1 else (n_rows, self.n_outputs)
            if not self.n_outputs or y.shape != wanted or y.dtype != self.dtype:
                raise DataError(
                    f"y: {n_rows} rows want soft labels {wanted} of {self.dtype}, "
                    f"got {y.shape} of {y.dtype}"
                )
            return
        if y.shape != (n_rows,):
            raise DataError(f"y: {n_rows} rows, but y has shape {y.shape}")
        if self.task == "regression":
            if y.dtype.kind != "f" and y.dtype != self.dtype:
                raise DataError(f"y: regression data wants floating numbers, got {y.dtype}")
        elif y.dtype != np.int64:
            raise DataError(f"y: {self.task} data wants int64 labels, got {y.dtype}")
        elif y.size and not 0 <= (low := y.min()) <= (high := y.max()) < self.n_classes:
            raise DataError(
                f"y: label {low if low < 0 else high} is out of range, "
                f"the problem has {self.n_classes} classes"
            )

    def unlabelled(self, x: Float, X: Float | csr_array) -> Rows:
        """Return rows whose labels nobody looks at; raise as `check` does."""
        kind = self.dtype if self.task == "regression" else np.dtype(np.int64)
        rows = Rows(X, np.zeros(X.shape[0], kind))
        self.check(x, rows)
        return rows

    def check_gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> int:
        """Raise an error if `gradient` cannot be called so; return the length of a segment."""
        if weights.ndim != 2:
            self.check(x, rows, weights)
            self.check_out(out)
            return self.n_parameters
        self.check(x, rows)
        n_segments, n_rows = weights.shape
        if n_segments == 0 or n_rows != rows.X.shape[0]:
            raise DataError(
                f"weights: {rows.X.shape[0]} rows, but the weights have shape {weights.shape}"
            )
        length = segment_length(self.n_parameters, n_segments)
        if out.shape != (n_segments * length,):
            raise ConfigError(
                f"out: {n_segments} segments of {self.n_parameters} parameters are "
                f"{n_segments} x {length} numbers, the vector has shape {out.shape}"
            )
        self._check_dtype("out", out)
        self._check_contiguous(out)
        return length

    def check_coded(
        self, x: Float, rows: Rows, weights: Float, direction: Float, out: Float
    ) -> None:
        """Raise an error if `coded_gradient` cannot be called so."""
        self.check(x, rows, weights)
        if direction.ndim != 1 or not direction.size or direction.dtype != np.float64:
            raise ConfigError(
                f"direction: wants (n_segments,) float64, got {direction.shape} {direction.dtype}"
            )
        length = segment_length(self.n_parameters, direction.size)
        if out.shape != (length,):
            raise ConfigError(
                f"out: a segment of {self.n_parameters} parameters in {direction.size} is {length} "
                f"numbers, the vector has shape {out.shape}"
            )
        self._check_dtype("out", out)
        self._check_contiguous(out)

    def check_out(self, out: Float) -> None:
        """Raise an error if a gradient cannot be added to ``out`` in place."""
        self._check_vector("out", out)
        self._check_contiguous(out)

    def _check_vector(self, what: str, vector: Float) -> None:
        if vector.shape != (self.n_parameters,):
            raise ConfigError(
                f"{what}: {self.name!r} has {self.n_parameters} parameters on this data, "
                f"the vector has shape {vector.shape}"
            )
        self._check_dtype(what, vector)

    def _check_dtype(self, what: str, vector: Float) -> None:
        if vector.dtype != self.dtype:
            raise ConfigError(
                f"{what}: the problem works in {self.dtype}, the vector is {vector.dtype}"
            )

    def _check_contiguous(self, out: Float) -> None:
        if not out.flags.c_contiguous:
            raise ConfigError(f"out: must be contiguous, its stride is {out.strides[0]} bytes")
