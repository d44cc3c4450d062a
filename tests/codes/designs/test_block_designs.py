import numpy as np
import pytest

from mpicode.codes.designs import bibd, known_bibds
from mpicode.errors import ConfigError

KNOWN = [(n, design) for n in range(3, 100) for design in known_bibds(n)]
IDS = [f"{n}-{design.replication}" for n, design in KNOWN]


@pytest.mark.parametrize(("n", "known"), KNOWN, ids=IDS)
def test_any_two_workers_share_equally_many_blocks(n, known):
    design = known.build().astype(int)
    assert design.shape == (known.n_blocks, n)
    assert (design.sum(axis=1) == known.replication).all()
    overlap, rest = divmod(known.load * (known.replication - 1), n - 1)
    assert rest == 0
    wanted = (known.load - overlap) * np.eye(n, dtype=int) + overlap
    np.testing.assert_array_equal(design.T @ design, wanted)


@pytest.mark.parametrize(
    ("n", "replication", "overlap"),
    [
        (7, 3, 1),
        (9, 3, 1),
        (11, 5, 2),
        (13, 4, 1),
        (13, 3, 1),
        (15, 3, 1),
        (16, 6, 2),
        (21, 5, 1),
        (31, 6, 1),
        (37, 9, 2),
        (57, 8, 1),
        (73, 9, 1),
        (91, 10, 1),
        (101, 25, 6),
        (109, 28, 7),
    ],
)
def test_the_designs_of_the_literature_are_there(n, replication, overlap):
    design = bibd(n, replication).astype(int)
    assert design[:, 0] @ design[:, 1] == overlap
    assert design[0].sum() == replication


def test_without_further_numbers_the_least_overlap_and_the_fewest_blocks_are_taken():
    assert bibd(13).shape == (13, 13)
    assert bibd(19).shape == (57, 19)
    assert bibd(25).shape == (30, 25)
    assert bibd(25, load=12).shape == (100, 25)


def test_designs_of_very_many_blocks_are_left_out():
    with pytest.raises(ConfigError, match="no block design of 999 workers"):
        bibd(999)
    assert bibd(993).shape == (993, 993)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((12,), r"run\.n_workers: no block design of 12 workers is known; nearest valid: 11 or 13"),
        ((1,), r"run\.n_workers: .* of 1 workers is known; nearest valid: 7"),
        ((14, 1000), r"run\.n_workers: no block design of 14 .* nearest valid: 13 or 15"),
        ((13, 5), r"code\.replication: .* replication 4 \(load 4 of 13\), 3 .*n_workers 11 or 21"),
        ((13, None, 5), r"code\.load: .* with load 5 is known; nearest valid: replication 4"),
        ((13, 3, 4), r"code\.replication: .* with replication 3, load 4 is known"),
    ],
)
def test_unknown_numbers_are_answered_with_the_nearest(numbers, said):
    with pytest.raises(ConfigError, match=said):
        bibd(*numbers)
