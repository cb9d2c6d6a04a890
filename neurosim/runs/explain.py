"""Describe in words what a circuit consists of and how it would run."""

from __future__ import annotations

import numpy as np

from neurosim.backends import open_backend
from neurosim.backends.interface import CHUNK_IMAGES
from neurosim.circuit import Circuit
from neurosim.runs.settings import RunSettings

__all__ = ["explain"]


def explain(subject: RunSettings | Circuit) -> str:
    """Describe populations, projections and how each pathway runs.

    Parameters
    ----------
    subject : RunSettings or Circuit
        Settings of a run, or a circuit, which is explained for the C++ back end in single
        precision.

    Returns
    -------
    str
        Lines of text. For a back end that compiles a program it is written, because only
        that decides how each pathway runs; nothing runs, on a CPU or a GPU.
    """
    if isinstance(subject, Circuit):
        circuit, lines, pathways = subject, [f"circuit {subject.name}"], _compiled(subject)
    else:
        system, circuit = subject.system, subject.system.circuit()
        lines = [f"{system.title}; {system.citation}", f"preset: {subject.preset}"]
        lines += filter(None, [subject.describe_changes()])
        ways = {"cpp": _compiled, "cuda": _kernels}
        pathways = ways.get(subject.backend, _in_process)(circuit, subject.dtype)
    lines += _cycle_lines(circuit) + _population_lines(circuit)
    return "\n".join(lines + _projection_lines(circuit, pathways))


def _cycle_lines(circuit: Circuit) -> list[str]:
    phases = ", ".join(f"{phase.name} {phase.steps * circuit.dt:g} ms" for phase in circuit.phases)
    return [f"cycle: {phases}, step {circuit.dt:g} ms", ""]


def _population_lines(circuit: Circuit) -> list[str]:
    lines = []
    for population in circuit.populations:
        lines.append(f"{population.name}: {population.size} {population.role}")
        kept = [f"{name} ({variable})" for variable, name in population.kept.items()]
        if kept:
            how = ", commits once a batch" if population.commit else ""
            lines.append(f"    lasts from image to image: {', '.join(kept)}{how}")
    return [*lines, ""]


def _projection_lines(circuit: Circuit, pathways: dict[str, str]) -> list[str]:
    lines = []
    for projection in circuit.projections:
        synapses = int(circuit.fans(projection, "pre").sum())
        how = "" if projection.wiring == "all_to_all" else f", {projection.wired.words()}"
        lines.append(
            f"{projection.name}: {projection.source} -> {projection.target}, {synapses} synapses"
            f"{how}, {projection.role}"
        )
        for pathway in projection.pathways:
            how = pathways.get(f"{projection.name}_{pathway.name}", "in this process")
            lines.append(f"    {pathway.name} on {pathway.event}: {how}")
    return lines


def _compiled(circuit: Circuit, dtype: str = "float32") -> dict[str, str]:
    with open_backend("cpp", circuit, dtype=dtype, max_cycles=CHUNK_IMAGES) as backend:
        return dict(getattr(backend, "pathways", {}))


def _kernels(circuit: Circuit, dtype: str) -> dict[str, str]:
    # Brian2 is slow to import
    from neurosim.backends.brian.preferences import brian2_settings
    from neurosim.backends.cuda.generate import generate

    with brian2_settings(np.dtype(dtype)):
        program = generate(circuit, real="float" if dtype == "float32" else "double")
    return {name: f"{way}, in tiles" if "commit" in way else f"{way}, shared by a block"
            for name, way in program.pathways.items()}  # fmt: skip


def _in_process(circuit: Circuit, dtype: str) -> dict[str, str]:
    return {}
