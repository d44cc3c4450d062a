"""Vectors cut into segments, and put together again."""

import numpy as np
import pytest

import mpicode
from mpicode import codes, problems
from mpicode.config import Config
from mpicode.errors import ConfigError
from mpicode.pool import Request, wire
from mpicode.train.arrivals import simulate
from mpicode.train.embed import _BlockWork
from mpicode.train.parts import Parts
from mpicode.train.segments import Segments


class Given(codes.GradientCode):
    """Any encoding, (n_messages, n_segments * n_blocks), a worker for each message."""

    name = "given"

    def __init__(self, encoding, n_segments):
        n = len(encoding)
        n_blocks = np.shape(encoding)[1] // n_segments
        super().__init__(
            encoding, np.arange(n), n_workers=n, n_blocks=n_blocks, n_segments=n_segments
        )


def square(n_segments, is_complex=False):
    """As many messages as segments of one block."""
    rng = np.random.default_rng(n_segments)
    matrix = rng.standard_normal((n_segments, n_segments))
    if is_complex:
        matrix = matrix + 1j * rng.standard_normal(matrix.shape)
    return Given(matrix, n_segments)


def layout_of(n_parameters, permuted):
    return np.random.default_rng(1).permutation(n_parameters) if permuted else None


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(("n_parameters", "n_segments"), [(12, 4), (11, 4), (5, 5), (3, 5), (7, 1)])
def test_what_is_folded_and_decoded_is_joined(n_parameters, n_segments, is_complex, permuted):
    code = square(n_segments, is_complex)
    segments = Segments(code, n_parameters, layout=layout_of(n_parameters, permuted))
    assert segments.length == -(-n_parameters // n_segments)
    assert segments.answer_length == segments.length + 1
    assert segments.dtype == (np.complex128 if is_complex else np.float64)
    gradient = np.random.default_rng(2).standard_normal(n_parameters)
    padded = np.zeros(segments.padded_length)
    padded[:n_parameters] = gradient
    decoder = code.decoder()
    for message, direction in enumerate(code.encoding.toarray()):
        out = np.zeros(segments.answer_length, segments.dtype)
        segments.fold(direction, padded, out[:-1])
        out[-1] = direction[0] * 2.5
        decoder.add(message, out)
    decoded = segments.new_decoded()
    decoder.estimate(decoded)
    joined, loss = segments.join(decoded)
    np.testing.assert_allclose(joined, gradient, rtol=1e-10, atol=1e-12)
    assert joined.flags.c_contiguous
    assert loss == pytest.approx(2.5, rel=1e-12)


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("is_complex", [False, True])
def test_folding_adds_or_writes(add, is_complex):
    code = square(3, is_complex)
    segments = Segments(code, 8)
    direction, padded = code.encoding.toarray()[0], np.append(np.arange(8.0), 0.0)
    out = np.full(3, 7.0, segments.dtype)
    segments.fold(direction, padded, out, add)
    np.testing.assert_allclose(out, direction @ padded.reshape(3, 3) + 7.0 * add, rtol=1e-13)


def test_one_segment_is_not_copied():
    segments = Segments(square(1), 6)
    decoded = segments.new_decoded()
    gradient, _ = segments.join(decoded)
    assert np.shares_memory(gradient, decoded)


def test_single_precision_messages():
    assert Segments(square(2), 6, np.float32).dtype == np.float32
    assert Segments(square(2, is_complex=True), 6, np.float32).dtype == np.complex128


@pytest.mark.parametrize(("name", "sliced"), [("lwpd", True), ("ye-abbe", False)])
def test_segments_of_light_codes_have_a_slice_of_every_layer(name, sliced):
    code = codes.make(name, n_workers=6, n_segments=3)
    problem = problems.make("softmax", {}, n_features=20, n_classes=5, task="multiclass")
    segments = Segments.of(code, problem, np.float64)
    assert segments.sliced == sliced
    assert segments.length == -(-problem.n_parameters // 3)
    if sliced:
        np.testing.assert_array_equal(segments.layout, problem.slices(3))
    else:
        assert segments.layout is None


def test_slices_that_follow_each_other_are_no_permutation():
    """Of one output, without intercept, each slice of the layer is the next segment."""
    code = codes.make("lwpd", n_workers=6, n_segments=3)
    problem = problems.make(
        "least-squares", {"intercept": False}, n_features=21, n_classes=0, task="regression"
    )
    segments = Segments.of(code, problem, np.float64)
    assert segments.sliced
    assert segments.layout is None
    np.testing.assert_array_equal(problem.slices(3), np.arange(21))


class TestParts:
    def test_proportional_blocks_share_one(self):
        direction = np.array([[0.5], [-2.0]])
        pieces = direction * np.array([1.0, 0.0, -3.0, 0.1])
        (part,) = Parts(Given(pieces.reshape(1, -1), 2))(0, 0)
        np.testing.assert_allclose(part.direction, [-0.25, 1.0])
        assert [block for block, _ in part.blocks] == [0, 2, 3]
        np.testing.assert_allclose([w for _, w in part.blocks], [-2.0, 6.0, -0.2])

    def test_others_do_not(self):
        pieces = np.array([[1.0, 1.0, 2.0], [1.0, 1.0 + 1e-9, 2.0]])
        first, second = Parts(Given(pieces.reshape(1, -1), 2))(0, 0)
        assert [block for block, _ in first.blocks] == [0, 2]
        assert [block for block, _ in second.blocks] == [1]

    def test_one_segment_keeps_its_coefficients_to_the_bit(self):
        row = np.random.default_rng(0).standard_normal((1, 9))
        (part,) = Parts(Given(row, 1))(0, 0)
        assert part.direction.tolist() == [1.0]
        assert [weight for _, weight in part.blocks] == row[0].tolist()

    def test_weights_of_complex_codes_are_real(self):
        row = np.array([[1j, -2j, 1.0 + 1j]])
        parts = Parts(Given(row, 1))(0, 0)
        assert [[block for block, _ in part.blocks] for part in parts] == [[0, 1], [2]]
        again = {b: w * part.direction[0] for part in parts for b, w in part.blocks}
        np.testing.assert_allclose([again[b] for b in range(3)], row[0])

    def test_a_message_of_nothing(self):
        assert Parts(Given(np.array([[0.0, 0.0], [1.0, 2.0]]), 2))(0, 0) == ()


class TestEmbedded:
    """What a worker of somebody else's program sends."""

    def message(self, code, gradient, n_parameters, dtype=np.float64):
        segments = Segments(code, n_parameters, dtype)
        work = _BlockWork(code, 0, gradient, segments, np.dtype(dtype))
        out = np.full(work.answer_length, np.nan, work.dtype)
        request = Request(wire.Kind.GRADIENT, 0, 0, np.zeros(n_parameters, dtype), 0.0)
        costs = list(work.compute(request, 0, out))
        return out, costs

    @pytest.mark.parametrize("is_complex", [False, True])
    def test_is_made_of_pieces(self, is_complex):
        rng = np.random.default_rng(4)
        pieces = rng.standard_normal((1, 2 * 3)) + 1j * is_complex * rng.standard_normal((1, 6))
        code = Given(pieces if is_complex else pieces.real, 2)
        gradients, losses = rng.standard_normal((3, 5)), rng.standard_normal(3)
        out, costs = self.message(code, lambda x, block: (gradients[block], losses[block]), 5)
        padded = np.pad(gradients, ((0, 0), (0, 1))).reshape(3, 2, 3)
        wanted = np.einsum("uj,jul->l", code.encoding.toarray().reshape(2, 3), padded)
        np.testing.assert_allclose(out[:-1], wanted, rtol=1e-12)
        np.testing.assert_allclose(out[-1], code.encoding.toarray()[0, :3] @ losses, rtol=1e-12)
        assert costs == [1.0] * 3

    def test_takes_integers_and_numbers_that_lie_apart_but_no_complex_ones(self):
        code = square(1)
        for given in ([1, 2, 3], np.arange(1.0, 7.0)[::2], np.float32([1, 2, 3])):
            out, _ = self.message(code, lambda x, block, g=given: g, 3)
            np.testing.assert_allclose(out[:-1], code.encoding.toarray()[0, 0] * np.asarray(given))
        with pytest.raises(TypeError, match="complex128"):
            self.message(code, lambda x, block: np.ones(3, complex), 3)


class Shuffled(problems.LinearModel):
    """Least squares whose segments are cut in an order of its own."""

    name = "shuffled"
    tasks = ("multiclass",)

    def layout(self, n_segments):
        return np.random.default_rng(n_segments).permutation(self.n_parameters)

    def _residual(self, z, y, weights):
        z -= y
        weighted = weights * z
        loss = 0.5 * float(weighted @ z)
        z[...] = weighted
        return loss


CODES = [
    {"name": "kadhe", "n_segments": 2, "replication": 4},
    {"name": "kadhe", "n_segments": 4, "replication": 4},
    {"name": "ye-abbe", "n_segments": 3, "n_stragglers": 1},
    {"name": "cyclic-mds", "n_stragglers": 2},
    {"name": "munim-nullspace", "n_segments": 2, "n_stragglers": 0, "design": "coset", "load": 2},
    {
        "name": "munim-diagonal",
        "n_segments": 2,
        "n_stragglers": 0,
        "design": "coset",
        "load": 3,
        "epsilon": 0.5,
    },
]


class TestRuns:
    """Whole runs, under the virtual clock."""

    def run(self, tables, code, **changes):
        config = tables(code=code, run={"n_workers": 8, "iterations": 4}, **changes)
        return mpicode.run(config)

    @pytest.mark.parametrize("problem", ["softmax", "mlp"])
    @pytest.mark.parametrize("code", CODES, ids=lambda code: code["name"])
    def test_descend_as_one_process_would(self, tables, code, problem):
        plain = self.run(tables, {"name": "uncoded"}, problem={"name": problem})
        coded = self.run(tables, code, problem={"name": problem})
        assert coded.complete
        np.testing.assert_allclose(coded.parameters, plain.parameters, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(coded.history["loss"], plain.history["loss"], rtol=1e-10)

    def test_single_precision(self, tables):
        config = tables(
            code={"name": "kadhe", "n_segments": 2, "replication": 4},
            run={"n_workers": 8, "iterations": 4, "dtype": "float32"},
        )
        plain = self.run(tables, {"name": "uncoded"})
        np.testing.assert_allclose(mpicode.run(config).loss, plain.loss, rtol=1e-5)

    def test_bytes_fall_by_m_but_for_headers(self, tables):
        received = {}
        for m in (1, 2, 4):
            code = {"name": "ye-abbe", "n_segments": m, "n_stragglers": 0}
            received[m] = self.run(tables, code).history["bytes_received"]
        empty = 8 * (wire.message_bytes(0, np.dtype(float)) + 8)
        for m in (2, 4):
            length = -(-650 // m)
            np.testing.assert_array_equal(received[m] - empty, 8 * 8 * length)

    def test_time_falls_with_them(self, tables):
        """Of a link that carries 1 MB/s, the request takes its share whatever m is."""
        virtual = {"bytes_per_second": 1e6, "latency_seconds": 0.0, "seconds_per_row": 0.0}
        for m in (1, 2, 4):
            code = {"name": "ye-abbe", "n_segments": m, "n_stragglers": 0}
            seconds = self.run(tables, code, virtual=virtual).history["seconds"]
            n_bytes = 2 * wire.message_bytes(0, np.dtype(float)) + 8 * (650 + -(-650 // m) + 1)
            np.testing.assert_allclose(seconds[1:], n_bytes / 1e6, rtol=1e-9)

    @pytest.mark.parametrize("code", CODES[:4], ids=lambda code: code["name"])
    def test_simulated_arrivals_take_the_time_of_the_run(self, tables, code):
        changes = {
            "virtual": {"bytes_per_second": 1e6},
            "delays": {"name": "pareto", "scale": 1e-3, "shape": 1.2},
        }
        done = self.run(tables, code, **changes)
        config = tables(code=code, run={"n_workers": 8, "iterations": 4}, **changes)
        seconds = simulate(Config.from_dict(config)).seconds
        np.testing.assert_allclose(seconds, done.history["seconds"], rtol=1e-12)

    def test_more_segments_than_parameters_are_refused(self, tables):
        code = {"name": "lwpd", "n_segments": 700, "variant": "identity"}
        with pytest.raises(
            ConfigError, match=r"code\.n_segments: 700 segments, but .* has \d+ par"
        ):
            self.run(tables, code)

    @pytest.mark.parametrize("code", [CODES[1], CODES[2], CODES[3]], ids=lambda code: code["name"])
    def test_an_order_of_its_own(self, tables, code):
        problem = {"name": f"{__name__}:Shuffled"}
        plain = self.run(
            tables, {"name": "uncoded"}, problem=problem, optimizer={"step_size": 1e-4}
        )
        coded = self.run(tables, code, problem=problem, optimizer={"step_size": 1e-4})
        np.testing.assert_allclose(coded.parameters, plain.parameters, rtol=1e-9, atol=1e-12)
