from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from mpicode.results import RunWriter

SYNTHETIC = runpy.run_path(str(Path(__file__).parents[1] / "results" / "synthetic.py"))


@pytest.fixture
def write_run() -> Callable[..., RunWriter]:
    return SYNTHETIC["write_run"]
