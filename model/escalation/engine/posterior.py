"""What the evidence says of the assumptions: draws, weighed by it, and how far to trust them.

Draws θ_n come from the prior and weigh w_n ∝ exp ℓ(θ_n), ℓ the marginal log-likelihood of
`filtering`. They serve as they are, and keep the random numbers that scenarios share, while

    ESS = 1/Σ w_n² ≥ 1,000      effective sample size, w normalised
    k̂ < 0.7                     shape of the generalised Pareto tail of the weights

Otherwise the engine moves to adaptive importance sampling by itself, and where that leaves
ESS below 1 % or a weight above 0.05, seeds it with tempered sequential Monte Carlo (`sampling`).
`Diagnostics.method` says which. Then the draws are resampled to equal weight: nothing
downstream ever sees a weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.errors import ImpossibleEvidenceError
from escalation.maths.filtering import log_likelihood
from escalation.maths.priors import hypercube, keyed_generator, normal_score, values_at
from escalation.maths.sampling import (
    Sample,
    adapt,
    effective_sample_size,
    fit_weighted,
    normalise,
    pareto_shape,
    systematic,
    temper,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.maths.filtering import Likelihood
    from escalation.reading.case import Assumption

    Array = NDArray[np.float64]

CHUNK = 1024
ENOUGH = 1000.0  # effective draws with which prior draws serve as they are
TRUSTED = 0.7  # largest k̂
ROUNDS = 6
ROUND_DRAWS = 4096
SCARCE = 0.01  # share of effective draws below which adaptation is seeded anew
HEAVY = 0.05  # largest weight above which it is
PARTICLES = 1024
FAR = 6.0  # normal score beyond which the evidence contradicts an assumption: chance 2e-9


@dataclass(frozen=True)
class Diagnostics:
    """How the posterior draws were made and how good they are.

    Attributes
    ----------
    method : str
        "prior" (weighted prior draws), "amis" (adaptive importance sampling) or "smc+amis".
    evaluations : int
        Log-likelihoods computed.
    draws : int
        Weighted draws at the end.
    ess : float
        Effective sample size of these.
    largest_weight : float
    pareto_k : float
        k̂; NaN where the weights have no tail to fit.
    log_marginal_likelihood : float
        ln of the probability of all evidence, averaged over the prior.
    """

    method: str
    evaluations: int
    draws: int
    ess: float
    largest_weight: float
    pareto_k: float
    log_marginal_likelihood: float


@dataclass(frozen=True)
class Posterior:
    """Equally weighted posterior draws, kept as distinct draws and how often each counts.

    Attributes
    ----------
    prior : Mapping[str, Array (N,)]
        Prior draws of each assumption.
    prior_loglik : float64, shape (N,)
        Their log-likelihoods.
    draws : Mapping[str, Array (U,)]
        The distinct posterior draws of each assumption.
    loglik : float64, shape (U,)
        Their log-likelihoods.
    scores : Mapping[str, Array (U,)]
        Their normal scores, for each uncertain assumption: N(0, 1) a priori.
    index : int, shape (N,)
        For each of N equally weighted draws, which distinct draw it is.
    diagnostics : Diagnostics
    """

    prior: Mapping[str, Array]
    prior_loglik: Array
    draws: Mapping[str, Array]
    loglik: Array
    scores: Mapping[str, Array]
    index: NDArray[np.intp]
    diagnostics: Diagnostics


@dataclass(frozen=True)
class Scores:
    """Normal scores of the uncertain assumptions, and back to values.

    Attributes
    ----------
    assumptions : Mapping[str, Assumption]
        All of them.
    seed : int
    """

    assumptions: Mapping[str, Assumption]
    seed: int

    @cached_property
    def uncertain(self) -> tuple[str, ...]:
        """Names of those that are not fixed, in order: the P coordinates."""
        return tuple(name for name, each in self.assumptions.items() if not each.prior.fixed)

    def prior(self, count: int, suffix: str = "") -> Array:
        """Latin-hypercube normal scores (P, count), each row keyed by seed and name."""
        rows = [hypercube(name + suffix, count, self.seed) for name in self.uncertain]
        return normal_score(np.array(rows).reshape(-1, count))

    def values(self, z: Array) -> dict[str, Array]:
        """Values of every assumption, fixed ones included."""
        return values_from_scores(
            self.assumptions, dict(zip(self.uncertain, z, strict=True)), z.shape[1]
        )


def values_from_scores(
    assumptions: Mapping[str, Assumption], scores: Mapping[str, Array], count: int
) -> dict[str, Array]:
    """Values of assumptions at their normal scores, shape (n,); a fixed one needs none."""
    uncertain = [name for name, each in assumptions.items() if not each.prior.fixed]
    z = np.array([scores[name] for name in uncertain]).reshape(-1, count)
    values = dict(
        zip(uncertain, values_at([assumptions[n].prior for n in uncertain], z), strict=True)
    )
    middle = np.full(count, 0.5)
    return {
        name: values[name] if name in values else each.prior.quantile(middle)
        for name, each in assumptions.items()
    }


def infer_assumptions(plan: Plan, draws: int, seed: int) -> Posterior:
    """Posterior draws of the assumptions of a plan.

    Parameters
    ----------
    plan : Plan
    draws : int
        N, the number of prior draws, and of equally weighted draws returned.
    seed : int
        Keys every random number.

    Raises
    ------
    ImpossibleEvidenceError
        If some report has probability zero under every draw, or the evidence contradicts the
        assumptions.
    """
    scores = Scores(plan.assumptions, seed)
    z = scores.prior(draws)
    prior = scores.values(z)
    sample = Sample(z, evaluate(plan, prior), (draws,))
    if not np.isfinite(sample.loglik).any():
        raise ImpossibleEvidenceError(_impossible(plan, prior))
    sample, method, evaluations = _improve(plan, scores, sample)
    weights, log_mean = normalise(sample.log_weights)
    index = systematic(weights, keyed_generator(seed, "resample"), draws)
    distinct, index = np.unique(index, return_inverse=True)
    quality = _diagnostics(weights, method, evaluations, log_mean)
    kept = sample.z[:, distinct]
    return Posterior(
        prior,
        sample.loglik[:draws],
        scores.values(kept),
        sample.loglik[distinct],
        dict(zip(scores.uncertain, kept, strict=True)),
        index,
        quality,
    )


def _diagnostics(weights: Array, method: str, evaluations: int, log_mean: float) -> Diagnostics:
    return Diagnostics(
        method,
        evaluations,
        len(weights),
        effective_sample_size(weights),
        float(weights.max()),
        pareto_shape(weights),
        log_mean,
    )


def evaluate(plan: Plan, draws: Mapping[str, Array]) -> Array:
    """Log-likelihood of each draw, shape (N,), in chunks that bound the memory."""
    return np.concatenate([part.loglik for part in _evaluate(plan, draws)])


def chunks(draws: Mapping[str, Array], size: int = CHUNK) -> Iterable[dict[str, Array]]:
    """Split draws into parts of at most `size`."""
    count = len(next(iter(draws.values())))
    for begin in range(0, count, size):
        yield {name: values[begin : begin + size] for name, values in draws.items()}


def _evaluate(plan: Plan, draws: Mapping[str, Array]) -> list[Likelihood]:
    return [log_likelihood(batch(plan, part)) for part in chunks(draws)]


def _improve(plan: Plan, scores: Scores, sample: Sample) -> tuple[Sample, str, int]:
    """Adapt where prior draws do not serve: draws, method, and log-likelihoods computed."""
    size = len(sample.loglik)
    enough = min(ENOUGH, size / 4)

    def good(weights: Array) -> bool:
        trusted = not pareto_shape(weights) >= TRUSTED
        return effective_sample_size(weights) >= enough and trusted

    def loglik(z: Array) -> Array:
        return evaluate(plan, scores.values(z))

    def fresh(number: int) -> Array:
        return scores.prior(min(ROUND_DRAWS, size), f" round {number}")

    def poor(sample: Sample) -> bool:
        weights = normalise(sample.log_weights)[0]
        share = effective_sample_size(weights) / len(weights)
        return share < SCARCE or float(weights.max()) > HEAVY

    def check(means: Array) -> None:
        _check_contradiction(scores, means)

    if good(normalise(sample.log_weights)[0]):
        return sample, "prior", size
    rng = keyed_generator(scores.seed, "amis")
    adapted = adapt(sample, loglik, fresh, rng, rounds=ROUNDS, enough=good)
    evaluations = len(adapted.loglik)
    if not poor(adapted):
        return adapted, "amis", evaluations
    check(adapted.z @ normalise(adapted.log_weights)[0])
    part = slice(0, min(PARTICLES, size))
    rng = keyed_generator(scores.seed, "smc")
    start = sample.z[:, part], sample.loglik[part]
    z, _, more = temper(*start, loglik, rng, check=lambda z: check(z.mean(axis=1)))
    proposal = fit_weighted(z, np.full(z.shape[1], 1 / z.shape[1]))
    moved = proposal.draw(scores.prior(min(ROUND_DRAWS, size), " seeded"), rng)
    seeded = sample.extend(proposal, moved, loglik(moved))
    final = adapt(seeded, loglik, fresh, rng, rounds=ROUNDS, enough=good)
    return final, "smc+amis", evaluations + more + len(final.loglik) - size


def _check_contradiction(scores: Scores, means: Array) -> None:
    """Raise an error where the evidence moves an assumption beyond belief: mean scores (P,)."""
    far = int(np.abs(means).argmax())
    if abs(means[far]) < FAR:
        return
    name = scores.uncertain[far]
    assumption = scores.assumptions[name]
    value = float(scores.values(means[:, None])[name][0])
    place = assumption.location
    raise ImpossibleEvidenceError(
        f"{place.path}:{place.line}: the reports contradict this assumption: with them {name} "
        f"would have to be near {value:.2g}, where '{assumption.text}' was assumed; look for a "
        "wrong date or count among the reports, or widen the assumption"
    )


def _impossible(plan: Plan, draws: Mapping[str, Array]) -> str:
    first = np.concatenate([part.impossible for part in _evaluate(plan, draws)])
    event = int(np.bincount(first[first >= 0]).argmax())
    observation = plan.conditioning[plan.event_of[event]].observation
    place = observation.location
    return (
        f"{place.path}:{place.line}: report '{observation.id}' ({observation.indicator}, "
        f"{observation.occurred_on}) is impossible under every draw of the assumptions, given "
        "what came before it; allow it a small intensity in some state, or check its date"
    )
