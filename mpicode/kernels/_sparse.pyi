from typing import Any

from numpy.typing import NDArray

def csr_dot(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    x: NDArray[Any],
    out: NDArray[Any],
) -> NDArray[Any]: ...
def csr_transpose_accumulate(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    residual: NDArray[Any],
    out: NDArray[Any],
) -> NDArray[Any]: ...
