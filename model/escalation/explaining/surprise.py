r"""How surprising each report was when it came.

With v(k) the state probabilities on the day of a report, before any report of that day, and λ(k)
the intensity of its type, the *predictive probability* of a type that is watched is that of
hearing of it at all within its window of W days (30 where the scenario gives rates),

    P = 1 − Σ_k (v exp((Q − diag λ) W))_k

weighed over the draws by the evidence up to then. Of a type that is not watched only ratios have
a meaning; what can be said of it, and is said of every type, is how its intensity then compares
with that in the state which expects it most,

    relative = Σ_k v(k) λ(k) / max_k λ(k)

Echoes are left out: the first report is the news. Reports are taken in the order of the days of
which they speak. (`docs/explanations.md`.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.posterior import chunks
from escalation.explaining.replay import replay
from escalation.explaining.weighing import CHUNK, DRAWS, draw_common, intensity, normalised, silent
from escalation.maths.filtering import log_likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.engine.layout import Plan
    from escalation.explaining.replay import Moment
    from escalation.reading.case import Indicator

    Array = NDArray[np.float64]

WINDOW = 30  # days, for types whose intensity is given as a rate
FLAGGED = 0.01


@dataclass(frozen=True)
class Surprise:
    """How expected a report was.

    Attributes
    ----------
    report, indicator : str
        Its id and type.
    day : date
        The day it conditions on; the window starts there.
    window : int
        W, in days.
    probability : float | None
        P(at least one such report within the window, given what had come before the day); None
        for a type that was not watched when it came.
    relative : float
        Expected intensity of such reports, relative to the state that expects them most.
    flagged : bool
        Whether `probability`, or where there is none `relative`, is below 1 %.
    """

    report: str
    indicator: str
    day: date
    window: int
    probability: float | None
    relative: float

    @property
    def flagged(self) -> bool:
        """Whether the better founded of the two is below 1 %."""
        return (self.relative if self.probability is None else self.probability) < FLAGGED


def surprise(assessment: Assessment, *, draws: int = DRAWS) -> tuple[Surprise, ...]:
    """How probable each report was when it came, in order; echoes left out.

    Parameters
    ----------
    assessment : Assessment
    draws : int
        Common draws, at most.
    """
    scenario, layout = assessment.scenario, assessment.plan
    longest = max((_window(each) for each in scenario.indicators.values()), default=WINDOW)
    layout = replace(layout, horizon=max(layout.horizon, longest))
    common = draw_common(assessment, draws)
    met: dict[int, list[Array]] = {}
    for part in chunks(common.values, CHUNK):
        for index, rows in _predictions(layout, part):
            met.setdefault(index, []).append(rows)
    found = []
    for index, parts in met.items():
        loglik, heard, relative = np.concatenate(parts, axis=1)
        weights = normalised(common.log_base + loglik)
        each = layout.conditioning[index]
        indicator = scenario.indicators[each.observation.indicator]
        found.append(
            Surprise(
                each.observation.id,
                indicator.name,
                scenario.start + timedelta(days=each.days[0]),
                _window(indicator),
                None if each.ratio_only else float(weights @ heard),
                float(weights @ relative),
            )
        )
    return tuple(found)


def _window(indicator: Indicator) -> int:
    window = indicator.seen.window
    return WINDOW if window is None else ceil(window)


def _predictions(layout: Plan, values: Mapping[str, Array]) -> Iterator[tuple[int, Array]]:
    """For each first report (an index into `conditioning`): ℓ, P and relative, shape (3, B)."""
    done: set[int] = set()
    eve: Moment | None = None
    for moment in replay(layout, values):
        if moment.stage.kind in {"start", "time", "silence"}:
            eve = moment
        index = int(layout.event_of[moment.stage.event]) if moment.stage.event >= 0 else -1
        if index < 0 or index in done or layout.conditioning[index].echo > 1 or eve is None:
            continue
        done.add(index)
        indicator = layout.scenario.indicators[layout.conditioning[index].observation.indicator]
        rates = intensity(layout, indicator.name, values)
        most = rates.max(axis=0)
        share = rates / np.where(most > 0, most, 1.0)
        unheard = log_likelihood(silent(eve.vector, eve.chain, _window(indicator), rates)).loglik
        yield index, np.stack([eve.loglik, -np.expm1(unheard), (eve.vector * share).sum(axis=0)])
