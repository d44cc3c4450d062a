from typing import Any

from numpy.typing import NDArray

def frame_energy(
    values: NDArray[Any],
    starts: NDArray[Any],
    left: NDArray[Any],
    right: NDArray[Any],
    power: int,
    gradient: NDArray[Any],
) -> float: ...
def sphere_step(
    values: NDArray[Any],
    row_starts: NDArray[Any],
    gradient: NDArray[Any],
    length: float,
    floor: float,
    out: NDArray[Any],
) -> float: ...
