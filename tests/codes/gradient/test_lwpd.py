import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import codes
from mpicode.codes.decoder import EXACT
from mpicode.codes.gradient.lwpd import Lwpd
from mpicode.codes.packing import coherence, welch_bound
from mpicode.codes.sets import all_sets
from mpicode.errors import ConfigError

from ..suite import CodeSuite


class TestLwpd(CodeSuite):
    code = Lwpd
    cases = (
        {"n_workers": 1, "n_segments": 1},
        {"n_workers": 4, "n_segments": 4},
        {"n_workers": 5, "n_segments": 3, "variant": "systematic", "seed": 2},
        {"n_workers": 6, "n_segments": 6, "variant": "degree-mix", "n_messages": 15},
        {"n_workers": 4, "n_segments": 6, "variant": "random-sign", "weight": 3},
        {"n_workers": 3, "n_segments": 4, "variant": "gaussian", "n_messages": 7},
        {"n_workers": 4, "n_segments": 3, "variant": "identity"},
        {"n_workers": 4, "n_segments": 4, "variant": "replicated", "n_messages": 12},
        {"n_workers": 6, "n_segments": 4, "n_blocks": 6, "load": 2},
        {"n_workers": 4, "n_segments": 3, "n_blocks": 4, "load": 2, "variant": "replicated"},
        {"n_workers": 4, "n_segments": 4, "n_blocks": 3, "load": 2, "grid": "joint"},
    )


VARIANTS = ("packed", "systematic", "degree-mix", "random-sign", "gaussian", "replicated")


@pytest.mark.parametrize("variant", VARIANTS)
def test_messages_are_unit_combinations_of_few_segments(variant):
    code = codes.make("lwpd", n_workers=4, n_segments=8, variant=variant)
    rows = code.encoding.toarray()
    assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=0, atol=1e-12)
    assert_array_equal(rows, code.rows)
    assert_array_equal(code.packed, code.rows)
    weights = np.unique((rows != 0).sum(axis=1)).tolist()
    wanted = {"gaussian": [8], "replicated": [1], "systematic": [1, 4], "degree-mix": [1, 2, 4]}
    assert weights == wanted.get(variant, [4])
    assert code.n_messages == 16
    assert_array_equal(np.bincount(code.owner), 4)
    if variant == "systematic":
        assert_array_equal(rows[:8], np.eye(8))


@pytest.mark.parametrize("grid", ["table", "joint"])
def test_on_the_grid_cosines_multiply(grid):
    code = codes.make("lwpd", n_workers=6, n_segments=4, n_blocks=6, load=3, grid=grid)
    rows = code.encoding.toarray()
    cosines = (code.rows @ code.rows.T) * (code.block_rows @ code.block_rows.T)
    assert_allclose(rows @ rows.T, cosines, rtol=0, atol=1e-15)
    products = np.einsum("iu,ij->iuj", code.rows, code.block_rows)
    assert_allclose(rows, products.reshape(code.n_messages, -1), rtol=0, atol=1e-15)


def test_a_table_has_rows_for_each_block_on_its_holders_alone():
    code = codes.make("lwpd", n_workers=6, n_segments=4, n_blocks=6, load=2)
    assert {code.load(worker) for worker in range(6)} == {2 / 6}
    for block in range(6):
        mine = code.block_rows[:, block] != 0
        assert mine.sum() == 8
        assert_array_equal(code.rows[mine], code.packed)
        assert_array_equal(np.bincount(code.owner[mine])[np.unique(code.owner[mine])], [4, 4])
    one_block = ~np.isin(code.owner, np.setdiff1d(np.arange(6), code.owner[:8]))
    assert code.decode(one_block).residual <= 6 * 4 - 4 + 1e-9


def test_the_joint_grid_mixes_all_blocks_of_a_worker():
    code = codes.make("lwpd", n_workers=4, n_segments=4, n_blocks=3, load=2, grid="joint")
    for worker in range(4):
        held = code.blocks(worker)
        assert held.size == 2
        assert_allclose(code.block_rows[code.owner == worker][:, held], 1 / np.sqrt(2))


@pytest.mark.parametrize(("n", "k", "copies"), [(4, 4, 2), (4, 8, 3), (5, 3, 2), (3, 6, 2)])
def test_replicated_messages_outlive_all_but_one_of_their_copies(n, k, copies):
    code = codes.make(
        "lwpd", n_workers=n, n_segments=k, variant="replicated", n_messages=copies * k
    )
    assert code.max_stragglers == copies - 1
    for lost in all_sets(n, copies - 1):
        assert code.decode(~np.isin(code.owner, lost)).residual <= EXACT * k


def test_twice_as_many_packed_messages_as_segments_mostly_decode_from_a_little_more_than_half():
    """Where two-fold replication hardly ever does: 300 random sets of 20 of 32 messages."""
    shares = {}
    rng = np.random.default_rng(0)
    for variant in ("packed", "replicated"):
        code = codes.make("lwpd", n_workers=8, variant=variant)
        assert code.n_messages == 32
        masks = rng.permuted(np.tile(np.arange(32) < 20, (300, 1)), axis=1)
        shares[variant] = np.mean([code.decode(mask).residual <= EXACT * 16 for mask in masks])
    assert shares["packed"] > 0.95
    assert shares["replicated"] < 0.2


def test_the_defaults_are_packed_well():
    code = codes.make("lwpd", n_workers=8)
    assert (code.n_segments, code.n_messages) == (16, 32)
    assert coherence(code.packed) < 1.45 * welch_bound(32, 16)


def test_the_facts_are_those_of_the_rows():
    code = codes.make("lwpd", n_workers=4, n_segments=4, n_blocks=2, load=1)
    rows = code.facts()["rows"]
    assert (rows["n_rows"], rows["n_segments"]) == (8, 4)
    assert rows["coherence"] == coherence(code.packed)
    assert [each["n_arrived"] for each in rows["survivors"]] == [4, 5, 6, 7, 8]
    assert rows["survivors"][-1]["full"] == 1.0
    assert codes.make("uncoded", n_workers=4).facts() == {}


def test_at_a_given_load_it_sends_as_much_as_it_holds():
    (parameters,) = Lwpd.for_load(12, 3, 2)
    code = codes.make("lwpd", n_workers=12, **parameters)
    assert {code.load(worker) for worker in range(12)} == {3 / 12}
    assert {code.messages(worker).size for worker in range(12)} == {3}
    assert code.n_segments == 2


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"n_segments": 9999},
            r"code\.n_segments: 19998 messages of 9999 x 1 pieces are more than",
        ),
        ({"n_segments": 0}, r"code\.n_segments: wants at least 1, got 0"),
        ({"n_blocks": 0}, r"code\.n_blocks: wants at least 1, got 0"),
        ({"weight": 5}, r"code\.weight: 5 of 4 segments cannot be in a message; wants 1 to 4"),
        ({"weight": 0}, r"code\.weight: 0 of 4 segments"),
        ({"floor": -0.1}, r"code\.floor: wants 0 to 1, got -0\.1"),
        ({"floor": 2.0, "variant": "gaussian"}, r"code\.floor: wants 0 to 1, got 2\.0"),
        ({"n_messages": 3}, r"code\.n_messages: 3 messages of a block .* 4 segments .* at least 4"),
        ({"n_messages": 0}, r"code\.n_messages: 0 messages cannot be shared .* valid: 1 or 2"),
        (
            {"n_messages": 9, "n_blocks": 2},
            r"code\.n_messages: 9 messages .* evenly by 2 blocks; nearest valid: 8 or 10",
        ),
        (
            {"n_messages": 6, "variant": "replicated"},
            r"code\.n_messages: 'replicated' cannot have 6 messages of 4 .* valid: 4 or 8",
        ),
        (
            {"n_messages": 8, "variant": "identity"},
            r"code\.n_messages: 'identity' cannot have 8 messages of 4 .* valid: 4",
        ),
        ({"load": 2}, r"code\.load: 6 workers that hold 2 of 1 blocks .* wants 1 to 1"),
        ({"n_blocks": 13, "load": 2}, r"code\.load: 6 workers that hold 2 of 13 .* wants 3 to 13"),
        ({"variant": "best"}, r"code\.variant: 'best' is not one of 'packed', "),
        ({"grid": "chess"}, r"code\.grid: 'chess' is not one of 'table', 'joint'"),
        (
            {"n_messages": 4, "n_blocks": 3, "load": 1, "grid": "joint"},
            r"code\.n_messages: all 4 messages together miss .* of the 4 x 3 pieces",
        ),
        (
            {"n_segments": 14, "n_messages": 14, "weight": 1, "variant": "random-sign"},
            r"code\.n_messages: 100 times 14 random messages of weight 1 did not determine 14",
        ),
    ],
)
def test_what_cannot_be_is_refused(given, text):
    with pytest.raises(ConfigError, match=text):
        codes.make("lwpd", **{"n_workers": 6, "n_segments": 4, **given})


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match=r"run\.n_workers: wants at least 1 worker, got 0"):
        codes.make("lwpd", n_workers=0)


@pytest.mark.parametrize("grid", ["table", "joint"])
def test_other_rows_of_the_same_messages(grid):
    made = codes.make("lwpd", n_workers=6, n_segments=4, n_blocks=3, load=2, grid=grid)
    rows = np.random.default_rng(1).standard_normal(made.packed.shape)
    other = made.repacked(rows)
    np.testing.assert_array_equal(other.owner, made.owner)
    assert [other.blocks(w).tolist() for w in range(6)] == [
        made.blocks(w).tolist() for w in range(6)
    ]
    back = other.repacked(made.packed)
    assert (back.encoding != made.encoding).nnz == 0
    full = np.ones(made.n_messages, dtype=bool)
    sums = other.decode(full).coefficients @ other.encoding.toarray()
    np.testing.assert_allclose(sums, np.repeat(np.eye(4), 3, axis=1), atol=1e-9)
    assert other.max_stragglers is None
    with pytest.raises(ConfigError, match="rows: shape"):
        made.repacked(rows[1:])
    with pytest.raises(ConfigError, match="together miss"):
        made.repacked(rows[:, :1] * np.array([[1.0, 0, 0, 0]]))
