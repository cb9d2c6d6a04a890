"""Code that cannot be read, or divides by 0: its place, and what to write instead."""

from __future__ import annotations

import dataclasses

import pytest
from toy_systems import Toy

from neurosim.backends.brian.names import check_names
from neurosim.circuit import Circuit
from neurosim.errors import CircuitError


def with_code(**changes: str) -> Circuit:
    """The toy with other code: of its equation of r, a condition, an action or a pathway."""
    circuit = Toy().circuit()
    cells, net = circuit.population("cells"), circuit.projection("net")
    onset, *others = cells.events
    if "equation" in changes:
        equations = cells.equations.replace("clip(u + b, 0, 1)", changes["equation"])
        cells = dataclasses.replace(cells, equations=equations)
    if "action" in changes:
        action = onset.action.replace("target(cycle_time, i)", changes["action"])
        cells = dataclasses.replace(
            cells, events=(dataclasses.replace(onset, action=action), *others)
        )
    if "condition" in changes:
        ends = dataclasses.replace(cells.event("end_show"), condition=changes["condition"])
        cells = dataclasses.replace(cells, events=(onset, ends, cells.event("learn")))
    if "pathway" in changes:
        rule = dataclasses.replace(net.pathways[1], code=changes["pathway"])
        net = net.with_pathway(rule)
    return circuit.replacing(cells, net)


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        (
            "condition",
            "end_show && learning",
            r"condition of .*cannot be read; write 'and' for '&&",
        ),
        ("condition", "end_show || learning", r"write 'or' for '\|\|'"),
        ("condition", "!end_show", r"write 'not' for '!'"),
        ("condition", "end_show and r = 0", r"'end_show and r = 0' cannot .* write '==' for '='"),
        ("condition", "end_show and", r"'end_show and' cannot be read: invalid syntax"),
        ("condition", "", r"'' is empty; write a condition"),
        ("equation", "u^2", r"equation of 'r' in population 'cells': .*write '\*\*' for '\^'"),
        ("condition", "end_show & learning", r"write 'and' for '&'"),
        ("equation", "u/0", r"'u/0' divides by 0; give another divisor"),
        ("pathway", "g += r_pre/-0.0", r"pathway 'rule' .*'g \+= r_pre/-0\.0' divides by 0"),
        ("action", "0; s /= 0", r"action of event 'onset' .*'s /= 0' divides by 0"),
        ("pathway", "g += r_pre.real", r"holds 'r_pre\.real', which is no number, name"),
        ("pathway", "g += mu*'a'", r"""holds "'a'", which is no number, name"""),
        ("pathway", "g += 1 if r_pre else 0", r"write 'int\(c\)\*a \+ int\(not c\)\*b' for"),
        ("pathway", "g += (r_pre", r"'g \+= \(r_pre' cannot be read: '\(' was never closed"),
        ("action", "targt(cycle_time, i)", r"calls targt\(cycle_time.*did you mean 'target'\?"),
    ],
)
def test_code_that_cannot_be_read_says_what_to_write(where: str, code: str, words: str) -> None:
    """Guards "invalid syntax", and a division that a back end reports as an unknown name."""
    with pytest.raises(CircuitError, match=words):
        with_code(**{where: code})


def test_code_that_can_be_read_is_left_alone() -> None:
    """Guards expressions over several lines, with comments, powers and comparisons."""
    with_code(equation="clip(u +\n b, 0, 1)  # rate\n")
    with_code(condition="end_show and r >= 0 and r != 2**3/(0 + 1) and not r == 3")


def test_a_misspelt_function_is_recognised() -> None:
    """Guards a list of variables in answer to a slip in the name of a function."""
    with pytest.raises(
        CircuitError, match=r"'clp', .*did you mean 'clip'\? Allowed: b, b_eta, batch"
    ):
        check_names(with_code(equation="clp(u + b, 0, 1)"))
