from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

def modular_combine(
    coefficients: NDArray[Any],
    vectors: Sequence[NDArray[Any] | None] | NDArray[Any],
    prime: int,
    out: NDArray[Any],
) -> NDArray[Any]: ...
def modular_dot(
    X: NDArray[Any], x: NDArray[Any], prime: int, out: NDArray[Any]
) -> NDArray[Any]: ...
def modular_transpose_dot(
    X: NDArray[Any], residual: NDArray[Any], prime: int, out: NDArray[Any]
) -> NDArray[Any]: ...
