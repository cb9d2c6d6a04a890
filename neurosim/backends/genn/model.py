"""PyGeNN, and its objects of a model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from neurosim.errors import BuildError

__all__ = ["NAME", "find_pygenn", "make_model", "processor"]

#: PyGeNN is not on PyPI, and its build knows no newer setuptools.
INSTALL = (
    "pip install 'setuptools<82' pybind11 psutil pkgconfig && pip install --no-build-isolation "
    "https://github.com/genn-team/genn/archive/refs/tags/5.4.0.zip"
)
#: Name of every model: GeNN builds it in a folder ``circuit_CODE``.
NAME = "circuit"


def find_pygenn() -> Any:
    """The package ``pygenn``.

    Raises
    ------
    BuildError
        If it is not installed, or of another version; the message says how to install it.
    """
    try:
        import pygenn
    except ImportError as error:
        raise BuildError(
            f"the back end 'genn' needs PyGeNN 5 ({error}): {INSTALL}, or use --backend cpp"
        ) from error
    if not pygenn.__version__.startswith("5."):
        raise BuildError(
            f"the back end 'genn' needs PyGeNN 5, and {pygenn.__version__} is installed: {INSTALL}"
        )
    if shutil.which("make") is None:
        raise BuildError("GeNN needs 'make', e.g. `sudo apt-get install make`")
    return pygenn


def processor() -> str:
    """What GeNN runs on here: ``"cuda"`` if PyGeNN was built for it, or a thread of the CPU."""
    find_pygenn()
    from pygenn.genn_model import backend_modules

    return str(next(iter(backend_modules)))


def make_model(described: Mapping[str, Any]) -> Any:
    """PyGeNN's objects of a model.

    Parameters
    ----------
    described : mapping
        From :func:`~neurosim.backends.genn.describe.describe`, with ``processor`` and
        ``lanes``, the images in flight.

    Returns
    -------
    pygenn.GeNNModel
        Not built.
    """
    genn = find_pygenn()
    precision = "double" if described["dtype"] == "float64" else "float"
    model = genn.GeNNModel(precision, NAME, backend=described["processor"], time_precision="double")
    # the time of GeNN is the number of the step
    model.dt = 1.0
    model.batch_size = described["lanes"]
    groups = {made["name"]: _add_neurons(genn, model, made) for made in described["neurons"]}
    types = {n: kind for made in described["neurons"] for n, kind in made["variables"].items()}
    for made in described["synapses"]:
        synapses = _add_synapses(genn, model, made, groups, types)
        if made["commit"]:
            _add_commit(genn, model, made, synapses)
    return model


def _add_neurons(genn: Any, model: Any, made: Mapping[str, Any]) -> Any:
    arrays = [f"{kind}_{name}" for kind in ("given", "noted") for name in made[kind]]
    cells = genn.create_neuron_model(
        made["name"],
        params=list(made["parameters"].items()),
        vars=[(name, kind, genn.VarAccess.READ_WRITE) for name, kind in made["variables"].items()],
        sim_code=made["code"],
        extra_global_params=[(name, "scalar*") for name in arrays],
        additional_input_vars=[(f"arrived_{name}", "scalar", 0.0) for name in made["delivered"]],
    )
    group = model.add_neuron_population(
        made["name"], made["size"], cells,
        dict.fromkeys(made["parameters"], 0), dict.fromkeys(made["variables"], 0),
    )  # fmt: skip
    for name in made["parameters"]:
        group.set_param_dynamic(name)
    return group


def _add_synapses(
    genn: Any,
    model: Any,
    made: Mapping[str, Any],
    groups: Mapping[str, Any],
    types: Mapping[str, str],
) -> Any:
    ends = {"pre": groups[made["source"]], "post": groups[made["target"]]}
    access = genn.VarAccess
    rule: dict[str, Any] = {
        f"{side}_neuron_var_refs": [(f"{side}_{name}", types[name]) for name in made["reads"][side]]
        for side in ends
    }
    for side, happened in made["events"].items():
        if happened:
            rule[f"{side}_event_threshold_condition_code"] = " || ".join(happened)
            rule[f"{side}_event_syn_code"] = made["code"][side]
    update = genn.create_weight_update_model(
        made["name"],
        params=made["parameters"],
        vars=[(name, "scalar", access.READ_ONLY) for name in made["weights"]]
        + [(name, "scalar", access.READ_WRITE) for name in made["gathered"]],
        **rule,
    )
    start = genn.init_weight_update(
        update,
        dict.fromkeys(made["parameters"], 0.0),
        dict.fromkeys((*made["weights"], *made["gathered"]), 0.0),
        **{
            f"{side}_var_refs": {
                f"{side}_{name}": genn.create_var_ref(group, name) for name in made["reads"][side]
            }
            for side, group in ends.items()
        },
    )
    one = made["one_to_one"]
    synapses = model.add_synapse_population(
        made["name"], "SPARSE" if one else "DENSE", *ends.values(), start,
        genn.init_postsynaptic("DeltaCurr"),
        *([genn.init_sparse_connectivity("OneToOne")] if one else []),
    )  # fmt: skip
    for name in made["parameters"]:
        synapses.set_wu_param_dynamic(name)
    # what an event of one side adds to arrives at the other
    if "pre" in made["arrives"]:
        synapses.post_target_var = f"arrived_{made['arrives']['pre']}"
    if "post" in made["arrives"]:
        synapses.pre_target_var = f"arrived_{made['arrives']['post']}"
    return synapses


def _add_commit(genn: Any, model: Any, made: Mapping[str, Any], synapses: Any) -> None:
    """Two updates: sums over the images in flight, and the weights that follow from them."""
    name, mode = made["name"], genn.VarAccessMode
    total = genn.create_custom_update_model(
        "gather",
        vars=[(f"{g}_total", "scalar", genn.CustomUpdateVarAccess.REDUCE_BATCH_SUM)
              for g in made["gathered"]],
        var_refs=[(g, "scalar", mode.READ_WRITE) for g in made["gathered"]],
        update_code="\n".join(f"{g}_total = {g};\n{g} = 0;" for g in made["gathered"]),
    )  # fmt: skip
    sums = model.add_custom_update(
        f"gather_{name}", f"gather_{name}", total, {},
        {f"{g}_total": 0.0 for g in made["gathered"]},
        {g: genn.create_wu_var_ref(synapses, g) for g in made["gathered"]},
    )  # fmt: skip
    numbers = [*made["parameters"], "images_gathered", "commit_number"]
    change = genn.create_custom_update_model(
        "commit",
        params=numbers,
        var_refs=[(w, "scalar", mode.READ_WRITE) for w in made["weights"]]
        + [(g, "scalar", mode.READ_ONLY) for g in made["gathered"]],
        update_code=made["commit"],
    )
    commit = model.add_custom_update(
        f"commit_{name}", f"commit_{name}", change, dict.fromkeys(numbers, 0.0), {},
        {w: genn.create_wu_var_ref(synapses, w) for w in made["weights"]}
        | {g: genn.create_wu_var_ref(sums, f"{g}_total") for g in made["gathered"]},
    )  # fmt: skip
    for number in numbers:
        commit.set_param_dynamic(number)
