"""The closing summary of a run."""

from __future__ import annotations

import numpy as np

from ..train import Result


def summary(result: Result) -> list[str]:
    """Return the lines that sum up a run."""
    columns = result.history
    n = result.n_iterations
    lines = [f"mpicode: {result.outcome}"]
    if not n:
        return lines
    seconds, wait = columns["seconds"], columns["wait"]
    loss = f"loss {columns['loss'][0]:.6g} -> {columns['loss'][-1]:.6g}"
    tested = columns["test_accuracy"][~np.isnan(columns["test_accuracy"])]
    if tested.size:
        loss += f", test accuracy {tested[-1]:.4f}"
    lines.append(f"  {n} iterations, {loss}")
    lines.append(
        f"  {seconds.sum():.3f} s, {1e3 * np.median(seconds):.3g} ms per iteration (median), "
        f"of which waiting {wait.sum() / max(seconds.sum(), 1e-300):.0%}, "
        f"decoding {columns['decode'].sum() / max(seconds.sum(), 1e-300):.0%}"
    )
    residual = columns["residual"].max()
    lines.append(
        f"  decoding: {'exact in every iteration' if residual < 1e-16 else f'residual up to {residual:.3g}'}, "
        f"amplification up to {columns['amplification'].max():.3g}"
    )
    if result.path is not None:
        from ..results import read_run, waiting_avoided

        avoided = waiting_avoided(read_run(result.path))
        lines.append(
            f"  waiting avoided by the code: at least {avoided:.3f} s "
            f"(waiting for every worker would have taken {seconds.sum() + avoided:.3f} s)"
        )
        lines.append(f"  run file: {result.path}")
    return lines
