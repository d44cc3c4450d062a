from __future__ import annotations

import numpy as np
import pytest

from mpicode.errors import DataError
from mpicode.outcomes import Outcome
from mpicode.report import draw
from mpicode.results import RunWriter, read_run

pytest.importorskip("matplotlib")


def _colours(path):
    """Return the distinct colours of a picture, as hexadecimal numbers."""
    from matplotlib.image import imread

    pixels = np.round(imread(path)[:, :, :3] * 255).astype(int)
    return {f"#{c:06X}" for c in np.unique(pixels @ np.array([65536, 256, 1]))}


USED, LATE, WITHDRAWN = "#009E73", "#D55E00", "#CC79A7"


def test_every_run_is_drawn_whatever_its_length(tmp_path, write_run):
    lengths = {"empty": 0, "one": 1, "short": 30, "long": 300}
    runs = {}
    for name, n_iterations in lengths.items():
        write_run(tmp_path / f"{name}.h5", n_iterations=n_iterations)
        runs[name] = read_run(tmp_path / f"{name}.h5")
    pictures = draw(runs, tmp_path / "made" / "here")
    assert [path.name for path in pictures] == [
        "loss.png", "waiting.png", "iterations.png", "comparison.png",
        "timeline-empty.png", "timeline-one.png", "timeline-short.png", "timeline-long.png",
    ]  # fmt: skip
    assert all(path.stat().st_size > 5000 for path in pictures)
    loss, waiting, iterations, bars, _, _, short, long = map(_colours, pictures)
    # the first run has no curve; the fourth has the fourth colour
    assert {"#D55E00", "#009E73", "#CC79A7"} <= loss & waiting & iterations & bars
    for timeline in (short, long):
        assert {USED, LATE, WITHDRAWN} <= timeline


def test_an_unfinished_run_is_drawn(tmp_path, write_run):
    writer = write_run(tmp_path / "run.h5", n_iterations=20, close=False)
    pictures = draw({"live": read_run(writer.part)}, tmp_path)
    assert len(pictures) == 3
    assert _colours(pictures[2]) >= {USED, LATE}


def test_the_timeline_colours_say_what_became_of_each_answer(tmp_path):
    def colours(outcome):
        with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
            for t in range(3):
                writer.iteration({"started": t, "seconds": 1.0, "wait": 0.9, "loss": 1.0}, {})
                for worker in range(2):
                    writer.message(t, 0, worker, worker, t, t + 0.8, outcome)
        return _colours(draw({"x": read_run(tmp_path / "run.h5")}, tmp_path)[2])

    expected = {
        Outcome.USED: USED,
        Outcome.STALE_USED: "#56B4E9",
        Outcome.STALE_DROPPED: LATE,
        Outcome.DUPLICATE: "#0072B2",
        Outcome.DROPPED: WITHDRAWN,
        Outcome.CORRUPT: "#000000",
    }
    palette = set(expected.values()) - {"#000000"}  # letters are black
    for outcome, colour in expected.items():
        assert colours(outcome) & palette == {colour} - {"#000000"}


def test_a_request_that_was_never_answered_is_not_drawn_as_a_late_answer(tmp_path):
    with RunWriter(tmp_path / "run.h5", {}, 2) as writer:
        for t in range(4):
            writer.iteration({"started": t, "seconds": 1.0, "wait": 0.9, "loss": 1.0}, {})
            writer.message(t, 0, 0, 0, t, t + 0.8, Outcome.USED)
        writer.event(2, 2.5, 1, "lost", "")
    drawn = _colours(draw({"x": read_run(tmp_path / "run.h5")}, tmp_path)[2])
    assert drawn & {LATE, WITHDRAWN, "#E69F00"} == {"#E69F00"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path, write_run):
    write_run(tmp_path / "run.h5", n_iterations=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file.pictures: cannot be made"):
        draw({"x": read_run(tmp_path / "run.h5")}, tmp_path / "file" / "pictures")


@pytest.mark.parametrize("n_iterations", [30, 90])
def test_the_timeline_shows_who_was_lost_and_when_redundancy_was_restored(tmp_path, n_iterations):
    def pixels(name, kinds):
        from matplotlib.image import imread

        with RunWriter(tmp_path / f"{name}.h5", {}, 3) as writer:
            for t in range(n_iterations):
                writer.iteration({"started": t, "seconds": 1.0, "wait": 0.9, "loss": 1.0}, {})
                writer.message(t, 0, 0, 0, t, t + 1.0, Outcome.USED)
            for kind, worker, seconds in kinds:
                writer.event(int(seconds), seconds, worker, kind, "")
        return imread(draw({"x": read_run(tmp_path / f"{name}.h5")}, tmp_path)[2])[:, :, :3]

    before = pixels("before", [])
    lost = pixels("lost", [("lost", 2, 5.5)])
    restored = pixels("restored", [("lost", 2, 5.5), ("reassigned", -1, 12.0)])
    assert lost.shape != before.shape or (lost != before).any()
    # a dashed line through the rows, in each of the one or two pictures, and in the legend
    dark = (restored.max(axis=2) < 0.05).sum() - (lost.max(axis=2) < 0.05).sum()
    assert dark > 100
