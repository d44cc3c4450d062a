"""Parameters cut into segments and joined again."""

import numpy as np
import pytest

from mpicode import codes, problems
from mpicode.train.asynchronous.parameters import Order
from mpicode.train.segments import Segments

K = 4


@pytest.mark.parametrize("k", [1, K, 1000])
@pytest.mark.parametrize(
    "sizes",
    [(9, [3], 2), (9, [K], 3), (9, [11], 3), (8, [8], 4), (5, [], 1), (1, [1], 2), (300, [64], 5)],
    ids=str,
)
def test_cutting_and_joining_gives_the_same_bits_and_padding_is_0(sizes, k):
    """Layers with fewer outputs than segments, as many, more; fewer parameters than segments.

    The last has numbers that stay side by side, and is joined run by run for ``K`` segments.
    """
    n_features, hidden, n_outputs = sizes
    problem = problems.make(
        "mlp",
        {"hidden": hidden},
        n_features=n_features,
        n_classes=max(2, n_outputs),
        task="multiclass" if n_outputs > 1 else "binary",
    )
    code = codes.make("lwpd", n_workers=2, n_segments=k, variant="identity")
    order = Order(Segments.of(code, problem, np.float64))
    own = np.random.default_rng(0).standard_normal(problem.n_parameters)
    own[::3] = -0.0
    cut = order.cut(own)
    assert cut.shape == (k, -(-own.size // k))
    assert not cut.reshape(-1)[own.size :].any()
    back = order.join(order.flat(cut), np.full_like(own, np.nan))
    assert back.tobytes() == own.tobytes()
