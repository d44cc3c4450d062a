import itertools

import numpy as np
import pytest

from mpicode.errors import ConfigError
from mpicode.train.partition import Partition

# (n_samples, n_blocks, test_fraction): small numbers, round ones, primes, one row per block
SHAPES = [
    (1, 1, 0.0),
    (7, 7, 0.0),
    (10, 4, 0.0),
    (12, 8, 0.0),
    (100, 8, 0.2),
    (101, 12, 0.1),
    (1797, 8, 0.2),
    (1797, 33, 0.0),
    (9973, 24, 0.3),
    (100_003, 7, 0.001),
    (250_000, 48, 0.5),
]


@pytest.fixture(params=itertools.product(SHAPES, (0, 1, 2**63 - 1)), ids=str)
def made(request):
    (n_samples, n_blocks, test_fraction), seed = request.param
    return n_samples, test_fraction, Partition(n_samples, n_blocks, test_fraction, seed)


def test_blocks_tile_the_rows(made):
    n_samples, _, partition = made
    extents = [partition.extent(block) for block in range(partition.n_blocks)]
    assert extents[0][0] == 0
    assert extents[-1][1] == n_samples
    assert all(a[1] == b[0] for a, b in itertools.pairwise(extents))
    lengths = {stop - start for start, stop in extents}
    assert max(lengths) - min(lengths) <= 1


def test_as_many_rows_are_kept_aside_as_asked(made):
    n_samples, test_fraction, partition = made
    aside = partition.aside(0, n_samples)
    assert aside.sum() == partition.n_test == round(test_fraction * n_samples)
    assert partition.n_train + partition.n_test == n_samples
    for block in range(partition.n_blocks):
        start, stop = partition.extent(block)
        assert partition.sizes[block] == (stop - start) - partition.aside(start, stop).sum() > 0
    assert partition.sizes.sum() == partition.n_train


def test_every_rank_makes_the_same(made):
    n_samples, test_fraction, partition = made
    again = Partition(n_samples, partition.n_blocks, test_fraction, partition.seed)
    np.testing.assert_array_equal(again.aside(0, n_samples), partition.aside(0, n_samples))
    batch = min(partition.n_train, 3 * partition.n_blocks)
    # whatever was drawn before
    for iteration, block in [(5, partition.n_blocks - 1), (0, 0)]:
        partition.slots(3, 0, batch)
        np.testing.assert_array_equal(
            partition.slots(iteration, block, batch), again.slots(iteration, block, batch)
        )


def test_slots_are_rows_of_the_block_and_make_up_the_batch(made):
    _, _, partition = made
    blocks = range(partition.n_blocks)
    smallest = int(partition.sizes.min())
    for batch in {partition.n_blocks, partition.n_blocks * smallest}:
        for iteration in (0, 1, 10**6):
            drawn = [partition.slots(iteration, block, batch) for block in blocks]
            assert sum(map(len, drawn)) == batch
            for block, slots in enumerate(drawn):
                assert len(slots) >= 1
                assert (np.diff(slots) > 0).all()
                assert slots[0] >= 0
                assert slots[-1] < partition.sizes[block]


def test_the_whole_block_is_all_its_slots():
    partition = Partition(103, 4, 0.1, 0)
    for block in range(4):
        slots = partition.slots(3, block, 10**9)
        assert slots.tolist() == list(range(partition.sizes[block]))


def test_slots_differ_by_seed_iteration_and_block():
    drawn = {
        (seed, iteration, block): tuple(Partition(1000, 4, 0.0, seed).slots(iteration, block, 40))
        for seed, iteration, block in itertools.product(range(3), range(3), range(4))
    }
    assert len(set(drawn.values())) == len(drawn)
    # they are not those of the rows kept aside, which come from the same seed
    assert not Partition(1000, 4, 0.2, 0).aside(0, 1000)[:40].all()


def test_every_row_is_drawn_equally_often():
    partition = Partition(40, 4, 0.0, 7)
    n_iterations = 4000
    counts = np.zeros((4, 10))
    for iteration in range(n_iterations):
        for block in range(4):
            counts[block, partition.slots(iteration, block, 12)] += 1
    # 3 of 10 rows each time; the deviation of a count is sqrt(4000 * 0.3 * 0.7) = 29
    assert counts.sum() == 12 * n_iterations
    assert abs(counts - 0.3 * n_iterations).max() < 4.5 * 29


def test_a_batch_that_blocks_cannot_share_evenly():
    partition = Partition(1000, 7, 0.0, 0)
    sizes = [len(partition.slots(0, block, 24)) for block in range(7)]
    assert sum(sizes) == 24
    assert set(sizes) == {3, 4}


def test_more_blocks_than_rows():
    with pytest.raises(ConfigError, match=r"^code: 8 blocks, but only 7 rows to train on$"):
        Partition(7, 8, 0.0, 0)
    with pytest.raises(ConfigError, match=r"^code: 8 blocks, but only 5 rows to train on$"):
        Partition(10, 8, 0.5, 0)


def test_a_block_of_which_nothing_is_left():
    with pytest.raises(ConfigError, match=r"^data.test_fraction: 0.6 keeps every row of block \d"):
        Partition(20, 8, 0.6, 1)


def test_a_fraction_too_small_to_hold_a_row():
    with pytest.raises(ConfigError, match=r"^data.test_fraction: 0.001 of 100 rows is less than"):
        Partition(100, 4, 0.001, 0)
