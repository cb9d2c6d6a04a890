"""Time steps, phases and time constants: what they mean, and which are refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from neurosim.circuit import MAX_CYCLE_STEPS
from neurosim.errors import ParameterError

__all__ = [
    "check_euler_step",
    "check_time_constants",
    "check_whole_steps",
    "whole_steps",
]


def whole_steps(time: float, dt: float) -> int:
    """Number of time steps in a length of time.

    Parameters
    ----------
    time, dt : float
        The length and the step, both in ms.

    Returns
    -------
    int
        The nearest whole number (see :func:`check_whole_steps`).
    """
    return round(time / dt)


def check_whole_steps(owner: str, times: Mapping[str, float], dt: float) -> None:
    """Refuse a phase that is not a whole number of time steps, at least one, or far too long.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    times : mapping of str to float
        Lengths in ms by parameter name.
    dt : float
        Time step in ms.

    Raises
    ------
    ParameterError
        For the first length that does not fit, or if all of them are too long together.
    """
    for name, value in times.items():
        if value / dt > MAX_CYCLE_STEPS:
            raise ParameterError(
                f"{owner}.{name} = {value} ms has more than {MAX_CYCLE_STEPS} steps of {dt} ms; "
                "take a larger dt or a shorter phase"
            )
        steps = whole_steps(value, dt)
        if steps < 1 or not math.isclose(steps * dt, value):
            raise ParameterError(
                f"{owner}.{name} = {value} ms is not a whole number of steps of "
                f"{dt} ms; give a multiple of dt"
            )
    total = sum(whole_steps(value, dt) for value in times.values())
    if total > MAX_CYCLE_STEPS:
        raise ParameterError(
            f"{owner}: {' and '.join(times)} together have {total} steps of {dt} ms; at most "
            f"{MAX_CYCLE_STEPS} are run: take a larger dt or shorter phases"
        )


def check_time_constants(
    owner: str, times: Mapping[str, float], dt: float, *, instantaneous: bool = False
) -> None:
    """Refuse a time constant that is shorter than a time step.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    times : mapping of str to float
        Time constants in ms by parameter name.
    dt : float
        Time step in ms.
    instantaneous : bool
        Whether 0 is allowed and means no delay at all.

    Raises
    ------
    ParameterError
        For the first one that does not fit.
    """
    for name, value in times.items():
        if value < dt and not (instantaneous and value == 0):
            zero = "0 (instantaneous) or " if instantaneous else ""
            raise ParameterError(
                f"{owner}.{name} = {value} ms is shorter than the time step; use {zero}at least "
                f"{dt} ms"
            )


def check_euler_step(
    owner: str,
    tau: tuple[str, float],
    dt: float,
    cells: Iterable[tuple[str, str, float]],
    **given: float,
) -> None:
    """Refuse an explicit Euler step with which a single cell would oscillate without bound.

    Parameters
    ----------
    owner : str
        Name of the system, for messages.
    tau : tuple of str and float
        Name and value of the membrane time constant, in ms.
    dt : float
        Time step in ms.
    cells : iterable of tuple of str, str and float
        Which cells, by which terms they relax towards rest without their synapses, and the sum
        of these terms, as a multiple of 1/tau.
    **given : float
        Parameters in these terms, for the message.

    Raises
    ------
    ParameterError
        If dt/tau times the largest sum is 2 or more.
    """
    name, value = tau
    where, terms, speed = max(cells, key=lambda found: found[-1])
    step = dt / value * speed
    if not step < 2:
        values = "".join(f" and {key} = {number}" for key, number in given.items())
        factor = f"({terms})" if terms else ""
        raise ParameterError(
            f"{owner}: the Euler step is unstable in {where}: (dt/{name}){factor} = {step:.3g} "
            f"must stay below 2; with dt = {dt} ms{values} use {name} > {dt * speed / 2:.3g} ms "
            "or a smaller dt"
        )
