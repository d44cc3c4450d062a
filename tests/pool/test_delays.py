import numpy as np
import pytest
from scipy import stats

from mpicode.errors import ConfigError
from mpicode.pool import delays

N = 8

# Parameters under which every model that can delay somebody does so now and then.
EXAMPLES = {
    "none": {},
    "fixed": {"slow_workers": [1, 3], "seconds": 0.2},
    "shifted-exponential": {"shift": 0.1, "mean": 0.5},
    "pareto": {"scale": 0.05, "shape": 1.5},
    "bernoulli": {"seconds": 0.5, "probability": 0.3},
    "markov": {"good_seconds": 2.0, "bad_seconds": 1.0, "seconds": 0.3},
    "node": {"workers_per_node": 3, "good_seconds": 2.0, "bad_seconds": 1.0, "seconds": 0.3},
}

# Recorded from the first release: a change here changes what a published seed means.
PARETO = [0.08869262, 0.142467819, 0.070075562]
MARKOV = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]


def make(name, seed=0, n_workers=N, **changes):
    return delays.make(name, {**EXAMPLES[name], **changes}, n_workers=n_workers, seed=seed)


def questions():
    """Every worker, at many iterations and times, in order of time."""
    return [(w, t, 0.37 * t, 0.25) for t in range(60) for w in range(N)]


def draws(model, n):
    return np.array([model.seconds(k % N, k // N, 0.0, 0.25) for k in range(n)])


def test_every_model_is_tried_here_or_in_test_delays_replay():
    assert set(delays.names()) == {*EXAMPLES, "replay"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_delay_does_not_depend_on_what_was_asked_before(name):
    asked = questions()
    model = make(name)
    in_order = [model.seconds(*q) for q in asked]
    backwards = make(name)
    assert [backwards.seconds(*q) for q in reversed(asked)] == in_order[::-1]
    assert [make(name).seconds(*q) for q in asked[::37]] == in_order[::37]
    assert all(np.isfinite(s) and s >= 0 for s in in_order)
    assert (max(in_order) > 0) == (name != "none")


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"none", "fixed"}))
def test_the_seed_decides(name):
    asked = questions()
    first, second = make(name, seed=1), make(name, seed=2)
    assert [first.seconds(*q) for q in asked] != [second.seconds(*q) for q in asked]


@pytest.mark.parametrize("name", EXAMPLES)
def test_workers_added_to_the_run_leave_the_others_alone(name):
    few, many = make(name), make(name, n_workers=3 * N)
    assert all(few.seconds(*q) == many.seconds(*q) for q in questions())


@pytest.mark.parametrize("name", ["shifted-exponential", "pareto", "bernoulli"])
def test_independent_models_ignore_the_clock(name):
    model = make(name)
    assert model.seconds(2, 5, 0.0, 0.25) == model.seconds(2, 5, 99.0, 0.25)
    assert len({model.seconds(2, t, 0.0, 0.25) for t in range(40)}) > 1


@pytest.mark.parametrize("name", ["markov", "node"])
def test_models_with_memory_ignore_the_iteration(name):
    model = make(name)
    assert model.seconds(2, 5, 7.5, 0.25) == model.seconds(2, 500, 7.5, 0.25)


def test_seeds_mean_the_same_in_every_release():
    assert [round(make("pareto", seed=7).seconds(w, 3, 0.0, 1.0), 9) for w in range(3)] == PARETO
    model = make("markov", seed=7)
    assert [int(model.seconds(0, 0, t / 2, 1.0) > 0) for t in range(16)] == MARKOV


def test_fixed_delays_only_the_slow():
    model = make("fixed")
    assert [model.seconds(w, 0, 0.0, 1.0) for w in range(5)] == [0.0, 0.2, 0.0, 0.2, 0.0]


def test_shifted_exponential_is_distributed_as_it_says():
    sample = draws(make("shifted-exponential", seed=3), 4000)
    assert stats.kstest(sample, stats.expon(loc=0.1, scale=0.5).cdf).pvalue > 0.01
    assert stats.kstest(sample, stats.expon(loc=0.1, scale=0.55).cdf).pvalue < 0.01


def test_pareto_is_distributed_as_it_says():
    sample = draws(make("pareto", seed=3), 4000)
    assert stats.kstest(sample, stats.pareto(1.5, scale=0.05).cdf).pvalue > 0.01
    assert stats.kstest(sample, stats.pareto(1.65, scale=0.05).cdf).pvalue < 0.01


def test_pareto_never_asks_for_more_than_a_clock_can_sleep():
    sample = draws(make("pareto", shape=0.01), 2000)
    assert sample.max() == 1e9


@pytest.mark.parametrize("name", ["shifted-exponential", "pareto"])
def test_times_load_scales_the_whole_delay(name):
    plain, scaled = make(name), make(name, times_load=True)
    for t in range(20):
        assert plain.seconds(1, t, 0.0, 0.25) == plain.seconds(1, t, 0.0, 1.0)
        assert scaled.seconds(1, t, 0.0, 0.25) == 0.25 * plain.seconds(1, t, 0.0, 1.0)


def test_bernoulli_sleeps_as_often_as_it_says():
    sample = draws(make("bernoulli", seed=3), 4000)
    assert set(sample) == {0.0, 0.5}
    slow = int((sample > 0).sum())
    assert stats.binomtest(slow, 4000, 0.3).pvalue > 0.01
    assert stats.binomtest(slow, 4000, 0.35).pvalue < 0.01
    assert not draws(make("bernoulli", probability=0.0), 500).any()
    assert draws(make("bernoulli", probability=1.0), 500).all()


def test_numbers_of_neighbours_are_unrelated():
    model = make("shifted-exponential", seed=3, shift=0.0)
    table = np.array([[model.seconds(w, t, 0.0, 1.0) for w in range(N)] for t in range(500)])
    assert len(np.unique(table)) == table.size
    between_workers = np.corrcoef(table.T)[np.triu_indices(N, 1)]
    assert abs(between_workers).max() < 0.15
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 0.05


def sojourns(bad, step):
    """Lengths of the good and the bad spells of a sampled path, its cut ends left out."""
    changes = np.flatnonzero(np.diff(bad.astype(int))) + 1
    lengths = np.diff(changes) * step
    starts_bad = bad[changes[:-1]]
    return lengths[~starts_bad], lengths[starts_bad]


def test_markov_spells_are_exponential_with_the_means_given():
    model = delays.make(
        "markov",
        {"good_seconds": 2.0, "bad_seconds": 0.5, "seconds": 1.0},
        n_workers=1,
        seed=5,
    )
    step = 0.02
    path = np.array([model.seconds(0, 0, step * k, 1.0) > 0 for k in range(60_000)])
    good, bad = sojourns(path, step)
    assert len(good) > 400
    # Spells shorter than a step go unseen, which a small shift accounts for.
    assert stats.kstest(good, stats.expon(loc=step / 2, scale=2.0).cdf).pvalue > 0.01
    assert stats.kstest(bad, stats.expon(loc=step / 2, scale=0.5).cdf).pvalue > 0.01


@pytest.mark.parametrize("now", [0.0, 3.1, 4000.0])
def test_markov_is_in_equilibrium_from_the_first_second(now):
    n = 3000
    model = make("markov", seed=9, n_workers=n)
    slow = sum(model.seconds(w, 0, now, 1.0) > 0 for w in range(n))
    assert stats.binomtest(slow, n, 1 / 3).pvalue > 0.01


@pytest.mark.parametrize("lag", [0.2, 1.0, 30.0])
def test_markov_forgets_as_fast_as_it_should(lag):
    # P(bad at t + lag | bad at t) = share + (1 - share) exp(-lag (1/good + 1/bad))
    n, share = 6000, 1 / 3
    model = make("markov", seed=11, n_workers=n)
    bad = [w for w in range(n) if model.seconds(w, 0, 5.0, 1.0) > 0]
    still = sum(model.seconds(w, 0, 5.0 + lag, 1.0) > 0 for w in bad)
    expected = share + (1 - share) * np.exp(-1.5 * lag)
    assert stats.binomtest(still, len(bad), expected).pvalue > 0.01


def test_workers_of_a_node_go_bad_together_and_nodes_on_their_own():
    model = make("node")
    at = np.array([[model.seconds(w, 0, t / 4, 1.0) for w in range(N)] for t in range(200)])
    nodes = at[:, [0, 3, 6]]
    np.testing.assert_array_equal(at, np.repeat(nodes, [3, 3, 2], axis=1))
    assert abs(np.corrcoef(nodes.T)[np.triu_indices(3, 1)]).max() < 0.5


@pytest.mark.parametrize(
    ("name", "changes", "text"),
    [
        ("bernoulli", {"probability": 1.5}, r"delays.probability: must lie in \[0, 1\], got 1.5"),
        ("bernoulli", {"probability": float("nan")}, r"delays.probability: .*got nan"),
        ("bernoulli", {"seconds": -0.1}, r"delays.seconds: must be finite and >= 0, got -0.1"),
        ("bernoulli", {"seconds": float("inf")}, r"delays.seconds: .*got inf"),
        ("bernoulli", {"seconds": "long"}, r"delays.seconds: wants a number, got 'long'"),
        ("bernoulli", {"propability": 0.1}, r"delays.propability: .*did you mean 'probability'"),
        ("fixed", {"slow_workers": [8]}, r"delays.slow_workers: worker 8 .*8 workers .*0 to 7"),
        ("fixed", {"slow_workers": [-1]}, r"delays.slow_workers: worker -1 does not exist"),
        ("fixed", {"slow_workers": [1, 1]}, r"delays.slow_workers: worker 1 is named twice"),
        ("fixed", {"slow_workers": 1}, r"delays.slow_workers: wants a list, got 1"),
        ("shifted-exponential", {"mean": -1}, r"delays.mean: .*got -1"),
        ("shifted-exponential", {"shift": float("nan")}, r"delays.shift: .*got nan"),
        ("pareto", {"shape": 0}, r"delays.shape: must be finite and > 0, got 0"),
        ("pareto", {"scale": 0.0}, r"delays.scale: must be finite and > 0, got 0"),
        ("markov", {"good_seconds": 0}, r"delays.good_seconds: must be finite and > 0, got 0"),
        ("markov", {"bad_seconds": -2}, r"delays.bad_seconds: .*got -2"),
        ("node", {"workers_per_node": 0}, r"delays.workers_per_node: must lie in \[1, 8\].*got 0"),
        ("node", {"workers_per_node": 9}, r"delays.workers_per_node: must lie in \[1, 8\].*got 9"),
    ],
)
def test_bad_parameters_are_named(name, changes, text):
    with pytest.raises(ConfigError, match=text):
        make(name, **changes)


def test_missing_and_unknown_are_named():
    with pytest.raises(ConfigError, match=r"delays.probability: missing, 'bernoulli' needs it"):
        delays.make("bernoulli", {"seconds": 1.0}, n_workers=N, seed=0)
    with pytest.raises(ConfigError, match=r"delays.name: .*'parreto'; did you mean 'pareto'"):
        delays.make("parreto", {}, n_workers=N, seed=0)
    with pytest.raises(ConfigError, match=r"run.seed: .*got -1"):
        make("pareto", seed=-1)
