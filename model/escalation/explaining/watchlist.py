r"""What to watch for: how likely each indicator is to be seen, and what it would change.

Over a window of W days from the as-of day, with v the state probabilities on that day, λ(k) the
intensity of an indicator, T the target reached within the horizon of H days, and Q̄ the generator
with no way out of the target's states, the future has two branches:

    P(not seen)        = Σ_k (v exp((Q − diag λ) W))_k
    P(not seen, not T) = Σ_{k outside T} (v exp((Q̄ − diag λ) W) exp(Q̄ (H − W)))_k
    P(not seen, T)     = P(not seen) − P(not seen, not T)

and what is left of P(T), and of 1, is "seen". Each is a mean over the posterior draws. The worth
of watching is the mutual information of seen and T, in bits.

An indicator with an *effect* changes what follows from the day after it is first seen. The branch
"seen, not T" is then taken apart by that day: what Q̄ − diag λ loses on day s goes on with the
effect in force from s + 1, renewed and not stacked on an earlier one, and taken to be true.

Of a type that is not watched only ratios have a meaning. It has no P(seen); `if_seen` is the limit
of a rare report somewhere in the window, λ divided by its mean over the states.
(`docs/explanations.md`.)

>>> round(information(0.5, 0.5, 0.0), 6)  # seen if and only if the target is reached
1.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.posterior import chunks
from escalation.errors import InvalidValueError
from escalation.explaining.branches import Branches, branches, start
from escalation.explaining.weighing import CHUNK, aim, intensity, jump, normalised

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Indicator

    Array = NDArray[np.float64]

WINDOW = 30
DRAWS = 256
RARE = 1e-6  # expected reports in the window of a type that is not watched
NEVER = 1e-12  # a probability of being seen below this is none, but for rounding


@dataclass(frozen=True)
class Watch:
    """What one indicator would say of a target.

    Attributes
    ----------
    indicator, label : str
    window : int
        Days from the as-of day.
    now : float
        P(target within the horizon): the headline.
    seen : float | None
        P(at least one report within the window); None for a type that is not watched.
    if_seen : float
        P(target within the horizon | seen), the indicator's own effect included.
    if_seen_sign : float
        The same as a sign only, without its effect.
    if_unseen : float | None
        P(target within the horizon | not seen); None for a type that is not watched.
    bits : float | None
        Mutual information of seen and the target.
    """

    indicator: str
    label: str
    window: int
    now: float
    seen: float | None
    if_seen: float
    if_seen_sign: float
    if_unseen: float | None
    bits: float | None


def watchlist(
    assessment: Assessment, target: str, *, window: int | None = None, draws: int = DRAWS
) -> tuple[Watch, ...]:
    """Every indicator that may still be seen, the most informative first.

    Types that are not watched follow, by how far they would move the probability. A type that
    is seen `once` and has been is left out, as is one that no state allows.

    Parameters
    ----------
    assessment : Assessment
    target : str
    window : int, optional
        W in days, at most the horizon; by default 30, or the horizon if shorter.
    draws : int
        Posterior draws, at most.

    Raises
    ------
    InvalidValueError
        If the target is not one, or the window not within the horizon.
    """
    days = min(WINDOW, assessment.horizon) if window is None else window
    if not 1 <= days <= assessment.horizon:
        message = f"the window must be 1 to {assessment.horizon} days, the horizon (got {days})"
        raise InvalidValueError(message)
    aimed = aim(assessment, target, draws, prior=False)
    weights = normalised(aimed.common.log_base + aimed.answers.loglik)
    now = aimed.base.probability
    candidates = _candidates(assessment)
    parts: dict[str, list[Branches]] = {each.name: [] for each in candidates}
    for values in chunks(aimed.common.values, CHUNK):
        future = start(assessment.plan, values, target)
        asked = {each.name: (each, _rates(assessment, each, values, days)) for each in candidates}
        for name, found in branches(future, asked, days).items():
            parts[name].append(found)
    rows = (_watch(each, days, now, parts[each.name], weights) for each in candidates)
    return tuple(sorted((each for each in rows if each is not None), key=_rank))


def _candidates(assessment: Assessment) -> list[Indicator]:
    """Types that may still be seen."""
    scenario = assessment.scenario
    known = {each.indicator for each in scenario.observations if each.known(assessment.as_of)}
    return [each for each in scenario.indicators.values() if not (each.once and each.name in known)]


def _rates(
    assessment: Assessment, indicator: Indicator, values: dict[str, Array], days: int
) -> Array:
    """Intensity in each state (K, n): as it is, or where it is not watched, rare."""
    rates = intensity(assessment.plan, indicator.name, values)
    if indicator.watched:
        return rates
    mean = rates.mean(axis=0)
    return rates / np.where(mean > 0, mean, 1.0) * (RARE / days)


def _watch(
    indicator: Indicator, days: int, now: float, parts: list[Branches], weights: Array
) -> Watch | None:
    """From the means of its branches over the draws; None where it cannot be seen."""
    means = np.concatenate([each.rows for each in parts], axis=1) @ weights
    seen, reached_unseen, reached_seen, reached_sign = (float(each) for each in means)
    if seen < NEVER:
        return None
    watched = indicator.watched
    return Watch(
        indicator.name,
        indicator.label,
        days,
        now,
        seen if watched else None,
        min(reached_seen / seen, 1.0),
        min(reached_sign / seen, 1.0),
        min(reached_unseen / (1 - seen), 1.0) if watched and seen < 1 else None,
        information(seen, reached_seen, reached_unseen) if watched else None,
    )


def _rank(watch: Watch) -> tuple[bool, float]:
    if watch.bits is None:
        return True, -abs(jump(watch.now, watch.if_seen))
    return False, -watch.bits


def information(seen: float, reached_seen: float, reached_unseen: float) -> float:
    """Mutual information, in bits, of two events.

    Parameters
    ----------
    seen : float
        P(seen).
    reached_seen, reached_unseen : float
        P(reached and seen), P(reached and not seen).
    """
    joint = np.array(
        [
            [reached_seen, seen - reached_seen],
            [reached_unseen, 1 - seen - reached_unseen],
        ]
    ).clip(min=0.0)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    held = joint > 0
    return max(0.0, float((joint[held] * np.log2(joint[held] / apart[held])).sum()))
