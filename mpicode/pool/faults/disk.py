"""A disk that is full: the one fault that strikes the master."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError


class FullDisk:
    """The disk takes nothing more of the run file once ``iteration`` is done."""

    name = "full-disk"

    def __init__(self, *, key: str, iteration: int, **rest: Any) -> None:
        if iteration < 0:
            raise ConfigError(f"{key}.iteration: must be at least 0, got {iteration}")
        self.iteration = iteration
