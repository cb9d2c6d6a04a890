"""Declared, bounded parameters for the frozen dataclasses that describe systems.

A field made with :func:`parameter` carries the paper's symbol, a unit, bounds
and a one-line meaning. The same declaration is checked when a system is made,
printed in help texts and rendered in the documentation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from neurosim.circuit.finite import is_finite
from neurosim.errors import ParameterError, near_matches

__all__ = [
    "ParameterInfo",
    "allowed_text",
    "check_parameters",
    "describe_parameters",
    "inherited",
    "parameter",
    "parse_value",
]

#: Values longer than this are shortened in messages.
_LONGEST_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """What a system says about one of its parameters.

    Attributes
    ----------
    symbol : str
        Symbol in the paper, in LaTeX.
    unit : str
        Unit of the stored number, ``"1"`` if dimensionless.
    doc : str
        One line of plain words.
    low, high : float or None
        Bounds, ``None`` where there is none.
    open_low, open_high : bool
        Whether the bound itself is excluded.
    choices : tuple of str
        Allowed words, for parameters that are words.
    form : str
        How to write it, for parameters that are free text; the system checks it.
    """

    symbol: str
    unit: str
    doc: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    form: str = ""

    def range_text(self) -> str:
        """The allowed range; see :func:`allowed_text` for parameters that are no numbers.

        Returns
        -------
        str
            In mathematical notation or words, ``"any number"`` if unbounded.
        """
        if self.form:
            return self.form
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is None and self.high is None:
            return "any number"
        left = "(" if self.open_low or self.low is None else "["
        right = ")" if self.open_high or self.high is None else "]"
        low = "-inf" if self.low is None else f"{self.low:g}"
        high = "inf" if self.high is None else f"{self.high:g}"
        return f"{left}{low}, {high}{right}"

    def allows(self, value: float) -> bool:
        """Whether one number is finite, as a floating-point number too, and inside the bounds.

        Parameters
        ----------
        value : float or int
            The number.

        Returns
        -------
        bool
            Whether the parameter may have this value.
        """
        if not is_finite(value):
            return False
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return not (
            self.high is not None and (value > self.high or (self.open_high and value == self.high))
        )


def parameter(
    default: Any,
    doc: str,
    *,
    symbol: str = "",
    unit: str = "1",
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
    choices: tuple[str, ...] = (),
    form: str = "",
) -> Any:
    """Declare a dataclass field that knows its symbol, unit, bounds and meaning.

    Parameters
    ----------
    default : object
        Default value; a tuple makes a per-layer parameter.
    doc : str
        One line of plain words.
    symbol, unit, low, high, open_low, open_high, choices, form
        See :class:`ParameterInfo`.

    Returns
    -------
    dataclasses.Field
        The field, with a :class:`ParameterInfo` under metadata key ``"info"``.
    """
    info = ParameterInfo(symbol, unit, doc, low, high, open_low, open_high, choices, form)
    return dataclasses.field(default=default, metadata={"info": info})


def inherited(owner: type, name: str, default: Any, doc: str = "") -> Any:
    """Declare a field of a base class again, with another default.

    Parameters
    ----------
    owner : type
        The base class that declares the parameter.
    name : str
        Its name, which the new field must have as well.
    default : object
        The new default, of the same type.
    doc : str
        One line of plain words, if they differ.

    Returns
    -------
    dataclasses.Field
        With the symbol, unit and bounds of the base class.

    Raises
    ------
    ParameterError
        If the base class has no such parameter.

    Examples
    --------
    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Slow:
    ...     tau: float = parameter(20.0, "time constant", unit="ms", low=0)
    >>> @dataclasses.dataclass(frozen=True)
    ... class Fast(Slow):
    ...     tau: float = inherited(Slow, "tau", 2.0)
    >>> Fast().tau, describe_parameters(Fast)["tau"].unit
    (2.0, 'ms')
    """
    info = _info_of(owner, name)
    return dataclasses.field(
        default=default, metadata={"info": dataclasses.replace(info, doc=doc or info.doc)}
    )


def _info_of(owner: type, name: str) -> ParameterInfo:
    infos = describe_parameters(owner)
    if name not in infos:
        raise ParameterError(
            f"{owner.__name__} has no parameter {name!r}; {near_matches(name, infos)}"
        )
    return infos[name]


def describe_parameters(owner: Any) -> dict[str, ParameterInfo]:
    """Map each declared parameter of a system to its description.

    Parameters
    ----------
    owner : type or dataclass instance
        A system, or its class.

    Returns
    -------
    dict of str to ParameterInfo
        By name, in the order of declaration.
    """
    return {
        field.name: field.metadata["info"]
        for field in dataclasses.fields(owner)
        if "info" in field.metadata
    }


def allowed_text(default: Any, info: ParameterInfo) -> str:
    """What a parameter may be, in words or in mathematical notation.

    Parameters
    ----------
    default : object
        Its default, which tells its type.
    info : ParameterInfo
        Its description.

    Returns
    -------
    str
        ``"true or false"`` for a switch, else :meth:`ParameterInfo.range_text`.
    """
    return _SWITCH if isinstance(default, bool) else info.range_text()


#: How a switch is written in files and on the command line.
_SWITCH = "true or false"


def check_parameters(instance: Any) -> None:
    """Check every declared parameter of a dataclass instance against its bounds.

    Parameters
    ----------
    instance : dataclass instance
        Usually ``self``, called from ``__post_init__``.

    Raises
    ------
    ParameterError
        If a value has the wrong type or lies outside its range.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(instance)}
    for name, info in describe_parameters(instance).items():
        label = f"{type(instance).__name__}.{name}"
        _check_one(label, getattr(instance, name), defaults[name], info)


def _check_one(label: str, value: Any, default: Any, info: ParameterInfo) -> None:
    if isinstance(default, tuple):
        if not isinstance(value, tuple):
            raise ParameterError(f"{label} = {_brief(value)}: give a tuple, e.g. {default!r}")
        for item in value:
            _check_one(label, item, default[0], info)
        return
    if info.choices:
        if value not in info.choices:
            raise ParameterError(
                f"{label} = {_brief(value)}: {near_matches(str(value), info.choices)}"
            )
        return
    if info.form:
        if not isinstance(value, str):
            raise ParameterError(f"{label} = {_brief(value)}: give text, {info.form}")
        return
    kind = _kind(default)
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
        raise ParameterError(
            f"{label} = {_brief(value)} is a {type(value).__name__}; give {_wanted(default, info)}"
        )
    if not isinstance(default, bool) and not info.allows(cast(float, value)):
        unit = "" if info.unit == "1" else f" {info.unit}"
        raise ParameterError(
            f"{label} = {_brief(value)}{unit} is out of range; allowed: {info.range_text()}{unit}"
        )


def _brief(value: Any) -> str:
    """A value for a message, shortened in the middle if it would not fit on a line."""
    try:
        text = repr(value)
    except ValueError:
        # Python does not write out whole numbers of more than 4300 digits
        return f"a {type(value).__name__} of very many digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:30]}...{text[-10:]}"


def _kind(default: Any) -> tuple[type, ...]:
    """Types whose values may stand for the default: whole numbers may for real ones."""
    if isinstance(default, bool):
        return (bool,)
    return (int,) if isinstance(default, int) else (int, float)


def _wanted(default: Any, info: ParameterInfo) -> str:
    if isinstance(default, bool):
        return "True or False"
    number = "a whole number" if isinstance(default, int) else "a number"
    return f"{number} in {info.range_text()}"


def parse_value(owner: type, name: str, given: Any) -> Any:
    """Turn what a config file or ``--set`` holds into the type of a parameter.

    Parameters
    ----------
    owner : type
        The system class that declares the parameter.
    name : str
        Parameter name.
    given : object
        A TOML value, or text such as ``"0.3"``, ``"true"`` or ``"1.0,0.7"``.

    Returns
    -------
    object
        A value of the type of the parameter's default.

    Raises
    ------
    ParameterError
        If the name is unknown or the value cannot be read.

    Examples
    --------
    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Toy:
    ...     mu: tuple = parameter((1.0, 0.7), "learning rates", low=0)
    >>> parse_value(Toy, "mu", "0.5,0.25")
    (0.5, 0.25)
    """
    info = _info_of(owner, name)
    defaults: Mapping[str, Any] = {field.name: field.default for field in dataclasses.fields(owner)}
    default = defaults[name]
    try:
        return _convert(default, given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(
            f"{owner.__name__}.{name} = {_brief(given)} cannot be read; give "
            f"{_expected(default, info)}"
        ) from error


def _expected(default: Any, info: ParameterInfo) -> str:
    if isinstance(default, bool):
        return _SWITCH
    if isinstance(default, tuple):
        what = f"{'words' if isinstance(default[0], str) else 'numbers'} separated by commas"
    else:
        words = {int: "a whole number", float: "a number"}
        what = words.get(type(default), "a word")
    return f"{what}, {info.range_text()}"


def _convert(default: Any, given: Any) -> Any:
    if isinstance(default, tuple):
        items = given.split(",") if isinstance(given, str) else given
        items = [items] if isinstance(items, (int, float)) else items
        return tuple(_convert(default[0], item) for item in items)
    if isinstance(default, bool):
        return _to_bool(given)
    if isinstance(default, int):
        if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
            raise ValueError(given)
        return int(given)
    if isinstance(default, float):
        if isinstance(given, bool):
            raise ValueError(given)
        return float(given)
    if not isinstance(given, str):
        raise TypeError(given)
    return given


def _to_bool(given: Any) -> bool:
    if isinstance(given, bool):
        return given
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if not isinstance(given, str) or given.lower() not in words:
        raise ValueError(given)
    return words[given.lower()]
