import dataclasses
import math
import tomllib
import typing

import numpy as np
import pytest

from mpicode.config import (
    Asynchronous,
    Checkpoint,
    Config,
    Data,
    Decoding,
    Element,
    Faults,
    Field,
    Infer,
    Output,
    Part,
    Run,
    Virtual,
    Wire,
)
from mpicode.errors import ConfigError
from mpicode.tables import override

RECORDS = {
    "data": Data,
    "decoding": Decoding,
    "asynchronous": Asynchronous,
    "run": Run,
    "faults": Faults,
    "wire": Wire,
    "virtual": Virtual,
    "output": Output,
    "checkpoint": Checkpoint,
    "element": Element,
    "infer": Infer,
    "field": Field,
}
PARTS = ("problem", "code", "optimizer", "delays")

SMALLEST = """\
[data]
path = "rows.h5"
[problem]
name = "softmax"
[optimizer]
name = "adam"
"""

EVERYTHING = """\
[data]
path = "rows.h5"
test = "~/test.h5"
memory_mb = 12
coded = "coded"

[problem]
name = "softmax"
l2 = 1e-4
nested = [1, [2, 3], { deep = "é" }]

[code]
name = "cyclic"
n_stragglers = 2

[optimizer]
name = "adam"
step_size = 1

[delays]
name = "replay"
path = "../old/run.h5"

[decoding]
method = "fixed"
n_answers = 9
max_residual = 0
deadline = 1
correct_step = false
max_error = inf

[run]
n_workers = 12
iterations = 0
target_loss = -inf
target_gradient_norm = 0
max_seconds = 60
seed = 9223372036854775807
dtype = "float32"
batch_size = 24
evaluate_every = 1
record_every = 3
placement = "as-numbered"

[asynchronous]
mode = "memory"
rows = "fixed"
decoder = { name = "kalman", drift = 0.1 }
max_staleness = 7
n_codewords = 2
messages_per_step = 3
ask = "after-step"
downlink = "parameters"
even = false
n_checks = 0
repack_every = 0
repack_noise = 10.0

[faults]
survive = false
when_lost = "stop"
on_error = "lose"
silent_seconds = 2.5
inject = [{ kind = "kill", worker = 2, iteration = 10 }, { kind = "drop", rate = 0.5 }]

[wire]
checksum = true

[virtual]
seconds_per_row = 0
latency_seconds = 0
bytes_per_second = 1e9
workers_per_node = 4
cores_per_node = 2
downlink_bytes_per_second = 0

[output]
path = "out/run.h5"
flush_seconds = 0

[infer]
target_error = 0.5
parameters = "out/trained.h5"
batch_size = 100
check = 1
per = "sample"

[field]
data_bits = 8
parameter_bits = 9
largest_parameter = 4

[checkpoint]
path = "out/states"
every = 100
seconds = inf
keep = 3

[element]
number = 2
changes = { "run.seed" = 7 }
"""


def with_key(table, key, value):
    tables = tomllib.loads(SMALLEST)
    tables.setdefault(table, {})[key] = value
    return tables


def refusal(function, *arguments):
    with pytest.raises(ConfigError) as caught:
        function(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.exit_code == 2
    return text


def test_defaults_are_a_whole_configuration():
    config = Config.loads(SMALLEST)
    assert config.code == Part("uncoded")
    assert config.delays == Part("none")
    assert config.decoding == Decoding()
    assert config.run == Run()
    assert config.virtual == Virtual()
    assert config.output == Output()
    assert config.checkpoint == Checkpoint()
    assert config.run.n_workers == 8
    assert config.optimizer == Part("adam", {})


def test_every_table_is_read(tmp_path):
    config = Config.loads(EVERYTHING, tmp_path)
    assert config.run == Run(
        n_workers=12,
        iterations=0,
        target_loss=-math.inf,
        target_gradient_norm=0.0,
        max_seconds=60.0,
        seed=2**63 - 1,
        dtype="float32",
        batch_size=24,
        evaluate_every=1,
        record_every=3,
        placement="as-numbered",
    )
    assert config.decoding == Decoding("fixed", 9, 0.0, 1.0, False, math.inf)
    assert config.asynchronous == Asynchronous(
        "memory", "fixed", {"name": "kalman", "drift": 0.1}, 7, 2, 3, "after-step", False
    )
    assert config.faults == Faults(
        False,
        "stop",
        "lose",
        2.5,
        [{"kind": "kill", "worker": 2, "iteration": 10}, {"kind": "drop", "rate": 0.5}],
    )
    assert config.wire == Wire(True)
    assert config.infer == Infer(None, str(tmp_path / "out/trained.h5"), "sample", 100, 1.0, 0.5)
    assert config.field == Field(8, 9, 4.0)
    assert config.data.coded == str(tmp_path / "coded")
    assert config.virtual == Virtual(0.0, 0.0, 1e9, 4, 2, 0.0)
    assert config.checkpoint == Checkpoint(str(tmp_path / "out/states"), 100, math.inf, 3)
    assert config.data.memory_mb == 12.0
    assert config.problem.parameters == {"l2": 1e-4, "nested": [1, [2, 3], {"deep": "é"}]}
    assert config.code == Part("cyclic", {"n_stragglers": 2})
    # a whole number is a number too, and becomes one of the right type
    assert type(config.run.max_seconds) is float


def test_all_keys_of_all_records_are_tried_above():
    tables = tomllib.loads(EVERYTHING)
    assert set(tables) == {field.name for field in dataclasses.fields(Config)}
    for name, record in RECORDS.items():
        left_out = {"data": {"test_fraction"}, "infer": {"function"}}.get(name, set())
        assert {field.name for field in dataclasses.fields(record)} == set(tables[name]) | left_out


def test_relative_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    (tmp_path / "jobs").mkdir()
    path = tmp_path / "jobs" / "job.toml"
    path.write_text(EVERYTHING)
    monkeypatch.chdir("/")
    config = Config.load(path)
    assert config.data.path == str(tmp_path / "jobs" / "rows.h5")
    assert config.data.test == "/home/somebody/test.h5"
    assert config.delays.parameters["path"] == str(tmp_path / "old" / "run.h5")
    assert config.output.path == str(tmp_path / "jobs" / "out" / "run.h5")
    monkeypatch.chdir(tmp_path)
    assert Config.load("jobs/job.toml") == config


def test_what_is_written_reads_the_same(tmp_path):
    for text in (SMALLEST, EVERYTHING):
        config = Config.loads(text, tmp_path)
        again = Config.loads(config.to_toml(), "/elsewhere")
        assert again == config
        assert again.to_toml() == config.to_toml()
    # every default is in the text, so that a run file means the same under later versions
    assert tomllib.loads(Config.loads(SMALLEST).to_toml())["run"]["n_workers"] == 8


def test_python_values_become_toml(tmp_path):
    tables = with_key("run", "n_workers", np.int64(3))
    tables["data"]["path"] = tmp_path / "rows.h5"
    tables["data"]["memory_mb"] = np.float32(0.5)
    tables["delays"] = {"name": "fixed", "slow_workers": np.array([0, 2]), "seconds": np.float64(1)}
    tables["code"] = {"name": "cyclic", "n_blocks": None, "n_stragglers": np.uint8(1)}
    config = Config.from_dict(tables)
    assert config.run.n_workers == 3
    assert type(config.run.n_workers) is int
    assert config.data.path == str(tmp_path / "rows.h5")
    written = tomllib.loads(config.to_toml())
    assert written["delays"] == {"name": "fixed", "slow_workers": [0, 2], "seconds": 1.0}
    assert written["code"] == {"name": "cyclic", "n_stragglers": 1}


def test_changing_a_key_is_checked_and_leaves_the_original_alone():
    config = Config.loads(SMALLEST)
    assert config.replace("output", path="/x.h5").output.path == "/x.h5"
    assert config.output.path is None
    assert "run.n_workers" in refusal(lambda: config.replace("run", n_workers=0))


@pytest.mark.parametrize("missing", ["data", "problem", "optimizer"])
def test_a_missing_table_is_named(missing):
    tables = tomllib.loads(SMALLEST)
    del tables[missing]
    assert refusal(Config.from_dict, tables) == f"{missing}: table is missing"


def test_an_unknown_table_or_key_is_answered_with_the_nearest():
    assert refusal(Config.loads, SMALLEST + "[optimiser]\n").endswith("did you mean 'optimizer'?")
    assert refusal(Config.loads, "iterations = 3\n" + SMALLEST).startswith(
        "iterations: no such table; one of: data, problem, optimizer, code"
    )
    for table, record in RECORDS.items():
        for field in dataclasses.fields(record):
            text = refusal(Config.from_dict, with_key(table, field.name + "s", 1))
            assert text == f"{table}.{field.name}s: no such key; did you mean {field.name!r}?"
    text = refusal(Config.from_dict, with_key("output", "zzz", 1))
    assert text == "output.zzz: no such key; one of: path, flush_seconds"


@pytest.mark.parametrize("table", PARTS)
def test_a_part_needs_a_name(table):
    assert (
        refusal(Config.loads, override_text(table, "name", "3")) == f"{table}.name: wants a string"
    )
    tables = tomllib.loads(SMALLEST)
    tables[table] = {"l2": 1.0}
    assert refusal(Config.from_dict, tables) == f"{table}.name: missing"


def override_text(table, key, value):
    tables = tomllib.loads(SMALLEST)
    others = "".join(
        f"[{name}]\n" + "".join(f"{k} = {v!r}\n" for k, v in entries.items())
        for name, entries in tables.items()
        if name != table
    )
    return f"{others}[{table}]\n{key} = {value}\n"


def test_a_path_is_needed():
    assert refusal(Config.loads, override_text("data", "memory_mb", 1)) == "data.path: missing"


@pytest.mark.parametrize("value", [3, [{"path": "a"}], "text", True])
def test_what_should_be_a_table_is_told_so(value):
    tables = tomllib.loads(SMALLEST)
    tables["run"] = value
    assert refusal(Config.from_dict, tables) == f"run: wants a table, got {value!r}"


def wrong_values():
    """For every key of every record, a value of each type it does not take."""
    for table, record in RECORDS.items():
        hints = typing.get_type_hints(record)
        for field in dataclasses.fields(record):
            kinds = {k for k in typing.get_args(hints[field.name]) or (hints[field.name],)}
            if typing.get_origin(hints[field.name]) is list:
                wrong = ["a", 1, True, {"a": 1}]
            elif kinds & {bool}:
                wrong = ["true", 1, 0.0, [True]]
            elif kinds & {int}:
                wrong = ["3", 2.5, True, [1]]
            elif kinds & {float}:
                wrong = ["3.0", False, [1.0], {"a": 1}]
            else:
                wrong = [1, 1.5, True, ["a"]]
            yield from ((table, field.name, value) for value in wrong)


@pytest.mark.parametrize(("table", "key", "value"), list(wrong_values()))
def test_a_wrong_type_names_the_key_and_the_value(table, key, value):
    text = refusal(Config.from_dict, with_key(table, key, value))
    assert text.startswith(f"{table}.{key}: ")
    assert repr(value) in text


@pytest.mark.parametrize(
    ("table", "key", "value", "bound"),
    [
        ("data", "test_fraction", -0.1, "at least 0 and below 1"),
        ("data", "test_fraction", 1.0, "at least 0 and below 1"),
        ("data", "test_fraction", math.nan, "at least 0 and below 1"),
        ("data", "memory_mb", -1.0, "at least 0"),
        ("data", "memory_mb", math.nan, "at least 0"),
        ("decoding", "method", "best", "'optimal', 'fixed'"),
        ("decoding", "n_answers", 0, "at least 1"),
        ("decoding", "max_residual", -0.1, "at least 0 and below 1"),
        ("decoding", "max_residual", 1.0, "at least 0 and below 1"),
        ("decoding", "max_residual", math.nan, "at least 0 and below 1"),
        ("decoding", "deadline", 0.0, "above 0 and finite"),
        ("decoding", "deadline", math.inf, "above 0 and finite"),
        ("decoding", "deadline", math.nan, "above 0 and finite"),
        ("decoding", "max_error", -1e-9, "at least 0"),
        ("decoding", "max_error", math.nan, "at least 0"),
        ("run", "n_workers", 0, "at least 1"),
        ("run", "n_workers", -3, "at least 1"),
        ("run", "iterations", -1, "at least 0"),
        ("run", "seed", -1, "at least 0"),
        ("run", "seed", 2**63, f"below {2**63}"),
        ("run", "evaluate_every", 0, "at least 1"),
        ("run", "batch_size", 0, "at least 1"),
        ("run", "max_seconds", -0.5, "at least 0"),
        ("run", "max_seconds", math.nan, "at least 0"),
        ("run", "target_gradient_norm", -1e-9, "at least 0"),
        ("run", "target_gradient_norm", math.nan, "at least 0"),
        ("run", "target_loss", math.nan, "must be a number"),
        ("run", "dtype", "float16", "'float32', 'float64'"),
        ("virtual", "seconds_per_row", -1.0, "at least 0"),
        ("virtual", "seconds_per_row", math.inf, "finite"),
        ("virtual", "latency_seconds", math.inf, "finite"),
        ("virtual", "latency_seconds", math.nan, "finite"),
        ("virtual", "bytes_per_second", -1.0, "at least 0"),
        ("virtual", "bytes_per_second", math.inf, "finite"),
        ("virtual", "workers_per_node", 0, "at least 1"),
        ("virtual", "cores_per_node", 0, "at least 1"),
        ("output", "flush_seconds", -1.0, "at least 0"),
        ("output", "flush_seconds", math.nan, "at least 0"),
    ],
)
def test_impossible_numbers(table, key, value, bound):
    text = refusal(Config.from_dict, with_key(table, key, value))
    assert text.startswith(f"{table}.{key}: ")
    assert bound in text
    assert repr(value) in text


def test_two_ways_of_keeping_rows_aside_exclude_each_other():
    tables = with_key("data", "test", "t.h5")
    tables["data"]["test_fraction"] = 0.1
    assert "cannot be given together with data.test" in refusal(Config.from_dict, tables)


@pytest.mark.parametrize(
    ("change", "table", "key", "value"),
    [
        ("run.n_workers=12", "run", "n_workers", 12),
        (" run.n_workers = 12 ", "run", "n_workers", 12),
        ("run.max_seconds=1e3", "run", "max_seconds", 1000.0),
        ("code.name=cyclic", "code", "name", "cyclic"),
        ('code.name="cyclic"', "code", "name", "cyclic"),
        ("code.spread=true", "code", "spread", True),
        ("delays.slow_workers=[1, 2]", "delays", "slow_workers", [1, 2]),
        ("data.path=a=b.h5", "data", "path", "a=b.h5"),
        ("data.path=/x/y z.h5", "data", "path", "/x/y z.h5"),
        ("output.path=", "output", "path", ""),
        ("problem.name=my.module:Class", "problem", "name", "my.module:Class"),
    ],
)
def test_set_changes_one_key(change, table, key, value):
    tables = tomllib.loads(SMALLEST)
    before = tomllib.loads(SMALLEST)
    assert override(tables, [change])[table][key] == value
    assert tables == before
    if table in tables:
        changed = override(tables, [change])[table]
        assert {**changed, key: None} == {**tables[table], key: None}


def test_the_last_set_wins():
    changed = override(tomllib.loads(SMALLEST), ["run.seed=1", "run.seed=2"])
    assert changed["run"] == {"seed": 2}


@pytest.mark.parametrize(
    "change", ["run", "run.n_workers", "n_workers=3", ".x=1", "run.=1", "=", ""]
)
def test_a_set_of_another_form_is_refused(change):
    assert refusal(override, {}, [change]) == f"--set {change}: wants table.key=value"


def test_a_set_into_what_is_no_table_is_refused():
    assert refusal(override, {"run": 3}, ["run.seed=1"]) == "run: wants a table, got 3"


def test_a_set_is_checked_like_the_file():
    def load(*changes):
        return Config.loads(SMALLEST, overrides=changes)

    assert load("run.n_workers=3", "code.name=cyclic").run.n_workers == 3
    assert refusal(load, "run.n_workers=many") == "run.n_workers: wants an integer, got 'many'"
    assert refusal(load, "run.n_wrokers=3").endswith("did you mean 'n_workers'?")


def test_toml_that_is_none_names_file_and_line(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(SMALLEST + "[run]\nn_workers = = 3\n")
    text = refusal(Config.load, path)
    assert text.startswith(f"{path}: not TOML: ")
    assert "line 8" in text
    path.write_text(SMALLEST + '[problem]\nname = "again"\n')
    assert f"{path}: not TOML: " in refusal(Config.load, path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "job.toml"
    assert refusal(Config.load, path) == f"{path}: no such file or directory"
    assert refusal(Config.load, tmp_path) == f"{tmp_path}: is a directory"
    path.write_bytes(SMALLEST.encode() + b"# caf\xe9\n")
    assert refusal(Config.load, path) == f"{path}: not UTF-8 at byte {len(SMALLEST) + 5}"
    path.write_text(SMALLEST, encoding="utf-16")
    assert refusal(Config.load, path) == f"{path}: not UTF-8 at byte 0"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(SMALLEST, encoding="utf-8-sig")
    assert Config.load(path) == Config.loads(SMALLEST, tmp_path)


def test_another_name_takes_the_parameters_of_the_one_in_the_file_along():
    tables = {"code": {"name": "cyclic", "n_stragglers": 3}, "run": {"n_workers": 9}}
    assert override(tables, ["code.name=uncoded"])["code"] == {"name": "uncoded"}
    # whatever the order, and what is set besides stays
    changed = override(tables, ["code.n_blocks=18", "code.name=uncoded"])
    assert changed == {"code": {"name": "uncoded", "n_blocks": 18}, "run": {"n_workers": 9}}
    # the same name again changes nothing
    assert override(tables, ["code.name=cyclic"]) == tables


@pytest.mark.parametrize(
    "text",
    [
        "deep = " + "[" * 5000 + "]" * 5000,
        "deep = " + "{a = " * 5000 + "1" + "}" * 5000,
        "[" + "a." * 5000 + "a]",
        "a." * 50_000 + "a = 1",
    ],
)
def test_depth_that_nobody_means_is_one_line(text):
    with pytest.raises(ConfigError, match="configuration: tables or lists are nested too deeply"):
        Config.loads(text)


def test_a_number_of_thousands_of_digits_is_one_line():
    with pytest.raises(ConfigError, match="configuration: not TOML: exceeds the limit"):
        Config.loads("a = " + "9" * 5000)


@pytest.mark.parametrize("table", ["data", "output"])
def test_what_is_no_path_is_named(tables, table):
    with pytest.raises(ConfigError, match=rf"^{table}\.path: 'a\\x00b' is no path"):
        Config.from_dict(tables(**{table: {"path": "a\0b"}}))


@pytest.mark.parametrize("table", ["data", "output"])
@pytest.mark.parametrize(
    ("path", "what"),
    [("a" * 300, "name of 300 bytes, none has more than 255"), ("a/" * 5000, "path of .* 4095")],
)
def test_a_path_that_is_too_long_is_one_line(tables, table, path, what):
    with pytest.raises(ConfigError, match=rf"^{table}\.path: 'a.{{39}}'\.\.\. is a {what}$"):
        Config.from_dict(tables(**{table: {"path": path}}))


@pytest.mark.parametrize("key", ["n_workers", "seed"])
def test_what_all_parts_share_is_no_key_of_the_code(key):
    tables = {
        "data": {"path": "data.h5"},
        "problem": {"name": "softmax"},
        "optimizer": {"name": "gradient-descent", "step_size": 0.1},
        "code": {"name": "cyclic", key: 4},
    }
    with pytest.raises(ConfigError, match=rf"^code\.{key}: no such key; run\.{key} holds"):
        Config.from_dict(tables)
