"""Optimizers against the recurrences of the textbooks, and what is known of their rates."""

import io
import math
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mpicode import optimizers
from mpicode.errors import ConfigError, DataError
from mpicode.optimizers.base import BLOCK
from mpicode.optimizers.schedules import Schedule

VARIANTS = [
    ("gradient-descent", {}),
    ("heavy-ball", {"momentum": 0.8}),
    ("nesterov", {}),
    ("nesterov", {"momentum": 0.7}),
    ("adam", {}),
    ("adam", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "amsgrad": True}),
]
every_variant = pytest.mark.parametrize(("name", "own"), VARIANTS, ids=str)


def make(name, n_parameters=3, dtype=np.float64, **parameters):
    parameters = {"step_size": 0.1, **parameters}
    return optimizers.make(name, parameters, n_parameters=n_parameters, dtype=dtype)


# The textbooks: generators of (point where the gradient is asked, point to report). Sent the
# gradient, they give the next. `a` is the step size.


def gradient_descent(x, a):
    while True:
        g = yield x, x
        x = x - a * g


def heavy_ball(x, a, momentum):
    previous = x
    while True:
        g = yield x, x
        x, previous = x - a * g + momentum * (x - previous), x


def nesterov_of_constant_momentum(x, a, momentum):
    ahead = x
    while True:
        g = yield ahead, x
        following = ahead - a * g
        ahead, x = following + momentum * (following - x), following


def nesterov_of_three_sequences(x, a):
    """The form with weights theta = 2/(i + 2), as Tseng (2008) writes it."""
    z, i = x, 0
    while True:
        theta = 2.0 / (i + 2.0)
        ahead = (1.0 - theta) * x + theta * z
        g = yield ahead, x
        z = z - (a / theta) * g
        x = (1.0 - theta) * x + theta * z
        i += 1


def adam(x, a, beta1=0.9, beta2=0.999, epsilon=1e-8, amsgrad=False):
    m = v = largest = np.zeros_like(x)
    t = 0
    while True:
        g = yield x, x
        t += 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v)
        second = (largest if amsgrad else v) / (1 - beta2**t)
        x = x - a * (m / (1 - beta1**t)) / (np.sqrt(second) + epsilon)


def textbook(name, own, x, a):
    if name == "gradient-descent":
        return gradient_descent(x, a)
    if name == "heavy-ball":
        return heavy_ball(x, a, **own)
    if name == "adam":
        return adam(x, a, **own)
    return nesterov_of_constant_momentum(x, a, **own) if own else nesterov_of_three_sequences(x, a)


def noisy_gradient(x, t):
    return np.cos(x) * x + np.random.default_rng(t).normal(size=x.size) * (1.0 + t % 3)


@every_variant
@pytest.mark.parametrize("n_parameters", [1, 5, BLOCK + 3])
def test_follows_the_textbook(name, own, n_parameters):
    x = np.random.default_rng(0).normal(size=n_parameters)
    book = textbook(name, own, x.copy(), 0.05)
    optimizer = make(name, n_parameters, step_size=0.05, **own)
    asked, answer = next(book)
    for t in range(12):
        assert_allclose(x, asked, rtol=1e-10, atol=1e-12)
        assert_allclose(optimizer.answer(x), answer, rtol=1e-10, atol=1e-12)
        gradient = noisy_gradient(asked, t)
        optimizer.step(x, gradient)
        asked, answer = book.send(gradient)


@every_variant
def test_single_precision_follows_double(name, own):
    single, double = make(name, 50, np.float32, **own), make(name, 50, **own)
    x = np.random.default_rng(0).normal(size=50)
    y = x.astype(np.float32)
    for t in range(10):
        gradient = noisy_gradient(x, t)
        double.step(x, gradient)
        single.step(y, gradient.astype(np.float32))
    assert y.dtype == np.float32
    assert all(v.dtype == np.float32 for v in single.state().values() if isinstance(v, np.ndarray))
    assert_allclose(single.answer(y), double.answer(x), rtol=1e-4, atol=1e-5)


@every_variant
def test_goes_on_bit_by_bit_after_a_restore(name, own):
    own = {**own, "schedule": "exponential", "decay_iterations": 5, "warmup_iterations": 2}
    whole = make(name, 20, **own)
    x = np.random.default_rng(0).normal(size=20)
    for t in range(7):
        whole.step(x, noisy_gradient(x, t))
    file = io.BytesIO()
    np.savez(file, x=x, **whole.state())
    for t in range(7, 12):
        whole.step(x, noisy_gradient(x, t))

    saved = dict(np.load(io.BytesIO(file.getvalue())))
    y = saved.pop("x")
    again = make(name, 20, **own)
    again.restore(saved)
    for t in range(7, 12):
        again.step(y, noisy_gradient(y, t))
    assert again.iteration == 12
    assert_array_equal(y, x)
    assert_array_equal(again.answer(y), whole.answer(x))


@every_variant
def test_the_state_is_a_copy(name, own):
    optimizer = make(name, **own)
    x = np.ones(3)
    optimizer.step(x, np.ones(3))
    state = optimizer.state()
    optimizer.step(x, np.ones(3))
    assert state["iteration"] == 1
    for key, value in optimizer.state().items():
        assert not np.array_equal(state[key], value)


@every_variant
def test_a_step_allocates_nothing_of_the_size_of_x(name, own):
    x, gradient = np.zeros(1_000_000), np.ones(1_000_000)
    optimizer = make(name, x.size, **own)
    tracemalloc.start()
    optimizer.step(x, gradient)
    optimizer.step(x, gradient)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert (gradient == 1.0).all()


@every_variant
def test_a_diverged_gradient_passes_in_silence(name, own):
    optimizer = make(name, **own)
    x = np.ones(3)
    for bad in (np.nan, np.inf, 1e300, 1e308):
        optimizer.step(x, np.full(3, bad))
    assert not np.isfinite(x).all()


def quadratic(n=40, condition=100.0):
    """Eigenvalues between 1/condition and 1, the minimum, and a start one unit from it."""
    rng = np.random.default_rng(7)
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    A = (Q * np.geomspace(1.0 / condition, 1.0, n)) @ Q.T
    best = rng.normal(size=n)
    away = rng.normal(size=n)
    return A, best, best + away / np.linalg.norm(away)


def descend(optimizer, A, best, x, n_iterations):
    """Return the excess of the objective at the answer, before each step."""
    excess = []
    for _ in range(n_iterations):
        error = optimizer.answer(x) - best
        excess.append(0.5 * error @ A @ error)
        optimizer.step(x, A @ (x - best))
    return np.array(excess)


def test_gradient_descent_contracts_along_every_eigenvector():
    A, best, x = quadratic()
    values, vectors = np.linalg.eigh(A)
    error = vectors.T @ (x - best)
    excess = descend(make("gradient-descent", 40, step_size=1.5), A, best, x, 200)
    expected = [0.5 * values @ ((1 - 1.5 * values) ** t * error) ** 2 for t in range(200)]
    assert_allclose(excess, expected, rtol=1e-9)


def test_heavy_ball_has_polyaks_rate():
    A, best, x = quadratic()
    root = math.sqrt(1 / 100)
    momentum = ((1 - root) / (1 + root)) ** 2
    optimizer = make("heavy-ball", 40, step_size=4 / (1 + root) ** 2, momentum=momentum)
    excess = descend(optimizer, A, best, x, 121)
    rate = (excess[120] / excess[60]) ** (1 / 60)
    # Per step the objective shrinks by the momentum, but for a factor that grows like t^2.
    assert momentum * 0.9 < rate < momentum * (120 / 60) ** (2 / 60) * 1.02


def test_nesterov_keeps_its_bound():
    A, best, start = quadratic(condition=1e6)
    excess = descend(make("nesterov", 40, step_size=1.0), A, best, start.copy(), 400)
    t = np.arange(400)
    assert (excess[1:] <= 2.0 / (t[1:] + 1) ** 2).all()
    plain = descend(make("gradient-descent", 40, step_size=1.0), A, best, start.copy(), 400)
    assert excess[-1] < plain[-1] / 20


def test_nesterov_keeps_its_bound_under_strong_convexity():
    A, best, x = quadratic()
    root = math.sqrt(1 / 100)
    optimizer = make("nesterov", 40, step_size=1.0, momentum=(1 - root) / (1 + root))
    excess = descend(optimizer, A, best, x, 300)
    start = excess[0] + 0.5 / 100
    assert (excess <= start * (1 - root) ** np.arange(300) + 1e-25).all()


def test_adam_with_a_decaying_step_reaches_the_minimum():
    A, best, x = quadratic(condition=10.0)
    decay = {"schedule": "cosine", "decay": 0.0, "decay_iterations": 600}
    for amsgrad in (False, True):
        optimizer = make("adam", 40, step_size=0.1, amsgrad=amsgrad, **decay)
        assert descend(optimizer, A, best, x.copy(), 601)[-1] < 1e-9


def test_amsgrad_converges_where_adam_does_not():
    """The example of Reddi, Kale and Kumar (2018), section 3: the minimum on [-1, 1] is -1."""
    ends = {}
    for amsgrad in (False, True):
        optimizer = make(
            "adam", 1, step_size=0.5, beta1=0.0, beta2=1 / 17, amsgrad=amsgrad,
            schedule="inverse-sqrt", decay=math.sqrt(0.5), decay_iterations=1,
        )  # fmt: skip
        x = np.zeros(1)
        for t in range(6000):
            optimizer.step(x, np.array([4.0 if t % 3 == 0 else -1.0]))
            np.clip(x, -1.0, 1.0, out=x)
        ends[amsgrad] = x[0]
    assert ends[False] > 0.9
    assert ends[True] < -0.9


# decay 1/4 at T = 10: values at t = 0, 5, 10, 15, 20, 40
SCHEDULES = {
    "constant": (1, 1, 1, 1, 1, 1),
    "inverse-time": (1, 1 / 2.5, 1 / 4, 1 / 5.5, 1 / 7, 1 / 13),
    "inverse-sqrt": (1, 1 / 8.5**0.5, 1 / 4, 1 / 23.5**0.5, 1 / 31**0.5, 1 / 61**0.5),
    "exponential": (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 256),
    "step": (1, 1, 1 / 4, 1 / 4, 1 / 16, 1 / 256),
    "linear": (1, 0.625, 1 / 4, 1 / 4, 1 / 4, 1 / 4),
    "cosine": (1, 0.625, 1 / 4, 1 / 4, 1 / 4, 1 / 4),
}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 4])
def test_schedules(name, warmup):
    decay_iterations = None if name == "constant" else 10
    schedule = Schedule(3.0, name, 0.25, decay_iterations, warmup)
    values = [schedule(t + warmup) / 3.0 for t in (0, 5, 10, 15, 20, 40)]
    assert_allclose(values, SCHEDULES[name], rtol=1e-13)
    assert_allclose([schedule(t) for t in range(warmup)], [0.75, 1.5, 2.25, 3.0][:warmup])


def test_cosine_is_no_line():
    schedule = Schedule(1.0, "cosine", 0.0, 4, 0)
    assert_allclose([schedule(t) for t in (1, 3, 4)], [0.5 + 8**-0.5, 0.5 - 8**-0.5, 0], atol=1e-15)


@every_variant
def test_the_schedule_scales_the_step(name, own):
    decay = {"schedule": "step", "decay": 0.5, "decay_iterations": 1}
    plain, decayed = make(name, **own), make(name, **own, **decay)
    x, y = np.zeros(3), np.zeros(3)
    plain.step(x, np.ones(3))
    decayed.step(y, np.ones(3))
    assert_array_equal(x, y)
    plain.step(x, np.ones(3))
    decayed.step(y, np.ones(3))
    assert (np.abs(y) < np.abs(x)).all()


def test_the_names():
    assert optimizers.names() == ["gradient-descent", "heavy-ball", "nesterov", "adam"]
    assert set(optimizers.names()) == {name for name, _ in VARIANTS}
    with pytest.raises(ConfigError, match=r"optimizer.name: unknown optimizer 'addam'; did you"):
        make("addam")


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("adam", {"step_size": -1.0}, "step_size: must be positive, got -1.0"),
        ("adam", {"step_size": 0}, "step_size: must be positive, got 0"),
        ("adam", {"step_size": math.nan}, "step_size: must be positive, got nan"),
        ("adam", {"step_size": math.inf}, "step_size: must be positive, got inf"),
        ("adam", {"step_size": "0.1"}, "step_size: wants a number, got '0.1'"),
        ("adam", {"stepsize": 1.0}, "stepsize: no such parameter .* 'step_size'"),
        ("adam", {"beta1": 1.0}, "beta1: must be from 0 to below 1, got 1.0"),
        ("adam", {"beta2": -0.1}, "beta2: must be from 0 to below 1, got -0.1"),
        ("adam", {"epsilon": 0.0}, "epsilon: must be positive, got 0.0"),
        ("heavy-ball", {"momentum": 1.0}, "momentum: must be from 0 to below 1, got 1.0"),
        ("nesterov", {"momentum": math.nan}, "momentum: must be from 0 to below 1, got nan"),
        ("nesterov", {"momentum": "i/(i+2)"}, "momentum: wants .*got 'i/\\(i\\+2\\)'"),
        ("gradient-descent", {"momentum": 0.9}, "momentum: no such parameter of"),
        ("adam", {"schedule": "cosin"}, "schedule: 'cosin' is not one of 'constant', "),
        ("adam", {"schedule": "cosine"}, "decay_iterations: missing, 'cosine' needs it"),
        ("adam", {"schedule": "step", "decay_iterations": 0}, "decay_iterations: .* 1, got 0"),
        ("adam", {"decay_iterations": 10}, "decay_iterations: the schedule is 'constant', which"),
        ("adam", {"warmup_iterations": -1}, "warmup_iterations: must be zero or positive, got -1"),
        (
            "adam",
            {"schedule": "inverse-time", "decay_iterations": 5, "decay": 0.0},
            "decay: must be above 0 and up to 1, got 0.0",
        ),
        (
            "adam",
            {"schedule": "cosine", "decay_iterations": 5, "decay": 1.5},
            "decay: must be from 0 to 1, got 1.5",
        ),
    ],
)
def test_bad_parameters(name, parameters, text):
    with pytest.raises(ConfigError, match=f"^optimizer.{text}"):
        make(name, **parameters)


@pytest.mark.parametrize("key", optimizers.CONTEXT)
def test_what_the_problem_says_cannot_be_set(key):
    with pytest.raises(ConfigError, match=rf"optimizer.{key}: no such parameter"):
        optimizers.make("adam", {"step_size": 1.0, key: 9}, n_parameters=3)


def test_the_step_size_must_be_given():
    with pytest.raises(ConfigError, match=r"optimizer.step_size: missing, 'adam' needs it"):
        optimizers.make("adam", {}, n_parameters=3)


def test_vectors_that_do_not_fit():
    optimizer = make("heavy-ball")
    with pytest.raises(ConfigError, match=r"3 parameters, but x has shape \(4,\)"):
        optimizer.step(np.zeros(4), np.zeros(3))
    with pytest.raises(ConfigError, match=r"3 parameters, but the gradient has shape \(2,\)"):
        optimizer.step(np.zeros(3), np.zeros(2))
    assert optimizer.iteration == 0


def test_a_state_of_something_else():
    optimizer = make("heavy-ball")
    with pytest.raises(
        DataError, match=r"'heavy-ball' keeps iteration, velocity, found iteration$"
    ):
        optimizer.restore(make("gradient-descent").state())
    with pytest.raises(DataError, match=r"'velocity' has shape \(4,\), the problem has 3 param"):
        optimizer.restore(make("heavy-ball", 4).state())
