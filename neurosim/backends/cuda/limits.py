"""What circuits the kernels cannot run, by name, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from neurosim.circuit import Circuit
from neurosim.circuit.gathering import learns_at_once
from neurosim.circuit.kept import cell_weights
from neurosim.circuit.meetings import meeting_phase
from neurosim.circuit.noise import draws_noise
from neurosim.errors import CircuitError, ParameterError

if TYPE_CHECKING:
    # Brian2 is slow to import, and most who ask for limits build nothing
    from neurosim.backends.cpp.pieces import Piece

__all__ = [
    "check_all_learn",
    "check_batch_length",
    "check_circuit",
    "check_delivery",
    "check_piece",
]

_WIRINGS = ("all_to_all", "all_but_self", "one_to_one")
_WAY_OUT = "use --backend cpp"


def check_circuit(circuit: Circuit) -> None:
    """Refuse a circuit that the kernels cannot run.

    Parameters
    ----------
    circuit : Circuit
        What to run.

    Raises
    ------
    CircuitError
        Names the part, and what to do.
    """
    for projection in circuit.projections:
        if projection.wiring not in _WIRINGS:
            raise CircuitError(
                f"projection {projection.name!r} is wired {projection.wiring!r}, which the back "
                f"end 'cuda' does not know (it knows {', '.join(_WIRINGS)}); {_WAY_OUT}"
            )
    phase = meeting_phase(circuit)
    if phase is not None:
        raise CircuitError(
            f"images of a batch meet in phase {phase.name!r} of circuit {circuit.name!r}, which "
            f"the back end 'cuda' does not do; {_WAY_OUT}"
        )
    for weight in cell_weights(circuit):
        raise CircuitError(
            f"population {weight.population!r} keeps {weight.variable!r} from image to image, "
            f"which the back end 'cuda' does not do; {_WAY_OUT}"
        )
    if draws_noise(circuit):
        raise CircuitError(
            f"circuit {circuit.name!r} draws noise, which the back end 'cuda' does not do; "
            f"{_WAY_OUT}"
        )
    direct = learns_at_once(circuit)
    if direct:
        raise CircuitError(
            f"{direct[0]}; the back end 'cuda' learns in batches, so do that or {_WAY_OUT}"
        )


def check_batch_length(batch: int) -> None:
    """Refuse to learn one image after the other.

    Parameters
    ----------
    batch : int
        Images between two commits.

    Raises
    ------
    ParameterError
        If it is 1; the message says what to do.
    """
    if batch == 1:
        raise ParameterError(
            "batch = 1 keeps one image in flight, on one of the many multiprocessors of a GPU; "
            "give a larger batch, such as 20, which changes what is learnt, or "
            f"{_WAY_OUT}"
        )


def check_all_learn(frozen: Collection[str]) -> None:
    """Refuse a stage in which some parts do not learn.

    Parameters
    ----------
    frozen : collection of str
        Projections and populations that keep their weights.

    Raises
    ------
    CircuitError
        If there are any.
    """
    if frozen:
        raise CircuitError(
            f"{min(frozen)!r} does not learn in this stage, and the back end 'cuda' lets all parts "
            f"learn; {_WAY_OUT}"
        )


def check_piece(name: str, piece: Piece) -> None:
    """Refuse statements that only one thread of a block could run.

    Parameters
    ----------
    name : str
        Of Brian2's object, as the message names it.
    piece : Piece
        Its statements.

    Raises
    ------
    CircuitError
        Names the statements, and what to do.
    """
    known = ("stateupdate", "threshold", "reset", "synapses", "spikemonitor", "statemonitor")
    if piece.kind not in known:
        raise CircuitError(f"the back end 'cuda' cannot run {name!r} ({piece.kind}); {_WAY_OUT}")
    alone = piece.kind == "stateupdate" and not piece.vector.steps
    if piece.scalar.writes and not alone and not piece.kind.endswith("monitor"):
        raise CircuitError(
            f"{name!r} sets {piece.scalar.writes[0].name!r}, which all its cells share; the back "
            f"end 'cuda' sets variables that each cell has of its own; {_WAY_OUT}"
        )


def check_delivery(name: str, piece: Piece, receiver: str, *, wiring: str, silent: bool) -> None:
    """Refuse a pathway whose events do not just add up in the cells that receive them.

    Parameters
    ----------
    name : str
        ``projection_pathway``, as the message names it.
    piece : Piece
        Its statements.
    receiver : {"pre", "post"}
        Which cell receives.
    wiring : str
        Which pairs of cells are joined.
    silent : bool
        Whether a stored 0 delivers nothing.

    Raises
    ------
    CircuitError
        Names the pathway, and what to do.
    """
    there = {f"_{receiver}synaptic_idx"} if wiring != "one_to_one" else {
        "_presynaptic_idx", "_postsynaptic_idx"}  # fmt: skip
    elsewhere = [access.name for access in piece.vector.writes if access.index not in there]
    if elsewhere:
        raise CircuitError(
            f"pathway {name!r} sets {elsewhere[0]!r}; on the back end 'cuda' a signal sets "
            f"variables of the cells that receive it; {_WAY_OUT}"
        )
    if wiring == "all_but_self" and not silent:
        raise CircuitError(
            f"pathway {name!r} delivers something where a weight is 0, and not all cells are "
            f"joined; the back end 'cuda' delivers sums of weights times something; {_WAY_OUT}"
        )
