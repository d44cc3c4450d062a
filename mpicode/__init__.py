"""Coded distributed gradient descent over MPI.

Importing the package is light: neither mpi4py nor h5py nor scipy is loaded before something needs
it.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "codes": ("mpicode.codes", None),
    "problems": ("mpicode.problems", None),
    "optimizers": ("mpicode.optimizers", None),
    "kernels": ("mpicode.kernels", None),
    "run": ("mpicode.train", "run"),
    "infer": ("mpicode.train", "infer"),
    "open_run": ("mpicode.results", "open_run"),
    "Config": ("mpicode.config", "Config"),
    "WorkerPool": ("mpicode.pool", "WorkerPool"),
    "CodedWorkers": ("mpicode.train", "CodedWorkers"),
    "MpicodeError": ("mpicode.errors", "MpicodeError"),
    "ConfigError": ("mpicode.errors", "ConfigError"),
    "DataError": ("mpicode.errors", "DataError"),
    "GaveUp": ("mpicode.errors", "GaveUp"),
    "NotDecodable": ("mpicode.errors", "NotDecodable"),
    "WorkerFailed": ("mpicode.errors", "WorkerFailed"),
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    try:
        module, attribute = _LAZY[name]
    except KeyError:
        raise AttributeError(f"module 'mpicode' has no attribute {name!r}") from None
    value = importlib.import_module(module)
    if attribute is not None:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
