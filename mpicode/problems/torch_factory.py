"""The one door to PyTorch: modules made by a function that the configuration names."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..errors import ConfigError
from .imported import imported


def load_torch() -> Any:
    """Return the package, told to use one thread: cores are for ranks."""
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"problem.name: 'torch' needs PyTorch (extra 'torch' of mpicode): {error}"
        ) from error
    torch.set_num_threads(1)
    return torch


def trained(module: Any) -> list[Any]:
    """Return the parameters of a module that require a gradient."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


class TorchFactory:
    """Makes modules that map rows (n_rows, n_features) to (n_rows, n_outputs).

    name       : ``package.module:factory``
    arguments  : what it is called with; it is also given ``n_features`` and ``n_outputs`` if it has
                 parameters of these names
    """

    def __init__(
        self,
        torch: Any,
        name: str,
        arguments: dict[str, Any],
        *,
        n_features: int,
        n_outputs: int,
        dtype: np.dtype[Any],
    ) -> None:
        self.name = name
        self.dtype = getattr(torch, dtype.name)
        self._torch = torch
        self._factory = imported(name, "problem.module", "factory")
        if not callable(self._factory):
            raise ConfigError(f"problem.module: {name!r} is no function or class")
        given = {"n_features": n_features, "n_outputs": n_outputs}
        asked = self.guarded("", inspect.signature, self._factory).parameters
        self._arguments = {k: v for k, v in given.items() if k in asked} | arguments

    def __call__(self, seed: int) -> Any:
        """Return a fresh module, drawn from ``seed``, in our precision and in evaluation mode."""
        torch = self._torch
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self.guarded("", self._factory, **self._arguments)
        if not isinstance(module, torch.nn.Module):
            raise ConfigError(
                f"problem.module: {self.name!r} gives a {type(module).__name__}, "
                "wants a torch.nn.Module"
            )
        return module.to(self.dtype).eval()

    def guarded(self, where: str, function: Any, *positional: Any, **arguments: Any) -> Any:
        """Call the user's ``function``; an exception becomes one line, a `ConfigError`."""
        try:
            return function(*positional, **arguments)
        except Exception as error:
            lines = str(error).strip().splitlines()
            told = ": ".join([type(error).__name__, *lines[:1]])
            raise ConfigError(
                f"problem.module: {self.name!r} fails{where and ' ' + where} with {told}"
            ) from error
