"""What circuits cannot be written as a model of GeNN, by name, and what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from neurosim.circuit import Circuit, Population, Projection
from neurosim.circuit.code import Code, circuit_code
from neurosim.circuit.gathering import learns_at_once, stored_variables
from neurosim.circuit.kept import cell_weights
from neurosim.circuit.noise import draws_noise
from neurosim.circuit.parser import parse_equations, parse_statements
from neurosim.errors import CircuitError

__all__ = ["MATHS", "check_circuit", "demands"]

#: Functions of GeNN's language by the names that equations give them.
MATHS = {
    **{name: name for name in ("cos", "sin", "tan", "cosh", "sinh", "tanh", "exp", "expm1", "log",
                               "log10", "log1p", "sqrt", "ceil", "floor")},
    "abs": "fabs", "arccos": "acos", "arcsin": "asin", "arctan": "atan",
}  # fmt: skip
_FUNCTIONS = {*MATHS, "clip", "int", "max", "min", "sign"}
_WIRINGS = ("all_to_all", "all_but_self", "one_to_one")


def demands(condition: str) -> frozenset[str]:
    """Names without which a condition does not hold: its terms joined by ``and``."""
    tree = ast.parse(condition.strip(), mode="eval").body
    terms = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]
    return frozenset(term.id for term in terms if isinstance(term, ast.Name))


def check_circuit(circuit: Circuit) -> None:
    """Refuse a circuit that cannot be written as a model of GeNN.

    Parameters
    ----------
    circuit : Circuit
        What to run.

    Raises
    ------
    CircuitError
        Names the part, and what to do.
    """
    for reason in _reasons(circuit):
        raise CircuitError(f"{reason}, which the back end 'genn' does not do; use --backend cpp")


def _reasons(circuit: Circuit) -> Iterator[str]:
    if draws_noise(circuit):
        yield f"circuit {circuit.name!r} draws noise"
    for weight in cell_weights(circuit):
        yield f"population {weight.population!r} keeps {weight.variable!r} from image to image"
    yield from learns_at_once(circuit)
    for population in circuit.populations:
        yield from _of_links(circuit, population)
        for line in parse_equations(population.equations):
            if "shared" in line.flags and not line.is_setting:
                yield f"population {population.name!r} has {line.name!r} for all its cells together"
    for projection in circuit.projections:
        yield from _of_synapses(circuit, projection)
    for readout in circuit.readouts:
        if circuit.population(readout.population).event(readout.event).moment != "phase_end":
            yield f"readout {readout.name!r} is noted elsewhere than at the end of a phase"
    for code in circuit_code(circuit):
        yield from _unknown(circuit, code)


def _of_links(circuit: Circuit, population: Population) -> Iterator[str]:
    """A cell that all others read becomes a part of each of them: all must receive the same."""
    for name, (other, _) in population.links.items():
        if circuit.population(other).size == population.size:
            continue
        sizes = {p.size for p in circuit.populations if other in (to for to, _ in p.links.values())}
        fits = len(sizes) == 1 and not circuit.population(other).links
        for projection in circuit.projections:
            own = stored_variables(projection)
            fits &= projection.source != other
            fits &= projection.target != other or (projection.wiring == "all_to_all" and not own)
        if not fits:
            yield (
                f"population {population.name!r} links {name!r} to the cell {other!r}, which sends "
                "events, has synapses with weights or is read by populations of several sizes"
            )


def _of_synapses(circuit: Circuit, projection: Projection) -> Iterator[str]:
    owner, stored = f"projection {projection.name!r}", stored_variables(projection)
    if projection.wiring not in _WIRINGS:
        yield f"{owner} is wired {projection.wiring!r} (not one of {', '.join(_WIRINGS)})"
    for line in parse_equations(projection.equations):
        if line.name not in stored and not line.is_setting:
            yield f"{owner} computes {line.name!r} in its equations"
    ends = {f"end_{phase.name}" for phase in circuit.phases}
    arrives: dict[str, set[str]] = {"pre": set(), "post": set()}
    for pathway in projection.pathways:
        place = f"pathway {pathway.name!r} of {owner}"
        sender = projection.source if pathway.side == "pre" else projection.target
        event = circuit.population(sender).event(pathway.event)
        if event.moment not in (("learn",) if pathway.learns else ("sense", "send")):
            yield f"{place} runs at {event.moment!r}"
        if pathway.learns:
            if not ends & demands(event.condition):
                yield f"{place} may learn elsewhere than at the end of a phase"
            continue
        other = "_post" if pathway.side == "pre" else "_pre"
        for statement in parse_statements(pathway.code):
            if statement.operator != "+=" or not statement.target.endswith(other):
                yield f"{place} does other things than to add to a cell that it reaches"
            arrives[pathway.side].add(statement.target)
    if any(len(targets) > 1 for targets in arrives.values()):
        yield f"{owner} delivers to several variables of a cell"


def _unknown(circuit: Circuit, code: Code) -> Iterator[str]:
    """Functions and operators that GeNN's language does not have."""
    known = _FUNCTIONS | {item.name for item in circuit.inputs}
    texts = [code.text]
    if code.kind == "statements":
        texts = [statement.expression for statement in parse_statements(code.text)]
    for node in (node for text in texts for node in ast.walk(ast.parse(text.strip()))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id not in known:
                yield f"the {code.place} calls {node.func.id!r}"
        elif isinstance(node, (ast.Mod, ast.FloorDiv)):
            yield f"the {code.place} takes a remainder, or a quotient without its remainder"
