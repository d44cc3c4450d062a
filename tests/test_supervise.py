"""Jobs are started by a program of their own here: it is signals to that program that matter."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mpicode.errors import ConfigError, GaveUp
from mpicode.launch import command_line, environment_of_job, find_mpirun
from mpicode.supervise import run_job
from mpicode.watch import STATUS_VARIABLE, StartSpoilt, Watch, wait_for_rank_0

# Reached only by what hangs, however busy the machine is.
SECONDS = 120
# So it is no limit that ends a job, but what a test does.
SECONDS_TO_SAVE = 10 * SECONDS

DRIVER = """
import os, sys
from mpicode.supervise import run_job
sys.exit(run_job(sys.argv[2:], os.environ, seconds_to_save=float(sys.argv[1])))
"""

# A job as seen from outside: it says its process number and ends as its first argument says.
JOB = """
import os, signal, socket, subprocess, sys, time
how = sys.argv[1]
def tell(code):
    with open(os.environ["MPICODE_STATUS"], "w") as file:
        file.write(str(code))
def save(number, frame):
    print("saved", flush=True)
    tell(4)
    sys.exit(0)
if how == "polite":
    signal.signal(signal.SIGUSR1, save)
if how == "slow":
    def save_slowly(number, frame):
        print("saves", flush=True)
        while not os.path.exists("go on"):
            time.sleep(0.01)
        save(number, frame)
    signal.signal(signal.SIGUSR1, save_slowly)
if how in ("deaf", "killed with us"):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
if how == "tells":
    tell((sys.argv[2:] or [4])[0])
    sys.exit(1)
if how == "exits":
    sys.exit(3)
if how == "crashes":
    os.kill(os.getpid(), signal.SIGSEGV)
if how == "leaves a child":
    child = subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    sys.exit(0)
def be_present(pid):
    with open(os.path.join(os.path.dirname(os.environ["MPICODE_STATUS"]), "present"), "w") as file:
        file.write(socket.gethostname() + " " + str(pid))
if how == "dies as a whole":
    be_present(os.getpid())
    sys.exit(3)
if how == "leaves its rank 0 behind":
    told = int(sys.argv[3])
    parent = os.getpid()
    rank_0 = os.fork()
    if rank_0:
        be_present(rank_0)
        ended = int(sys.argv[2])
        if ended < 0:
            os.kill(parent, -ended)
        os._exit(ended)
    while os.getppid() == parent:
        time.sleep(0.01)
    if told < 0:
        time.sleep(600)
    tell(f"{told} alone")
    os._exit(0)
time.sleep(600)
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before it was opened, or read
        return False


@pytest.fixture
def start(tmp_path):
    """Start DRIVER on a command; whatever the test forgets is ended."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    started = []

    def go(*command, prefix=(), environment=None, seconds_to_save=SECONDS_TO_SAVE):
        env = {**os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(sys.path)}
        env["TMPDIR"] = str(tmp_path)  # a starter that is killed leaves its folder behind
        process = subprocess.Popen(
            [*prefix, sys.executable, str(driver), str(seconds_to_save), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield go
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.terminate()
        process.communicate(timeout=SECONDS)


@pytest.fixture
def job(tmp_path, start):
    (tmp_path / "job.py").write_text(JOB)

    def go(how, **options):
        return start(sys.executable, str(tmp_path / "job.py"), how, **options)

    return go


@pytest.mark.parametrize(
    ("how", "code"), [("tells", 4), ("exits", 3), ("crashes", 128 + signal.SIGSEGV)]
)
def test_exit_codes(job, how, code):
    process = job(how)
    process.communicate(timeout=SECONDS)
    assert process.returncode == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_the_first_signal_lets_the_job_save(job, number):
    process = job("polite")
    pid = int(process.stdout.readline())
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("saved\n", 4)
    assert ("press Ctrl-C again" in err) == (number == signal.SIGINT)
    assert not alive(pid)


def test_a_scheduler_that_asks_twice_does_not_end_a_job_that_saves(job, tmp_path):
    process = job("slow")
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "saves\n"
    process.send_signal(signal.SIGUSR1)
    (tmp_path / "go on").touch()
    out, _ = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("saved\n", 4)


def test_more_signals_end_a_job_that_does_not_listen(job):
    process = job("deaf")
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    assert "press Ctrl-C again" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGINT
    assert not alive(pid)


def test_so_does_the_end_of_the_time_to_save(job):
    process = job("deaf", seconds_to_save=0.1)
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
    assert not alive(pid)


def test_what_the_job_leaves_behind_is_ended(job):
    process = job("leaves a child")
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert [alive(int(pid)) for pid in out.split()] == [False, False]


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_the_job_ends_when_its_starter_is_killed(job):
    process = job("killed with us")
    pid = int(process.stdout.readline())
    end = os.pidfd_open(pid)
    process.kill()
    readable, _, _ = select.select([end], [], [], SECONDS)
    os.close(end)
    assert readable
    assert not alive(pid)


def test_a_signal_that_was_ignored_stays_ignored(job):
    process = job("polite", prefix=["sh", "-c", 'trap "" INT; exec "$@"', "sh"])
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 4
    assert "press Ctrl-C again" not in err


def test_a_limit_is_kept():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(GaveUp, match=r"sleep did not end within 0.1 s"):
        run_job(["sleep", "60"], os.environ, limit_seconds=0.1)
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.fixture
def command(tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    return lambda *how: [sys.executable, str(tmp_path / "job.py"), *map(str, how)]


def test_a_job_that_dies_with_a_rank_has_given_up(command):
    with pytest.raises(GaveUp, match=r"a rank died, and with it the job .* ended with 3\)"):
        run_job(command("dies as a whole"), os.environ)


@pytest.mark.parametrize("ended", [0, 3, -signal.SIGKILL])
@pytest.mark.parametrize("told", [0, 4])
def test_mpirun_may_end_before_rank_0(command, capfd, ended, told):
    job = command("leaves its rank 0 behind", ended, told)
    assert run_job(job, os.environ, survive=True) == told
    [line] = capfd.readouterr().err.splitlines()
    assert f"it left with exit code {told}" in line
    assert ("error: " in line) == (told != 0)
    assert run_job(command("tells", told), os.environ, survive=True) == told
    assert capfd.readouterr().err == ""


def test_rank_0_has_so_long_to_save_where_mpirun_has_ended(command):
    held = command("leaves its rank 0 behind", 0, -1)
    with pytest.raises(GaveUp, match=r"ended before the master did, .* and with it the job"):
        run_job(held, os.environ, survive=True, seconds_to_save=0.5)


def test_nothing_stays_of_an_mpirun_that_removes_nothing_itself(command, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    leave = "import os; open(os.environ['PRTE_MCA_prte_local_tmpdir_base'] + '/mine', 'w').close()"
    assert run_job([sys.executable, "-c", leave], os.environ, survive=True) == 0
    assert list(tmp_path.glob("mpicode-*")) == []


def test_other_ranks_stay_until_rank_0_has_said_all(tmp_path, monkeypatch):
    # nobody to wait for: started by somebody else, on another host, or told already
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("waits"))
    monkeypatch.delenv("MPICODE_STATUS", raising=False)
    wait_for_rank_0()
    monkeypatch.setenv("MPICODE_STATUS", str(tmp_path / "elsewhere" / "status"))
    wait_for_rank_0()
    status = tmp_path / "status"
    status.write_text("0")
    monkeypatch.setenv("MPICODE_STATUS", str(status))
    wait_for_rank_0()
    status.unlink()
    monkeypatch.setattr("time.sleep", lambda seconds: status.write_text("4"))
    wait_for_rank_0()
    assert status.read_text() == "4"


def test_a_start_is_spoilt_if_mpi_ends_the_ranks_that_are_left(tmp_path):
    status = tmp_path / "status"
    watch = Watch(status)
    variables = {**os.environ, STATUS_VARIABLE: str(status), "OMPI_COMM_WORLD_RANK": "1"}
    with subprocess.Popen(["sleep", str(SECONDS)], env=variables) as rank:
        assert not watch.is_over()
        rank.kill()
    watch.raise_if_lost(ConfigError.exit_code)
    with pytest.raises(StartSpoilt, match="1 of the ranks died while the job started"):
        watch.raise_if_lost(14)


def test_what_a_rank_starts_itself_may_end(tmp_path):
    status = tmp_path / "status"
    watch = Watch(status)
    variables = {**os.environ, STATUS_VARIABLE: str(status), "OMPI_COMM_WORLD_RANK": "1"}
    command = ["sh", "-c", f"sleep {SECONDS} & echo $!; wait; read line"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, **pipes) as rank:
        helper = int(rank.stdout.readline())
        assert not watch.is_over()
        os.kill(helper, signal.SIGKILL)
        while alive(helper):
            pass
        watch.raise_if_lost(14)
        rank.kill()
    with pytest.raises(StartSpoilt, match="1 of the ranks died while the job started"):
        watch.raise_if_lost(14)


def test_what_cannot_be_started_is_named():
    with pytest.raises(ConfigError, match=r"/no/such/mpirun: cannot be started: "):
        run_job(["/no/such/mpirun"], os.environ)


def test_jobs_are_started_from_the_main_thread():
    raised = []

    def go():
        try:
            run_job(["true"], os.environ)
        except ConfigError as error:
            raised.append(str(error))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    assert raised == ["mpirun can only be started from the main thread of the program"]


# The same under a real mpirun: rank 0 saves, the others wait for it.
RANK = """
import os, signal, sys, time
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
from mpicode.launch import leave
from mpicode.pool.mpi import world
comm = world()
rank = comm.Get_rank()
print(*comm.gather(os.getpid()) or [], end="\\n" if rank == 0 else "", flush=True)
if sys.argv[1] == "wait":
    while not comm.bcast(bool(got)):
        time.sleep(0.01)
    if rank == 0:
        time.sleep(1.0)  # longer than Open MPI leaves a rank after SIGTERM
        print("saved", flush=True)
elif rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
else:
    comm.recv(source=1)
sys.exit(leave(4, rank))
"""


@pytest.fixture
def ranks(tmp_path, start):
    try:
        mpirun = find_mpirun()
    except ConfigError as error:
        pytest.skip(str(error))
    program = tmp_path / "rank.py"
    program.write_text(RANK)
    line = command_line(mpirun, 3, [], python=sys.executable, slots=1, allocated=False)

    def go(how):
        command = [*line[: line.index("-m")], str(program), how]
        return start(*command, environment=environment_of_job(mpirun, os.environ))

    return go


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_rank_0_has_time_to_save_under_mpirun(ranks, number):
    process = ranks("wait")
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 3
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    assert (out, process.returncode) == ("saved\n", 4), err
    assert "prterun" not in err  # and mpirun adds nothing of its own
    assert not any(alive(pid) for pid in pids)


def test_a_killed_rank_ends_the_job_with_an_error(ranks):
    process = ranks("die")
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 3
    process.communicate(timeout=SECONDS)
    assert process.returncode not in (0, 4)
    assert not any(alive(pid) for pid in pids)


def test_ranks_end_when_the_starter_of_mpirun_is_killed(ranks):
    process = ranks("wait")
    pids = [int(pid) for pid in process.stdout.readline().split()]
    ends = [os.pidfd_open(pid) for pid in pids]
    process.kill()
    waiting = set(ends)
    while waiting:
        readable, _, _ = select.select(list(waiting), [], [], SECONDS)
        assert readable, f"{len(waiting)} ranks live on"
        waiting -= set(readable)
    for end in ends:
        os.close(end)
