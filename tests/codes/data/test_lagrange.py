"""Lagrange coded computing: exact over the field, certified in floating numbers."""

from itertools import combinations, product
from math import ceil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.data import field
from mpicode.codes.data.field import LARGEST
from mpicode.codes.data.lagrange import Lagrange
from mpicode.codes.data.lagrange_points import real_points
from mpicode.codes.data_tolerance import data_tolerance
from mpicode.errors import ConfigError, NotDecodable

from ..data_suite import DataCodeSuite

PAPER = {"n_workers": 8, "n_blocks": 2, "n_stragglers": 1, "n_corrupt": 1, "n_colluding": 1}
# (N, K, degree, S, A), the sizes at which error location in floating numbers was measured
SIZES = [
    (8, 2, 2, 1, 1),
    (12, 2, 2, 1, 4),
    (15, 3, 2, 2, 4),
    (20, 4, 2, 3, 5),
    (40, 4, 2, 5, 10),
    (40, 8, 2, 5, 10),
]


class TestLagrange(DataCodeSuite):
    code = Lagrange
    cases = (
        {"n_workers": 1, "n_blocks": 1, "n_stragglers": 0},
        {"n_workers": 4},
        {"n_workers": 3, "n_blocks": 1, "n_stragglers": 2, "degree": 3},
        {"n_workers": 9, "n_blocks": 2, "n_colluding": 1, "n_corrupt": 1, "n_stragglers": 2},
        {
            "n_workers": 12,
            "n_blocks": 4,
            "n_stragglers": 5,
            "points": "chebyshev",
            "permute": False,
        },
        {"n_workers": 8, "n_blocks": 3, "n_stragglers": 2, "points": "integers"},
        {"n_workers": 40, "n_blocks": 4, "n_stragglers": 33, "seed": 3},
        {"n_workers": 9, "n_colluding": 1, "n_corrupt": 1, "n_stragglers": 2, "prime": LARGEST},
        {"n_workers": 12, "n_blocks": 6, "prime": 65537, "n_stragglers": 1},
        {"n_workers": 8, "n_colluding": 1, "n_corrupt": 1, "prime": 11},
    )


def made(**parameters):
    return codes.make("lagrange", **parameters)


def matrices(n, prime, rng, size=5):
    return rng.integers(0, prime, (n, size, size))


def coded(code, blocks):
    """Coded blocks, modulo the prime or not."""
    flat = blocks.reshape(len(blocks), -1)
    if code.prime is None:
        total = code.storage @ flat
    else:
        total = (code.storage.astype(object) @ flat.astype(object) % code.prime).astype(np.int64)
    return total.reshape(code.n_workers, *blocks.shape[1:])


def powered(blocks, degree, prime=None):
    """The matrix power of each block, as a vector: a polynomial function of that degree."""
    if prime is None:
        return np.array([np.linalg.matrix_power(X, degree).ravel() for X in blocks])
    out = []
    for X in blocks.astype(object):
        power = X
        for _ in range(degree - 1):
            power = power @ X % prime
        out.append(power.ravel().astype(np.int64))
    return np.array(out)


ATTACKS = {
    "random": lambda rng, answers, i, prime: rng.integers(0, prime, answers.shape[1]),
    "one entry": lambda rng, answers, i, prime: (
        (answers[i] + (np.arange(answers.shape[1]) == 3)) % prime
    ),
    "replay": lambda rng, answers, i, prime: answers[(i + 1) % len(answers)],
    "zero": lambda rng, answers, i, prime: np.zeros_like(answers[i]),
    "out of range": lambda rng, answers, i, prime: np.full_like(answers[i], -1),
}


@pytest.mark.parametrize("prime", [2**26 - 5, 11, LARGEST])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_papers_example_decodes_under_every_straggler_and_adversary(prime, attack):
    code = made(**PAPER, prime=prime)
    assert code.threshold("map") == 7
    rng = np.random.default_rng(0)
    for straggler, adversary in product(range(8), range(8)):
        if straggler == adversary:
            continue
        blocks = np.concatenate([matrices(2, prime, rng), field.masks((1, 5, 5), prime, rng)])
        answers = powered(coded(code, blocks), 2, prime)
        honest = answers[adversary].copy()
        answers[adversary] = ATTACKS[attack](rng, answers, adversary, prime)
        arrived = np.arange(8) != straggler
        decoded = code.decode(answers, arrived)
        assert_array_equal(decoded.values, powered(blocks[:2], 2, prime))
        assert decoded.certified
        lied = not np.array_equal(answers[adversary], honest)
        assert_array_equal(np.flatnonzero(decoded.corrupt), [adversary] if lied else [])


@pytest.mark.parametrize(
    ("n_blocks", "n_masks", "degree", "s", "a"),
    [(1, 0, 3, 1, 1), (3, 0, 1, 1, 2), (2, 1, 3, 1, 1), (2, 2, 2, 1, 1), (4, 0, 2, 2, 0)],
)
def test_every_set_of_stragglers_and_liars_decodes_at_the_bound_and_none_below(
    n_blocks, n_masks, degree, s, a
):
    needed = (n_blocks + n_masks - 1) * degree + 2 * a + 1
    parameters = {
        "n_blocks": n_blocks, "n_stragglers": s, "n_corrupt": a, "n_colluding": n_masks,
        "degree": degree,
    }  # fmt: skip
    prime = 15485863
    with pytest.raises(ConfigError, match=rf"decode at {needed} answers.*at least {needed + s} "):
        made(n_workers=needed + s - 1, **parameters, prime=prime)
    n = needed + s
    code = made(n_workers=n, **parameters, prime=prime)
    assert code.threshold("map") == code.threshold("gradient") == needed
    rng = np.random.default_rng(1)
    blocks = matrices(n_blocks + n_masks, prime, rng, 3)
    honest = powered(coded(code, blocks), degree, prime)
    wanted = powered(blocks[:n_blocks], degree, prime)
    for missing in combinations(range(n), s):
        arrived = ~np.isin(np.arange(n), missing)
        for liars in combinations(np.flatnonzero(arrived), a):
            answers = honest.copy()
            answers[list(liars)] = rng.integers(0, prime, (a, honest.shape[1]))
            decoded = code.decode(answers, arrived)
            assert_array_equal(decoded.values, wanted)
            assert_array_equal(np.flatnonzero(decoded.corrupt), liars)
        fewer = arrived & (np.arange(n) != np.argmax(arrived))
        with pytest.raises(NotDecodable, match=f"{needed - 1} answers .* wants {needed}$"):
            code.decode(honest, fewer)


def test_below_the_bound_nobody_can_say_who_lies_so_it_is_refused():
    prime = 2**26 - 5
    code = made(**PAPER, prime=prime)
    rng = np.random.default_rng(2)
    points = [0, 4, 5, 6, 7, 8, 9, 10]
    for _ in range(20):
        blocks = matrices(3, prime, rng)
        answers = powered(coded(code, blocks), 2, prime)
        # worker 5 lies on another polynomial, which meets the right one at workers 0 to 3
        other = np.prod([points[5] - point for point in points[:4]]) * rng.integers(1, 1000, 25)
        answers[5] = (answers[5] + other) % prime
        # of workers 0 to 5, five agree with either
        with pytest.raises(NotDecodable, match="6 answers arrived, decoding wants 7"):
            code.decode(answers, np.arange(8) < 6)
        decoded = code.decode(answers, np.arange(8) < 7)
        assert_array_equal(np.flatnonzero(decoded.corrupt), [5])
        assert_array_equal(decoded.values, powered(blocks[:2], 2, prime))


def test_two_random_liars_where_one_is_promised_are_refused():
    prime = 2**26 - 5
    code = made(**PAPER, prime=prime)
    rng = np.random.default_rng(12)
    answers = powered(coded(code, matrices(3, prime, rng)), 2, prime)
    for liars in combinations(range(8), 2):
        lying = answers.copy()
        lying[list(liars)] = rng.integers(0, prime, (2, 25))
        with pytest.raises(NotDecodable, match="more than 1 of 8 answers are wrong"):
            code.decode(lying, np.ones(8, dtype=bool))


def test_several_rounds_decode_whatever_is_drawn():
    # in a field of 11, a draw does not see a single wrong entry once in 11 times
    code = made(**PAPER, prime=11)
    rng = np.random.default_rng(4)
    blocks = matrices(3, 11, rng)
    answers = powered(coded(code, blocks), 2, 11)
    answers[2, 7] = (answers[2, 7] + 1) % 11
    wanted = powered(blocks[:2], 2, 11)
    for _ in range(100):
        decoded = code.decode(answers, np.ones(8, dtype=bool))
        assert_array_equal(np.flatnonzero(decoded.corrupt), [2])
        assert_array_equal(decoded.values, wanted)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("points", ["roots-of-unity", "chebyshev", "integers"])
def test_polynomials_decode_in_floating_numbers(degree, points):
    n = 3 * degree + 1 + 2
    code = made(n_workers=n, n_blocks=4, n_stragglers=2, degree=degree, points=points)
    rng = np.random.default_rng(3)
    blocks = rng.standard_normal((4, 5, 5))
    answers = powered(coded(code, blocks), degree)
    wanted = powered(blocks, degree)
    for missing in combinations(range(n), 2):
        arrived = ~np.isin(np.arange(n), missing)
        decoded = code.decode(np.where(arrived[:, None], answers, np.nan), arrived)
        bound = (1e-5 if points == "integers" else 1e-10) * np.abs(wanted).max()
        assert_allclose(decoded.values, wanted, rtol=0, atol=bound)
        total = (code.sum_weights(arrived) @ answers).real
        assert_allclose(total, wanted.sum(axis=0), atol=4 * bound)


def test_a_function_of_another_degree_wants_other_numbers():
    code = made(n_workers=10, n_blocks=3, n_stragglers=1, n_corrupt=1, degree=2, prime=65537)
    assert [code.threshold("map", degree) for degree in (None, 1, 2, 3)] == [7, 5, 7, 9]
    with pytest.raises(ConfigError, match=r"code\.degree: .* of degree 4 wants 11 workers.* 10$"):
        code.threshold("map", 4)
    rng = np.random.default_rng(5)
    blocks = matrices(3, 65537, rng)
    arrived = np.arange(10) < 5
    decoded = code.decode(coded(code, blocks).reshape(10, -1), arrived, 1)
    assert_array_equal(decoded.values, blocks.reshape(3, -1))
    cubes = powered(coded(code, blocks), 3, 65537)
    assert_array_equal(code.decode(cubes, np.arange(10) > 0, 3).values, powered(blocks, 3, 65537))


@pytest.mark.parametrize(("n", "k", "degree", "s", "a"), SIZES)
def test_liars_are_found_among_floating_numbers(n, k, degree, s, a):
    code = made(n_workers=n, n_blocks=k, n_stragglers=s, n_corrupt=a, degree=degree)
    rng = np.random.default_rng([n, k])
    blocks, others = rng.standard_normal((2, k, 6, 6))
    honest = powered(coded(code, blocks), degree).astype(complex)
    forged = powered(coded(code, others), degree)
    wanted = powered(blocks, degree)
    attacks = [
        lambda Y: Y + 1e6 * rng.standard_normal(Y.shape),
        lambda Y: -Y,
        lambda Y: Y * 10.0 ** rng.uniform(-5, 6, (len(Y), 1)),
        lambda Y: Y * (1 + 10.0 ** rng.uniform(-5, 0, (len(Y), 1))),
        lambda Y: 0 * Y,
        lambda Y: Y + 10.0 ** rng.uniform(-5, 6, (len(Y), 1)) * rng.standard_normal(Y.shape),
        lambda Y: np.full_like(Y, np.nan),
        lambda Y: Y * 1e200,
    ]
    for trial in range(12):
        # every third time liars and stragglers are neighbours
        order = rng.permutation(n) if trial % 3 else np.roll(np.arange(n), trial)
        liars, late = np.sort(order[:a]), order[a : a + s]
        arrived = ~np.isin(np.arange(n), late)
        for attack in [*attacks, None]:
            answers = honest.copy()
            answers[liars] = forged[liars] if attack is None else attack(answers[liars])
            answers[late] = np.nan
            decoded = code.decode(answers, arrived)
            assert_array_equal(np.flatnonzero(decoded.corrupt), liars)
            assert decoded.certified
            assert decoded.residual < 1e-9
            assert_allclose(decoded.values, wanted, rtol=0, atol=1.5e-12 * np.abs(wanted).max())


@pytest.mark.parametrize(("n", "k", "degree", "s", "a"), SIZES[:4])
def test_honest_answers_are_taken_for_honest(n, k, degree, s, a):
    for points in ("roots-of-unity", "chebyshev"):
        code = made(
            n_workers=n, n_blocks=k, n_stragglers=s, n_corrupt=a, degree=degree, points=points
        )
        blocks = np.random.default_rng(6).standard_normal((k, 4, 4))
        answers = powered(coded(code, blocks), degree)
        arrived = np.ones(n, dtype=bool)
        assert not code.decode(answers, arrived).corrupt.any()
        assert not code.decode(0 * answers, arrived).corrupt.any()


def test_single_precision_answers_agree_as_far_as_they_can():
    code = made(n_workers=12, n_blocks=2, n_corrupt=2, n_stragglers=1, points="chebyshev")
    blocks = np.random.default_rng(7).standard_normal((2, 5, 5))
    answers = powered(coded(code, blocks), 2).astype(np.float32)
    answers[[3, 8]] *= -1
    decoded = code.decode(answers, np.ones(12, dtype=bool))
    assert_array_equal(np.flatnonzero(decoded.corrupt), [3, 8])
    assert_allclose(decoded.values, powered(blocks, 2), atol=1e-4)


def test_more_liars_than_promised_are_refused():
    code = made(n_workers=12, n_blocks=2, n_corrupt=2, n_stragglers=2)
    rng = np.random.default_rng(8)
    answers = powered(coded(code, rng.standard_normal((2, 5, 5))), 2)
    for liars in combinations(range(12), 3):
        lying = answers.copy()
        lying[list(liars)] += rng.standard_normal((3, 25))
        with pytest.raises(NotDecodable, match="more than 2 of 12 answers are wrong"):
            code.decode(lying, np.ones(12, dtype=bool))


@pytest.mark.parametrize(("n", "k"), [(40, 4), (40, 8), (40, 10)])
def test_neighbours_that_answer_alone_cost_the_digits_that_the_constant_says(n, k):
    """The worst sets: workers side by side on the circle."""
    code = made(n_workers=n, n_blocks=k, n_stragglers=n - 2 * k + 1, permute=False)
    blocks = np.random.default_rng(9).standard_normal((k, 20, 20))
    answers, wanted = powered(coded(code, blocks), 2), powered(blocks, 2)
    constants = []
    for first in range(0, n, 5):
        arrived = np.isin(np.arange(n), (first + np.arange(2 * k - 1)) % n)
        constants.append(code.lebesgue(arrived))
        error = np.abs(code.decode(answers, arrived).values - wanted).max()
        assert error <= 100 * 2.2e-16 * constants[-1] * np.abs(answers).max()
    assert min(constants) > 1e4
    # scattered over the circle, neighbours are no worse than others
    scattered = made(n_workers=n, n_blocks=k, n_stragglers=n - 2 * k + 1)
    arrived = np.arange(n) < 2 * k - 1
    assert scattered.lebesgue(arrived) < 10


def test_what_it_can_stand_is_told():
    code = made(n_workers=16, n_blocks=4)
    plain = data_tolerance(code, 9, 50)
    assert plain.decodable_share == 1
    # neighbours on the circle are among the sets that are tried
    side_by_side = np.isin(np.arange(16), np.argsort(code.worker_points)[9:])
    assert plain.worst_lebesgue >= code.lebesgue(side_by_side) > plain.mean_lebesgue
    over_field = data_tolerance(made(n_workers=12, n_blocks=4, prime=65537), 5, 50)
    assert over_field.decodable_share == 1
    assert over_field.mean_lebesgue is over_field.worst_lebesgue is None
    assert data_tolerance(made(n_workers=12, n_blocks=4), 6, 50).decodable_share == 0


def test_sets_that_leave_no_digits_are_refused():
    code = made(n_workers=40, n_blocks=4, n_stragglers=33, points="integers", permute=False)
    with pytest.raises(NotDecodable, match="7 answers arrived, but their points amplify rounding"):
        code.decode_matrix(np.arange(40) > 32)
    # more of them are enough
    code.decode_matrix(np.arange(40) > 10)


@pytest.mark.parametrize(
    ("n", "n_blocks", "s", "a", "degree"), [(6, 3, 1, 0, 5), (12, 4, 0, 1, 4), (11, 2, 1, 1, 9)]
)
@pytest.mark.parametrize("prime", [None, 65537])
def test_few_workers_replicate(n, n_blocks, s, a, degree, prime):
    assert (n_blocks - 1) * degree + s + 2 * a + 1 > n
    code = made(
        n_workers=n, n_blocks=n_blocks, n_stragglers=s, n_corrupt=a, degree=degree, prime=prime
    )
    assert_array_equal(code.storage != 0, np.eye(n_blocks)[np.arange(n) % n_blocks])
    assert code.threshold("map") <= n - s
    rng = np.random.default_rng(10)
    if prime is None:
        blocks = rng.standard_normal((n_blocks, 3, 3))
    else:
        blocks = matrices(n_blocks, prime, rng, 3)
    honest = powered(coded(code, blocks), degree, prime)
    wanted = powered(blocks[:n_blocks], degree, prime)
    for missing in combinations(range(n), s):
        arrived = ~np.isin(np.arange(n), missing)
        for liars in combinations(np.flatnonzero(arrived), a):
            answers = honest.copy()
            for liar in liars:
                answers[liar] = (answers[liar] + 1) % prime if prime else answers[liar] + 1
            decoded = code.decode(answers, arrived)
            if prime:
                assert_array_equal(decoded.values, wanted)
            else:
                assert_allclose(decoded.values, wanted, atol=1e-8 * np.abs(wanted).max())
            assert_array_equal(np.flatnonzero(decoded.corrupt), liars)


def test_a_block_whose_workers_are_too_few_is_refused():
    code = made(n_workers=6, n_blocks=3, n_stragglers=1, degree=5)
    arrived = np.array([True, True, True, False, True, True])
    code.decode_matrix(arrived)
    arrived[0] = False
    with pytest.raises(
        NotDecodable, match=r"0 answers arrived from the workers of one block, .* 1$"
    ):
        code.decode_matrix(arrived)


@pytest.mark.parametrize("prime", [None, 2**31 - 1, LARGEST])
@pytest.mark.parametrize("t", [1, 2, 3])
def test_the_masks_of_any_colluders_have_full_rank(t, prime):
    code = made(n_workers=12, n_blocks=2, n_colluding=t, n_stragglers=0, prime=prime)
    rows = code.storage[:, 2:]
    for workers in combinations(range(12), t):
        part = rows[list(workers)]
        if prime is None:
            assert np.linalg.matrix_rank(part) == t
        else:
            assert determinant(part, prime) % prime != 0


def determinant(matrix, prime):
    if len(matrix) == 1:
        return int(matrix[0, 0])
    return sum(
        (-1) ** j * int(matrix[0, j]) * determinant(np.delete(matrix[1:], j, axis=1), prime)
        for j in range(len(matrix))
    ) % prime  # fmt: skip


@pytest.mark.parametrize("kind", ["roots-of-unity", "chebyshev"])
def test_workers_and_blocks_never_meet(kind):
    for n in range(1, 41):
        for k in range(1, n + 1):
            workers, blocks = real_points(kind, n, k, 0)
            if kind == "chebyshev":
                workers, blocks = np.arccos(workers), np.arccos(blocks)
                assert len(np.unique(blocks)) == k
            else:
                assert_allclose(np.abs(blocks), 1)
            apart = np.abs(workers[:, None] - blocks).min()
            assert apart > 0.9 / (n * k)


def test_with_masks_no_worker_sits_on_a_block():
    for prime, points in [(65537, "integers"), (None, "integers"), (None, "roots-of-unity"),
                          (None, "chebyshev")]:  # fmt: skip
        for n, k in [(9, 2), (12, 3), (15, 4)]:
            code = made(
                n_workers=n, n_blocks=k, n_colluding=1, n_stragglers=0, prime=prime, points=points
            )
            # every worker's share has a part of the mask
            assert (np.abs(code.storage[:, k:]) > 1e-9).all()


@pytest.mark.parametrize("prime", [5, 7])
def test_one_worker_sees_the_same_shares_whatever_the_data(prime):
    """All masks tried: each share comes once, for each data set."""
    code = made(n_workers=2, n_blocks=1, n_colluding=1, degree=1, n_stragglers=0, prime=prime)
    for data in range(prime):
        for row in code.storage:
            shares = [(row[0] * data + row[1] * mask) % prime for mask in range(prime)]
            assert sorted(shares) == list(range(prime))


def test_two_workers_see_the_same_pairs_whatever_the_data():
    prime = 7
    code = made(n_workers=3, n_blocks=1, n_colluding=2, degree=1, n_stragglers=0, prime=prime)
    for data in range(prime):
        for pair in combinations(range(3), 2):
            rows = code.storage[list(pair)]
            seen = {
                tuple((rows @ [data, first, second]) % prime)
                for first in range(prime)
                for second in range(prime)
            }
            assert len(seen) == prime**2


def test_a_chi_square_test_cannot_tell_two_data_sets_by_a_share():
    prime, n_classes = 65537, 64
    code = made(n_workers=9, n_blocks=2, n_colluding=1, n_stragglers=0, prime=prime)
    rng = np.random.default_rng(11)
    size = 30_000
    pictures = np.stack([np.zeros((2, size), dtype=np.int64), rng.integers(0, 65537, (2, size))])
    for worker in range(9):
        counts = []
        for data in pictures:
            masks = field.masks((1, size), prime, rng)
            share = code.storage[worker].astype(object) @ np.concatenate([data, masks]) % prime
            counts.append(np.bincount(share.astype(int) * n_classes // prime, minlength=n_classes))
        one, other = np.array(counts, dtype=float)
        statistic = ((one - other) ** 2 / (one + other)).sum()
        # 63 degrees of freedom: p = 1e-4 at 115
        assert statistic < 115
        # the same test does tell them apart where there is no mask
        plain = [np.bincount(d[0] * n_classes // prime, minlength=n_classes) for d in pictures]
        one, other = np.array(plain, dtype=float)
        assert ((one - other) ** 2 / np.maximum(one + other, 1)).sum() > 1000


def test_the_numbers_of_the_paper():
    n, r = 40, 10
    k = ceil(n / r)
    code = made(n_workers=n, n_blocks=k, n_stragglers=33)
    assert code.threshold("gradient") == 2 * ceil(n / r) - 1 == 7
    gradient_code = codes.make("cyclic-mds", n_workers=n, n_stragglers=r - 1)
    assert n - gradient_code.max_stragglers == n - r + 1 == 31
    assert ceil(2 * n / r) == 8


def test_the_papers_points():
    code = made(n_workers=40, n_blocks=4, n_stragglers=33, points="integers", permute=False)
    # workers 1 to 4 hold a block in clear
    assert_array_equal(code.storage[1:5], np.eye(4))
    tiny = made(**PAPER, prime=11)
    assert_array_equal(tiny.storage.sum(axis=1) % 11, np.ones(8))
    with pytest.raises(ConfigError, match=r"code\.prime: 9 workers .* at least 12 elements.* 11$"):
        made(**{**PAPER, "n_workers": 9}, prime=11)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n_blocks": 0}, r"code\.n_blocks: wants at least 1, got 0"),
        ({"degree": 0}, r"code\.degree: wants at least 1, got 0"),
        ({"n_stragglers": -1}, r"code\.n_stragglers: wants at least 0, got -1"),
        ({"n_corrupt": -1}, r"code\.n_corrupt: wants at least 0, got -1"),
        ({"n_colluding": -2}, r"code\.n_colluding: wants at least 0, got -2"),
        ({"prime": 65536}, r"code\.prime: wants a prime"),
        ({"points": "square"}, r"code\.points: 'square' is not one of"),
        ({"n_workers": 3}, r"decode at 3 answers.* at least 4 workers, got 3"),
        ({"n_workers": 0}, r"at least 4 workers, got 0"),
    ],
)
def test_impossible_numbers_are_named(change, text):
    with pytest.raises(ConfigError, match=text):
        made(**{"n_workers": 8, **change})


def test_answers_of_another_kind_are_refused_over_the_field():
    code = made(n_workers=4, prime=65537)
    answers = np.ones((4, 2))
    with pytest.raises(NotDecodable, match=r"vectors\[1\]: wants int64, got <f8"):
        code.decode(answers, np.ones(4, dtype=bool))
    wrong = np.ones((4, 2), dtype=np.int64)
    wrong[1] = 65537
    with pytest.raises(NotDecodable, match=r"vectors\[1\]: holds 65537, wants 0 to 65536"):
        code.decode(wrong, np.ones(4, dtype=bool))
