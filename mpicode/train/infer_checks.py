"""What the outputs of an inference are worth, beside the labels and the uncoded function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import Dataset
from .blocks import all_rows
from .infer_setup import InferSetup


def compare(setup: InferSetup, values: NDArray[np.float64]) -> dict[str, float]:
    """Return ``accuracy`` or ``rmse`` beside the labels, and what `infer.check` asks for.

    values : (n_samples, n_outputs); of blocks there is nothing to compare
    """
    dataset = setup.dataset
    assert dataset is not None
    if setup.per_block:
        return {}
    found: dict[str, float] = {}
    every = round(1 / setup.table.check) if setup.table.check else 0
    right = squared = deviation = 0.0
    agreed = checked = first = 0
    for rows in all_rows(dataset, np.dtype(setup.config.run.dtype)):
        own = values[first : first + len(rows.y)]
        if dataset.task == "regression":
            squared += float(np.sum((own[:, 0] - rows.y) ** 2))
        else:
            right += np.count_nonzero(predicted(own) == rows.y)
        if every:
            wanted = np.flatnonzero((first + np.arange(len(rows.y))) % every == 0)
            X: Any = rows.X
            uncoded = np.asarray(setup.function(setup.payload, X[wanted].astype(setup.dtype)))
            uncoded = uncoded.reshape(len(wanted), -1).real
            deviation += float(np.sum((own[wanted] - uncoded) ** 2))
            checked += len(wanted)
            agreed += int(np.count_nonzero(predicted(own[wanted]) == predicted(uncoded)))
        first += len(rows.y)
    if _has_labels(dataset, values.shape[1]):
        n = dataset.n_samples
        if dataset.task == "regression":
            found["rmse"] = float(np.sqrt(squared / n))
        else:
            found["accuracy"] = float(right / n)
    if checked:
        found["checked"] = float(checked)
        if dataset.task != "regression":
            found["agreement"] = agreed / checked
        found["deviation"] = float(np.sqrt(deviation / (checked * values.shape[1])))
    return found


def predicted(outputs: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the class of the largest output; of one output whether it is above 0."""
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > 0).astype(np.intp)
    largest: NDArray[np.intp] = outputs.argmax(axis=1)
    return largest


def _has_labels(dataset: Dataset, n_outputs: int) -> bool:
    """Return whether the outputs can be taken for predictions of the labels."""
    wanted = {"regression": (1,), "binary": (1, 2), "multiclass": (dataset.n_classes,)}
    return n_outputs in wanted[dataset.task]
