r"""Learning a latent-intent model from many histories: intensities and rates, with uncertainty.

The chain has two factors, as in a scenario: **intent**, which nobody sees (over: done with it, for
good; rest: would let it rest; press: acts now and then; push: acts at high tempo), and **rung**
(threat, display, force, war). Marks of `timelines` are Poisson processes, every one watched,
silence included:

    λ_j(i, r) = b_j · home_j(r) · g(i)       home_j(r) = 1 on the rungs where j belongs, ε elsewhere
    climb r→r+1 under intent i: c_r · h_r(i)    descent r→r−1: d_r

with g(press) = h(press) = 1, g(over) = `OVER`, h(over) = 0, but war seen alike under every intent.
The other g, h, b, c, d, the rates between intents, and the weights of intent and of
rung on the first day are the P parameters, all log-normal a priori (`PRIORS`).

In normal scores z ~ N(0, I), the fit is the maximum of

    ℓ(θ(z)) − ½|z|²,      ℓ the sum over histories of the log-likelihood of `filtering`,

from several starts. Within a history the rates never change, so v exp(G·gap) from event to event
gives the same ℓ as the filter's day-by-day steps, sooner: `log_likelihood` does that, and the
tests hold it against `filtering`. Draws come from `sampling`, in coordinates y where the
normal approximation at the maximum is N(0, I): adapted importance sampling, and tempered
sequential Monte Carlo where that is not enough.

Reference: Rydén 1996, Comp. Stat. & Data Analysis 21 (Markov-modulated Poisson processes).

>>> round(float(model(np.zeros(len(PRIORS))).start.sum()), 6)
1.0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm
from scipy.optimize import minimize

from escalation.history import timelines
from escalation.history.timelines import MARKS, Timelines
from escalation.maths.ctmc import Chain
from escalation.maths.filtering import log_likelihood as filtered
from escalation.maths.priors import Z95, hypercube, keyed_generator, normal_score
from escalation.maths.sampling import (
    Sample,
    adapt,
    effective_sample_size,
    normalise,
    systematic,
    temper,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

INTENTS = ("over", "rest", "press", "push")
RUNGS = ("threat", "display", "force", "war")
ELSEWHERE = 0.01  # ε: what is seen where it does not belong is a miscoded or stray act
STRAY_WAR = 1e-6  # ε of war: there is hardly a stray war
HOME = {
    "threat": (1.0, 1.0, 1.0, 1.0), "display": (ELSEWHERE, 1.0, 1.0, 1.0),
    "force": (ELSEWHERE, ELSEWHERE, 1.0, 1.0), "war": (STRAY_WAR,) * 3 + (1.0,),
}  # fmt: skip
OVER = 0.001  # share of the acts that are still seen when it is over: next to none
WAR_SEEN = 10.0  # days of war seen per 30 days of war: the first one ends the history

PRIORS: Mapping[str, tuple[float, float]] = {
    "start.over": (0.05, 5.0),  # weights, that of press being 1
    "start.rest": (0.1, 5.0),
    "start.push": (0.05, 5.0),
    "start.threat": (0.05, 5.0),  # weights of the rungs, that of force being 1
    "start.display": (0.05, 5.0),
    "start.war": (0.003, 0.3),
    "seen.threat": (0.03, 3.0),  # per 30 days, at home, under press
    "seen.display_opener": (0.1, 10.0),
    "seen.display_other": (0.1, 10.0),
    "seen.force_opener": (0.1, 10.0),
    "seen.force_other": (0.1, 10.0),
    "seen.rest": (0.01, 0.5),  # multiplies all marks
    "seen.push": (1.5, 30.0),
    "threat -> display": (0.03, 3.0),  # per 30 days, under press
    "display -> force": (0.01, 3.0),
    "force -> war": (0.001, 0.1),
    "climb.rest": (0.01, 0.5),  # multiplies all climbs
    "climb.push": (0.2, 20.0),
    "war.push": (0.2, 20.0),  # multiplies force -> war instead
    "display -> threat": (0.03, 3.0),
    "force -> display": (0.03, 3.0),
    "rest -> over": (0.01, 1.0),
    "press -> over": (0.01, 1.0),
    "rest -> press": (0.005, 0.5),
    "press -> rest": (0.1, 10.0),
    "press -> push": (0.01, 1.0),
    "push -> press": (0.1, 10.0),
}
"""Parameter → central 90 % of its log-normal prior."""
NAMES = tuple(PRIORS)
SPREAD = 2.0  # standard deviations of the priors within which starts lie
FARTHEST = 4.0  # and within which the maximum is sought
IMPOSSIBLE = 1e12  # loss where the likelihood underflows
TRUSTED_SHARE = 0.02  # of effective draws below which tempered SMC seeds the sampler


@dataclass(frozen=True)
class Model:
    """A draw of the parameters as a chain and its marks.

    Attributes
    ----------
    start : Array, shape (K,)
        P(state) on day 0, before the opening event is seen; K = 16, rung fastest.
    generator : Array, shape (K, K)
        Rates per day.
    intensity : Array, shape (J, K)
        Of each mark, per day.
    """

    start: Array
    generator: Array
    intensity: Array

    @cached_property
    def killed(self) -> Array:
        """Q − diag κ: generator under watch."""
        return np.asarray(self.generator - np.diag(self.intensity.sum(axis=0)))

    def chain(self) -> Chain:
        """Sparse form, for `filtering`."""
        source, target = np.nonzero(self.generator > 0)
        return Chain.constant(
            source, target, self.generator[source, target][:, None], len(self.start)
        )


_MIDDLE = np.array([np.log(low * high) / 2 for low, high in PRIORS.values()])
_SPREAD = np.array([np.log(high / low) / (2 * Z95) for low, high in PRIORS.values()])


def values(z: Array) -> dict[str, float]:
    """Parameters, in their units, from normal scores (P,)."""
    return dict(zip(NAMES, np.exp(_MIDDLE + _SPREAD * z).tolist(), strict=True))


def scores(parameters: Mapping[str, float]) -> Array:
    """Normal scores (P,) of parameters: the inverse of `values`."""
    logs = np.log([parameters[name] for name in NAMES])
    return np.asarray((logs - _MIDDLE) / _SPREAD)


def model(z: Array) -> Model:
    """Build the model of one draw, given as normal scores (P,)."""
    p = values(z)
    return Model(_start(p), _generator(p), _intensity(p))


def _start(p: Mapping[str, float]) -> Array:
    """Intent and rung by their weights, apart from each other."""
    intent = np.array([p["start.over"], p["start.rest"], 1.0, p["start.push"]])
    rung = np.array([p["start.threat"], p["start.display"], 1.0, p["start.war"]])
    return np.outer(intent / intent.sum(), rung / rung.sum()).ravel()


def _generator(p: Mapping[str, float]) -> Array:
    """Q: one factor moves at a time."""
    matrix = np.zeros((len(INTENTS), len(RUNGS), len(INTENTS), len(RUNGS)))
    for i, intent in enumerate(INTENTS):
        for r, rung in enumerate(RUNGS[:-1]):
            matrix[i, r, i, r + 1] = p[f"{rung} -> {RUNGS[r + 1]}"] * climb(intent, rung, p)
        matrix[i, 1, i, 0] = p["display -> threat"]
        matrix[i, 2, i, 1] = p["force -> display"]
        for j, other in enumerate(INTENTS):
            rate = p.get(f"{intent} -> {other}", 0.0)
            for r in range(len(RUNGS)):
                matrix[i, r, j, r] += rate
    size = len(INTENTS) * len(RUNGS)
    flat = matrix.reshape(size, size) / 30.0
    return np.asarray(flat - np.diag(flat.sum(axis=1)))


def climb(intent: str, rung: str, p: Mapping[str, float]) -> float:
    """Multiplier of the climb from a rung under an intent."""
    if intent == "push":
        return p["war.push" if rung == "force" else "climb.push"]
    return {"over": 0.0, "rest": p["climb.rest"]}.get(intent, 1.0)


def _intensity(p: Mapping[str, float]) -> Array:
    """λ: by intent and rung, but a war is seen whatever anybody means to do."""
    intent = np.array([OVER, p["seen.rest"], 1.0, p["seen.push"]])
    rows = []
    for mark in MARKS:
        tempo = np.ones_like(intent) if mark == "war" else intent
        seen = np.outer(tempo, HOME[mark.split("_")[0]])
        rows.append(p.get(f"seen.{mark}", WAR_SEEN) / 30.0 * seen.ravel())
    return np.array(rows)


def log_likelihood(at: Model, lines: Timelines) -> tuple[Array, Array]:
    """Log-likelihood (N,) of each history, and the state on its last day (N, K)."""
    longest = int(max(lines.gap.max(initial=0), lines.rest.max(initial=0)))
    powers = _powers(np.maximum(expm(at.killed), 0.0), longest)
    state = np.repeat(at.start[None, :], lines.size, axis=0)
    total = np.zeros(lines.size)
    for event in range(len(lines.gap)):
        n = int(np.count_nonzero(lines.count > event))
        moved = np.matmul(state[:n, None, :], powers[lines.gap[event, :n]])[:, 0]
        likelihood = at.intensity if event else timelines.opening(at.intensity)
        state[:n], gained = _normalise(moved * likelihood[lines.mark[event, :n]])
        total[:n] += gained
    state, gained = _normalise(np.matmul(state[:, None, :], powers[lines.rest])[:, 0])
    return total + gained, state


def _normalise(state: Array) -> tuple[Array, Array]:
    """States (n, K) that sum to 1, and ln of what they summed to (−inf where that was 0)."""
    norm = state.sum(axis=1)
    with np.errstate(divide="ignore"):
        return state / np.where(norm > 0, norm, 1.0)[:, None], np.log(norm)


def _powers(step: Array, most: int) -> Array:
    """Step⁰ … stepᵐ, shape (m+1, K, K)."""
    powers = np.empty((most + 1, *step.shape))
    powers[0] = np.eye(len(step))
    for n in range(most):
        powers[n + 1] = powers[n] @ step
    return powers


def by_filter(at: Model, lines: Timelines) -> Array:
    """Return the same log-likelihoods (N,) from the day-by-day filter."""
    return filtered(timelines.batch(lines, at.start, at.chain(), at.intensity)).loglik


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    maximum : Array, shape (P,)
        Normal scores at the maximum a posteriori.
    log_posterior : float
        There, up to the constant of the prior.
    starts : tuple of float
        The log-posterior that each start reached, best first.
    apart : float
        Largest distance, in posterior standard deviations, between the maximum and the end of
        another start that came within 1 of it.
    draws : Array, shape (n, P)
        Equally weighted posterior draws, as normal scores.
    ess : float
        Effective sample size of the weighted draws behind them; for "smc" their number.
    method : str
        "laplace+amis" or "smc" (tempered, where importance sampling left too few).
    evaluations : int
        Log-likelihoods of all histories computed for the draws.
    filter_gap : float
        Largest difference, at the maximum, between a history's log-likelihood and the one that
        the batched day-by-day filter gives.
    histories : int
    events : int
    """

    maximum: Array
    log_posterior: float
    starts: tuple[float, ...]
    apart: float
    draws: Array
    ess: float
    method: str
    evaluations: int
    filter_gap: float
    histories: int
    events: int

    @property
    def contraction(self) -> dict[str, float]:
        """1 − posterior ÷ prior variance of each parameter: 0 where the data say nothing."""
        variance = self.draws.var(axis=0)
        return {name: float(1 - v) for name, v in zip(NAMES, variance, strict=True)}

    def quantiles(self, shares: tuple[float, ...] = (0.05, 0.5, 0.95)) -> dict[str, Array]:
        """Posterior quantiles of each parameter, in its unit."""
        at = np.quantile(self.draws, shares, axis=0)
        return {name: np.exp(_MIDDLE[i] + _SPREAD[i] * at[:, i]) for i, name in enumerate(NAMES)}


def fit(
    lines: Timelines,
    *,
    seed: int,
    starts: int = 4,
    draws: int = 1024,
    keep: int = 256,
) -> Fit:
    """Fit the model to histories.

    Parameters
    ----------
    lines : Timelines
    seed : int
        Keys the starts and the draws.
    starts : int
        Points from which the maximum is sought; the first is the prior's middle.
    draws : int
        Draws in each round of importance sampling.
    keep : int
        Equally weighted draws to return.
    """

    def log_posterior(z: Array) -> float:
        return float(log_likelihood(model(z), lines)[0].sum() - 0.5 * z @ z)

    ends = sorted(_climbs(log_posterior, seed, starts), key=lambda each: -each[0])
    best, at = ends[0]
    root = _laplace(log_posterior, at)
    y, weights, method, evaluations = _sample(log_posterior, at, root, seed, draws)
    index = systematic(weights, keyed_generator(seed, "learned"), keep)
    near = [np.linalg.solve(root, z - at) for value, z in ends[1:] if best - value < 1.0]
    return Fit(
        at,
        best,
        tuple(value for value, _ in ends),
        float(max((np.abs(y).max() for y in near), default=np.nan)),
        (at[:, None] + root @ y[:, index]).T,
        effective_sample_size(weights),
        method,
        evaluations,
        float(np.abs(by_filter(model(at), lines) - log_likelihood(model(at), lines)[0]).max()),
        lines.size,
        int(lines.count.sum()),
    )


def _climbs(
    log_posterior: Callable[[Array], float], seed: int, starts: int
) -> list[tuple[float, Array]]:
    """Where each start ends: log-posterior and normal scores."""

    def loss(z: Array) -> float:
        value = log_posterior(z)
        return -value if np.isfinite(value) else IMPOSSIBLE

    rng = keyed_generator(seed, "starts")
    ends = []
    for number in range(starts):
        first = np.zeros(len(PRIORS)) if not number else rng.uniform(-SPREAD, SPREAD, len(PRIORS))
        found = minimize(
            loss,
            first,
            method="L-BFGS-B",
            bounds=[(-FARTHEST, FARTHEST)] * len(first),
        )
        ends.append((-float(found.fun), np.asarray(found.x)))
    return ends


def _laplace(log_posterior: Callable[[Array], float], at: Array, step: float = 0.05) -> Array:
    """Lower Cholesky factor of the inverse curvature at the maximum, by central differences."""
    size = len(at)
    unit = np.eye(size) * step
    centre = log_posterior(at)
    curvature = np.empty((size, size))
    ends = [(log_posterior(at + e), log_posterior(at - e)) for e in unit]
    for i in range(size):
        curvature[i, i] = (2 * centre - sum(ends[i])) / step**2
        for j in range(i):
            both = log_posterior(at + unit[i] + unit[j]) + log_posterior(at - unit[i] - unit[j])
            mixed = (both - sum(ends[i]) - sum(ends[j]) + 2 * centre) / (2 * step**2)
            curvature[i, j] = curvature[j, i] = -mixed
    spectrum, vectors = np.linalg.eigh(curvature)
    # The prior's own curvature is 1: less than that is an error of the differences.
    covariance = (vectors / np.maximum(spectrum, 1.0)) @ vectors.T
    return np.linalg.cholesky(covariance)


def _sample(
    log_posterior: Callable[[Array], float], at: Array, root: Array, seed: int, draws: int
) -> tuple[Array, Array, str, int]:
    """Weighted draws of y, with z = at + root y and y ~ N(0, I) by the normal approximation.

    Returns
    -------
    y : Array, shape (P, n)
    weights : Array, shape (n,)
    method : str
    evaluations : int
    """
    size = len(at)

    def density(y: Array) -> Array:
        return np.array([
            log_posterior(at + root @ column) + 0.5 * column @ column for column in y.T
        ])  # fmt: skip

    def fresh(number: int) -> Array:
        rows = [hypercube(f"learned {number} {i}", draws, seed) for i in range(size)]
        return normal_score(np.array(rows))

    def enough(weights: Array) -> bool:
        return effective_sample_size(weights) >= draws / 4

    rng = keyed_generator(seed, "learned amis")
    first = fresh(-1)
    sample = adapt(
        Sample(first, density(first), (draws,)), density, fresh, rng, rounds=3, enough=enough
    )
    weights = normalise(sample.log_weights)[0]
    evaluations = len(weights)
    if effective_sample_size(weights) >= TRUSTED_SHARE * evaluations:
        return sample.z, weights, "laplace+amis", evaluations
    part = slice(0, draws)
    y, _, more = temper(sample.z[:, part], sample.loglik[part], density, rng)
    return y, np.full(draws, 1 / draws), "smc", evaluations + more
