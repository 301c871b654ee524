r"""Draws that scenarios share, so that their difference is no sampling noise.

Every assumption has a column of places u in its prior, keyed by the seed and its name alone.
Scenarios that hold the same assumption therefore read the same column, and draw n of one is
draw n of the other: the same world, seen by two sets of beliefs. Scenario s weighs it by

    w_s(n) ∝ exp ℓ_s(θ_s(n)) / m(n),          m = 1 while prior draws serve.

Where they do not serve some scenario (effective sample size or k̂; see `posterior`), all of
them get further draws from a proposal fitted to the scenario that is served worst, and m is the
density of the one mixture of prior and proposals (Owen & Zhou 2000, JASA 95) that *all* are
weighed against: adaptation does not part the scenarios' draws.

Equally weighted draws of two scenarios would be resampled apart. A difference is therefore taken
over *pairs* with the two posteriors as their margins: each common draw is paired with itself
for min(w_a, w_b), and what is left of either is paired at random (the maximal coupling;
Lindvall 1992, Lectures on the Coupling Method). With the same weights every draw meets itself.
`overlap` is the mass that does. The mean over the pairs is exactly P_a − P_b.

Its Monte Carlo error comes from the influence of each draw (delta method for ratios, the same
draws on both sides)

    g(n) = w_a(n)(p_a(n) − P_a) − w_b(n)(p_b(n) − P_b),

whose squares would add up to the variance, were the draws independent. In a Latin hypercube,
what is additive in the assumptions, Σ_j g_j(u_j), is integrated almost without error; only what
is left of g varies (Stein 1987, Technometrics 29; Owen 1992, J. R. Stat. Soc. B 54). The
additive part is fitted by least squares, with polynomials of as many degrees as the draws
allow, c functions in all, and the variance is that of the rest r:

    n/(n − c) Σ_n r(n)²

Additive parts that the polynomials miss stay in, so the error is rather too large than too small.
Where proposals were added, all of g stays in: the error is an upper bound, that of independent
draws.

Shapes: S scenarios, n draws, P coordinates.

>>> a, b = np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.25, 0.25])
>>> pairs = couple(a, b, np.random.default_rng(1))
>>> float(pairs.overlap), float(pairs.weight.sum())
(0.75, 1.0)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import legendre
from scipy.special import ndtr

from escalation.engine.outcomes import CHUNK, Outcomes, outcomes
from escalation.engine.posterior import (
    ENOUGH,
    ROUND_DRAWS,
    ROUNDS,
    TRUSTED,
    Scores,
    chunks,
    values_from_scores,
)
from escalation.errors import ImpossibleEvidenceError
from escalation.maths.priors import keyed_generator
from escalation.maths.sampling import (
    Proposal,
    Sample,
    effective_sample_size,
    fit,
    normalise,
    pareto_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.engine.runners import Runner
    from escalation.reading.case import Assumption

    Array = NDArray[np.float64]
    Evaluate = Callable[[Sequence[tuple[Plan, dict[str, Array]]]], list[Outcomes]]


DEGREES = 5  # most, of the polynomials in each assumption
FITTED = 5  # draws for each function fitted to them, at least


@dataclass(frozen=True)
class Fit:
    """How well shared draws serve one scenario.

    Attributes
    ----------
    ess : float
        Effective sample size of its weights.
    largest_weight : float
    pareto_k : float
        NaN where the weights have no tail to fit.
    log_marginal_likelihood : float
        ln of the probability of its evidence, averaged over its prior.
    """

    ess: float
    largest_weight: float
    pareto_k: float
    log_marginal_likelihood: float


@dataclass(frozen=True)
class Weighed:
    """A scenario's shared draws.

    Attributes
    ----------
    outcomes : Outcomes
    weights : float64, shape (n,)
        Posterior weights, adding up to 1.
    fit : Fit
    """

    outcomes: Outcomes
    weights: Array
    fit: Fit


@dataclass(frozen=True)
class SharedDraws:
    """Draws common to several plans.

    Attributes
    ----------
    names : tuple of str
        Assumptions that are uncertain in some plan: the P coordinates.
    z : float64, shape (P, n)
        Their normal scores.
    log_mixture : float64, shape (n,)
        ln m, the density they were drawn with relative to the prior.
    method : str
        "prior", or "amis" where proposals were added.
    """

    names: tuple[str, ...]
    z: Array
    log_mixture: Array
    method: str

    @property
    def size(self) -> int:
        """Number of draws, n."""
        return int(self.z.shape[1])

    @cached_property
    def additive(self) -> Array:
        """Orthonormal functions, additive in the assumptions, that the draws average exactly.

        Shape (n, c). Legendre polynomials of each assumption's place in its prior; only the
        constant where the draws are no Latin hypercube or too few.
        """
        degree = min(DEGREES, (self.size // FITTED - 1) // max(1, len(self.names)))
        degree = degree if self.method == "prior" else 0
        terms = legendre.legvander(2 * ndtr(self.z) - 1, degree)[..., 1:]  # (P, n, degree)
        columns = np.moveaxis(terms, 1, 0).reshape(self.size, -1)
        return np.asarray(np.linalg.qr(np.column_stack([np.ones(self.size), columns]))[0])

    def error(self, influence: Array) -> float:
        """Monte Carlo standard error of a sum over draws, from the influence of each: (n,)."""
        rest = influence - self.additive @ (influence @ self.additive)
        spare = self.size - self.additive.shape[1]
        return float(np.sqrt(self.size / max(spare, 1) * np.square(rest).sum()))

    def values(self, assumptions: Mapping[str, Assumption]) -> dict[str, Array]:
        """Values of assumptions at these draws."""
        return values_from_scores(
            assumptions, dict(zip(self.names, self.z, strict=True)), self.size
        )

    def thin(self, most: int) -> tuple[SharedDraws, NDArray[np.intp]]:
        """Return at most so many of the draws, evenly spaced, and which they are."""
        count = min(most, self.size)
        kept = ((np.arange(count) + 0.5) * self.size / count).astype(np.intp)
        part = replace(self, z=self.z[:, kept], log_mixture=self.log_mixture[kept])
        return part, kept

    def weigh(self, plan: Plan, found: Outcomes) -> Weighed:
        """Weigh outcomes by the evidence.

        Raises
        ------
        ImpossibleEvidenceError
            If the evidence has probability zero under every draw.
        """
        if not np.isfinite(found.loglik).any():
            name = plan.scenario.name
            raise ImpossibleEvidenceError(
                f"{name}: its evidence is impossible under every draw of its assumptions; "
                f"`escalation assess {plan.scenario.path.name}` names the report"
            )
        weights, mean = normalise(found.loglik - self.log_mixture)
        quality = Fit(
            effective_sample_size(weights), float(weights.max()), pareto_shape(weights), mean
        )
        return Weighed(found, weights, quality)


def share(
    plans: Sequence[Plan], draws: int, seed: int, evaluate: Evaluate
) -> tuple[SharedDraws, tuple[Weighed, ...]]:
    """Draw for several plans at once, and weigh the draws for each.

    Parameters
    ----------
    plans : sequence of Plan
    draws : int
        N, prior draws.
    seed : int
        Keys every random number, with the name of what is drawn.
    evaluate : callable
        Outcomes of several plans, each at the values given with it.
    """
    scores = Scores(union(plans), seed)
    z = scores.prior(draws)
    shared = SharedDraws(scores.uncertain, z, np.zeros(draws), "prior")
    found = evaluate([(plan, shared.values(plan.assumptions)) for plan in plans])
    counts: tuple[int, ...] = (draws,)
    proposals: tuple[Proposal, ...] = ()
    rng = keyed_generator(seed, "shared amis")
    for number in range(ROUNDS):
        weighed = [shared.weigh(*each) for each in zip(plans, found, strict=True)]
        worst = _worst(weighed, draws)
        if worst is None:
            break
        sample = Sample(shared.z, found[worst].loglik, counts, proposals)
        proposal = _own(fit(sample), shared.names, plans[worst])
        if not len(proposal.informed):
            break
        fresh = scores.prior(min(ROUND_DRAWS, draws), f" shared round {number}")
        extra = replace(shared, z=proposal.draw(fresh, rng), log_mixture=np.zeros(fresh.shape[1]))
        more = evaluate([(plan, extra.values(plan.assumptions)) for plan in plans])
        sample = sample.extend(proposal, extra.z, more[worst].loglik)
        counts, proposals = sample.counts, sample.proposals
        shared = SharedDraws(shared.names, sample.z, sample.log_mixture, "amis")
        found = [_join(*each) for each in zip(found, more, strict=True)]
    weighed = [shared.weigh(*each) for each in zip(plans, found, strict=True)]
    return shared, tuple(weighed)


def here(
    tasks: Sequence[tuple[Plan, dict[str, Array]]], targets: Sequence[str], *, rungs: bool = False
) -> list[Outcomes]:
    """Evaluate in this process."""
    return [outcomes(plan, values, targets, rungs=rungs) for plan, values in tasks]


def on_runner(runner: Runner, targets: Sequence[str], *, rungs: bool = False) -> Evaluate:
    """Return what evaluates plans on other workers, chunk by chunk, to the same bits."""

    def evaluate(tasks: Sequence[tuple[Plan, dict[str, Array]]]) -> list[Outcomes]:
        pieces = [
            (number, part)
            for number, (_, values) in enumerate(tasks)
            for part in chunks(values, CHUNK)
        ]
        shared = ([plan for plan, _ in tasks], tuple(targets), rungs)
        found = dict(runner.map(_piece, shared, pieces))
        owners = [number for number, _ in pieces]
        joined: dict[int, Outcomes] = {}
        for place, owner in enumerate(owners):
            joined[owner] = _join(joined[owner], found[place]) if owner in joined else found[place]
        return [joined[number] for number in range(len(tasks))]

    return evaluate


def _piece(
    shared: tuple[list[Plan], tuple[str, ...], bool], task: tuple[int, dict[str, Array]]
) -> Outcomes:
    plans, targets, rungs = shared
    number, values = task
    return outcomes(plans[number], values, targets, rungs=rungs)


def union(plans: Sequence[Plan]) -> dict[str, Assumption]:
    """Assumptions of all plans by name; one that is uncertain anywhere is uncertain here."""
    found: dict[str, Assumption] = {}
    for plan in plans:
        for name, each in plan.assumptions.items():
            if name not in found or found[name].prior.fixed:
                found[name] = each
    return found


def _worst(weighed: Sequence[Weighed], draws: int) -> int | None:
    """Return the plan that the draws serve worst; None where they serve all."""
    enough = min(ENOUGH, draws / 4)
    bad = [
        (each.fit.ess, index)
        for index, each in enumerate(weighed)
        if each.fit.ess < enough or each.fit.pareto_k >= TRUSTED
    ]
    return min(bad)[1] if bad else None


def _own(proposal: Proposal, names: Sequence[str], plan: Plan) -> Proposal:
    """Leave out coordinates of assumptions that the plan does not have: noise moved them."""
    kept = [
        place
        for place, row in enumerate(proposal.informed)
        if names[row] in plan.assumptions and not plan.assumptions[names[row]].prior.fixed
    ]
    covariance = (proposal.root @ proposal.root.T)[np.ix_(kept, kept)]
    root = np.asarray(np.linalg.cholesky(covariance) if kept else covariance, dtype=float)
    return Proposal(proposal.informed[kept], proposal.mean[kept], root)


def _join(first: Outcomes, second: Outcomes) -> Outcomes:
    return Outcomes(
        np.concatenate([first.loglik, second.loglik]),
        np.concatenate([first.reached, second.reached], axis=-1),
        np.concatenate([first.rungs, second.rungs], axis=-1),
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of draws whose margins are two scenarios' posteriors.

    Attributes
    ----------
    first, second : int, shape (m,)
        Draw of either scenario.
    weight : float64, shape (m,)
    overlap : float
        Mass of the pairs in which both are the same draw.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: Array
    overlap: float


def couple(a: Array, b: Array, rng: np.random.Generator) -> Pairs:
    """Pair draws weighted a and b, each with itself as far as it goes, the rest at random."""
    both = np.minimum(a, b)
    same = np.flatnonzero(both)
    first, second, weight = _pair_rest(a - both, b - both, rng)
    return Pairs(
        np.concatenate([same, first]),
        np.concatenate([same, second]),
        np.concatenate([both[same], weight]),
        1.0 - float((a - both).sum()),
    )


def _pair_rest(
    a: Array, b: Array, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """North-west corner rule over both sides in random order."""
    left = rng.permutation(np.flatnonzero(a))
    right = rng.permutation(np.flatnonzero(b))
    if not (len(left) and len(right)):
        return left[:0], right[:0], np.zeros(0)
    tops, others = np.cumsum(a[left]), np.cumsum(b[right])
    others *= tops[-1] / others[-1]  # equal but for rounding
    cuts = np.union1d(tops, others)
    width = np.diff(cuts, prepend=0.0)
    middle = cuts - width / 2
    first = left[np.minimum(np.searchsorted(tops, middle), len(left) - 1)]
    second = right[np.minimum(np.searchsorted(others, middle), len(right) - 1)]
    return first, second, width


def influence(a: Array, p: Array) -> Array:
    """Influence of each draw on the weighted mean Σ a p, weights a adding up to 1: shape (n,)."""
    return a * (p - a @ p)
