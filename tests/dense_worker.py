"""Build and run one random Brian2 network, with dense rows or on the standard path.

Run as ``python dense_worker.py SEED DTYPE DENSE FOLDER``; leaves ``result.npz`` and
``report.json`` in the folder. A process of its own, because Brian2 keeps one standalone device.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import brian2 as b2
import numpy as np

from neurosim.backends.cpp.compiler import compile_project, find_compiler
from neurosim.backends.cpp.device import activate

CELLS = """
dv/dt = (drive - v)/(5*ms) : 1
drive : 1 (constant)
x : 1
y : 1
back : 1
n_sent : integer
"""

SYNAPSES = """
w : 1
trace : 1
eta : 1 (shared, constant)
"""

#: Ways of connecting, with the delay of the signal: those the device may shorten, and others.
WIRINGS = (
    ({}, 0),
    ({}, 0),
    ({}, 1),
    ({"j": "i"}, 0),
    ({"condition": "i != j"}, 0),
    ({"condition": "(i + j) % 2 == 0"}, 0),
)


def build(seed: int) -> tuple[b2.Network, list[b2.NeuronGroup], list[b2.Synapses]]:
    """A random network: three groups, one projection of each wiring, one to three pathways each."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 30, 3)]
    groups = [make_group(k, size, rng) for k, size in enumerate(sizes)]
    synapses = [make_synapses(k, groups, rng) for k in range(len(WIRINGS))]
    return b2.Network(*groups, *synapses), groups, synapses


def make_group(k: int, size: int, rng: np.random.Generator) -> b2.NeuronGroup:
    """Cells that spike at their own rates and note an event of their own in between."""
    group = b2.NeuronGroup(
        size,
        CELLS,
        threshold="v > 1",
        reset="v = 0; n_sent += 1",
        events={"note": "x > 0.2 and timestep(t, dt) % 3 == 2"},
        method="euler",
        name=f"group_{k}",
    )
    group.run_regularly("x = clip(0.5*v + 0.1*y + 0.05*back, -2, 2)", when="before_thresholds")
    group.drive = rng.uniform(0.5, 3, size)
    group.v = rng.uniform(0, 1, size)
    return group


def make_synapses(k: int, groups: list[b2.NeuronGroup], rng: np.random.Generator) -> b2.Synapses:
    """A projection between random groups, wired at random, with random pathways."""
    source, target = rng.choice(len(groups), 2)
    wiring, delay = WIRINGS[k]
    if "j" in wiring:
        target = source
    on_pre = {"signal": "y_post += w*x_pre; trace = 0.5*trace + x_pre"}
    on_event = {"signal": "spike"}
    if rng.random() < 0.8:
        on_pre["learn"] = "w += eta*(x_pre*x_post - w*v_post**2)*int(i != j)"
        on_event["learn"] = "note"
    on_post = {}
    if rng.random() < 0.6:
        on_post["upward"] = "back_pre += w*x_post; w = clip(w + 0.01*trace, -3, 3)"
        on_event["upward"] = "spike"
    made = b2.Synapses(
        groups[source],
        groups[target],
        SYNAPSES,
        on_pre=on_pre,
        on_post=on_post or None,
        on_event=on_event,
        delay={name: (delay if name == "signal" else 0) * b2.ms for name in on_event},
        name=f"synapses_{k}",
    )
    made.connect(**wiring)
    made.eta = 0.05
    made.w = f"{rng.uniform(0.02, 0.1)}*sin(1 + i*{rng.uniform(1, 3)} + j)"
    return made


def main(seed: str, dtype: str, dense: str, folder: str) -> None:
    """Generate, compile, run and collect."""
    b2.prefs.core.default_float_dtype = np.dtype(dtype).type
    b2.defaultclock.dt = 1 * b2.ms
    device = activate(dense=dense == "dense")
    network, groups, synapses = build(int(seed))
    network.run(60 * b2.ms, namespace={})
    project = Path(folder) / "project"
    device.build(directory=str(project), compile=False, run=False)
    program = compile_project(project, find_compiler(), jobs=1)
    subprocess.run([str(program)], cwd=project, check=True)
    arrays = {}
    for owner, names in ((groups, ("v", "x", "y", "back", "n_sent")), (synapses, ("w", "trace"))):
        for thing in owner:
            for name in names:
                variable = thing.variables[name]
                file = project / "results" / device.get_array_filename(variable)
                arrays[f"{thing.name}.{name}"] = np.fromfile(file, dtype=variable.dtype)
    np.savez(Path(folder) / "result.npz", **arrays)
    (Path(folder) / "report.json").write_text(json.dumps(device.pathway_report()))


if __name__ == "__main__":
    main(*sys.argv[1:])
