"""From what a source calls its labels to what a dataset file holds in ``y``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError

MOST_CLASSES = 10_000


def number(text: Any) -> float | None:
    """Return the number a cell says, None if it says none."""
    try:
        return float(text)
    except ValueError:
        return None


def _shown(label: Any) -> str:
    return f"{label:.15g}" if isinstance(label, float) else str(label)


class Labels:
    """Maps raw labels (numbers, or text in a CSV) to ``y``.

    regression: the numbers themselves. binary: -1/+1, 0/1 or any two values, the smaller is 0.
    multiclass: the distinct values in rising order become 0 to n_classes - 1; with ``classes``
    given, these, in this order, and nothing else. ``threshold`` makes numbers binary: 1 where
    above it.

    `see` every raw label once, `settle`, then `apply`.
    """

    def __init__(
        self,
        task: str,
        *,
        classes: Sequence[str] | None = None,
        threshold: float | None = None,
    ) -> None:
        if threshold is not None and task != "binary":
            raise ConfigError(f"--threshold makes binary labels, but --task is {task}")
        if classes is not None and (task == "regression" or threshold is not None):
            raise ConfigError("--classes goes with labels that are classes, not with numbers")
        self.task, self.threshold = task, threshold
        self.n_classes = 0
        self.names: list[str] | None = None
        self._given = None if classes is None else list(classes)
        self._seen: set[Any] = set()
        self._index: dict[Any, int] = {}

    @property
    def numeric(self) -> bool:
        """Whether raw labels must be numbers."""
        return self.task == "regression" or self.threshold is not None

    def see(self, values: Iterable[Any], where: str) -> None:
        """Take note of raw labels; ``where`` names their file in an error."""
        if self.numeric:
            return
        self._seen.update(values)
        if len(self._seen) > MOST_CLASSES:
            raise DataError(
                f"{where}: more than {MOST_CLASSES} distinct labels; is the task regression?"
            )

    def settle(self, where: str) -> None:
        """Fix the classes from all labels seen."""
        if self.task == "regression":
            return
        if self.threshold is not None:
            self.n_classes = 2
            return
        numbers = {raw: number(raw) for raw in self._seen}
        numeric = None not in numbers.values()
        # "1" and "1.0" are one class when all are numbers.
        keys: dict[Any, Any] = numbers if numeric else {raw: str(raw) for raw in self._seen}
        ordered = self._order(set(keys.values()), numeric, where)
        place = {key: i for i, key in enumerate(ordered)}
        self._index = {raw: place[key] for raw, key in keys.items()}
        self.n_classes = len(ordered)
        if ordered != list(range(len(ordered))):
            self.names = [_shown(key) for key in ordered]

    def _order(self, found: set[Any], numeric: bool, where: str) -> list[Any]:
        if numeric and not all(np.isfinite(list(found))):
            raise DataError(f"{where}: a label is NaN or infinite")
        if self._given is not None:
            given = [number(c) if numeric else c for c in self._given]
            unknown = sorted(_shown(label) for label in found.difference(given))
            if unknown:
                raise DataError(
                    f"{where}: label {unknown[0]} is not one of the classes {self._given}"
                )
            return given
        if self.task == "multiclass":
            if len(found) < 2:
                raise DataError(f"{where}: {len(found)} distinct label, at least 2 were due")
            return sorted(found)
        for usual in ([0.0, 1.0], [-1.0, 1.0]):
            if numeric and found.issubset(usual):
                return usual
        if len(found) != 2:
            raise DataError(f"{where}: {len(found)} distinct labels, a binary task has 2")
        return sorted(found)

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return y of raw labels (n,): float64 for regression, else int64."""
        if self.task == "regression":
            return values.astype(np.float64)
        if self.threshold is not None:
            return (values > self.threshold).astype(np.int64)
        distinct, inverse = np.unique(values, return_inverse=True)
        codes = np.array([self._index[raw] for raw in distinct.tolist()], np.int64)
        return codes[inverse]
