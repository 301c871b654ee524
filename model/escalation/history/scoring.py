r"""The track record: archived forecasts, scored at their scheduled close.

A forecast is scored when its target date has come and not before: were early YES answers counted
as they arrive, what is still open would be mostly NO, and the record biased. What happened, and
what counts as it, stands in `outcomes`; a forecast is scored under each definition.

    reach STATE, or any other target of yes and no      Brier and logarithmic score
    on ladder, highest rung                             ranked probability score; the probability
                                                        of an off-ramp goes to the lowest rung

Baselines, none with hindsight: even odds; climatology, the share of each outcome, half a case of
each added, among other cases' forecasts with the same target and horizon that had closed before
this one's origin; and for the ladder that the case stays where it stood on the origin day.

A forecast that was made after its target date is none: it is counted as late, and scored only if
asked for. Of several that were made for one target and day, the last one by the target date counts.

>>> from escalation.history.forecasts import Forecast
>>> asked = Forecast(
...     "c", date(2020, 1, 1), "reach war", 30, date(2020, 1, 31), {"yes": 0.2}, Path()
... )
>>> score([asked], {}, date(2020, 1, 30)).pending
1
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from escalation.history import outcomes
from escalation.history.forecasts import of_yes
from escalation.history.verification import Bin, brier, logarithmic, ranked, reliability, skill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.history.forecasts import Forecast
    from escalation.history.outcomes import ResolutionFile

    Array = NDArray[np.float64]

__all__ = ["Path", "score"]

REACH = "reach "
LADDER = {"on ladder": outcomes.on_ladder, "highest rung": outcomes.highest}


@dataclass(frozen=True)
class Scored:
    """A forecast of yes or no that has closed, under one definition.

    Attributes
    ----------
    forecast : Forecast
    definition : str
    probability : float
        Of yes.
    outcome : bool
    climatology : float
    """

    forecast: Forecast
    definition: str
    probability: float
    outcome: bool
    climatology: float


@dataclass(frozen=True)
class Ranked:
    """A forecast of a place on the ladder that has closed, under one reading.

    Attributes
    ----------
    forecast : Forecast
    definition : str
    probability : tuple of float
        Of each rung, lowest first.
    outcome : int
        The rung it came to.
    climatology : tuple of float
        Of each rung.
    before : int
        The rung stood on on the origin day.
    """

    forecast: Forecast
    definition: str
    probability: tuple[float, ...]
    outcome: int
    climatology: tuple[float, ...]
    before: int


@dataclass(frozen=True)
class Line:
    """Mean scores of forecasts of yes or no with one target, horizon and definition.

    Attributes
    ----------
    case, target, definition : str
    horizon : int
    count, events : int
    brier, log : float
    skill_even, skill_climatology : float
        Brier skill against each baseline; NaN where that is perfect.
    """

    case: str
    target: str
    definition: str
    horizon: int
    count: int
    events: int
    brier: float
    log: float
    skill_even: float
    skill_climatology: float


@dataclass(frozen=True)
class RankedLine:
    """Mean ranked probability score of forecasts with one target, horizon and reading.

    Attributes
    ----------
    case, target, definition : str
    horizon : int
    count : int
    rps : float
    skill_even, skill_climatology, skill_stays : float
        Skill against each baseline; NaN where that is perfect.
    """

    case: str
    target: str
    definition: str
    horizon: int
    count: int
    rps: float
    skill_even: float
    skill_climatology: float
    skill_stays: float


@dataclass(frozen=True)
class Record:
    """The track record as of a day.

    Attributes
    ----------
    day : date
    scored : tuple of Scored
    ranked : tuple of Ranked
    lines : tuple of Line
        By case, target, horizon and definition.
    ranked_lines : tuple of RankedLine
    calibration : tuple of Bin
        All scored forecasts of yes and no together.
    pending : int
        Forecasts that have not closed.
    unresolved : int
        Forecasts that have closed and of which nothing is known yet.
    late : int
        Made after their target date; not scored.
    replaced : int
        Made again for the same target and day; not scored.
    other : int
        Of a kind that is not scored here.
    """

    day: date
    scored: tuple[Scored, ...]
    ranked: tuple[Ranked, ...]
    lines: tuple[Line, ...]
    ranked_lines: tuple[RankedLine, ...]
    calibration: tuple[Bin, ...]
    pending: int
    unresolved: int
    late: int
    replaced: int
    other: int


@dataclass
class _Tally:
    """Forecasts on their way to being scored."""

    day: date
    scored: list[Scored] = field(default_factory=list)
    ranked: list[Ranked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, forecast: Forecast, what: ResolutionFile | None) -> None:
        """Score a forecast, or count why it is not."""
        if forecast.target not in LADDER and of_yes(forecast) is None:
            self.counts["other"] += 1
        elif forecast.close > self.day:
            self.counts["pending"] += 1
        elif what is None or not outcomes.settled(what, forecast.close):
            self.counts["unresolved"] += 1
        elif forecast.target in LADDER:
            self._place(forecast, what)
        else:
            self._yes_or_no(forecast, what)

    def _yes_or_no(self, forecast: Forecast, what: ResolutionFile) -> None:
        state, yes = forecast.target.removeprefix(REACH), of_yes(forecast)
        came = outcomes.reached(what, state, forecast.origin, forecast.close, self.day)
        like = [int(each.outcome) for each in self.scored if _like(each.forecast, forecast)]
        climate = _shares(like, 2)[1]
        self.scored += [
            Scored(forecast, name, float(yes or 0.0), outcome, climate)
            for name, outcome in came.items()
        ]

    def _place(self, forecast: Forecast, what: ResolutionFile) -> None:
        places = LADDER[forecast.target](what, forecast.origin, forecast.close, self.day)
        stood = outcomes.on_ladder(what, forecast.origin, forecast.origin, self.day)
        if not places or not set(what.ladder) & set(forecast.probability):
            self.counts["unresolved"] += 1
            return
        known = sum(forecast.probability.get(rung, 0.0) for rung in what.ladder[1:])
        said = (
            max(1 - known, 0.0),
            *(forecast.probability.get(rung, 0.0) for rung in what.ladder[1:]),
        )
        size = len(said)
        like = [
            each.outcome for each in self.ranked
            if _like(each.forecast, forecast) and len(each.probability) == size
        ]  # fmt: skip
        self.ranked += [
            Ranked(forecast, name, said, place, _shares(like, size), stood[name])
            for name, place in places.items()
        ]


def score(
    forecasts: Iterable[Forecast],
    resolutions: Mapping[str, ResolutionFile],
    day: date,
    *,
    late: bool = False,
) -> Record:
    """Score forecasts as of a day.

    Parameters
    ----------
    forecasts : iterable of Forecast
    resolutions : Mapping[str, ResolutionFile]
        Case → what happened; a case without one stays unresolved.
    day : date
        Only what had closed, and was known, by then.
    late : bool
        Whether to score those that were made after their target date too.
    """
    every = tuple(forecasts)
    timely = [each for each in every if late or each.made is None or each.made <= each.close]
    chosen = {_question(each): each for each in sorted(timely, key=_made)}
    tally = _Tally(day)
    for each in sorted(chosen.values(), key=lambda each: (each.close, *_question(each))):
        tally.add(each, resolutions.get(each.case))
    scored, places = tuple(tally.scored), tuple(tally.ranked)
    counts = tally.counts
    return Record(
        day, scored, places, _lines(scored), _ranked_lines(places), _bins(scored),
        counts["pending"], counts["unresolved"], len(every) - len(timely),
        len(timely) - len(chosen), counts["other"],
    )  # fmt: skip


def _question(forecast: Forecast) -> tuple[date, str, str, date]:
    return forecast.origin, forecast.case, forecast.target, forecast.close


def _made(forecast: Forecast) -> tuple[date, str]:
    return forecast.made or forecast.origin, str(forecast.path)


def _like(other: Forecast, forecast: Forecast) -> bool:
    """Whether another case's forecast asked the same and had closed by this one's origin."""
    return (
        other.case != forecast.case
        and other.target == forecast.target
        and other.horizon == forecast.horizon
        and other.close <= forecast.origin
    )


def _shares(found: Sequence[int], size: int) -> tuple[float, ...]:
    """Share of each of so many outcomes, with half a case of each added (Jeffreys)."""
    counts = np.bincount(found, minlength=size) if found else np.zeros(size)
    return tuple(((counts + 0.5) / (len(found) + size / 2)).tolist())


def _key(each: Scored | Ranked) -> tuple[str, str, int, str]:
    forecast = each.forecast
    return forecast.case, forecast.target, forecast.horizon, each.definition


def _lines(scored: Sequence[Scored]) -> tuple[Line, ...]:
    lines = []
    for (case, target, horizon, definition), members in groupby(sorted(scored, key=_key), key=_key):
        p, y, c = _arrays(tuple(members))
        loss = float(brier(p, y).mean())
        lines.append(
            Line(
                case, target, definition, horizon, len(p), int(y.sum()), loss,
                float(logarithmic(p, y).mean()),
                skill(loss, float(brier(np.full(len(p), 0.5), y).mean())),
                skill(loss, float(brier(c, y).mean())),
            )
        )  # fmt: skip
    return tuple(lines)


def _ranked_lines(places: Sequence[Ranked]) -> tuple[RankedLine, ...]:
    lines = []
    for (case, target, horizon, definition), members in groupby(sorted(places, key=_key), key=_key):
        chosen = tuple(members)
        size = len(chosen[0].probability)
        came = np.array([each.outcome for each in chosen], dtype=np.intp)
        loss = float(ranked(np.array([each.probability for each in chosen]), came).mean())
        baselines = (
            np.full((len(chosen), size), 1 / size),
            np.array([each.climatology for each in chosen]),
            np.eye(size)[[each.before for each in chosen]],
        )
        skills = (skill(loss, float(ranked(each, came).mean())) for each in baselines)
        lines.append(RankedLine(case, target, definition, horizon, len(chosen), loss, *skills))
    return tuple(lines)


def _arrays(scored: Sequence[Scored]) -> tuple[Array, Array, Array]:
    return (
        np.array([each.probability for each in scored]),
        np.array([float(each.outcome) for each in scored]),
        np.array([each.climatology for each in scored]),
    )


def _bins(scored: Sequence[Scored]) -> tuple[Bin, ...]:
    if not scored:
        return ()
    p, y, _ = _arrays(scored)
    return reliability(p, y)
