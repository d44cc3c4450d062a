"""The same scheme over fewer workers: what is tried, in which order, and what is refused."""

import itertools

import pytest

from mpicode.config import Config
from mpicode.errors import ConfigError
from mpicode.train.renewal import attempts, renew
from mpicode.train.setup import build


@pytest.fixture
def setup(tables):
    """Build the parts of a run, and close its files in the end."""
    made = []

    def make(**changes):
        made.append(build(Config.from_dict(tables(**changes))))
        return made[-1]

    yield make
    for one in made:
        one.close()


def first(setup, n_left):
    """Return the number of the first attempt that can be made, and the parts of a run for it."""
    number = 0
    while True:
        try:
            return number, renew(setup, n_left, number)
        except ConfigError:
            number += 1


def tried(config, n_left):
    return [(n, p) for n, p in attempts(Config.from_dict(config), n_left)]


def test_fewer_workers_come_before_less_redundancy(tables):
    config = tables(code={"name": "cyclic", "n_stragglers": 2})
    ordered = [(p["n_stragglers"], n) for n, p in tried(config, 3)]
    assert ordered == list(itertools.product([2, 1, 0], [3, 2, 1]))


def test_defaults_are_weakened_too_and_the_number_of_blocks_is_given_up_first(tables):
    config = tables(code={"name": "kadhe", "n_segments": 2, "n_blocks": 8})
    found = tried(config, 2)
    assert found[:4] == [
        (2, {"n_segments": 2, "n_blocks": 8}),
        (2, {"n_segments": 2}),
        (1, {"n_segments": 2, "n_blocks": 8}),
        (1, {"n_segments": 2}),
    ]
    assert found[4] == (2, {"n_segments": 2, "n_blocks": 8, "replication": 3})


@pytest.mark.parametrize(
    ("code", "n_workers", "n_left", "expected"),
    [
        ({"name": "cyclic", "n_stragglers": 2}, 12, 11, (11, {"n_stragglers": 2})),
        ({"name": "fractional-repetition", "n_stragglers": 2}, 12, 11, (9, {"n_stragglers": 2})),
        ({"name": "fractional-repetition", "n_stragglers": 2}, 12, 2, (2, {"n_stragglers": 1})),
        ({"name": "uncoded"}, 3, 1, (1, {})),
        # 24 blocks cannot be shared evenly by 11, so there are as many as suit
        ({"name": "cyclic", "n_blocks": 24}, 12, 11, (11, {})),
        ({"name": "cyclic", "n_blocks": 24}, 12, 8, (8, {"n_blocks": 24})),
    ],
)
def test_the_first_that_can_be_made(setup, code, n_workers, n_left, expected):
    one = setup(code=code, run={"n_workers": n_workers})
    number, renewed = first(one, n_left)
    assert list(attempts(one.config, n_left))[number] == expected
    assert renewed.code.n_workers == expected[0]
    assert renewed.partition.n_blocks == renewed.code.n_blocks
    assert renewed.partition.n_train == one.partition.n_train


def test_messages_keep_their_form(setup):
    """The code of 5 would be complex, and its messages too long: 4 workers it is."""
    one = setup(code={"name": "cyclic-mds", "n_stragglers": 1}, run={"n_workers": 6})
    with pytest.raises(ConfigError, match="dtype of 5 workers is complex128, it was float64"):
        renew(one, 5, 0)
    assert first(one, 5)[1].code.n_workers == 4


def test_as_many_messages_are_not_waited_for_as_before(setup):
    one = setup(code={"name": "bernoulli"}, run={"n_workers": 10}, decoding={"n_answers": 8})
    rules = first(one, 7)[1].rules
    decoder = rules.code.decoder()
    wanted = []
    for message in range(7):
        decoder.add(message, [0.0])
        wanted.append(rules.enough(decoder))
    assert wanted.index(True) + 1 <= 5
    assert first(one, 2)[1].code.n_workers == 2
