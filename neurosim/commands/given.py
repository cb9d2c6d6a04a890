"""What options say of a system, and contradictions among them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from neurosim.errors import ParameterError

__all__ = ["given_settings", "refuse_unused_hidden"]

#: Options that are not named after their setting.
_OPTION_NAMES = {"check_output": "no-output-check"}


def refuse_unused_hidden(given: Sequence[int] | None, system: Any) -> None:
    """Refuse hidden layers that a system does not take.

    Parameters
    ----------
    given : sequence of int or None
        Sizes that ``--hidden`` names.
    system : System
        What was made of them.

    Raises
    ------
    ParameterError
        If its layers are others.
    """
    taken = list(system.layers[1:-1])
    if given is not None and list(given) != taken:
        has = " ".join(map(str, taken)) or "none"
        raise ParameterError(
            f"--hidden {' '.join(map(str, given))}: the hidden layers of {system.name!r} are "
            f"{has}; leave --hidden out, or let its preset(dataset, hidden) take them"
        )


def given_settings(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Settings that options give, and parameters of the system below ``"parameters"``.

    Parameters
    ----------
    options : argparse.Namespace
        With the options that choose system, data set and parameters.
    names : iterable of str
        Names of the run's settings.

    Returns
    -------
    dict of str to object
        None where an option is not given.

    Raises
    ------
    ParameterError
        If a parameter is given twice, or is a setting of the run.
    """
    given = {name: getattr(options, name, None) for name in names}
    parameters: dict[str, str] = {}
    for name, value in map(_split_setting, options.set):
        if name in parameters:
            raise ParameterError(
                f"--set {name}={parameters[name]} and --set {name}={value} contradict each other; "
                "give one of them"
            )
        parameters[name] = value
    _refuse_run_settings(parameters, given)
    for name in ("event_threshold", "batch"):
        value = getattr(options, name)
        if value is not None and name in parameters:
            raise ParameterError(
                f"--{name.replace('_', '-')} {value} and --set {name}={parameters[name]} are the "
                "same parameter; give one of them"
            )
        if value is not None:
            parameters[name] = value
    return {**given, "parameters": parameters}


def _split_setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ParameterError(f"--set {text}: write --set NAME=VALUE, e.g. --set epsilon=0.3")
    return name.strip(), value.strip()


def _refuse_run_settings(parameters: Iterable[str], settings: Iterable[str]) -> None:
    for name in sorted({*parameters} & {*settings}):
        option = _OPTION_NAMES.get(name, name.replace("_", "-"))
        raise ParameterError(f"--set {name}: this is no parameter of the system; use --{option}")
