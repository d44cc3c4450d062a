import json
import math

import pytest

from mpicode import codes
from mpicode.cli import main
from mpicode.cli.codes_one import ROWS
from mpicode.codes.failures import FAILURES
from mpicode.errors import ConfigError


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


@pytest.mark.parametrize("name", codes.names())
def test_every_parameter_is_explained(run, name):
    one = json.loads(run(name, "--json").out)
    assert one["description"].startswith(one["summary"])
    assert one["summary"] == codes.CODES[name].__doc__.splitlines()[0]
    explained = {line.partition(" : ")[0].strip() for line in one["description"].splitlines()}
    assert set(one["parameters"]) <= explained


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


def test_the_worst_is_looked_for(run):
    # 300 random sets of 8 out of 24 meet no two whole groups of 4
    arguments = ("fractional-repetition", "-n", "24", "--set", "n_stragglers=3", "--lost", "8")
    (row,) = json.loads(run(*arguments, "--json").out)["lost"]
    assert (row["n_lost"], row["n_sets"]) == (8, 300)
    assert row["worst_residual"] == pytest.approx(1 / 3)
    assert row["mean_residual"] < 1 / 12


def test_failures_have_a_row_for_each_severity(run):
    repetition = ("fractional-repetition", "-n", "12", "--set", "n_stragglers=2")
    repetition += ("--set", "spread=false")
    node = ("--failures", "node", "--set", "failures.workers_per_node=3")
    facts = json.loads(run(*repetition, *node, "--json").out)
    assert facts["failures"] == {"name": "node", "parameters": {"workers_per_node": 3}}
    assert [(row["n_nodes"], row["n_lost"], row["n_sets"]) for row in facts["lost"]] == [
        (0, 0, 1),
        (1, 3, 4),
        (2, 6, 6),
    ]
    # here a node holds a whole group
    assert [row["worst_residual"] for row in facts["lost"]] == [0, 0.25, 0.5]
    assert run(*repetition, *node).err.splitlines()[-4].split()[:3] == ["n_nodes", "lost", "sets"]


def test_failures_as_told(run):
    arguments = ("cyclic", "-n", "8", "--set", "failures.probability=0.25", "--set", "n_blocks=16")
    (row,) = json.loads(run(*arguments, "--failures", "bernoulli", "--json").out)["lost"]
    assert (row["probability"], row["n_sets"]) == (0.25, 300)
    # 300 times 8 workers: standard deviation 0.07
    assert row["n_lost"] == pytest.approx(2, abs=0.35)


def test_failures_as_often_as_so_many_lost(run):
    found = run("cyclic", "-n", "8", "--failures", "bernoulli", "--lost", "3", "--json").out
    assert [row["probability"] for row in json.loads(found)["lost"]] == [0.375]


def test_the_help_names_all_failures(capsys):
    with pytest.raises(SystemExit):
        main(["codes", "--help"])
    assert f"who is lost: {', '.join(FAILURES)} " in " ".join(capsys.readouterr().out.split())


def test_an_adversary_by_name(run):
    arguments = ("cyclic", "-n", "12", "--failures", "adversarial", "--lost", "3", "--json")
    (row,) = json.loads(run(*arguments).out)["lost"]
    assert row["n_sets"] == 1
    assert row["mean_residual"] == row["worst_residual"] > 0


# Comparing


def test_all_schemes_at_one_load(run):
    out, err = run("--compare", "-n", "12", "--load", "4", "--sets", "20")
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith(
        "12 workers, each with 4 of 12 shares of the data, 1 segment; 3 lost"
    )
    (repetition,) = [line for line in lines if line.startswith("fractional-repetition ")]
    assert repetition.split()[1:6] == ["4", "1", "3", "0", "0"]
    below = lines[lines.index("not at this load:") + 1 :]
    assert "  uncoded: load: each worker holds 1 of 12 shares, not 4" in below


def test_a_data_code_says_what_it_can_stand(run):
    arguments = ("letcc", "-n", "12", "--set", "n_blocks=4", "--set", "n_stragglers=3")
    facts = json.loads(run(*arguments, "--json").out)
    assert facts["family"] == "data"
    assert facts["code"] == {
        "parameters": {"n_blocks": 4, "n_stragglers": 3},
        "n_workers": 12,
        "n_blocks": 4,
        "n_masks": 0,
        "load": 0.25,
        "storage": 3.0,
        "thresholds": {"gradient": None, "map": None},
    }
    assert [row["n_lost"] for row in facts["lost"]] == [0, 1, 3, 4]
    assert all(row["decodable_share"] == 1 for row in facts["lost"])
    assert all(1 <= row["mean_lebesgue"] <= row["worst_lebesgue"] < 4.1 for row in facts["lost"])
    text = run(*arguments).err
    assert "threshold          none: any answers decode, approximately" in text
    assert "storage            3 copies of the data" in text
    lost = run(*arguments, "--lost", "12").err.splitlines()[-1]
    assert lost.split()[0] == "12"
    assert lost.split()[2:] == ["0.0%", "-", "-"]


def test_masks_of_a_data_code_are_told(run):
    arguments = ("berrut", "-n", "12", "--set", "n_blocks=4", "--set", "n_colluding=2")
    assert "12 workers, 4 blocks and 2 masks" in run(*arguments).err


def test_failure_models_want_a_gradient_code(run):
    with pytest.raises(ConfigError, match="--failures: 'letcc' is a data code; wants a gradient"):
        run("letcc", "-n", "12", "--failures", "uniform")


def test_what_is_compared_as_json(run):
    out, err = run("--compare", "-n", "12", "--lost", "4", "--sets", "20", "--json")
    assert err == ""
    facts = json.loads(out)
    assert (facts["n_workers"], facts["load"], facts["n_segments"]) == (12, 3, 1)
    by_label = {each["label"]: each for each in facts["schemes"]}
    cyclic = by_label["cyclic"]
    assert cyclic["parameters"] == {"n_stragglers": 2}
    assert cyclic["exact_up_to"] == cyclic["max_stragglers"] == 2
    assert [row["n_lost"] for row in cyclic["lost"]] == [4]
    told = {label.split()[0] for label in [*by_label, *facts["not_built"]]}
    assert told == {name for name in codes.names() if codes.CODES[name].family == "gradient"}


def test_only_those_named_are_compared(run):
    arguments = ("cyclic", "uncoded", "--compare", "-n", "12", "--sets", "5", "--json")
    facts = json.loads(run(*arguments).out)
    assert [each["label"] for each in facts["schemes"]] == ["cyclic"]
    assert list(facts["not_built"]) == ["uncoded"]


def test_the_least_residual_comes_first(run):
    lines = run("--compare", "-n", "12", "--lost", "5", "--sets", "20").err.splitlines()
    rows = lines[3 : lines.index("", 3)]
    means = [float(line.split()[-4]) for line in rows]
    assert len(means) > 1
    assert means == sorted(means)


def test_a_code_without_a_promise_is_searched(run):
    found = run("--compare", "-n", "6", "--load", "1", "--sets", "20", "--json").out
    by_label = {each["label"]: each for each in json.loads(found)["schemes"]}
    assert by_label["ignore-stragglers"]["max_stragglers"] is None
    assert by_label["ignore-stragglers"]["exact_up_to"] == 0


def test_nodes_can_be_compared_too(run):
    found = run(
        *("--compare", "-n", "12", "--lost", "3", "--sets", "20", "--json"),
        *("--failures", "node", "--set", "failures.workers_per_node=3"),
    ).out
    by_label = {each["label"]: each for each in json.loads(found)["schemes"]}
    # of the three on a node each is of another group, but all hold blocks in common
    for label, survives in (("fractional-repetition", True), ("cyclic", False)):
        (row,) = by_label[label]["lost"]
        assert row["n_nodes"] == 1
        assert (row["mean_residual"] == 0) == survives


def test_a_picture_has_all_numbers_of_lost_workers(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "codes.png"
    out, err = run("--compare", "-n", "6", "--sets", "10", "--plot", str(path), "--json")
    facts = json.loads(out)
    assert [row["n_lost"] for row in facts["schemes"][0]["lost"]] == [0, 1, 2, 3]
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"{path} written" in err


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
        (("cyclic", "-n", "4", "--lost", "5"), "--lost: wants 0 to 4 workers, got 5"),
        (("cyclic", "--lost", "1"), "--lost: wants a NAME and -n"),
        (("cyclic", "--failures", "node"), "--failures: wants a NAME and -n"),
        (("cyclic", "-n", "4", "--failures", "nodes"), "did you mean 'node'"),
        (("cyclic", "-n", "4", "--failures", "node"), r"failures\.workers_per_node: missing"),
        (("cyclic", "-n", "4", "--set", "failures.n_lost=1"), "wants --failures NAME"),
        (("cyclic", "-n", "4", "--load", "2"), "--load: wants --compare"),
        (("cyclic", "--plot", "x.png"), "--plot: wants --compare"),
        (("cyclic", "uncoded", "-n", "4"), "cyclic uncoded: several schemes want --compare"),
        (("cyclc", "-n", "4", "--compare"), "did you mean 'cyclic'"),
        (("--compare",), "--compare: wants -n"),
        (("--compare", "-n", "4", "--load", "5"), "load: wants 1 to 4 of 4 shares, got 5"),
        (("--compare", "-n", "4", "--segments", "0"), r"code\.n_segments: wants at least 1, got 0"),
        (("--compare", "-n", "4", "--set", "n_stragglers=1"), "--set n_stragglers: --compare"),
        (
            (
                *("--compare", "-n", "4", "--plot", "x.png"),
                *("--failures", "uniform", "--set", "failures.n_lost=1"),
            ),
            r"--plot: draws against failures\.n_lost",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(run, arguments, said):
    with pytest.raises(ConfigError, match=said):
        run(*arguments)
