"""Weights as labelled arrays: which axis is which population."""

from __future__ import annotations

from typing import Any

from neurosim.backends.interface import Weights
from neurosim.circuit import Circuit
from neurosim.circuit.parts import Weight

__all__ = ["labelled_weights"]


def labelled_weights(circuit: Circuit, arrays: Weights) -> Any:
    """Weight arrays with a name for every axis.

    Parameters
    ----------
    circuit : Circuit
        Says what each array connects.
    arrays : Weights
        Every weight array of the circuit.

    Returns
    -------
    xarray.Dataset
        One variable per array. The axes of a matrix are the populations that receive and
        send, in this order; within one population the sender's is called ``NAME_sending``.
        Axes of windows and other shared weights are named after the array.
    """
    # takes half a second, which not every process needs
    import xarray as xr

    return xr.Dataset(
        {
            weight.name: xr.DataArray(
                arrays[weight.name],
                dims=_axes(circuit, weight),
                attrs={"kind": weight.kind, "units": "1", **_ends(circuit, weight)},
            )
            for weight in circuit.weights
        },
        attrs={"circuit": circuit.name},
    )


def _ends(circuit: Circuit, weight: Weight) -> dict[str, str]:
    """Projections whose synapses hold the array."""
    names = [part.projection for part in weight.parts]
    ends = [circuit.projection(name) for name in names]
    return {
        "projections": ", ".join(f"{p.name}: {p.source} -> {p.target}" for p in ends)
    } if ends else {"population": weight.population}  # fmt: skip


def _axes(circuit: Circuit, weight: Weight) -> tuple[str, ...]:
    if not weight.parts:
        return (weight.population,)
    projection = circuit.projection(weight.parts[0].projection)
    sizes = [circuit.population(end).size for end in (projection.target, projection.source)]
    if list(weight.shape) != sizes:
        return tuple(f"{weight.name}_axis_{number}" for number in range(len(weight.shape)))
    target, source = projection.target, projection.source
    return target, source if source != target else f"{source}_sending"
