from typing import Any

from numpy.typing import NDArray

def mix_slots(
    vectors: NDArray[Any], direction: NDArray[Any], out: NDArray[Any]
) -> NDArray[Any]: ...
