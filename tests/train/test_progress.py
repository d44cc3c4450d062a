import numpy as np

from mpicode.train.progress import Progress


def test_a_progress_line_every_few_seconds(monkeypatch, capsys):
    clock = [100.0]
    monkeypatch.setattr("mpicode.train.progress.time.monotonic", lambda: clock[0])
    monkeypatch.delenv("MPICODE_TTY", raising=False)
    progress = Progress(1000, 4)
    for iteration in range(100):
        clock[0] += 0.25
        progress.iteration(
            {
                "iteration": iteration,
                "loss": 1 / (iteration + 1),
                "n_arrived": 3,
                "wait": 0.01,
                "test_accuracy": 0.5 if iteration == 10 else np.nan,
            },
            {},
        )
    progress.close()
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 5
    assert lines[0] == (
        "mpicode: iteration 20 of 1000, loss 0.05, test accuracy 0.5000, 3/4 used, wait 0.01 s"
    )


def test_a_progress_bar_where_the_launcher_sees_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("MPICODE_TTY", "1")
    progress = Progress(2, 4)
    columns = {"loss": 0.5, "n_arrived": 3, "wait": 0.01, "test_accuracy": np.nan}
    progress.iteration({"iteration": 0, **columns}, {})
    progress.iteration({"iteration": 1, **columns}, {})
    progress.close()
    err = capsys.readouterr().err
    assert "2/2" in err
    assert "mpicode: iteration" not in err
