"""What statements add: nothing where nothing arrived, or sums that they do not read."""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from brian2.parsing.sympytools import str_to_sympy

from neurosim.circuit import Projection
from neurosim.circuit.gathering import gathered_variables
from neurosim.circuit.parser import identifiers, parse_statements

__all__ = ["adds_nothing", "commit_leaves_silent", "only_sums"]


def commit_leaves_silent(projection: Projection) -> bool:
    """Whether a commit that gathered nothing changes nothing.

    Parameters
    ----------
    projection : Projection
        One with a commit.

    Returns
    -------
    bool
        True if every statement adds an expression that is 0 where the sums are 0.
    """
    return adds_nothing(projection.commit, gathered_variables(projection))


def adds_nothing(code: str, names: Iterable[str]) -> bool:
    """Whether statements leave everything as it is where some variables are 0.

    Parameters
    ----------
    code : str
        Statements.
    names : iterable of str
        The variables.

    Returns
    -------
    bool
        True if every statement adds an expression that is 0 there.
    """
    zero = {sympy.Symbol(name, real=True): 0 for name in names}
    for statement in parse_statements(code):
        expression = str_to_sympy(statement.expression)
        if statement.operator not in ("+=", "-=") or expression.subs(zero) != 0:
            return False
    return True


def only_sums(code: str, receiver: str) -> bool:
    """Whether statements do nothing but add, to what none of them reads.

    Parameters
    ----------
    code : str
        Statements.
    receiver : {"pre", "post"}
        The side whose variables they may add to.

    Returns
    -------
    bool
        True if the terms may be added up before they are added.
    """
    statements = parse_statements(code)
    targets = {statement.target for statement in statements}
    reads = frozenset[str]().union(*(identifiers(s.expression) for s in statements))
    only = all(s.operator == "+=" and s.target.endswith(f"_{receiver}") for s in statements)
    return only and not targets & reads
