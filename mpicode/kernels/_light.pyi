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
def finite_square(vector: NDArray[Any]) -> float: ...

class LightSteps:
    def __init__(
        self,
        x: NDArray[Any],
        moves: NDArray[Any],
        state: NDArray[Any] | None = None,
        rows: NDArray[Any] | None = None,
        gains: NDArray[Any] | None = None,
    ) -> None: ...
    def take(self, message: int, codeword: NDArray[Any], step: float) -> float: ...
