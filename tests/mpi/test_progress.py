"""What one host cannot show: over TCP nothing moves unless both sides are inside MPI."""

import json

import numpy as np
import pytest

from mpicode import launch

from .digits import ROOT


def test_an_answer_over_tcp_arrives_before_its_sender_has_computed_on(start):
    if launch.find_mpirun().vendor != "Open MPI":
        pytest.skip("the hosts are made for Open MPI's mpirun")
    benchmark = ROOT / "benchmarks" / "progress_tcp.py"
    ended = start(benchmark, "--over", "namespaces", "--repeats", "2", "--json").wait()
    assert ended.code == 0, ended.err
    measured = {entry["method"]: entry for entry in map(json.loads, ended.out.splitlines())}
    if "none" in measured:
        pytest.skip(measured["none"]["unavailable"])
    first, second = np.moveaxis(measured["pool"]["arrivals"], -1, 0)
    assert first.size == 4
    assert (first < second / 2).all()
    # that the second computation would show: a send that is left alone waits for it
    first, second = np.moveaxis(measured["isend"]["arrivals"], -1, 0)
    assert (first > second / 2).all()
