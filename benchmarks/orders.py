"""What it brings to code similar samples together.

    python benchmarks/orders.py [--data data/digits.h5] [--hidden 32] [--trials 40] [--seed 0]
                                [--optimizer heavy-ball] [--step-size 0.05]

A network is trained as usual on four fifths of the data. At the start, after 3 and after 60 passes
over the data, batches of 400 samples are coded, in each order of `mpicode data encode`, and with
random stragglers: shown is the median of |decoded - true gradient| / |true gradient|. "dropped" is
what leaving out the stragglers' share of the batch would cost, without a code. Below, from the
trained network, outputs of samples it has not seen: the root mean square of decoded less true
class scores, and how often the class with the highest score is the same. Everything follows from
the seed.
"""

import argparse

import numpy as np

from mpicode import codes, optimizers, problems
from mpicode.datasets import open_dataset
from mpicode.datasets.similar import ORDERS, closed, grouped
from mpicode.problems import Rows

BATCH = 400
STAGES = (0, 3, 60)
SETTINGS = ((10, 40, 10), (8, 16, 4), (20, 100, 20))
CODES = ("berrut", "letcc")


def read(path, rng):
    """Return rows to train on and others, in random order, since "none" leaves it as it is."""
    with open_dataset(path) as data:
        X, y = data.read(0, data.n_samples, np.float64)
        kind = {"n_features": data.n_features, "n_classes": data.n_classes, "task": data.task}
    if kind["task"] != "multiclass":
        raise SystemExit(f"{path}: wants several classes")
    shuffled = rng.permutation(len(X))
    cut = len(X) * 4 // 5
    parts = shuffled[:cut], shuffled[cut:]
    return *(Rows(X[part], y[part]) for part in parts), kind


def gradient(problem, x, rows, weights):
    out = np.zeros(problem.n_parameters)
    problem.gradient(x, rows, weights, out)
    return out


def trained(problem, rows, rng, name, step_size):
    """Yield the parameters after each of `STAGES` passes."""
    x = problem.initial(0).astype(np.float64)
    parameters = {"momentum": 0.9} if name == "heavy-ball" else {}
    optimizer = optimizers.make(name, {"step_size": step_size, **parameters}, n_parameters=x.size)
    for epoch in range(max(STAGES) + 1):
        if epoch in STAGES:
            yield x.copy()
        for batch in np.array_split(rng.permutation(len(rows.y)), max(len(rows.y) // 32, 1)):
            part = Rows(rows.X[batch], rows.y[batch])
            optimizer.step(x, gradient(problem, x, part, np.full(len(batch), 1 / len(batch))))


def arrivals(n_workers, n_stragglers, rng):
    arrived = np.ones(n_workers, bool)
    arrived[rng.permutation(n_workers)[:n_stragglers]] = False
    return arrived


def gradient_error(problem, x, rows, groups, code, n_stragglers, rng):
    """Return the relative error of one coded batch: some groups, one slot each."""
    chosen = groups[rng.permutation(len(groups))[: BATCH // code.n_blocks]]
    n_slots = len(chosen)
    flat = chosen[chosen >= 0]
    even = np.full(flat.size, 1 / flat.size)
    true = gradient(problem, x, Rows(rows.X[flat], rows.y[flat]), even)
    arrived = arrivals(code.n_workers, n_stragglers, rng)
    weights = code.sum_weights(arrived) / flat.size
    # as in coded files: where no sample is, the features of the one before, and no label
    there = np.maximum.accumulate(np.where(chosen >= 0, np.arange(chosen.shape[1]), 0), axis=1)
    X = rows.X[np.take_along_axis(chosen, there, axis=1)]
    Y = np.eye(problem.n_outputs)[rows.y[chosen]] * (chosen >= 0)[..., None]
    decoded = np.zeros_like(true)
    for worker in np.flatnonzero(arrived):
        row = code.storage[worker]
        coded = Rows(np.einsum("j,sjd->sd", row, X), np.einsum("j,sjc->sc", row, Y))
        decoded += weights[worker] * gradient(problem, x, coded, np.ones(n_slots))
    return np.linalg.norm(decoded - true) / np.linalg.norm(true)


def dropped_error(problem, x, rows, n_workers, n_stragglers, rng):
    flat = rng.permutation(len(rows.y))[:BATCH]
    true = gradient(problem, x, Rows(rows.X[flat], rows.y[flat]), np.full(BATCH, 1 / BATCH))
    kept = flat[np.repeat(arrivals(n_workers, n_stragglers, rng), -(-BATCH // n_workers))[:BATCH]]
    part = Rows(rows.X[kept], rows.y[kept])
    found = gradient(problem, x, part, np.full(len(kept), 1 / len(kept)))
    return np.linalg.norm(found - true) / np.linalg.norm(true)


def output_error(problem, x, X, groups, code, n_stragglers, rng):
    """Return the mean square error of decoded scores, and the share of equal classes."""
    samples = X[groups]
    true = problem.outputs(x, samples.reshape(-1, X.shape[1])).reshape(*groups.shape, -1)
    coded = np.einsum("ij,sjd->isd", code.storage, samples)
    answers = np.stack([problem.outputs(x, np.ascontiguousarray(part)) for part in coded])
    matrix = code.decode_matrix(arrivals(code.n_workers, n_stragglers, rng))
    decoded = np.einsum("ji,isc->sjc", matrix, answers)
    return np.mean((decoded - true) ** 2), np.mean(decoded.argmax(2) == true.argmax(2))


def labelled_groups(rows, n_blocks, kind):
    """Return the samples of each slot, as `mpicode data encode` puts them together; -1: none."""
    full, left = grouped(rows.X, rows.y, n_blocks, kind)
    last = closed(rows.X, rows.y, left, n_blocks, kind, apart=kind != "none")
    return np.concatenate([full, last])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="data/digits.h5")
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimizer", default="heavy-ball")
    parser.add_argument("--step-size", type=float, default=0.05)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    train, test, kind = read(args.data, rng)
    problem = problems.make("mlp", {"hidden": [args.hidden]}, **kind)
    stages = trained(problem, train, rng, args.optimizer, args.step_size)
    print(f"{args.data}: relative error of the gradient, median of {args.trials}")
    print(f"{'passes':>6} {'K, N, S':>11} {'code':>7}", *(f"{k:>8}" for k in ORDERS), " dropped")
    for stage, x in zip(STAGES, stages, strict=True):
        for n_blocks, n_workers, s in SETTINGS:
            drops = [
                dropped_error(problem, x, train, n_workers, s, rng) for _ in range(args.trials)
            ]
            for name in CODES:
                code = codes.make(name, n_workers=n_workers, n_blocks=n_blocks, n_stragglers=s)
                medians = []
                for kind_of_order in ORDERS:
                    groups = labelled_groups(train, n_blocks, kind_of_order)
                    errors = [
                        gradient_error(problem, x, train, groups, code, s, rng)
                        for _ in range(args.trials)
                    ]
                    medians.append(np.median(errors))
                what = f"{n_blocks},{n_workers},{s}"
                print(
                    f"{stage:>6} {what:>11} {name:>7}",
                    *(f"{m:8.3f}" for m in medians),
                    f"{np.median(drops):8.3f}",
                )
    _, correct = problem.evaluate(x, test)
    print(f"outputs of unseen samples (accuracy {correct / len(test.y):.3f}): RMSE / same class")
    print(f"{'K, N, S':>11} {'code':>7} {'none':>13} {'path':>13}")
    for n_blocks, n_workers, s in SETTINGS:
        for name in CODES:
            code = codes.make(name, n_workers=n_workers, n_blocks=n_blocks, n_stragglers=s)
            cells = []
            for kind_of_order in ("none", "path"):
                # what is to be told has no labels yet
                groups = grouped(test.X, None, n_blocks, kind_of_order).full
                found = np.array(
                    [
                        output_error(problem, x, test.X, groups, code, s, rng)
                        for _ in range(args.trials)
                    ]
                )
                square, same = found.mean(axis=0)
                cells.append(f"{np.sqrt(square):7.2f}/{same:.3f}")
            print(
                f"{f'{n_blocks},{n_workers},{s}':>11} {name:>7}", *(f"{cell:>13}" for cell in cells)
            )


if __name__ == "__main__":
    main()
