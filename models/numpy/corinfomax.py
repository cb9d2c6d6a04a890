r"""CorInfoMax in plain NumPy: what the Brian2 network must compute, in a few lines per equation.

Bozkurt, Pehlevan and Erdogan, "Correlative Information Maximization: A Biologically
Plausible Approach to Supervised Deep Neural Networks without Weight Symmetry",
NeurIPS 2023, arXiv:2306.04810. Rates live in the hypercube :math:`0 \le r \le 1`
(:math:`\mathcal{B}_{\infty,+}`), a batch of images makes one update, every sum is dense. It
needs nothing but NumPy: the oracle of the step-for-step tests, and pseudo-code that runs.

Layers are k = 0..P with :math:`N_k` cells; layer 0 is the image, layer P the output. All
products are ``W @ r``, so the rates of a layer are one column, shape ``(N_k,)``, or a
matrix with one column per image, ``(N_k, images)``. Quantities without a unit are
dimensionless.

=====================  =====================  ======================  =========================
Paper                  Here                   Shape                   Meaning
=====================  =====================  ======================  =========================
:math:`r^{(k)}`        ``r[k]``               ``(N_k,)``              rate of layer k
:math:`x`              ``x``                  ``(N_0,)``              image, ``r[0]``
:math:`y`              ``y``                  ``(N_P,)``              target of the output
:math:`u^{(k)}`        ``u[k]``               ``(N_k,)``              somatic potential, k >= 1
:math:`v_B^{(k)}`      ``v_B[k]``             ``(N_k,)``              basal dendrite
:math:`v_A^{(k)}`      ``v_A[k]``             ``(N_k,)``              apical dendrite
:math:`W_{ff}^{(k)}`   ``weights["W_ff_k"]``  ``(N_{k+1}, N_k)``      layer k to k+1, k >= 0
:math:`W_{fb}^{(k)}`   ``weights["W_fb_k"]``  ``(N_k, N_{k+1})``      layer k+1 to k, k >= 1
:math:`B_r^{(k)}`      ``weights["B_k"]``     ``(N_k, N_k)``          inverse rate correlation
:math:`\beta`          ``beta``               one number              nudge; 0 in the free phase
:math:`\mu_{ff}`       ``mu_ff``              ``(P,)``                learning rates of W_ff
:math:`\mu_{fb}`       ``mu_fb``              ``(P - 1,)``            learning rates of W_fb
=====================  =====================  ======================  =========================

Also: ``params``, the settings; ``k``, a layer; ``s``, steps since the phase began;
``sensory``, what the image sends, ``W_ff_0 @ x``, computed once; ``old``, the state before a
step; ``nudges``, beta of each nudged phase; ``trajectory``, one image step by step; ``shown``,
trajectory, image and beta of each image of a batch; ``layers``, cells per layer, image first;
``images`` and ``targets``, one per row; ``rng``, the source of all draws.

Differences from the paper
--------------------------
* Those of ``models/corinfomax.py``, except that every sum is exact: conductance 1 of the
  output's apical dendrite (``output_apical="nudge"``: beta, as printed), one epsilon for all
  layers, and layers that advance together.
* ``sequential=True`` is the order of the published code: new rates below, old ones above.
* Dendrites may leak (``tau_basal``, ``tau_apical``); the paper's are instantaneous.

Examples
--------
>>> import numpy as np
>>> params = ReferenceParameters(free_steps=20, nudged_steps=5)
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> x, y = np.array([0.0, 1.0, 0.5, 0.2]), np.array([0.0, 1.0])
>>> trajectory = simulate(params, weights, x, y, 1.0)
>>> trajectory.r[1].shape
(25, 6)
>>> shown = [(trajectory, x, 1.0)]
>>> weights = update(params, weights, shown, mu_ff=(0.05, 0.035), mu_fb=(0.0075,))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ReferenceParameters", "State", "Trajectory", "activity_gradient_hidden",
    "activity_gradient_output", "angle_degrees", "apical_input", "backward_error", "basal_input",
    "clipped_relu", "euler_step", "feedback_change", "feedforward_change", "forward_error",
    "initial_weights", "lateral_update", "predict", "readout", "reference_parameters",
    "resting_state", "simulate", "somatic_derivative", "train", "update",
]  # fmt: skip

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
Rates = Mapping[int, FloatArray]

# ---------------------------------------------------------------- parameters and state


@dataclasses.dataclass(frozen=True)
class ReferenceParameters:
    """What the dynamics need to know; the defaults are the published MNIST settings."""

    epsilon: float = 0.15  # inverse conductance of the dendrites
    g_l: float = 0.5  # leak conductance
    batch: int = 1  # images per update
    lambda_: float = 0.99999  # forgetting factor of the rate correlations
    lambda_images: int = 20  # images in which they are forgotten by it
    dt: float = 1.0  # time step, ms
    tau_u: float = 20.0  # somatic time constant, ms
    slowdown: float = 0.0  # slowing of the soma per step within a phase
    free_steps: int = 30  # length of the free phase, time steps
    nudged_steps: int = 10  # length of the nudged phase, time steps
    output_apical: str = "constant"  # conductance of the output dendrite: 1, or "nudge": beta
    sequential: bool = False  # update the layers one after the other
    tau_basal: float = 0.0  # basal time constant, ms; 0 is instantaneous
    tau_apical: float = 0.0  # apical time constant, ms; 0 is instantaneous

    @property
    def gamma(self) -> float:
        r""":math:`\gamma = (1-\lambda_r)/\lambda_r`, below eq. 12."""
        return (1 - self.lambda_) / self.lambda_

    def output_conductance(self, beta: float) -> float:
        """Apical conductance of the output layer: 1, or beta as in eq. 21."""
        return 1.0 if self.output_apical == "constant" else beta

    def step_size(self, s: int) -> float:
        """Euler step of the soma, dt / tau_u, slowed down as in the published code."""
        return self.dt / self.tau_u / (1 + self.slowdown * s)


def reference_parameters(system: Any) -> ReferenceParameters:
    """The settings of a CorInfoMax ``system``, its phases counted in time steps."""
    shared = {field.name for field in dataclasses.fields(ReferenceParameters)}
    shared &= {field.name for field in dataclasses.fields(system)}
    return ReferenceParameters(
        **{name: getattr(system, name) for name in shared},
        free_steps=round(system.free_time / system.dt),
        nudged_steps=round(system.nudged_time / system.dt),
    )


@dataclasses.dataclass(frozen=True)
class State:
    """All layers at one moment; rates have an entry for the image, too."""

    u: dict[int, FloatArray]
    r: dict[int, FloatArray]
    v_B: dict[int, FloatArray]
    v_A: dict[int, FloatArray]
    sensory: FloatArray


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """One image from its onset to the end of the nudged phase.

    Each array has shape ``(free_steps + nudged_steps, N_k)``. Row s is what a monitor sees
    at the end of step s: potentials after the Euler update, rates clipped from them,
    dendrites after these rates were delivered.
    """

    u: dict[int, FloatArray]
    r: dict[int, FloatArray]
    v_B: dict[int, FloatArray]
    v_A: dict[int, FloatArray]
    free_steps: int

    @property
    def free_end(self) -> int:
        """Row at the end of the free phase."""
        return self.free_steps - 1

    @property
    def nudged_end(self) -> int:
        """Row at the end of the nudged phase."""
        return len(self.u[1]) - 1


# ---------------------------------------------------------------- the objective, eq. 12-14


def forward_error(weights: Weights, r: Rates, k: int) -> FloatArray:
    """What layer k-1 fails to predict of layer k, eq. 13 left."""
    return r[k] - weights[f"W_ff_{k - 1}"] @ r[k - 1]


def backward_error(weights: Weights, r: Rates, k: int) -> FloatArray:
    """What layer k+1 fails to predict of hidden layer k, eq. 13 right."""
    return r[k] - weights[f"W_fb_{k}"] @ r[k + 1]


def activity_gradient_hidden(
    params: ReferenceParameters, weights: Weights, r: Rates, k: int
) -> FloatArray:
    """Gradient of the objective in the rates of hidden layer k, eq. 12."""
    decorrelation: FloatArray = 2 * params.gamma * (weights[f"B_{k}"] @ r[k])
    errors = forward_error(weights, r, k) + backward_error(weights, r, k)
    return decorrelation - errors / params.epsilon


def activity_gradient_output(
    params: ReferenceParameters, weights: Weights, r: Rates, y: FloatArray, beta: float
) -> FloatArray:
    """Gradient of the objective in the output rates, eq. 14."""
    top = _depth(weights)
    decorrelation: FloatArray = params.gamma * (weights[f"B_{top}"] @ r[top])
    error = forward_error(weights, r, top)
    return decorrelation - error / params.epsilon - beta * (r[top] - y)


# ---------------------------------------------------------------- neurons, eq. 15-21


def clipped_relu(u: FloatArray) -> FloatArray:
    """Rate of a somatic potential: projection onto [0, 1], eq. 17 and 20."""
    rates: FloatArray = np.clip(u, 0, 1)
    return rates


def basal_input(weights: Weights, r: Rates, sensory: FloatArray, k: int) -> FloatArray:
    """Sum delivered to the basal dendrites of layer k, eq. 18 right."""
    return sensory if k == 1 else weights[f"W_ff_{k - 1}"] @ r[k - 1]


def apical_input(
    params: ReferenceParameters, weights: Weights, r: Rates, y: FloatArray, beta: float, k: int
) -> FloatArray:
    r"""Sum delivered to the apical dendrites of layer k.

    Hidden (eq. 18 left): autapses and SST interneurons, :math:`M r`, plus feedback. Output
    (eq. 21 left): the same and the target, as a current, the paper's :math:`\beta v_A`, because
    its :math:`M^{(P)}` contains :math:`1/\beta` and has no value in the free phase.
    """
    lateral = weights[f"B_{k}"] @ r[k]
    if k == _depth(weights):
        return params.gamma * lateral + params.g_l * r[k] - beta * (r[k] - y)
    somatic = params.epsilon * (2 * params.gamma * lateral + params.g_l * r[k])
    return somatic + weights[f"W_fb_{k}"] @ r[k + 1]


def somatic_derivative(
    params: ReferenceParameters,
    u: FloatArray,
    v_B: FloatArray,
    v_A: FloatArray,
    beta: float,
    *,
    output: bool,
) -> FloatArray:
    r""":math:`\tau_u\,du/dt` of one layer, eq. 19; ``output`` says if it is the output layer.

    A hidden dendrite couples with conductance :math:`1/\epsilon`; for the output layer
    ``v_A`` already is a current (see :func:`apical_input`).
    """
    leak = -params.g_l * u
    basal = (v_B - u) / params.epsilon
    apical = v_A - params.output_conductance(beta) * u if output else (v_A - u) / params.epsilon
    return leak + basal + apical


def resting_state(weights: Weights, x: FloatArray) -> State:
    """Silent network at the onset of an image, or of one image per column of ``x``."""
    sensory = weights["W_ff_0"] @ x
    silent = {
        k: np.zeros((len(weights[f"B_{k}"]), *x.shape[1:]), sensory.dtype)
        for k in range(1, _depth(weights) + 1)
    }
    return State(dict(silent), {0: x, **silent}, dict(silent), dict(silent), sensory)


def euler_step(
    params: ReferenceParameters, weights: Weights, old: State, y: FloatArray, beta: float, s: int
) -> State:
    """All layers one time step later, their rates delivered, eq. 18-21."""
    new = State(dict(old.u), dict(old.r), dict(old.v_B), dict(old.v_A), old.sensory)
    # Together: synapses carry the rates of the last step. In turn: what is already new.
    r = new.r if params.sequential else old.r
    top = _depth(weights)
    for k in range(1, top + 1):
        s_B = basal_input(weights, r, old.sensory, k)
        s_A = apical_input(params, weights, r, y, beta, k)
        v_B = old.v_B[k] if params.tau_basal else s_B
        v_A = old.v_A[k] if params.tau_apical else s_A
        du = somatic_derivative(params, old.u[k], v_B, v_A, beta, output=k == top)
        new.u[k] = old.u[k] + params.step_size(s) * du
        new.r[k] = clipped_relu(new.u[k])
        new.v_B[k] = _relax(v_B, s_B, params.dt, params.tau_basal)
        new.v_A[k] = _relax(v_A, s_A, params.dt, params.tau_apical)
    # Instantaneous dendrites show the rates of this very step.
    for k in range(1, top + 1):
        if not params.tau_basal:
            new.v_B[k] = basal_input(weights, new.r, new.sensory, k)
        if not params.tau_apical:
            new.v_A[k] = apical_input(params, weights, new.r, y, beta, k)
    return new


def simulate(
    params: ReferenceParameters, weights: Weights, x: FloatArray, y: FloatArray, *nudges: float
) -> Trajectory:
    """Show one image: free phase from silence, then a nudged phase for each given beta."""
    states: list[State] = []
    state = resting_state(weights, x)
    for steps, nudge in ((params.free_steps, 0.0), *((params.nudged_steps, b) for b in nudges)):
        # Each phase starts at potentials equal to the rates: a cell pushed below 0 or
        # above 1 in the free phase answers the nudge at once.
        state = dataclasses.replace(state, u={k: state.r[k] for k in state.u})
        for s in range(steps):
            state = euler_step(params, weights, state, y, nudge, s)
            states.append(state)

    def rows(name: str) -> dict[int, FloatArray]:
        return {k: np.stack([getattr(state, name)[k] for state in states]) for k in state.u}

    return Trajectory(rows("u"), rows("r"), rows("v_B"), rows("v_A"), params.free_steps)


# ---------------------------------------------------------------- synapses, eq. 26-28


def feedforward_change(trajectory: Trajectory, x: FloatArray, beta: float, k: int) -> FloatArray:
    """Change of W_ff_k before the learning rate, eq. 26.

    The error is what the cell can read, ``r - v_B``: eq. 13 with instantaneous dendrites.
    """

    def hebbian(row: int) -> FloatArray:
        error = trajectory.r[k + 1][row] - trajectory.v_B[k + 1][row]
        return np.outer(error, x if k == 0 else trajectory.r[k][row])

    return (hebbian(trajectory.nudged_end) - hebbian(trajectory.free_end)) / beta


def feedback_change(weights: Weights, trajectory: Trajectory, beta: float, k: int) -> FloatArray:
    """Change of W_fb_k before the learning rate, eq. 27.

    The error is eq. 13 of the two rates: the apical potential cannot replace the
    prediction, because it mixes it with autapses and SST input.
    """

    def hebbian(row: int) -> FloatArray:
        r = {layer: rates[row] for layer, rates in trajectory.r.items()}
        return np.outer(backward_error(weights, r, k), r[k + 1])

    return (hebbian(trajectory.nudged_end) - hebbian(trajectory.free_end)) / beta


def lateral_update(B: FloatArray, r: FloatArray, forgetting: float) -> FloatArray:
    """Inverse correlation ``B`` of one layer after rates ``r``, eq. 28, a mean over images.

    ``r`` is ``(N_k,)`` or has a column per image; ``forgetting`` is the factor of this one
    update. The rank-one inverse update stands without its denominator, which is 1 up to
    ``(1 - forgetting) * r @ B @ r``.
    """
    z = B @ r.reshape(len(B), -1)
    gamma = (1 - forgetting) / forgetting
    return np.asarray((B - gamma * (z @ z.T) / z.shape[1]) / forgetting)


def update(
    params: ReferenceParameters,
    weights: Weights,
    shown: Sequence[tuple[Trajectory, FloatArray, float]],
    mu_ff: Sequence[float],
    mu_fb: Sequence[float],
) -> dict[str, FloatArray]:
    """Weights after a batch: its size times the rate of one image times the mean change.

    The last batch of an epoch may show fewer images than ``params.batch``.
    """
    depth, new = _depth(weights), dict(weights)
    for k in range(depth):
        mean = np.mean([feedforward_change(t, x, beta, k) for t, x, beta in shown], axis=0)
        new[f"W_ff_{k}"] = weights[f"W_ff_{k}"] + params.batch * mu_ff[k] * mean
    for k in range(1, depth):
        mean = np.mean([feedback_change(weights, t, beta, k) for t, _, beta in shown], axis=0)
        new[f"W_fb_{k}"] = weights[f"W_fb_{k}"] + params.batch * mu_fb[k - 1] * mean
    forgetting = params.lambda_ ** (params.batch / params.lambda_images)
    for k in range(1, depth + 1):
        rates = np.stack([t.r[k][t.nudged_end] for t, _, _ in shown], axis=1)
        new[f"B_{k}"] = lateral_update(weights[f"B_{k}"], rates, forgetting)
    return new


# ---------------------------------------------------------------- using it


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Glorot-uniform W_ff and W_fb, drawn independently; B = G G^T with Glorot-uniform G."""
    depth = len(layers) - 1
    weights: dict[str, FloatArray] = {}
    for k in range(depth):
        weights[f"W_ff_{k}"] = _glorot(layers[k + 1], layers[k], rng)
    for k in range(1, depth):
        weights[f"W_fb_{k}"] = _glorot(layers[k], layers[k + 1], rng)
    for k in range(1, depth + 1):
        G = _glorot(layers[k], layers[k], rng)
        weights[f"B_{k}"] = G @ G.T
    return weights


def readout(params: ReferenceParameters, weights: Weights, images: FloatArray) -> FloatArray:
    """Output rates at the end of a free phase, shape ``(images, N_P)``."""
    state = resting_state(weights, images.T)
    for s in range(params.free_steps):
        state = euler_step(params, weights, state, np.zeros(()), 0.0, s)
    return state.r[_depth(weights)].T


def predict(params: ReferenceParameters, weights: Weights, images: FloatArray) -> NDArray[np.int64]:
    """Class of each image, the most active output of :func:`readout`, shape ``(images,)``."""
    return np.asarray(np.argmax(readout(params, weights, images), axis=1), dtype=np.int64)


def train(
    params: ReferenceParameters,
    weights: Weights,
    images: FloatArray,
    targets: FloatArray,
    mu_ff: Sequence[float],
    mu_fb: Sequence[float],
    rng: np.random.Generator,
    *,
    epochs: int = 1,
    decay: float = 1.0,
    beta: float = 1.0,
) -> dict[str, FloatArray]:
    """Weights after ``epochs`` passes over the images.

    Each epoch draws an order of the images, then a sign of beta for each batch; its rates
    are ``decay`` times those of the last.
    """
    learnt = dict(weights)
    for epoch in range(epochs):
        factor = decay**epoch
        rates_ff, rates_fb = [factor * mu for mu in mu_ff], [factor * mu for mu in mu_fb]
        order = rng.permutation(len(images))
        starts = range(0, len(images), params.batch)
        for start, sign in zip(starts, rng.choice((-1.0, 1.0), size=len(starts)), strict=True):
            nudge = float(sign) * beta
            shown = [
                (simulate(params, learnt, images[i], targets[i], nudge), images[i], nudge)
                for i in order[start : start + params.batch]
            ]
            learnt = update(params, learnt, shown, rates_ff, rates_fb)
    return learnt


def angle_degrees(W_ff: FloatArray, W_fb: FloatArray) -> float:
    """Angle between ``W_ff`` and transposed ``W_fb``: 0 if symmetric, 90 if independent."""
    cosine = float(np.sum(W_ff * W_fb.T)) / float(np.linalg.norm(W_ff) * np.linalg.norm(W_fb))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _depth(weights: Weights) -> int:
    """Index P of the output layer."""
    return sum(name.startswith("B_") for name in weights)


def _glorot(rows: int, columns: int, rng: np.random.Generator) -> FloatArray:
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, size=(rows, columns))


def _relax(v: FloatArray, target: FloatArray, dt: float, tau: float) -> FloatArray:
    return v + dt / tau * (target - v) if tau else target
