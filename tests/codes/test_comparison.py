from typing import Literal

import pytest

from mpicode import codes
from mpicode.codes.base import GradientCode
from mpicode.codes.comparison import NEAR, at_load, mean_load
from mpicode.codes.loads import parameters_for
from mpicode.errors import ConfigError


@pytest.mark.parametrize(
    ("n", "load", "m"), [(12, 3, 1), (12, 4, 2), (13, 4, 2), (16, 5, 1), (7, 7, 3)]
)
def test_what_is_built_has_the_load_and_the_rest_has_a_reason(n, load, m):
    built, refused = at_load(n, load, m)
    names = {code.name for _, _, code in built} | {label.split()[0] for label in refused}
    assert names == {name for name in codes.names() if codes.CODES[name].family == "gradient"}
    assert len({label for label, _, _ in built} | set(refused)) == len(built) + len(refused)
    for _, _, code in built:
        assert code.n_workers == n
        assert abs(mean_load(code) - load) <= NEAR * load
        assert code.n_segments in (1, m)
    for label, why in refused.items():
        assert ": " in why, label
        assert "\n" not in why
        assert "no such parameter" not in why, label


def test_the_exact_ones_tolerate_what_their_load_can():
    built, refused = at_load(12, 4)
    by_label = {label: code for label, _, code in built}
    assert by_label["fractional-repetition"].max_stragglers == 3
    assert by_label["cyclic"].max_stragglers == 3
    assert "holds 1 of 12 shares, not 4" in refused["uncoded"]


def test_at_load_one_nothing_is_held_twice():
    built, _ = at_load(6, 1)
    assert {"uncoded", "ignore-stragglers"} <= {label for label, _, _ in built}
    for _, _, code in built:
        assert mean_load(code) == pytest.approx(1)


def scheme(**constructor):
    """A class whose constructor has these annotated parameters."""

    def init(self, **given): ...

    import inspect

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(k, kind, annotation=v) for k, v in constructor.items()]
    init.__signature__ = inspect.Signature(
        [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *parameters]
    )
    return type("Made", (GradientCode,), {"name": "made", "__init__": init})


@pytest.mark.parametrize(
    ("constructor", "m", "wanted"),
    [
        ({"n_workers": int}, 1, [{}]),
        ({"n_stragglers": int}, 1, [{"n_stragglers": 3}]),
        ({"n_stragglers": int}, 2, [{"n_stragglers": 3}]),
        ({"n_stragglers": int, "n_segments": int}, 2, [{"n_segments": 2, "n_stragglers": 2}]),
        ({"replication": int, "n_stragglers": int}, 1, [{"replication": 4}]),
        ({"replication": int, "load": int}, 1, [{"replication": 4, "load": 4}]),
        (
            {"load": int, "design": Literal["one", "two"]},
            1,
            [{"load": 4, "design": "one"}, {"load": 4, "design": "two"}],
        ),
    ],
)
def test_the_names_of_the_parameters_tell_how_to_set_them(constructor, m, wanted):
    assert parameters_for(scheme(**constructor), 4, m) == wanted


def test_more_segments_than_copies_are_refused():
    with pytest.raises(ConfigError, match=r"n_segments: 5 segments need 5 copies .* load of 4"):
        parameters_for(scheme(n_stragglers=int, n_segments=int), 4, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((0, 1), "n_workers"), ((5, 0), "1 to 5 .* got 0"), ((5, 6), "got 6"), ((5, 2, 0), "got 0")],
)
def test_impossible_numbers_are_refused(arguments, said):
    with pytest.raises(ConfigError, match=said):
        at_load(*arguments)
