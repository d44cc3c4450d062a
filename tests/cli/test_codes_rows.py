import json

import numpy as np
import pytest

from mpicode import codes
from mpicode.codes.packing import coherence, welch_bound
from mpicode.errors import ConfigError


def test_the_rows_are_described(run):
    code = codes.make("lwpd", n_workers=4, n_segments=4)
    out, err = run("lwpd", "-n", "4", "--set", "n_segments=4", "--sets", "10")
    assert out == ""
    lines = {line.partition("  ")[0]: line for line in err.splitlines()}
    assert "8 of 4 segments for a block, 4 to 4 in each" in lines["rows"]
    bounds = f"{coherence(code.packed):.4f}; bounds {welch_bound(8, 4):.4f} (Welch)"
    assert bounds in lines["coherence"]
    assert "of the least there is" in lines["frame potential"]
    survivors = err.partition("rows arrived")[2].splitlines()[1:6]
    assert [line.split()[0] for line in survivors] == ["4", "5", "6", "7", "8"]
    assert survivors[-1].split()[2] == "100.0%"


def test_the_orthoplex_bound_is_told_where_it_holds(run):
    assert "(orthoplex)" in run("lwpd", "-n", "4", "--set", "n_segments=2").err
    assert "(orthoplex)" not in run("lwpd", "-n", "4", "--set", "n_segments=4").err


def test_the_same_in_json_with_the_length_of_messages(run):
    given = ("-n", "4", "--set", "n_segments=4", "--sets", "10", "--parameters", "650")
    facts = json.loads(run("lwpd", *given, "--json").out)
    assert facts["rows"] == codes.make("lwpd", n_workers=4, n_segments=4).facts()["rows"]
    assert facts["code"]["message_length"] == 163
    assert facts["code"]["padding"] == pytest.approx(2 / 650)
    assert "163 numbers in a message, 0.31% padding" in run("lwpd", *given).err


def test_survivors_that_never_decode_have_no_noise(run):
    given = ("-n", "2", "--set", "n_segments=2", "--set", "variant=identity", "--sets", "5")
    facts = json.loads(run("lwpd", *given, "--json").out)
    assert [each["full"] for each in facts["rows"]["survivors"]] == [1.0]


@pytest.mark.parametrize("name", ["lwpd", "cyclic", "reed-solomon"])
def test_the_picture_of_any_scheme(run, tmp_path, name):
    pytest.importorskip("matplotlib")
    path = tmp_path / "cosines.png"
    err = run(name, "-n", "6", "--sets", "5", "--plot", str(path)).err
    assert f"{path} written" in err
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_cosines_drawn_are_those_of_the_messages(monkeypatch, tmp_path):
    from mpicode import report
    from mpicode.cli.codes_rows import draw

    seen = {}
    monkeypatch.setattr(report, "draw_cosines", lambda *given: seen.update(given=given))
    code = codes.make("lwpd", n_workers=4, n_segments=4, n_blocks=4, load=2)
    draw(code, code.facts()["rows"], tmp_path / "a.png")
    cosines, bounds, _, _ = seen["given"]
    rows = code.encoding.toarray()
    np.testing.assert_allclose(cosines, np.abs(rows @ rows.T), atol=1e-12)
    assert set(bounds) == {"coherence", "Welch"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--plot", "a.png"], "--plot: wants --compare, or a NAME, and -n WORKERS"),
        (["lwpd", "--plot", "a.png"], "--plot: wants --compare, or a NAME, and -n WORKERS"),
        (["lwpd", "--parameters", "5"], "--parameters: wants a NAME and -n WORKERS"),
        (["--compare", "-n", "4", "--parameters", "5"], "--parameters: wants a NAME"),
        (["berrut", "-n", "4", "--plot", "a.png"], "--plot: 'berrut' is a data code"),
        (["berrut", "-n", "4", "--parameters", "5"], "--parameters: 'berrut' is a data code"),
        (["lwpd", "-n", "4", "--parameters", "0"], "--parameters: wants at least 1, got 0"),
        (["lwpd", "-n", "4", "--parameters", "9"], "--parameters: 9 of them .* 16 segments"),
    ],
)
def test_what_does_not_go_together_is_refused(run, arguments, text):
    with pytest.raises(ConfigError, match=text):
        run(*arguments)
