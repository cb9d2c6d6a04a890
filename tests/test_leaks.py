"""What would silently change results is refused: memory, unseeded draws, wrong names, no values."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import brian2 as b2
import numpy as np
import pytest
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_CONSTANTS
from brian2.equations.equations import check_identifier_reserved
from brian2.utils.logger import catch_logs
from oracles import assert_bitwise_equal

from neurosim.backends.brian.build import build_network
from neurosim.backends.cpp.backend import CppBackend
from neurosim.backends.interface import Chunk
from neurosim.backends.runtime.backend import RuntimeBackend
from neurosim.circuit import (
    Circuit,
    CycleInput,
    Event,
    Pathway,
    Phase,
    Population,
    Projection,
    Readout,
    Weight,
    WeightPart,
)
from neurosim.circuit.names import RANDOM_FUNCTIONS, RESERVED
from neurosim.circuit.readouts import with_state_changes
from neurosim.errors import CircuitError
from neurosim.models import SYSTEMS

ONSET = "u = 0\ns = 0\nkept = 0\ny = shown(cycle_time, i)"
CELLS = """
du/dt = (s + y + gain - g*u)/tau : 1
r = clip(u, 0, 1) : 1
s : 1
kept : 1
y : 1
g : 1 (shared, constant)
tau : second (shared, constant)
"""
SETTINGS = {"g": 1.0, "tau": 2e-3}


def cells(
    *more: Event,
    onset: str = ONSET,
    when: str = "onset",
    equations: str = "",
    spike: str = "r > 0.1",
    sent: str = "",
    **changes: Any,
) -> Population:
    """Two cells that send to each other."""
    events = (
        Event("onset", when, "onset", onset),
        Event("spike", spike, "send", sent, counted=True),
        Event("learn", "end_only and learning", "learn"),
        *more,
    )
    return Population("cells", 2, CELLS + equations, events, **{"parameters": SETTINGS, **changes})


def synapses(
    signal: str = "s_post += w*r_pre", rule: str = "w += mu*r_pre*r_post", **changes: Any
) -> Projection:
    parts: dict[str, Any] = {
        "equations": "w : 1\nmu : 1 (shared, constant)",
        "pathways": (Pathway("signal", "spike", signal), Pathway("rule", "learn", rule, True)),
        "parameters": {"mu": 0.1},
        "weight": "W",
        "rate": "mu",
        **changes,
    }
    return Projection("net", "cells", "cells", **parts)


def circuit(
    population: Population | None = None, projection: Projection | None = None, **changes: Any
) -> Circuit:
    parts: dict[str, Any] = {
        "name": "toy",
        "dt": 1.0,
        "phases": (Phase("only", 3),),
        "inputs": (CycleInput("shown", 2), CycleInput("gain")),
        "populations": (population or cells(),),
        "projections": (projection or synapses(),),
        "readouts": (Readout("answer", "cells", "learn", "r"),),
        "answer": "answer",
        **changes,
    }
    return Circuit(**parts)


def refused(words: str, make: Any) -> str:
    """The one line of a refusal that has these words in this order."""
    with pytest.raises(CircuitError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_sound_circuit_is_built() -> None:
    """Guards against refusals below that have another cause than the one meant."""
    assert set(build_network(circuit(), 1).groups) == {"rhythm", "cells"}


# ------------------------------------------------------------------ memory of cells


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: circuit(cells(onset="s = 0\ny = shown(cycle_time, i)")), "u is changed by integ"),
        (lambda: circuit(cells(onset="u = 0\ns = 0", sent="kept = r")), "kept .* event 'spike'"),
        (lambda: circuit(cells(onset="u = 0\ny = 0")), "s .* pathway 'signal' of projection 'net'"),
        (
            lambda: circuit(cells(onset="u = 0\ns = 0"), synapses("s_post += w; kept_pre = 1")),
            "kept .* pathway 'signal'",
        ),
        # an old value of its own, of another, through an equation, or under an abbreviation
        (lambda: circuit(cells(onset="kept = r\n" + ONSET.replace("kept = 0\n", ""))), "kept"),
        (lambda: circuit(cells(onset="old = u\n" + ONSET + "\nkept = old")), "kept"),
        (lambda: circuit(cells(onset="u *= 0\ns = 0\ny = 0")), "u"),
        # set at another moment, or not always
        (lambda: circuit(cells(when="onset and gain > 0")), "u|s|y"),
        (lambda: circuit(cells(when="onset or end_only")), "u|s|y"),
        (
            lambda: circuit(
                cells(Event("late", "onset", "sense", "kept = 0"), onset="u = 0\ns = 0\ny = 0")
            ),
            "kept",
        ),
        # another event of the onset may put the old value back
        (lambda: circuit(cells(Event("again", "onset", "onset", "kept = u"))), "kept"),
    ],
)
def test_a_cell_that_would_remember_the_previous_image_is_refused(make: Any, what: Any) -> None:
    """Guards results that depend on how many images a run shows at once."""
    message = refused(rf"cells\.({what})", make)
    assert "reset_action(EQUATIONS)" in message
    assert "Weight" in message


def test_a_state_that_all_cells_share_is_refused_with_the_way_out() -> None:
    """Guards a state that no onset could reset."""
    shared = cells(equations="da/dt = -a/tau : 1 (shared)")
    refused(r"cells\.a .* shared by all cells.* population of one cell", lambda: circuit(shared))


def test_a_condition_of_the_onset_that_reads_the_previous_state_is_refused() -> None:
    """Guards an event that the previous image decides."""
    early = Event("early", "onset and r > 0.5", "onset", "kept = 1")
    refused(r"'early'.* reads .*moment 'sense'", lambda: circuit(cells(early)))


def test_what_nothing_changes_or_the_onset_sets_in_steps_is_accepted() -> None:
    """Guards against refusing sound rules."""
    circuit(cells(onset="u = 0\ns = u\ny = 2*s\ny += 1\nkept = y"))
    circuit(cells(onset="u = 0\ns = 0"))
    circuit(cells(onset=ONSET + "\nkept = 0.9*kept + u", sent="kept = 1"))
    circuit(cells(Event("late", "cycle_step >= 0", "send", "kept = u")))


@pytest.mark.parametrize("name", ["t", "t_in_timesteps", "cycle", "lastspike", "cycle_time"])
def test_a_clock_that_goes_on_from_image_to_image_is_refused(name: str) -> None:
    """Guards rules that read how many images a chunk has shown."""
    late = Event("late", f"{name} > 3*dt", "send")
    refused(f"'late'.* reads {name!r}.*use ", lambda: circuit(cells(late)))


def test_a_synapse_that_would_forget_between_runs_is_refused() -> None:
    """Guards state of synapses, in code of any layout, that no weight carries."""
    trace = {"equations": "w : 1\nx : 1\nmu : 1 (shared, constant)"}
    weight = (Weight("W", (2, 2), (WeightPart("net", "w"),)),)
    for code in ("s_post += w; x = 1", "s_post += w\nx *= 2"):
        refused(
            r"net\.x is changed by pathway 'signal' but belongs to no Weight",
            lambda code=code: circuit(None, synapses(code, weight="", **trace), weights=weight),
        )
    moving = {"equations": "w : 1\ndx/dt = -x/ms : 1 (clock-driven)\nmu : 1 (shared, constant)"}
    refused(
        r"net\.x is changed by integration but",
        lambda: circuit(None, synapses(weight="", **moving), weights=weight),
    )
    driven = {"equations": moving["equations"].replace("clock", "event")}
    refused(r"net\.x is event-driven", lambda: circuit(None, synapses(**driven)))


SMALL: dict[str, dict[str, Any]] = {
    "corinfomax": {"layers": (4, 5, 3)},
    "corinfomax-sparse": {
        "layers": (4, 6, 3),
        "domains": (("mixed", 2, (0, 3), (2, 5)), "simplex"),
    },
    "corinfomax-sparse-enforced": {"layers": (4, 5, 3)},
    "ep": {"layers": (4, 5, 3)},
    "pc": {"layers": (4, 5, 3)},
    "pc-nudge": {"layers": (4, 5, 3)},
    "phsic": {"layers": (4, 6, 3), "groups": 3},
    "reciprocal-feedback": {"layers": (4, 5, 3)},
}


def trained(backend: RuntimeBackend, weights: Any, cuts: tuple[int, ...]) -> dict[str, Any]:
    """Weights and answers after learning four images in chunks that end at ``cuts``."""
    rng = np.random.default_rng(3)
    inputs = {
        item.name: rng.uniform(0.1, 1, (4, item.width) if item.width else 4)
        for item in backend.circuit.inputs
    }
    answers = []
    names = [phase.name for phase in backend.circuit.phases]
    phases = dict(zip(names, (4, 3, 2)[: len(names)], strict=True))
    for first, last in zip((0, *cuts), (*cuts, 4), strict=True):
        given = {name: values[first:last] for name, values in inputs.items()}
        how: dict[str, Any] = {"phases": phases, "commits": first, "first_image": first}
        result = backend.run(Chunk(given, weights, learning=True, **how))
        weights = result.weights
        answers.append(result.readouts["answer"])
    return {**weights, "answer": np.concatenate(answers)}


@pytest.mark.quick(3)
@pytest.mark.parametrize("name", SYSTEMS)
def test_no_shipped_system_depends_on_where_chunks_end(name: str) -> None:
    """Guards `chunk_images`, which is no part of a model: all bits are the same."""
    system = SYSTEMS[name](**SMALL.get(name, {}))
    made = with_state_changes(system.circuit(), system.layer_cells()[1:])
    weights = system.initial_weights(np.random.default_rng(4))
    with RuntimeBackend(made, dtype="float32", max_cycles=4) as backend:
        whole = trained(backend, weights, ())
        assert_bitwise_equal(trained(backend, weights, (1, 3)), whole)
    moved = [key for key, start in weights.items() if not np.allclose(start, whole[key], atol=1e-7)]
    assert moved, "nothing was learnt: the test shows nothing"


# ------------------------------------------------------------------ seeds


@pytest.mark.parametrize("draw", ["rand()", "randn()", "poisson(2)", "binomial(3, 0.5)", "xi_1"])
@pytest.mark.parametrize(
    ("place", "make"),
    [
        ("equation of 'n' in population", lambda d: circuit(cells(equations=f"n = 2*{d} : 1"))),
        ("condition of event 'spike'", lambda d: circuit(cells(spike=f"r > {d}"))),
        ("action of event 'spike'", lambda d: circuit(cells(sent=f"kept = {d}"))),
        ("pathway 'signal'", lambda d: circuit(None, synapses(f"s_post += w*({d} < 0.5)"))),
    ],
)
def test_random_numbers_that_ignore_the_seed_are_refused(place: str, make: Any, draw: str) -> None:
    """Guards two runs of one seed that differ."""
    name = re.match(r"\w+", draw)[0]  # type: ignore[index]
    refused(rf"{place}.*{name!r}.*CycleInput.*System\.cycle_scalars", lambda: make(draw))


# ------------------------------------------------------------------ values and names


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: circuit(cells(parameters={"tau": 1e-3})),
            r"'cells' declares the shared constant 'g' without a value; give parameters=",
        ),
        (
            lambda: circuit(cells(parameters={**SETTINGS, "gg": 1.0})),
            r"'cells' has a value for 'gg', but no equation .*did you mean 'g'",
        ),
        (
            lambda: circuit(None, synapses(parameters={}, rate="")),
            r"'net' declares the shared constant 'mu' without a value",
        ),
        (
            lambda: circuit(None, synapses(parameters={"mu": 1.0, "nu": 1.0})),
            r"'net' has a value for 'nu'",
        ),
        (lambda: synapses(rate="nu"), r"'net' names the learning rate 'nu'.*mu"),
        (
            lambda: circuit(cells(equations="q : 1 (linked)")),
            r"declares the linked variable 'q', but links it to nothing",
        ),
        (
            lambda: circuit(cells(links={"kept": ("cells", "r")})),
            r"links 'kept', but has no equation 'kept : unit \(linked\)'",
        ),
        (
            lambda: circuit(cells(equations="q : 1 (linked)", links={"q": ("cells", "rr")})),
            r"cells\.q is linked to cells\.rr, which is none of its variables.*'r'",
        ),
        (
            lambda: circuit(readouts=(Readout("answer", "cells", "learn", "rr"),)),
            r"'answer' notes 'rr', which is no variable of population 'cells'",
        ),
        (
            lambda: circuit(
                None, synapses(weight=""), weights=(Weight("W", (2, 2), (WeightPart("net", "v"),)),)
            ),
            r"'W' takes 'v' from projection 'net', whose synapses have no such variable",
        ),
    ],
)
def test_a_declaration_that_is_only_half_there_is_refused(make: Any, words: str) -> None:
    """Guards a constant that is 0 because nobody gave it, and a value that nothing reads."""
    refused(words, make)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("double", "'double_'"),
        ("lambda", "'lambda_'"),
        ("int", "'int_'"),
        ("class", "'class_'"),
        ("λ", "'lambda_'"),
        ("_u", "a letter first"),
        ("t", "'t_'"),
        ("dt", "'dt_'"),
        ("i", "'i_'"),
        ("N", "'N_'"),
        ("exp", "'exp_'"),
        ("u_post", "marks a variable of a cell"),
        ("onset", "name of the rhythm"),
        ("in_only", "name of the rhythm"),
        ("gain", "name of the rhythm"),
        ("shown", "an input of the circuit"),
        ("n_spike", "the count of event 'spike'"),
        ("r", "another of its variables"),
    ],
)
def test_a_variable_that_generated_code_could_not_take_is_refused(name: str, hint: str) -> None:
    """Guards lines of a compiler that name neither the variable nor the circuit."""
    message = refused("'cells' declares ", lambda: circuit(cells(equations=f"{name} : 1")))
    assert repr(name) in message
    assert hint in message


@pytest.mark.parametrize("name", ["double", "lambda", "int", "class", "in"])
@pytest.mark.parametrize(
    "make",
    [
        lambda name: Phase(name, 1),
        CycleInput,
        lambda name: Event(name, "onset", "onset"),
        lambda name: Population(name, 1, "u : 1"),
        lambda name: Pathway(name, "spike", ""),
        lambda name: Projection(name, "cells", "cells", "", ()),
    ],
)
def test_a_part_named_as_a_word_of_a_language_is_refused(make: Any, name: str) -> None:
    """Guards the same for names of parts."""
    refused(f"{name!r} is a word of Python or C\\+\\+; write '{name}_'", lambda: make(name))


def test_names_of_brian2_are_all_reserved() -> None:
    """Guards the lists of names: Brian2's own tables are the oracle."""
    known = {name for name in (*DEFAULT_FUNCTIONS, *DEFAULT_CONSTANTS) if name.isidentifier()}
    assert known <= RESERVED
    drawn = {name for name, f in DEFAULT_FUNCTIONS.items() if not f.stateless}
    assert drawn <= RANDOM_FUNCTIONS
    for name in ("t", "dt", "t_in_timesteps", "xi", "i", "N"):
        with pytest.raises(SyntaxError):
            check_identifier_reserved(name)
        assert name in RESERVED


def test_a_name_that_the_back_end_needs_is_refused() -> None:
    """Guards a population that would replace the rhythm."""
    rhythm = dataclasses.replace(cells(), name="rhythm")
    refused("'rhythm', which is taken", lambda: circuit(populations=(cells(), rhythm)))


@pytest.mark.parametrize("label", ["", " spikes", "a\nb", "events.x", "a  b", "9", 3])
def test_a_count_is_reported_under_plain_words(label: Any) -> None:
    """Guards tables and files whose columns carry the label."""
    refused("'spike' is counted as ", lambda: Event("spike", "onset", "sense", counted=label))
    Event("spike", "onset", "sense", counted="SST samples")


# ------------------------------------------------------------------ names in code

WRONG = {
    "equation": (
        lambda: circuit(cells(equations="x = 2*rr : 1")),
        r"equation of 'x' in population 'cells' names 'rr'.*did you mean 'r'",
    ),
    "condition": (
        lambda: circuit(cells(spike="abs(r) > gg")),
        r"condition of event 'spike' of population 'cells' names 'gg'.*'g'",
    ),
    "action reads": (
        lambda: circuit(cells(sent="kept = uu")),
        r"action of event 'spike' of population 'cells' names 'uu'.*'u'",
    ),
    "action sets": (
        lambda: circuit(cells(sent="kpt = u")),
        r"action of event 'spike'.* sets 'kpt', .*not read afterwards.*'kept'",
    ),
    "action sets what is computed": (
        lambda: circuit(cells(sent="r = 0")),
        r"sets 'r', which is computed by an equation",
    ),
    "action sets a constant": (
        lambda: circuit(cells(sent="g = 0")),
        r"sets 'g', which is shared and constant",
    ),
    "action sets the rhythm": (
        lambda: circuit(cells(sent="phase_step = 0")),
        r"sets 'phase_step', which the rhythm alone sets",
    ),
    "signal": (
        lambda: circuit(None, synapses("s_post += w*rr_pre")),
        r"pathway 'signal' of projection 'net' names 'rr_pre'.*'r_pre'",
    ),
    "signal to nowhere": (
        lambda: circuit(None, synapses("ss_post = w")),
        r"pathway 'signal' .* sets 'ss_post'.*'s_post'",
    ),
    "a cell's variable without its end": (
        lambda: circuit(None, synapses("s_post += w*r")),
        r"pathway 'signal' .* names 'r'.* write 'r_post'",
    ),
    "rule": (
        lambda: circuit(None, synapses(rule="w += muu*r_pre")),
        r"pathway 'rule' .* names 'muu'.*'mu'",
    ),
    "count": (
        lambda: circuit(cells(sent="kept = n_spike")),
        r"names 'n_spike', which is unknown",
    ),
    "function": (
        lambda: circuit(cells(equations="x = cliip(u, 0, 1) : 1")),
        r"equation of 'x' .* names 'cliip'",
    ),
}


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_name_is_found_when_the_circuit_is_built(place: str) -> None:
    """Guards one clear line: no warnings of Brian2 before it, and no run to find it."""
    make, words = WRONG[place]
    made = make()
    with catch_logs() as logs:
        refused(words, lambda: RuntimeBackend(made, max_cycles=1))
    assert logs == []


def test_a_compiled_program_refuses_in_the_same_words() -> None:
    """Guards against a message for every back end."""
    make, words = WRONG["rule"]
    made = make()
    messages = {
        refused(words, lambda kind=kind: kind(made, max_cycles=1))
        for kind in (RuntimeBackend, CppBackend)
    }
    assert len(messages) == 1


def test_a_wrong_unit_comes_without_warnings_too() -> None:
    """Guards the same for mistakes that Brian2 finds when its objects are there."""
    made = circuit(cells(sent="kept = tau"))
    with catch_logs() as logs:
        refused(
            r"action of event 'spike' of population 'cells': .*kept = tau",
            lambda: RuntimeBackend(made, max_cycles=1),
        )
    assert logs == []


def test_a_condition_that_is_a_number_is_refused() -> None:
    """Guards an event that happens wherever a number is not 0."""
    made = circuit(cells(spike="r + 1"))
    refused(r"condition of event 'spike'.*is a number", lambda: build_network(made, 1))


def test_all_names_that_code_may_use_are_known() -> None:
    """Guards against refusing what runs: counters, units, indices, abbreviations."""
    b2.BrianLogger.suppress_name("unused_brian_object")
    population = cells(
        sent="fresh = u*int(i < N) + 1*ms/dt\nkept = fresh + phase_step*int(in_only) + gain",
        equations="x = exp(-u)*pi + 1.0*cycle_step/steps_only : 1",
    )
    projection = synapses(
        "s_post += w*int(i != j)*(N_pre + N_post)*int(end_only) + gain*kept_pre",
        "change = mu*r_pre*(learning and not onset)\nw += change*x_post",
    )
    build_network(circuit(population, projection), 1)
