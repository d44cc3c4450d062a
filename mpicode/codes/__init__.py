"""Coding schemes: pure mathematics, no MPI, no files, no clock.

To add a scheme, write one file in ``codes/gradient/`` with a subclass of `GradientCode` that has a
``name`` and a constructor of keyword-only, annotated parameters, which builds ``encoding`` and
``owner``; add one line to ``CODES`` below; and add one small class to ``tests/codes/gradient/`` that
subclasses `CodeSuite` and names the parameters to try. The first line of the class docstring is what
``mpicode codes`` prints.
"""

from __future__ import annotations

from typing import Any

from mpicode.registry import Registry

from .base import Decoder, Decoding, GradientCode
from .gradient.cyclic import Cyclic
from .gradient.fractional_repetition import FractionalRepetition
from .gradient.ignore_stragglers import IgnoreStragglers
from .gradient.uncoded import Uncoded

__all__ = ["CODES", "Decoder", "Decoding", "GradientCode", "make", "names"]

CODES: Registry[GradientCode] = Registry(
    "code",
    (
        Uncoded,
        IgnoreStragglers,
        FractionalRepetition,
        Cyclic,
    ),
)


def names() -> list[str]:
    """Return the names of all schemes."""
    return list(CODES)


def make(name: str, *, n_workers: int, seed: int = 0, **parameters: Any) -> GradientCode:
    """Build the scheme ``name`` for ``n_workers`` workers.

    Every rank that calls this with the same arguments gets the same code. Raises `ConfigError` for
    an unknown name or parameter, naming the valid ones, and for numbers the scheme cannot serve.
    """
    return CODES.make(name, parameters, n_workers=n_workers, seed=seed)
