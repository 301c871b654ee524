"""Draws from a posterior whose prior is standard normal: importance sampling, then AMIS, then SMC.

Assumptions live here as *normal scores* z ∈ ℝᴾ, a priori independent N(0, 1); the evidence gives
a log-likelihood ℓ(z). With draws from a mixture of R proposals, n_r from the r-th, all together
weighted as one deterministic mixture (Owen & Zhou 2000, JASA 95),

    w(z) = exp ℓ(z) / Σ_r (n_r/n) q_r(z)/φ(z),            the prior φ itself being q_0,

so that no weight can exceed exp ℓ · n/n₀. `adapt` is adaptive multiple importance sampling
(Cornuet, Marin, Mira & Robert 2012, Scand. J. Stat. 39): each round's proposal is a
multivariate t fitted to the weighted draws so far, in the coordinates where the posterior has
moved or narrowed; the others stay at the prior and cancel from q_r/φ, or the weights would
collapse with dimension. The fit is made at the largest temper β ≤ 1, weights
exp(βℓ)/mixture, that keeps an effective sample size of `FIT_SIZE`.

`temper` is sequential Monte Carlo over tempers 0 → 1 (Del Moral, Doucet & Jasra 2006, JRSS B 68)
with preconditioned Crank–Nicolson moves (Cotter, Roberts, Stuart & White 2013, Stat. Sci. 28).

Shapes: P coordinates, n draws, draws last.

>>> round(effective_sample_size(np.array([0.25, 0.25, 0.25, 0.25])), 6)
4.0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import lgamma
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    LogLikelihood = Callable[[Array], Array]
    Fresh = Callable[[int], Array]  # round → prior draws (P, n)

FREEDOM = 8.0  # degrees of freedom of a proposal
FIT_SIZE = 400.0  # effective draws behind a fitted proposal
SIGNIFICANT = 3.0  # standard errors by which an informed coordinate has moved or narrowed
FEWEST_TAIL = 5
MOVES = 6
STAGES = 30  # tempers, each of which halves the effective draws
ACCEPTANCE = 0.3


@dataclass(frozen=True)
class Proposal:
    """A multivariate t in some coordinates, the prior in the others.

    Attributes
    ----------
    informed : int, shape (d,)
        The coordinates it adapts.
    mean : float64, shape (d,)
    root : float64, shape (d, d)
        Lower Cholesky factor of its scale matrix.
    """

    informed: NDArray[np.intp]
    mean: Array
    root: Array

    @cached_property
    def whiten(self) -> Array:
        """Inverse of `root`: far faster to multiply with than to solve for many draws."""
        return np.asarray(np.linalg.inv(self.root), dtype=float)

    def draw(self, prior: Array, rng: np.random.Generator) -> Array:
        """Move prior draws (P, n) to the proposal in the informed coordinates."""
        count = prior.shape[1]
        spread = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, count))
        moved = prior.copy()
        moved[self.informed] = self.mean[:, None] + self.root @ (prior[self.informed] * spread)
        return moved

    def log_ratio(self, z: Array) -> Array:
        """ln q(z)/φ(z), shape (n,)."""
        part = z[self.informed]
        size = len(self.informed)
        scaled = self.whiten @ (part - self.mean[:, None])
        log_t = (
            lgamma((FREEDOM + size) / 2)
            - lgamma(FREEDOM / 2)
            - size / 2 * np.log(FREEDOM * np.pi)
            - np.log(np.diag(self.root)).sum()
            - (FREEDOM + size) / 2 * np.log1p((scaled**2).sum(axis=0) / FREEDOM)
        )
        log_normal = -0.5 * (part**2).sum(axis=0) - size / 2 * np.log(2 * np.pi)
        return np.asarray(log_t - log_normal, dtype=float)


@dataclass(frozen=True)
class Sample:
    """Draws, their log-likelihoods, and the proposals they came from.

    Attributes
    ----------
    z : float64, shape (P, n)
    loglik : float64, shape (n,)
    counts : tuple of int
        Draws from the prior, then from each proposal.
    proposals : tuple of Proposal
    known : float64, shape (R+1, n), optional
        `log_ratios`, where they have been worked out.
    """

    z: Array
    loglik: Array
    counts: tuple[int, ...]
    proposals: tuple[Proposal, ...] = ()
    known: Array | None = None

    @cached_property
    def log_ratios(self) -> Array:
        """ln q_r/φ of the prior, where it is 0, and of each proposal at each draw, (R+1, n)."""
        return _log_ratios(self.proposals, self.z) if self.known is None else self.known

    @cached_property
    def log_mixture(self) -> Array:
        """ln Σ_r (n_r/n) q_r/φ at each draw, shape (n,)."""
        shares = np.log(np.array(self.counts) / sum(self.counts))
        return np.asarray(np.logaddexp.reduce(self.log_ratios + shares[:, None], axis=0))

    @property
    def log_weights(self) -> Array:
        """Unnormalised log weights, shape (n,); their mean exp is the marginal likelihood."""
        return self.loglik - self.log_mixture

    def extend(self, proposal: Proposal, z: Array, loglik: Array) -> Sample:
        """Add draws of a further proposal."""
        proposals = (*self.proposals, proposal)
        before = np.vstack([self.log_ratios, proposal.log_ratio(self.z)])
        return Sample(
            np.concatenate([self.z, z], axis=1),
            np.concatenate([self.loglik, loglik]),
            (*self.counts, z.shape[1]),
            proposals,
            np.hstack([before, _log_ratios(proposals, z)]),
        )


def _log_ratios(proposals: tuple[Proposal, ...], z: Array) -> Array:
    return np.stack([np.zeros(z.shape[1]), *(each.log_ratio(z) for each in proposals)])


def adapt(
    sample: Sample,
    log_likelihood: LogLikelihood,
    fresh: Fresh,
    rng: np.random.Generator,
    *,
    rounds: int,
    enough: Callable[[Array], bool],
) -> Sample:
    """Add rounds of adapted proposals until the normalised weights are good enough."""
    for number in range(rounds):
        if enough(normalise(sample.log_weights)[0]):
            break
        proposal = fit(sample)
        if not len(proposal.informed):
            break
        z = proposal.draw(fresh(number), rng)
        sample = sample.extend(proposal, z, log_likelihood(z))
    return sample


def fit(sample: Sample) -> Proposal:
    """Fit a proposal to weighted draws, at the temper that keeps enough of them."""
    log_mixture = sample.log_mixture
    finite = np.where(np.isfinite(sample.loglik), sample.loglik, -1e300)

    def size(temper: float) -> float:
        return effective_sample_size(normalise(temper * finite - log_mixture)[0])

    temper = largest_temper(size, min(FIT_SIZE, size(0.0) / 2))
    return fit_weighted(sample.z, normalise(temper * finite - log_mixture)[0])


def fit_weighted(z: Array, weights: Array) -> Proposal:
    """Multivariate t in the coordinates whose mean or variance differs from the prior's."""
    size = effective_sample_size(weights)
    mean = z @ weights
    variance = np.square(z - mean[:, None]) @ weights
    moved = np.abs(mean) * np.sqrt(size) > SIGNIFICANT
    narrowed = np.abs(variance - 1) * np.sqrt(size / 2) > SIGNIFICANT
    informed = np.flatnonzero(moved | narrowed)
    centred = z[informed] - mean[informed, None]
    covariance = (centred * weights) @ centred.T
    shrink = min(1.0, len(informed) / size)
    covariance = (1 - shrink) * covariance + shrink * np.diag(np.diag(covariance))
    covariance += 1e-9 * np.eye(len(informed))
    root = np.asarray(np.linalg.cholesky(covariance), dtype=float)
    return Proposal(informed, mean[informed], root)


def largest_temper(size: Callable[[float], float], least: float, low: float = 0.0) -> float:
    """Largest temper in (low, 1] at which the effective sample size stays at `least`."""
    if size(1.0) >= least:
        return 1.0
    high = 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle) >= least else (low, middle)
    return high if high - low == 1.0 else max(low, 1e-12)


def temper(
    z: Array,
    loglik: Array,
    log_likelihood: LogLikelihood,
    rng: np.random.Generator,
    *,
    check: Callable[[Array], None] = lambda _: None,
) -> tuple[Array, Array, int]:
    """Move prior draws to the posterior through tempers that each keep half of them effective.

    Parameters
    ----------
    z : Array, shape (P, n)
    loglik : Array, shape (n,)
    log_likelihood : callable
    rng : Generator
    check : callable, optional
        Given the draws after each temper; may raise an error where it is no use to go on.

    Returns
    -------
    z : Array, shape (P, n)
        Equally weighted draws.
    loglik : Array, shape (n,)
    evaluations : int
        Log-likelihoods computed.

    Raises
    ------
    InvalidValueError
        If the posterior is not reached in `STAGES` tempers.
    """
    at, step, evaluations, count = 0.0, 0.5, 0, z.shape[1]
    for _ in range(STAGES):
        if at >= 1.0:
            return z, loglik, evaluations
        finite = np.where(np.isfinite(loglik), loglik, -1e300)

        def size(to: float, finite: Array = finite, at: float = at) -> float:
            return effective_sample_size(normalise((to - at) * finite)[0])

        to = largest_temper(size, np.isfinite(loglik).sum() / 2, at)
        weights = normalise((to - at) * finite)[0]
        reference = fit_weighted(z, weights)
        index = systematic(weights, rng)
        z, loglik, at = z[:, index], loglik[index], to
        for _ in range(MOVES):
            z, loglik, accepted = _move(z, loglik, at, reference, step, log_likelihood, rng)
            evaluations += count
            step = float(np.clip(step * np.exp(accepted - ACCEPTANCE), 0.02, 0.95))
        check(z)
    raise InvalidValueError(
        f"the evidence is too far from what the assumptions expect ({STAGES} stages of sampling "
        f"came {at:.1%} of the way); look for a wrong date, count or rate among the reports"
    )


def _move(
    z: Array,
    loglik: Array,
    at: float,
    reference: Proposal,
    step: float,
    log_likelihood: LogLikelihood,
    rng: np.random.Generator,
) -> tuple[Array, Array, float]:
    """One preconditioned Crank–Nicolson move of every particle around a fitted normal."""
    noise = rng.standard_normal(z.shape)
    keep = np.sqrt(1 - step**2)
    moved = keep * z + step * noise
    part, mean = reference.informed, reference.mean[:, None]
    moved[part] = mean + keep * (z[part] - mean) + step * (reference.root @ noise[part])
    proposed = log_likelihood(moved)
    gain = at * (proposed - loglik) + _tilt(moved, reference) - _tilt(z, reference)
    accept = np.log(rng.random(z.shape[1])) < np.where(np.isnan(gain), -np.inf, gain)
    return (
        np.where(accept, moved, z),
        np.where(accept, proposed, loglik),
        float(accept.mean()),
    )


def _tilt(z: Array, reference: Proposal) -> Array:
    """ln φ(z)/N(z; mean, root rootᵀ) in the informed coordinates, up to a constant."""
    part = z[reference.informed]
    scaled = np.linalg.solve(reference.root, part - reference.mean[:, None])
    return np.asarray(0.5 * ((scaled**2).sum(axis=0) - (part**2).sum(axis=0)))


def normalise(log_weights: Array) -> tuple[Array, float]:
    """Weights that sum to 1, and the logarithm of their mean before."""
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    total = weights.sum()
    return weights / total, float(largest + np.log(total / len(weights)))


def effective_sample_size(weights: Array) -> float:
    """1/Σw² of normalised weights (Kong 1992)."""
    return float(1 / np.square(weights).sum())


def systematic(
    weights: Array, rng: np.random.Generator, count: int | None = None
) -> NDArray[np.intp]:
    """Systematic resampling (Carpenter, Clifford & Fearnhead 1999): indices, in order."""
    size = len(weights) if count is None else count
    positions = (rng.random() + np.arange(size)) / size
    index = np.searchsorted(np.cumsum(weights), positions, side="right")
    return np.minimum(index, len(weights) - 1)


def pareto_shape(weights: Array) -> float:
    """Shape k̂ of a generalised Pareto distribution fitted to the largest weights.

    The tail is the largest min(N/5, 3√N) weights; the fit is that of Zhang & Stephens (2009,
    Technometrics 51), with the weak prior on k of Vehtari, Simpson, Gelman, Yao & Gabry (2024,
    JMLR 25).

    Returns
    -------
    float
        NaN for fewer than five distinct weights in the tail.
    """
    count = len(weights)
    size = int(np.ceil(min(0.2 * count, 3 * np.sqrt(count))))
    ordered = np.sort(weights)
    excess = ordered[-size:] - ordered[-size - 1] if 0 < size < count else np.zeros(0)
    excess = excess[excess > 0]
    if len(np.unique(excess)) < FEWEST_TAIL:
        return float("nan")
    return _zhang_stephens(excess)


def _zhang_stephens(excess: Array) -> float:
    count = len(excess)
    grid = 30 + int(np.sqrt(count))
    quartile = excess[int(count / 4 + 0.5) - 1]
    b = 1 / excess[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    profile = count * (np.log(-b / k) - k - 1)
    with np.errstate(over="ignore"):  # 1/∞ = 0: no share of the posterior
        posterior = np.array([1 / np.exp(profile - each).sum() for each in profile])
    mean_b = float((b * posterior).sum() / posterior.sum())
    shape = float(np.log1p(-mean_b * excess).mean())
    return (count * shape + 10 * 0.5) / (count + 10)
