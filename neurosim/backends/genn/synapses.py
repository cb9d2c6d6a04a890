"""What synapses do when an event of GeNN reaches them, and what they commit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from brian2.core.namespace import DEFAULT_CONSTANTS

from neurosim.backends.genn.cells import flag_name, kept_name
from neurosim.backends.genn.expressions import GennRenderer
from neurosim.circuit import Circuit, Pathway, Projection
from neurosim.circuit.declarations import rhythm_names
from neurosim.circuit.gathering import gathered_variables, stored_variables
from neurosim.circuit.parser import identifiers, parse_statements

__all__ = ["GennSynapses", "kept_by_pathways", "write_synapses"]

#: What a commit may read that is no variable of synapses.
_OF_COMMITS = {"batch": "images_gathered", "commits": "commit_number"}


@dataclasses.dataclass
class GennSynapses:
    """A synapse population of GeNN.

    Attributes
    ----------
    name, source, target : str
        Its name and those of the populations of GeNN.
    one_to_one : bool
        Whether each cell reaches one other; otherwise each reaches all.
    weights, gathered : list of str
        Variables that all images share, and sums of each image in flight.
    parameters : list of str
        Numbers that all synapses share.
    code : dict of str to str
        What happens at events of the ``"pre"`` and of the ``"post"`` cell.
    events, reads : dict of str to list of str
        Flags of these events, and variables of either cell that the code reads.
    arrives : dict of str to str
        Variable of the other cell to which events of the ``"pre"`` or ``"post"`` cell add.
    commit : str
        What turns the sums of a batch into weights.
    """

    name: str
    source: str
    target: str
    one_to_one: bool
    weights: list[str]
    gathered: list[str]
    parameters: list[str]
    code: dict[str, str]
    events: dict[str, list[str]]
    reads: dict[str, list[str]]
    arrives: dict[str, str]
    commit: str


def kept_by_pathways(circuit: Circuit) -> set[tuple[str, str, str]]:
    """Population, moment and variable of what pathways read of cells."""
    found = set()
    for projection in circuit.projections:
        for pathway in projection.pathways:
            for statement in parse_statements(pathway.code):
                for name in identifiers(statement.expression):
                    side, kept = _kept(circuit, projection, pathway, name)
                    found |= {kept} if side else set()
    return found


def _kept(
    circuit: Circuit, projection: Projection, pathway: Pathway, name: str
) -> tuple[str, tuple[str, str, str]]:
    """Side, population, moment and variable that a name means; no side for the synapse's own."""
    ends = {"pre": projection.source, "post": projection.target}
    moment = circuit.population(ends[pathway.side]).event(pathway.event).moment
    for side, end in ends.items():
        if name.endswith(f"_{side}"):
            return side, (end, moment, name.removesuffix(f"_{side}"))
    # the rhythm is read through the target, which has links to it
    side = "post" if name in rhythm_names(circuit) else ""
    return side, (ends["post"], moment, name)


def write_synapses(
    circuit: Circuit, projection: Projection, groups: Mapping[str, str]
) -> GennSynapses:
    """Write what the synapses of a projection do.

    Parameters
    ----------
    circuit : Circuit
        What they belong to.
    projection : Projection
        Which synapses.
    groups : mapping of str to str
        Population of GeNN of each population.

    Returns
    -------
    GennSynapses
        For GeNN.
    """
    ends = {"pre": projection.source, "post": projection.target}
    gathered = gathered_variables(projection)
    made = GennSynapses(
        name=projection.name,
        source=groups[projection.source],
        target=groups[projection.target],
        one_to_one=projection.wiring == "one_to_one",
        weights=[name for name in stored_variables(projection) if name not in gathered],
        gathered=list(gathered),
        parameters=list(projection.parameters),
        code={side: "" for side in ends},
        events={side: [] for side in ends},
        reads={side: [] for side in ends},
        arrives={},
        commit=_commit(projection),
    )
    for pathway in projection.pathways:
        _write_pathway(circuit, projection, pathway, made)
    return made


def _write_pathway(
    circuit: Circuit, projection: Projection, pathway: Pathway, made: GennSynapses
) -> None:
    ends = {"pre": projection.source, "post": projection.target}
    other = "post" if pathway.side == "pre" else "pre"

    def read(side: str, variable: str) -> str:
        if variable not in made.reads[side]:
            made.reads[side].append(variable)
        return f"{side}_{variable}"

    def name(word: str) -> str:
        side, kept = _kept(circuit, projection, pathway, word)
        return read(side, kept_name(*kept)) if side else _own(word)

    renderer, lines = GennRenderer(name), []
    for statement in parse_statements(pathway.code):
        value = renderer.render_expr(statement.expression)
        if pathway.learns:
            lines.append(f"{statement.target} {statement.operator} {value};")
        else:
            lines.append(f"addTo{other.title()}({value});")
            variable = statement.target.removesuffix(f"_{other}")
            made.arrives[pathway.side] = f"{ends[other]}__{variable}"
    happened = read(pathway.side, flag_name(ends[pathway.side], pathway.event))
    made.events[pathway.side].append(happened)
    apart = " && id_pre != id_post" if projection.wiring == "all_but_self" else ""
    made.code[pathway.side] += "\n".join([f"if ({happened}{apart}) {{", *lines, "}", ""])


def _commit(projection: Projection) -> str:
    renderer = GennRenderer(lambda word: _OF_COMMITS.get(word, _own(word)))
    return "\n".join(
        f"{s.target} {s.operator} {renderer.render_expr(s.expression)};"
        for s in parse_statements(projection.commit)
    )


def _own(word: str) -> str:
    """What stands for a name that belongs to the synapse, or is a constant."""
    if word in DEFAULT_CONSTANTS:
        return repr(float(DEFAULT_CONSTANTS[word].value))
    return {"i": "((int)id_pre)", "j": "((int)id_post)"}.get(word, word)
