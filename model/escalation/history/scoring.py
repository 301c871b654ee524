r"""The track record: archived forecasts, scored at their scheduled close.

A forecast file has hubverse's model-output columns (`docs/formats.md`); rows of type `pmf` that
share origin, target and target date are one forecast. It is scored when its target date has
come and not before: were early YES answers counted as they arrive, what is still open would be
mostly NO, and the record biased.

What happened stands in `resolutions.yaml` beside the scenario, and nothing else reads it. A
forecast `reach STATE`, its outcomes `yes` and `no`, comes to

    yes     the state has a resolution with origin < happened_on ≤ target date
    no      it has none, and `known_through` covers the target date
    open    `known_through` does not cover the target date: yes and no wait alike

A state may have several resolutions, one for each definition by which it was reached; the
forecast is scored under each. What had happened by the origin date was no question any more and
is left out. Baselines are even odds, and climatology: the share of yes, half a case of each
added, among other cases' forecasts with the same target and horizon that had closed before
this one's origin. Where the case stands on the ladder day by day is not scored.

>>> row = "2020-01-01,reach war,30,2020-01-31,pmf,yes,0.2\n"
>>> header = "origin_date,target,horizon_days,target_date,output_type,output_type_id,value\n"
>>> parse_forecasts(header + row, "case", Path("f.csv"))[0].probability
{'yes': 0.2}
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.history.verification import Bin, brier, logarithmic, reliability, skill
from escalation.reading import documents
from escalation.reading.schema import Day, Strict, Text
from escalation.reading.shape import shape
from escalation.reading.tree import Findings, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = ("origin_date", "target", "output_type", "output_type_id", "value")
CLOSES = ("target_date", "target_end_date")  # hubverse's usual names of the scheduled close
MAX_BYTES = 20_000_000
REACH = "reach "
EVEN, CLIMATE = "even odds", "climatology"
SUM_TOLERANCE = 0.01


@dataclass(frozen=True)
class Forecast:
    """One archived forecast.

    Attributes
    ----------
    case : str
        What it is about: the folder of the runs.
    origin, close : date
        When it was made, and its target date.
    target : str
        As in the file, for instance "reach strikes".
    horizon : int
        Days.
    probability : Mapping[str, float]
        Outcome → probability.
    path : Path
    """

    case: str
    origin: date
    target: str
    horizon: int
    close: date
    probability: dict[str, float]
    path: Path


class Resolution(Strict):
    """That a state was reached, by one definition."""

    happened_on: Day
    known_on: Day
    definition: Text = "as written"
    source: Text
    note: Text = ""


class ResolutionFile(Strict):
    """What happened in a case."""

    schema_: Literal[1] = Field(alias="schema")
    case: Text
    known_through: Day
    why: Text = ""
    reached: dict[Text, list[Resolution]] = Field(default_factory=dict)


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
class Line:
    """Mean scores of forecasts with one target, horizon and definition.

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
class Record:
    """The track record as of a day.

    Attributes
    ----------
    day : date
    scored : tuple of Scored
    lines : tuple of Line
        By case, target, horizon and definition.
    calibration : tuple of Bin
        All scored forecasts together.
    pending : int
        Forecasts that have not closed.
    unresolved : int
        Forecasts that have closed and of which nothing is known yet.
    """

    day: date
    scored: tuple[Scored, ...]
    lines: tuple[Line, ...]
    calibration: tuple[Bin, ...]
    pending: int
    unresolved: int


@dataclass
class _Tally:
    """Forecasts on their way to being scored."""

    scored: list[Scored] = field(default_factory=list)
    pending: int = 0
    unresolved: int = 0


def read_forecasts(path: Path, case: str) -> tuple[Forecast, ...]:
    """Read a forecast file.

    Raises
    ------
    InvalidInputError
        With every row that could not be read.
    """
    try:
        text = documents.read_text(documents.absolute(path), MAX_BYTES)
    except InvalidValueError as error:
        raise InvalidInputError([Problem(path, 1, 1, "", str(error))]) from error
    return parse_forecasts(text, case, path)


def parse_forecasts(text: str, case: str, path: Path) -> tuple[Forecast, ...]:
    """Read forecasts from text; errors as of `read_forecasts`."""
    reader = csv.DictReader(io.StringIO(text))
    names = reader.fieldnames or ()
    absent = [name for name in COLUMNS if name not in names]
    absent += [] if set(CLOSES) & set(names) else [CLOSES[0]]
    if absent:
        raise InvalidInputError([Problem(path, 1, 1, "", f"lacks the columns {', '.join(absent)}")])
    problems: list[Problem] = []
    cells: dict[tuple[date, str, int, date], dict[str, float]] = {}
    for row in reader:
        if row["output_type"] != "pmf":
            continue
        try:
            key, value = _key(row), _probability(row["value"])
        except (TypeError, ValueError) as error:
            problems.append(Problem(path, reader.line_num, 1, "", str(error)))
            continue
        cells.setdefault(key, {})[row["output_type_id"]] = value
    if problems:
        raise InvalidInputError(problems)
    return tuple(
        Forecast(case, origin, target, days, close, values, path)
        for (origin, target, days, close), values in cells.items()
    )


def _key(row: Mapping[str, str]) -> tuple[date, str, int, date]:
    origin = date.fromisoformat(row["origin_date"])
    close = date.fromisoformat(next(row[name] for name in CLOSES if name in row))
    days = (close - origin).days
    if row.get("horizon_days", str(days)) != str(days):
        raise InvalidValueError(f"{close} is not {row['horizon_days']} days after {origin}")
    return origin, row["target"], days, close


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1 + SUM_TOLERANCE:
        raise InvalidValueError(f"{text} is no probability")
    return min(value, 1.0)


def read_resolutions(path: Path) -> ResolutionFile:
    """Read what happened in a case.

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    findings = Findings()
    tree = documents.read(documents.absolute(path), findings)
    if tree is not None:
        shape(tree, ResolutionFile, findings)
    findings.raise_errors()
    if tree is None:
        raise InvalidInputError([Problem(path, 1, 1, "", "holds no resolutions")])
    return ResolutionFile.model_validate(plain(tree))


def score(
    forecasts: Iterable[Forecast], resolutions: Mapping[str, ResolutionFile], day: date
) -> Record:
    """Score forecasts as of a day.

    Parameters
    ----------
    forecasts : iterable of Forecast
    resolutions : Mapping[str, ResolutionFile]
        Case → what happened; a case without one stays unresolved.
    day : date
        Only what had closed, and was known, by then.
    """
    tally = _Tally()
    asked = [each for each in forecasts if each.target.startswith(REACH)]
    for each in sorted(asked, key=lambda each: (each.close, each.origin, each.case, each.target)):
        if each.close > day:
            tally.pending += 1
            continue
        outcomes = _outcomes(each, resolutions.get(each.case), day)
        if outcomes is None:
            tally.unresolved += 1
            continue
        yes = each.probability.get("yes", 1 - each.probability.get("no", 0.0))
        climate = _climatology(each, tally.scored)
        tally.scored += [Scored(each, name, yes, came, climate) for name, came in outcomes.items()]
    scored = tuple(tally.scored)
    return Record(day, scored, _lines(scored), _bins(scored), tally.pending, tally.unresolved)


def _outcomes(forecast: Forecast, what: ResolutionFile | None, day: date) -> dict[str, bool] | None:
    """Definition → whether it came; None: not known yet. Empty: it was no question any more."""
    if what is None or date.fromisoformat(what.known_through) < forecast.close:
        return None
    known = [
        each for each in what.reached.get(forecast.target.removeprefix(REACH), ())
        if date.fromisoformat(each.known_on) <= day
    ]  # fmt: skip
    outcomes: dict[str, bool] = {}
    for name, members in groupby(sorted(known, key=_definition), key=_definition):
        first = min(date.fromisoformat(each.happened_on) for each in members)
        if forecast.origin < first <= forecast.close:
            outcomes[name] = True
        elif first > forecast.close:
            outcomes[name] = False
    return outcomes if known else {"as written": False}


def _definition(resolution: Resolution) -> str:
    return resolution.definition


def _climatology(forecast: Forecast, before: Sequence[Scored]) -> float:
    """Share of yes among other cases' like forecasts that had closed by its origin."""
    like = [
        each.outcome for each in before
        if each.forecast.case != forecast.case
        and each.forecast.target == forecast.target
        and each.forecast.horizon == forecast.horizon
        and each.forecast.close <= forecast.origin
    ]  # fmt: skip
    return (sum(like) + 0.5) / (len(like) + 1)


def _lines(scored: Sequence[Scored]) -> tuple[Line, ...]:
    def key(each: Scored) -> tuple[str, str, int, str]:
        forecast = each.forecast
        return forecast.case, forecast.target, forecast.horizon, each.definition

    lines = []
    for (case, target, horizon, definition), members in groupby(sorted(scored, key=key), key=key):
        chosen = tuple(members)
        p, y, c = _arrays(chosen)
        loss = float(brier(p, y).mean())
        lines.append(
            Line(
                case, target, definition, horizon, len(chosen), int(y.sum()), loss,
                float(logarithmic(p, y).mean()),
                skill(loss, float(brier(np.full(len(p), 0.5), y).mean())),
                skill(loss, float(brier(c, y).mean())),
            )
        )  # fmt: skip
    return tuple(lines)


def _arrays(scored: Sequence[Scored]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
