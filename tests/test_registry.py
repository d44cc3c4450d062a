from __future__ import annotations

from typing import Any, Literal

import pytest

from mpicode.codes import CODES
from mpicode.errors import ConfigError
from mpicode.optimizers import OPTIMIZERS
from mpicode.pool.delays import DELAYS
from mpicode.problems import PROBLEMS
from mpicode.registry import Registry, coerce, parameters_of, suggest


class Plain:
    name = "plain"


class Tuned:
    name = "tuned"

    def __init__(
        self,
        *,
        rate: float,
        depth: int | None = None,
        mode: Literal["fast", "exact"] = "fast",
        n_workers: int,
        seed: int = 0,
    ) -> None:
        self.given = (rate, depth, mode, n_workers, seed)


class Deeper(Tuned):
    name = "deeper"

    def __init__(self, *, layers: list[int], depth: str = "very", **rest: Any) -> None:
        super().__init__(**rest)
        self.layers = layers


class Closed(Tuned):
    name = "closed"

    def __init__(self, *, depth: int) -> None:
        super().__init__(rate=0.5, depth=depth, n_workers=1)


class Inherited(Tuned):
    name = "inherited"


class Untyped:
    name = "untyped"

    def __init__(self, positional=1, *, anything=None):
        self.anything = anything


PARTS: Registry[Any] = Registry("part", (Plain, Tuned, Deeper, Inherited, Untyped))


def refusal(function, *arguments, **context):
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **context)
    return str(caught.value)


def test_parts_are_listed_in_their_order():
    assert list(PARTS) == ["plain", "tuned", "deeper", "inherited", "untyped"]
    assert len(PARTS) == 5
    assert PARTS["tuned"] is Tuned
    assert "tuned" in PARTS


def test_a_part_gets_its_parameters_and_what_it_wants_of_the_context():
    part = PARTS.make("tuned", {"rate": 1, "mode": "exact"}, n_workers=4, seed=9, n_features=3)
    assert part.given == (1.0, None, "exact", 4, 9)
    assert type(part.given[0]) is float
    assert isinstance(PARTS.make("plain", n_workers=4), Plain)
    assert PARTS.make("inherited", {"rate": 2.0}, n_workers=1).given[0] == 2.0


def test_what_a_constructor_hands_on_are_parameters_too():
    part = PARTS.make("deeper", {"rate": 1, "layers": [3, 4]}, n_workers=4, seed=1)
    assert part.layers == [3, 4]
    assert part.given == (1.0, None, "fast", 4, 1)
    known = parameters_of(Deeper)
    assert list(known) == ["layers", "depth", "rate", "mode", "n_workers", "seed"]
    assert known["depth"].annotation is str


def test_what_a_constructor_does_not_hand_on_is_no_parameter():
    assert list(parameters_of(Closed)) == ["depth"]
    part = Registry("part", (Closed,)).make("closed", {"depth": 3}, n_workers=9)
    assert part.given == (0.5, 3, "fast", 1, 0)


def test_a_parameter_without_annotation_takes_anything():
    assert parameters_of(Untyped)["anything"].annotation is Any
    assert list(parameters_of(Untyped)) == ["anything"]
    assert PARTS.make("untyped", {"anything": {"a": [1]}}).anything == {"a": [1]}
    assert parameters_of(Plain) == {}


def test_an_unknown_name_is_answered_with_the_known_ones():
    assert refusal(PARTS.make, "tunde") == (
        "part.name: unknown part 'tunde'; did you mean 'tuned'?"
    )
    assert refusal(PARTS.make, "xyz").endswith("; one of: plain, tuned, deeper, inherited, untyped")
    assert refusal(PARTS.__getitem__, "xyz").startswith("part.name: unknown part 'xyz'")


def test_an_unknown_parameter_is_answered_with_the_nearest():
    assert refusal(PARTS.make, "tuned", {"rat": 1}, n_workers=4) == (
        "part.rat: no such parameter of 'tuned'; did you mean 'rate'?"
    )
    assert refusal(PARTS.make, "tuned", {"rate": 1, "zzz": 1}, n_workers=4).endswith(
        "one of: rate, depth, mode, seed"
    )
    assert refusal(PARTS.make, "plain", {"rate": 1}).endswith("one of: none")


def test_the_context_cannot_be_set():
    text = refusal(PARTS.make, "tuned", {"rate": 1, "n_workers": 9}, n_workers=4)
    assert text.startswith("part.n_workers: no such parameter of 'tuned'")


def test_a_missing_parameter_is_named():
    assert refusal(PARTS.make, "tuned", {}, n_workers=4) == "part.rate: missing, 'tuned' needs it"


def test_a_wrong_type_names_the_key():
    text = refusal(PARTS.make, "tuned", {"rate": "1"}, n_workers=4)
    assert text == "part.rate: wants a number, got '1'"
    text = refusal(PARTS.make, "tuned", {"rate": 1, "mode": "slow"}, n_workers=4)
    assert text == "part.mode: 'slow' is not one of 'fast', 'exact'"


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (-2.5, float, -2.5),
        ("a", str, "a"),
        (True, bool, True),
        ({"a": 1}, dict, {"a": 1}),
        ({"a": 1}, dict[str, int], {"a": 1}),
        ([1, 2], list[int], [1, 2]),
        ((1, 2), list[float], [1.0, 2.0]),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ([[1], []], list[list[float]], [[1.0], []]),
        ([1, "a"], list, [1, "a"]),
        (None, int | None, None),
        (3, int | None, 3),
        (3, float | None, 3.0),
        (3, int | float, 3),
        (2.5, int | float, 2.5),
        ("i/(i+3)", float | Literal["i/(i+3)"], "i/(i+3)"),
        (1, float | Literal["i/(i+3)"], 1.0),
        (2, Literal[1, 2], 2),
        ([1, None], list[int | None], [1, None]),
        (object, Any, object),
    ],
)
def test_values_become_what_the_annotation_says(value, annotation, wanted):
    got = coerce(value, annotation, "key")
    assert got == wanted
    assert type(got) is type(wanted)
    if isinstance(wanted, (list, tuple)):
        assert [type(g) for g in got] == [type(w) for w in wanted]


@pytest.mark.parametrize(
    ("value", "annotation", "text"),
    [
        (True, int, "key: wants an integer, got True"),
        (3.0, int, "key: wants an integer, got 3.0"),
        ("3", int, "key: wants an integer, got '3'"),
        (None, int, "key: wants an integer, got None"),
        (True, float, "key: wants a number, got True"),
        (10**400, float, f"key: {'1' + '0' * 19}... is too large for a number"),
        (1, str, "key: wants a string, got 1"),
        (1, bool, "key: wants true or false, got 1"),
        ([], dict, "key: wants a table, got []"),
        ([], dict[str, int], "key: wants a table, got []"),
        (3, list[int], "key: wants a list, got 3"),
        ("ab", list[str], "key: wants a list, got 'ab'"),
        (3, tuple[int, ...], "key: wants a list, got 3"),
        ([1, "a"], list[int], "key[1]: wants an integer, got 'a'"),
        ([[1], [True]], list[list[int]], "key[1][0]: wants an integer, got True"),
        ("a", int | None, "key: wants an integer, got 'a'"),
        ("a", int | list[int], "key: wants an integer or a list, got 'a'"),
        (
            "x",
            float | Literal["i/(i+3)"],
            "key: wants a number or 'i/(i+3)', got 'x'",
        ),
        ("x", Literal["a", "b"] | None, "key: 'x' is not one of 'a', 'b'"),
        (True, Literal[1, 2], "key: True is not one of 1, 2"),
        (1.0, Literal[1, 2], "key: 1.0 is not one of 1, 2"),
        ([1], Literal["a"], "key: [1] is not one of 'a'"),
    ],
)
def test_other_values_are_refused_in_one_line(value, annotation, text):
    assert refusal(coerce, value, annotation, "key") == text


def test_suggestions():
    assert suggest("unkoded", ["uncoded", "cyclic"]) == "did you mean 'uncoded'?"
    assert suggest("qqq", ["uncoded", "cyclic"]) == "one of: uncoded, cyclic"
    assert suggest("qqq", iter(["a"])) == "one of: a"
    assert suggest("qqq", []) == "one of: none"


@pytest.mark.parametrize("registry", [CODES, PROBLEMS, OPTIMIZERS, DELAYS], ids=lambda r: r.table)
def test_every_part_has_keyword_only_annotated_parameters(registry):
    for name, cls in registry.items():
        assert cls.name == name
        assert name == name.lower()
        assert " " not in name
        for key, parameter in parameters_of(cls).items():
            assert parameter.annotation is not Any, f"{name}: {key}"
