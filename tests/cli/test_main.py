import errno
import signal
import threading

import pytest

import mpicode
from mpicode import cli
from mpicode.cli.signals import ENDING, StopRequest, ignore
from mpicode.errors import ConfigError, DataError, GaveUp, MpicodeError, WorkerFailed


@pytest.fixture
def main(capsys, monkeypatch):
    """Run a command line in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("MPICODE_DEBUG", "")

    def run(*arguments):
        try:
            code = cli.main(arguments)
        except SystemExit as left:
            code = left.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def failing(monkeypatch):
    """Let the command ``codes`` raise what it is told."""

    def make(error):
        def command(options):
            raise error

        parser = cli.parser()
        monkeypatch.setattr(cli, "parser", lambda: parser)
        parse = parser.parse_args

        def parse_args(arguments):
            options = parse(arguments)
            options.command = command
            return options

        monkeypatch.setattr(parser, "parse_args", parse_args)

    return make


def error_lines(err):
    return [line for line in err.splitlines() if line.startswith("mpicode: error: ")]


def test_help_names_every_command_and_the_exit_codes(main):
    code, out, err = main("--help")
    assert (code, err) == (0, "")
    assert out.startswith("usage: mpicode ")
    for name in cli.COMMANDS:
        assert f"\n    {name} " in out
    assert "exit codes: 0 done, 2 wrong command line" in out


def test_version(main):
    assert main("--version") == (0, f"mpicode {mpicode.__version__}\n", "")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(main, name):
    code, out, _ = main(name, "--help")
    assert code == 0
    assert out.startswith(f"usage: mpicode {name}")
    assert len(out.splitlines()) > 3


@pytest.mark.parametrize("arguments", [(), ("frobnicate",), ("run",), ("run", "a", "--nothing")])
def test_a_wrong_command_line(main, arguments):
    code, out, err = main(*arguments)
    assert (code, out) == (2, "")
    assert ": error: " in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("run.n_workers: wrong"), 2),
        (DataError("rows.h5: damaged"), 3),
        (GaveUp("diverged"), 4),
        (MpicodeError("inside"), 1),
    ],
)
def test_our_errors_are_one_line_and_an_exit_code(main, failing, error, code):
    failing(error)
    assert main("codes") == (code, "", f"mpicode: error: {error}\n")


def test_an_error_of_several_lines_becomes_one(main, failing):
    failing(DataError("rows.h5:\n  line 3\r\n\n  is broken"))
    assert main("codes")[2] == "mpicode: error: rows.h5: line 3 is broken\n"


def test_a_worker_s_traceback_is_shown_as_it_is(main, failing):
    failing(WorkerFailed("worker 3 on n1 raised an exception:\nTraceback\n  ...\nKeyError: 1"))
    code, _, err = main("codes")
    assert code == 1
    assert err.splitlines() == [
        "mpicode: error: worker 3 on n1 raised an exception:",
        "Traceback",
        "  ...",
        "KeyError: 1",
    ]


def test_debug_shows_the_traceback_of_any_error(main, failing):
    failing(ConfigError("run.n_workers: wrong"))
    code, _, err = main("--debug", "codes")
    assert code == 2
    assert err.startswith("Traceback")
    assert error_lines(err) == ["mpicode: error: run.n_workers: wrong"]


def test_a_bug_has_a_traceback_and_exit_code_1(main, failing):
    failing(ZeroDivisionError("ours"))
    code, out, err = main("codes")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert err.endswith("ZeroDivisionError: ours\n")


def test_an_interrupt_is_not_taken_for_a_bug(main, failing):
    failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        main("codes")


@pytest.fixture
def signals():
    """Have signals do again what they did before the test."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.set_wakeup_fd(-1)


def test_signals_that_ask_for_an_end(signals):
    for number in ENDING:
        stop = StopRequest(lambda: pytest.fail("it had begun"))
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        # a scheduler may signal twice, a Ctrl-C is no longer held back
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    ignore()
    for number in ENDING:
        signal.raise_signal(number)


@pytest.mark.parametrize("number", ENDING)
def test_before_anything_has_begun_they_end_it(signals, number):
    left = threading.Event()
    stop = StopRequest(left.set)
    signal.raise_signal(number)
    assert left.wait(60)  # from another thread: this one hears nothing
    stop.close()


def test_what_was_ignored_stays_ignored_and_all_is_put_back(signals):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outer = StopRequest(lambda: pytest.fail("the inner one listens"))
    handler = signal.getsignal(signal.SIGTERM)
    left = threading.Event()
    inner = StopRequest(left.set)
    signal.raise_signal(signal.SIGINT)
    assert not left.is_set()
    assert not inner()
    signal.raise_signal(signal.SIGTERM)
    assert inner()
    inner.close()
    assert not left.is_set()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == handler
    assert not outer()
    outer.close()
    assert signal.set_wakeup_fd(-1) == -1
    heard = StopRequest(left.set, also_ignored=True)
    signal.raise_signal(signal.SIGINT)
    assert left.wait(60)
    heard.close()


LONG = "a" * 300


@pytest.mark.parametrize(
    "words",
    [
        ["report", LONG],
        ["report", f"{LONG}/run.h5"],
        ["export", LONG, "-o", "out.npz"],
        ["data", "check", LONG],
        ["data", "info", LONG],
        ["data", "encode", LONG, "-o", "out", "--code", "berrut", "--workers", "4"],
        ["run", LONG],
        ["submit", LONG, "--print"],
        ["jobs", LONG],
    ],
    ids=" ".join,
)
def test_a_name_that_is_too_long_is_one_line(main, words):
    code, _, err = main(*words)
    assert code in (2, 3)
    assert len(err.splitlines()) == 1
    assert err.startswith("mpicode: error: ")
    assert err.rstrip().lower().endswith("file name too long")


def test_a_folder_that_is_closed_is_one_line_but_a_missing_file_may_be_a_bug(main, failing):
    failing(PermissionError(errno.EACCES, "Permission denied", "closed/run.h5"))
    code, _, err = main("codes")
    assert (code, err) == (3, "mpicode: error: closed/run.h5: permission denied\n")
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "ours")
    for bug in (missing, PermissionError(errno.EPERM, "Operation not permitted")):
        failing(bug)
        code, _, err = main("codes")
        assert code == 1
        assert "Traceback" in err
