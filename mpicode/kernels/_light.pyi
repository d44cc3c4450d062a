from typing import Any

from numpy.typing import NDArray

def innovate(
    row: NDArray[Any], codeword: NDArray[Any], gain: NDArray[Any], state: NDArray[Any]
) -> float: ...
def innovate_step(
    row: NDArray[Any],
    codeword: NDArray[Any],
    gain: NDArray[Any],
    state: NDArray[Any],
    move: NDArray[Any],
    step: float,
    x: NDArray[Any],
) -> float: ...
