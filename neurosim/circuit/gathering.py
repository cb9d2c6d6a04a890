"""Learning in two steps: events gather into a sum, and a commit changes the weights.

A rule that only adds to a sum, and reads no weight, gives the same sum in whichever order
images are shown, and with several of them in flight at once. Once every batch the commit
reads the sum and the weights.
"""

from __future__ import annotations

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.kept import kept_by_events
from neurosim.circuit.parser import dependencies, identifiers, parse_equations, parse_statements
from neurosim.circuit.parts import Population, Projection
from neurosim.errors import CircuitError, near_matches

__all__ = ["COMMIT_NUMBERS", "check_gathering", "commits", "gathered_variables", "learning_parts",
           "learns_at_once", "stored_variables"]  # fmt: skip

#: What a commit may read besides the synapse's own variables and parameters: the images
#: gathered, and the number of this commit, from 1.
COMMIT_NUMBERS = ("batch", "commits")


def commits(circuit: Assembly) -> bool:
    """Whether any projection or population of a circuit learns by gather and commit."""
    parts: tuple[Population | Projection, ...] = (*circuit.projections, *circuit.populations)
    return any(part.commit for part in parts)


def learning_parts(circuit: Assembly) -> tuple[str, ...]:
    """Projections that learn, and populations that commit.

    Parameters
    ----------
    circuit : Assembly
        Declares them.

    Returns
    -------
    tuple of str
        Their names, in the order of the circuit.
    """
    cells = (population.name for population in circuit.populations if population.commit)
    return (*(p.name for p in circuit.projections if p.plastic), *cells)


def learns_at_once(circuit: Assembly) -> tuple[str, ...]:
    """What changes weights directly, image by image: projections, and events of cells."""
    projections = (f"projection {p.name!r} changes its weights at once; give Projection(commit=...)"
                   for p in circuit.projections if p.plastic and not p.commit)  # fmt: skip
    cells = (f"events of the cells change the weight {name} at once; give Population(commit=...)"
             for name in kept_by_events(circuit, "weight"))  # fmt: skip
    return (*projections, *cells)


def gathered_variables(projection: Projection) -> tuple[str, ...]:
    """Synaptic variables that learning pathways add to, and the commit reads.

    Parameters
    ----------
    projection : Projection
        Its pathways are read.

    Returns
    -------
    tuple of str
        In the order of the equations; empty for a projection without a commit.
    """
    if not projection.commit:
        return ()
    targets = {
        statement.target
        for pathway in projection.pathways
        if pathway.learns
        for statement in parse_statements(pathway.code)
    }
    return tuple(line.name for line in parse_equations(projection.equations)
                 if line.name in targets)  # fmt: skip


def stored_variables(projection: Projection) -> list[str]:
    """Variables of which every synapse of a projection stores a value of its own.

    Parameters
    ----------
    projection : Projection
        Its equations are read.

    Returns
    -------
    list of str
        In the order of the equations.
    """
    lines = parse_equations(projection.equations)
    return [line.name for line in lines if line.is_stored and line.is_own]


def check_gathering(projection: Projection) -> None:
    """Refuse a gather that reads a weight, and a commit that names what is not there.

    Parameters
    ----------
    projection : Projection
        One with a commit; others pass.

    Raises
    ------
    CircuitError
        Says which statement is wrong and what is allowed.
    """
    if not projection.commit:
        return
    owner = f"projection {projection.name!r}"
    if not projection.plastic:
        raise CircuitError(f"{owner} has a commit, but no pathway with learns=True gathers for it")
    lines = parse_equations(projection.equations)
    stored = stored_variables(projection)
    _check_gathers(projection, owner, stored)
    gathered = gathered_variables(projection)
    # a weight that synapses share belongs to no pair of cells
    cells = set() if projection.wired.tied else {"i", "j"}
    known = {line.name for line in lines} | {*COMMIT_NUMBERS, *cells}
    for statement in parse_statements(projection.commit):
        unknown = sorted(
            name for name in identifiers(statement.expression) | {statement.target}
            if name not in known and name not in _FUNCTIONS
        )  # fmt: skip
        if unknown:
            raise CircuitError(
                f"the commit of {owner} names {unknown[0]!r}; it may read the synapse's own "
                "variables and parameters, 'batch' and 'commits'; "
                f"{near_matches(unknown[0], known)}"
            )
        if statement.target not in stored or statement.target in gathered:
            allowed = [name for name in stored if name not in gathered]
            raise CircuitError(
                f"the commit of {owner} sets {statement.target!r}; it sets variables that the "
                f"synapse stores and does not gather: {', '.join(allowed) or 'there is none'}"
            )


_FUNCTIONS = frozenset(
    {"abs", "clip", "exp", "log", "sqrt", "sign", "int", "floor", "ceil", "max", "min"}
)


def _check_gathers(projection: Projection, owner: str, stored: list[str]) -> None:
    lines = parse_equations(projection.equations)
    for pathway in projection.pathways:
        if not pathway.learns:
            continue
        place = f"pathway {pathway.name!r} of {owner}"
        if pathway.side != "pre":
            raise CircuitError(
                f"{place} gathers on an event of the target; gather on one of the source "
                "(side='pre')"
            )
        for statement in parse_statements(pathway.code):
            if statement.operator != "+=" or statement.target not in stored:
                raise CircuitError(
                    f"{place} must only add to variables of the synapse, as in 'g += ...', since "
                    f"{owner} has a commit; it says '{statement.target} {statement.operator} ...'"
                )
            read = dependencies(lines, identifiers(statement.expression)) & set(stored)
            if read:
                raise CircuitError(
                    f"{place} reads {min(read)!r} of the synapse, so its sum would depend on the "
                    "order of the images in a batch; read variables of the cells alone, and what "
                    "the synapse holds in the commit"
                )
