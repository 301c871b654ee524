r"""Thousands of variants of a scenario, through the same engine in the same batches.

A variant holds some assumptions at given values v and leaves the rest r uncertain. It is no more
than draws with a few columns pinned, so that a block of variants is a batch like any other. All
variants share the same M draws: (x_m, r_m) from the posterior of the scenario itself, with
log-likelihoods ℓ_m. Pinned, each weighs

    w_m ∝ exp(ℓ(v, r_m) − ℓ_m),                 p(target | v) = Σ_m w_m P(target | v, r_m)

which targets p(r | evidence, v): with x_m a passenger that keeps its prior, the target density
p(r) p(x) exp ℓ(v, r) over the density of the draws, p(r) p(x) exp ℓ(x, r), is w. The mean of
w times the evidence of the scenario is that of the variant:

    ln Z(v) = ln Z + ln 1/M Σ_m exp(ℓ(v, r_m) − ℓ_m)

Variants differ by what is pinned and not by luck, and those whose ESS = 1/Σw² is small say so.
A block's numbers depend on nothing but the block.

Shapes: V variants, M draws, P targets, D days.

>>> blocks(10, 64, 256)
[range(0, 4), range(4, 8), range(8, 10)]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.assessment import DRAWS, HIGH, LOW, SEED
from escalation.engine.layout import plan
from escalation.engine.outcomes import checked_targets, outcomes
from escalation.engine.posterior import infer_assumptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.reading.case import Scenario
    from escalation.sweeping.designs import Design

    Array = NDArray[np.float64]

SAMPLES = 32
BLOCK_DRAWS = 1024
SPOKEN_OF = (30, 90)  # days ahead that are kept, besides the horizon


@dataclass(frozen=True)
class Job:
    """A sweep, ready to be evaluated block by block; it is what workers are sent.

    Attributes
    ----------
    plan : Plan
    design : Design
    targets : tuple of str
    days : tuple of int
        Days ahead, the horizon last.
    draws : Mapping[str, Array (M,)]
        Shared posterior draws of each assumption.
    loglik : float64, shape (M,)
        Their log-likelihoods, nothing pinned.
    log_evidence : float
        ln Z of the scenario itself.
    seed : int
    """

    plan: Plan
    design: Design
    targets: tuple[str, ...]
    days: tuple[int, ...]
    draws: Mapping[str, Array]
    loglik: Array
    log_evidence: float
    seed: int

    @property
    def samples(self) -> int:
        """M."""
        return len(self.loglik)

    def blocks(self) -> list[range]:
        """Variants that are evaluated together."""
        return blocks(self.design.size, self.samples, BLOCK_DRAWS)


@dataclass(frozen=True)
class Block:
    """Results of some variants.

    Attributes
    ----------
    variants : range
    probability, low, high : float64, shape (V, D, P)
        P(target reached within so many days): mean, and 5 % and 95 % quantiles over draws.
    ess : float64, shape (V,)
        Effective sample size, of M.
    log_evidence : float64, shape (V,)
        ln Z(v); −inf where the evidence is impossible.
    """

    variants: range
    probability: Array
    low: Array
    high: Array
    ess: Array
    log_evidence: Array


def prepare(
    scenario: Scenario,
    design: Design,
    *,
    targets: Iterable[str] | None = None,
    samples: int = SAMPLES,
    as_of: date | None = None,
    horizon: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Job:
    """Draw what all variants of a sweep share.

    Parameters
    ----------
    scenario : Scenario
    design : Design
    targets : iterable of str, optional
        By default the scenario's.
    samples : int
        M, draws of everything that is not varied; more for smoother numbers and intervals.
    as_of, horizon, draws, seed
        As for `assess`.

    Raises
    ------
    InvalidValueError
        If a target cannot be reached, or the dates make no sense.
    ImpossibleEvidenceError
        If the scenario itself cannot explain its evidence.
    """
    layout = plan(scenario, as_of, horizon)
    wanted = checked_targets(layout, tuple(scenario.targets if targets is None else targets))
    posterior = infer_assumptions(layout, max(draws, samples), seed)
    every = len(posterior.index)
    kept = posterior.index[((np.arange(samples) + 0.5) * every / samples).astype(np.intp)]
    return Job(
        layout,
        design,
        wanted,
        (*(day for day in SPOKEN_OF if day < layout.horizon), layout.horizon),
        {name: values[kept] for name, values in posterior.draws.items()},
        posterior.loglik[kept],
        posterior.diagnostics.log_marginal_likelihood,
        seed,
    )


def blocks(variants: int, samples: int, draws: int) -> list[range]:
    """Split variants into blocks of about so many draws."""
    size = max(1, draws // samples)
    return [range(at, min(at + size, variants)) for at in range(0, variants, size)]


def evaluate(job: Job, variants: range) -> Block:
    """Evaluate a block of variants."""
    count, samples = len(variants), job.samples
    values = {name: np.tile(column, count) for name, column in job.draws.items()}
    pinned = job.design.values[variants.start : variants.stop]
    for name, column in zip(job.design.names, pinned.T, strict=True):
        values[name] = np.repeat(column, samples)
    found = outcomes(job.plan, values, job.targets)
    gained = found.loglik.reshape(count, samples) - job.loglik
    largest = gained.max(axis=1, keepdims=True)
    possible = np.isfinite(largest)
    weights = np.exp(gained - np.where(possible, largest, 0.0))
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.log(total / samples) + largest
        weights = weights / total  # not a number where the evidence is impossible
    reached = found.reached[list(job.days)].reshape(*_shape(job), count, samples)
    low, high = _quantiles(np.moveaxis(reached, 2, 0), weights)
    return Block(
        variants,
        np.einsum("dpvm,vm->vdp", reached, weights),
        low,
        high,
        1 / np.square(weights).sum(axis=1),
        np.where(possible, mean, -np.inf)[:, 0] + job.log_evidence,
    )


def _shape(job: Job) -> tuple[int, int]:
    return len(job.days), len(job.targets)


def _quantiles(values: Array, weights: Array) -> tuple[Array, Array]:
    """Weighted quantiles over the last axis of (V, D, P, M), weights (V, M): each (V, D, P)."""
    order = np.argsort(values, axis=-1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=-1)
    spread = np.broadcast_to(weights[:, None, None], values.shape)
    cumulative = np.cumsum(np.take_along_axis(spread, order, axis=-1), axis=-1)
    found = []
    for share in (LOW, HIGH):
        place = (cumulative < share * (1 - 1e-12)).sum(axis=-1, keepdims=True)
        place = np.minimum(place, values.shape[-1] - 1)
        quantile = np.take_along_axis(ranked, place, axis=-1)[..., 0]
        found.append(np.where(np.isnan(weights[:, :1, None]), np.nan, quantile))
    return found[0], found[1]


def join(parts: Sequence[Block]) -> Block:
    """Put blocks together, in the order of their variants."""
    ordered = sorted(parts, key=lambda block: block.variants.start)

    def joined(name: str) -> Array:
        return np.concatenate([getattr(block, name) for block in ordered])

    names = ("probability", "low", "high", "ess", "log_evidence")
    everything = range(ordered[0].variants.start, ordered[-1].variants.stop)
    return Block(everything, *(joined(name) for name in names))
