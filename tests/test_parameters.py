"""Declared parameters: bounds, types, texts and the nearest name of a misspelt one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurosim import CorInfoMax
from neurosim.errors import NeurosimError, ParameterError, near_matches
from neurosim.models import SYSTEMS, find_system
from neurosim.system.parameters import (
    ParameterInfo,
    check_parameters,
    describe_parameters,
    inherited,
    parameter,
)
from neurosim.system.values import parse_value

INFOS = describe_parameters(CorInfoMax)
finite = st.floats(allow_nan=False, allow_infinity=False)


@dataclasses.dataclass(frozen=True)
class Toy:
    """One parameter of every kind."""

    rate: float = parameter(0.5, "a number", low=0, high=1, open_high=True, unit="ms")
    rates: tuple[float, ...] = parameter((1.0, 0.7), "numbers", low=0)
    count: int = parameter(20, "a whole number", low=1)
    starts: tuple[int, ...] = parameter((0, 15), "whole numbers", low=0)
    flag: bool = parameter(True, "yes or no")
    form: str = parameter("constant", "a word", choices=("constant", "nudge"))
    free: float = parameter(0.0, "any number")
    undeclared: str = "left alone"

    def __post_init__(self) -> None:
        check_parameters(self)


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": -0.1}, r"Toy\.rate = -0\.1 ms is out of range; allowed: \[0, 1\) ms"),
        ({"rate": 1.0}, r"Toy\.rate = 1\.0 ms is out of range; allowed: \[0, 1\) ms"),
        ({"rate": math.nan}, r"Toy\.rate = nan"),
        ({"rates": (0.1, -0.1)}, r"Toy\.rates = -0\.1"),
        ({"rates": (0.1, math.inf)}, r"Toy\.rates = inf"),
        ({"free": math.inf}, r"Toy\.free = inf.*any number"),
        ({"count": 0}, r"Toy\.count = 0 is out of range; allowed: \[1, inf\)"),
        ({"rate": "0.3"}, r"Toy\.rate = '0\.3' is a str; give a number in \[0, 1\)"),
        ({"rate": None}, r"Toy\.rate = None is a NoneType"),
        ({"form": "nudg"}, r"Toy\.form = 'nudg': did you mean 'nudge'\? Allowed: constant, nudge"),
        ({"form": "beta"}, r"Toy\.form = 'beta'.*constant, nudge"),
    ],
)
def test_values_out_of_range_are_refused_by_name_with_the_range(
    change: dict[str, Any], words: str
) -> None:
    """Guards against a value that runs and diverges, or means nothing."""
    with pytest.raises(ParameterError, match=words) as caught:
        Toy(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"rate": (0.1, 0.2)},
        {"rate": True},
        {"rates": 0.1},
        {"rates": [0.1, 0.2]},
        {"rates": ((0.1,), 0.2)},
        {"count": 2.5},
        {"count": True},
        {"starts": (0, 1.5)},
        {"flag": 5},
        {"flag": "no"},
        {"form": ("nudge",)},
    ],
    ids=repr,
)
def test_values_of_another_type_are_refused_by_name(change: dict[str, Any]) -> None:
    """Guards against a list, a flag or half an image that surfaces as a TypeError, or never."""
    (name,) = change
    with pytest.raises(ParameterError, match=rf"Toy\.{name}\b"):
        Toy(**change)


def test_whole_numbers_may_stand_for_real_ones() -> None:
    """Guards against a config file that says tau_u = 20 and is refused."""
    assert Toy(rate=0, rates=(1, 0), free=-3).free == -3


@given(value=finite, low=finite, high=finite, open_low=st.booleans(), open_high=st.booleans())
def test_bounds_mean_what_their_notation_says(
    value: float, low: float, high: float, open_low: bool, open_high: bool
) -> None:
    """Guards against a bound that is included where it is written as excluded."""
    info = ParameterInfo("", "1", "", low, high, open_low, open_high)
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    assert info.allows(value) == (above and below)
    text = info.range_text()
    assert text.startswith("(" if open_low else "[")
    assert text.endswith(")" if open_high else "]")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_bound_allows_what_is_not_finite(value: float) -> None:
    """Guards against a not-a-number that passes every comparison."""
    assert not ParameterInfo("", "1", "").allows(value)
    assert not ParameterInfo("", "1", "", low=0).allows(value)


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (ParameterInfo("", "1", ""), "any number"),
        (ParameterInfo("", "1", "", low=0, open_low=True), "(0, inf)"),
        (ParameterInfo("", "1", "", high=1), "(-inf, 1]"),
        (ParameterInfo("", "1", "", choices=("a", "b")), "one of a, b"),
    ],
)
def test_ranges_are_written_as_intervals(info: ParameterInfo, text: str) -> None:
    """Guards against a help text that states another range than the one checked."""
    assert info.range_text() == text


@pytest.mark.parametrize("name", sorted(INFOS))
def test_every_default_of_the_model_is_in_its_range_and_described(name: str) -> None:
    """Guards against parameters without a word, and bounds that exclude the default."""
    info = INFOS[name]
    default = getattr(CorInfoMax(), name)
    assert info.doc
    assert "\n" not in info.doc
    for value in default if isinstance(default, tuple) else (default,):
        assert value in info.choices if info.choices else info.allows(float(value))


# ------------------------------------------------------------------ values from text


@given(value=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_number_survives_its_text(value: float) -> None:
    """Guards against a config file that says another number than the run used."""
    assert parse_value(Toy, "rate", repr(value)) == value
    assert parse_value(Toy, "rate", value) == value
    assert Toy(rate=parse_value(Toy, "rate", f" {value!r} ")).rate == value


@given(values=st.lists(st.floats(min_value=0, max_value=1e300), min_size=1, max_size=6))
def test_numbers_survive_their_text(values: list[float]) -> None:
    """Guards against per-layer rates that are cut, reordered or rounded."""
    expected = tuple(values)
    for given_ in (",".join(map(repr, values)), ", ".join(map(repr, values)), values, expected):
        assert parse_value(Toy, "rates", given_) == expected


@given(value=st.integers(-(10**15), 10**15))
def test_a_whole_number_survives_its_text(value: int) -> None:
    """Guards against a whole number that passes through a float."""
    parsed = parse_value(Toy, "count", str(value))
    assert parsed == value
    assert type(parsed) is int


@given(values=st.lists(st.integers(0, 10**9), min_size=1, max_size=5))
def test_whole_numbers_survive_their_text(values: list[int]) -> None:
    """Guards against epochs of a schedule that become floats."""
    parsed = parse_value(Toy, "starts", ",".join(map(str, values)))
    assert parsed == tuple(values)
    assert all(type(value) is int for value in parsed)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("False", False),
        ("YES", True),
        ("no", False),
        ("1", True),
        ("0", False),
    ],
)
def test_flages_are_read_as_words(given_: Any, expected: bool) -> None:
    """Guards against the text 'false', which Python takes for true."""
    assert parse_value(Toy, "flag", given_) is expected


def test_words_and_single_numbers_are_taken_as_they_are() -> None:
    """Guards against a single rate that must be written as a list."""
    assert parse_value(Toy, "form", "nudge") == "nudge"
    assert parse_value(Toy, "rates", 0.5) == (0.5,)
    assert parse_value(Toy, "rates", "0.5") == (0.5,)
    assert parse_value(Toy, "count", 7.0) == 7
    assert parse_value(Toy, "rate", 0) == 0.0
    assert type(parse_value(Toy, "rate", 0)) is float


@pytest.mark.parametrize(
    ("name", "given_", "words"),
    [
        ("rate", "fast", r"Toy\.rate = 'fast' cannot be read; give a number, \[0, 1\)"),
        ("rate", True, r"Toy\.rate = True cannot be read"),
        ("rate", None, r"Toy\.rate = None cannot be read"),
        ("rates", "0.1,,0.2", r"Toy\.rates = '0\.1,,0\.2' cannot be read; give numbers separated"),
        ("rates", "", r"Toy\.rates = '' cannot be read"),
        ("rates", [0.1, "x"], r"Toy\.rates"),
        ("rates", True, r"Toy\.rates = True cannot be read"),
        ("count", 2.5, r"Toy\.count = 2\.5 cannot be read; give a whole number"),
        ("count", "2.5", r"Toy\.count = '2\.5' cannot be read"),
        ("count", True, r"Toy\.count = True cannot be read"),
        ("flag", "maybe", r"Toy\.flag = 'maybe' cannot be read; give true or false$"),
        ("flag", 1, r"Toy\.flag = 1 cannot be read"),
        ("form", 3, r"Toy\.form = 3 cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name: str, given_: Any, words: str) -> None:
    """Guards against a default that stays because the text was not understood."""
    with pytest.raises(ParameterError, match=words):
        parse_value(Toy, name, given_)


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("rates", "0,05"),
        ("rates", "1.0, 05"),
        ("starts", "0,015"),
        ("rate", "0,5"),
        ("free", "-1,5"),
    ],
)
def test_a_decimal_comma_is_refused_with_a_hint(name: str, given_: str) -> None:
    """Guards against 0,05 that becomes the rates 0 and 5."""
    with pytest.raises(ParameterError, match="decimal comma; write numbers with a point, such as"):
        parse_value(Toy, name, given_)


def test_members_that_begin_with_0_are_numbers_like_others() -> None:
    """Guards against a hint on a decimal comma where there is none."""
    assert parse_value(Toy, "rates", "0.5,0,0.05") == (0.5, 0.0, 0.05)
    assert parse_value(Toy, "starts", "0,15") == (0, 15)


def test_unknown_parameters_are_refused_with_the_nearest() -> None:
    """Guards against a misspelt setting that changes nothing."""
    with pytest.raises(ParameterError, match=r"CorInfoMax has no parameter 'epsilom'.*'epsilon'"):
        parse_value(CorInfoMax, "epsilom", "0.3")
    with pytest.raises(ParameterError, match="no parameter 'undeclared'"):
        parse_value(Toy, "undeclared", "x")


@pytest.mark.parametrize("name", sorted(INFOS))
def test_every_default_of_the_model_survives_a_config_file(name: str) -> None:
    """Guards against a run folder whose config cannot be read back."""
    default = getattr(CorInfoMax(), name)
    as_toml = list(default) if isinstance(default, tuple) else default
    assert parse_value(CorInfoMax, name, as_toml) == default
    if isinstance(default, (float, int)) and not isinstance(default, bool):
        assert parse_value(CorInfoMax, name, repr(default)) == default


# ------------------------------------------------------------------ near matches


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epsilom", "did you mean 'epsilon'? Allowed: epsilon, g_l, mu_ff"),
        ("mu_fb", "did you mean 'mu_ff'? Allowed: epsilon, g_l, mu_ff"),
        ("zzz", "allowed: epsilon, g_l, mu_ff"),
        ("", "allowed: epsilon, g_l, mu_ff"),
    ],
)
def test_near_matches_name_the_nearest_and_all(name: str, text: str) -> None:
    """Guards against messages that send the user elsewhere."""
    assert near_matches(name, ["mu_ff", "g_l", "epsilon"]) == text


def test_two_near_matches_are_both_named() -> None:
    """Guards against a guess where there are two."""
    assert near_matches("mu_f", ["mu_ff", "mu_fb"]).startswith("did you mean 'mu_f")
    assert "' or 'mu_f" in near_matches("mu_f", ["mu_ff", "mu_fb"])


@given(name=st.text(max_size=20))
def test_any_text_is_answered_with_all_that_is_allowed(name: str) -> None:
    """Guards against a message that fails to be made."""
    assert near_matches(name, INFOS).endswith("llowed: " + ", ".join(sorted(INFOS)))


def test_systems_are_found_by_name_or_the_nearest() -> None:
    """Guards against a system that is described but cannot be run by name."""
    assert find_system("corinfomax") is CorInfoMax
    assert all(system.name == name for name, system in SYSTEMS.items())
    with pytest.raises(ParameterError, match=r"'corinfmax'.*'corinfomax'"):
        find_system("corinfmax")


# ------------------------------------------------------------------ whatever is typed

HUGE = "9" * 400
LONGEST = "9" * 5000
numbers = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(["nan", "inf", "-inf", "1e400", "1e-320", "5e-324", "1e-9", "1e308", HUGE]),
)
texts = st.one_of(
    st.text(max_size=20),
    numbers,
    st.lists(numbers, max_size=3).map(",".join),
)
toml_values = st.recursive(
    st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=5)),
    lambda items: st.lists(items, max_size=3),
    max_leaves=4,
)


def outcome(make: Callable[[], Any], refusals: type[NeurosimError], given: Any) -> Any:
    """What was made, or None if it was refused in one line; a word may be quoted as it is."""
    try:
        return make()
    except refusals as refusal:
        words = str(refusal)
    assert "\n" not in words
    assert len(words) < 2000 + len(given if isinstance(given, str) else "")
    return None


def try_value(system: type, name: str, given: Any) -> None:
    """A system with one parameter set as given, and its circuit."""
    made = outcome(
        lambda: system(**{name: parse_value(system, name, given)}), ParameterError, given
    )
    if made is None:
        return
    assert all(math.isfinite(rate) for rate in made.rates(0).values())
    circuit = outcome(made.circuit, NeurosimError, given)
    if circuit is None:
        return
    parts = (*circuit.populations, *circuit.projections)
    assert all(math.isfinite(value) for part in parts for value in part.parameters.values())


@pytest.mark.quick(30)
@pytest.mark.parametrize(
    ("system", "name"),
    [(system, name) for system in SYSTEMS.values() for name in describe_parameters(system)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
@given(given=st.one_of(texts, toml_values))
@example(given=HUGE)
@example(given=LONGEST)
@example(given=int(HUGE))
@example(given="1e-320")
@example(given="1e-9")
@example(given="1e308")
@example(given="nan")
@example(given="-inf")
def test_any_text_makes_a_valid_system_or_is_refused(system: type, name: str, given: Any) -> None:
    """Guards against the traceback of a number that no floating-point number can hold."""
    try_value(system, name, given)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dt": 1e-9}, r"free_time = 30\.0 ms has more than 1000000 steps of 1e-09 ms"),
        ({"dt": 1e-320}, r"free_time = 30\.0 ms has more than 1000000 steps"),
        ({"free_time": 1e300}, r"free_time = 1e\+300 ms has more than 1000000 steps"),
        ({"nudged_time": 1e7}, r"nudged_time = 10000000\.0 ms has more than 1000000 steps"),
        ({"free_time": 999_997.0}, r"free_time and nudged_time together have 1000007 steps"),
        ({"dt": 5e-324, "tau_u": 1e300, "free_time": 5e-324, "nudged_time": 5e-324}, None),
    ],
)
def test_more_steps_than_anyone_waits_for_are_refused(
    changes: dict[str, Any], words: str | None
) -> None:
    """Guards against a run that computes for hours before the first image is over."""
    with pytest.raises(NeurosimError, match=words):
        CorInfoMax(**changes).circuit()


# ------------------------------------------------------------------ declared again


def test_a_parameter_declared_again_keeps_all_but_its_default() -> None:
    """Guards bounds, units and order that a second declaration could lose."""

    @dataclasses.dataclass(frozen=True)
    class Other(Toy):
        rates: tuple[float, ...] = inherited(Toy, "rates", (0.3,))
        rate: float = inherited(Toy, "rate", 0.25, "a smaller number")

    infos, known = describe_parameters(Other), describe_parameters(Toy)
    assert list(infos) == list(known)
    assert infos["rate"] == dataclasses.replace(known["rate"], doc="a smaller number")
    assert infos["rates"] == known["rates"]
    assert (Other().rate, Other().rates) == (0.25, (0.3,))
    with pytest.raises(ParameterError, match="out of range"):
        Other(rate=1.0)
    with pytest.raises(ParameterError, match=r"Toy has no parameter 'rat'; did you mean 'rate'"):
        inherited(Toy, "rat", 0.0)


# ------------------------------------------------------------------ the declaration itself


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("(0, inf)", {"low": 0, "open_low": True}),
        ("[0, 1)", {"low": 0, "high": 1, "open_high": True}),
        ("(-inf, 2] ms", {"high": 2, "unit": "ms"}),
        ("(-inf, inf) ms", {"unit": "ms"}),
        ("", {}),
    ],
)
def test_a_range_in_mathematical_notation_is_that_of_the_keywords(
    text: str, keywords: dict[str, Any]
) -> None:
    """Guards the two ways of writing a range against each other."""
    short = parameter(1.0, "a number", r"\mu", text)
    long = parameter(1.0, "a number", symbol=r"\mu", **keywords)
    assert short.metadata == long.metadata


@pytest.mark.parametrize("text", ["0 to 1", "(0, 1", "[1, 0]", "(0, x)", "ms", "[nan, 1]"])
def test_what_is_no_range_is_refused_where_it_is_declared(text: str) -> None:
    """Guards a range that allows everything because it was not understood."""
    with pytest.raises(ParameterError, match=r"is no range; write e\.g\."):
        parameter(1.0, "a number", "", text)


def test_a_declaration_that_contradicts_itself_is_refused() -> None:
    """Guards one of two ranges that is silently dropped, and a misspelt count."""
    with pytest.raises(ParameterError, match=r"give either .* or low, high and unit"):
        parameter(1.0, "a number", "", "[0, 1]", low=0)
    with pytest.raises(ParameterError, match="did you mean 'hidden layer'"):
        parameter((1.0,), "numbers", per="hiden layer")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("double", r"Bad\.double: 'double' is a word of C\+\+ .*; write double_$"),
        ("int", r"a word of C\+\+ .*; write int_$"),
        ("\u03c4", r"letters a to z and A to Z, .*symbol as the third argument"),
        ("_hidden", r"begins with a letter"),
    ],
)
def test_names_that_no_equation_can_take_are_refused_when_declared(name: str, words: str) -> None:
    """Guards against misleading lines of a compiler."""
    bad = dataclasses.make_dataclass("Bad", [(name, float, parameter(1.0, "a number"))])
    with pytest.raises(ParameterError, match=words):
        describe_parameters(bad)
    with pytest.raises(ParameterError, match=words):
        check_parameters(bad())
    good = dataclasses.make_dataclass("Good", [("lambda_", float, parameter(1.0, "a number"))])
    assert list(describe_parameters(good)) == ["lambda_"]
