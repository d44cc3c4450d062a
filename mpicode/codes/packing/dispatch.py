"""In which order rows are sent, so that those sent one after the other tell the most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Decimals of what a row adds: machines whose last digits differ must make the same choice.
DECIMALS = 6


def dispatch_order(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return an order in which each row adds the most to those before it, (n_rows,).

    rows : (n_rows, n_columns), unit rows

    What it adds is its part outside of their span. When no row adds anything, the span begins anew
    with the next. Of rows that add the same the first goes first, and rows of a single column,
    which are decoded as they come, go before all others.
    """
    single = (rows != 0).sum(axis=1) == 1
    order = np.flatnonzero(single).tolist()
    left = np.flatnonzero(~single)
    outside = rows[left].copy()
    while left.size:
        added = np.round(np.square(outside).sum(axis=1), DECIMALS)
        best = int(np.argmax(added))
        if added[best] == 0.0:
            outside = rows[left].copy()
            continue
        direction = outside[best] / np.linalg.norm(outside[best])
        order.append(int(left[best]))
        left = np.delete(left, best)
        outside = np.delete(outside, best, axis=0)
        outside -= np.outer(outside @ direction, direction)
    return np.array(order, dtype=np.intp)
