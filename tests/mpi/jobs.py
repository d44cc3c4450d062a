"""Jobs under real MPI: each has a time limit, and none may leave a process behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import pytest

import mpicode
from mpicode import launch
from mpicode.errors import ConfigError
from mpicode.supervise import PLACE_VARIABLE

# Generous: the machine may be busy. Reached only by a job that hangs.
SECONDS = 60
SECONDS_TO_LEAVE = 5
MARK = "MPICODE_TEST_JOB"


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def errors(self):
        """The lines in which mpicode says what went wrong."""
        return [line for line in self.err.splitlines() if line.startswith("mpicode: error:")]


def processes(mark):
    """Return the processes that carry ``mark``, pid -> command line; zombies carry nothing."""
    entry = f"{MARK}={mark}".encode()
    found = {}
    # not by a glob of paths: it fails where a process ends while it looks
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if entry in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found[int(process.name)] = command
    return found


def poll(condition, seconds):
    """Return whether ``condition`` came true within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Job:
    """A command and all processes it starts, to be ended within ``seconds``."""

    def __init__(self, command, folder, seconds, environment):
        self.mark = uuid.uuid4().hex
        self._command = [str(word) for word in command]
        self._deadline = time.monotonic() + seconds
        self._out, self._err = (folder / f"{self.mark}.{name}" for name in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                self._command,
                cwd=folder,
                env={**environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def until(self, condition, what):
        """Wait until ``condition``, a function, holds; fail if the job ends or hangs before."""
        while not condition():
            if self.process.poll() is not None and not condition():
                pytest.fail(self._story(f"ended with {self.process.returncode} before {what}"))
            if time.monotonic() > self._deadline:
                self._hangs(f"waiting for {what}")
            time.sleep(0.005)

    def said(self, text, times=1):
        """Return a function that tells whether ``text`` was said on stderr, so many times."""
        return lambda: self._err.read_text().count(text) >= times

    def signal(self, number):
        """Send a signal to the process that was started: the launcher."""
        self.process.send_signal(number)

    def wait(self):
        """Return how the job ended; fail if it hangs, or leaves a process behind."""
        try:
            code = self.process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._hangs("waiting for its end")
        if not poll(lambda: not processes(self.mark), SECONDS_TO_LEAVE):
            left = processes(self.mark)
            self.kill()
            pytest.fail(self._story(f"ended with {code} and left behind {left}"))
        return Ended(code, self._out.read_text(), self._err.read_text())

    def kill(self):
        """End every process of the job."""
        for pid in processes(self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _hangs(self, doing):
        for pid, command in processes(self.mark).items():
            if "python" in Path(command.split()[0]).name:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGABRT)  # each Python says where it is
                    os.kill(pid, signal.SIGCONT)
        poll(lambda: not processes(self.mark), 2)
        self.kill()
        pytest.fail(self._story(f"hangs, {doing}"))

    def _story(self, what):
        command = " ".join(self._command)
        return (
            f"{command}\n{what}\n--- stdout\n{self._out.read_text()}"
            f"\n--- stderr\n{_without_extensions(self._err.read_text())}"
        )


def _without_extensions(text):
    """Return what faulthandler wrote less its lists of compiled modules."""
    return "\n".join(t for t in text.splitlines() if not t.startswith("Extension modules:"))


def _environment(mpirun):
    """Return the environment for a job: our mpicode, and each Python tells where it was killed."""
    env = launch.environment_of_job(mpirun, os.environ)
    ours = str(Path(mpicode.__file__).parents[1])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (ours, env.get("PYTHONPATH"))))
    env["PYTHONFAULTHANDLER"] = "1"
    return env


@contextlib.contextmanager
def starter(folder):
    """Give a function that starts jobs in ``folder``; whatever the test forgets is ended."""
    try:
        mpirun = launch.find_mpirun()
    except ConfigError as error:
        pytest.skip(str(error))
    jobs = []
    # an mpirun that ends takes away the folder in which another one is about to begin
    place = tempfile.mkdtemp(prefix="mpicode-")

    def start(*arguments, ranks=None, seconds=SECONDS, environment=None):
        """Start ``python ARGUMENTS``, on ``ranks`` ranks where that is given.

        ``ranks`` may be a list of pairs (number of ranks, arguments they have beside the others').
        """
        command = [sys.executable, "-u", *arguments]
        env = _environment(mpirun)
        if ranks is not None:
            env[PLACE_VARIABLE] = place
            groups = [(ranks, ())] if isinstance(ranks, int) else ranks
            line = launch.command_line(
                mpirun, groups[0][0], (), python=sys.executable, slots=0, allocated=False
            )
            line = line[: line.index(sys.executable)]
            command = [*line, *command, *groups[0][1]]
            for number, more in groups[1:]:
                command += [":", "-n", number, sys.executable, "-u", *arguments, *more]
        job = Job(command, folder, seconds, env | (environment or {}))
        jobs.append(job)
        return job

    try:
        yield start
    finally:
        for job in jobs:
            job.kill()
        shutil.rmtree(place, ignore_errors=True)
