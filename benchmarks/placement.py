"""What the loss of whole nodes costs, with workers as numbered and with replicas spread.

For each scheme, all sets of 1 and of 2 lost nodes are decoded: the share of sets after which the
sum is still exact, and the residual, as a share of what is missed without any message. Launchers
number ranks node by node ("by slot", the usual default) or deal them out in turn ("by node",
``--map-by node``, ``srun -m cyclic``); rank 0 is the master.

``--run`` trains for real as well: under mpirun, each rank with the host name of a pretended node
(a UTS namespace of its own, which wants root), all workers of the last node killed by SIGKILL in
iteration 3, and nothing done about it (``when_lost = "approximate"``).

Usage: python benchmarks/placement.py [--workers 24] [--nodes 6] [--run] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from mpicode import codes
from mpicode.codes.places import spread
from mpicode.config import Config
from mpicode.errors import ConfigError
from mpicode.launch import find_mpirun
from mpicode.results import read_run

SCHEMES = [
    ("fractional-repetition", {"n_stragglers": 1}),
    ("fractional-repetition", {"n_stragglers": 2}),
    ("kadhe", {"replication": 4, "n_segments": 2}),
    ("graph", {"replication": 3}),
    ("erasure-head", {}),
    ("cyclic", {"n_stragglers": 2}),
    ("ye-abbe", {"n_stragglers": 2, "n_segments": 2}),
    ("partial-stragglers", {"n_stragglers": 2, "load": 4}),
    ("s-regular", {"load": 3}),
    ("bernoulli", {"load": 3}),
    ("stochastic-block", {"load": 3}),
    ("munim-diagonal", {"design": "coset"}),
    ("munim-diagonal", {"design": "biregular", "load": 4}),
    ("ignore-stragglers", {}),
]
MAPPINGS = ("by slot", "by node")
EXACT = 1e-9


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=24)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--run", action="store_true", help="train for real as well")
    parser.add_argument("--json", action="store_true", help="the figures, on standard output")
    return parser.parse_args()


def nodes_of(mapping, n_workers, n_nodes):
    """Return the node of each rank, the master's first."""
    n_ranks = n_workers + 1
    if mapping == "by slot":
        return [rank * n_nodes // n_ranks for rank in range(n_ranks)]
    return [rank % n_nodes for rank in range(n_ranks)]


def cost(code, workers, nodes, n_lost):
    """Return which share of the sets of lost nodes is harmless; mean and worst residual."""
    place = np.argsort(workers)
    whole = code.n_segments * code.n_blocks
    residuals = []
    for lost in itertools.combinations(sorted(set(nodes)), n_lost):
        gone = [place[worker] for worker, node in enumerate(nodes) if node in lost]
        residuals.append(code.decode(~np.isin(code.owner, gone)).residual / whole)
    exact = sum(residual < EXACT for residual in residuals)
    return exact / len(residuals), float(np.mean(residuals)), max(residuals)


def compare(n_workers, n_nodes):
    for name, parameters in SCHEMES:
        try:
            code = codes.make(name, n_workers=n_workers, seed=0, **parameters)
        except ConfigError as error:
            print(f"left out: {name}: {error}", file=sys.stderr)
            continue
        for mapping in MAPPINGS:
            nodes = nodes_of(mapping, n_workers, n_nodes)[1:]
            orders = {"as-numbered": list(range(n_workers)), "spread": spread(code, nodes)}
            for placement, workers in orders.items():
                row = {"code": name, **parameters, "ranks": mapping, "placement": placement}
                for n_lost in (1, 2):
                    found = cost(code, workers, nodes, n_lost)
                    names = ("exact", "residual", "worst")
                    row |= {f"{key}_{n_lost}": v for key, v in zip(names, found, strict=True)}
                yield row


def print_table(rows):
    print(
        f"{'':74s}{'one node lost':>24s}{'two nodes lost':>27s}\n{'scheme':52s}{'ranks':9s}"
        + f"{'placement':13s}"
        + f"{'exact':>7s}{'residual':>10s}{'worst':>7s}   " * 2,
        file=sys.stderr,
    )
    for row in rows:
        shown = {"code", "ranks", "placement"}
        keys = ", ".join(f"{k} {v}" for k, v in row.items() if k not in shown and k[-2] != "_")
        name = f"{row['code']}, {keys}" if keys else row["code"]
        line = f"{name:52s}{row['ranks']:9s}{row['placement']:13s}"
        for n in (1, 2):
            exact, mean, worst = (row[f"{key}_{n}"] for key in ("exact", "residual", "worst"))
            line += f"{exact:7.0%}{mean:10.3f}{worst:7.3f}   "
        print(line.rstrip(), file=sys.stderr)


def train(placement, mapping, folder, n_workers=12, n_nodes=4):
    """Train under mpirun with pretended hosts; the run file."""
    nodes = nodes_of(mapping, n_workers, n_nodes)
    lost = [worker for worker, node in enumerate(nodes[1:]) if node == n_nodes - 1]
    config = Config.from_dict(
        {
            "data": {"path": str(Path(__file__).parents[1] / "data" / "digits.h5")},
            "problem": {"name": "softmax"},
            "code": {"name": "fractional-repetition", "n_stragglers": 2},
            "optimizer": {"name": "gradient-descent", "step_size": 0.5},
            "run": {"n_workers": n_workers, "iterations": 20, "placement": placement},
            "faults": {
                "when_lost": "approximate",
                "inject": [{"kind": "kill", "worker": w, "iteration": 3} for w in lost],
            },
            "output": {"path": str(folder / f"{placement}.h5")},
            "checkpoint": {"keep": 0},
        }
    )
    path = folder / "run.toml"
    path.write_text(config.to_toml())
    names = " ".join(f"node{node}" for node in nodes)
    rank = folder / "rank.sh"
    rank.write_text(
        f'set -- {names} -- "$@"\n'
        'i=$OMPI_COMM_WORLD_RANK; while [ "$i" -gt 0 ]; do shift; i=$((i - 1)); done; mine=$1\n'
        'while [ "$1" != -- ]; do shift; done; shift\n'
        'exec unshare --uts sh -c \'hostname "$0" && exec "$@"\' "$mine" "$@"\n'
    )
    mpirun = [find_mpirun().path, "-n", str(n_workers + 1), "--with-ft", "ulfm"]
    mpirun += ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "none"]
    program = [sys.executable, "-m", "mpicode", "run", str(path)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1"}
    env |= {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        [*mpirun, "sh", str(rank), *program],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    try:
        return read_run(folder / f"{placement}.h5")
    except Exception:
        print(done.stderr, file=sys.stderr)
        raise


def train_all():
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("pretended hosts want root and the program 'unshare'", file=sys.stderr)
        return
    print("\nreal runs, 12 workers on 4 pretended nodes, the last node killed in iteration 3:")
    for mapping in MAPPINGS:
        for placement in ("as-numbered", "spread"):
            with tempfile.TemporaryDirectory() as folder:
                run = train(placement, mapping, Path(folder))
            hosts = len(set(run.attrs["hosts"]))
            n_lost = int(run.iterations["n_lost"][-1])
            residual = run.iterations["residual"][-1] / 12
            print(
                f"  fractional-repetition, s = 2, {mapping}, {placement}: {hosts} hosts, {n_lost} "
                f"workers lost, residual then {residual:.3f}, loss after 20 iterations "
                f"{run.iterations['loss'][-1]:.5f}; {run.attrs['outcome']}"
            )


def main():
    options = arguments()
    rows = list(compare(options.workers, options.nodes))
    print_table(rows)
    if options.json:
        print(json.dumps(rows, indent=2))
    if options.run:
        train_all()


if __name__ == "__main__":
    main()
