import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes import GradientCode
from mpicode.codes.gradient.munim_diagonal import MunimDiagonal
from mpicode.errors import ConfigError

from ..even import EvenSuite
from ..suite import CodeSuite
from .theorems import DESIGNS, pieces, residuals, standard_error


class TestMunimDiagonal(EvenSuite, CodeSuite):
    code = MunimDiagonal
    cases = (
        {"n_workers": 1, "n_segments": 1, "n_stragglers": 0},
        {"n_workers": 7, "design": "bibd", "n_stragglers": 2},
        {"n_workers": 9, "design": "bibd", "n_segments": 3, "n_blocks": 24, "epsilon": 0.5},
        {"n_workers": 10, "design": "srg", "load": 3, "n_segments": 1, "n_blocks": 20},
        {"n_workers": 16, "design": "srg", "epsilon": 0.1, "seed": 4},
        {"n_workers": 12, "design": "biregular", "load": 2, "replication": 4},
        {"n_workers": 12, "design": "biregular", "n_segments": 1, "load": 2, "replication": 6},
        {"n_workers": 18, "design": "coset", "load": 4, "epsilon": 0.1, "n_stragglers": 4},
    )


@pytest.mark.parametrize("given", DESIGNS.values(), ids=DESIGNS)
def test_a_worker_weights_each_segment_alike_in_all_its_blocks(given):
    code = codes.make("munim-diagonal", **{"epsilon": 0.5, **given})
    dense, held = pieces(code)
    assert len(set(held.sum(axis=0).tolist())) == len(set(held.sum(axis=1).tolist())) == 1
    for segment in dense:
        assert_array_equal(segment != 0, held)
        weight = np.where(held, segment, np.nan)
        assert_array_equal(np.nanmin(weight, axis=0), np.nanmax(weight, axis=0))
    size, epsilon = np.abs(dense[dense != 0]), {"epsilon": 0.5, **given}["epsilon"]
    assert 1 - epsilon <= size.min() < size.max() <= 1 + epsilon


def test_without_epsilon_the_weights_are_signs_of_either_kind():
    data = codes.make("munim-diagonal", n_workers=31, design="bibd").encoding.data
    assert_array_equal(np.unique(data), [-1, 1])
    assert abs(data.mean()) < 0.3


@pytest.mark.parametrize("given", DESIGNS.values(), ids=DESIGNS)
def test_another_iteration_has_other_weights_and_the_same_placement(given):
    code = codes.make("munim-diagonal", **{"epsilon": 0.5, **given})
    assert code.varies
    assert code.at(0) is code
    assert code.factors(0) is None
    later = code.at(3)
    assert later is code.at(3)
    assert_allclose(
        pieces(later)[0], pieces(code)[0] * code.factors(3).T[:, None, :], rtol=1e-14, atol=0
    )
    assert (code.factors(3) != 1).all()
    assert_array_equal(pieces(later)[1], pieces(code)[1])
    twin = codes.make("munim-diagonal", **{"epsilon": 0.5, **given}).at(3)
    assert_array_equal(twin.encoding.toarray(), later.encoding.toarray())
    arrived = np.ones(code.n_workers, dtype=bool)
    arrived[1:3] = False
    for one in (code, later):
        # what is known of the one is not taken for the other
        plain = GradientCode.solve(one, arrived)
        missed = plain @ one.encoding - one._target
        assert one.decode(arrived).residual == pytest.approx(np.vdot(missed, missed), rel=1e-8)
        assert_allclose(one.products[0], (one.encoding @ one.encoding.T).toarray(), atol=1e-12)
        assert_allclose(one.products[1], one.encoding @ one._target.T, atol=1e-12)


def test_without_redrawing_all_iterations_are_alike():
    code = codes.make("munim-diagonal", n_workers=7, design="bibd", redraw=False)
    assert not code.varies
    assert code.at(3) is code
    assert code.factors(3) is None


def lemma_1(code, arrived):
    """m k - m 1' A_F inv(K) A_F' 1 with K = A_F' A_F + c (m - 1) diag(A_F' A_F)."""
    held = pieces(code)[1][:, arrived].astype(float)
    c = (1 + code.epsilon**2 / 3) / (1 - code.epsilon**2)
    m, overlaps, load = code.n_segments, held.T @ held, held.sum(axis=0)
    inner = overlaps + c * (m - 1) * np.diag(np.diag(overlaps))
    return m * len(held) - m * load @ np.linalg.solve(inner, load)


@pytest.mark.parametrize("given", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_mean_residual_keeps_the_bound_of_lemma_1(given, share):
    n_lost = round(share * given["n_workers"])
    made, answers, found = residuals("munim-diagonal", 50, n_lost, **given)
    above = found - [lemma_1(code, arrived) for code, arrived in zip(made, answers, strict=True)]
    assert above.mean() <= 3 * standard_error(above)


def corollary_1(n, k, load, overlap, m, n_lost):
    left = n - n_lost
    return m * k - m * load**2 * left / (m * load + (left - 1) * overlap)


@pytest.mark.parametrize("name", ["fano", "plane", "triples"])
@pytest.mark.parametrize("n_lost", [0, 1, 3])
def test_block_designs_keep_the_bound_of_corollary_1(name, n_lost):
    made, _, found = residuals("munim-diagonal", 80, n_lost, **DESIGNS[name])
    _, held = pieces(made[0])
    overlaps = held.T.astype(int) @ held
    k, n = held.shape
    bound = corollary_1(n, k, overlaps[0, 0], overlaps[0, 1], made[0].n_segments, n_lost)
    assert found.mean() <= bound + 3 * standard_error(found)


@pytest.mark.parametrize("n_lost", [2, 9, 16, 22])
def test_the_bound_is_tight_on_the_large_plane(n_lost):
    given = {"n_workers": 91, "design": "bibd", "replication": 10}
    _, _, found = residuals("munim-diagonal", 25, n_lost, **given)
    bound = corollary_1(91, 91, 10, 1, 2, n_lost)
    assert found.mean() <= bound + 3 * standard_error(found)
    assert bound / found.mean() <= 1.10


@pytest.mark.parametrize("name", ["petersen", "clebsch", "paley"])
@pytest.mark.parametrize("n_lost", [0, 1, 4])
def test_strongly_regular_graphs_keep_the_bound_of_corollary_2(name, n_lost):
    made, _, found = residuals("munim-diagonal", 80, n_lost, **DESIGNS[name])
    graph = pieces(made[0])[1].astype(int)
    n, m, load = len(graph), made[0].n_segments, graph[0].sum()
    common = graph @ graph
    adjacent, other = common[0][graph[0] == 1][0], common[0][1:][graph[0][1:] == 0][0]
    gap = adjacent - other
    theta = load if gap >= 0 else (gap - np.sqrt(gap**2 + 4 * (load - other))) / 2
    left = n - n_lost
    inner = m * load - other + other * left + gap * theta
    bound = m * n - m * load**2 * left / inner
    assert found.mean() <= bound + 3 * standard_error(found)


@pytest.mark.parametrize("n_lost", [0, 2, 13])
def test_coset_graphs_keep_the_bound_of_corollary_3(n_lost):
    _, _, found = residuals("munim-diagonal", 40, n_lost, **DESIGNS["coset"])
    m, k, load, c = 2, 27, 5, (1 + 0.1**2 / 3) / (1 - 0.1**2)
    bound = m * k - m * load**2 * (m * k - n_lost) / (m * load**2 + c * (m - 1) * load)
    assert found.mean() <= bound + 3 * standard_error(found)


@pytest.mark.parametrize(("k", "m", "load"), [(27, 2, 5), (8, 3, 3), (25, 2, 4), (12, 2, 3)])
def test_coset_graphs_are_exact_when_nobody_straggles(k, m, load):
    given = {"n_workers": k * m, "design": "coset", "n_segments": m, "load": load, "epsilon": 0.1}
    for seed in range(5):
        code = codes.make("munim-diagonal", seed=seed, **given)
        assert code.decode(np.ones(k * m, dtype=bool)).residual <= 1e-18


@pytest.mark.parametrize("given", DESIGNS.values(), ids=DESIGNS)
def test_no_set_does_better_than_its_holders_allow(given):
    code = codes.make("munim-diagonal", **given)
    _, held = pieces(code)
    rng = np.random.default_rng(0)
    for share in (0.1, 0.3, 0.6, 0.9):
        for _ in range(10):
            arrived = rng.random(code.n_workers) >= share
            least = np.maximum(0, code.n_segments - held[:, arrived].sum(axis=1)).sum()
            assert code.decode(arrived).residual >= least - 1e-9


@pytest.mark.parametrize("name", ["paley", "clebsch", "random"])
@pytest.mark.parametrize("n_lost", [3, 5, 8])
def test_some_set_is_as_bad_as_claim_1_says(name, n_lost):
    code = codes.make("munim-diagonal", **DESIGNS[name])
    k, n, m = code.n_blocks, code.n_workers, code.n_segments
    load = code.blocks(0).size
    claim = max(k * (n_lost + m - u) // (n * load) * u for u in range(1, m + 1))
    sets = code.hard_sets(n_lost)
    worst = max(code.decode(~np.isin(np.arange(n), lost)).residual for lost in sets)
    assert worst >= claim


@pytest.mark.parametrize(("n", "replication"), [(7, 3), (13, 4), (9, 3), (11, 5), (91, 10)])
def test_one_segment_on_a_block_design_has_a_closed_form(n, replication):
    code = codes.make(
        "munim-diagonal", n_workers=n, design="bibd", n_segments=1, replication=replication
    )
    _, held = pieces(code)
    load, overlap = held[:, 0].sum(), (held[:, 0] & held[:, 1]).sum()
    sign = code.encoding.max(axis=1).toarray() + code.encoding.min(axis=1).toarray()
    rng = np.random.default_rng(n)
    for _ in range(20):
        arrived = rng.random(n) < 0.7
        left = arrived.sum()
        decoding = code.decode(arrived)
        wanted = load / (load + overlap * (left - 1))
        assert_allclose(decoding.coefficients[0], np.where(arrived, wanted * sign, 0), atol=1e-12)
        assert_allclose(decoding.residual, len(held) - load * left * wanted, atol=1e-9)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, float("nan")])
def test_a_wrong_epsilon_is_refused(epsilon):
    with pytest.raises(ConfigError, match=r"code\.epsilon: wants 0 <= epsilon < 1"):
        codes.make("munim-diagonal", n_workers=7, epsilon=epsilon)


@pytest.mark.parametrize("key", ["n_segments", "n_stragglers", "n_blocks"])
def test_wrong_numbers_are_named(key):
    with pytest.raises(ConfigError, match=rf"code\.{key}: .*-1"):
        codes.make("munim-diagonal", n_workers=7, design="bibd", **{key: -1})
