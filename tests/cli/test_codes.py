import argparse
import json
import math

import pytest

from mpicode import codes
from mpicode.cli.codes import add_parser
from mpicode.cli.codes_one import ROWS
from mpicode.errors import ConfigError


@pytest.fixture
def run(capsys):
    """Run ``mpicode codes ...``; return what went to stdout and to stderr."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())

    def run(*arguments):
        args = parser.parse_args(["codes", *arguments])
        assert args.command(args) == 0
        return capsys.readouterr()

    return run


def test_all_schemes_have_a_line_each_on_stderr(run):
    out, err = run()
    assert out == ""
    lines = err.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *codes.names()]
    (cyclic,) = [line for line in lines if line.startswith("cyclic ")]
    assert "gradient  n_stragglers=1, n_blocks " in cyclic


def test_json_goes_to_stdout_alone(run):
    out, err = run("--json")
    assert err == ""
    listed = json.loads(out)
    assert [scheme["name"] for scheme in listed] == codes.names()
    assert all(scheme["summary"].endswith(".") for scheme in listed)
    one = json.loads(run("cyclic", "--json").out)
    assert one["parameters"] == {"n_stragglers": {"default": 1}, "n_blocks": {"default": None}}
    assert "code" not in one


def test_a_scheme_for_so_many_workers(run):
    facts = json.loads(
        run("fractional-repetition", "-n", "12", "--set", "n_stragglers=2", "--json").out
    )
    assert facts["code"] == {
        "parameters": {"n_stragglers": 2},
        "n_workers": 12,
        "n_blocks": 12,
        "n_segments": 1,
        "n_messages": 12,
        "max_stragglers": 2,
        "load": 0.25,
        "message_share": 1.0,
        "messages_per_worker": 1,
    }
    rows = {row["n_lost"]: row for row in facts["lost"]}
    assert list(rows) == [0, 1, 2, 3, 4, 5]
    assert rows[2]["n_sets"] == math.comb(12, 2)
    assert rows[2]["exact_share"] == 1
    assert rows[2]["worst_residual"] == 0
    # of the 220 triples 4 are whole groups, each of which holds a quarter of the blocks
    assert rows[3]["exact_share"] == pytest.approx(216 / 220)
    assert rows[3]["mean_residual"] == pytest.approx(4 / 220 / 4)
    assert rows[3]["worst_residual"] == pytest.approx(1 / 4)
    assert rows[2]["worst_amplification"] == 2


def test_the_table_says_the_same(run):
    out, err = run("fractional-repetition", "-n", "12", "--set", "code.n_stragglers=2")
    assert out == ""
    assert "load               0.25 of all blocks" in err
    assert "any 2 lost, exactly" in err
    assert err.splitlines()[-3].split()[:2] == ["3", "220"]


def test_a_code_without_a_promise_says_so(run):
    assert "no exact sum is promised" in run("ignore-stragglers", "-n", "4").err


def test_the_table_stays_short_and_shows_the_promise(run):
    out = run(
        "fractional-repetition", "-n", "90", "--set", "n_stragglers=44", "--sets", "3", "--json"
    ).out
    lost = [row["n_lost"] for row in json.loads(out)["lost"]]
    assert len(lost) <= ROWS + 2
    assert {0, 44, 45} <= set(lost)


def test_the_seed_decides_the_sets(run):
    arguments = ("cyclic", "-n", "16", "--set", "n_stragglers=4", "--sets", "50", "--json")
    assert run(*arguments).out == run(*arguments).out
    assert run(*arguments).out != run(*arguments, "--seed", "1").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cyclc",), "did you mean 'cyclic'"),
        (("cyclic", "--set", "n_stragglers=1"), "--set: wants a NAME and -n"),
        (("-n", "4"), "-n: wants the NAME"),
        (("cyclic", "-n", "4", "--set", "n_straggler=1"), r"code\.n_straggler: no such parameter"),
        (("cyclic", "-n", "4", "--set", "n_stragglers"), "wants table.key=value"),
        (("cyclic", "-n", "4", "--set", "n_stragglers=4"), "4 of 4 workers"),
        (("cyclic", "-n", "0"), r"run\.n_workers: wants at least 1 worker, got 0"),
        (("cyclic", "-n", "4", "--sets", "0"), "--sets: wants at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, said):
    with pytest.raises(ConfigError, match=said):
        run(*arguments)
