"""What cells keep from image to image: weights and states that belong to a population.

They change in one of two ways. A *commit* of the population turns what its cells have
gathered over a batch into new values; images of a batch then do not see each other, and any
number of them may be in flight. Or an *event* of the cells sets them, image by image: then
each image sees what the one before it has left, and images are shown in order.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from neurosim.circuit.assembly import Assembly
from neurosim.circuit.parser import Line, parse_equations, parse_statements
from neurosim.circuit.parts import Event, Population, Weight
from neurosim.errors import CircuitError, near_matches

__all__ = ["cell_weights", "check_kept", "commit_of_sums", "kept_by_events", "sum_name"]

#: Functions that a commit may call.
_FUNCTIONS = frozenset({"abs", "clip", "exp", "log", "sqrt", "sign", "int", "floor", "ceil"})
#: What a commit may read besides variables of the cells.
_NUMBERS = ("batch", "commits", "i")
#: Events by which cells and synapses gather and commit.
_OWN_EVENTS = ("commit", "commit_gather")


def cell_weights(circuit: Assembly) -> tuple[Weight, ...]:
    """Weights and states that belong to cells.

    Parameters
    ----------
    circuit : Assembly
        Declares them.

    Returns
    -------
    tuple of Weight
        In the circuit's order.
    """
    return tuple(weight for weight in circuit.weights if weight.population)


def sum_name(gathered: str) -> str:
    """Variable that holds the sum of a gathered one over the images of a batch.

    Parameters
    ----------
    gathered : str
        Its name in the equations.

    Returns
    -------
    str
        A name that models do not use.
    """
    return f"sum_of_{gathered}"


def commit_of_sums(population: Population) -> str:
    """The commit of a population, in which sums stand for what is gathered.

    Parameters
    ----------
    population : Population
        One with a commit.

    Returns
    -------
    str
        Statements.
    """
    code = population.commit
    for name in population.gathers:
        code = re.sub(rf"(?<![\w.]){name}\b", sum_name(name), code)
    return code


def kept_by_events(circuit: Assembly, kind: str = "") -> tuple[str, ...]:
    """What cells keep that their events set, so that images must be shown in order.

    Parameters
    ----------
    circuit : Assembly
        Declares it.
    kind : {"", "weight", "state"}
        Of one kind only.

    Returns
    -------
    tuple of str
        As ``"population.variable"``.
    """
    found = []
    for weight in cell_weights(circuit):
        population = circuit.population(weight.population)
        if kind in ("", weight.kind) and list(_setters(population, weight.variable)):
            found.append(f"{weight.population}.{weight.variable}")
    return tuple(found)


def _setters(population: Population, variable: str) -> Iterator[Event]:
    """Events whose action sets a variable."""
    for event in population.events:
        if any(statement.target == variable for statement in parse_statements(event.action)):
            yield event


# ------------------------------------------------------------------ checks


def check_kept(circuit: Assembly) -> None:
    """Refuse weights and states of cells that do not fit their population.

    Parameters
    ----------
    circuit : Assembly
        Its populations and weights are looked at.

    Raises
    ------
    CircuitError
        If there is no such variable or it cannot be kept, something else than a learning
        event or the commit sets it, or a commit names what it may not read or set.
    """
    for weight in cell_weights(circuit):
        population = circuit.population(weight.population)
        _check_declared(population, weight)
        _check_setters(circuit, population, weight.variable)
    for population in circuit.populations:
        _check_commit(circuit, population)
        for event in population.events:
            if event.name in _OWN_EVENTS:
                raise CircuitError(
                    f"event {event.name!r} of population {population.name!r} has a name that "
                    "commits need; choose another"
                )


def _check_declared(population: Population, weight: Weight) -> None:
    owner = f"weight {weight.name!r} of population {population.name!r}"
    lines = {line.name: line for line in parse_equations(population.equations)}
    line = lines.get(weight.variable)
    if line is None:
        raise CircuitError(
            f"{owner} is the variable {weight.variable!r}, which its equations do not declare; "
            f"{near_matches(weight.variable, lines)}"
        )
    if weight.shape != (population.size,):
        raise CircuitError(
            f"{owner} has shape {weight.shape}; its {population.size} cells need "
            f"({population.size},)"
        )
    number = line.unit not in ("integer", "boolean")
    if line.kind != "parameter" or not (line.is_stored and line.is_own and number):
        raise CircuitError(
            f"{owner} is declared as '{line.code}'; what lasts from image to image is a number "
            f"that each cell stores: declare '{line.name} : 1'"
        )


def _check_setters(circuit: Assembly, population: Population, variable: str) -> None:
    name = f"{population.name}.{variable}"
    by_commit = variable in {s.target for s in parse_statements(population.commit)}
    for event in _setters(population, variable):
        if by_commit:
            raise CircuitError(
                f"{name} is set by the commit and by the action of event {event.name!r}; let one "
                "of them do it"
            )
        if not _only_learning(event.condition):
            way = (
                f"let its action be reset_action(EQUATIONS, {variable!r}), which keeps it"
                if event.moment == "onset"
                else "give the event a condition of the form '... and learning'"
            )
            raise CircuitError(
                f"{name} lasts from image to image, but event {event.name!r} sets it in "
                f"evaluations, too, so that answers would depend on the images before; {way}"
            )
    for projection in circuit.projections:
        ends = {"pre": projection.source, "post": projection.target}
        changed = {s.target for p in projection.pathways for s in parse_statements(p.code)}
        changed |= {line.name for line in parse_equations(projection.equations)
                    if "summed" in line.flags}  # fmt: skip
        for side, end in ends.items():
            if end == population.name and f"{variable}_{side}" in changed:
                raise CircuitError(
                    f"{name} lasts from image to image, but projection {projection.name!r} "
                    "changes it; let it change another variable of the cells, and an event or "
                    "the commit of the population take that over"
                )


def _only_learning(condition: str) -> bool:
    """Whether a condition holds only where ``learning`` does."""
    tree = ast.parse(condition.strip(), mode="eval").body
    terms = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    return any(isinstance(term, ast.Name) and term.id == "learning" for term in terms)


def _check_commit(circuit: Assembly, population: Population) -> None:
    owner = f"population {population.name!r}"
    lines = {line.name: line for line in parse_equations(population.equations)}
    kept = {w.variable for w in cell_weights(circuit) if w.population == population.name}
    if population.gathers and not population.commit:
        raise CircuitError(f"{owner} gathers {population.gathers[0]!r}, but has no commit")
    for name in population.gathers:
        _check_gathered(owner, name, lines, kept)
    settings = {name for name, line in lines.items() if line.is_setting}
    known = {*kept, *population.gathers, *settings, *_NUMBERS}
    for statement in parse_statements(population.commit):
        unknown = sorted(statement.reads - known - _FUNCTIONS)
        if unknown:
            raise CircuitError(
                f"the commit of {owner} names {unknown[0]!r}; it may read weights and states of "
                "its cells, what they gather, shared constants, 'batch' and 'commits'; gather "
                f"other variables: Population(gathers=...); {near_matches(unknown[0], known)}"
            )
        if statement.target not in kept:
            raise CircuitError(
                f"the commit of {owner} sets {statement.target!r}; it sets weights and states of "
                f"its cells: {', '.join(sorted(kept)) or 'there is none'}"
            )


def _check_gathered(owner: str, name: str, lines: dict[str, Line], kept: set[str]) -> None:
    own = [other for other, line in lines.items() if line.is_own and other not in kept]
    if name not in own:
        raise CircuitError(
            f"{owner} gathers {name!r}, which is no variable that its cells have from image to "
            f"image anew; {near_matches(name, own)}"
        )
    if sum_name(name) in lines:
        raise CircuitError(
            f"{owner} declares {sum_name(name)!r}, which is the name of the sum of {name!r} over "
            "a batch; choose another"
        )
