from __future__ import annotations

import sys

import numpy as np
import pytest

from mpicode.errors import ConfigError, DataError
from mpicode.report import Curve, draw_residuals, residuals
from mpicode.report.style import COLOURS

EXACT = Curve("exact", [0, 1, 2], [0, 0, 1e-30], [0, 0, 1e-30])
APPROXIMATE = Curve("approximate", [0, 1, 2], [1e-3, 0.01, 0.1], [1e-3, 0.02, 0.2])
LATE = Curve("late", [0, 1, 2], [0, 0, 0.01], [0, 0.1, 0.2])


@pytest.fixture
def figure():
    pytest.importorskip("matplotlib")
    return lambda curves: residuals._figure(curves, 4, "here")


def heights(axes, number):
    return axes.lines[number].get_ydata()


def test_the_mean_is_left_and_the_worst_is_right(figure):
    left, right = figure([APPROXIMATE]).axes
    np.testing.assert_array_equal(heights(left, 0), APPROXIMATE.mean)
    np.testing.assert_array_equal(heights(right, 0), APPROXIMATE.worst)
    assert left.get_ylim() == right.get_ylim()


def test_what_is_exact_lies_on_the_line_that_says_so(figure):
    left, _ = figure([EXACT, APPROXIMATE]).axes
    labels = dict(
        zip(left.get_yticks(), [t.get_text() for t in left.get_yticklabels()], strict=True)
    )
    (below,) = set(heights(left, 0))
    assert labels[below] == "exact"
    assert below < min(APPROXIMATE.mean)
    assert left.get_ylim()[0] < below


def test_a_mean_is_not_called_exact_where_a_bad_set_is_known(figure):
    left, right = figure([LATE]).axes
    assert np.isnan(heights(left, 0)).tolist() == [False, True, False]
    assert np.isfinite(heights(right, 0)).all()


def test_an_estimate_worse_than_none_is_in_the_picture(figure):
    worse = Curve("worse", [0, 1, 2], [0, 2, 11], [0, 3, 20])
    left, right = figure([worse, APPROXIMATE]).axes
    assert left.get_ylim()[1] == right.get_ylim()[1] > 20
    assert [text.get_text() for text in left.get_yticklabels()][-2:] == ["1", "10"]


def test_many_curves_are_told_apart(figure):
    many = [APPROXIMATE._replace(label=f"code {i}") for i in range(25)]
    left, _ = figure(many).axes
    styles = {(line.get_color(), line.get_linestyle()) for line in left.lines}
    assert len(styles) == len(many) + 1  # and the one without a code
    assert {line.get_color() for line in left.lines[:25]} <= set(COLOURS)


def test_it_is_written_where_it_was_wanted(tmp_path):
    pytest.importorskip("matplotlib")
    path = draw_residuals([EXACT, APPROXIMATE], 4, "here", tmp_path / "x.png")
    assert path.stat().st_size > 5000
    with pytest.raises(DataError, match=r"none.x\.png: cannot be written"):
        draw_residuals([EXACT], 4, "here", tmp_path / "none" / "x.png")


def test_nothing_but_exact_codes_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    assert draw_residuals([EXACT], 4, "here", tmp_path / "x.png").exists()


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'mpicode\[analysis\]'"):
        draw_residuals([EXACT], 4, "here", tmp_path / "x.png")
