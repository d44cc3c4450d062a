import numpy as np
import pytest

from mpicode.pool import wire
from mpicode.pool.snapshots import Snapshots


@pytest.fixture
def dropped():
    return []


@pytest.fixture
def snapshots(dropped):
    return Snapshots(3, np.dtype(np.float32), 5, dropped.append)


def test_a_snapshot_is_a_cast_copy(snapshots):
    values = np.array([0.1, 2.0, -1e30])
    snapshot = snapshots.take(values)
    assert snapshot.values.dtype == np.float32
    np.testing.assert_array_equal(snapshot.values, values.astype(np.float32))
    assert np.shares_memory(snapshot.values, snapshot.buffer)
    values[:] = 7
    assert snapshot.values[1] == 2.0


def test_one_that_is_read_is_not_written(snapshots):
    first = snapshots.take([1, 1, 1])
    first.pins = 1
    for number in range(2, 20):
        other = snapshots.take([number] * 3)
        assert other is not first
    assert first.values.tolist() == [1, 1, 1]
    assert len(snapshots) == 2


def test_two_rotate_while_each_is_read_for_one_round(snapshots):
    seen = set()
    last = None
    for number in range(10):
        snapshot = snapshots.take([number] * 3)
        snapshot.pins += 1
        if last is not None:
            assert last.values.tolist() == [number - 1] * 3
            last.pins -= 1
        last = snapshot
        seen.add(id(snapshot))
    assert len(seen) == len(snapshots) == 2


def test_more_are_made_only_while_all_are_read_and_given_up_after(snapshots, dropped):
    pinned = []
    for number in range(5):
        snapshot = snapshots.take([number] * 3)
        snapshot.pins = 1
        pinned.append(snapshot)
        assert len(snapshots) == max(2, number + 1)
    assert dropped == []
    for snapshot in pinned:
        snapshot.pins = 0
    kept = snapshots.take([9, 9, 9])
    assert len(snapshots) == 2
    assert len(dropped) == 3
    assert kept not in dropped
    assert all(snapshot in pinned for snapshot in dropped)


def test_there_are_never_more_than_the_bound(snapshots):
    for number in range(5):
        snapshots.take([number] * 3).pins = 1
    with pytest.raises(AssertionError, match="5 of 5 are pinned"):
        snapshots.take([5, 5, 5])
    assert len(snapshots) == 5


def test_a_pinned_one_is_never_given_up(snapshots, dropped):
    pinned = [snapshots.take([number] * 3) for number in range(1)]
    pinned[0].pins = 1
    for number in range(4):
        snapshots.take([number] * 3).pins = 1
    for snapshot in list(snapshots._all):
        snapshot.pins = int(snapshot is pinned[0])
    for _ in range(4):
        snapshots.take([8, 8, 8])
    assert pinned[0] not in dropped
    assert pinned[0].values.tolist() == [0, 0, 0]
    assert len(snapshots) == 2


def test_closing_gives_up_all(snapshots, dropped):
    snapshots.take([1, 2, 3])
    snapshots.close()
    assert len(dropped) == 2
    assert len(snapshots) == 0


def test_parameters_of_another_length_are_refused(snapshots):
    with pytest.raises(ValueError, match="could not broadcast"):
        snapshots.take(np.ones(4))


def test_one_that_is_needed_now_and_then_is_kept(dropped):
    snapshots = Snapshots(3, np.dtype(np.float32), 6, dropped.append, patience=4)
    for _ in range(10):  # four are read, then none
        pinned = []
        for number in range(4):
            pinned.append(snapshots.take([number] * 3))
            pinned[-1].pins = 1
        for snapshot in pinned:
            snapshot.pins = 0
    assert dropped == []
    assert len(snapshots) == 4
    for _ in range(8):
        snapshots.take([9, 9, 9])
    assert len(snapshots) == len(dropped) == 2


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_numbers_stand_behind_the_values(dtype, dropped):
    snapshots = Snapshots(3, np.dtype(dtype), 5, dropped.append, n_numbers=5)
    snapshot = snapshots.take([1, 2, 3])
    snapshot.numbers[:] = range(-1, 4)
    assert snapshot.values.tolist() == [1, 2, 3]
    length = 3 + wire.numbers_room(5, np.dtype(dtype))
    assert len(snapshot.buffer) == wire.message_bytes(length, np.dtype(dtype))
    whole = wire.payload(snapshot.buffer, length, np.dtype(dtype))
    values, numbers = wire.split_numbers(whole, 5)
    assert values.tolist() == [1, 2, 3]
    assert numbers.tolist() == [-1, 0, 1, 2, 3]
