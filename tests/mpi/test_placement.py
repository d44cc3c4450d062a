"""A node lost under MPI: the hosts are pretended, their names and the SIGKILLs are real."""

import os
import runpy
import subprocess
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "placement.py"


def missing():
    """Return why hosts cannot be pretended here, an empty text where they can."""
    if os.geteuid() != 0:
        return "host names of our own want root"
    try:
        subprocess.run(["unshare", "--uts", "hostname", "node0"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no namespaces: {error}"
    return ""


WHY = missing()


@pytest.mark.skipif(bool(WHY), reason=WHY)
def test_no_group_is_lost_with_a_node(tmp_path):
    train = runpy.run_path(str(BENCHMARK))["train"]
    saved = train("spread", "by node", tmp_path)
    # ranks are dealt out in turn: worker i is on node i + 1, and replicas are 4 workers apart
    assert saved.attrs["hosts"] == [f"node{(worker + 1) % 4}" for worker in range(12)]
    assert saved.iterations["n_lost"][-1] == 3
    assert saved.iterations["residual"].max() < 1e-12
    assert saved.complete
    workers = saved.codes[0]["workers"]
    assert sorted(workers) == list(range(12))
    groups = {tuple(sorted((workers[k + 4 * r] + 1) % 4 for r in range(3))) for k in range(4)}
    assert all(len(set(group)) == 3 for group in groups)
