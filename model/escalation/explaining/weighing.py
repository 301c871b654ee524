r"""The same draws for every question: how a probability is found again when something changes.

An explanation changes something (it leaves a report out, pins an assumption, stops at an earlier
day) and asks for the probability of a target again. It puts the question to draws that are
common to all of them, half from the posterior and half from the prior π, weighed as one mixture
(Owen & Zhou 2000, JASA 95). With ℓ the log-likelihood and Z the marginal likelihood of the
assessment, ℓ′ and P′ the log-likelihood and the probability of the target under the change,

    q(θ)/π(θ) = ½ exp(ℓ(θ))/Z + ½
    w′_n ∝ exp(ℓ′_n) / (q/π)(θ_n),        p′ = Σ_n w′_n P′_n

A pinned assumption is weighed in the same way: with θ_j at the value v and the rest θ₋ of each
draw kept, w′ targets p(θ₋ | evidence, θ_j = v) π(θ_j), in which the old θ_j is a mere passenger.

So that each explanation starts from the very number in the headline, the draws are *calibrated*
(Deville & Särndal 1992, JASA 87): multiplied by exp(τ P_n), with the one τ at which the
unchanged question gives the headline. `difference` says what it would have been without.

>>> round(jump(0.5, 0.75), 4)  # ln 3
1.0986
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.engine.posterior import chunks
from escalation.engine.recipes import Recipe
from escalation.errors import InvalidValueError
from escalation.explaining.backward import lump, lumped
from escalation.maths.filtering import Batch, Evidence, log_likelihood
from escalation.maths.priors import hypercube

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.engine.layout import Plan
    from escalation.maths.ctmc import Chain

    Array = NDArray[np.float64]
    Index = NDArray[np.intp]

DRAWS = 1024
CHUNK = 512
SMALLEST = 1e-12  # probabilities are kept this far from 0 and 1 in log-odds
NEWTON = 20
LARGEST_STEP = 10.0
FARTHEST = 300.0
CALIBRATED = 1e-9  # largest error of a calibration that counts as one


@dataclass(frozen=True)
class Common:
    """Draws that all questions to an assessment share.

    Attributes
    ----------
    seed : int
    values : Mapping[str, Array (n,)]
        Of each assumption.
    log_base : float64, shape (n,)
        ln of how often each draw counts, divided by (q/π).
    loglik : float64, shape (n,)
        ℓ, as the assessment has it.
    places : int, shape (≤ n,)
        Which equally weighted draws of the assessment the first, those from the posterior, are.
    """

    seed: int
    values: Mapping[str, Array]
    log_base: Array
    loglik: Array
    places: Index

    def values_for(self, layout: Plan) -> dict[str, Array]:
        """Values of a plan's assumptions; one that is new is drawn from its prior."""
        count = len(self.log_base)
        return {
            name: self.values[name]
            if name in self.values
            else each.prior.quantile(hypercube(name, count, self.seed))
            for name, each in layout.assumptions.items()
        }


@dataclass(frozen=True)
class Answers:
    """What each draw says: shapes (n,).

    Attributes
    ----------
    loglik : float64
        ℓ′, the log-likelihood of the evidence.
    reached : float64
        P′, the probability that the target is reached, given the evidence and the draw.
    """

    loglik: Array
    reached: Array


@dataclass(frozen=True)
class Weighed:
    """A probability found by weighing, and how many equally weighted draws it is worth."""

    probability: float
    effective: float


@dataclass(frozen=True)
class Aimed:
    """Common draws, calibrated to the headline of one target.

    Attributes
    ----------
    assessment : Assessment
    target : str
    common : Common
        Calibrated.
    answers : Answers
        To the unchanged question.
    difference : float
        What these draws say uncalibrated, minus the headline: their sampling error.
    """

    assessment: Assessment
    target: str
    common: Common
    answers: Answers
    difference: float

    @cached_property
    def base(self) -> Weighed:
        """The unchanged question's answer."""
        return weigh(self.common, self.answers)

    def ask(self, layout: Plan, pinned: Mapping[str, float] | None = None) -> Weighed:
        """Ask again under another plan, with some assumptions held at given values."""
        return weigh(self.common, self.answer(layout, pinned))

    def answer(self, layout: Plan, pinned: Mapping[str, float] | None = None) -> Answers:
        """What each draw says under another plan, or with assumptions held."""
        values = self.common.values_for(layout)
        count = len(self.common.log_base)
        held = {name: np.full(count, value) for name, value in (pinned or {}).items()}
        return answer(layout, values | held, self.target)

    def answer_at(self, layout: Plan, name: str, values: Array) -> tuple[Answers, ...]:
        """What each draw says with one assumption held at each of some values."""
        every = self.common.values_for(layout)
        times, count = len(values), len(self.common.log_base)
        many = {each: np.tile(row, times) for each, row in every.items()}
        found = answer(layout, many | {name: np.repeat(values, count)}, self.target)
        parts = zip(np.split(found.loglik, times), np.split(found.reached, times), strict=True)
        return tuple(Answers(loglik, reached) for loglik, reached in parts)


def draw_common(assessment: Assessment, draws: int = DRAWS, *, prior: bool = True) -> Common:
    """Thin an assessment's draws to a common set.

    Parameters
    ----------
    assessment : Assessment
    draws : int
        At most so many, half of each kind; repeated posterior draws are kept once.
    prior : bool
        Whether half come from the prior; without, all come from the posterior: better where
        nothing is changed but the future.
    """
    posterior = assessment.posterior
    total = len(posterior.index)
    half = min(draws // 2 if prior else draws, total)
    every = ((np.arange(half) + 0.5) * total / half).astype(np.intp)
    kept, first, counts = np.unique(posterior.index[every], return_index=True, return_counts=True)
    order = _by_pace(assessment.plan, {name: each[kept] for name, each in posterior.draws.items()})
    kept, first, counts = kept[order], first[order], counts[order]
    values = {name: each[kept] for name, each in posterior.draws.items()}
    loglik, times = posterior.loglik[kept], np.log(counts)
    if prior:
        drawn = {name: each[every] for name, each in posterior.prior.items()}
        order = _by_pace(assessment.plan, drawn)
        values = {name: np.concatenate([each, drawn[name][order]]) for name, each in values.items()}
        loglik = np.concatenate([loglik, posterior.prior_loglik[every[order]]])
        times = np.concatenate([times, np.zeros(half)])
    share = 0.5 if prior else 1.0
    ratio = share * np.exp(loglik - assessment.diagnostics.log_marginal_likelihood) + 1 - share
    return Common(assessment.seed, values, times - np.log(ratio), loglik, every[first])


def _by_pace(layout: Plan, values: Mapping[str, Array]) -> Index:
    """Order of draws by the fastest rate of their first day.

    Draws side by side go through the engine together, and wait for the fastest.
    """
    made = batch(layout, values)
    watched = made.evidence.killing_segment[:1]
    killing = made.evidence.killing[watched[0]] if (watched >= 0).any() else None
    return np.argsort(made.chain.at(0, killing).most, kind="stable")


def aim(assessment: Assessment, target: str, draws: int = DRAWS, *, prior: bool = True) -> Aimed:
    """Common draws for questions about one target.

    Raises
    ------
    InvalidValueError
        If the target is no rung above the lowest and no off-ramp.
    """
    row = assessment.plan.reach.index(checked(assessment, target))
    common = draw_common(assessment, draws, prior=prior)
    found = Answers(common.loglik, _reached(assessment, common, target, row))
    headline = assessment.reach_by(target).probability
    tilt = _tilt(normalised(common.log_base + found.loglik), found.reached, headline)
    return Aimed(
        assessment,
        target,
        replace(common, log_base=common.log_base + tilt * found.reached),
        found,
        weigh(common, found).probability - headline,
    )


def _reached(assessment: Assessment, common: Common, target: str, row: int) -> Array:
    """P(target) of each draw; those from the posterior have been asked already."""
    known = assessment.reach_draws[-1, row, common.places]
    rest = {name: each[len(known) :] for name, each in common.values.items()}
    if len(known) == len(common.loglik):
        return np.asarray(known, dtype=float)
    return np.concatenate([known, answer(assessment.plan, rest, target).reached])


def checked(assessment: Assessment, target: str) -> str:
    """Return the target, if it can be reached.

    Raises
    ------
    InvalidValueError
        Otherwise.
    """
    known = assessment.plan.reach
    if target not in known:
        message = f"'{target}' cannot be a target; these can: {', '.join(known)}"
        raise InvalidValueError(message)
    return target


def answer(layout: Plan, values: Mapping[str, Array], target: str) -> Answers:
    """Log-likelihood, and P(target reached within the horizon), of each draw."""
    loglik, reached = [], []
    inside = layout.reached(target)
    for part in chunks(values, CHUNK):
        made = batch(layout, part)
        found = log_likelihood(made)
        chain = later(made.chain, layout.history)
        loglik.append(found.loglik)
        reached.append(arrival(chain, found.filtered, inside, layout.horizon))
    return Answers(np.concatenate(loglik), np.concatenate(reached))


def arrival(chain: Chain, vector: Array, inside: NDArray[np.bool_], days: int) -> Array:
    """P(a set of states is entered within so many days), from state probabilities on day 0.

    Parameters
    ----------
    chain : Chain
    vector : Array, shape (K, B)
    inside : bool, shape (K,)
    days : int

    Returns
    -------
    Array, shape (B,)
    """
    made = silent(lump(vector, inside), lumped(chain, inside), days)
    return np.asarray(log_likelihood(made).filtered[-1], dtype=float)


def silent(vector: Array, chain: Chain, days: int = 0, killing: Array | None = None) -> Batch:
    """Chains that start from a vector and go on for so many days, with no reports.

    `killing` (K, B) is the intensity of what is watched and stays silent.
    """
    evidence = Evidence.none(days)
    if killing is not None:
        watched = np.ascontiguousarray(killing)[None]
        evidence = replace(
            evidence, killing=watched, killing_segment=np.zeros(days, dtype=np.int32)
        )
    length = np.full(vector.shape[1], days, dtype=np.int32)
    return Batch(np.ascontiguousarray(vector), chain, evidence, length)


def later(chain: Chain, days: int) -> Chain:
    """Return the same chains, seen from so many days later."""
    return replace(chain, segment=np.ascontiguousarray(chain.segment[days:]))


def intensity(layout: Plan, indicator: str, values: Mapping[str, Array]) -> Array:
    """Intensity of an indicator's reports, per day, in each joint state: shape (K, n)."""
    seen = layout.scenario.indicators[indicator].seen
    of_state, rows = layout.space.rates(seen)
    found = Recipe.of([(seen, at) for at in rows]).rates(values, layout.assumptions)
    return np.asarray(found[of_state], dtype=float)


def weigh(common: Common, answers: Answers) -> Weighed:
    """Weighted mean over the common draws, and the effective number of them."""
    weights = normalised(common.log_base + answers.loglik)
    return Weighed(float(weights @ answers.reached), float(1 / np.square(weights).sum()))


def normalised(log_weights: Array) -> Array:
    """Weights that sum to 1."""
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum(), dtype=float)


def jump(before: float, after: float) -> float:
    """Difference in log-odds, probabilities kept 1e-12 away from 0 and 1."""
    return log_odds(after) - log_odds(before)


def log_odds(probability: float) -> float:
    """ln p/(1 − p), with p kept 1e-12 away from 0 and 1."""
    kept = min(max(probability, SMALLEST), 1 - SMALLEST)
    return float(np.log(kept) - np.log1p(-kept))


def _tilt(weights: Array, reached: Array, headline: float) -> float:
    """τ at which weights · exp(τ P) give the headline (Newton's method); 0 where there is none."""
    if not reached.min() < headline < reached.max():
        return 0.0
    span = float(np.ptp(reached))
    tilt, excess = 0.0, (reached - headline) / span
    for _ in range(NEWTON):
        tilted = weights * np.exp(np.clip(tilt * excess, -FARTHEST, FARTHEST))
        mean = float(tilted @ excess / tilted.sum())
        variance = float(tilted @ (excess - mean) ** 2 / tilted.sum())
        if variance < SMALLEST:
            return 0.0
        tilt -= float(np.clip(mean / variance, -LARGEST_STEP, LARGEST_STEP))
    return tilt / span if abs(mean) < CALIBRATED else 0.0
