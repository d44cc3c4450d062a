from typing import Any

from numpy.typing import NDArray

def csr_transpose_segments(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    residual: NDArray[Any],
    weights: NDArray[Any],
    length: int,
    out: NDArray[Any],
) -> NDArray[Any]: ...
