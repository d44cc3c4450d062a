"""The model of time of the virtual clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .checks import within


@dataclass(frozen=True)
class Virtual:
    """``[virtual]``: how long things take under the virtual clock (``--simulate``)."""

    seconds_per_row: float = 1e-6
    """Time to compute on one row, with a core to oneself."""
    latency_seconds: float = 50e-6
    """Time from sending a message to its arrival, without its bytes."""
    bytes_per_second: float = 0.0
    """Bandwidth of each worker's link; 0: unlimited."""
    workers_per_node: int = 1
    """More workers than cores share the cores evenly."""
    cores_per_node: int = 1
    """Cores of each node."""
    downlink_bytes_per_second: float | None = None
    """Of what workers are sent, where that is another one than of what they send."""

    def __post_init__(self) -> None:
        for key in ("seconds_per_row", "latency_seconds", "bytes_per_second"):
            within(f"virtual.{key}", getattr(self, key), 0.0, below=math.inf)
        downlink = self.downlink_bytes_per_second
        if downlink is not None:
            within("virtual.downlink_bytes_per_second", downlink, 0.0, below=math.inf)
        within("virtual.workers_per_node", self.workers_per_node, 1)
        within("virtual.cores_per_node", self.cores_per_node, 1)
