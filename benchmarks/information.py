"""How much a few light codewords tell about real gradients, and how much they could.

    python benchmarks/information.py [--iterations 60] [--segments 16] [--weight 4] [--seed 0]
                                     [--part all]

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

Then in the loop: networks descend asynchronously under the virtual clock, 8 workers of whom
some are late, and its rows are made anew as it goes (``asynchronous.repack_every``), from the
estimate that the decoder has of the gradient. Behind so many messages the run's own rows and
covariance are held against the whole gradient at its parameters of that moment:

  covariance     |estimated - true| / |true|, Frobenius
  share          information of the rows about the true covariance over the bound for as many rows;
                 behind it that of the packing
  a message      energy in one of the run's messages over that in a random one, the mean over all
                 its rows; random coordinates and random signs have 1
  first k/4      the share of the energy that the first k/4 of the rows capture; then as many
                 messages of the packing, of random signs and of random coordinates

Last, messages and seconds to a target loss on the digits, with and without: in each mode for
several step sizes, the median of several seeds of the delays with the least and the most; "inf":
not within the most messages. (``--part offline``, ``rows`` or ``target`` does one of the three.)
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

import mpicode  # noqa: E402
from mpicode import codes, datasets, problems  # noqa: E402
from mpicode.codes import packing  # noqa: E402
from mpicode.codes.packing.variants import random_signs, rows_of  # noqa: E402
from mpicode.problems import Rows  # noqa: E402
from mpicode.results import read_checkpoint  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "fashion-mnist-10k.h5"
# Problem, step size.
PROBLEMS = (("softmax", {}, 0.1), ("mlp", {"hidden": (128,)}, 0.1))
KEPT = 0.9  # of the moving average, per iteration
NOISE = 1e-2  # variance in a codeword, relative to a segment's mean energy
BLOCK = 10

# In the loop: the noise that rows are made for, as `asynchronous.repack_noise` has it.
LOOP_NOISE = 10.0
LOOKS = 6
DELAYS = {"name": "shifted-exponential", "shift": 1e-3, "mean": 2e-3}
DIGITS = DATA.with_name("digits.h5")
TARGET, MOST, SEEDS = 0.1, 3000, range(3)
STEPS = {"direct": (1.0, 1.5, 2.0), "memory": (0.07, 0.1, 0.14)}
# Data, hidden units, rows in a batch.
NETWORKS = ((DIGITS, 32, None), (DATA, 128, 256))


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


def tables(data, hidden, mode, step_size, repack_every, k, seed, **run_table):
    """Return the configuration of an asynchronous run."""
    return {
        "data": {"path": str(data)},
        "problem": {"name": "mlp", "hidden": [hidden]},
        "code": {"name": "lwpd", "n_segments": k, "n_messages": 2 * k},
        "optimizer": {"name": "gradient-descent", "step_size": step_size},
        "run": {"n_workers": 8, "seed": seed, "evaluate_every": 10**6, **run_table},
        "delays": DELAYS,
        "asynchronous": {
            "mode": mode,
            "repack_every": repack_every,
            "repack_noise": LOOP_NOISE,
        },
    }


def energy(rows, G):
    """Return the mean energy of the codewords of G, over that of its segments."""
    return len(G) * np.sum(np.square(rows @ G)) / len(rows) / np.sum(np.square(G))


def rows_in_the_loop(path, hidden, batch_size, args):
    k, m, between = args.segments, args.segments // 4, 32
    packed = codes.make("lwpd", n_workers=8, n_segments=k, n_messages=2 * k).packed
    rng = np.random.default_rng(args.seed)
    with datasets.open_dataset(path) as data:
        X, y = data.read(0, data.n_samples, np.float64)
        problem = problems.make(
            "mlp", {"hidden": (hidden,)}, n_features=data.n_features, n_classes=10, task=data.task
        )
    order, weights = problem.slices(k), np.full(len(y), 1.0 / len(y))
    for mode, step_size in (("direct", 1.0), ("memory", 0.1)):
        batch = "all rows" if batch_size is None else f"{batch_size} rows"
        print(
            f"\nin the loop: {path.stem}, {problem.n_parameters} parameters, {batch} a message, "
            f"{mode!r}, step size {step_size}"
        )
        print(
            "messages  loss   covariance  share (packing)  a message  (packing)  "
            f"first {m}  packing  signs  coordinates"
        )
        with tempfile.TemporaryDirectory() as folder:
            table = tables(
                *(path, hidden, mode, step_size, 2 * k, k, args.seed),
                iterations=LOOKS * between + 1, batch_size=batch_size, record_every=8,
            )  # fmt: skip
            table["checkpoint"] = {"path": folder, "every": between, "keep": LOOKS + 1}
            mpicode.run(table)
            kept = [read_checkpoint(file) for file in Path(folder).glob("checkpoint-*.h5")]
        for checkpoint in sorted(kept, key=lambda each: each.iteration):
            if checkpoint.iteration % between:
                continue
            gradient = np.zeros(problem.n_parameters)
            loss = problem.gradient(checkpoint.parameters, Rows(X, y), weights, gradient)
            G = cut(gradient if order is None else gradient[order], k)
            state = {key.partition(".")[2]: value for key, value in checkpoint.optimizer.items()}
            rows, true = state["rows"], G @ G.T / G.shape[1]
            wrong = np.linalg.norm(state["covariance_of_segments"] - true) / np.linalg.norm(true)
            noise = LOOP_NOISE * np.trace(true) / k
            most = packing.most_information(len(rows), true, noise)
            told = [packing.information(each, true, noise) / most for each in (rows, packed)]
            windows = [packed[start : start + m] for start in range(0, len(packed), m)]
            signs = [random_signs(m, k, args.weight, rng) for _ in range(20)]
            chosen = rng.permutation(gradient.size)[: m * G.shape[1]]
            places = np.square(gradient[chosen]).sum() / np.square(gradient).sum()
            print(
                f"{checkpoint.iteration * 8:8}  {loss:.3f}  {wrong:10.2f}  "
                f"{told[0]:.3f}   ({told[1]:.3f})  {energy(rows, G):9.2f}     "
                f"({energy(packed, G):.2f})  {captured(rows[:m], G):7.3f}  "
                f"{np.mean([captured(each, G) for each in windows]):7.3f}  "
                f"{np.mean([captured(each, G) for each in signs]):5.3f}  {places:11.3f}",
                flush=True,
            )


def to_target(args):
    k = args.segments
    print(f"\nmessages (seconds of the virtual clock) to the loss {TARGET} on the digits")
    print("mode     step    packing                         made anew")
    for mode, steps in STEPS.items():
        for step_size in steps:
            cells = []
            for every in (0, 2 * k):
                found = []
                for seed in SEEDS:
                    result = mpicode.run(
                        tables(
                            *(DIGITS, 32, mode, step_size, every, k, seed),
                            iterations=MOST // 8,
                            target_loss=TARGET,
                        )
                    )
                    reached = result.outcome.startswith("target")
                    n = result.history["n_arrived"].sum() if reached else np.inf
                    ended = result.history["started"] + result.history["seconds"]
                    found.append((n, ended[-1] if reached else np.inf))
                found.sort()
                n, seconds = found[len(found) // 2]
                cells.append(f"{n:6.0f} ({seconds:.3f} s), {found[0][0]:.0f} to {found[-1][0]:.0f}")
            print(f"{mode:7}  {step_size:<6}  {cells[0]:<30}  {cells[1]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--weight", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("all", "offline", "rows", "target"), default="all")
    args = parser.parse_args()
    if args.part in ("all", "offline"):
        equal_energies(args.segments)
        for name, parameters, step_size in PROBLEMS:
            run(name, parameters, step_size, args)
    if args.part in ("all", "rows"):
        for network in NETWORKS:
            rows_in_the_loop(*network, args)
    if args.part in ("all", "target"):
        to_target(args)


if __name__ == "__main__":
    main()
