"""What a coded dataset is, in a few lines or as JSON; reading all of it to say what is wrong."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import DataError
from .check import BLOCK_BYTES, MOST_PROBLEMS
from .coded import CodedBlock, open_coded
from .coded_layout import block_name
from .progress import Progress


def describe_coded(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the facts of a coded dataset; the workers' files are not opened."""
    with open_coded(folder) as coded:
        files = [coded.path, *(coded.folder / block_name(w) for w in range(coded.index.n_workers))]
        there = [file for file in files if file.exists()]
        return {
            "path": str(coded.folder),
            **asdict(coded.index),
            "n_missing": len(files) - len(there),
            "bytes": sum(file.stat().st_size for file in there),
        }


def summary_coded(facts: dict[str, Any]) -> str:
    """Return the facts as lines for people."""
    masks = f" and {facts['n_masks']} of masks" if facts["n_masks"] else ""
    parameters = ", ".join(f"{key} = {value}" for key, value in facts["parameters"].items())
    task = facts["task"] + (f", {facts['n_classes']} classes" if facts["n_classes"] else "")
    padding = f", {facts['n_padding']} places without a sample" if facts["n_padding"] else ""
    missing = f", {facts['n_missing']} files missing" if facts["n_missing"] else ""
    lines = {
        "code": f"{facts['code']} ({parameters})" if parameters else facts["code"],
        "workers": f"{facts['n_workers']:,}, of {facts['n_blocks']} blocks of data{masks}",
        "block": f"{facts['n_slots']:,} x {facts['n_features']:,} features ({facts['dtype']})",
        "rows": f"{facts['n_samples']:,}, order {facts['order']}{padding}",
        "task": task,
        "size": f"{facts['bytes'] / 1e6:,.1f} MB in {facts['n_workers'] + 1} files{missing}",
        "dataset": facts["fingerprint"],
        "encoding": facts["encoding"],
    }
    if facts["n_masks"]:
        scales = f"Gaussian, standard deviation {facts['mask_x']:.3g} (Y: {facts['mask_y']:.3g})"
        lines["masks"] = "uniform on the field" if facts["prime"] else scales
    if facts["prime"]:
        lines["field"] = (
            f"modulo {facts['prime']}, {facts['x_bits']} bits of fraction (Y: {facts['y_bits']})"
        )
    return "\n".join([facts["path"], *(f"  {key:14} {text}" for key, text in lines.items())])


def check_coded(folder: str | os.PathLike[str]) -> list[str]:
    """Return what is wrong with a coded dataset, at most `MOST_PROBLEMS` lines.

    Every number of every file is read. Raises `DataError` where the index cannot be read.
    """
    problems: list[str] = []
    with open_coded(folder) as coded:
        index = coded.index
        total = index.n_workers * index.n_slots
        with Progress(f"checking {coded.folder.name}", total, "slots") as progress:
            try:
                _check_order(coded.samples, index.n_slots, index.n_samples, index.n_blocks)
            except DataError as error:
                problems.append(f"{coded.path}: {error}")
            for worker in range(index.n_workers):
                try:
                    with coded.block(worker) as block:
                        problems += _check_block(block)
                except DataError as error:
                    problems.append(str(error))
                progress.at((worker + 1) * index.n_slots)
                if len(problems) >= MOST_PROBLEMS:
                    break
    return problems[:MOST_PROBLEMS]


def _check_order(samples: Any, n_slots: int, n_samples: int, n_blocks: int) -> None:
    """Raise `DataError` unless each sample is in one place."""
    seen, n_there = np.zeros(n_samples, bool), 0
    step = max(BLOCK_BYTES // (8 * n_blocks), 1)
    for start in range(0, n_slots, step):
        found = samples(start, min(start + step, n_slots))
        there = found[found >= 0]
        seen[there] = True
        n_there += len(there)
    if not seen.all():
        raise DataError(f"order: sample {int(np.argmin(seen))} is in no place")
    if n_there != n_samples:
        raise DataError(f"order: {n_there} places have samples, of which there are {n_samples}")


def _check_block(block: CodedBlock) -> list[str]:
    """Return what is wrong with the numbers of a worker's file."""
    problems = []
    step = max(BLOCK_BYTES // max(block.nbytes(0, 1), 1), 1)
    for start in range(0, block.n_slots, step):
        try:
            arrays = block.read(start, min(start + step, block.n_slots))
        except DataError as error:
            problems.append(str(error))
            continue
        for name, values in zip(("X", "Y"), arrays, strict=True):
            for row, column in np.argwhere(~np.isfinite(values))[:MOST_PROBLEMS].tolist():
                value = values[row, column]
                problems.append(
                    f"{block.path}: {name}, slot {start + row}, column {column}: {value}"
                )
    return problems
