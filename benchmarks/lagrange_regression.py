"""Linear regression as in the paper on Lagrange coded computing: four schemes in one run.

    python benchmarks/lagrange_regression.py [--iterations 100] [--seeds 3]

Yu et al. (AISTATS 2019) ran 40 workers and a master, all EC2 t2.micro, 100 iterations of Nesterov's
method. In scenario 1 nobody was slowed on purpose; in 2 and 3 each worker slept 0.5 s with
probability 5 % in every iteration. Sizes are (8000, 7000), the same, and (160000, 500).

Here 40 workers live under the virtual clock: our pool decides whom to ask and when it is enough.
The mathematics is real, on matrices `SHRUNK` times smaller in both directions, and every scheme's
parameters are compared with those of plain descent at the end. The time is that of the full sizes,
by a model with three numbers, all of them read off the paper's own table (arguments change them):

  --gigapasses   entries a worker passes over in 1e-9 s in one product, 1.5 (its LCC, scenario 1)
  --megabytes    of the master's link, 40 a second, which all answers share, one after the other
                 (its LCC and gradient coding, scenario 1); a request goes down a tree of 6 hops
  latency        0.2 ms

So the ratios show what the schemes owe to numbers of messages, their lengths and the waiting, and
nothing of a machine's moods. Shown: seconds for all iterations, median and extremes over seeds.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mpicode import codes
from mpicode.optimizers import make as make_optimizer
from mpicode.pool import WorkerPool, largest_answer, wire
from mpicode.pool.delays import Bernoulli, Delay
from mpicode.pool.virtual import Costs, VirtualMaster
from mpicode.pool.wire import Kind

WORKERS, SHARES, HOPS, LATENCY = 40, 10, 6, 2e-4
SHRUNK = 20
SCENARIOS = {1: (8000, 7000, 0.0), 2: (8000, 7000, 0.05), 3: (160_000, 500, 0.05)}
PAPER = {
    "uncoded": (24.362, 52.700, 41.994),
    "gradient coding": (8.464, 16.821, 11.589),
    "two rounds": (3.626, 5.607, 57.457),
    "lagrange": (3.587, 3.925, 4.541),
}


class Round(NamedTuple):
    """One request to all workers and what becomes of the answers.

    compute : worker and payload to answer      decode : answers (NaN where absent) and who answered
    threshold : answers that are enough         passes : entries passed over, at full size
    asked, answered : numbers sent, at full size, in 8 bytes each
    """

    compute: Callable[[int, Any], Any]
    decode: Callable[[Any, Any], Any]
    threshold: int
    passes: float
    asked: int
    answered: int


def of_gradient_code(name: str, X: Any, m: int, d: int, **parameters: Any) -> list[Round]:
    code = codes.make(name, n_workers=WORKERS, **parameters)
    blocks = np.split(X, WORKERS)
    rows = [code.encoding[[w]] for w in range(WORKERS)]

    def compute(worker: int, w: Any) -> Any:
        row = rows[worker]
        return sum(
            c * (blocks[j].T @ (blocks[j] @ w)) for j, c in zip(row.indices, row.data, strict=True)
        )

    def decode(answers: Any, arrived: Any) -> Any:
        return code.decode(arrived).coefficients[0, arrived] @ answers[arrived]

    load = rows[0].nnz
    passes = 2 * load * m * d / WORKERS
    return [Round(compute, decode, WORKERS - code.max_stragglers, passes, d, d)]


def of_lagrange(X: Any, m: int, d: int, points: str) -> list[Round]:
    k = -(-WORKERS // SHARES)
    code = codes.make(
        "lagrange", n_workers=WORKERS, n_blocks=k, n_stragglers=WORKERS - 2 * k + 1, points=points
    )
    coded = np.einsum("ij,jrc->irc", code.storage, np.stack(np.split(X, k)))

    def decode(answers: Any, arrived: Any) -> Any:
        return (code.sum_weights(arrived)[arrived] @ answers[arrived]).real

    width = 2 if code.storage.dtype.kind == "c" else 1
    # complex rows: 2 products with real parameters, 4 with a complex residual
    passes = (2 if width == 1 else 6) * m * d / k
    threshold = code.threshold("gradient")
    return [
        Round(lambda i, w: coded[i].T @ (coded[i] @ w), decode, threshold, passes, d, width * d)
    ]


def of_two_rounds(X: Any, m: int, d: int) -> list[Round]:
    """Return the two products X w and X^T z, each by an MDS code: half of the storage for each."""
    k = 2 * WORKERS // SHARES
    code = codes.make(
        "lagrange", n_workers=WORKERS, n_blocks=k, n_stragglers=WORKERS - k, degree=1,
        points="chebyshev",
    )  # fmt: skip

    def product(matrix: Any, asked: int, answered: int) -> Round:
        coded = np.einsum("ij,jrc->irc", code.storage, np.stack(np.split(matrix, k)))

        def decode(answers: Any, arrived: Any) -> Any:
            return (code.decode_matrix(arrived)[:, arrived] @ answers[arrived]).ravel()

        return Round(lambda i, v: coded[i] @ v, decode, k, m * d / k, asked, answered)

    return [product(X, d, m // k), product(np.ascontiguousarray(X.T), m, d // k)]


class Work:
    """What one worker does in either round; the number of a request tells which."""

    load = SHARES / WORKERS

    def __init__(self, worker: int, rounds: list[Round], lengths: list[tuple[int, int]]) -> None:
        self.worker, self.rounds, self.lengths = worker, rounds, lengths
        self.answer_length = max(answered for _, answered in lengths)
        self.dtype = np.dtype(np.complex128)

    def compute(self, request: Any, message: int, out: Any) -> Any:
        which = request.iteration % len(self.rounds)
        asked, answered = self.lengths[which]
        out[:answered] = self.rounds[which].compute(self.worker, request.payload[:asked])
        yield self.rounds[which].passes


class Once(Delay):
    """Delays of iterations, where an iteration is several requests: before the first alone."""

    name = "once"

    def __init__(self, delay: Delay, n_rounds: int) -> None:
        self._delay, self._n_rounds = delay, n_rounds

    def seconds(self, worker: int, iteration: int, now: float, load: float) -> float:
        if iteration % self._n_rounds:
            return 0.0
        return self._delay.seconds(worker, iteration // self._n_rounds, now, load)


class OneLink(VirtualMaster):
    """The virtual clock where answers share the master's link, and requests go down a tree."""

    def __init__(self, rounds: list[Round], rate: float, *arguments: Any) -> None:
        self._rounds, self._rate, self._free_from = rounds, rate, 0.0
        super().__init__(*arguments)

    def post(self, workers: Any, request: Any) -> None:
        header = wire.parse(request.buffer, "master")
        numbers = self._rounds[header.iteration % len(self._rounds)].asked
        for worker in workers:
            request.pins += 1
            self._carry(worker, request.buffer, request, HOPS * 8 * numbers)

    def _send(self, worker: int, action: Any) -> None:
        slot = self._free[worker].pop() if self._free[worker] else self._new_slot(worker)
        slot.buffer[: action.n_bytes] = self._workers[worker].buffer[: action.n_bytes]
        n_bytes = action.n_bytes
        if n_bytes == wire.message_bytes(len(slot.values), slot.values.dtype):
            header = wire.parse(slot.buffer, "worker")
            n_bytes = 8 * self._rounds[header.iteration % len(self._rounds)].answered
        begins = max(self._time + LATENCY, self._free_from)
        self._free_from = begins + n_bytes / self._rate

        def land() -> None:
            self._arrived.append(slot)
            if action.last:
                self._receive(worker)
            else:
                self._resume(worker, None)

        self._at(self._free_from - self._time, land)


def descend(gradient: Callable[[Any], Any], offset: Any, step_size: float, iterations: int) -> Any:
    """Return the parameters after so many iterations; ``gradient`` leaves ``X^T y`` to us."""
    optimizer = make_optimizer(
        "nesterov", {"step_size": step_size, "momentum": "i/(i+3)"}, n_parameters=offset.size
    )
    x = np.zeros(offset.size)
    for _ in range(iterations):
        optimizer.step(x, gradient(x) - offset)
    return optimizer.answer(x)


def timed(
    rounds: list[Round], lengths: list[tuple[int, int]], probability: float, seed: int, args: Any
) -> tuple[Callable[[Any], Any], Callable[[], float]]:
    """Return the gradient by workers under the virtual clock, and what tells its time."""
    delay = Once(Bernoulli(seconds=0.5, probability=probability, seed=seed), len(rounds))
    works = [Work(worker, rounds, lengths) for worker in range(WORKERS)]
    length, dtype = works[0].answer_length, works[0].dtype
    rate = 1e6 * args.megabytes
    costs = Costs(1e-9 / args.gigapasses, LATENCY, rate)
    transport = OneLink(
        rounds, rate, works.__getitem__, WORKERS, length, dtype, largest_answer(length, dtype),
        delay, costs,
    )  # fmt: skip
    n_asked = max(asked for asked, _ in lengths)
    pool = WorkerPool(transport, payload_length=n_asked, dtype=np.dtype(np.float64))
    pool.start()
    wanted = [np.array([worker]) for worker in range(WORKERS)]
    iteration = 0

    def gradient(x: Any) -> Any:
        nonlocal iteration
        value = x
        for which, (asked, answered) in enumerate(lengths):
            payload = np.zeros(n_asked)
            payload[:asked] = value
            pool.begin(Kind.GRADIENT, iteration, payload, wanted)
            answers = np.full((WORKERS, answered), np.nan, dtype=dtype)
            arrived = np.zeros(WORKERS, dtype=bool)
            for answer in pool.answers():
                if answer.iteration == iteration:
                    answers[answer.worker] = answer.payload[:answered]
                    arrived[answer.worker] = True
                if arrived.sum() == rounds[which].threshold:
                    break
            pool.end()
            value = rounds[which].decode(answers, arrived).real
            iteration += 1
        return value

    return gradient, pool.now


def scenario(number: int, args: Any) -> None:
    m, d, probability = SCENARIOS[number]
    rng = np.random.default_rng(number)
    small_m, small_d = -(-m // SHRUNK // WORKERS) * WORKERS, -(-d // SHRUNK // 8) * 8
    X = rng.standard_normal((small_m, small_d)) / np.sqrt(small_m)
    truth = rng.standard_normal(small_d)
    offset = X.T @ (X @ truth)
    step_size = 1 / np.linalg.norm(X, 2) ** 2
    plain = descend(lambda w: X.T @ (X @ w), offset, step_size, args.iterations)
    one = [(small_d, small_d)]
    two = [(small_d, small_m // 8), (small_m, small_d // 8)]
    schemes = {
        "uncoded": (of_gradient_code("uncoded", X, m, d), one),
        "gradient coding": (of_gradient_code("cyclic", X, m, d, n_stragglers=SHARES - 1), one),
        "two rounds": (of_two_rounds(X, m, d), two),
        "lagrange": (of_lagrange(X, m, d, "chebyshev"), one),
        "lagrange, complex": (of_lagrange(X, m, d, "roots-of-unity"), one),
    }
    seconds: dict[str, list[float]] = {}
    errors = dict.fromkeys(schemes, 0.0)
    for seed in range(args.seeds):
        for name, (rounds, lengths) in schemes.items():
            gradient, now = timed(rounds, lengths, probability, seed, args)
            found = descend(gradient, offset, step_size, args.iterations)
            seconds.setdefault(name, []).append(now())
            error = float(np.abs(found - plain).max() / np.abs(plain).max())
            errors[name] = max(errors[name], error)
    show(number, args, (small_m, small_d), schemes, seconds, errors)


def show(
    number: int, args: Any, size: tuple[int, int], schemes: Any, seconds: Any, errors: Any
) -> None:
    m, d, probability = SCENARIOS[number]
    print(
        f"\nscenario {number}: (m, d) = ({m}, {d}), {probability:.0%} sleep 0.5 s; mathematics on "
        f"{size}; {args.iterations} iterations, {args.seeds} seeds"
    )
    head = (
        "scheme",
        "answers",
        "seconds",
        "min",
        "max",
        "/ lagrange",
        "paper s",
        "paper /",
        "error",
    )
    print(f"{head[0]:<20}" + "".join(f"{text:>11}" for text in head[1:]))
    ours = np.median(seconds["lagrange"])
    theirs = PAPER["lagrange"][number - 1]
    for name, each in seconds.items():
        rounds = schemes[name][0]
        paper = PAPER.get(name, (np.nan,) * 3)[number - 1]
        waited = " + ".join(str(one.threshold) for one in rounds)
        print(
            f"{name:<20}{waited:>11}{np.median(each):>11.2f}{min(each):>11.2f}{max(each):>11.2f}"
            f"{np.median(each) / ours:>11.2f}{paper:>11.2f}{paper / theirs:>11.2f}"
            f"{errors[name]:>11.1g}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--gigapasses", type=float, default=1.5)
    parser.add_argument("--megabytes", type=float, default=40.0)
    arguments = parser.parse_args()
    print(
        "ratios in the paper: uncoded 6.79 to 13.43, gradient coding 2.36 to 4.29, two rounds "
        "1.01 to 12.65"
    )
    for number in SCENARIOS:
        scenario(number, arguments)


if __name__ == "__main__":
    main()
