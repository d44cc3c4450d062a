"""Hosts made of network namespaces: what goes between them goes through TCP, as on a cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType


class Unavailable(Exception):
    """Such hosts cannot be made on this machine, or by this user; the text says why."""


class Hosts:
    """``n`` hosts on one bridge, for as long as the context lasts; needs root and iproute2.

    They share files and processes with us, but have a network and a name of their own, so that Open
    MPI takes them for different nodes.
    """

    def __init__(self, n: int) -> None:
        number = os.getpid()
        self._bridge = f"mpc{number}"
        self._network = f"10.{64 + number // 256 % 128}.{number % 256}"
        self._names = {i: f"mpicode{number}-{i}" for i in range(1, n + 1)}
        self._folder = ""

    def __enter__(self) -> Hosts:
        for program in ("ip", "unshare", "hostname"):
            if shutil.which(program) is None:
                raise Unavailable(f"no program {program!r}")
        if os.geteuid() != 0:
            raise Unavailable("network namespaces want root")
        self._folder = tempfile.mkdtemp(prefix="mpicode-hosts-")
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self._names.values():
            _ip("netns", "del", name, check=False)
        _ip("link", "del", self._bridge, check=False)
        shutil.rmtree(self._folder)

    def mpirun(self, path: str) -> list[str]:
        """Return the start of a command: the Open MPI mpirun at ``path``, one rank on each host."""
        first = f"{self._network}.1"
        within = ["ip", "netns", "exec", self._names[1], "unshare", "-u"]
        named = ["sh", "-c", f'hostname {first}; exec "$@"', "sh"]
        hosts = ",".join(f"{self._network}.{i}:1" for i in self._names)
        agent = ["--prtemca", "plm_ssh_agent", f"{self._folder}/agent"]
        return [
            *within,
            *named,
            path,
            *agent,
            "--host",
            hosts,
            "--map-by",
            "node",
            "-n",
            str(len(self._names)),
        ]

    def limit(self, host: int, rate: str) -> None:
        """Let host number ``host``, from 1 on, send no faster than ``rate`` (tc: ``100mbit``)."""
        limit = ["root", "tbf", "rate", rate, "burst", "32kb", "latency", "1s"]
        command = ["tc", "-n", self._names[host], "qdisc", "replace", "dev", "eth0", *limit]
        if shutil.which("tc") is None:
            raise Unavailable("no program 'tc'")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")

    def _make(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("link", "set", self._bridge, "up")
        for i, name in self._names.items():
            _ip("netns", "add", name)
            ours = f"{self._bridge}-{i}"
            _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", ours, "master", self._bridge, "up")
            _ip("-n", name, "addr", "add", f"{self._network}.{i}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", name, "link", "set", device, "up")
        prefix = self._names[1][:-1]
        agent = Path(self._folder) / "agent"
        agent.write_text(
            "#!/bin/sh\n"
            "host=$1; shift\n"
            f'exec ip netns exec "{prefix}${{host##*.}}" unshare -u sh -c "hostname $host; $*"\n'
        )
        agent.chmod(0o700)


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Unavailable(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
