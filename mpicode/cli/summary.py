"""The closing summary of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..train import Result


def summary(result: Result) -> list[str]:
    """Return the lines that sum up a run."""
    columns = result.history
    n = result.n_iterations
    lines = [f"mpicode: {result.outcome}"]
    if not n:
        return lines
    seconds, wait = columns["seconds"], columns["wait"]
    losses = columns["loss"][~np.isnan(columns["loss"])]
    loss = f"loss {losses[0]:.6g} -> {losses[-1]:.6g}" if losses.size else "no loss known"
    for column, form in (("test_loss", ".6g"), ("test_accuracy", ".4f")):
        tested = columns[column][~np.isnan(columns[column])]
        if tested.size:
            loss += f", {column.replace('_', ' ')} {tested[-1]:{form}}"
    lines.append(f"  {n} iterations, {loss}")
    lines.append(
        f"  {seconds.sum():.3f} s, {1e3 * np.median(seconds):.3g} ms per iteration (median), "
        f"of which waiting {wait.sum() / max(seconds.sum(), 1e-300):.0%}, "
        f"decoding {columns['decode'].sum() / max(seconds.sum(), 1e-300):.0%}"
    )
    decoding = _decoding(columns)
    if decoding:
        lines.append(f"  decoding: {decoding}")
    else:
        used, stale = int(columns["n_arrived"].sum()), int(columns["n_stale"].sum())
        lines.append(f"  messages: {used} used one by one; {stale} were of older parameters")
    divided = columns["shrinkage"][columns["shrinkage"] != 1.0]
    if divided.size:
        least, most = f"{divided.min():.4f}", f"{divided.max():.4f}"
        alpha = least if least == most else f"{least} to {most}"
        lines.append(f"  step correction: {divided.size} inexact sums divided by alpha = {alpha}")
    n_empty = int(np.count_nonzero(columns["n_arrived"] == 0))
    if n_empty:
        lines.append(f"  no step: nothing arrived by the deadline of {n_empty} iterations")
    if result.path is not None and decoding:
        from ..results import read_run, waiting_avoided

        avoided = waiting_avoided(read_run(result.path))
        lines.append(f"  waiting avoided: {avoided:.3f} s for the answers that came too late")
    if result.uncoded_delay > 0.0:
        lines.append(
            f"  waiting for every worker, the injected delays alone would have taken "
            f"{result.uncoded_delay:.3f} s"
        )
    if result.checkpoint is not None and not result.complete:
        lines.append(f"  checkpoint: {result.checkpoint}; --resume goes on from there")
    if result.path is not None:
        lines.append(f"  run file: {result.path}")
    return lines


def _decoding(columns: Mapping[str, NDArray[np.float64]]) -> str:
    """Return how good the sums were, as far as the code knows."""
    parts = []
    residual, lebesgue = _largest(columns["residual"]), _largest(columns["lebesgue"])
    if lebesgue is not None:
        parts.append(f"Lebesgue constant up to {lebesgue:.3g}")
        if residual is not None:
            parts.append(f"answers agree to {residual:.3g}")
    elif residual is not None:
        exact = residual < 1e-16
        parts.append("exact in every iteration" if exact else f"residual up to {residual:.3g}")
    amplification = _largest(columns["amplification"])
    if amplification is not None:
        parts.append(f"amplification up to {amplification:.3g}")
    return ", ".join(parts)


def _largest(column: NDArray[np.float64]) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.max()) if known.size else None
