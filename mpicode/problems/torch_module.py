"""Any network of PyTorch, its gradient by automatic differentiation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from . import losses
from .base import Float, Problem, Rows, quiet
from .imported import imported
from .layers import pieces

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
        self._torch = _torch()
        self._torch.set_num_threads(1)
        self._loss = losses.OF_TASK[task]
        self.n_outputs = 1 if self._loss.one_output else n_classes
        self._name = module
        self._arguments = arguments or {}
        self._factory = imported(module, "problem.module", "factory")
        self._module = self._build(0)
        self._trained = _trained(self._module)
        ends = np.cumsum([0, *(each.numel() for each in self._trained)]).tolist()
        self._parts = [slice(*ends[i : i + 2]) for i in range(len(self._trained))]
        self.n_parameters: int = ends[-1]
        if self.n_parameters == 0:
            raise ConfigError(f"problem.module: {module!r} has no parameters to train")
        # The module's parameters become views of one vector, and its inputs have fixed memory: the
        # same numbers then give the same bits wherever the caller's lie.
        own = getattr(self._torch, self.dtype.name)
        flat = self._torch.zeros(self.n_parameters, dtype=own)
        for each, part in zip(self._trained, self._parts, strict=True):
            flat[part] = each.detach().reshape(-1)
            each.data = flat[part].view(each.shape)
        self._flat: Float = flat.numpy()
        self._inputs = self._torch.zeros((CHUNK_ROWS, n_features), dtype=own)
        self._try()

    def initial(self, seed: int) -> Float:
        """Return the parameters that the factory draws from ``seed``."""
        each = _trained(self._build(seed))
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

    def _predict(self, rows: Rows) -> Iterator[tuple[slice, npt.NDArray[Any], Any]]:
        """Yield per chunk: which rows, y, the module's outputs with their graph."""
        y = np.ascontiguousarray(rows.y)
        inputs = self._inputs.numpy()
        for start in range(0, len(y), CHUNK_ROWS):
            chunk = slice(start, min(start + CHUNK_ROWS, len(y)))
            X = rows.X[chunk]
            inputs[: X.shape[0]] = X if isinstance(X, np.ndarray) else X.toarray()
            yield chunk, y[chunk], self._outputs(self._inputs[: X.shape[0]])

    def _outputs(self, inputs: Any) -> Any:
        outputs = self._module(inputs)
        n_rows = len(inputs)
        if not isinstance(outputs, self._torch.Tensor):
            raise ConfigError(
                f"problem.module: {self._name!r} gives a {type(outputs).__name__}, wants a tensor"
            )
        shape = tuple(outputs.shape)
        if shape != (n_rows, self.n_outputs) and not (self.n_outputs == 1 and shape == (n_rows,)):
            raise ConfigError(
                f"problem.module: {self._name!r} gives {shape} for {n_rows} rows, "
                f"{self.task} data wants {(n_rows, self.n_outputs)}"
            )
        if outputs.dtype != inputs.dtype:
            raise ConfigError(
                f"problem.module: {self._name!r} gives {outputs.dtype} for {inputs.dtype}"
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

    def _build(self, seed: int) -> Any:
        """Return a fresh module, drawn from ``seed``, in our precision and in evaluation mode."""
        torch = self._torch
        given = {"n_features": self.n_features, "n_outputs": self.n_outputs}
        asked = inspect.signature(self._factory).parameters
        arguments = {k: v for k, v in given.items() if k in asked} | self._arguments
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                module = self._factory(**arguments)
            except Exception as error:
                raise ConfigError(
                    f"problem.module: {self._name!r} fails with {_told(error)}"
                ) from error
        if not isinstance(module, torch.nn.Module):
            raise ConfigError(
                f"problem.module: {self._name!r} gives a {type(module).__name__}, "
                "wants a torch.nn.Module"
            )
        return module.to(getattr(torch, self.dtype.name)).eval()

    def _try(self) -> None:
        """Refuse a module that cannot take our rows, or not one by one."""
        inputs = self._inputs[:_PROBES]
        probes = np.random.default_rng(0).normal(size=(_PROBES, self.n_features))
        inputs.numpy()[...] = probes
        try:
            together = self._of_loss(self._outputs(inputs))
            alone = [self._of_loss(self._outputs(inputs[i : i + 1])) for i in range(_PROBES)]
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"problem.module: {self._name!r} fails on rows of {self.n_features} features "
                f"with {_told(error)}"
            ) from error
        apart = np.abs(np.concatenate(alone) - together).max()
        if apart > _ROUNDINGS * np.finfo(self.dtype).eps * np.abs(together).max():
            raise ConfigError(
                f"problem.module: {self._name!r} gives a row that stands alone other outputs than "
                f"the same row among {_PROBES}: they differ by {apart:.2g}"
            )


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"problem.name: 'torch' needs PyTorch (extra 'torch' of mpicode): {error}"
        ) from error
    return torch


def _trained(module: Any) -> list[Any]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _told(error: Exception) -> str:
    """Return kind and first line of an exception."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _proportional(weights: Float) -> tuple[Float, int] | None:
    """Return (f, v) with ``weights[u] = f[u] * weights[v]`` up to rounding, None without such."""
    v, place = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    if weights[v, place] == 0.0:
        return np.zeros(len(weights)), 0
    factors: Float = weights[:, place] / weights[v, place]
    rounding = 4 * np.finfo(np.float64).eps * np.abs(weights)
    near = np.abs(weights - factors[:, np.newaxis] * weights[v]) <= rounding
    return (factors, int(v)) if near.all() else None
