"""Max-pooling: a cell takes the largest rate that reaches it, and its error goes back there.

This is exact in networks where each cell sends once per image. All sources have to send,
also those of rate 0, unless no rate is negative and the largest one starts from 0.
"""

from __future__ import annotations

from neurosim.circuit import Pathway, Pool, Projection

__all__ = ["BACK", "LARGEST", "POOLED", "margin_start", "max_pooling"]

#: Variables that a pooling cell needs; let its onset set ``largest`` to ``"-inf"``, or to 0
#: where silent cells stand for a rate of 0 and none is negative.
POOLED = """
largest : 1                                      # largest rate that arrived
winner  : integer                                # number of the first cell that sent it
"""
#: What a source delivers: of equal rates, the first one wins.
LARGEST = """
winner_post = int(r_pre > largest_post)*i + int(r_pre <= largest_post)*winner_post
largest_post = max(largest_post, r_pre)
"""
#: The error of a pooling cell goes to the cell that it took its rate from.
BACK = "d_pre += delta_post*int(winner_post == i)"


def margin_start(wiring: Pool, lowest: float) -> dict[str, str]:
    """What pooling cells start from, if the margin around the image counts as zeros.

    Parameters
    ----------
    wiring : Pool
        The windows.
    lowest : float
        A number below all rates that may arrive.

    Returns
    -------
    dict of str to str
        Expressions for ``largest`` and ``winner`` at the onset. Where the largest of all
        is a zero of the margin, no source gets the error.

    Examples
    --------
    >>> margin_start(Pool((1, 4, 4), kernel=3, stride=2, padding=(1, 0)), -2)["largest"]
    '-2*(1 - int(i % 2 < 1 or i % 4 < 2))'
    >>> margin_start(Pool((1, 4, 4)), -2)["largest"]
    '-2'
    """
    _, height, width = wiring.out_shape
    rows, columns = wiring.taps()
    clauses = []
    for taps, length, unit, count in (
        (columns, wiring.shape[2], 1, width),
        (rows, wiring.shape[1], width, height),
    ):
        before, after = int((taps < 0).any(1).sum()), int((taps >= length).any(1).sum())
        place = f"i % {unit * count}"
        clauses += [f"{place} < {before * unit}"] * (before > 0)
        clauses += [f"{place} >= {(count - after) * unit}"] * (after > 0)
    inside = f"*(1 - int({' or '.join(clauses)}))" if clauses else ""
    return {"largest": f"{lowest:g}{inside}", "winner": "-1"}


def max_pooling(
    name: str,
    source: str,
    target: str,
    wiring: Pool,
    *,
    spike: str = "spike",
    error: str = "error",
    role: str = "largest of each window",
) -> Projection:
    """Synapses without weights from an image to the cells that pool it.

    Parameters
    ----------
    name, source, target : str
        Of the projection and its populations. Sources have a rate ``r`` and an error input
        ``d``, targets the variables of :data:`POOLED` and an error ``delta``.
    wiring : Pool
        The windows.
    spike : str
        Event by which sources send their rate, once per image.
    error : str
        Event by which targets send their error; empty for none.
    role : str
        Plain words for diagrams.

    Returns
    -------
    Projection
        With the pathways ``up`` and, if errors are sent, ``down``.
    """
    down = (Pathway("down", error, BACK, side="post"),) if error else ()
    pathways = (Pathway("up", spike, LARGEST), *down)
    return Projection(name, source, target, "", pathways, wiring, role=role)
