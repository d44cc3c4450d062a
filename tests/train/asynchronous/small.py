"""Small losses whose constants are known, delays by a script, and descents over given rows."""

import numpy as np
from scipy.optimize import minimize

from mpicode import codes, optimizers, problems
from mpicode.pool.delays import Delay
from mpicode.train.asynchronous.descents import Direct
from mpicode.train.asynchronous.light import generation_of

N_FEATURES, N_ROWS, N_WORKERS = 12, 60, 6


class Quadratic:
    """F(w) = 1/2 mean (X w - y)^2."""

    name = "least-squares"

    def __init__(self, seed, even=False):
        rng = np.random.default_rng([seed, 1])
        self.X = rng.standard_normal((N_ROWS, N_FEATURES))
        if not even:
            self.X *= np.geomspace(0.1, 1, N_FEATURES)
        self.y = self.X @ rng.standard_normal(N_FEATURES) + 0.3 * rng.standard_normal(N_ROWS)
        self.hessian = self.X.T @ self.X / N_ROWS
        self.least, *_, self.beta = np.linalg.eigvalsh(self.hessian)
        self.lowest = self(np.linalg.lstsq(self.X, self.y)[0])

    def __call__(self, w):
        return 0.5 * np.mean((self.X @ w - self.y) ** 2)

    def gradient(self, w):
        return self.X.T @ (self.X @ w - self.y) / N_ROWS


class Logistic:
    """The mean logistic loss of labels that no plane tells apart."""

    name = "logistic"

    def __init__(self, seed):
        rng = np.random.default_rng([seed, 2])
        self.X = rng.standard_normal((N_ROWS, N_FEATURES)) * np.geomspace(0.3, 1, N_FEATURES)
        slope = 2 * rng.standard_normal(N_FEATURES)
        self.y = (rng.random(N_ROWS) < 1 / (1 + np.exp(-self.X @ slope))).astype(np.int64)
        self.beta = np.linalg.eigvalsh(self.X.T @ self.X)[-1] / (4 * N_ROWS)
        self.lowest = minimize(self, np.zeros(N_FEATURES), jac=self.gradient, tol=1e-12).fun

    def __call__(self, w):
        z = self.X @ w
        return np.mean(np.logaddexp(0.0, z) - self.y * z)

    def gradient(self, w):
        with np.errstate(over="ignore"):
            return self.X.T @ (1 / (1 + np.exp(-self.X @ w)) - self.y) / N_ROWS


class Scripted(Delay):
    """Seconds read off a table, (n_workers, n), by the version asked about."""

    name = "scripted"

    def __init__(self, table):
        self._table = table

    def seconds(self, worker, iteration, now, load):
        return float(self._table[worker, iteration % self._table.shape[1]])


def delays(kind, seed=0):
    rng = np.random.default_rng([seed, 3])
    if kind == "alike":  # all of the age n_workers - 1
        return Scripted(np.ones((N_WORKERS, 1)))
    if kind == "uneven":
        return Scripted(np.geomspace(1, 20, N_WORKERS)[:, np.newaxis])
    return Scripted(rng.pareto(1.1, (N_WORKERS, 500)) + 0.1)


def order_of(loss):
    made = problems.make(
        loss.name,
        {"intercept": False},
        n_features=N_FEATURES,
        n_classes=2 if loss.name == "logistic" else 0,
        task="binary" if loss.name == "logistic" else "regression",
    )
    order = made.slices(4)
    return np.arange(N_FEATURES) if order is None else order


def direct(rows, length, step_size, x, make=Direct):
    """A descent over given unit rows."""
    n, k = rows.shape
    code = codes.GradientCode(rows, np.zeros(n, dtype=int), n_workers=1, n_blocks=1, n_segments=k)
    optimizer = optimizers.make("gradient-descent", {"step_size": step_size}, n_parameters=x.size)
    return make(x.reshape(k, length), x.size, generation_of(code).messages, optimizer, None, 1)
