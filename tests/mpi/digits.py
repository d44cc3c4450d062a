"""Training on the digits: configurations, and the same descent in one process, written out."""

from pathlib import Path

import h5py
import numpy as np
import tomli_w

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "data" / "digits.h5"
N_SAMPLES = 1797
STEP_SIZE = 0.5
L2 = 1e-3
ITERATIONS = 30


def write_config(folder, name="run", **tables):
    """Write ``NAME.toml``: softmax on the digits, 4 workers, what ``tables`` say put over it.

    A table that is None is left out.
    """
    config = {
        "data": {"path": str(DIGITS)},
        "problem": {"name": "softmax", "l2": L2},
        # workers 0 and 1 hold the same blocks, and so do 2 and 3
        "code": {"name": "fractional-repetition", "n_stragglers": 1, "spread": False},
        "optimizer": {"name": "gradient-descent", "step_size": STEP_SIZE},
        "run": {"n_workers": 4, "iterations": ITERATIONS},
        "output": {"path": str(folder / f"{name}.h5"), "flush_seconds": 0.0},
    }
    for table, keys in tables.items():
        if keys is None:
            del config[table]
        else:
            whole = table in ("code", "delays")
            config[table] = keys if whole else {**config.get(table, {}), **keys}
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(config))
    return path


def descend(iterations=ITERATIONS, weights=None):
    """Return the parameters, (650,), after so many steps of gradient descent.

    ``weights(iteration)``, (n_samples,), replaces the equal weights of all rows.
    """
    with h5py.File(DIGITS) as file:
        X, y = np.asarray(file["X"], dtype=float), np.asarray(file["y"])
    n = len(y)
    W, b = np.zeros((X.shape[1], 10)), np.zeros(10)
    target = np.eye(10)[y]
    for iteration in range(iterations):
        w = np.full(n, 1 / n) if weights is None else weights(iteration)
        z = X @ W + b
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        residual = w[:, None] * (p - target)
        b = b - STEP_SIZE * residual.sum(axis=0)
        W = W - STEP_SIZE * (X.T @ residual + L2 * W)
    return np.concatenate([W.ravel(), b])


def distance(x, reference):
    """Return the relative distance of two vectors."""
    return np.linalg.norm(x - reference) / np.linalg.norm(reference)
