"""Small data and configurations that many tests train on."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpicode.datasets import DatasetWriter, Meta, Shape

DIGITS = Path(__file__).parents[1] / "data" / "digits.h5"
_MPI = Path(__file__).parent / "mpi"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Make two lanes for ``-n 2 --dist loadgroup``: of two MPI jobs at once, each is far slower."""
    for item in items:
        lane = "mpi" if _MPI in item.path.parents else "rest"
        item.add_marker(pytest.mark.xdist_group(lane))


@pytest.fixture(autouse=True, scope="session")
def signals_are_heard() -> None:
    """Started in the background, this process ignores Ctrl-C, and so would all that it starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@pytest.fixture
def digits() -> str:
    """The path of the handwritten digits: 1,797 dense rows of 64 features, 10 classes."""
    return str(DIGITS)


@pytest.fixture
def write_data(tmp_path: Path) -> Callable[..., str]:
    """Write rows, dense or CSR, to a dataset file and return its path; y of floats: regression."""

    def write(X: Any, y: np.ndarray, name: str = "data.h5", n_classes: int = 3) -> str:
        if y.dtype.kind == "f":
            task, n_classes = "regression", 0
        else:
            task = "binary" if n_classes == 2 else "multiclass"
        dense = isinstance(X, np.ndarray)
        shape = Shape(X.shape[0], X.shape[1], X.dtype.name, not dense)
        path = tmp_path / name
        with DatasetWriter(path, shape, Meta(task, n_classes, "made here", "CC0-1.0")) as writer:
            writer.append(X, y)
        return str(path)

    return write


@pytest.fixture
def tables(digits: str) -> Callable[..., dict[str, Any]]:
    """Nested tables of a configuration: gradient descent on the digits; hand over what differs."""

    def make(**changes: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "data": {"path": digits},
            "problem": {"name": "softmax", "l2": 1e-3},
            "optimizer": {"name": "gradient-descent", "step_size": 0.5},
            "run": {"n_workers": 4, "iterations": 5},
        }
        for name, table in changes.items():
            same_part = table.get("name") in (None, made.get(name, {}).get("name"))
            made[name] = {**(made.get(name, {}) if same_part else {}), **table}
        return made

    return make


@pytest.fixture
def no_clock() -> Callable[[pytest.MonkeyPatch], None]:
    """Make every real clock, and every real sleep, an error from here on."""

    def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
        def real(*arguments: Any) -> None:
            raise AssertionError("a real clock was read")

        for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time"):
            monkeypatch.setattr(time, name, real)
            monkeypatch.setattr(time, f"{name}_ns", real)
        monkeypatch.setattr(time, "sleep", real)

    return forbid
