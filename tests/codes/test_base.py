"""The general code and decoder, on encodings no scheme of ours has yet.

Several segments, complex coefficients, many light messages per worker, dependent messages.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode.codes.base import GradientCode
from mpicode.codes.decoder import EXACT
from mpicode.errors import ConfigError


class Plain(GradientCode):
    name = "plain"

    def __init__(self, encoding, n_workers, n_segments=1, owner=None):
        n_messages, pieces = encoding.shape
        super().__init__(
            encoding,
            np.arange(n_messages) % n_workers if owner is None else owner,
            n_workers=n_workers,
            n_blocks=pieces // n_segments,
            n_segments=n_segments,
        )


def dense(rng):
    return Plain(rng.standard_normal((9, 6)), 9)


def more_pieces_than_messages(rng):
    return Plain(rng.standard_normal((7, 20)), 7, n_segments=2)


def several_segments(rng):
    return Plain(rng.standard_normal((12, 10)), 12, n_segments=2)


def light_messages(rng):
    encoding = rng.standard_normal((40, 8)) * (rng.random((40, 8)) < 0.2)
    return Plain(encoding, 5)


def complex_numbers(rng):
    encoding = rng.standard_normal((8, 10)) + 1j * rng.standard_normal((8, 10))
    encoding[7] = encoding[0] * 1j + encoding[1]
    return Plain(encoding, 8)


def complex_and_tall(rng):
    encoding = rng.standard_normal((9, 6)) + 1j * rng.standard_normal((9, 6))
    return Plain(encoding, 9, n_segments=2)


def dependent_messages(rng):
    return Plain(rng.standard_normal((10, 3)) @ rng.standard_normal((3, 5)), 10)


def repeated_messages(rng):
    return Plain(np.repeat(np.eye(4), 3, axis=0), 12)


KINDS = [
    dense,
    more_pieces_than_messages,
    several_segments,
    light_messages,
    complex_numbers,
    complex_and_tall,
    dependent_messages,
    repeated_messages,
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def code(request):
    return request.param(np.random.default_rng(1))


@pytest.fixture
def masks(code):
    rng = np.random.default_rng(2)
    return [rng.random(code.n_messages) < share for share in np.linspace(0.1, 1, 40)]


def reference(code, mask):
    """Least squares on the whole encoding."""
    encoding = code.encoding.toarray()
    target = np.kron(np.eye(code.n_segments), np.ones(code.n_blocks))
    coefficients = np.zeros((code.n_segments, code.n_messages), dtype=encoding.dtype)
    coefficients[:, mask] = np.linalg.lstsq(encoding[mask].T, target.T, rcond=1e-12)[0].T
    return coefficients, np.sum(np.abs(coefficients @ encoding - target) ** 2)


def test_decoding_is_least_squares_of_minimum_norm(code, masks):
    for mask in masks:
        coefficients, residual, amplification = code.decode(mask)
        wanted, least = reference(code, mask)
        assert_allclose(coefficients, wanted, atol=1e-9)
        assert_allclose(residual, least, rtol=1e-9, atol=1e-18)
        assert_allclose(amplification, np.linalg.norm(wanted, 2), rtol=1e-9)


def test_ready_exactly_when_the_sum_is_determined_or_nothing_is_left(code):
    rng = np.random.default_rng(3)
    decoder = code.decoder()
    everything = code.n_segments * code.n_blocks
    for _ in range(10):
        decoder.reset()
        for message in rng.permutation(code.n_messages):
            determined = reference(code, decoder.arrived)[1] <= EXACT * everything
            assert decoder.ready == determined
            decoder.add(message, np.zeros(1))
        assert decoder.ready


def test_asking_late_whether_it_is_ready_gives_the_same_answer(code):
    order = np.random.default_rng(4).permutation(code.n_messages)
    often, once = code.decoder(), code.decoder()
    for count, message in enumerate(order):
        often.add(message, np.zeros(1))
        once.add(message, np.zeros(1))
        asked = often.ready
        if count % 3 == 0:
            assert once.ready == asked


def test_segments_are_written_row_by_row(code, masks):
    rng = np.random.default_rng(5)
    messages = code.encoding @ rng.standard_normal((code.encoding.shape[1], 7))
    decoder = code.decoder()
    for mask in masks:
        decoder.reset()
        for message in np.flatnonzero(mask):
            decoder.add(message, messages[message])
        out = np.full((code.n_segments, 7), np.nan, dtype=messages.dtype)
        coefficients = decoder.estimate(out).coefficients
        assert_allclose(out, coefficients @ messages, atol=1e-9)


def test_permuting_the_workers_permutes_the_coefficients(code, masks):
    order = np.random.default_rng(6).permutation(code.n_messages)
    permuted = Plain(code.encoding.toarray()[order], code.n_workers, code.n_segments)
    for mask in masks:
        assert_allclose(
            permuted.decode(mask[order]).coefficients,
            code.decode(mask).coefficients[:, order],
            atol=1e-9,
        )


def test_a_worker_may_own_any_messages():
    owner = [2, 0, 2, 2, 0]
    code = Plain(np.eye(5)[:, [4, 3, 2, 1, 0]], 3, owner=owner)
    assert_array_equal(code.messages(2), [0, 2, 3])
    assert_array_equal(code.blocks(2), [1, 2, 4])
    assert_array_equal(code.messages(1), [])
    assert code.blocks(1).size == 0
    assert code.load(1) == 0
    for worker in (-1, 3):
        with pytest.raises(ConfigError, match=f"worker {worker} does not exist: there are 3"):
            code.messages(worker)


def test_stored_zeros_are_no_blocks():
    encoding = Plain(np.eye(3), 3).encoding
    encoding.data[1] = 0
    assert Plain(encoding, 3).blocks(1).size == 0


def test_old_decodings_are_forgotten():
    code = Plain(np.eye(12), 12)
    masks = (np.arange(2**12)[:, None] >> np.arange(12)) % 2 == 1
    first = code.decode(masks[0])
    for mask in masks:
        code.decode(mask)
    assert code.decode(masks[-1]) is code.decode(masks[-1])
    assert code.decode(masks[0]) is not first


def test_decodings_in_use_are_kept():
    code = Plain(np.eye(12), 12)
    masks = (np.arange(2**12)[:, None] >> np.arange(12)) % 2 == 1
    first = code.decode(masks[0])
    for mask in masks:
        code.decode(mask)
        assert code.decode(masks[0]) is first


def test_nearly_exact_is_not_exact():
    code = Plain(np.array([[1, 1 + 1e-7, 0], [0, 0, 1], [0, 1, 0]]), 3)
    decoder = code.decoder()
    decoder.add(0, np.zeros(1))
    decoder.add(1, np.zeros(1))
    assert 1e-15 < code.decode(decoder.arrived).residual < 1e-13
    assert not decoder.ready


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"encoding": np.ones((3, 4))}, r"encoding is \(3, 4\).* make \(3, 3\)"),
        ({"owner": [0, 1, 3]}, "belongs to worker 3, but there are 3"),
        ({"owner": [0, 1, -1]}, "belongs to worker -1"),
        ({"owner": [0, 1]}, "2 messages"),
        ({"encoding": np.diag([1, np.nan, 1])}, "not finite"),
        ({"n_segments": 2}, "2 x 3 pieces"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, said):
    given = {"encoding": np.eye(3), "owner": [0, 1, 2], "n_workers": 3, "n_blocks": 3}
    with pytest.raises(ConfigError, match=said):
        type("Wrong", (GradientCode,), {"name": "wrong"})(**(given | arguments))
