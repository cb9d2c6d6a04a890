"""What a search varies: numbers of a system's parameters, between two bounds or among choices.

A parameter of several values, such as a rate per layer, makes a dimension for each of them,
``mu_ff.0``, ``mu_ff.1``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from neurosim.errors import ParameterError, near_matches
from neurosim.system import System
from neurosim.system.parameters import ParameterInfo, describe_parameters
from neurosim.system.values import parse_value

__all__ = ["Dimension", "dimensions", "parameters_of"]

#: By which a value is divided and multiplied, where no bounds are given.
FACTOR = 4.0


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One number that a search chooses.

    Attributes
    ----------
    name : str
        ``PARAMETER``, or ``PARAMETER.PLACE`` for one of several values.
    start : float or str or bool or int
        Value of the settings that the search begins with.
    low, high : float or None
        Bounds, both included; None where there are choices.
    logarithmic : bool
        Whether ratios count, and not differences.
    choices : tuple
        Allowed values, in place of bounds.
    """

    name: str
    start: Any
    low: float | None = None
    high: float | None = None
    logarithmic: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def parameter(self) -> str:
        """The parameter that it belongs to."""
        return self.name.partition(".")[0]

    def suggest(self, trial: Any) -> Any:
        """Let a trial of Optuna choose a value.

        Parameters
        ----------
        trial : optuna.Trial
            The trial.

        Returns
        -------
        object
            The value.
        """
        if self.choices:
            return trial.suggest_categorical(self.name, self.choices)
        suggest = trial.suggest_int if isinstance(self.start, int) else trial.suggest_float
        return suggest(self.name, self.low, self.high, log=self.logarithmic)

    def allows(self, value: Any) -> bool:
        """Whether a value can be chosen.

        Parameters
        ----------
        value : object
            The value.

        Returns
        -------
        bool
            Whether it is among the choices, or between the bounds.
        """
        if self.low is None or self.high is None:
            return value in self.choices
        return bool(self.low <= value <= self.high)


def dimensions(system: System, wanted: Sequence[str] = ()) -> tuple[Dimension, ...]:
    """What a search varies.

    Parameters
    ----------
    system : System
        With the values that the search begins with.
    wanted : sequence of str
        ``NAME`` (from a quarter of its value to four times it), ``NAME=LOW:HIGH`` or
        ``NAME=A,B,...``; by default all rates per layer.

    Returns
    -------
    tuple of Dimension
        At least one.

    Raises
    ------
    ParameterError
        If a parameter is unknown or no number, bounds are missing or out of its range, or by
        default there is nothing to vary.
    """
    infos = describe_parameters(system)
    texts = list(wanted) or [name for name, info in infos.items() if _is_rate(system, name, info)]
    if not texts:
        raise ParameterError(
            f"{system.name} has no rates per layer; say what to vary, e.g. --vary NAME=0.001:0.1; "
            f"parameters: {', '.join(infos)}"
        )
    names = [text.partition("=")[0].strip() for text in texts]
    for name in names:
        if name not in infos:
            raise ParameterError(
                f"--vary {name}: {system.name} has no such parameter; {near_matches(name, infos)}"
            )
    for name, text in zip(names, texts, strict=True):
        if "=" in text and not text.partition("=")[2].strip():
            raise ParameterError(
                f"--vary {text}: nothing is given after =; write NAME=LOW:HIGH or NAME=A,B,..., or "
                f"{name} alone for a quarter of its value to four times it"
            )
    if len(set(names)) != len(names):
        raise ParameterError(f"--vary {' '.join(names)}: one is given twice; leave it out")
    return tuple(
        dimension
        for name, text in zip(names, texts, strict=True)
        for dimension in _dimensions(system, name, text.partition("=")[2].strip(), infos[name])
    )


def parameters_of(system: System, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a system with the values of a trial.

    Parameters
    ----------
    system : System
        With the values that the search begins with.
    values : mapping of str to object
        Value by the name of its dimension.

    Returns
    -------
    dict of str to object
        Only those that are varied.
    """
    made: dict[str, Any] = {}
    for name, value in values.items():
        parameter, dot, place = name.partition(".")
        if dot:
            whole = list(made.get(parameter, getattr(system, parameter)))
            whole[int(place)] = value
            made[parameter] = tuple(whole)
        else:
            made[parameter] = value
    return made


def _is_rate(system: System, name: str, info: ParameterInfo) -> bool:
    values = getattr(system, name)
    return bool(info.per) and all(isinstance(value, float) and value > 0 for value in values)


def _dimensions(system: System, name: str, text: str, info: ParameterInfo) -> list[Dimension]:
    start = getattr(system, name)
    if not isinstance(start, tuple):
        return [_dimension(type(system), name, name, start, text, info)]
    return [
        _dimension(type(system), name, f"{name}.{place}", value, text, info)
        for place, value in enumerate(start)
    ]


def _dimension(
    owner: type[System], parameter: str, name: str, start: Any, text: str, info: ParameterInfo
) -> Dimension:
    if text and ":" not in text:
        choices = tuple(_choice(owner, parameter, start, word, info) for word in text.split(","))
        return Dimension(name, start, choices=choices)
    if isinstance(start, bool) or not isinstance(start, (int, float)):
        raise ParameterError(f"--vary {name}: {start!r} is no number; give choices, NAME=A,B,...")
    low, high = _bounds(name, start, text)
    for bound in (low, high):
        if not info.allows(bound):
            raise ParameterError(f"--vary {name}: {bound:g} is out of {info.range_text()}")
    if isinstance(start, int):
        low, high = int(low), int(high)
    return Dimension(name, start, low, high, logarithmic=low > 0)


def _choice(owner: type[System], parameter: str, start: Any, word: str, info: ParameterInfo) -> Any:
    if not isinstance(start, (int, float)) or isinstance(start, bool):
        return parse_value(owner, parameter, word.strip())
    try:
        value = type(start)(word)
    except ValueError:
        raise ParameterError(f"--vary {parameter}: {word!r} is no number") from None
    if not info.allows(value):
        raise ParameterError(f"--vary {parameter}: {value:g} is out of {info.range_text()}")
    return value


def _bounds(name: str, start: float, text: str) -> tuple[float, float]:
    if not text:
        if start == 0:
            raise ParameterError(f"--vary {name}: its value is 0; give bounds, NAME=LOW:HIGH")
        return min(start / FACTOR, start * FACTOR), max(start / FACTOR, start * FACTOR)
    try:
        low, high = (float(word) for word in text.split(":"))
    except ValueError:
        raise ParameterError(f"--vary {name}={text}: write NAME=LOW:HIGH") from None
    if not low < high:
        raise ParameterError(f"--vary {name}={text}: the lower bound comes first")
    return low, high
