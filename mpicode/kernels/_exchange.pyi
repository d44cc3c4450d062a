from typing import Any

from numpy.typing import NDArray

def exchange_signs(
    signs: NDArray[Any],
    penalties: NDArray[Any],
    scales: NDArray[Any],
    temperatures: NDArray[Any],
    moves: int,
    seed: int,
) -> NDArray[Any]: ...
