"""Hosts made of network namespaces: what goes between them goes through TCP, as on a cluster."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from latency import Relay, new_tap

# What a login on another host finds; everything else is the launcher's to hand on.
_LOGIN = ("PATH", "HOME", "USER", "LANG", "PYTHONPATH")


class Unavailable(Exception):
    """Such hosts cannot be made on this machine, or by this user; the text says why."""


class Hosts:
    """``n`` hosts on one bridge, for as long as the context lasts; needs root and iproute2.

    They share files and processes with us, but have a network and a name of their own, so that Open
    MPI takes them for different nodes. They are numbered from 1 on.

    latency     : host -> seconds by which whatever it sends or is sent arrives later
    environment : variables that a login on a host finds, beside the usual ones
    """

    def __init__(
        self,
        n: int,
        latency: Mapping[int, float] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        number = os.getpid()
        self._bridge = f"mpc{number}"
        self._network = f"10.{64 + number // 256 % 128}.{number % 256}"
        self._names = {i: f"mpicode{number}-{i}" for i in range(1, n + 1)}
        self._latency = dict(latency or {})
        self._login = {name: os.environ[name] for name in _LOGIN if name in os.environ}
        self._login.update({"OMP_NUM_THREADS": "1", **(environment or {})})
        self._relays: list[Relay] = []
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
        for host, name in self._names.items():
            self.crash(host)
            _ip("link", "del", self._port(host), check=False)
            _ip("netns", "del", name, check=False)
        for relay in self._relays:
            relay.close()
        _ip("link", "del", self._bridge, check=False)
        shutil.rmtree(self._folder)

    @property
    def agent(self) -> str:
        """The program by which mpirun starts its daemon on another host, in place of ssh."""
        return f"{self._folder}/agent"

    def address(self, host: int) -> str:
        """Return the name of a host, which is its address."""
        return f"{self._network}.{host}"

    def hostfile(self, slots: Sequence[int]) -> str:
        """Return the path of a list of the hosts, so many ranks to each."""
        path = Path(self._folder) / "hostfile"
        lines = [f"{self.address(i)} slots={n}\n" for i, n in zip(self._names, slots, strict=True)]
        path.write_text("".join(lines))
        return str(path)

    def on(self, host: int) -> list[str]:
        """Return the start of a command that is to run on a host, with our variables."""
        within = ["ip", "netns", "exec", self._names[host], "unshare", "-u"]
        return [*within, "sh", "-c", f'hostname {self.address(host)}; exec "$@"', "sh"]

    def mpirun(self, path: str) -> list[str]:
        """Return the start of a command: the Open MPI mpirun at ``path``, one rank on each host."""
        hosts = ",".join(f"{self.address(i)}:1" for i in self._names)
        agent = ["--prtemca", "plm_ssh_agent", self.agent]
        number = str(len(self._names))
        return [
            *self.on(1), path, *agent, "--host", hosts, "--map-by", "node", "-n", number
        ]  # fmt: skip

    def limit(self, host: int, rate: str, *, both_ways: bool = False) -> None:
        """Let a host send no faster than ``rate`` (tc: ``100mbit``), and be sent to no faster."""
        ours = ["tc", "qdisc", "replace", "dev", self._port(host)]
        ways = [["tc", "-n", self._names[host], *ours[1:4], "eth0"], *([ours] if both_ways else [])]
        if shutil.which("tc") is None:
            raise Unavailable("no program 'tc'")
        for way in ways:
            _run([*way, "root", "tbf", "rate", rate, "burst", "32kb", "latency", "1s"])

    def cut(self, host: int) -> None:
        """Pull the cable of a host."""
        _ip("link", "set", self._port(host), "down")

    def mend(self, host: int) -> None:
        """Put the cable in again."""
        _ip("link", "set", self._port(host), "up")

    def crash(self, host: int) -> None:
        """Kill whatever runs on a host."""
        for pid in self._on(host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return the numbers of all processes on the hosts."""
        return [pid for host in self._names for pid in self._on(host)]

    def _on(self, host: int) -> list[int]:
        command = ["ip", "netns", "pids", self._names[host]]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        return [int(word) for word in told.split()]

    def _port(self, host: int) -> str:
        return f"{self._bridge}-{host}"

    def _make(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("link", "set", self._bridge, "up")
        for i, name in self._names.items():
            _ip("netns", "add", name)
            self._connect(i, self._port(i), name)
            _ip("-n", name, "addr", "add", f"{self.address(i)}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                _ip("-n", name, "link", "set", device, "up")
            _ip("link", "set", self._port(i), "master", self._bridge, "up")
        prefix = self._names[1][:-1]
        login = shlex.join(["env", "-i", *(f"{key}={each}" for key, each in self._login.items())])
        agent = Path(self.agent)
        agent.write_text(
            # like ssh: what runs there has streams of its own, and lives on when we are killed
            "#!/bin/sh\n"
            "host=$1; shift\n"
            f'{login} ip netns exec "{prefix}${{host##*.}}" '
            'unshare -u sh -c "hostname $host; $*" </dev/null 2>&1 | cat >&2\n'
        )
        agent.chmod(0o700)

    def _connect(self, host: int, ours: str, name: str) -> None:
        """Lay a cable from a host's eth0 to ``ours``, which a bridge can have."""
        if host not in self._latency:
            _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
            return
        theirs = f"{ours}x"
        try:
            ends = new_tap(ours), new_tap(theirs)
        except OSError as error:
            raise Unavailable(f"/dev/net/tun: {error}") from None
        _ip("link", "set", theirs, "netns", name, "name", "eth0")
        self._relays.append(Relay(*ends, self._latency[host]))


def _ip(*arguments: str, check: bool = True) -> None:
    _run(["ip", *arguments], check)


def _run(command: Sequence[str], check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
