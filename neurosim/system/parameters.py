"""Parameters of systems: declared in one line each, and checked by their declaration.

A field made with :func:`parameter` carries a one-line meaning, the paper's symbol, a range
and a unit. The same declaration is checked when a system is made, printed in help texts and
rendered in the documentation.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from neurosim.circuit.finite import is_finite
from neurosim.errors import ParameterError, brief, near_matches
from neurosim.system.names import check_name

__all__ = [
    "SWITCH",
    "ParameterInfo",
    "allowed_text",
    "check_parameters",
    "describe_parameters",
    "find_parameter",
    "inherited",
    "parameter",
]

#: How a switch is written in files and on the command line.
SWITCH = "true or false"

#: Allowed numbers of values of a per-layer parameter, from the number of layers.
_COUNTS: Mapping[str, Callable[[int], tuple[int, ...]]] = {
    "layer above the input": lambda layers: (layers - 1,),
    "hidden layer": lambda layers: (layers - 2,),
    "layer above the input, or one for all": lambda layers: (1, layers - 1),
}

#: A range as papers write it, with a unit behind it: ``(0, inf) ms``.
_RANGE = re.compile(r"([\[(])([^,]+),([^,]+)([\])])(?:\s+(\S+))?")


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
        How to write it, for parameters that are words or nested tuples; the system
        checks it.
    per : str
        What a per-layer parameter has a value for: ``"layer above the input"``,
        ``"hidden layer"`` or ``"layer above the input, or one for all"``.
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
    per: str = ""

    def counts(self, layers: int) -> tuple[int, ...]:
        """Allowed numbers of values in a network.

        Parameters
        ----------
        layers : int
            Number of layers, with the input's.

        Returns
        -------
        tuple of int
            Empty if the parameter has no value per layer.
        """
        return _COUNTS[self.per](layers) if self.per else ()

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
    symbol: str = "",
    allowed: str = "",
    *,
    unit: str = "1",
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
    open_high: bool = False,
    choices: tuple[str, ...] = (),
    form: str = "",
    per: str = "",
) -> Any:
    r"""Declare a dataclass field that knows its symbol, unit, bounds and meaning.

    Parameters
    ----------
    default : object
        Default value; a tuple makes a parameter of several values.
    doc : str
        One line of plain words.
    symbol : str
        Symbol in the paper, in LaTeX.
    allowed : str
        Range and unit in the notation of :meth:`ParameterInfo.range_text`:
        ``"(0, 1]"``, ``"[0, inf) ms"``. It replaces ``low``, ``high``, ``open_low``,
        ``open_high`` and ``unit``.
    unit, low, high, open_low, open_high, choices, form, per
        See :class:`ParameterInfo`.

    Returns
    -------
    dataclasses.Field
        The field, with a :class:`ParameterInfo` under metadata key ``"info"``.

    Raises
    ------
    ParameterError
        If ``allowed`` is no range, or bounds are given twice, or ``per`` is unknown.

    Examples
    --------
    >>> field = parameter(20.0, "membrane time constant", r"\tau_u", "(0, inf) ms")
    >>> field.metadata["info"].range_text(), field.metadata["info"].unit
    ('(0, inf)', 'ms')
    """
    bounds = {"low": low, "high": high, "open_low": open_low, "open_high": open_high, "unit": unit}
    if allowed:
        if bounds != {**_UNBOUNDED, "unit": "1"}:
            raise ParameterError(
                f"parameter {doc!r}: give either {allowed!r} or low, high and unit"
            )
        bounds = _read_range(allowed)
    if per and per not in _COUNTS:
        raise ParameterError(f"parameter {doc!r}, per = {per!r}: {near_matches(per, _COUNTS)}")
    info = ParameterInfo(
        symbol=symbol, doc=doc, choices=choices, form=form, per=per, **cast(Any, bounds)
    )
    return dataclasses.field(default=default, metadata={"info": info})


_UNBOUNDED = {"low": None, "high": None, "open_low": False, "open_high": False}


def _read_range(text: str) -> dict[str, Any]:
    """Bounds and unit from text such as ``"(0, inf) ms"``."""
    found = _RANGE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        left, low, high, right, unit = found.groups()
        lower, upper = float(low), float(high)
        if not lower < upper:
            raise ValueError(text)
    except ValueError:
        raise ParameterError(
            f"allowed = {text!r} is no range; write e.g. '(0, 1]', '[0, inf)' or '(0, inf) ms'"
        ) from None
    return {
        "low": None if lower == -math.inf else lower,
        "high": None if upper == math.inf else upper,
        "open_low": left == "(" and lower != -math.inf,
        "open_high": right == ")" and upper != math.inf,
        "unit": unit or "1",
    }


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
    info = find_parameter(owner, name)
    return dataclasses.field(
        default=default, metadata={"info": dataclasses.replace(info, doc=doc or info.doc)}
    )


def find_parameter(owner: type, name: str) -> ParameterInfo:
    """Look a parameter up by name.

    Parameters
    ----------
    owner : type
        The class that declares it.
    name : str
        Its name.

    Returns
    -------
    ParameterInfo
        Its declaration.

    Raises
    ------
    ParameterError
        If the class has no such parameter; the message names near matches.
    """
    infos = _described(owner)
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

    Raises
    ------
    ParameterError
        If a parameter has a name that equations or generated code cannot take.
    """
    return dict(_described(owner if isinstance(owner, type) else type(owner)))


@functools.lru_cache(maxsize=256)
def _described(owner: type[Any]) -> Mapping[str, ParameterInfo]:
    infos = {
        field.name: field.metadata["info"]
        for field in dataclasses.fields(owner)
        if "info" in field.metadata
    }
    for name in infos:
        check_name(owner.__name__, name)
    return infos


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
    return SWITCH if isinstance(default, bool) else info.range_text()


def check_parameters(instance: Any) -> None:
    """Check every declared parameter of a dataclass instance against its declaration.

    Parameters
    ----------
    instance : dataclass instance
        Usually ``self``, called from ``__post_init__``.

    Raises
    ------
    ParameterError
        If a value has the wrong type or lies outside its range, a per-layer
        parameter has another number of values than ``instance.layers`` needs, or the class
        is no dataclass.
    """
    _refuse_undeclared(type(instance))
    defaults = {field.name: field.default for field in dataclasses.fields(instance)}
    for name, info in describe_parameters(instance).items():
        label, value = f"{type(instance).__name__}.{name}", getattr(instance, name)
        _check_one(label, value, defaults[name], info)
        if info.per:
            _check_count(label, name, value, info.counts(len(instance.layers)))


def _refuse_undeclared(owner: type) -> None:
    for kind in owner.__mro__:
        for name, value in vars(kind).items():
            # the decorator puts the default in the place of the field
            if isinstance(value, dataclasses.Field):
                raise ParameterError(
                    f"{kind.__name__}.{name} is no parameter yet: write "
                    f"@dataclasses.dataclass(frozen=True) above class {kind.__name__}, and the "
                    f"type of {name} behind its name"
                )


def _check_count(label: str, name: str, values: tuple[Any, ...], counts: tuple[int, ...]) -> None:
    if len(values) in counts:
        return
    needed = " or ".join(map(str, sorted(set(counts))))
    count = counts[-1]
    example = (*values, *(values or (0.01,)) * count)[:count]
    shown = ",".join(f"{v:g}" if isinstance(v, (int, float)) else str(v) for v in example)
    raise ParameterError(
        f"{label} has {len(values)} value{'' if len(values) == 1 else 's'}, but these layers need "
        f"{needed}; give {needed}, e.g. {name}={shown}"
    )


def _check_one(label: str, value: Any, default: Any, info: ParameterInfo) -> None:
    if isinstance(default, tuple):
        if not isinstance(value, tuple):
            raise ParameterError(f"{label} = {brief(value)}: give a tuple, e.g. {default!r}")
        for item in value:
            _check_one(label, item, default[0], info)
        return
    if info.choices:
        if value not in info.choices:
            raise ParameterError(
                f"{label} = {brief(value)}: {near_matches(str(value), info.choices)}"
            )
        return
    if info.form:
        if not isinstance(value, (str, tuple)):
            raise ParameterError(f"{label} = {brief(value)}: give {info.form}")
        return
    kind = _kind(default)
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
        raise ParameterError(
            f"{label} = {brief(value)} is a {type(value).__name__}; give {_wanted(default, info)}"
        )
    if not isinstance(default, bool) and not info.allows(cast(float, value)):
        unit = "" if info.unit == "1" else f" {info.unit}"
        raise ParameterError(
            f"{label} = {brief(value)}{unit} is out of range; allowed: {info.range_text()}{unit}"
        )


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
