"""Any network of PyTorch, its gradient by automatic differentiation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from . import losses
from .base import Float, Problem, Rows, quiet
from .layers import pieces
from .torch_factory import TorchFactory, load_torch, trained

CHUNK_ROWS = 256  # at a time: bounds the memory of the activations
_PROBES = 3  # rows that a module is tried on
# A row's outputs may change by rounding when the row stands alone: by as many machine precisions.
_ROUNDINGS = 1e4


class TorchModule(Problem):
    """Loss of the outputs of a ``torch.nn.Module``.

    module    : ``package.module:factory``, a function or class that every rank can import; it
                returns the module
    arguments : what the factory is called with; it is also given ``n_features`` and ``n_outputs``
                if it has parameters of these names

    The module takes rows (n_rows, n_features) and returns (n_rows, n_outputs), or (n_rows,) where
    there is one output. The loss is cross-entropy for multiclass (one output per class) and binary
    data (one output), ``1/2 (z - y)^2`` for regression. Parameters: those of ``parameters()`` that
    require a gradient, in that order, each in C order; the L2 term covers all of them. The factory
    draws where descent starts from the seed; what it does not train is drawn from seed 0.

    A row's loss must depend on nothing but the row, so the module is in evaluation mode: no
    dropout, and batch normalisation by fixed statistics. Sparse rows are made dense in chunks.
    PyTorch is told to use one thread in this process: cores are for ranks.
    """

    name = "torch"
    tasks = ("multiclass", "binary", "regression")

    def __init__(
        self,
        *,
        module: str,
        arguments: dict[str, Any] | None = None,
        l2: float = 0.0,
        n_features: int,
        n_classes: int = 0,
        task: str,
        dtype: npt.DTypeLike = np.float64,
    ) -> None:
        super().__init__(l2=l2, n_features=n_features, n_classes=n_classes, task=task, dtype=dtype)
        self._torch = load_torch()
        self._loss = losses.OF_TASK[task]
        self.n_outputs = 1 if self._loss.one_output else n_classes
        self._make = TorchFactory(
            self._torch,
            module,
            arguments or {},
            n_features=n_features,
            n_outputs=self.n_outputs,
            dtype=self.dtype,
        )
        self._module = self._make(0)
        self._trained = trained(self._module)
        ends = np.cumsum([0, *(each.numel() for each in self._trained)]).tolist()
        self._parts = [slice(*ends[i : i + 2]) for i in range(len(self._trained))]
        self.n_parameters: int = ends[-1]
        if self.n_parameters == 0:
            raise ConfigError(f"problem.module: {module!r} has no parameters to train")
        # The module's parameters become views of one vector, and its inputs have fixed memory: the
        # same numbers then give the same bits wherever the caller's lie.
        flat = self._torch.zeros(self.n_parameters, dtype=self._make.dtype)
        for each, part in zip(self._trained, self._parts, strict=True):
            flat[part] = each.detach().reshape(-1)
            each.data = flat[part].view(each.shape)
        self._flat: Float = flat.numpy()
        self._inputs = self._torch.zeros((CHUNK_ROWS, n_features), dtype=self._make.dtype)
        self._try()

    def initial(self, seed: int) -> Float:
        """Return the parameters that the factory draws from ``seed``."""
        each = trained(self._make(seed))
        return np.concatenate([parameter.detach().numpy().ravel() for parameter in each])

    @quiet
    def gradient(self, x: Float, rows: Rows, weights: Float, out: Float) -> float:
        """See `Problem.gradient`.

        One way back where the rows of ``weights`` are proportional, as they are when all samples
        belong to one block; else one per segment, through the parameters that lie in it.
        """
        self.check_gradient(x, rows, weights, out)
        self._flat[...] = x
        weights = np.ascontiguousarray(weights, np.float64)
        total = 0.0
        if weights.ndim == 1:
            for chunk, y, outputs in self._predict(rows):
                loss, slopes = self._slopes(outputs, y, weights[chunk])
                total += loss
                self._descend(outputs, slopes, np.ones(1), out)
            return total
        proportional = _proportional(weights) if rows.y.size else None
        for chunk, y, outputs in self._predict(rows):
            part = weights[:, chunk]
            total += self._slopes(outputs, y, part[0])[0]
            if proportional is not None:
                factors, longest = proportional
                _, slopes = self._slopes(outputs, y, part[longest])
                self._descend(outputs, slopes, factors, out)
                continue
            for segment in range(len(part)):
                _, slopes = self._slopes(outputs, y, part[segment])
                only = np.zeros(len(part))
                only[segment] = 1.0
                self._descend(outputs, slopes, only, out, keep=segment + 1 < len(part))
        return total

    @quiet
    def loss(self, x: Float, rows: Rows, weights: Float) -> float:
        """See `Problem.loss`."""
        self.check(x, rows, weights)
        self._flat[...] = x
        weights = np.ascontiguousarray(weights, np.float64)
        total = 0.0
        for chunk, y, outputs in self._predict(rows):
            total += self._slopes(outputs, y, weights[chunk])[0]
        return total

    @quiet
    def evaluate(self, x: Float, rows: Rows) -> tuple[float, float]:
        """See `Problem.evaluate`."""
        self.check(x, rows)
        self._flat[...] = x
        total = correct = 0.0
        for _, y, outputs in self._predict(rows):
            correct += self._loss.correct(self._of_loss(outputs), y)
            total += self._slopes(outputs, y, np.ones(len(y)))[0]
        return total, correct

    @quiet
    def outputs(self, x: Float, X: Any) -> Float:
        """See `Problem.outputs`."""
        self._flat[...] = x
        found = np.empty((X.shape[0], self.n_outputs), self.dtype)
        with self._torch.no_grad():
            for chunk, y, outputs in self._predict(self.unlabelled(x, X)):
                found[chunk] = outputs.numpy().reshape(len(y), -1)
        return found

    def _predict(self, rows: Rows) -> Iterator[tuple[slice, npt.NDArray[Any], Any]]:
        """Yield per chunk: which rows, y, the module's outputs with their graph."""
        y = np.ascontiguousarray(rows.y)
        inputs = self._inputs.numpy()
        for start in range(0, len(y), CHUNK_ROWS):
            chunk = slice(start, min(start + CHUNK_ROWS, len(y)))
            X = rows.X[chunk]
            inputs[: X.shape[0]] = X if isinstance(X, np.ndarray) else X.toarray()
            tensor = self._inputs[: X.shape[0]]
            yield chunk, y[chunk], self._checked(self._module(tensor), tensor)

    def _checked(self, outputs: Any, inputs: Any) -> Any:
        """Return the outputs if the loss can take them."""
        name, n_rows = self._make.name, len(inputs)
        if not isinstance(outputs, self._torch.Tensor):
            raise ConfigError(
                f"problem.module: {name!r} returns a {type(outputs).__name__}, wants a tensor"
            )
        shape = tuple(outputs.shape)
        if shape != (n_rows, self.n_outputs) and (shape, self.n_outputs) != ((n_rows,), 1):
            raise ConfigError(
                f"problem.module: {name!r} returns {shape} for {n_rows} rows, "
                f"{self.task} data want {(n_rows, self.n_outputs)}"
            )
        if outputs.dtype != inputs.dtype:
            raise ConfigError(
                f"problem.module: {name!r} returns {outputs.dtype} for {inputs.dtype}"
            )
        return outputs

    def _of_loss(self, outputs: Any) -> Float:
        """Return a copy of the outputs in the shape that the loss takes."""
        shape = (-1,) if self._loss.one_output else outputs.shape
        z: Float = np.array(outputs.detach().numpy()).reshape(shape)
        return z

    def _slopes(self, outputs: Any, y: npt.NDArray[Any], weights: Float) -> tuple[float, Any]:
        """Return the weighted loss and its derivative in the outputs, a tensor of their shape."""
        z = self._of_loss(outputs)
        loss = self._loss.residual(z, y, weights)
        return loss, self._torch.from_numpy(z).reshape(outputs.shape)

    def _descend(
        self, outputs: Any, slopes: Any, factors: Float, out: Float, keep: bool = False
    ) -> None:
        """Add the gradient to ``out``, segment u times ``factors[u]``; go where that is not 0."""
        length = len(out) // len(factors)
        wanted = []
        for part, parameter in zip(self._parts, self._trained, strict=True):
            its = [piece for piece in pieces(part, length) if factors[piece[0]] != 0.0]
            if its:
                wanted.append((part.start, its, parameter))
        if not wanted:
            return
        gradients = self._torch.autograd.grad(
            outputs,
            [parameter for _, _, parameter in wanted],
            slopes,
            retain_graph=keep,
            allow_unused=True,
        )
        for (start, its, _), gradient in zip(wanted, gradients, strict=True):
            if gradient is None:
                continue  # the outputs do not depend on it
            flat = gradient.numpy().reshape(-1)
            for segment, low, high in its:
                out[low:high] += factors[segment] * flat[low - start : high - start]

    def _try(self) -> None:
        """Refuse a module that cannot take our rows, or not one by one."""
        inputs = self._inputs[:_PROBES]
        inputs.numpy()[...] = np.random.default_rng(0).normal(size=inputs.shape)

        def outputs(part: slice) -> Float:
            where = f"on rows of {self.n_features} features"
            return self._of_loss(
                self._checked(self._make.guarded(where, self._module, inputs[part]), inputs[part])
            )

        together = outputs(slice(None))
        alone = np.concatenate([outputs(slice(row, row + 1)) for row in range(_PROBES)])
        apart = np.abs(alone - together).max()
        if apart > _ROUNDINGS * np.finfo(self.dtype).eps * np.abs(together).max():
            raise ConfigError(
                f"problem.module: {self._make.name!r} gives a row that stands alone other outputs "
                f"than the same row among {_PROBES}: they differ by {apart:.2g}"
            )


def _proportional(weights: Float) -> tuple[Float, int] | None:
    """Return (f, v) with ``weights[u] = f[u] * weights[v]`` up to rounding, None without such."""
    v, place = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    if weights[v, place] == 0.0:
        return np.zeros(len(weights)), 0
    factors: Float = weights[:, place] / weights[v, place]
    rounding = 4 * np.finfo(np.float64).eps * np.abs(weights)
    near = np.abs(weights - factors[:, np.newaxis] * weights[v]) <= rounding
    return (factors, int(v)) if near.all() else None
