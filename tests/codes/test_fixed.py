"""Decoding by the coefficients of the full set: right on average, at a price in residual."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes.base import GradientCode
from mpicode.codes.decoder import EXACT
from mpicode.codes.fixed import FixedDecoding
from mpicode.codes.sets import all_sets, masks, straggler_sets
from mpicode.errors import ConfigError

CASES = [
    ("uncoded", 7, {}),
    ("fractional-repetition", 8, {"n_stragglers": 3}),
    ("cyclic", 8, {"n_stragglers": 2}),
    ("bibd", 7, {}),
    ("kadhe", 8, {"replication": 4, "n_segments": 2}),
]


@pytest.fixture(params=CASES, ids=lambda case: case[0])
def code(request):
    name, n_workers, parameters = request.param
    return codes.make(name, n_workers=n_workers, **parameters)


@pytest.fixture
def fixed(code):
    return FixedDecoding(code)


def target(code):
    return np.kron(np.eye(code.n_segments), np.ones(code.n_blocks))


def arrived_sets(code, n_arrived):
    """Return every set of ``n_arrived`` messages, (n_sets, n_messages) bool."""
    return masks(all_sets(code.n_messages, n_arrived), code.n_messages)


def squared(values):
    return float(np.sum(np.abs(values) ** 2))


@pytest.mark.parametrize("n_arrived", [1, 3, 5, 6])
def test_the_expected_sum_is_the_exact_one(code, fixed, n_arrived):
    sets = arrived_sets(code, n_arrived)
    mean = np.mean([fixed.decode(arrived).coefficients for arrived in sets], axis=0)
    assert_allclose(mean @ code.encoding.toarray(), target(code), atol=1e-11)


@pytest.mark.parametrize("n_arrived", [1, 3, 5, 6])
def test_the_expected_residual_is_the_one_told(code, fixed, n_arrived):
    n, everything = code.n_messages, np.ones(code.n_messages, dtype=bool)
    whole = fixed.decode(everything).coefficients
    rows = np.sum(code.encoding.toarray() ** 2, axis=1)
    spread = n * np.sum(np.sum(whole**2, axis=0) * rows) - code.n_segments * code.n_blocks
    told = (n - n_arrived) / (n_arrived * (n - 1)) * spread
    sets = arrived_sets(code, n_arrived)
    assert_allclose(np.mean([fixed.decode(arrived).residual for arrived in sets]), told, rtol=1e-9)


def test_independent_stragglers(code, fixed):
    """With a known probability of arrival in place of the share, the variance is a plain sum."""
    q, n_sets = 0.2, 40_000
    whole = fixed.decode(np.ones(code.n_messages, dtype=bool)).coefficients
    encoding = code.encoding.toarray()
    told = q / (1 - q) * np.sum(np.sum(whole**2, axis=0) * np.sum(encoding**2, axis=1))
    arrived = np.random.default_rng(1).random((n_sets, code.n_messages)) >= q
    decoded = np.einsum("um,sm,mp->sup", whole / (1 - q), arrived, encoding)
    missed = np.sum((decoded - target(code)) ** 2, axis=(1, 2))
    assert_allclose(missed.mean(), told, rtol=0.03)
    error = decoded.std(axis=0) / np.sqrt(n_sets)
    assert np.all(np.abs(decoded.mean(axis=0) - target(code)) <= 4 * error + 1e-12)


def test_it_never_misses_less_than_least_squares(code, fixed):
    for n_arrived in range(1, code.n_messages + 1):
        for arrived in arrived_sets(code, n_arrived)[:40]:
            best = GradientCode.solve(code, arrived) @ code.encoding - target(code)
            assert fixed.decode(arrived).residual >= squared(best) - 1e-12


def test_coefficients_do_not_depend_on_who_is_missing(code, fixed):
    for n_arrived in range(1, code.n_messages):
        first, *others = arrived_sets(code, n_arrived)[:: 1 + n_arrived]
        for other in others:
            both = first & other
            assert_allclose(
                fixed.decode(first).coefficients[:, both],
                fixed.decode(other).coefficients[:, both],
                rtol=1e-14,
            )


def test_nothing_and_everything(code, fixed):
    nothing = fixed.decode(np.zeros(code.n_messages, dtype=bool))
    assert not nothing.coefficients.any()
    assert nothing.residual == code.n_segments * code.n_blocks
    everything = fixed.decode(np.ones(code.n_messages, dtype=bool))
    assert everything.residual <= EXACT * code.n_segments * code.n_blocks


def test_messages_and_placement_are_those_of_the_code(code, fixed):
    assert (fixed.encoding != code.encoding).nnz == 0
    for worker in range(code.n_workers):
        assert (fixed.messages(worker) == code.messages(worker)).all()
        assert (fixed.blocks(worker) == code.blocks(worker)).all()
    assert (fixed.hard_sets(2) == code.hard_sets(2)).all()


@pytest.mark.parametrize(
    ("name", "parameters", "n_awaited"),
    [
        ("uncoded", {}, 8),
        ("fractional-repetition", {"n_stragglers": 3}, 5),
        ("cyclic", {"n_stragglers": 2}, 6),
        ("ignore-stragglers", {"n_stragglers": 3}, 5),
        ("expander", {"n_stragglers": 2}, 6),
    ],
)
def test_it_waits_for_as_many_as_the_code_can_count_on(name, parameters, n_awaited):
    code = codes.make(name, n_workers=8, **parameters)
    decoder = FixedDecoding(code).decoder()
    for message in range(8):
        assert decoder.ready == (message >= n_awaited)
        decoder.add(message, np.ones(1))
    assert decoder.ready
    with pytest.raises(ConfigError, match="not 'map'"):
        FixedDecoding(code).decoder("map")


def test_many_messages_of_one_worker_are_lost_together():
    class Several(GradientCode):
        name = "several"

        def __init__(self):
            owner = [0, 0, 0, 1, 1, 2]
            super().__init__(np.ones((6, 1)), owner, n_workers=3, n_blocks=1, max_stragglers=1)

    decoder = FixedDecoding(Several()).decoder()
    for message in (3, 4, 5):
        assert not decoder.ready
        decoder.add(message, np.ones(1))
    assert decoder.ready


def test_a_code_that_is_not_exact_even_then_is_refused():
    code = codes.make("munim-diagonal", n_workers=7, design="bibd")
    with pytest.raises(ConfigError) as caught:
        FixedDecoding(code)
    text = str(caught.value)
    assert text.startswith("decoding.method: 'fixed' wants a code that is exact when all answer")
    share = code.decode(np.ones(7, dtype=bool)).residual / (code.n_segments * code.n_blocks)
    assert f"misses a share of {share:.3g}" in text


def test_on_an_expander_it_keeps_to_its_bound():
    """Raviv et al.: for any s stragglers, |missed| <= lambda / degree * sqrt(n s / (n - s))."""
    n = 12
    code = codes.make("expander", n_workers=n)
    adjacency = (code.encoding.toarray() != 0).astype(float)
    degree = adjacency.sum(axis=1)
    assert (degree == degree[0]).all()
    second = np.sort(np.abs(np.linalg.eigvalsh(adjacency)))[-2]
    fixed = FixedDecoding(code)
    rng = np.random.default_rng(0)
    for s in range(1, n):
        bound = (second / degree[0]) ** 2 * n * s / (n - s)
        sets = np.concatenate([straggler_sets(n, s, 200, rng), code.hard_sets(s)])
        residuals = [fixed.decode(~np.isin(code.owner, lost)).residual for lost in sets]
        assert max(residuals) <= bound * (1 + 1e-12)
