from typing import Any

from numpy.typing import NDArray

def logistic_residual(
    z: NDArray[Any], y: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]
) -> float: ...
def softmax_residual(
    z: NDArray[Any], y: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]
) -> float: ...
