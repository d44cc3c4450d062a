"""How the error of approximate data codes falls with workers and grows with stragglers.

    python benchmarks/rates.py [--seed 0] [--points second]

Blocks are cut from a straight line, so that both codes hand each worker the point it sits at, up to
what Berrut's encoder adds, and a function with one rough spot is computed there: the least smooth
that the theorems allow for. Slopes are least squares of log MSE over log N (or log S). Next to each
stands the theorem's exponent and what is held against it; a slope out of its bounds ends with exit
code 1, as does a run whose loss exceeds its own decomposition. Nothing depends on time, so the
numbers repeat. The experiments:

kink      f(x) = |x - c|^1.51, the error at c, a block's point, where N^-3 is tight
cubic     the same of |x - c|^3: the smoother the function, the steeper
relu      rectified kinks anywhere, the error at any block
gap       N fixed, the S workers around c missing: S^3
random    each worker missing with probability 1/4
noise     answers with noise of 0.3: the error is that of the exact bias and variance
corrupt   N^a answers are as wrong as they can be, +-1, where each value is hurt most
encoder   how the parts of the error change with lambda_e, beside lambda_e = 0
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mpicode import codes
from mpicode.codes.data.error_terms import error_terms

# Workers, half an octave apart.
WORKERS = [round(32 * 2 ** (i / 2)) for i in range(11)]
BLOCKS = 29
NOISE = 0.3
SLACK = 0.15


class Curve(NamedTuple):
    """Mean squared errors over numbers of workers or stragglers."""

    sizes: list[int]
    errors: list[float]

    @property
    def slope(self) -> float:
        return float(np.polyfit(np.log(self.sizes), np.log(self.errors), 1)[0])


class Row(NamedTuple):
    """One line of the result, and the bounds of the slope of LeTCC."""

    what: str
    theorem: str
    letcc: Curve
    berrut: Curve
    least: float
    most: float

    @property
    def holds(self) -> bool:
        return self.least <= self.letcc.slope <= self.most

    def __str__(self) -> str:
        first, last = self.letcc.sizes[0], self.letcc.sizes[-1]
        held = f"[{self.least:.2f}, {self.most:.2f}]" if np.isfinite(self.most) else ""
        cells = "".join(
            f" {each.slope:>6.2f} {each.errors[0]:>8.1e} {each.errors[-1]:>8.1e}"
            for each in (self.letcc, self.berrut)
        )
        verdict = "" if self.holds else "  FAILS"
        return f"{self.what:<26}{self.theorem:>10} {first:>3}-{last:<5}{cells}  {held}{verdict}"


class Runs:
    """Codes and what they make of a function; every run's loss is held against its parts."""

    def __init__(self, seed: int, points: str) -> None:
        self.seed, self.points = seed, points
        self.n_runs = 0
        self.n_above = 0
        self.closest = 0.0

    def code(self, name: str, n: int, n_blocks: int = BLOCKS, **parameters):
        if name == "letcc":
            parameters.setdefault("decoder_smoothing", 0.0)
        return codes.make(
            name, n_workers=n, n_blocks=n_blocks, points=self.points, permute=False, **parameters
        )

    def errors(self, code, function, arrived, lipschitz):
        """Return decoded values less the true ones, (n_blocks, length), for blocks on a line."""
        blocks = code.block_points[:, None]
        answers = function(code.storage @ blocks)
        terms = error_terms(code, blocks, function, arrived, lipschitz, answers)
        self.n_runs += 1
        # an error of rounding is as large as either side where both are 0
        self.n_above += terms.loss > terms.bound * (1 + 1e-9) + 1e-24
        if terms.bound > 1e-20:
            self.closest = max(self.closest, terms.loss / terms.bound)
        return code.decode(answers, arrived).values - function(blocks)


def kinks(power: float, centres) -> Callable:
    """X to |x - c|^power for each c."""
    return lambda x: np.abs(x - centres) ** power


def everyone(n: int):
    return np.ones(n, dtype=bool)


def at_the_kink(runs: Runs, name: str, power: float) -> Curve:
    errors = []
    for n in WORKERS:
        code = runs.code(name, n)
        f = kinks(power, code.block_points)
        lipschitz = np.sqrt(BLOCKS) * power * 2 ** (power - 1)
        found = np.diag(runs.errors(code, f, everyone(n), lipschitz))
        errors.append(np.mean(found**2))
    return Curve(WORKERS, errors)


def anywhere(runs: Runs, name: str) -> Curve:
    centres = np.random.default_rng([runs.seed, 1]).uniform(-1, 1, 200)
    errors = []
    for n in WORKERS:
        code = runs.code(name, n)
        found = runs.errors(
            code, lambda x: np.maximum(x - centres, 0), everyone(n), np.sqrt(centres.size)
        )
        errors.append(np.mean(found**2))
    return Curve(WORKERS, errors)


def with_a_gap(runs: Runs, name: str, smoothing=None, n: int = 2048) -> Curve:
    sizes = [4, 8, 16, 32, 64, 128]
    code = runs.code(name, n, **({"decoder_smoothing": smoothing} if smoothing else {}))
    errors = []
    for size in sizes:
        squares = []
        for k in range(BLOCKS):
            nearest = np.argsort(np.abs(code.worker_points - code.block_points[k]), kind="stable")
            arrived = everyone(n)
            arrived[nearest[:size]] = False
            found = runs.errors(code, kinks(1.51, code.block_points[k]), arrived, 1.51 * 2**0.51)
            squares.append(found[k, 0] ** 2)
        errors.append(np.mean(squares))
    return Curve(sizes, errors)


def with_random_stragglers(runs: Runs, name: str, count: int = 20) -> Curve:
    rng = np.random.default_rng([runs.seed, 2])
    errors = []
    for n in WORKERS:
        code = runs.code(name, n)
        f = kinks(1.51, code.block_points)
        lipschitz = np.sqrt(BLOCKS) * 1.51 * 2**0.51
        squares = []
        for _ in range(count):
            arrived = rng.random(n) < 0.75
            squares.append(np.diag(runs.errors(code, f, arrived, lipschitz)) ** 2)
        errors.append(np.mean(squares))
    return Curve(WORKERS, errors)


def smooth(x):
    """X sin x, of the width that the blocks' line has here."""
    return 4 * x * np.sin(4 * x)


def with_noise(runs: Runs, name: str, smoothing=None) -> Curve:
    """Take the MSE from bias and variance: the sum of the squared weights is what noise becomes."""
    errors = []
    for n in WORKERS:
        given = {} if smoothing is None else {"decoder_smoothing": smoothing(n)}
        code = runs.code(name, n, 10, **given)
        found = runs.errors(code, smooth, everyone(n), 20.0)
        matrix = code.decode_matrix(everyone(n))
        errors.append(np.mean(found**2) + NOISE**2 * np.mean(np.sum(matrix**2, axis=1)))
    return Curve(WORKERS, errors)


def with_drawn_noise(runs: Runs, name: str, smoothing=None, count: int = 20) -> Curve:
    """Take noise that is drawn, for smoothing that looks at the answers."""
    rng = np.random.default_rng([runs.seed, 4])
    sizes, errors = WORKERS[:7], []
    for n in sizes:
        code = runs.code(name, n, 10, **({"decoder_smoothing": smoothing} if smoothing else {}))
        blocks = code.block_points[:, None]
        squares = []
        for _ in range(count):
            answers = smooth(code.storage @ blocks) + NOISE * rng.standard_normal((n, 1))
            values = code.decode(answers, everyone(n)).values
            squares.append(np.mean((values - smooth(blocks)) ** 2))
        errors.append(np.mean(squares))
    return Curve(sizes, errors)


def with_corrupt(runs: Runs, name: str, a: float) -> Curve:
    errors = []
    for n in WORKERS:
        n_corrupt = max(1, round(n**a))
        given = (
            {} if name == "berrut" else {"n_corrupt": n_corrupt, "decoder_smoothing": "lebesgue"}
        )
        code = runs.code(name, n, 10, **given)
        bias = np.abs(runs.errors(code, lambda x: x * np.sin(x), everyone(n), 2.0)[:, 0])
        weights = np.sort(np.abs(code.decode_matrix(everyone(n))), axis=1)[:, ::-1]
        shift = weights[:, :n_corrupt].sum(axis=1)
        errors.append(np.mean((bias + shift) ** 2))
    return Curve(WORKERS, errors)


def table(runs: Runs) -> list[Row]:
    def both(what, theorem, least, most, measure, *arguments, letcc=()):
        ours = measure(runs, "letcc", *arguments, *letcc)
        theirs = measure(runs, "berrut", *arguments)
        return Row(what, theorem, ours, theirs, least, most)

    rows = [
        both("kink, over N", "-3", -3 - SLACK, -3 + SLACK, at_the_kink, 1.51),
        both("cubic, over N", "<= -3", -np.inf, -3 + SLACK, at_the_kink, 3.0),
        both("relu, over N", "-3", -np.inf, -3 + SLACK, anywhere),
        both("gap, over S", "3", 2.0, 3.0, with_a_gap),
        both("gap, own lambda_d", "3", -np.inf, 3.0, with_a_gap, letcc=("lebesgue",)),
        both("random, over N", "-3, log^3", -np.inf, -3 + 2 * SLACK, with_random_stragglers),
        both("noise, lambda_d ~ N^-4/5", "-0.6", -np.inf, -0.6 + SLACK, with_noise,
             letcc=(lambda n: 1e-3 * n**-0.8,)),
        both("noise, lambda_d by GCV", "-0.6", -np.inf, -0.6 + SLACK, with_drawn_noise,
             letcc=("gcv",)),
        both("noise, lambda_d = 0", "", -np.inf, np.inf, with_noise),
    ]  # fmt: skip
    for a in (0.0, 0.3, 0.5, 0.7):
        bound = 1.2 * (a - 1)
        rows.append(
            both(f"corrupt, N^{a:g} of N", f"{bound:.2f}", -np.inf, bound + SLACK, with_corrupt, a)
        )
    return rows


def encoders(runs: Runs, n: int = 60, n_lost: int = 10) -> None:
    """Print the parts of the error for lambda_e from 0 on; blocks are noisy points of a line."""
    rng = np.random.default_rng([runs.seed, 3])
    arrived = everyone(n)
    arrived[rng.choice(n, n_lost, replace=False)] = False
    blocks = np.linspace(-1, 1, 20)[:, None] + 0.1 * rng.standard_normal((20, 50))
    weights = rng.standard_normal((50, 40)) / np.sqrt(50)
    lipschitz = float(np.linalg.norm(weights, 2))
    print(f"\nlambda_e, {n} workers, {n_lost} missing, 20 noisy blocks, one ReLU layer")
    print(f"{'lambda_e':>10} {'loss':>10} {'decoder':>10} {'encoder':>10} {'bound':>10}")
    for smoothing in (0.0, *10.0 ** np.arange(-8, 1)):
        code = runs.code("letcc", n, 20, encoder_smoothing=float(smoothing))
        terms = error_terms(code, blocks, lambda x: np.maximum(x @ weights, 0), arrived, lipschitz)
        runs.n_runs += 1
        runs.n_above += terms.loss > terms.bound * (1 + 1e-9)
        runs.closest = max(runs.closest, terms.loss / terms.bound)
        print(f"{smoothing:>10.0e}" + "".join(f" {term:>10.3g}" for term in terms))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", choices=("second", "first"), default="second")
    args = parser.parse_args()
    began = time.perf_counter()
    runs = Runs(args.seed, args.points)
    rows = table(runs)
    print(f"{'':<46}letcc {'':<20}berrut")
    print(
        f"{'experiment':<26}{'theorem':>10} {'sizes':<9}"
        + f" {'slope':>6} {'first':>8} {'last MSE':>8}" * 2
        + "  held against"
    )
    for row in rows:
        print(row)
    encoders(runs)
    print(
        f"\n{runs.n_runs} runs; in {runs.n_above} the loss exceeds 2 x decoder's + 2 q^2 x "
        f"encoder's part, at most {runs.closest:.2f} of it; {time.perf_counter() - began:.0f} s"
    )
    return int(runs.n_above > 0 or not all(row.holds for row in rows))


if __name__ == "__main__":
    sys.exit(main())
