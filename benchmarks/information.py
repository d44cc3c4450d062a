"""How much a few light codewords tell about real gradients, and how much they could.

    python benchmarks/information.py [--iterations 60] [--segments 16] [--weight 4] [--seed 0]

First, for segments of equal energy, the share of the principal-component bound that light rows
reach. Then softmax regression and a network (784-128-10) descend on 10,000 images of Fashion-MNIST.
In every iteration the covariance of the segments, a moving average over the iterations *before*,
gives the rows that tell the most; the gradient is projected onto the span of the rows, and the
share of its energy that is captured compared at equal bytes, m messages of P / k numbers each:

  informative    light rows that fit the moving average
  components     its principal components, however many segments they mix: what lightness costs
  packed         the light rows that `lwpd` sends, m after one another, whatever the gradient
  random signs   light random rows, new ones in each iteration
  random-k       as many random coordinates, new ones in each iteration (their places cost nothing)
  best rows      principal components of the very gradient: no m messages of this form hold more

The mean over the iterations after the first tenth, with its standard error over blocks of ten of
them in a row; "share" is the information of the light rows over the bound for the moving average.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from mpicode import datasets, problems  # noqa: E402
from mpicode.codes import packing  # noqa: E402
from mpicode.codes.packing.variants import random_signs, rows_of  # noqa: E402
from mpicode.problems import Rows  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "fashion-mnist-10k.h5"
# Problem, step size.
PROBLEMS = (("softmax", {}, 0.1), ("mlp", {"hidden": (128,)}, 0.1))
KEPT = 0.9  # of the moving average, per iteration
NOISE = 1e-2  # variance in a codeword, relative to a segment's mean energy
BLOCK = 10


def equal_energies(k):
    print(f"\nequal energies, k = {k}: information of light rows / bound")
    print("   m   " + "".join(f"weight {w:<4}" for w in (1, 2, 4)) + "packed, weight 4")
    for m in (k // 2, k, 3 * k // 2, 2 * k):
        bound = packing.most_information(m, np.eye(k), NOISE)
        told = [
            packing.information(packing.most_informative(np.eye(k), m, w, NOISE), np.eye(k), NOISE)
            for w in (1, 2, 4)
        ]
        # of packed rows as many as are wanted, the first that are dispatched
        rows = rows_of("packed", 2 * k, k, min(4, k), packing.FLOOR, 0)[:m]
        told.append(packing.information(rows, np.eye(k), NOISE))
        print(f"{m:4}   " + "".join(f"{each / bound:<11.4f}" for each in told))


def gradients(name, parameters, step_size, iterations, seed):
    """Yield the gradient of each iteration of plain descent, (n_parameters,)."""
    with datasets.open_dataset(DATA) as data:
        X, y = data.read(0, data.n_samples, np.float64)
        problem = problems.make(
            name, parameters, n_features=data.n_features, n_classes=data.n_classes, task=data.task
        )
    x = problem.initial(seed)
    weights = np.full(len(y), 1.0 / len(y))
    for _ in range(iterations):
        gradient = np.zeros(problem.n_parameters)
        problem.gradient(x, Rows(X, y), weights, gradient)
        yield gradient
        x = x - step_size * gradient


def cut(gradient, k):
    """Return the gradient as k segments, padded, (k, length)."""
    length = -(-gradient.size // k)
    return np.pad(gradient, (0, k * length - gradient.size)).reshape(k, length)


def captured(rows, G):
    """Return the share of the energy of G (k, length) in the span of rows (m, k)."""
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    basis = right[singular > 1e-9 * singular[0]]
    return np.sum(np.square(basis @ G)) / np.sum(np.square(G))


def run(name, parameters, step_size, args):
    k, weight = args.segments, args.weight
    rng = np.random.default_rng(args.seed)
    numbers = sorted({max(1, k // 8), k // 4, k // 2, 3 * k // 4})
    shares = {m: {} for m in numbers}
    packed = rows_of("packed", 2 * k, k, weight, packing.FLOOR, 0)
    average = None
    for t, gradient in enumerate(
        gradients(name, parameters, step_size, args.iterations, args.seed)
    ):
        G = cut(gradient, k)
        now = G @ G.T / G.shape[1]
        if average is not None and t >= args.iterations // 10:
            noise = NOISE * np.trace(average) / k
            strongest = np.linalg.eigh(average)[1][:, ::-1].T
            best = np.linalg.eigh(now)[1][:, ::-1].T
            coordinates = np.square(gradient) / np.sum(np.square(gradient))
            for m in numbers:
                rows = packing.most_informative(average, m, weight, noise)
                turn = (m * t + np.arange(m)) % len(packed)
                chosen = rng.permutation(gradient.size)[: m * G.shape[1]]
                found = {
                    "informative": captured(rows, G),
                    "components": captured(strongest[:m], G),
                    "packed": captured(packed[turn], G),
                    "random signs": captured(random_signs(m, k, weight, rng), G),
                    "random-k": coordinates[chosen].sum(),
                    "best rows": captured(best[:m], G),
                    "share": packing.information(rows, average, noise)
                    / packing.most_information(m, average, noise),
                }
                for key, value in found.items():
                    shares[m].setdefault(key, []).append(value)
        average = now if average is None else KEPT * average + (1 - KEPT) * now
    energies = np.sort(average.diagonal())[::-1]
    print(
        f"\n{name}, {gradient.size} parameters, k = {k}, weight {weight}: captured share of the "
        f"energy\nthe strongest segment has {energies[0] / energies.sum():.2f} of it, the weakest "
        f"half {energies[k // 2 :].sum() / energies.sum():.2f}"
    )
    heads = list(shares[numbers[0]])
    print("   m  " + "".join(f"{head:<18}" for head in heads))
    for m in numbers:
        cells = []
        for head in heads:
            values = np.array(shares[m][head])
            blocks = [each.mean() for each in np.array_split(values, max(2, len(values) // BLOCK))]
            error = np.std(blocks, ddof=1) / np.sqrt(len(blocks))
            cells.append(f"{values.mean():.3f} +- {error:.3f}   ")
        print(f"{m:4}  " + "".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--weight", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    equal_energies(args.segments)
    for name, parameters, step_size in PROBLEMS:
        run(name, parameters, step_size, args)


if __name__ == "__main__":
    main()
