from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mpicode.results import RunWriter

SYNTHETIC = runpy.run_path(str(Path(__file__).parents[1] / "results" / "synthetic.py"))


@pytest.fixture
def write_run() -> Callable[..., RunWriter]:
    return SYNTHETIC["write_run"]


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[RunWriter], Path]:
    """Return a copy of what a crash would leave: of its own file HDF5 reads what is in memory."""
    return lambda writer: shutil.copy(writer.part, tmp_path / "left.h5.part")
