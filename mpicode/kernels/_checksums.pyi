from typing import Any

from numpy.typing import NDArray

def fletcher32(data: NDArray[Any]) -> int: ...
