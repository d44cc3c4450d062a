import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.designs import placement
from mpicode.codes.gradient.munim_nullspace import MunimNullspace, harmonic, null_space
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite
from .theorems import pieces, residuals


class TestMunimNullspace(EvenSuite, CodeSuite):
    code = MunimNullspace
    cases = (
        {"n_workers": 2, "n_segments": 1},
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "bibd", "n_segments": 3, "n_blocks": 24},
        {"n_workers": 16, "design": "srg"},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 18, "design": "coset", "load": 4, "n_stragglers": 4},
        {"n_workers": 18, "design": "coset", "load": 4, "frame": "harmonic"},
    )

    def is_even(self, made, case):
        # with the frame of algorithm 1; a sine may be 0
        return made.frame.all() and "frame" not in case


# The last four have n_workers = n_segments * n_blocks, as in the paper.
DESIGNS = {
    "fano": {"n_workers": 7, "design": "bibd"},
    "triples": {"n_workers": 9, "design": "bibd", "n_segments": 3},
    "clebsch": {"n_workers": 16, "design": "srg"},
    "thick": {"n_workers": 20, "design": "biregular", "replication": 5, "n_segments": 4},
    "random": {"n_workers": 40, "design": "biregular", "load": 3, "replication": 6},
    "coset": {"n_workers": 54, "design": "coset", "load": 5},
    "third": {"n_workers": 30, "design": "coset", "load": 2, "n_segments": 3},
    "waves": {"n_workers": 54, "design": "coset", "load": 5, "frame": "harmonic"},
}


@pytest.mark.parametrize("given", DESIGNS.values(), ids=DESIGNS)
def test_all_answers_give_the_exact_sum_by_the_frame(given):
    code = codes.make("munim-nullspace", **given)
    _, held = pieces(code)
    assert_array_equal(held.sum(axis=1), held[0].sum())
    target = np.kron(np.eye(code.n_segments), np.ones(code.n_blocks))
    assert np.abs(code.frame.T @ code.encoding - target).max() <= 1e-12
    assert code.decode(np.ones(code.n_workers, dtype=bool)).residual <= 1e-18


@pytest.mark.parametrize("name", ["random", "coset", "third"])
def test_the_null_space_frame_is_orthogonal_on_the_holders_of_every_block(name):
    code = codes.make("munim-nullspace", **DESIGNS[name])
    dense, held = pieces(code)
    for block, holders in enumerate(held):
        local = code.frame[holders]
        squares = local.T @ local
        assert squares.diagonal().min() > 1e-6
        assert_allclose(squares, np.diag(squares.diagonal()), atol=1e-12 * squares.max())
        # equation 19: v / ||v||^2 on the holders
        assert_allclose(dense[:, block, holders].T, local / squares.diagonal(), atol=1e-12)


@pytest.mark.parametrize("name", ["random", "coset", "third"])
def test_every_set_keeps_the_bound_of_the_row_sums(name):
    found = residuals("munim-nullspace", 20, 8, **DESIGNS[name])
    for code, arrived, residual in zip(*found, strict=True):
        messages = code.encoding[arrived].toarray()
        rows = np.abs(messages @ messages.T).sum(axis=1)
        wanted = messages.reshape(len(messages), code.n_segments, -1).sum(axis=2)
        bound = code.n_segments * code.n_blocks - np.sum(wanted**2 / rows[:, None])
        assert residual <= bound + 1e-9


def test_no_smaller_weights_are_exact_with_the_same_frame():
    code = codes.make("munim-nullspace", **DESIGNS["clebsch"])
    dense, held = pieces(code)
    rng = np.random.default_rng(0)
    for block, holders in enumerate(held):
        weights = dense[:, block, holders]
        # what may be added without a change of the sum lies outside the span of the frame
        free = rng.standard_normal(weights.shape)
        basis = np.linalg.qr(code.frame[holders])[0]
        free -= free @ basis @ basis.T
        assert abs(np.vdot(weights, free)) <= 1e-12


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 1), (7, 2), (8, 2), (9, 3), (12, 4), (10, 10)])
def test_any_rows_of_a_harmonic_frame_are_independent(n, m):
    frame = harmonic(n, m)
    assert_allclose((frame**2).sum(axis=1), m)
    assert_allclose(frame.T @ frame, n * np.eye(m), atol=1e-10)
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = frame[rng.choice(n, m, replace=False)]
        assert np.linalg.svd(rows, compute_uv=False)[-1] > 1e-4


def test_a_design_whose_null_space_misses_a_block_is_refused():
    # Both blocks are on both workers, and what is orthogonal on one is so on the other; the third
    # worker alone could carry the second vector.
    held = np.array([[1, 0, 0, 1], [0, 1, 0, 0]])
    with pytest.raises(ConfigError, match=r"code\.frame: in 20 draws .* take 'harmonic'"):
        null_space(held, 2, np.random.default_rng(0))


def test_the_frame_of_a_seed_is_the_same_everywhere():
    held = placement("coset", 18, 2, None, 4, 0)
    one, other = (null_space(held, 2, np.random.default_rng(5)) for _ in range(2))
    assert_array_equal(one, other)
    # not taken from a basis that another machine would turn
    held = held[::-1]
    assert_allclose(null_space(held, 2, np.random.default_rng(5)), one, atol=1e-10)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_workers": 7, "frame": "null-space"}, r"code\.frame: .* 7 workers, 2 .* and 7 blocks"),
        ({"n_workers": 7, "n_segments": 4}, r"code\.replication: 4 segments need .* got 3"),
        ({"n_workers": 7, "frame": "other"}, r"code\.frame: 'other' is not one of"),
    ],
)
def test_impossible_numbers_are_named(given, said):
    with pytest.raises(ConfigError, match=said):
        codes.make("munim-nullspace", design="bibd", **given)
