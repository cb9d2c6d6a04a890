"""A circuit description contradicts itself: refused when made, by name, with the way out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from oracles import deep_system, small_system

from neurosim.circuit import (
    MAX_CYCLE_STEPS,
    MOMENTS,
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
    circuit_from_dict,
)
from neurosim.circuit.phases import phase_lengths
from neurosim.errors import CircuitError


def cells(name: str, size: int = 2, extra: str = "", **more: Any) -> Population:
    """Cells with a rate and a sum; ``extra`` adds equations."""
    events = (
        Event("onset", "onset", "onset", "r = 0\ns = 0"),
        Event("spike", "r > 0", "send", counted=True),
        Event("end", "end_only", "phase_end"),
    )
    return Population(name, size, f"r : 1\ns : 1\n{extra}", events, **more)


def gated(value: float) -> Population:
    """The lower cells of the toy with a shared constant."""
    return cells("lower", extra="g : 1 (shared, constant)", parameters={"g": value})


def toy(**changes: Any) -> Circuit:
    """Two cells to three cells, all to all; two of the first to themselves."""
    parts: dict[str, Any] = {
        "name": "toy",
        "dt": 1.0,
        "phases": (Phase("only", 3),),
        "inputs": (CycleInput("image", 2), CycleInput("gain")),
        "populations": (cells("lower"), cells("upper", 3)),
        "projections": (
            Projection("up", "lower", "upper", "w : 1", (signal(),)),
            Projection("own", "lower", "lower", "w : 1", (signal(),), wiring="one_to_one"),
        ),
        "weights": (
            Weight("W", (3, 2), (WeightPart("up", "w"),)),
            Weight("D", (2, 2), (WeightPart("own", "w", "diagonal"),)),
        ),
        "readouts": (Readout("answer", "upper", "end", "r"),),
        "answer": "answer",
    }
    return Circuit(**{**parts, **changes})


def signal(**changes: Any) -> Pathway:
    settings = {"name": "signal", "event": "spike", "code": "s_post += w*r_pre"}
    return Pathway(**{**settings, **changes})


def up(**changes: Any) -> Projection:
    """The projection ``up`` of the toy, changed."""
    settings = {
        "name": "up",
        "source": "lower",
        "target": "upper",
        "equations": "w : 1",
        "pathways": (signal(),),
    }
    return Projection(**{**settings, **changes})


def with_up(**changes: Any) -> Circuit:
    return toy(projections=(up(**changes), toy().projections[1]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dt": 1e-320}, r"dt = 1e-320 ms"),
        ({"dt": float("nan")}, r"dt = nan ms"),
        ({"dt": float("inf")}, r"dt = inf ms"),
        (
            {"phases": (Phase("wake", MAX_CYCLE_STEPS), Phase("sleep", 1))},
            r"a cycle of circuit 'toy' has 1000001 steps \(wake 1000000, sleep 1\); at most",
        ),
        ({"populations": (gated(float("inf")), cells("upper", 3))}, r"lower\.g is not a finite"),
        ({"populations": (gated(10**400), cells("upper", 3))}, r"lower\.g is not a finite number"),
    ],
)
def test_times_and_numbers_no_run_could_use_are_refused(
    changes: dict[str, Any], words: str
) -> None:
    """Guards, for every system alike, a run that never ends or silently computes NaN."""
    with pytest.raises(CircuitError, match=words):
        toy(**changes)


def test_the_longest_cycle_is_accepted() -> None:
    """Guards a limit that refuses what it allows; one step more in one phase is refused."""
    assert toy(phases=(Phase("only", MAX_CYCLE_STEPS),)).cycle_steps() == MAX_CYCLE_STEPS
    with pytest.raises(CircuitError, match="more than 1000000 steps"):
        Phase("only", MAX_CYCLE_STEPS + 1)
    with pytest.raises(CircuitError, match="more than 1000000 steps"):
        Phase("only", 10**5000)


def test_the_lengths_of_a_run_are_limited_alike() -> None:
    """Guards phase lengths handed over with a run, which the circuit's own limit never sees."""
    with pytest.raises(CircuitError, match="at most 1000000 steps in all"):
        phase_lengths(toy(), {"only": MAX_CYCLE_STEPS + 1})


def test_the_toy_itself_is_accepted() -> None:
    """Guards against refusals below that have another cause than the one meant."""
    circuit = toy()
    assert circuit.population("upper").event("spike").moment == "send"
    assert circuit.projection("up").wiring == "all_to_all"
    assert circuit.weight("W").shape == (3, 2)
    assert circuit.phase_steps() == {"only": 3}
    assert with_up() == circuit


# ------------------------------------------------------------------ parts by themselves


@pytest.mark.parametrize("name", ["Upper", "2nd", "a-b", "a b", "_a", "", "é", "a\n"])
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("phase", lambda name: Phase(name, 1)),
        ("cycle input", CycleInput),
        ("event", lambda name: Event(name, "True", "send")),
        ("population", lambda name: cells(name)),
        ("pathway", lambda name: Pathway(name, "spike", "")),
        ("projection", lambda name: up(name=name)),
    ],
)
def test_names_a_back_end_could_not_use_are_refused(kind: str, make: Any, name: str) -> None:
    """Guards against names that fail, or fold together, only in generated code."""
    with pytest.raises(CircuitError, match=f"{kind} name"):
        make(name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Phase("free", 0), r"'free' has 0 steps; at least 1"),
        (lambda: Phase("free", -3), r"'free' has -3 steps; at least 1"),
        (lambda: CycleInput("image", -1), r"'image' has width -1"),
        (lambda: Event("spike", "r > 0", "sent"), r"'spike' at moment 'sent'.*'send'"),
        (lambda: cells("lower", 0), r"'lower' has 0 cells"),
        (lambda: up(wiring="all_to_al"), r"'up' is wired 'all_to_al'.*'all_to_all'"),
        (lambda: up(pathways=(signal(side="both"),)), r"'signal'.*'both'.*pre"),
        (lambda: WeightPart("up", "w", "diag"), r"'diag'.*'diagonal'"),
    ],
)
def test_a_part_without_meaning_is_refused(make: Any, words: str) -> None:
    """Guards against a typing mistake that runs as something else."""
    with pytest.raises(CircuitError, match=words):
        make()


def test_an_event_declared_twice_is_refused() -> None:
    """Guards against a condition that silently replaces another."""
    twice = (Event("spike", "r > 0", "send"), Event("spike", "r > 1", "send"))
    with pytest.raises(CircuitError, match=r"'lower' declares an event twice"):
        Population("lower", 2, "r : 1", twice)


def test_an_unknown_event_is_refused_with_the_nearest() -> None:
    """Guards against a projection that listens to nothing."""
    with pytest.raises(CircuitError, match=r"'lower' has no event 'spikes'.*'spike'"):
        cells("lower").event("spikes")


@pytest.mark.parametrize("side", ["pre", "post"])
def test_a_signal_on_an_event_that_is_not_counted_is_refused(side: Any) -> None:
    """Guards an epoch of training before a metric finds no count; learning needs none."""
    quiet = {"event": "end", "side": side}
    with pytest.raises(CircuitError, match=r"'signal' of projection 'up' .* event 'end' of '"):
        with_up(pathways=(signal(**quiet),))
    with_up(pathways=(signal(**quiet, learns=True),))


def test_the_moments_are_in_the_order_of_one_step() -> None:
    """Guards against learning before notes are taken, or notes before events arrive."""
    assert list(MOMENTS) == ["onset", "sense", "send", "phase_end", "learn"]


# ------------------------------------------------------------------ parts together


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: toy(populations=(cells("lower"), cells("lower", 3))), r"twice: lower"),
        (lambda: toy(inputs=(CycleInput("upper"),)), r"twice: upper"),
        (lambda: toy(projections=(up(), up())), r"twice: up"),
        (lambda: with_up(name="lower"), r"twice: lower"),
        (lambda: toy(phases=()), r"'toy' has no phases"),
        (lambda: toy(dt=0.0), r"dt = 0\.0 ms; it must lie in"),
        (lambda: toy(dt=-1.0), r"dt = -1\.0 ms; it must lie in"),
        (lambda: with_up(source="lwer"), r"no population 'lwer'.*'lower'"),
        (lambda: with_up(target="uper"), r"no population 'uper'.*'upper'"),
        (
            lambda: with_up(pathways=(signal(event="spke"),)),
            r"'lower' has no event 'spke'.*'spike'",
        ),
        (
            lambda: with_up(pathways=(signal(event="spke", side="post"),)),
            r"'upper' has no event 'spke'.*'spike'",
        ),
        (
            lambda: with_up(wiring="one_to_one"),
            r"'up' is wired 'one_to_one' between 2 and 3 cells; the sizes must agree",
        ),
        (
            lambda: toy(
                populations=(cells("lower", links={"s": ("upper", "r")}), cells("upper", 3))
            ),
            r"lower\.s is linked to 'upper', which has 3 cells instead of 2",
        ),
        (
            lambda: toy(
                populations=(cells("lower", links={"s": ("uper", "r")}), cells("upper", 3))
            ),
            r"no population 'uper'.*'upper'",
        ),
        (
            lambda: toy(weights=(Weight("W", (2, 3), (WeightPart("up", "w"),)),)),
            r"'W' has shape \(2, 3\).*'up' connects \(post, pre\) = \(3, 2\)",
        ),
        (
            lambda: toy(weights=(Weight("W", (3, 2), (WeightPart("upp", "w"),)),)),
            r"no projection 'upp'.*'up'",
        ),
        (
            lambda: toy(readouts=(Readout("answer", "uper", "end", "r"),)),
            r"no population 'uper'.*'upper'",
        ),
        (
            lambda: toy(readouts=(Readout("answer", "upper", "ends", "r"),)),
            r"'upper' has no event 'ends'.*'end'",
        ),
        (lambda: toy(answer="anser"), r"no readout 'anser'.*'answer'"),
    ],
)
def test_a_circuit_that_contradicts_itself_is_refused(make: Any, words: str) -> None:
    """Guards against a contradiction found after a build, in the words of another program."""
    with pytest.raises(CircuitError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "equations", "code", "changed"),
    [
        ("clipped = clip(s, 0, 1) : 1", "", "w += clipped_post*r_pre\ns_post += r_pre", "s_post"),
        ("", "gap = s_post - r_pre : 1", "s_post += gap", "s_post"),
        ("", "", "s_post += w*s_pre", "s_post"),
        ("", "", "s_pre += w*r_post\nw += s_post", "s_pre"),
    ],
)
def test_a_pathway_must_not_read_by_another_way_what_it_changes(
    extra: str, equations: str, code: str, changed: str
) -> None:
    """Guards rules that each back end would compute in another way."""

    def make(code: str) -> Circuit:
        own = Projection(
            "own", "upper", "upper", f"w : 1\n{equations}", (signal(code=code),),
            wiring="all_but_self",
        )  # fmt: skip
        upper = cells("upper", 3, extra=extra)
        return toy(
            populations=(cells("lower"), upper), projections=(up(), own), weights=toy().weights[:1]
        )

    with pytest.raises(CircuitError, match=f"'own' changes '{changed}', on which depends"):
        make(code)
    # by its own name it is read as the synapses before have left it
    assert make("s_post = clip(s_post + r_pre, 0, 1)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: toy(phases=(Phase("only", 3), Phase("only", 2))), r"only"),
        (lambda: toy(weights=toy().weights + toy().weights[:1]), r"\bW\b"),
        (lambda: toy(readouts=toy().readouts * 2), r"answer"),
        (lambda: with_up(pathways=(signal(), signal(code="w += 1"))), r"up.*signal"),
    ],
)
def test_a_phase_weight_readout_or_pathway_of_the_same_name_as_another_is_refused(
    make: Any, words: str
) -> None:
    """Guards against the second of two that silently replaces the first."""
    with pytest.raises(CircuitError, match=words):
        make()


@pytest.mark.parametrize(
    "part",
    [WeightPart("up", "w", "diagonal"), WeightPart("own", "w", "off_diagonal")],
    ids=["one number per cell from all-to-all synapses", "a matrix from one-to-one synapses"],
)
def test_a_weight_laid_out_otherwise_than_its_projection_is_wired_is_refused(
    part: WeightPart,
) -> None:
    """Guards against weights that cannot be put into the synapses they name."""
    shape = (3, 2) if part.projection == "up" else (2, 2)
    with pytest.raises(CircuitError, match=part.projection):
        toy(weights=(Weight("W", shape, (part,)),))


@pytest.mark.parametrize("find", ["population", "projection", "weight"])
def test_looking_up_an_unknown_part_names_those_there_are(find: str) -> None:
    """Guards against a bare KeyError."""
    with pytest.raises(CircuitError, match=f"no {find} 'nothing'; allowed: "):
        getattr(toy(), find)("nothing")


# ------------------------------------------------------------------ numbers derived from it


def test_reach_of_an_event_follows_the_wiring() -> None:
    """Guards against counts of synapses in the wrong direction."""
    circuit = toy()
    assert circuit.fan_out(circuit.projection("up")) == 3
    assert circuit.fan_in(circuit.projection("up")) == 2
    assert circuit.fan_out(circuit.projection("own")) == 1
    assert circuit.fan_in(circuit.projection("own")) == 1


def test_work_of_a_dense_network_counts_signal_in_both_directions_but_not_learning() -> None:
    """Guards against a baseline that is too cheap for symmetric, or too dear for plastic wiring."""
    down = signal(name="down", side="post")
    learning = signal(name="learning", learns=True)
    assert toy().dense_macs_per_step() == 2 * 3 + 2
    assert with_up(pathways=(signal(), down, learning)).dense_macs_per_step() == 2 * 6 + 2
    assert not up().plastic
    assert up(pathways=(signal(), learning)).plastic


# ------------------------------------------------------------------ identity


@pytest.mark.parametrize("circuit", [toy(), deep_system().circuit()], ids=["toy", "corinfomax"])
def test_a_circuit_survives_a_trip_through_json(circuit: Circuit) -> None:
    """Guards against a build process that compiles another circuit than the one described."""
    described = json.loads(json.dumps(dataclasses.asdict(circuit)))
    assert circuit_from_dict(described) == circuit
    assert circuit_from_dict(described).digest() == circuit.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": 0.3},
        {"free_time": 5.0},
        {"event_threshold": 0.5},
        {"mu_ff": (0.3, 0.3)},
        {"slowdown": 0.2},
    ],
)
def test_values_that_may_change_between_runs_do_not_ask_for_another_build(
    change: dict[str, Any],
) -> None:
    """Guards against a compilation for every learning rate."""
    assert small_system(**change).circuit().digest() == small_system().circuit().digest()


@pytest.mark.parametrize(
    "change",
    [
        {"layers": (5, 7, 3)},
        {"dt": 0.5},
        {"output_apical": "nudge"},
        {"tau_basal": 2.0},
    ],
)
def test_what_is_compiled_in_asks_for_another_build(change: dict[str, Any]) -> None:
    """Guards against a cached program of another network."""
    assert small_system(**change).circuit().digest() != small_system().circuit().digest()


#: Changes of a piece of text that mean something, and such that mean nothing, by its place.
MEANT = {
    "equations": "{}\nextra = 2 : 1",
    "method": "rk2",
    "condition": "{} and not learning",
    "action": "{}\nextra = 2",
    "code": "{}\nextra = 2",
    "gather": "{}\ng += 2",
    "commit": "{} + 2",
}
UNMEANT = {
    "equations": "\n\n{}  # in other words",
    "method": "{}",
    "condition": " {} # in other words",
    "action": "# in other words\n\n  {}",
    "code": "# in other words\n\n  {}",
    "gather": "# in other words\n\n  {}",
    "commit": "# in other words\n\n  {}",
}


def with_texts_changed(forms: dict[str, str]) -> list[Circuit]:
    """A small circuit, each of its texts changed in turn."""
    circuit = small_system().circuit()
    found = []
    for part in (*circuit.populations, *circuit.projections):
        for key in ("equations", "method") if isinstance(part, Population) else ("equations",):
            changed = forms[key].format(getattr(part, key))
            found.append(dataclasses.replace(part, **{key: changed}))
        if isinstance(part, Population):
            for event in part.events:
                for key in ("condition", "action"):
                    new = dataclasses.replace(
                        event, **{key: forms[key].format(getattr(event, key))}
                    )
                    events = tuple(new if old == event else old for old in part.events)
                    # the onset's condition is a word of its own
                    if (event.moment, key) != ("onset", "condition") or forms is UNMEANT:
                        found.append(dataclasses.replace(part, events=events))
        else:
            for pathway in part.pathways:
                code = forms["gather" if pathway.learns else "code"].format(pathway.code)
                found.append(part.with_pathway(dataclasses.replace(pathway, code=code)))
            if part.commit:
                commit = forms["commit"].format(part.commit)
                found.append(dataclasses.replace(part, commit=commit))
    return [circuit.replacing(part) for part in found]


def test_every_piece_of_text_of_a_circuit_is_part_of_its_identity() -> None:
    """Guards against an equation, condition or rule that can change without another build."""
    changed = with_texts_changed(MEANT)
    digests = {circuit.digest() for circuit in changed} | {small_system().circuit().digest()}
    assert len(digests) == len(changed) + 1 > 50


def test_comments_spacing_and_words_for_diagrams_are_no_part_of_its_identity() -> None:
    """Guards checkpoints and compiled programs that a better comment would make useless."""
    circuit = small_system().circuit()
    assert {c.digest() for c in with_texts_changed(UNMEANT)} == {circuit.digest()}
    equations = "w:1\ng :1\nmu :1( shared,constant )"
    spaced = dataclasses.replace(
        circuit.projection("ff_0"), role="other words", equations=equations
    )
    assert circuit.replacing(spaced).digest() == circuit.digest()
