"""Coding schemes: pure mathematics, no MPI, no files, no clock.

To add a scheme:

1. Write one file in ``codes/gradient/``: a subclass of `GradientCode` with a ``name`` and a
   constructor of keyword-only, annotated parameters that builds ``encoding`` and ``owner``; or one
   in ``codes/data/``: a subclass of `DataCode` that builds ``storage``. The first line of its
   docstring is what ``mpicode codes`` prints.
2. Add one line to ``CODES`` below.
3. Add one small class in ``tests/codes/gradient/`` (``data/``) that subclasses `CodeSuite`
   (`DataCodeSuite`) and names the parameters to try; the suite holds it to its promises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ConfigError
from ..registry import Registry, coerce
from .base import Decoder, Decoding, GradientCode
from .data.berrut import Berrut
from .data.lagrange import Lagrange
from .data.letcc import LeTCC
from .data_code import DataCode, Decoded
from .gradient.bernoulli import Bernoulli
from .gradient.bibd import Bibd
from .gradient.cyclic import Cyclic
from .gradient.cyclic_mds import CyclicMDS
from .gradient.erasure_head import ErasureHead
from .gradient.expander import Expander
from .gradient.fractional_repetition import FractionalRepetition
from .gradient.graph import Graph
from .gradient.ignore_stragglers import IgnoreStragglers
from .gradient.kadhe import Kadhe
from .gradient.lwpd import Lwpd
from .gradient.munim_diagonal import MunimDiagonal
from .gradient.munim_nullspace import MunimNullspace
from .gradient.partial_stragglers import PartialStragglers
from .gradient.reed_solomon import ReedSolomon
from .gradient.s_regular import SRegular
from .gradient.stacked import Stacked
from .gradient.stochastic_block import StochasticBlock
from .gradient.uncoded import Uncoded
from .gradient.ye_abbe import YeAbbe

__all__ = [
    "CODES",
    "DataCode",
    "Decoded",
    "Decoder",
    "Decoding",
    "GradientCode",
    "make",
    "names",
]

CODES: Registry[GradientCode | DataCode] = Registry(
    "code",
    (
        Uncoded,
        IgnoreStragglers,
        FractionalRepetition,
        Cyclic,
        Bibd,
        Graph,
        Expander,
        Bernoulli,
        SRegular,
        StochasticBlock,
        ErasureHead,
        Kadhe,
        MunimDiagonal,
        MunimNullspace,
        Stacked,
        CyclicMDS,
        ReedSolomon,
        PartialStragglers,
        YeAbbe,
        Lwpd,
        Berrut,
        LeTCC,
        Lagrange,
    ),
)


def names(family: str | None = None) -> list[str]:
    """Return the names of all schemes, or of those of a family, ``gradient`` or ``data``."""
    return [name for name, cls in CODES.items() if family in (None, cls.family)]


def make(name: str, *, n_workers: int, seed: int = 0, **parameters: Any) -> GradientCode | DataCode:
    """Build the scheme ``name`` for ``n_workers`` workers.

    Every rank that calls this with the same arguments gets the same code. Raises `ConfigError` for
    an unknown name or parameter, naming the valid ones, and for numbers the scheme cannot serve.
    """
    # A numpy integer out of a loop is as good as a Python one.
    given = {k: v.item() if isinstance(v, np.generic) else v for k, v in parameters.items()}
    return CODES.make(
        name, given, n_workers=_natural(n_workers, "run.n_workers"), seed=_natural(seed, "run.seed")
    )


def _natural(value: Any, key: str) -> int:
    number: int = coerce(value.item() if isinstance(value, np.generic) else value, int, key)
    if number < 0:
        raise ConfigError(f"{key}: must not be negative, got {number}")
    return number
