"""What `mpicode infer` evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError
from .checks import within


@dataclass(frozen=True)
class Infer:
    """``[infer]``: what ``mpicode infer`` evaluates on all rows of ``data.path``."""

    function: str | None = None
    """``module:function`` from rows, (n_rows, n_features), to outputs, (n_rows, n_outputs), that
    every rank can import; absent: the outputs of ``[problem]``."""
    parameters: str | None = None
    """Run file with the problem's parameters; absent: those it begins with."""
    per: Literal["sample", "block"] = "sample"
    """What the function is of: each row by itself, or a whole block."""
    batch_size: int | None = None
    """Rows per round, over all blocks together; absent: as many as keep messages near 8 MB."""
    check: float = 0.0
    """Share of the rows whose outputs the master computes too, uncoded, to compare."""
    target_error: float | None = None
    """Of an approximate code: decode anew with each answer, and end the round once the estimated
    error, root mean square over its outputs, is at most this."""

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            within("infer.batch_size", self.batch_size, 1)
        within("infer.check", self.check, 0.0, below=1.0000001)
        if self.target_error is not None:
            within("infer.target_error", self.target_error, 0.0)
        if self.function is not None and self.parameters is not None:
            raise ConfigError(
                "infer.parameters: are the problem's, cannot be given with a function"
            )
        if self.per == "block" and self.function is None:
            raise ConfigError("infer.per: 'block' wants a function; [problem] has outputs per row")
