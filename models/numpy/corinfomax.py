r"""CorInfoMax in plain NumPy: what the Brian2 network must compute, in a few lines per equation.

Bozkurt, Pehlevan and Erdogan, "Correlative Information Maximization: A Biologically
Plausible Approach to Supervised Deep Neural Networks without Weight Symmetry",
NeurIPS 2023, arXiv:2306.04810. Rates live in the hypercube :math:`0 \le r \le 1`
(:math:`\mathcal{B}_{\infty,+}`), one image makes one update, every sum is dense.

Nothing here imports Brian2 or the engine. The functions serve as the oracle of the
step-for-step tests, and as pseudo-code that runs.

=====================  =====================  =============  ===============================
Paper                  Here                   Unit           Meaning
=====================  =====================  =============  ===============================
:math:`r^{(k)}`        ``r[k]``               1              rate of layer k; ``r[0]`` is the image
:math:`u^{(k)}`        ``u[k]``               1              somatic potential
:math:`v_B^{(k)}`      ``v_B[k]``             1              basal dendrite (prediction from below)
:math:`v_A^{(k)}`      ``v_A[k]``             1              apical dendrite (prediction from above)
:math:`W_{ff}^{(k)}`   ``weights["W_ff_k"]``  1              layer k to k+1, k = 0..P-1
:math:`W_{fb}^{(k)}`   ``weights["W_fb_k"]``  1              layer k+1 to k, k = 1..P-1
:math:`B_r^{(k)}`      ``weights["B_k"]``     1              inverse rate correlation, k = 1..P
:math:`\gamma`         ``params.gamma``       1              :math:`(1-\lambda_r)/\lambda_r`
:math:`\tau_u`         ``params.tau_u``       ms             somatic time constant
=====================  =====================  =============  ===============================

Differences from the paper
--------------------------
* Online: one image per update. The published mini-batch was 20, so a learning rate is
  the published one divided by 20, and ``B`` forgets by ``lambda_**(1 / batch)`` per
  image. The dynamics keep the :math:`\gamma` of the published forgetting factor.
* Output layer: the code behind the published numbers keeps the apical conductance at 1
  in every phase and lets beta scale the error alone (``output_apical="constant"``). The
  paper's text has conductance beta (``"nudge"``), which learns worse.
* All layers advance together, as neurons do. ``sequential=True`` is the order of the
  published code: each layer sees the new rates below it and the old ones above it.
* One epsilon for all layers, so the indices of the two dendritic conductances in
  eq. 19, exchanged in the paper's text, do not matter.
* Dendrites may leak (``tau_basal``, ``tau_apical``); the paper's are instantaneous.

Everything multiplies from the left, ``W @ r``, so a rate may be one column of length
N or a matrix with one column per image.

Examples
--------
>>> import numpy as np
>>> params = ReferenceParameters(free_steps=20, nudged_steps=5)
>>> weights = initial_weights((4, 6, 2), np.random.default_rng(0))
>>> x, y = np.array([0.0, 1.0, 0.5, 0.2]), np.array([0.0, 1.0])
>>> trajectory = simulate(params, weights, x, y, beta=1.0)
>>> trajectory.r[1].shape
(25, 6)
>>> weights = update(params, weights, trajectory, x, 1.0, mu_ff=(0.05, 0.035), mu_fb=(0.0075,))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import DataError, DivergenceError, ParameterError
from neurosim.system.parameters import check_parameters, parameter

__all__ = [
    "ReferenceParameters",
    "State",
    "Trajectory",
    "activity_gradient_hidden",
    "activity_gradient_output",
    "angle_degrees",
    "apical_input",
    "backward_error",
    "basal_input",
    "clipped_relu",
    "euler_step",
    "feedback_change",
    "feedforward_change",
    "forward_error",
    "initial_weights",
    "lateral_update",
    "predict",
    "readout",
    "reference_parameters",
    "resting_state",
    "simulate",
    "somatic_derivative",
    "train",
    "update",
]

FloatArray = NDArray[np.floating[Any]]
Weights = Mapping[str, FloatArray]
Rates = Mapping[int, FloatArray]


# ---------------------------------------------------------------------------
# Parameters and state
# ---------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ReferenceParameters:
    """What the dynamics need to know; the defaults are the published MNIST settings.

    Attributes
    ----------
    epsilon, g_l, lambda_, batch, dt, tau_u, slowdown, free_steps, nudged_steps
        See the table printed by :func:`neurosim.system.parameters.describe_parameters`.
    output_apical : {"constant", "nudge"}
        Apical conductance of the output layer: 1, or beta (zero in the free phase).
    sequential : bool
        Update the layers one after the other within a step, as the published code does.
    tau_basal, tau_apical : float
        Dendritic time constants in ms; 0 makes the dendrite instantaneous.
    """

    epsilon: float = parameter(
        0.15, "inverse conductance of the dendrites", symbol=r"\epsilon", low=0, open_low=True
    )
    g_l: float = parameter(0.5, "leak conductance", symbol=r"g_{lk}", low=0)
    lambda_: float = parameter(
        0.99999,
        "forgetting factor of the rate correlations, per batch",
        symbol=r"\lambda_r",
        low=0,
        high=1,
        open_low=True,
    )
    batch: int = parameter(20, "images per published batch", low=1)
    dt: float = parameter(1.0, "time step", symbol=r"\Delta t", unit="ms", low=0, open_low=True)
    tau_u: float = parameter(
        20.0, "somatic time constant", symbol=r"\tau_u", unit="ms", low=0, open_low=True
    )
    slowdown: float = parameter(0.0, "slowing of the soma per step within a phase", low=0)
    free_steps: int = parameter(30, "steps of the free phase", low=1)
    nudged_steps: int = parameter(10, "steps of the nudged phase", low=1)
    output_apical: str = parameter(
        "constant", "apical conductance of the output layer", choices=("constant", "nudge")
    )
    sequential: bool = parameter(False, "update the layers one after the other")
    tau_basal: float = parameter(0.0, "basal time constant", symbol=r"\tau_B", unit="ms", low=0)
    tau_apical: float = parameter(0.0, "apical time constant", symbol=r"\tau_A", unit="ms", low=0)

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def gamma(self) -> float:
        r""":math:`\gamma = (1-\lambda_r)/\lambda_r`, below eq. 12."""
        return (1 - self.lambda_) / self.lambda_

    def output_conductance(self, beta: float) -> float:
        """Apical conductance of the output layer.

        Parameters
        ----------
        beta : float
            The nudge of the present phase.

        Returns
        -------
        float
            Dimensionless: 1, or ``beta`` as in eq. 21.
        """
        return 1.0 if self.output_apical == "constant" else beta

    def step_size(self, s: int) -> float:
        """Euler step of the soma relative to its time constant.

        Parameters
        ----------
        s : int
            Steps since the phase began.

        Returns
        -------
        float
            ``dt / tau_u``, slowed down as in the published code.
        """
        return self.dt / self.tau_u / (1 + self.slowdown * s)


def reference_parameters(system: Any) -> ReferenceParameters:
    """The reference's settings for a system with CorInfoMax's parameters.

    Parameters
    ----------
    system : CorInfoMax
        The system; values of the same names are taken over.

    Returns
    -------
    ReferenceParameters
        With the phases counted in time steps.
    """
    shared = {field.name for field in dataclasses.fields(ReferenceParameters)}
    shared &= {field.name for field in dataclasses.fields(system)}
    return ReferenceParameters(
        **{name: getattr(system, name) for name in shared},
        free_steps=round(system.free_time / system.dt),
        nudged_steps=round(system.nudged_time / system.dt),
    )


@dataclasses.dataclass(frozen=True)
class State:
    """All layers at one moment.

    Attributes
    ----------
    u, v_B, v_A : dict of int to ndarray
        Somatic, basal and apical potential of layer k = 1..P, shape ``(N_k,)``
        or ``(N_k, images)``.
    r : dict of int to ndarray
        Rates of layer k = 0..P; ``r[0]`` is the image.
    sensory : ndarray
        ``W_ff_0 @ r[0]``, shape ``(N_1,)``: a still image is delivered once, at its onset.
    """

    u: dict[int, FloatArray]
    r: dict[int, FloatArray]
    v_B: dict[int, FloatArray]
    v_A: dict[int, FloatArray]
    sensory: FloatArray


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """One image from its onset to the end of the nudged phase.

    Row s of each array is what a monitor sees at the end of step s: potentials after the
    Euler update, rates clipped from them, dendrites after these rates were delivered.

    Attributes
    ----------
    u, r, v_B, v_A : dict of int to ndarray
        Layer k = 1..P to an array of shape ``(free_steps + nudged_steps, N_k)``.
    free_steps : int
        Number of leading rows that belong to the free phase.
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


# ---------------------------------------------------------------------------
# The objective (eq. 12-14)
# ---------------------------------------------------------------------------


def forward_error(weights: Weights, r: Rates, k: int) -> FloatArray:
    """What layer k-1 fails to predict of layer k, eq. 13 left.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    k : int
        Layer, 1..P.

    Returns
    -------
    ndarray
        Rate minus prediction, of the shape of ``r[k]``.
    """
    return r[k] - weights[f"W_ff_{k - 1}"] @ r[k - 1]


def backward_error(weights: Weights, r: Rates, k: int) -> FloatArray:
    """What layer k+1 fails to predict of layer k, eq. 13 right.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    k : int
        Hidden layer, 1..P-1.

    Returns
    -------
    ndarray
        Rate minus prediction, of the shape of ``r[k]``.
    """
    return r[k] - weights[f"W_fb_{k}"] @ r[k + 1]


def activity_gradient_hidden(
    params: ReferenceParameters, weights: Weights, r: Rates, k: int
) -> FloatArray:
    """Gradient of the objective in the rates of a hidden layer, eq. 12.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    k : int
        Hidden layer, 1..P-1.

    Returns
    -------
    ndarray
        Of the shape of ``r[k]``.
    """
    decorrelation: FloatArray = 2 * params.gamma * (weights[f"B_{k}"] @ r[k])
    errors = forward_error(weights, r, k) + backward_error(weights, r, k)
    return decorrelation - errors / params.epsilon


def activity_gradient_output(
    params: ReferenceParameters, weights: Weights, r: Rates, y: FloatArray, beta: float
) -> FloatArray:
    """Gradient of the objective in the output rates, eq. 14.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    y : ndarray
        Target, shape ``(N_P,)`` or ``(N_P, images)``.
    beta : float
        Nudge of the present phase; 0 in the free phase.

    Returns
    -------
    ndarray
        Of the shape of ``r[P]``.
    """
    top = _depth(weights)
    decorrelation: FloatArray = params.gamma * (weights[f"B_{top}"] @ r[top])
    error = forward_error(weights, r, top)
    return decorrelation - error / params.epsilon - beta * (r[top] - y)


# ---------------------------------------------------------------------------
# Neurons (eq. 15-21)
# ---------------------------------------------------------------------------


def clipped_relu(u: FloatArray) -> FloatArray:
    """Rate of a somatic potential: projection onto [0, 1], eq. 17 and 20.

    Parameters
    ----------
    u : ndarray
        Potentials, of any shape.

    Returns
    -------
    ndarray
        Rates, of that shape.
    """
    rates: FloatArray = np.clip(u, 0, 1)
    return rates


def basal_input(weights: Weights, r: Rates, sensory: FloatArray, k: int) -> FloatArray:
    """Sum delivered to the basal dendrites of a layer, eq. 18 right.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    sensory : ndarray
        ``W_ff_0 @ r[0]``, computed once for an image.
    k : int
        Layer, 1..P.

    Returns
    -------
    ndarray
        Of the shape of ``r[k]``.
    """
    return sensory if k == 1 else weights[f"W_ff_{k - 1}"] @ r[k - 1]


def apical_input(
    params: ReferenceParameters, weights: Weights, r: Rates, y: FloatArray, beta: float, k: int
) -> FloatArray:
    r"""Sum delivered to the apical dendrites of a layer.

    Hidden (eq. 18 left): autapses and SST interneurons, :math:`M r`, plus feedback.
    Output (eq. 21 left): autapses, SST interneurons and the target. It is written as a
    current, the paper's :math:`\beta v_A`, because the paper's :math:`M^{(P)}` contains
    :math:`1/\beta` and has no value in the free phase.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    r : mapping of int to ndarray
        Rates of layers 0..P, shape ``(N_k,)`` or ``(N_k, images)``.
    y : ndarray
        Target, shape ``(N_P,)`` or ``(N_P, images)``.
    beta : float
        Nudge of the present phase; 0 in the free phase.
    k : int
        Layer, 1..P.

    Returns
    -------
    ndarray
        Of the shape of ``r[k]``.
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
    r""":math:`\tau_u\,du/ds`, eq. 19, of a hidden or of the output layer.

    A hidden dendrite couples with conductance :math:`1/\epsilon`; for the output layer
    ``v_A`` already is a current (see :func:`apical_input`).

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    u, v_B, v_A : ndarray
        Somatic, basal and apical potential of one layer, all of one shape.
    beta : float
        Nudge of the present phase; 0 in the free phase.
    output : bool
        Whether it is the output layer.

    Returns
    -------
    ndarray
        Of the shape of ``u``.
    """
    leak = -params.g_l * u
    basal = (v_B - u) / params.epsilon
    apical = v_A - params.output_conductance(beta) * u if output else (v_A - u) / params.epsilon
    return leak + basal + apical


def resting_state(weights: Weights, x: FloatArray) -> State:
    """Silent network at the onset of an image.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    x : ndarray
        Image, shape ``(N_0,)``, or one per column, ``(N_0, images)``.

    Returns
    -------
    State
        Potentials and rates 0.
    """
    sensory = weights["W_ff_0"] @ x
    silent = {
        k: np.zeros((len(weights[f"B_{k}"]), *x.shape[1:]), sensory.dtype)
        for k in range(1, _depth(weights) + 1)
    }
    return State(dict(silent), {0: x, **silent}, dict(silent), dict(silent), sensory)


def euler_step(
    params: ReferenceParameters, weights: Weights, old: State, y: FloatArray, beta: float, s: int
) -> State:
    """Advance all layers by one time step, eq. 18-21.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights.
    old : State
        State before the step.
    y : ndarray
        Target, shape ``(N_P,)``; without effect where ``beta`` is 0.
    beta : float
        Nudge of the present phase; 0 in the free phase.
    s : int
        Steps since the phase began.

    Returns
    -------
    State
        State after the step, its rates delivered.
    """
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
    _deliver(params, weights, new, y, beta)
    return new


def simulate(
    params: ReferenceParameters, weights: Weights, x: FloatArray, y: FloatArray, beta: float
) -> Trajectory:
    """Show one image: free phase from silence, then nudged phase towards the target.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    x : ndarray
        Image, shape ``(N_0,)``.
    y : ndarray
        Target, shape ``(N_P,)``.
    beta : float
        Nudge of the second phase, of either sign.

    Returns
    -------
    Trajectory
        Potentials and rates after each of the ``free_steps + nudged_steps`` steps.

    Raises
    ------
    DataError
        If the image or the target does not fit the network.
    """
    _check_fit("image", x.shape, (weights["W_ff_0"].shape[1],))
    _check_fit("target", y.shape, (len(weights[f"B_{_depth(weights)}"]),))
    states: list[State] = []
    state = resting_state(weights, x)
    for steps, nudge in ((params.free_steps, 0.0), (params.nudged_steps, beta)):
        # Each phase starts at potentials equal to the rates: a cell pushed below 0 or
        # above 1 in the free phase answers the nudge at once.
        state = dataclasses.replace(state, u={k: state.r[k] for k in state.u})
        for s in range(steps):
            state = euler_step(params, weights, state, y, nudge, s)
            states.append(state)
    return _stack(states, params.free_steps)


# ---------------------------------------------------------------------------
# Synapses (eq. 26-28)
# ---------------------------------------------------------------------------


def feedforward_change(trajectory: Trajectory, x: FloatArray, beta: float, k: int) -> FloatArray:
    """Contrast of rate minus basal dendrite times presynaptic rate, eq. 26.

    The error is what the cell can read, ``r - v_B``: eq. 13 with instantaneous dendrites.

    Parameters
    ----------
    trajectory : Trajectory
        Result of :func:`simulate`.
    x : ndarray
        The image, shape ``(N_0,)``.
    beta : float
        The nudge given to :func:`simulate`, with its sign.
    k : int
        Layer below the synapses, 0..P-1.

    Returns
    -------
    ndarray
        Change before the learning rate, shape ``(N_{k+1}, N_k)``.
    """

    def hebbian(row: int) -> FloatArray:
        error = trajectory.r[k + 1][row] - trajectory.v_B[k + 1][row]
        return np.outer(error, x if k == 0 else trajectory.r[k][row])

    return (hebbian(trajectory.nudged_end) - hebbian(trajectory.free_end)) / beta


def feedback_change(weights: Weights, trajectory: Trajectory, beta: float, k: int) -> FloatArray:
    """Contrast of backward error times rate above, eq. 27.

    The error is eq. 13 of the two rates also where the apical dendrite leaks: its
    potential mixes the prediction with autapses and SST input, so it cannot replace the
    prediction.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Weights that produced ``trajectory``.
    trajectory : Trajectory
        Result of :func:`simulate`.
    beta : float
        The nudge given to :func:`simulate`, with its sign.
    k : int
        Layer below the synapses, 1..P-1.

    Returns
    -------
    ndarray
        Change before the learning rate, shape ``(N_k, N_{k+1})``.
    """

    def hebbian(row: int) -> FloatArray:
        r = {layer: rates[row] for layer, rates in trajectory.r.items()}
        return np.outer(backward_error(weights, r, k), r[k + 1])

    return (hebbian(trajectory.nudged_end) - hebbian(trajectory.free_end)) / beta


def lateral_update(B: FloatArray, r: FloatArray, forgetting: float) -> FloatArray:
    """Inverse correlation after one more rate vector, eq. 28.

    Parameters
    ----------
    B : ndarray
        Inverse of the regularised rate correlation, shape ``(N, N)``.
    r : ndarray
        Rates at the end of the nudged phase, shape ``(N,)``.
    forgetting : float
        Forgetting factor of this one update, in (0, 1].

    Returns
    -------
    ndarray
        Shape ``(N, N)``: the rank-one inverse update without its denominator, which is
        1 up to ``(1 - forgetting) * r @ B @ r``.
    """
    z = B @ r
    gamma = (1 - forgetting) / forgetting
    return (B - gamma * np.outer(z, z)) / forgetting


def update(
    params: ReferenceParameters,
    weights: Weights,
    trajectory: Trajectory,
    x: FloatArray,
    beta: float,
    mu_ff: Sequence[float],
    mu_fb: Sequence[float],
) -> dict[str, FloatArray]:
    """Learn from one image; every change is computed with the weights before it.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Weights that produced ``trajectory``; left as they are.
    trajectory : Trajectory
        Result of :func:`simulate`.
    x : ndarray
        The image, shape ``(N_0,)``.
    beta : float
        The nudge given to :func:`simulate`, with its sign.
    mu_ff : sequence of float
        Feedforward learning rates, layers 0..P-1 (published rate / published batch).
    mu_fb : sequence of float
        Feedback learning rates, layers 1..P-1.

    Returns
    -------
    dict of str to ndarray
        The new weights.

    Raises
    ------
    ParameterError
        If ``beta`` is 0 or a learning rate is missing.
    """
    depth = _depth(weights)
    _check_learning(beta, mu_ff, mu_fb, depth)
    new = dict(weights)
    for k in range(depth):
        change = feedforward_change(trajectory, x, beta, k)
        new[f"W_ff_{k}"] = weights[f"W_ff_{k}"] + mu_ff[k] * change
    for k in range(1, depth):
        change = feedback_change(weights, trajectory, beta, k)
        new[f"W_fb_{k}"] = weights[f"W_fb_{k}"] + mu_fb[k - 1] * change
    for k in range(1, depth + 1):
        rates = trajectory.r[k][trajectory.nudged_end]
        new[f"B_{k}"] = lateral_update(
            weights[f"B_{k}"], rates, params.lambda_ ** (1 / params.batch)
        )
    return new


# ---------------------------------------------------------------------------
# Using it
# ---------------------------------------------------------------------------


def initial_weights(layers: Sequence[int], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw weights as the published code does.

    Parameters
    ----------
    layers : sequence of int
        Cells per layer, image first: ``(784, 500, 10)``.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    dict of str to ndarray
        ``W_ff_k`` of shape ``(N_{k+1}, N_k)``, ``W_fb_k`` of shape ``(N_k, N_{k+1})``
        drawn independently of it, and ``B_k = G G^T`` of shape ``(N_k, N_k)``.

    Raises
    ------
    ParameterError
        If there are fewer than two layers or one of them is empty.
    """
    if len(layers) < 2 or min(layers) < 1:
        raise ParameterError(
            f"layers = {tuple(layers)!r}: give at least two positive numbers of cells, "
            "image first, such as (784, 500, 10)"
        )
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
    """Output rates at the end of a free phase.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights.
    images : ndarray
        One image per row, shape ``(images, N_0)``.

    Returns
    -------
    ndarray
        Shape ``(images, N_P)``, each entry in [0, 1].

    Raises
    ------
    DataError
        If the images do not fit the network.
    """
    _check_fit("images", images.shape, (len(images), weights["W_ff_0"].shape[1]))
    state = resting_state(weights, images.T)
    no_target = np.zeros(())
    for s in range(params.free_steps):
        state = euler_step(params, weights, state, no_target, 0.0, s)
    return state.r[_depth(weights)].T


def predict(params: ReferenceParameters, weights: Weights, images: FloatArray) -> NDArray[np.int64]:
    """Class of each image: the most active output of :func:`readout`.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Synaptic weights, as from :func:`initial_weights`.
    images : ndarray
        One image per row, shape ``(images, N_0)``.

    Returns
    -------
    ndarray of int
        Numbers of classes, shape ``(images,)``.

    Raises
    ------
    DataError
        If the images do not fit the network.
    """
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
    """Learn image by image, in a new order and with random signs of beta each epoch.

    Parameters
    ----------
    params : ReferenceParameters
        Settings.
    weights : mapping of str to ndarray
        Weights to start from; left as they are.
    images : ndarray
        Shape ``(images, N_0)``.
    targets : ndarray
        Shape ``(images, N_P)``, usually one-hot.
    mu_ff, mu_fb : sequence of float
        Learning rates of the first epoch, see :func:`update`.
    rng : numpy.random.Generator
        Source of the order, drawn first in each epoch, then of the signs.
    epochs : int
        Passes over the images.
    decay : float
        Factor on all learning rates from one epoch to the next.
    beta : float
        Size of the nudge.

    Returns
    -------
    dict of str to ndarray
        The learnt weights.

    Raises
    ------
    DataError
        If images and targets do not fit the network or each other.
    ParameterError
        If ``beta`` is 0 or a learning rate is missing.
    DivergenceError
        If a weight is no longer a number at the end of an epoch.
    """
    _check_fit("targets", targets.shape, (len(images), len(weights[f"B_{_depth(weights)}"])))
    learnt = dict(weights)
    for epoch in range(epochs):
        factor = decay**epoch
        order = rng.permutation(len(images))
        signs = rng.choice((-1.0, 1.0), size=len(images))
        for i, sign in zip(order, signs, strict=True):
            nudge = float(sign) * beta
            trajectory = simulate(params, learnt, images[i], targets[i], nudge)
            rates_ff, rates_fb = [factor * mu for mu in mu_ff], [factor * mu for mu in mu_fb]
            learnt = update(params, learnt, trajectory, images[i], nudge, rates_ff, rates_fb)
        _check_finite(learnt, epoch)
    return learnt


def angle_degrees(W_ff: FloatArray, W_fb: FloatArray) -> float:
    """Angle between feedforward weights and transposed feedback weights.

    Parameters
    ----------
    W_ff : ndarray
        Weights from layer k to k+1, shape ``(N_{k+1}, N_k)``.
    W_fb : ndarray
        Weights from layer k+1 to k, shape ``(N_k, N_{k+1})``.

    Returns
    -------
    float
        Degrees: 0 for symmetric weights, about 90 for independent ones.

    Raises
    ------
    ParameterError
        If the shapes do not match or a matrix is all zero.

    Examples
    --------
    >>> W = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> round(angle_degrees(W, -W.T), 3)
    180.0
    """
    if W_ff.shape != W_fb.T.shape:
        raise ParameterError(
            f"W_ff has shape {W_ff.shape} and W_fb {W_fb.shape}; one must be the other transposed"
        )
    size = float(np.linalg.norm(W_ff) * np.linalg.norm(W_fb))
    if size == 0:
        raise ParameterError("W_ff or W_fb is all zero and has no direction; give other weights")
    cosine = float(np.sum(W_ff * W_fb.T)) / size
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


# ---------------------------------------------------------------------------
# Helpers
# ---------------------------------------------------------------------------


def _depth(weights: Weights) -> int:
    """Index P of the output layer."""
    return sum(name.startswith("B_") for name in weights)


def _glorot(rows: int, columns: int, rng: np.random.Generator) -> FloatArray:
    limit = np.sqrt(6 / (rows + columns))
    return rng.uniform(-limit, limit, size=(rows, columns))


def _relax(v: FloatArray, target: FloatArray, dt: float, tau: float) -> FloatArray:
    return v + dt / tau * (target - v) if tau else target


def _deliver(
    params: ReferenceParameters, weights: Weights, state: State, y: FloatArray, beta: float
) -> None:
    """Let instantaneous dendrites show the rates of this very step."""
    for k in state.u:
        if not params.tau_basal:
            state.v_B[k] = basal_input(weights, state.r, state.sensory, k)
        if not params.tau_apical:
            state.v_A[k] = apical_input(params, weights, state.r, y, beta, k)


def _stack(states: Sequence[State], free_steps: int) -> Trajectory:
    layers = states[0].u
    return Trajectory(
        u={k: np.stack([state.u[k] for state in states]) for k in layers},
        r={k: np.stack([state.r[k] for state in states]) for k in layers},
        v_B={k: np.stack([state.v_B[k] for state in states]) for k in layers},
        v_A={k: np.stack([state.v_A[k] for state in states]) for k in layers},
        free_steps=free_steps,
    )


def _check_fit(what: str, given: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if given != expected:
        raise DataError(f"{what} of shape {given} does not fit the network; expected {expected}")


def _check_learning(
    beta: float, mu_ff: Sequence[float], mu_fb: Sequence[float], depth: int
) -> None:
    if beta == 0:
        raise ParameterError("beta = 0 leaves nothing to learn from; give a nudge of either sign")
    if len(mu_ff) != depth or len(mu_fb) != depth - 1:
        raise ParameterError(
            f"{len(mu_ff)} feedforward and {len(mu_fb)} feedback learning rates given; "
            f"this network needs {depth} and {depth - 1}"
        )


def _check_finite(weights: Weights, epoch: int) -> None:
    lost = [name for name, matrix in weights.items() if not np.all(np.isfinite(matrix))]
    if lost:
        raise DivergenceError(
            f"{', '.join(lost)} diverged in epoch {epoch + 1}; lower the learning rates, or dt "
            "until dt / tau_u * (g_l + 2 / epsilon) is below 2"
        )
