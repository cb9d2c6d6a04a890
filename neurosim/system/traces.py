"""Names, words and units under which a system's variables are recorded and drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from neurosim.errors import CircuitError, near_matches

__all__ = ["TRACE_KINDS", "LayerTraces", "Trace", "plain_traces"]

#: What a trace can be; traces of a kind share an axis, which is labelled with these words.
TRACE_KINDS: Mapping[str, str] = {
    "potential": "potential",
    "rate": "rate",
    "inhibition": "inhibition",
    "current": "current",
    "error": "prediction error",
    "other": "value",
    "spikes": "graded spikes",
}


@dataclasses.dataclass(frozen=True)
class Trace:
    """A variable of the model under the name that recordings and plots give it.

    Attributes
    ----------
    name : str
        Name in a recording, e.g. ``"apical"``.
    variable : str
        Variable in the model's equations, e.g. ``"v_A"``.
    long_name : str
        What it is, in plain words.
    symbol : str
        The paper's symbol, in LaTeX.
    kind : str
        One of :data:`TRACE_KINDS`.
    unit : str
        Unit of the values; ``"1"`` if they have none.
    population : str
        Where the variable lives, if not in the layer's own population: one with as
        many cells, cell for cell the partner of the layer's, or of one cell, which is
        recorded for all of them alike.
    change : bool
        Record the change of the variable from step to step, from 0 at the onset. Of
        the value last sent, which the onset sets to 0, this is the graded spike: the
        very difference that travels.
    shown : bool
        Whether a plot shows it before anybody asks.
    layers : {"all", "hidden", "output"}
        Which layers above the input have it.

    Raises
    ------
    CircuitError
        If there is no such kind.
    """

    name: str
    variable: str
    long_name: str
    symbol: str
    kind: str = "other"
    unit: str = "1"
    population: str = ""
    change: bool = False
    shown: bool = True
    layers: str = "all"

    def __post_init__(self) -> None:
        if self.kind not in TRACE_KINDS:
            raise CircuitError(
                f"trace {self.name!r} is of kind {self.kind!r}; "
                f"{near_matches(self.kind, TRACE_KINDS)}"
            )


@dataclasses.dataclass(frozen=True)
class LayerTraces:
    """What is recorded of a layer.

    Attributes
    ----------
    layer : int
        Number of the layer; 0 is the input.
    population : str
        Its cells.
    traces : tuple of Trace
        What is recorded of every cell.

    Raises
    ------
    CircuitError
        If two traces have one name.
    """

    layer: int
    population: str
    traces: tuple[Trace, ...]

    def __post_init__(self) -> None:
        names = [trace.name for trace in self.traces]
        if len(set(names)) != len(names):
            raise CircuitError(f"layer {self.layer} declares a trace twice: {names}")

    def variables(self) -> dict[str, tuple[str, ...]]:
        """Variables to record.

        Returns
        -------
        dict of str to tuple of str
            Names of variables by population, each once.
        """
        wanted: dict[str, dict[str, None]] = {}
        for trace in self.traces:
            wanted.setdefault(trace.population or self.population, {})[trace.variable] = None
        return {population: tuple(names) for population, names in wanted.items()}


def plain_traces(rate: str, state: str, variables: tuple[str, ...]) -> tuple[Trace, ...]:
    """Traces of a layer whose system declares nothing but equations.

    Parameters
    ----------
    rate, state : str
        Variables that are the rate and the state of its cells.
    variables : tuple of str
        All of their variables.

    Returns
    -------
    tuple of Trace
        Rate, state and graded spikes, and the others under their own names.
    """
    sent = f"{rate}_sent"
    traces = [Trace("rate", rate, "rate", rate, "rate")]
    if state != rate:
        traces.insert(0, Trace("state", state, "state", state, "potential"))
    traces += [
        Trace(name, name, f"variable {name}", rf"\mathrm{{{name.replace('_', ' ')}}}", shown=False)
        for name in variables
        if name not in (rate, state, sent)
    ]
    if sent in variables:
        symbol = rf"\Delta {rate}"
        traces.append(Trace("spikes", sent, "graded spikes sent", symbol, "spikes", change=True))
    return tuple(traces)
