"""Which rule ends an iteration, and what the rules of ``[decoding]`` refuse."""

import itertools

import numpy as np
import pytest

import mpicode
from mpicode import codes
from mpicode.codes.decoder import EXACT
from mpicode.config import Config, Decoding
from mpicode.errors import ConfigError, NotDecodable
from mpicode.train.arrivals import simulate
from mpicode.train.stop_rules import MOST_TRACKED, StopRules

from .schemes import APPROXIMATE, make
from .schemes import EXACT as EXACT_SCHEMES

SLOW = {"name": "fixed", "slow_workers": [1, 4], "seconds": 100.0}
NEVER = {"name": "fixed", "slow_workers": list(range(8)), "seconds": 1e9}


def stops_after(rules, order):
    """Return how many messages arrive, in this order, before the rules have enough."""
    decoder = rules.code.decoder()
    for number, message in enumerate(order, start=1):
        decoder.add(message, np.ones(1, dtype=rules.code.encoding.dtype))
        if rules.enough(decoder):
            return number
    return None


def orders(code, count=20):
    rng = np.random.default_rng(1)
    return [rng.permutation(code.n_messages).tolist() for _ in range(count)]


def residual_after(code, order, number):
    arrived = np.zeros(code.n_messages, dtype=bool)
    arrived[order[:number]] = True
    return code.decode(arrived).residual / (code.n_segments * code.n_blocks)


@pytest.mark.parametrize("name", EXACT_SCHEMES)
def test_without_rules_an_exact_code_waits_until_it_can_decode(name):
    code = make(name)
    rules = StopRules(code)
    for order in orders(code):
        decoder = code.decoder()
        for message in order:
            assert not decoder.ready
            decoder.add(message, np.ones(1))
            assert rules.enough(decoder) == decoder.ready
            if decoder.ready:
                break
        assert decoder.ready


@pytest.mark.parametrize("name", APPROXIMATE)
def test_without_rules_an_approximate_code_waits_for_its_count_or_the_exact_sum(name):
    code = make(name)
    rules = StopRules(code)
    for order in orders(code):
        number = stops_after(rules, order)
        alone = code.decoder()
        for message in order[: number - 1]:
            alone.add(message, np.ones(1))
            assert not alone.ready
        alone.add(order[number - 1], np.ones(1))
        assert alone.ready or residual_after(code, order, number) <= EXACT


@pytest.mark.parametrize("name", [*EXACT_SCHEMES, *APPROXIMATE])
def test_a_count_ends_the_wait_unless_the_sum_is_exact_before(name):
    code = make(name)
    for count in range(1, code.n_messages + 1):
        rules = StopRules(code, Decoding(n_answers=count))
        for order in orders(code, 6):
            number = stops_after(rules, order)
            assert number <= count
            if number < count:
                assert residual_after(code, order, number) <= EXACT
            if number > 1:
                assert residual_after(code, order, number - 1) > EXACT


@pytest.mark.parametrize("name", [*EXACT_SCHEMES, "bibd", "expander", "ignore-stragglers"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_a_residual_ends_the_wait_at_once(name, share):
    code = make(name)
    rules = StopRules(code, Decoding(max_residual=share))
    for order in orders(code):
        number = stops_after(rules, order)
        assert residual_after(code, order, number) <= max(share, EXACT)
        assert residual_after(code, order, number - 1) > share


def test_often_the_sum_is_exact_before_the_last_that_is_promised():
    code = codes.make("fractional-repetition", n_workers=12, n_stragglers=3)
    numbers = [stops_after(StopRules(code), order) for order in orders(code, 50)]
    assert max(numbers) <= 12 - 3
    assert np.mean(numbers) < 7


def test_the_first_rule_to_hold_wins():
    code = codes.make("bibd", n_workers=7)
    shares = [residual_after(code, range(7), number) for number in range(8)]
    between = (shares[4] + shares[5]) / 2  # 5 messages miss less
    for n_answers, expected in ((3, 3), (4, 4), (5, 5), (6, 5), (7, 5)):
        rules = StopRules(code, Decoding(n_answers=n_answers, max_residual=between))
        assert stops_after(rules, range(7)) == expected
    # a deadline takes the place of the code's own count, and is looked at elsewhere
    assert stops_after(StopRules(code), range(7)) == 6
    assert stops_after(StopRules(code, Decoding(deadline=1.0)), range(7)) == 7


def test_asking_costs_no_decoding_before_it_could_help(monkeypatch):
    code = codes.make("ignore-stragglers", n_workers=40)
    rules = StopRules(code, Decoding(max_residual=0.25))
    asked = []
    decode = code.decode
    monkeypatch.setattr(code, "decode", lambda arrived: asked.append(arrived) or decode(arrived))
    assert stops_after(rules, range(40)) == 32  # 40/a - 1 of the sum is missed by a answers
    assert min(arrived.sum() for arrived in asked) >= 30


def test_luck_is_not_looked_for_among_very_many_messages(monkeypatch):
    code = codes.make("uncoded", n_workers=MOST_TRACKED + 1)
    assert stops_after(StopRules(code, Decoding(deadline=1.0)), range(129)) == 129
    code = codes.make("bernoulli", n_workers=MOST_TRACKED + 2, n_stragglers=1, seed=0)
    decoder = code.decoder()
    monkeypatch.setattr(decoder, "misses_at_most", None)
    rules = StopRules(code, Decoding(n_answers=3))
    for message in range(3):
        assert not rules.enough(decoder)
        decoder.add(message, np.ones(1))
    assert rules.enough(decoder)


@pytest.mark.parametrize(
    ("name", "decoding", "n_lost"),
    [
        ("cyclic", Decoding(), 2),
        ("cyclic", Decoding(n_answers=5), 3),
        ("cyclic", Decoding(n_answers=8), 2),
        ("cyclic", Decoding(deadline=1.0), 2),
        ("cyclic", Decoding(method="fixed"), 2),
        ("ignore-stragglers", Decoding(), 2),
        ("ignore-stragglers", Decoding(deadline=1.0), 2),
        ("ignore-stragglers", Decoding(n_answers=3), 5),
    ],
)
def test_how_many_workers_it_does_without(name, decoding, n_lost):
    code = codes.make(name, n_workers=8, n_stragglers=2)
    assert StopRules(code, decoding).n_lost == n_lost


# What is refused


def refusal(code, **keys):
    with pytest.raises(ConfigError) as caught:
        StopRules(code, Decoding(**keys))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_more_answers_than_there_are_messages():
    text = refusal(codes.make("cyclic", n_workers=8), n_answers=9)
    assert text == "decoding.n_answers: 9 messages, but 'cyclic' on 8 workers has 8"


def test_a_residual_that_is_never_reached():
    code = codes.make("munim-diagonal", n_workers=7, design="bibd")
    least = residual_after(code, range(7), 7)
    assert StopRules(code, Decoding(max_residual=least * 1.001))
    text = refusal(code, max_residual=least / 2)
    assert text.startswith(f"decoding.max_residual: {least / 2:g}, but 'munim-diagonal' misses ")
    assert f"{least:.3g} even when all answer" in text


# Whole runs


@pytest.fixture
def job(write_data, tables):
    """Least squares of 80 rows on 8 workers, compute time about 10 ms; and what differs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 4))
    path = write_data(X, X @ [1.0, -1.0, 2.0, 0.5])

    def make(**changes):
        made = tables(
            data={"path": path},
            problem={"name": "least-squares", "l2": 0.0},
            optimizer={"step_size": 0.1},
            run={"n_workers": 8, "iterations": 20},
            virtual={"seconds_per_row": 1e-3},
        )
        for name, table in changes.items():
            made[name] = table if name in ("delays", "code") else {**made.get(name, {}), **table}
        return made

    return make


def test_the_deadline_takes_what_there_is(job):
    tables = job(decoding={"deadline": 0.5}, delays=SLOW)
    result = mpicode.run(tables)
    assert result.complete
    history = result.history
    np.testing.assert_allclose(history["seconds"], 0.5, rtol=1e-12)
    assert (history["n_arrived"] == 6).all()
    assert (history["residual"] == 2).all()
    # two blocks of eight are missing, and the sum is scaled up by as much
    np.testing.assert_allclose(history["shrinkage"], 6 / 8, rtol=1e-12)
    assert history["stepped"].all()


def test_the_deadline_is_not_waited_for_when_enough_is_there(job):
    decoding = {"deadline": 0.5}
    calm = mpicode.run(job(decoding=decoding))
    assert calm.history["seconds"].max() < 0.1
    assert (calm.history["residual"] == 0).all()
    code = {"name": "cyclic", "n_stragglers": 2}
    coded = mpicode.run(job(decoding=decoding, delays=SLOW, code=code))
    assert coded.history["seconds"].max() < 0.1
    assert coded.history["residual"].max() < 1e-20


def test_each_rule_wins_where_it_holds_first(job):
    """Two workers asleep, uncoded: the deadline is far, near, or nobody waits for it."""
    rules = {"deadline": 0.5, "n_answers": 6, "max_residual": 0.5}
    seconds = {}
    for wanted in itertools.chain.from_iterable(
        itertools.combinations(rules, r) for r in (1, 2, 3)
    ):
        decoding = {key: rules[key] for key in wanted}
        result = mpicode.run(job(decoding=decoding, delays=SLOW, run={"iterations": 3}))
        seconds[wanted] = result.history["seconds"].max()
        n_arrived = 4 if "max_residual" in wanted else 6
        assert (result.history["n_arrived"] == n_arrived).all(), wanted
    assert seconds["deadline",] == 0.5
    assert all(took < 0.1 for wanted, took in seconds.items() if wanted != ("deadline",))


def test_arrivals_alone_obey_the_same_rules(job):
    late = {"name": "bernoulli", "probability": 0.3, "seconds": 0.3}
    for decoding in (
        {"deadline": 0.2},
        {"n_answers": 5},
        {"max_residual": 0.3},
        {"deadline": 0.2, "n_answers": 6},
        {"method": "fixed", "n_answers": 6},
    ):
        for code in ({"name": "uncoded"}, {"name": "cyclic", "n_stragglers": 3}):
            tables = job(decoding=decoding, delays=late, code=code)
            run, arrivals = mpicode.run(tables), simulate(Config.from_dict(tables))
            np.testing.assert_allclose(arrivals.seconds, run.history["seconds"], rtol=1e-9)
            np.testing.assert_array_equal(arrivals.n_arrived, run.history["n_arrived"])
            np.testing.assert_array_equal(arrivals.residual, run.history["residual"])


def test_max_seconds_comes_before_the_deadline(job):
    tables = job(decoding={"deadline": 0.5}, delays=NEVER, run={"max_seconds": 1.7})
    result = mpicode.run(tables)
    assert result.outcome == "max_seconds 1.7 used up"
    assert result.complete
    assert result.n_iterations == 3


def test_an_interrupt_comes_before_the_deadline(job):
    asked = itertools.count()
    tables = job(decoding={"deadline": 0.5}, delays=NEVER)
    result = mpicode.run(tables, interrupted=lambda: next(asked) > 30)
    assert result.outcome == "interrupted"
    assert result.error.exit_code == 4


def test_what_cannot_run_is_said_before_it_begins(job):
    for table, text in (
        ({"n_answers": 9}, "decoding.n_answers: 9 messages, but 'uncoded' on 8 workers has 8"),
        ({"n_answer": 1}, "decoding.n_answer: no such key; did you mean 'n_answers'?"),
        (
            {"method": "best"},
            "decoding.method: 'best' is not one of 'optimal', 'fixed', 'onestep', 'kaczmarz', "
            "'ortho', 'peel', 'kalman'",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            mpicode.run(job(decoding=table))
        assert str(caught.value) == text


def test_not_decodable_only_where_no_rule_allows_to_go_on(job, monkeypatch):
    """A decoder that never has enough: only with a deadline the run goes on."""
    monkeypatch.setattr(StopRules, "enough", lambda self, decoder: False)
    result = mpicode.run(job())
    assert isinstance(result.error, NotDecodable)
    assert result.n_iterations == 0
    result = mpicode.run(job(decoding={"deadline": 0.5}))
    assert result.complete
    assert (result.history["n_arrived"] == 8).all()
    assert result.history["seconds"].max() < 0.1  # nobody is left to wait for
