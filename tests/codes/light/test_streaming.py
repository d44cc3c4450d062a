"""Rounds of any code decoded message by message."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpicode import codes
from mpicode.codes import light
from mpicode.codes.light.streaming import LightDecoding
from mpicode.errors import ConfigError

CODES = [
    ("lwpd", {"n_segments": 4}),
    ("lwpd", {"n_segments": 3, "n_blocks": 4}),
    ("cyclic", {"n_stragglers": 2}),
    ("uncoded", {}),
]


@pytest.fixture(params=CODES, ids=lambda each: each[0])
def code(request):
    name, parameters = request.param
    return codes.make(name, n_workers=6, **parameters)


def add_all(decoder, messages, order):
    for i in order:
        assert decoder.add(int(i), messages[i])


@pytest.mark.parametrize("method", sorted(set(light.DECODERS) - {"sega", "peel"}))
def test_the_estimate_is_what_its_coefficients_say(code, method):
    decoder = LightDecoding(code, method).decoder()
    pieces = np.random.default_rng(0).standard_normal((code.encoding.shape[1], 9))
    messages = code.encoding @ pieces
    rng = np.random.default_rng(1)
    for count in (0, 1, 3, code.n_messages):
        add_all(decoder, messages, rng.permutation(code.n_messages)[:count])
        out = np.full((code.n_segments, 9), np.nan)
        decoding = decoder.estimate(out)
        assert_allclose(out, decoding.coefficients @ messages, rtol=1e-9, atol=1e-9)
        assert decoding.residual == pytest.approx(code.residual(decoding.coefficients))
        assert not decoding.coefficients[:, ~decoder.arrived].any()
        assert decoder.n_arrived == count
        decoder.reset()


def test_ortho_is_least_squares(code):
    decoder = LightDecoding(code, "ortho").decoder()
    rng = np.random.default_rng(2)
    messages = code.encoding @ rng.standard_normal((code.encoding.shape[1], 9))
    for _ in range(5):
        order = rng.permutation(code.n_messages)
        for place, i in enumerate(order, 1):
            decoder.add(int(i), messages[i])
            out = np.empty((code.n_segments, 9))
            decoding = decoder.estimate(out)
            own = codes.GradientCode.solve(code, decoder.arrived)
            assert decoding.residual == pytest.approx(code.residual(own), rel=1e-8, abs=1e-15)
            assert_allclose(out, own @ messages, rtol=1e-7, atol=1e-8)
            assert decoder.ready == (decoding.residual < 1e-15 or place == code.n_messages)
        decoder.reset()


def test_numbers_that_are_not_finite_show_in_the_estimate_until_reset(code):
    decoder = LightDecoding(code, "ortho").decoder()
    decoder.add(0, np.full(4, np.nan))
    out = np.zeros((code.n_segments, 4))
    decoder.estimate(out)
    assert np.isnan(out).all()
    decoder.reset()
    decoder.add(0, np.zeros(4))
    decoder.estimate(out)
    assert not out.any()


def test_old_messages_and_copies_are_left(code):
    decoder = LightDecoding(code, "kaczmarz").decoder()
    assert not decoder.add(0, np.ones(4), age=1)
    assert decoder.add(0, np.ones(4))
    assert not decoder.add(0, np.full(4, 9.0))
    assert (decoder.n_stale, decoder.n_duplicates, decoder.n_arrived) == (1, 1, 1)


def test_codes_that_cannot_be_taken_apart():
    rotating = codes.make("reed-solomon", n_workers=5, n_stragglers=1)
    with pytest.raises(
        ConfigError, match=r"decoding.method: 'peel' wants real messages .* complex"
    ):
        LightDecoding(rotating, "peel")
    with pytest.raises(ConfigError, match="unknown decoder 'pell'; did you mean 'peel'"):
        LightDecoding(codes.make("uncoded", n_workers=3), "pell")
    packed = codes.make("lwpd", n_workers=6, n_segments=4)
    with pytest.raises(ConfigError, match="'peel' finds nothing in all 12 messages of 'lwpd'"):
        LightDecoding(packed, "peel")


def test_peeling_of_a_systematic_code():
    code = codes.make("lwpd", n_workers=6, n_segments=4, variant="systematic")
    decoder = LightDecoding(code, "peel").decoder()
    segments = np.random.default_rng(0).standard_normal((4, 9))
    add_all(decoder, code.encoding @ segments, range(code.n_messages))
    out = np.empty((4, 9))
    assert decoder.estimate(out).residual < 1e-20
    assert_allclose(out, segments, rtol=1e-12, atol=1e-12)
