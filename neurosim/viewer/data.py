"""What the page, the notebook and the server hand to the browser: facts and arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError
from neurosim.system.traces import TRACE_KINDS
from neurosim.viewer.inputs import CellInput, Term
from neurosim.viewer.labels import answer_words, phase_spans, position, positions, trace_names
from neurosim.viewer.look import Look, make_look
from neurosim.viewer.material import Connections, Material, given_by, synapses_of
from neurosim.viewer.movement import (
    Movement,
    changing_traces,
    find_movement,
    leaps,
    quiet_traces,
    reference_step,
)
from neurosim.viewer.source import LiveSource, Source

__all__ = ["MOST_CHANGES", "MOST_VALUES", "Gathered", "first_above", "gather", "plain_arrays"]

#: Most numbers a page holds; browsers get slow beyond.
MOST_VALUES = 12_000_000
#: Weight changes kept of every cell and image.
MOST_CHANGES = 6
#: Cells that are kept of a large layer, if all are too many.
_FEWEST_CELLS = 20

Arrays = dict[str, NDArray[Any]]


@dataclasses.dataclass
class Gathered:
    """Some images of a network, ready for a browser.

    Attributes
    ----------
    facts : dict of str to object
        Names, numbers and words, ready for JSON.
    run : dict of str to ndarray
        Flat arrays of all images: ``"1/soma"`` for the traces of layer 1, ``"1/score"``,
        ``"given/layer_1/r_sent"`` for what cells have sent, ``"total/1/0"`` for what the
        first input of layer 1 has received, ``"answer"``.
    synapses : dict of str to ndarray
        By term: first synapse of every cell, their sources and weights, largest changes.
    kept : dict of int to ndarray of int
        Positions of the cells that are kept, by layer.
    movements : dict of int to Movement
        Of the cells that are kept, by layer.
    inputs : dict of int to list of CellInput
        Inputs that are split by sender, by layer.
    """

    facts: dict[str, Any]
    run: Arrays
    synapses: Arrays
    kept: dict[int, NDArray[np.int64]]
    movements: dict[int, Movement]
    inputs: dict[int, list[CellInput]]


def gather(
    source: Source,
    *,
    layer: int | None = None,
    neurons: Sequence[int] | None = None,
    nudged: bool = True,
) -> Gathered:
    """Collect what a browser needs to show all images and layers of a source.

    Parameters
    ----------
    source : Source
        Where recordings come from.
    layer : int, optional
        The layer that ``neurons`` are of.
    neurons : sequence of int, optional
        Neurons to keep of that layer; all, or those that move most, by default.
    nudged : bool
        With False, only the first phase.

    Returns
    -------
    Gathered
        Facts and arrays.

    Raises
    ------
    DataError
        If there is no such layer or neuron, or the page would be too large.
    """
    material = source.material(source.beta)
    if not nudged:
        phases = material.recording.phase.values
        material = material.first_steps(int((phases == phases[0]).sum()))
    data = {number: material.layer(number) for number in source.layers}
    movements = {number: find_movement(part) for number, part in data.items()}
    kept = _kept(source, data, movements, material, layer, neurons)
    for number, cells in kept.items():
        movements[number].scores = movements[number].scores[:, cells]
    synapses: dict[Term, Connections] = {}
    if isinstance(source, LiveSource):
        terms = {term for item in source.inputs for term in item.terms}
        synapses = {term: synapses_of(source.simulator.circuit, term) for term in terms}
    inputs, unsplit = _split(source, material, synapses)
    gathered = Gathered({}, {}, {}, kept, movements, inputs)
    gathered.run = plain_arrays(source, material, gathered, cut=False)
    gathered.run |= {f"{n}/score": m.scores.astype(np.float32) for n, m in movements.items()}
    if isinstance(source, LiveSource):
        gathered.synapses = _synapse_arrays(source, gathered, synapses)
    gathered.facts = _facts(source, material, data, gathered, unsplit)
    return gathered


# ---------------------------------------------------------------- which cells


def _kept(
    source: Source,
    data: Mapping[int, Any],
    movements: Mapping[int, Movement],
    material: Material,
    layer: int | None,
    neurons: Sequence[int] | None,
) -> dict[int, NDArray[np.int64]]:
    kept = {number: np.arange(part.sizes["neuron"]) for number, part in data.items()}
    if layer is not None:
        position(layer, source.layers, "layer", live=source.live)
    if neurons is not None:
        chosen = layer if layer is not None else first_above(source.layers)
        there = data[chosen].neuron.values.tolist()
        kept[chosen] = np.array(positions(neurons, there, "neuron", live=source.live))
    fixed = sum(values.size for values in material.variables.values())
    room = MOST_VALUES - fixed
    per_cell = {
        n: len(trace_names(p)) * p.sizes["image"] * p.sizes["time"] for n, p in data.items()
    }
    most = max(len(cells) for cells in kept.values())
    while sum(per_cell[n] * len(cells) for n, cells in kept.items()) > room:
        most //= 2
        if most < _FEWEST_CELLS or neurons is not None:
            needed = fixed + sum(per_cell[n] * len(cells) for n, cells in kept.items())
            raise DataError(
                f"a page of {needed:,} values is too large for a browser (at most "
                f"{MOST_VALUES:,}); choose fewer images (--images 0-1) or neurons "
                "(--neurons 0-99)"
            )
        for number, cells in kept.items():
            if len(cells) > most:
                order = np.argsort(-movements[number].scores.max(axis=0), kind="stable")
                kept[number] = np.sort(order[:most])
    return kept


def first_above(layers: Sequence[int]) -> int:
    """The lowest layer above the input.

    Parameters
    ----------
    layers : sequence of int
        Numbers of the layers there are.

    Returns
    -------
    int
        Its number; that of the input, if there is no other.
    """
    return next((number for number in layers if number > 0), layers[0])


# ---------------------------------------------------------------- arrays


def plain_arrays(
    source: Source, material: Material, gathered: Gathered, *, cut: bool = True
) -> Arrays:
    """Traces of the kept cells, what cells have sent, and answers.

    Parameters
    ----------
    source : Source
        Where the images come from.
    material : Material
        Some images.
    gathered : Gathered
        Names the cells and the inputs.
    cut : bool
        Whether to leave out steps that the view does not show.

    Returns
    -------
    dict of str to ndarray
        As :attr:`Gathered.run`, but for the scores.
    """
    if cut:
        material = material.first_steps(len(gathered.facts["times"]))
    arrays: Arrays = {}
    for number, cells in gathered.kept.items():
        part = material.layer(number)
        for name in trace_names(part):
            arrays[f"{number}/{name}"] = part[name].values[:, :, cells]
    if isinstance(source, LiveSource):
        weights = source.simulator.weights.arrays()
        for number, items in gathered.inputs.items():
            for place, item in enumerate(items):
                total = material.variables[item.population, item.variable]
                arrays[f"total/{number}/{place}"] = total[:, :, gathered.kept[number]]
                there = {t: synapses_of(source.simulator.circuit, t) for t in item.terms}
                given = given_by(item, there, weights, material.variables) or {}
                for term, values in given.items():
                    arrays[_given_key(term)] = values
    looks = list(_looks(source, material))
    if looks[0].answer is not None:
        arrays["answer"] = np.array([look.answer for look in looks])
    return {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}


def _looks(source: Source, material: Material) -> Iterator[Look]:
    last = source.layers[-1]
    output = material.layer(last)
    for place in range(output.sizes["image"]):
        yield make_look(output, last, place)


def _given_key(term: Term) -> str:
    how = "" if term.level else f"/{term.projection}"
    return f"given/{term.source}/{term.given}{how}"


def _split(
    source: Source, material: Material, synapses: Mapping[Term, Connections]
) -> tuple[dict[int, list[CellInput]], dict[int, list[CellInput]]]:
    """Inputs by layer: those that can be split, and those whose parts do not add up."""
    split: dict[int, list[CellInput]] = {number: [] for number in source.layers}
    unsplit: dict[int, list[CellInput]] = {number: [] for number in source.layers}
    if isinstance(source, LiveSource):
        weights = source.simulator.weights.arrays()
        for item in source.inputs:
            given = given_by(item, synapses, weights, material.variables)
            moves = material.variables[item.population, item.variable].any()
            if moves:
                (unsplit if given is None else split)[item.layer].append(item)
    return split, unsplit


def _term_key(number: int, place: int, term: int) -> str:
    return f"{number}/{place}/{term}"


def _synapse_arrays(
    source: LiveSource, gathered: Gathered, synapses: Mapping[Term, Connections]
) -> Arrays:
    """Sources and weights of the kept cells' synapses, and their largest changes."""
    weights = source.simulator.weights.arrays()
    arrays: Arrays = {}
    own: dict[str, tuple[Term, Connections]] = {}
    for number, items in gathered.inputs.items():
        for place, item in enumerate(items):
            for n, term in enumerate(item.terms):
                there = _of_cells(synapses[term], gathered.kept[number])
                key = _term_key(number, place, n)
                own[key] = (term, there)
                counts = np.bincount(there.target, minlength=len(gathered.kept[number]))
                arrays[f"{key}/first"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
                arrays[f"{key}/source"] = there.source.astype(np.int32)
                values = np.asarray(weights[term.weight]).ravel()[there.place]
                arrays[f"{key}/weight"] = values.astype(np.float32)
    changes: dict[str, list[Arrays]] = {key: [] for key in own}
    for changed in source.weight_changes():
        for key, (term, there) in own.items():
            first = arrays[f"{key}/first"]
            changes[key].append(_largest(changed[term.weight].ravel()[there.place], there, first))
    for key, found in changes.items():
        for name in ("changed", "change"):
            if found:
                arrays[f"{key}/{name}"] = np.array([part[name] for part in found])
    return arrays


def _of_cells(there: Connections, cells: NDArray[np.int64]) -> Connections:
    """The synapses onto some cells, which are numbered anew in their order."""
    places = np.full(int(max(there.target.max(initial=0), cells.max())) + 1, -1)
    places[cells] = np.arange(len(cells))
    target = places[there.target]
    order = np.argsort(target, kind="stable")
    order = order[target[order] >= 0]
    return Connections(there.source[order], target[order], there.place[order])


def _largest(change: NDArray[Any], there: Connections, first: NDArray[np.int32]) -> Arrays:
    """The largest changes of every cell's synapses; zeros where there are fewer."""
    cells = len(first) - 1
    order = np.lexsort((-np.abs(change), there.target))
    rank = np.arange(len(order)) - first[there.target[order]]
    chosen = order[rank < MOST_CHANGES]
    where = there.target[chosen], rank[rank < MOST_CHANGES]
    sources = np.zeros((cells, MOST_CHANGES), np.int32)
    values = np.zeros((cells, MOST_CHANGES), np.float32)
    sources[where], values[where] = there.source[chosen], change[chosen]
    return {"changed": sources, "change": values}


# ---------------------------------------------------------------- facts


def _facts(
    source: Source,
    material: Material,
    data: Mapping[int, Any],
    gathered: Gathered,
    unsplit: Mapping[int, list[CellInput]],
) -> dict[str, Any]:
    first = data[source.layers[0]]
    looks = list(_looks(source, material))
    classes = 0 if looks[0].answer is None else len(looks[0].answer)
    shape = source.image_shape
    times = first.time.values
    ends = {str(name): int(np.flatnonzero(first.phase.values == name)[-1]) for name in
            dict.fromkeys(first.phase.values)}  # fmt: skip
    attrs = first.attrs
    nudge = f", nudge β = {attrs['beta']:g}" if attrs.get("nudged") and "beta" in attrs else ""
    return {
        "title": attrs["title"],
        "system": attrs["system"],
        "nudge": nudge,
        "times": [round(float(t), 6) for t in times],
        "phases": [
            {"name": name, "begin": begin, "end": end, "last": ends[name]}
            for name, (begin, end) in phase_spans(first).items()
        ],
        "ids": [int(number) for number in source.ids],
        "words": [answer_words(look) for look in looks],
        "classes": list(range(classes)),
        "targets": [
            [0.0] * classes if look.target is None else look.target.tolist() for look in looks
        ],
        "shape": [1] * (3 - len(shape)) + [int(n) for n in shape],
        "kinds": dict(TRACE_KINDS),
        "most_changes": MOST_CHANGES,
        "layers": [
            _layer_facts(source, data[number], gathered, unsplit[number])
            for number in source.layers
        ],
        "other": None,
    }


def _layer_facts(
    source: Source, data: Any, gathered: Gathered, unsplit: Sequence[CellInput]
) -> dict[str, Any]:
    number, cells = int(data.attrs["layer"]), gathered.kept[int(data.attrs["layer"])]
    quiet, changing = quiet_traces(data), set(changing_traces(data))
    traces = [_trace_facts(data, name, quiet, changing) for name in trace_names(data)]
    places: dict[str, int] = {}
    for trace in traces:
        trace["place"] = places.setdefault(trace["kind"], 0)
        places[trace["kind"]] += 1
    left = len(cells) < data.sizes["neuron"]
    return {
        "number": number,
        "role": data.attrs["role"] or data.attrs["population"],
        "neurons": [int(n) for n in data.neuron.values[cells]],
        "score_words": gathered.movements[number].words,
        "kept": f"; the layer has {data.sizes['neuron']}" if left else "",
        "traces": traces,
        "inputs": [
            _input_facts(source, number, place, item)
            for place, item in enumerate(gathered.inputs[number])
        ],
        "notes": [
            *(f"{words}; tick it to see it." for words in dict.fromkeys(quiet.values())),
            *_leap_notes(data),
            *_split_notes(source, unsplit),
        ],
    }  # fmt: skip


def _trace_facts(
    data: Any, name: str, quiet: Mapping[str, str], changing: set[str]
) -> dict[str, Any]:
    attrs = data[name].attrs
    return {
        "name": name,
        "kind": attrs["kind"],
        "unit": attrs["units"],
        "words": attrs["long_name"],
        "shown": bool(attrs["shown"]) and name not in quiet,
        "leaps": leaps(data, name),
        "reference": reference_step(data, name),
        "changes": name in changing,
    }


def _leap_notes(data: Any) -> list[str]:
    names = [name for name in trace_names(data) if leaps(data, name)]
    if not names:
        return []
    phases = data[names[0]].attrs["set_at_end_of"]
    return [
        f"Gap in {', '.join(names)}: when the {phases} phase ends, the model sets it to the value "
        "with which the next phase begins."
    ]


def _split_notes(source: Source, unsplit: Sequence[CellInput]) -> list[str]:
    if not isinstance(source, LiveSource):
        return ["A recording holds no weights: open the run folder to see senders and synapses."]
    return [f"Not split by sender: {item.words} ({item.variable})." for item in unsplit]


def _input_facts(source: Source, number: int, place: int, item: CellInput) -> dict[str, Any]:
    assert isinstance(source, LiveSource)
    circuit = source.simulator.circuit
    layers = {t.population: t.layer for t in source.simulator.system.layer_traces()}
    return {
        "words": f"{item.words} ({item.variable})",
        "outside": item.direct and any(t.source != item.population for t in item.terms),
        "total": f"total/{number}/{place}",
        "terms": [
            {
                "key": _term_key(number, place, n),
                "given": _given_key(term),
                "size": circuit.population(term.source).size,
                "weight": term.weight,
                "sender": _sender_words(circuit.population(term.source), layers),
                "of_image": layers.get(term.source) == 0,
            }
            for n, term in enumerate(item.terms)
        ],
    }


def _sender_words(population: Any, layers: Mapping[str, int]) -> str:
    number = layers.get(population.name)
    if number is None:
        return str(population.role or population.name)
    return "pixel" if number == 0 else f"layer {number} neuron"
