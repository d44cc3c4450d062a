import numpy as np
import pytest


def light_rows(n, k, weight, seed=0):
    """Unit rows of one weight, signs and sizes at random, every segment in some row."""
    rng = np.random.default_rng([seed, n, k, weight])
    rows = np.zeros((n, k))
    for i, row in enumerate(rows):
        others = rng.permutation(np.delete(np.arange(k), i % k))[: weight - 1]
        support = np.append(others, i % k)
        row[support] = rng.choice([-1.0, 1.0], weight) * rng.uniform(0.5, 1.0, weight)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def rows():
    return light_rows(24, 12, 4)


@pytest.fixture
def segments():
    """G, (k, L)."""
    return np.random.default_rng(7).standard_normal((12, 31))
