from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

def combine(
    coefficients: Sequence[complex] | NDArray[Any],
    vectors: Sequence[NDArray[Any] | None] | NDArray[Any],
    out: NDArray[Any],
    threads: int = 1,
) -> NDArray[Any]: ...
def accumulate(
    coefficient: complex, vector: NDArray[Any] | None, out: NDArray[Any]
) -> NDArray[Any]: ...
def triad(a: NDArray[Any], b: NDArray[Any], s: float, c: NDArray[Any]) -> None: ...
