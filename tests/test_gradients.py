"""What the contrastive updates have to do with gradients: angles and relative norms.

Equilibrium propagation: the update is minus the gradient of the cost at the free fixed
point, in the limit of a small nudge. The gradient is taken by finite differences.

CorInfoMax: its activities climb an objective layer by layer, and its update is the
contrast of the objective's derivatives (eq. 23, 25). What this limit is exactly, when it
is a gradient of the output's error, and how far it is from one otherwise, is checked
here. ``docs/gradient-checks.md`` tells the result; the numbers there are printed by

    pytest -q -n0 -s tests/test_gradients.py
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from agreements import Agreement, Array, Arrays, compare, finite_differences
from ep_oracle import record_ep, small_ep
from oracles import Problem

from neurosim import CorInfoMax, load_dataset
from neurosim.data import one_hot
from neurosim.models.numpy import corinfomax as cim
from neurosim.models.numpy import corinfomax_reciprocal as reciprocal
from neurosim.models.numpy import ep

# ------------------------------------------------------------------ equilibrium propagation

SETTLED = 400


def ep_problem(layers: tuple[int, ...], seed: int) -> tuple[Arrays, Array, Array]:
    """A network whose free fixed point has silent, full and graded cells, none at an edge."""
    rng = np.random.default_rng(seed)
    weights = ep.initial_weights(layers, rng)
    for name, array in weights.items():
        weights[name] = 0.8 * array if name[0] == "W" else rng.uniform(-0.1, 0.3, array.shape)
    x, y = rng.uniform(size=(layers[0], 1)), np.eye(layers[-1])[:, :1]
    free = ep.settle(weights, ep.resting_state(weights, x), steps=2 * SETTLED)
    inside = np.concatenate(free[1:])
    pushes = np.concatenate(ep.force(weights, free, y, 0.0))
    clipped = (inside == 0) | (inside == 1)
    assert clipped.any()
    assert not clipped.all()
    # how far each cell is from changing between graded and clipped
    margin = np.where(clipped, np.abs(pushes), np.minimum(inside, 1 - inside))
    assert margin.min() > 0.02, "a cell at the edge makes the loss no smooth function"
    return weights, x, y


def ep_change(weights: Arrays, x: Array, y: Array, beta: float, steps: tuple[int, int]) -> Arrays:
    """The update with learning rates 1."""
    free = ep.settle(weights, ep.resting_state(weights, x), steps=steps[0])
    nudged = ep.settle(weights, free, steps=steps[1], y=y, beta=beta)
    count = sum(name[0] == "W" for name in weights)
    after = ep.update(weights, free, nudged, beta, (1.0,) * count)
    return {name: after[name] - weights[name] for name in weights}


def mean(*changes: Arrays) -> Arrays:
    return {name: sum(c[name] for c in changes) / len(changes) for name in changes[0]}


def settled_cost(weights: Arrays, x: Array, y: Array) -> float:
    free = ep.settle(weights, ep.resting_state(weights, x), steps=SETTLED)
    return float(ep.cost(free, y)[0])


@functools.cache
def ep_network(name: str) -> tuple[Arrays, Array, Array, Arrays]:
    """A problem, and minus the gradient of its settled cost."""
    weights, x, y = ep_problem(*EP_NETWORKS[name])
    return weights, x, y, finite_differences(weights, lambda w: settled_cost(w, x, y))


EP_NETWORKS = {"5-6-3": ((5, 6, 3), 1), "4-5-4-3": ((4, 5, 4, 3), 8)}


@pytest.mark.quick(1)
@pytest.mark.parametrize("name", EP_NETWORKS)
def test_ep_updates_tend_to_minus_the_gradient_of_the_cost(
    name: str, report: Callable[[str, Agreement], None]
) -> None:
    """Guards the theorem the system rests on: sign, factor 2 of the cost, both directions."""
    weights, x, y, gradient = ep_network(name)
    steps = (SETTLED, SETTLED)
    one_sided, symmetric = [], []
    for beta in (1e-2, 1e-3):
        up, down = (ep_change(weights, x, y, sign * beta, steps) for sign in (1, -1))
        one_sided.append(compare(up, gradient))
        symmetric.append(compare(mean(up, down), gradient))
        report(f"EP {name}, beta {beta:g}", one_sided[-1])
        report(f"EP {name}, mean of beta +-{beta:g}", symmetric[-1])
    assert one_sided[1].angle < 0.2
    assert one_sided[1].ratio == pytest.approx(1, abs=5e-3)
    assert symmetric[1].angle < 1e-3
    assert symmetric[1].error < 1e-5
    # the bias is of first order in beta with one sign, of second with both
    assert one_sided[0].error / one_sided[1].error == pytest.approx(10, rel=0.2)
    assert symmetric[0].error / symmetric[1].error == pytest.approx(100, rel=0.3)
    as_run = mean(*(ep_change(weights, x, y, beta, (20, 4)) for beta in (1.0, -1.0)))
    report(f"EP {name}, as run: mean of beta +-1, 20 and 4 steps", compare(as_run, gradient))
    assert compare(as_run, gradient).angle < 90


def test_the_network_itself_follows_the_gradient(
    report: Callable[[str, Agreement], None],
) -> None:
    """Guards against a reference that follows the gradient while the circuit does not."""
    weights, x, y, gradient = ep_network("5-6-3")
    system = small_ep(alpha=(1.0, 1.0), free_time=150.0, nudged_time=150.0)
    changes = []
    for beta in (1e-3, -1e-3):
        _, result = record_ep(system, Problem(weights, x.T, y.T, np.array([beta])))
        changes.append({name: result.weights[name] - weights[name] for name in weights})
    found = compare(mean(*changes), gradient)
    report("EP 5-6-3 on Brian2, mean of beta +-0.001", found)
    assert found.angle < 1e-2
    assert found.error < 1e-3


def test_a_wrong_sign_or_a_missing_direction_is_no_gradient() -> None:
    """Guards the comparison: an update without feedback through W is far from the gradient."""
    weights, x, y, gradient = ep_network("5-6-3")
    good = ep_change(weights, x, y, 1e-3, (SETTLED, SETTLED))
    assert compare({name: -change for name, change in good.items()}, gradient).angle > 179
    blind = {name: change * name.endswith("1") for name, change in good.items()}
    assert compare(blind, gradient).angle > 5
    assert compare({name: 2 * change for name, change in good.items()}, gradient).ratio > 1.9


def test_the_published_nudge_still_descends_on_digits(
    report: Callable[[str, Agreement], None],
) -> None:
    """Guards the settings that are trained: beta of 1 and 4 steps are no limit, but descend."""
    digits, rng = load_dataset("digits"), np.random.default_rng(0)
    alpha, x, y = (0.02, 0.01), digits.x_test[:100].T, one_hot(digits.y_test[:100], 10).T
    weights = ep.initial_weights((64, 16, 10), rng)
    for stage, images in (("new", 0), ("after 1000 images", 1000)):
        weights = ep.train(
            weights,
            digits.x_train[:images],
            one_hot(digits.y_train[:images], 10),
            rng.choice((-1.0, 1.0), size=images),
            alpha,
        )
        steps = (SETTLED, SETTLED)
        gradient = mean(*(ep_change(weights, x, y, beta, steps) for beta in (1e-3, -1e-3)))
        as_run = mean(*(ep_change(weights, x, y, beta, (20, 4)) for beta in (1.0, -1.0)))
        found = compare(as_run, gradient)
        report(f"EP 64-16-10 on digits, {stage}, mean of beta +-1, 20 and 4 steps", found)
        assert found.angle < 90


# ------------------------------------------------------------------ CorInfoMax: the objective

PARAMS = cim.ReferenceParameters(lambda_=0.99)


def cim_weights(layers: tuple[int, ...], seed: int, *, tied: bool) -> Arrays:
    """Random weights; tied: the feedback weights are the feedforward ones, transposed."""
    rng = np.random.default_rng(seed)
    weights = dict(cim.initial_weights(layers, rng))
    for name, array in weights.items():
        weights[name] = array + 0.1 * name.startswith("W")
    if tied:
        for k in range(1, len(layers) - 1):
            weights[f"W_fb_{k}"] = weights[f"W_ff_{k}"].T.copy()
    return weights


def objective(
    weights: Arrays, r: dict[int, Array], R: Arrays, y: Array, beta: float, k: int
) -> float:
    """The part of the objective that layer k climbs, eq. 7-9 with the linearisation of 10, 11.

    The correlation matrix of the layer takes in the present rates with weight 1 - lambda.
    """
    top, epsilon, forgetting = max(r), PARAMS.epsilon, PARAMS.lambda_
    seen = forgetting * R[f"R_{k}"] + (1 - forgetting) * np.outer(r[k], r[k])
    spread = 0.5 * np.linalg.slogdet(seen)[1]
    forward = ((r[k] - weights[f"W_ff_{k - 1}"] @ r[k - 1]) ** 2).sum() / (2 * epsilon)
    if k == top:
        return float(spread - forward - beta / 2 * ((r[k] - y) ** 2).sum())
    backward = ((r[k] - weights[f"W_fb_{k}"] @ r[k + 1]) ** 2).sum() / (2 * epsilon)
    return float(2 * spread - forward - backward)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_activities_climb_the_objective_of_their_layer(k: int) -> None:
    """Guards eq. 12 and 14 as the derivative of eq. 7-11, and the rank of its neglected part."""
    rng = np.random.default_rng(1)
    weights = cim_weights((4, 5, 4, 3), 1, tied=False)
    r = {layer: rng.uniform(0.1, 0.9, size) for layer, size in enumerate((4, 5, 4, 3))}
    y, beta = np.eye(3)[0], 0.7
    weights = {n: a + np.eye(len(a)) if n[0] == "B" else a for n, a in weights.items()}
    R = {f"R_{layer}": np.linalg.inv(weights[f"B_{layer}"]) for layer in (1, 2, 3)}

    def of(rates: Array) -> float:
        return objective(weights, {**r, k: rates}, R, y, beta, k)

    steps = 1e-6 * np.eye(len(r[k]))
    slope = np.array([(of(r[k] + step) - of(r[k] - step)) / 2e-6 for step in steps])
    if k < 3:
        expected = cim.activity_gradient_hidden(PARAMS, weights, r, k)
        factor = 2
    else:
        expected = cim.activity_gradient_output(PARAMS, weights, r, y, beta)
        factor = 1
    # eq. 12 and 14 leave out the denominator 1 + gamma r.B r of the inverse after the new rates
    lateral = factor * PARAMS.gamma * weights[f"B_{k}"] @ r[k]
    exact = expected - lateral + lateral / (1 + PARAMS.gamma * r[k] @ weights[f"B_{k}"] @ r[k])
    np.testing.assert_allclose(slope, exact, rtol=0, atol=1e-6)
    assert np.abs(slope - expected).max() < 0.1 * np.abs(lateral).max() + 1e-6


# ------------------------------------------------------------------ CorInfoMax: the updates


@dataclasses.dataclass(frozen=True)
class Settled:
    """Rates of a settled network, and how they answer.

    Attributes
    ----------
    r : dict of int to ndarray
        Rates of layers 0..P in the free phase.
    tangent : dict of int to ndarray
        Their derivative in beta.
    adjoint : dict of int to ndarray
        Sensitivity of the output's error 1/2 |r - y|^2 to a push on each cell.
    """

    r: dict[int, Array]
    tangent: dict[int, Array]
    adjoint: dict[int, Array]


def settle_cim(
    params: cim.ReferenceParameters,
    weights: Arrays,
    x: Array,
    y: Array,
    beta: float,
    steps: int = SETTLED,
) -> dict[int, Array]:
    """Rates of a settled network; all arrays may have a leading axis of networks."""
    r = {0: x}
    for k in range(1, len([n for n in weights if n[0] == "B"]) + 1):
        r[k] = np.zeros((*weights[f"B_{k}"].shape[:-1], 1))
    silent = {k: rates for k, rates in r.items() if k}
    state = cim.State(silent, r, silent, silent, weights["W_ff_0"] @ x)
    for s in range(steps):
        state = cim.euler_step(params, weights, state, y, beta, s)
    return dict(state.r)


def jacobian(params: cim.ReferenceParameters, weights: Arrays, sizes: list[int]) -> Array:
    """Derivative of eq. 12 and 14 in the rates, with the output's leak of 1; free phase."""
    starts, top = np.concatenate([[0], np.cumsum(sizes)]), len(sizes)
    J = np.zeros((starts[-1], starts[-1]))
    for k in range(1, top + 1):
        own = slice(starts[k - 1], starts[k])
        one, B = np.eye(sizes[k - 1]), params.gamma * weights[f"B_{k}"]
        hidden = 2 * B - 2 / params.epsilon * one
        J[own, own] = hidden if k < top else B - (1 / params.epsilon + 1) * one
        if k > 1:
            J[own, starts[k - 2] : starts[k - 1]] = weights[f"W_ff_{k - 1}"] / params.epsilon
        if k < top:
            J[own, starts[k] : starts[k + 1]] = weights[f"W_fb_{k}"] / params.epsilon
    return J


def respond(params: cim.ReferenceParameters, weights: Arrays, x: Array, y: Array) -> Settled:
    """Settle, then solve for tangent and adjoint among the cells that are not clipped."""
    r = {k: rates[:, 0] for k, rates in settle_cim(params, weights, x, y, 0.0).items()}
    sizes = [len(r[k]) for k in range(1, max(r) + 1)]
    rates = np.concatenate([r[k] for k in range(1, max(r) + 1)])
    free = (rates > 0) & (rates < 1)
    push = np.zeros_like(rates)
    push[-sizes[-1] :] = r[max(r)] - y[:, 0]
    J = jacobian(params, weights, sizes)[np.ix_(free, free)]
    answers = []
    for matrix in (J, J.T):
        full = np.zeros_like(rates)
        full[free] = np.linalg.solve(matrix, push[free])
        parts = np.split(full, np.cumsum(sizes)[:-1])
        answers.append(dict(enumerate([np.zeros_like(x[:, 0]), *parts])))
    return Settled(r, *answers)


def descent(net: Settled) -> Arrays:
    """Minus the gradient of the output's error in every weight, times epsilon."""
    top = max(net.r)
    found = {f"W_ff_{k}": np.outer(net.adjoint[k + 1], net.r[k]) for k in range(top)}
    return found | {f"W_fb_{k}": np.outer(net.adjoint[k], net.r[k + 1]) for k in range(1, top)}


def products(weights: Arrays, r: dict[int, Array]) -> Arrays:
    """Error times rate before the synapse, as in eq. 23 and 25 without the decay."""
    top = max(r)
    found = {f"W_ff_{k}": np.outer(cim.forward_error(weights, r, k + 1), r[k]) for k in range(top)}
    return found | {
        f"W_fb_{k}": np.outer(cim.backward_error(weights, r, k), r[k + 1]) for k in range(1, top)
    }


def contrast(weights: Arrays, x: Array, y: Array, beta: float) -> Arrays:
    """Eq. 26 and 27 between settled phases, with learning rates 1."""
    ends = [
        products(
            weights, {k: rates[:, 0] for k, rates in settle_cim(PARAMS, weights, x, y, b).items()}
        )
        for b in (beta, 0.0)
    ]
    return {name: (ends[0][name] - ends[1][name]) / beta for name in ends[0]}


def limit(weights: Arrays, net: Settled) -> Arrays:
    """Derivative in beta of :func:`products` along the settled rates."""
    r, p, top = net.r, net.tangent, max(net.r)
    found = {}
    for k in range(top):
        moved = p[k + 1] - weights[f"W_ff_{k}"] @ p[k]
        error = cim.forward_error(weights, r, k + 1)
        found[f"W_ff_{k}"] = np.outer(moved, r[k]) + np.outer(error, p[k])
    for k in range(1, top):
        moved = p[k] - weights[f"W_fb_{k}"] @ p[k + 1]
        error = cim.backward_error(weights, r, k)
        found[f"W_fb_{k}"] = np.outer(moved, r[k + 1]) + np.outer(error, p[k + 1])
    return found


def cim_problem(seed: int, *, tied: bool) -> tuple[Arrays, Array, Array]:
    rng = np.random.default_rng(seed)
    weights = cim_weights((4, 6, 5, 3), seed, tied=tied)
    return weights, rng.uniform(0.2, 1, size=(4, 1)), np.eye(3)[:, :1]


#: Networks with graded cells in every layer and a clipped one, tied or not.
CIM_SEEDS = (4, 9, 21, 41, 58)


@pytest.mark.parametrize("tied", [False, True])
def test_the_adjoint_is_the_gradient_of_the_outputs_error(tied: bool) -> None:
    """Guards the yardstick itself, by finite differences over every synapse."""
    weights, x, y = cim_problem(CIM_SEEDS[0], tied=tied)
    net = respond(PARAMS, weights, x, y)
    plastic = [name for name in weights if name.startswith("W")]
    places = [(name, place) for name in plastic for place in np.ndindex(weights[name].shape)]
    # all networks with one weight moved, settled side by side
    stacks = {n: np.repeat(a[None], 2 * len(places), axis=0) for n, a in weights.items()}
    for number, (name, place) in enumerate(places):
        stacks[name][(2 * number, *place)] += 1e-5
        stacks[name][(2 * number + 1, *place)] -= 1e-5
    outputs = settle_cim(PARAMS, stacks, np.repeat(x[None], 2 * len(places), axis=0), y, 0.0)[3]
    losses = 0.5 * ((outputs - y) ** 2).sum(axis=(1, 2))
    gradient = {name: np.zeros_like(weights[name]) for name in plastic}
    for number, (name, place) in enumerate(places):
        gradient[name][place] = -(losses[2 * number] - losses[2 * number + 1]) / 2e-5
    found = compare(descent(net), {n: PARAMS.epsilon * g for n, g in gradient.items()})
    assert found.error < 1e-6
    clipped = np.concatenate([net.r[k] for k in (1, 2, 3)])
    assert np.any((clipped == 0) | (clipped == 1)), "no cell of the test is clipped"


@pytest.mark.parametrize("tied", [False, True])
def test_updates_tend_to_the_derivative_of_eq_23_and_25_along_the_settled_rates(
    tied: bool, report: Callable[[str, Agreement], None]
) -> None:
    """Guards eq. 26 and 27: the contrast over beta, of the derivatives of the objective."""
    weights, x, y = cim_problem(CIM_SEEDS[0], tied=tied)
    expected = limit(weights, respond(PARAMS, weights, x, y))
    found = [compare(contrast(weights, x, y, beta), expected) for beta in (1e-2, 1e-3)]
    report(f"CorInfoMax 4-6-5-3, tied {tied}, update at beta 0.001 against its limit", found[1])
    assert found[1].angle < 0.2
    assert found[1].ratio == pytest.approx(1, abs=5e-3)
    assert found[0].error / found[1].error == pytest.approx(10, rel=0.2)


def test_a_symmetric_nudge_errs_in_second_order(report: Callable[[str, Agreement], None]) -> None:
    """Guards what the third phase of ``corinfomax-reciprocal`` is for."""
    weights, x, y = cim_problem(CIM_SEEDS[0], tied=False)
    expected, found = limit(weights, respond(PARAMS, weights, x, y)), []
    for beta in (1e-1, 1e-2):
        both = mean(contrast(weights, x, y, beta), contrast(weights, x, y, -beta))
        found.append(compare(both, expected))
        report(f"CorInfoMax 4-6-5-3, mean of beta +-{beta:g} against the limit", found[-1])
    assert found[0].error / found[1].error == pytest.approx(100, rel=0.3)


def test_with_tied_weights_the_update_is_the_gradient_and_a_decorrelating_term() -> None:
    """Guards the statement of the page on gradient checks, term by term.

    With W_fb the transpose of W_ff the dynamics have an energy, tangent and adjoint are
    one, and the limit of eq. 26 is epsilon times minus the gradients in W_ff and in W_fb,
    less W_ff times the change of the correlation of the layer below.
    """
    for seed in CIM_SEEDS:
        weights, x, y = cim_problem(seed, tied=True)
        net = respond(PARAMS, weights, x, y)
        update, gradient = limit(weights, net), descent(net)
        first = compare({"W": update["W_ff_0"]}, {"W": gradient["W_ff_0"]})
        assert first.error < 1e-10, "the first layer follows the gradient exactly"
        for k in (1, 2):
            r, p, W = net.r[k], net.tangent[k], weights[f"W_ff_{k}"]
            decorrelation = W @ (np.outer(p, r) + np.outer(r, p))
            expected = gradient[f"W_ff_{k}"] + gradient[f"W_fb_{k}"].T - decorrelation
            assert compare({"W": update[f"W_ff_{k}"]}, {"W": expected}).error < 1e-10


def mean_over_seeds(tied: bool) -> Iterator[tuple[Arrays, Arrays]]:
    for seed in CIM_SEEDS:
        net_weights, x, y = cim_problem(seed, tied=tied)
        net = respond(PARAMS, net_weights, x, y)
        yield limit(net_weights, net), descent(net)


@pytest.mark.parametrize("tied", [False, True])
def test_how_far_small_networks_are_from_the_gradient(
    tied: bool, report: Callable[[str, Agreement], None]
) -> None:
    """Guards the numbers told: without tied weights only the output layer is near a gradient."""
    angles: dict[str, list[float]] = {}
    for update, gradient in mean_over_seeds(tied):
        for name in sorted(n for n in update if n.startswith("W_ff")):
            angles.setdefault(name, []).append(
                compare({"W": update[name]}, {"W": gradient[name]}).angle
            )
        whole = compare(
            {n: a for n, a in update.items() if n.startswith("W_ff")},
            {n: a for n, a in gradient.items() if n.startswith("W_ff")},
        )
        report(f"CorInfoMax 4-6-5-3, tied {tied}, all of W_ff", whole)
    for name, found in angles.items():
        sys.stdout.write(f"\n  {name}: {np.round(found, 1)} degrees, tied {tied}")
    assert max(angles["W_ff_2"]) < (90 if tied else 45), "the output layer hardly descends"
    if tied:
        assert max(angles["W_ff_0"]) < 1e-5


def digits_networks() -> Iterator[tuple[str, Arrays, Array, Array]]:
    """A small network on the digits before and after learning, and images it has not seen."""
    digits, rng = load_dataset("digits"), np.random.default_rng(0)
    settings = CorInfoMax.preset("digits").parameters
    weights = cim.initial_weights((64, 16, 10), rng)
    x, y = digits.x_test[:30], one_hot(digits.y_test[:30], 10)
    yield "new", dict(weights), x, y
    learnt = cim.train(
        DIGITS_PARAMS,
        weights,
        digits.x_train[:600],
        one_hot(digits.y_train[:600], 10),
        settings["mu_ff"],
        settings["mu_fb"],
        rng,
    )
    yield "after 600 images", learnt, x, y


DIGITS_PARAMS = cim.ReferenceParameters(epsilon=CorInfoMax.preset("digits").parameters["epsilon"])


@pytest.mark.slow
def test_learning_turns_the_update_towards_the_gradient(
    report: Callable[[str, Agreement], None],
) -> None:
    """Guards the claim that feedback weights learn to carry a useful error, on digits."""
    found = {}
    for stage, weights, x, y in digits_networks():
        pairs = []
        for image, target in zip(x, y, strict=True):
            net = respond(DIGITS_PARAMS, weights, image[:, None], target[:, None])
            pairs.append((limit(weights, net), descent(net)))
        for name in ("W_ff_0", "W_ff_1"):
            update, gradient = ({"W": sum(pair[side][name] for pair in pairs)} for side in (0, 1))
            found[stage, name] = compare(update, gradient)
            report(f"CorInfoMax 64-16-10 on digits, {stage}, {name}", found[stage, name])
    new, old = found["new", "W_ff_0"], found["after 600 images", "W_ff_0"]
    assert old.angle < new.angle - 5
    assert old.angle < 85
    assert max(found[stage, "W_ff_1"].angle for stage in ("new", "after 600 images")) < 45


def test_reciprocal_feedback_turns_the_update_further(
    report: Callable[[str, Agreement], None],
) -> None:
    """Guards what ``corinfomax-reciprocal`` is for: errors that come down along the gradient."""
    digits, found = load_dataset("digits"), []
    x, y = digits.x_test[:10], one_hot(digits.y_test[:10], 10)
    params = reciprocal.ReciprocalParameters(
        epsilon=DIGITS_PARAMS.epsilon, symmetric=False, batch=4, weight_decay=(3e-6, 3e-6)
    )
    weights = cim.initial_weights((64, 16, 10), np.random.default_rng(0))
    for images in (0, 1000):
        shown, targets = digits.x_train[:images], one_hot(digits.y_train[:images], 10)
        rng = np.random.default_rng(1)
        weights = reciprocal.train(params, weights, shown, targets, (0.1, 0.07), (0.07,), rng)
        nets = [
            respond(DIGITS_PARAMS, weights, image[:, None], target[:, None])
            for image, target in zip(x, y, strict=True)
        ]
        update = {"W": sum(limit(weights, net)["W_ff_0"] for net in nets)}
        gradient = {"W": sum(descent(net)["W_ff_0"] for net in nets)}
        found.append(compare(update, gradient))
        report(f"reciprocal CorInfoMax 64-16-10, {images} digits, W_ff_0", found[-1])
    assert found[1].angle < 72 < 90 < found[0].angle
