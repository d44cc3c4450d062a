from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

def combine_segments(
    coefficients: NDArray[Any],
    vectors: Sequence[NDArray[Any] | None] | NDArray[Any],
    out: NDArray[Any],
    threads: int = 1,
) -> NDArray[Any]: ...
