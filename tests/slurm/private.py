"""A private SLURM for tests: its daemons, keys, state and ports are its own, and end with it.

Nothing outside its folder is written, no cgroup and no database is needed, and its daemons listen
on the loopback address alone. Its nodes pretend to have more cores than the machine.
"""

import contextlib
import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SECONDS_TO_START = 30
SECONDS_TO_ANSWER = 30
CORES = 16

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "squeue", "sinfo")
SUPERUSERS_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin"])

# Unix sockets have paths of 107 characters at most; the longest name below the folder has 30.
MOST_CHARACTERS = 70

# What mpirun needs on nodes that pretend to have more cores than there are.
CROWDED = {
    "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_btl_tcp_if_include": "lo",
}

# AuthInfo: a job that is put back into the queue starts anew after the life of a credential.
# SlurmdParameters: nodes have the cores they are said to have. ReturnToService: a node is back as
# soon as its slurmd is.
CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=cred_expire=5,socket={folder}/run/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
EnforcePartLimits=ALL
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
KillWait=3
MinJobAge=3600
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
PartitionName=other Nodes=ALL MaxTime=60 State=UP
"""


def missing():
    """Return the programs that are not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), SUPERUSERS_PATH])
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def environment_of(pid):
    """Return the variables a process was started with, b"NAME=VALUE" each; a zombie has none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


class PrivateSlurm:
    """A cluster of ``nodes`` nodes, to be used as a context manager.

    Several nodes are told apart by host names of their own, for which root is needed.

    environment : for its clients, and so for the jobs
    """

    def __init__(self, folder, nodes=1):
        self.folder = Path(folder).resolve()
        assert len(str(self.folder)) <= MOST_CHARACTERS, f"too long for sockets: {self.folder}"
        self.conf = self.folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        # Open MPI under srun looks its only node up by the name of the host
        self.nodes = [host] if nodes == 1 else [f"node{i}" for i in range(nodes)]
        others = ("SLURM", "SBATCH", "SRUN", "SINFO", "SQUEUE", "SCONTROL", "MPICODE")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(others)
        }
        self.environment["PATH"] = os.pathsep.join([os.environ["PATH"], SUPERUSERS_PATH])
        self.environment["SLURM_CONF"] = str(self.conf)
        self.environment.update(CROWDED)
        self._daemons = {}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exception):
        self._stop()

    def ask(self, *command, check=True):
        """Return what a command of the scheduler says."""
        done = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start_node(self, name):
        """Start the daemon of a node."""
        slurmd = ["slurmd", "-D", "-f", str(self.conf), "-N", name]
        if len(self.nodes) > 1:
            hosts = str(self.folder / "hosts")
            own_name = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'
            slurmd = ["unshare", "--uts", "--mount", "sh", "-c", own_name, name, hosts, *slurmd]
        self._spawn(name, *slurmd)

    def until(self, condition, what, seconds=SECONDS_TO_START):
        """Wait until ``condition``, a function, holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            for name, daemon in self._daemons.items():
                assert daemon.poll() is None, f"{name} ended: {self._last_words(name)}"
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.05)

    def processes(self):
        """Return the processes of this SLURM and of its jobs, by their environment."""
        mark = f"SLURM_CONF={self.conf}".encode()
        pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
        return [pid for pid in pids if pid != os.getpid() and mark in environment_of(pid)]

    def _start(self):
        folders = ["state", "log", "run"]
        folders += [f"{of}/{name}" for of in ("spool", "tmp") for name in self.nodes]
        for each in folders:
            (self.folder / each).mkdir(parents=True)
        ports = _free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={name} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} "
            "RealMemory=8000 State=UNKNOWN"
            for name, port in zip(self.nodes, ports[1:], strict=True)
        )
        user = getpass.getuser()
        self.conf.write_text(CONF.format(folder=self.folder, user=user, port=ports[0], nodes=nodes))
        # nothing uses cgroups, but slurmd ends where it finds none and is told nothing of them
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        names = " ".join(self.nodes)
        (self.folder / "hosts").write_text(f"{Path('/etc/hosts').read_text()}\n127.0.0.1 {names}\n")
        self._start_munge()
        self._spawn("slurmctld", "slurmctld", "-D", "-f", str(self.conf))
        self.until(lambda: "UP" in self.ask("scontrol", "ping", check=False), "slurmctld answers")
        for name in self.nodes:
            self.start_node(name)
        self.until(self.is_idle, "all nodes are idle")

    def is_idle(self):
        """Return whether every node is there and free."""
        states = self.ask("sinfo", "-h", "-N", "-p", "debug", "-o", "%T", check=False).split()
        return states == ["idle"] * len(self.nodes)

    def _start_munge(self):
        run = self.folder / "run"
        key = run / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._spawn(
            "munged", "munged", "--foreground", "--force", "--num-threads=2",
            f"--key-file={key}", f"--socket={run}/munge.socket", f"--pid-file={run}/munged.pid",
            f"--log-file={self.folder}/log/munged.log", f"--seed-file={run}/munge.seed",
        )  # fmt: skip
        self.until((run / "munge.socket").exists, "munged listens")

    def _spawn(self, name, *command):
        with (self.folder / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    def _last_words(self, name):
        return (self.folder / "log" / f"{name}.out").read_text()[-2000:]

    def _stop(self):
        control = self._daemons.get("slurmctld")
        if control is not None and control.poll() is None:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                # what runs a job outlives the daemons
                self.ask("scancel", "--full", "--signal=KILL", "--user", getpass.getuser())
                self.ask("scancel", "--user", getpass.getuser())
                self.until(lambda: not self.ask("squeue", "-h").strip(), "no job is left", 15)
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _end_with_parent():
    """Have the kernel send SIGTERM to this process when its parent is gone."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _free_ports(number):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
