"""Jobs under a real SLURM, where one is installed; see `private`."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

import mpicode
from mpicode.errors import ConfigError
from mpicode.launch import find_mpirun

from ..mpi.digits import write_config
from ..mpi.stage import Stage
from .private import PrivateSlurm, environment_of, missing

SECONDS_OF_A_COMMAND = 60
# Generous: the machine may be busy.
SECONDS_OF_A_JOB = 90


class Done(NamedTuple):
    """How a command of ours ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("mpicode: error:")]


class Cluster:
    """A private SLURM, and our commands under it."""

    def __init__(self, slurm):
        self.slurm = slurm
        self.ask = slurm.ask
        programs = slurm.folder / "bin"
        programs.mkdir()
        ours = programs / "mpicode"
        ours.write_text(f'#!/bin/sh\nexec {sys.executable} -m mpicode "$@"\n')
        ours.chmod(0o755)
        env = slurm.environment
        env["PATH"] = os.pathsep.join([str(programs), env["PATH"]])
        root = str(Path(mpicode.__file__).parents[1])
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [root, env.get("PYTHONPATH")]))

    def mpicode(self, *arguments, seconds=SECONDS_OF_A_COMMAND):
        """Run ``mpicode ...`` as a user on the login node."""
        done = subprocess.run(
            ["mpicode", *map(str, arguments)],
            env=self.slurm.environment,
            cwd=self.slurm.folder,
            text=True,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def submit(self, *arguments):
        """Submit a run and return the number of its job."""
        done = self.mpicode("submit", *arguments)
        assert done.code == 0, done.err
        return done.out.strip()

    def states(self, job):
        """Return the state of each element of a job."""
        return self.ask("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%T").split()

    def processes(self, job):
        """Return the processes of a job, also those that SLURM has lost sight of."""
        return [
            pid
            for pid in self.slurm.processes()
            if f"SLURM_JOB_ID={job}".encode() in environment_of(pid)
        ]

    def shown(self, job):
        return self.ask("scontrol", "show", "job", job)

    def until(self, condition, what):
        self.slurm.until(condition, what, SECONDS_OF_A_JOB)

    def until_state(self, job, *wanted):
        """Wait until a job, with all its elements, is in one of the states."""

        def there():
            states = self.states(job)
            return states and set(states) <= set(wanted)

        try:
            self.until(there, f"job {job} is {' or '.join(wanted)}")
        except AssertionError as error:
            pytest.fail(f"{error}; it is {self.states(job)}\n{self.shown(job)}")


def _cluster(nodes):
    absent = missing()
    if absent:
        give_up = pytest.fail if os.environ.get("MPICODE_REQUIRE_SLURM") == "1" else pytest.skip
        give_up(f"no SLURM here: {', '.join(absent)} not installed")
    try:
        find_mpirun()
    except ConfigError as error:
        pytest.skip(str(error))
    folder = tempfile.mkdtemp(prefix="slurm-")
    try:
        with PrivateSlurm(folder, nodes) as slurm:
            yield Cluster(slurm)
        assert slurm.processes() == []
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def one_node():
    yield from _cluster(1)


@pytest.fixture(scope="session")
def two_nodes():
    if os.geteuid() != 0:
        pytest.skip("nodes with host names of their own need root")
    yield from _cluster(2)


def _emptied(cluster):
    """Hand a cluster to a test, and end whatever jobs it leaves."""
    yield cluster
    cluster.ask("scancel", "--full", "--signal=KILL", "--user", str(os.geteuid()))
    cluster.ask("scancel", "--user", str(os.geteuid()))
    cluster.until(cluster.slurm.is_idle, "all jobs are gone")


@pytest.fixture
def cluster(one_node):
    yield from _emptied(one_node)


@pytest.fixture
def cluster_of_two(two_nodes):
    yield from _emptied(two_nodes)


@pytest.fixture
def config(tmp_path):
    """Write ``NAME.toml`` and return its path; see `write_config`."""
    return lambda name="run", **tables: write_config(tmp_path, name, **tables)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)
