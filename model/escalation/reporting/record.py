"""What an assessment says, as data: `result.json` and `forecast.csv` (see `docs/result.md`).

`result` is everything that a report shows, as plain values that JSON can hold: no NaN, dates as
ISO texts, probabilities rounded to six significant digits. `forecast` is the part that can later
be scored, as rows with the columns of hubverse's model output.

Both speak of the same `Headline`s as the tables of the report, so that they cannot differ.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.words import Table, percent, percent_range, say, say_interval
from escalation.reading.naming import in_words, state_of, unit
from escalation.reporting.alarms import Condition, conditions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment, Band, Estimate, Spread
    from escalation.reading.case import Assumption, Factor, Observation, State

    Array = NDArray[np.float64]
    Data = Mapping[str, object]

SCHEMA = 1
SPOKEN_OF = (7, 30, 90)  # days ahead of which headlines speak, besides the horizon
SCORED = (7, 14, 30, 60, 90)  # days ahead of which forecasts are kept, besides the horizon
COLUMNS = (
    "origin_date",
    "target",
    "horizon_days",
    "target_date",
    "output_type",
    "output_type_id",
    "value",
)


@dataclass(frozen=True)
class Within:
    """P(a target is reached within so many days), in numbers and in words."""

    days: int
    by: date
    estimate: Estimate
    words: Table

    @property
    def percent(self) -> str:
        """`34 %`."""
        return percent(self.estimate.probability)

    @property
    def word(self) -> str:
        """Word for the probability."""
        return say(self.estimate.probability, self.words)

    @property
    def interval_words(self) -> str:
        """Words for the interval."""
        return say_interval(self.estimate.low, self.estimate.high, self.words)


@dataclass(frozen=True)
class Headline:
    """What is said first of a target: how likely by when."""

    state: State
    within: tuple[Within, ...]
    even_odds: date | None  # the day by which it is as likely as not; None: not in the horizon

    @property
    def last(self) -> Within:
        """By the end of the horizon."""
        return self.within[-1]


def headlines(assessment: Assessment, names: Sequence[str] = ()) -> tuple[Headline, ...]:
    """Return headlines of some rungs and off-ramps; by default of the scenario's targets."""
    return tuple(_headline(assessment, name) for name in names or assessment.scenario.targets)


def _headline(assessment: Assessment, name: str) -> Headline:
    ahead = assessment.time_to(name)
    table = assessment.scenario.words
    return Headline(
        state_of(assessment.scenario, name),
        tuple(
            Within(days, _by(assessment, days), assessment.reach_by(name, days), table)
            for days in _ahead(assessment, SPOKEN_OF)
        ),
        None if ahead is None else _by(assessment, ahead),
    )


def _ahead(assessment: Assessment, days: Sequence[int]) -> list[int]:
    return [*(each for each in days if each < assessment.horizon), assessment.horizon]


def _by(assessment: Assessment, days: int) -> date:
    return assessment.as_of + timedelta(days=days)


def interval_text(estimate: Estimate) -> str:
    """`12–61 %`, or one number where both ends are printed alike."""
    return percent_range(estimate.low, estimate.high)


def known(assessment: Assessment) -> list[Observation]:
    """Return the reports that were used, by the day they were public."""
    reports = (each for each in assessment.scenario.observations if each.known(assessment.as_of))
    return sorted(reports, key=lambda each: each.reported_on)


def to_json(data: Data) -> str:
    """Return strict JSON: a NaN or an infinity is an error."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def result(assessment: Assessment, provenance: Data) -> dict[str, object]:
    """Return everything that a report says."""
    scenario = assessment.scenario
    return {
        "schema": SCHEMA,
        "scenario": {
            "name": scenario.name,
            "title": scenario.title,
            "question": scenario.question,
            "start": str(scenario.start),
            "words": scenario.words,
            "targets": list(scenario.targets),
        },
        "as_of": str(assessment.as_of),
        "horizon_days": assessment.horizon,
        "headline": [_headline_data(each) for each in headlines(assessment)],
        "reach": {
            "days": list(range(assessment.horizon + 1)),
            "states": _band_data(assessment.reach),
            "marks": [
                _headline_data(each) for each in headlines(assessment, assessment.plan.reach)
            ],
        },
        "highest_rung": _estimates(assessment.highest),
        "factors": {each.name: _factor_data(assessment, each) for each in scenario.factors},
        "alerts": [condition_data(each) for each in conditions(assessment)],
        "assumptions": _assumptions(assessment),
        "observations": [_observation_data(assessment, each) for each in known(assessment)],
        "diagnostics": _diagnostics(assessment),
        "warnings": [problem.message for problem in scenario.warnings],
        "provenance": dict(provenance),
    }


def _headline_data(headline: Headline) -> dict[str, object]:
    return {
        "target": headline.state.id,
        "label": headline.state.label,
        "off_ramp": headline.state.off_ramp,
        "resolves": headline.state.resolves,
        "within": [
            {
                "days": each.days,
                "by": str(each.by),
                **_estimate(each.estimate),
                "words": each.word,
                "interval_words": each.interval_words,
            }
            for each in headline.within
        ],
        "even_odds_by": None if headline.even_odds is None else str(headline.even_odds),
    }


def _factor_data(assessment: Assessment, factor: Factor) -> dict[str, object]:
    smoothed = assessment.smoothed[factor.name]
    first = assessment.scenario.start
    return {
        "label": factor.label,
        "states": {state.id: state.label for state in factor.states},
        "now": _estimates(assessment.now(factor.name)),
        "history": {
            "first_day": str(first),
            "filtered": _band_data(assessment.filtered[factor.name]),
            "smoothed": _band_data(smoothed),
        },
        "forecast": {
            "first_day": str(assessment.as_of),
            "states": _band_data(assessment.forecast[factor.name]),
        },
    }


def condition_data(each: Condition) -> dict[str, object]:
    """Return a condition as data."""
    return {"text": each.text, **each.facts, "raised": each.raised}


def _assumptions(assessment: Assessment) -> list[dict[str, object]]:
    moved = assessment.movement
    every = assessment.scenario.assumptions
    fixed = [name for name in every if name not in moved]
    return [
        {
            "name": name,
            "about": in_words(assessment.scenario, name),
            "role": every[name].role,
            "unit": unit(every[name]),
            "text": every[name].text,
            "why": every[name].why,
            "source": every[name].source,
            **_belief(assessment, every[name], moved),
        }
        for name in [*moved, *fixed]
    ]


def _belief(
    assessment: Assessment, assumption: Assumption, moved: Mapping[str, float]
) -> dict[str, object]:
    if assumption.name not in moved:
        return {"fixed": True}
    return {
        "fixed": False,
        "moved": _round(moved[assumption.name]),
        "prior": _spread(assessment.prior_spread[assumption.name]),
        "posterior": _spread(assessment.posterior_spread[assumption.name]),
    }


def _observation_data(assessment: Assessment, each: Observation) -> dict[str, object]:
    indicator = assessment.scenario.indicators[each.indicator]
    return {
        "id": each.id,
        "indicator": each.indicator,
        "label": indicator.label,
        "category": indicator.category,
        "occurred_on": str(each.occurred_on),
        "reported_on": str(each.reported_on),
        "until": None if each.until is None else str(each.until),
        "count": each.count,
        "scheduled": each.scheduled,
        "grade": each.source_grade + each.information_grade,
        "echo_group": each.echo_group,
        "source": each.source,
        "note": each.note,
    }


def _diagnostics(assessment: Assessment) -> dict[str, object]:
    quality = assessment.diagnostics
    return {
        "method": quality.method,
        "draws": quality.draws,
        "evaluations": quality.evaluations,
        "effective_sample_size": _round(quality.ess),
        "largest_weight": _round(quality.largest_weight),
        "pareto_k": _round(quality.pareto_k),
        "log_marginal_likelihood": _round(quality.log_marginal_likelihood),
        "seed": assessment.seed,
    }


def _round(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: Array) -> list[float | None]:
    return [_round(float(each)) for each in values]


def _estimate(each: Estimate) -> dict[str, object]:
    return {
        "probability": _round(each.probability),
        "low": _round(each.low),
        "high": _round(each.high),
    }


def _estimates(every: Mapping[str, Estimate]) -> dict[str, object]:
    return {name: _estimate(each) for name, each in every.items()}


def _band_data(band: Band) -> dict[str, object]:
    return {
        name: dict(zip(("mean", "low", "high"), map(_numbers, band.of(name)), strict=True))
        for name in band.names
    }


def _spread(spread: Spread) -> dict[str, object]:
    keys = ("q05", "q25", "q50", "q75", "q95")
    quantiles = {key: _round(each) for key, each in zip(keys, spread.quantiles, strict=True)}
    return {"mean": _round(spread.mean), **quantiles}


def forecast(assessment: Assessment) -> str:
    """Return the forecast as CSV: hubverse's columns, every probability a `pmf` row.

    - `reach STATE`: is it reached by the target date? `yes` or `no`;
    - `on ladder`: where does it stand on the target date? a rung or off-ramp;
    - `highest rung`: how high has it been by then? a rung (at the horizon only).
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for days in _ahead(assessment, SCORED):
        for target, pmf in _pmfs(assessment, days):
            for outcome, value in pmf.items():
                writer.writerow(
                    (
                        assessment.as_of,
                        target,
                        days,
                        _by(assessment, days),
                        "pmf",
                        outcome,
                        f"{value:.9g}",
                    )
                )
    return buffer.getvalue()


def _pmfs(assessment: Assessment, days: int) -> list[tuple[str, dict[str, float]]]:
    found = []
    for name in assessment.plan.reach:
        yes = assessment.reach_by(name, days).probability
        found.append((f"reach {name}", {"yes": yes, "no": 1 - yes}))
    ladder = assessment.forecast[assessment.scenario.ladder.name]
    found.append(("on ladder", {name: float(ladder.of(name)[0][days]) for name in ladder.names}))
    if days == assessment.horizon:
        highest = {name: each.probability for name, each in assessment.highest.items()}
        found.append(("highest rung", highest))
    return found
