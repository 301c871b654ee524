"""What one draw of the assumptions says: how well it explains the evidence, and what follows.

For each draw θ of a plan's assumptions, one pass forward gives

    ℓ(θ)                   log-likelihood of the evidence
    P_t(target | θ)        probability that the target is reached by day t of the horizon
    P_t(rung | θ)          probability of standing on each rung then

Comparisons and sweeps need nothing else: a scenario, or a variant of it, is these numbers for
draws that it shares with the others, weighed by w ∝ exp ℓ. Draws go through the engine in
chunks, whatever they belong to, and the result does not depend on how they were chunked.

Shapes: n draws, H+1 days (the first is the as-of day), P targets, R states of the ladder.

>>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3]), 0.6)
2.0
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.engine.posterior import chunks
from escalation.errors import InvalidValueError
from escalation.maths.filtering import Batch, Evidence, Questions, infer, log_likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan

    Array = NDArray[np.float64]

CHUNK = 512


@dataclass(frozen=True)
class Outcomes:
    """What each draw says; see the module's text.

    Attributes
    ----------
    loglik : float64, shape (n,)
    reached : float64, shape (H+1, P, n)
    rungs : float64, shape (H+1, R, n)
        R is 0 where it was not asked for.
    """

    loglik: Array
    reached: Array
    rungs: Array

    def take(self, kept: NDArray[np.intp]) -> Outcomes:
        """Outcomes of some of the draws."""
        return Outcomes(self.loglik[kept], self.reached[..., kept], self.rungs[..., kept])


def outcomes(
    plan: Plan, values: Mapping[str, Array], targets: Sequence[str], *, rungs: bool = False
) -> Outcomes:
    """Run draws through the engine.

    Parameters
    ----------
    plan : Plan
    values : Mapping[str, Array (n,)]
        Values of every assumption of the plan.
    targets : sequence of str
        Rungs above the lowest and off-ramps.
    rungs : bool
        Whether the occupancy of the ladder is wanted too.
    """
    inside = np.array([plan.reached(target) for target in targets], dtype=bool)
    ladder = plan.space.values(plan.scenario.ladder.name)[None]
    questions = Questions(
        plan.horizon,
        ladder if rungs else np.zeros_like(ladder),
        inside.reshape(-1, plan.space.size),
    )
    parts = [_chunk(plan, part, questions) for part in chunks(values, CHUNK)]
    loglik, reached, occupied = zip(*parts, strict=True)
    return Outcomes(
        np.concatenate(loglik),
        np.concatenate(reached, axis=-1),
        np.concatenate(occupied, axis=-1)[:, slice(None if rungs else 0)],
    )


def _chunk(
    plan: Plan, part: Mapping[str, Array], questions: Questions
) -> tuple[Array, Array, Array]:
    """Filter to the as-of day, then go on from where that leaves each draw."""
    made = batch(plan, part)
    found = log_likelihood(made)
    onward = replace(made.chain, segment=np.ascontiguousarray(made.chain.segment[plan.history :]))
    start = np.ascontiguousarray(found.filtered)
    days = np.zeros(made.size, dtype=np.int32)
    ahead = infer(Batch(start, onward, Evidence.none(0), days), questions)
    return found.loglik, ahead.passage, ahead.forecast


def checked_targets(plan: Plan, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the targets, if they can be reached.

    Raises
    ------
    InvalidValueError
        Otherwise.
    """
    for target in targets:
        if target not in plan.reach:
            known = ", ".join(plan.reach)
            raise InvalidValueError(f"'{target}' cannot be a target; these can: {known}")
    return tuple(targets)


def weighted_quantile(values: Array, weights: Array, share: float) -> float:
    """Smallest value with at least this share of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    place = np.searchsorted(cumulative, share * cumulative[-1] * (1 - 1e-12))
    return float(values[order[min(place, len(order) - 1)]])
