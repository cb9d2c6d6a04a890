"""Which cells to look at first, and which signals are too small to be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.labels import trace_names

__all__ = [
    "Movement",
    "changing_traces",
    "find_movement",
    "leaps",
    "most_moved",
    "quiet_traces",
    "reference_step",
]

#: A signal below this share of the soma's range is not drawn at first.
QUIET = 1e-4
#: Below this share of its range a state counts as not moved.
_STILL = 1e-6


class Movement:
    """How much each cell of a layer is moved.

    Parameters
    ----------
    scores : ndarray, shape (n_images, n_neurons)
        The measure.
    words : str
        What it is, such as ``"change of the somatic potential after the free phase"``.
    rank : int
        0 for a change of the state, 1 for a change of another signal, 2 for activity.
    """

    def __init__(self, scores: NDArray[Any], words: str, rank: int) -> None:
        self.scores, self.words, self.rank = scores, words, rank


def find_movement(data: Any) -> Movement:
    """How much the cells of a layer move once the first phase is over.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer, image × time × neuron.

    Returns
    -------
    Movement
        By the state of the cells; if that stays, by the other signals shown; in a recording of
        one phase, by the rate.
    """
    names = trace_names(data)
    kinds = {name: data[name].attrs["kind"] for name in names}
    phases = data.phase.values
    if phases[-1] != phases[0]:
        for rank, group in enumerate((_states(names, kinds)[:1], _others(data, names, kinds))):
            changes = {
                name: _change(data, name, settled=rank == 0)
                for name in group
                # what one cell tells all cells of the layer sets none of them apart
                if rank == 0 or _differs(data[name].values)
            }
            best = max(changes, key=lambda name: float(changes[name].max(initial=0)), default="")
            if best and float(changes[best].max()) > _STILL * _range(data[best].values):
                how = "change" if rank == 0 else "largest change"
                words = data[best].attrs["long_name"]
                return Movement(
                    changes[best], f"{how} of the {words} after the {phases[0]} phase", rank
                )
    name = next((n for n in names if kinds[n] == "rate"), names[0])
    scores = np.abs(data[name].values).max(axis=1)
    return Movement(scores, f"largest {data[name].attrs['long_name']}", 2)


def reference_step(data: Any, name: str) -> int:
    """The step from which changes of a trace are counted.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.
    name : str
        Name of the trace.

    Returns
    -------
    int
        The last of the first phase; the one before, where the last already has the value with
        which the next phase begins.
    """
    phases = data.phase.values
    end = int((phases == phases[0]).sum()) - 1
    return max(end - (end in leaps(data, name)), 0)


def leaps(data: Any, name: str) -> list[int]:
    """Steps in which a trace already has the value with which the next phase begins.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.
    name : str
        Name of the trace.

    Returns
    -------
    list of int
        Positions in time; none in recordings that do not tell.
    """
    names = [n for n in data[name].attrs.get("set_at_end_of", "").split(", ") if n]
    phases = data.phase.values
    last = (int(np.flatnonzero(phases == n)[-1]) for n in names if n in phases)
    return [step for step in last if 0 < step < len(phases) - 1]


def _states(names: list[str], kinds: dict[str, str]) -> list[str]:
    return [name for name in names if kinds[name] == "potential"]


def _others(data: Any, names: list[str], kinds: dict[str, str]) -> list[str]:
    """Signals that are shown at first; a target is none of the cell's own."""
    there = ("error", "current", "inhibition", "other", "potential")
    return [name for name in names if kinds[name] in there and data[name].attrs["shown"]]


def _change(data: Any, name: str, *, settled: bool) -> NDArray[Any]:
    """By the end of the last phase, or the largest on the way there."""
    values, step = data[name].values, reference_step(data, name)
    later = values[:, -1:] if settled else values[:, step + 1 :]
    change = np.abs(later - values[:, step : step + 1]).max(axis=1)
    return np.asarray(change, dtype=np.float32)


def _differs(values: NDArray[Any]) -> bool:
    """Whether some cells differ; a layer of one cell counts."""
    return values.shape[2] == 1 or bool((values != values[:, :, :1]).any())


def _range(values: NDArray[Any]) -> float:
    return float(np.ptp(values)) if values.size else 0.0


def most_moved(movements: dict[int, Movement], image: int) -> tuple[int, int]:
    """The layer and the cell that an image's later phases move most.

    Parameters
    ----------
    movements : dict of int to Movement
        By layer; that of the input counts only if there is no other.
    image : int
        Position of the image.

    Returns
    -------
    layer, cell : int
        Number of the layer, position of the cell.
    """
    layers = [number for number in movements if number > 0] or list(movements)
    best = min(
        layers,
        key=lambda n: (movements[n].rank, -float(movements[n].scores[image].max(initial=0))),
    )
    return best, int(movements[best].scores[image].argmax())


def changing_traces(data: Any) -> list[str]:
    """Signals whose change since the end of the first phase is worth a panel.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.

    Returns
    -------
    list of str
        Potentials, and where they all stay, what else changes.
    """
    names = trace_names(data)
    kinds = {name: data[name].attrs["kind"] for name in names}
    if find_movement(data).rank == 0:
        return _states(names, kinds)
    return _others(data, names, kinds)


def quiet_traces(data: Any) -> dict[str, str]:
    """Signals that are shown at first if it were not for their size.

    Parameters
    ----------
    data : xarray.Dataset
        Recording of one layer.

    Returns
    -------
    dict of str to str
        Words by name of trace, without a full stop. A kind of signal is quiet as a whole or
        not at all.
    """
    names = trace_names(data)
    kinds = {name: data[name].attrs["kind"] for name in names}
    states = _states(names, kinds)
    if not states:
        return {}
    state = data[states[0]]
    whole = _range(state.values)
    quiet: dict[str, str] = {}
    for kind in ("inhibition", "current", "error", "other"):
        group = [name for name in names if kinds[name] == kind and data[name].attrs["shown"]]
        group = [name for name in group if data[name].attrs["units"] == state.attrs["units"]]
        most = max((float(np.abs(data[name].values).max()) for name in group), default=0.0)
        if group and most < QUIET * whole:
            sentence = (
                f"Not drawn: {TRACE_KINDS[kind]} ({', '.join(group)}), at most {most:.1e}, where "
                f"the {state.attrs['long_name']} ranges over {whole:.2g}"
            )
            quiet |= dict.fromkeys(group, sentence)
    return quiet
