"""Writes the backtest as a page, `docs/backtest.md`: what came out, as it came out.

>>> signed(Interval(0.012, -0.001, 0.03))
'+0.012 (−0.001 to +0.030)'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from escalation.history.backtest import (
    BASE,
    FORECASTERS,
    HORIZONS,
    LANDMARKS,
    LEVELS,
    LOGISTIC,
    MODEL,
    TARGETS,
)
from escalation.history.verification import RESAMPLES, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from escalation.history.backtest import Backtest, Score

NAMES = {"force": "use of force or more (hostility ≥ 4)", "war": "war (hostility 5)"}
MEASURES = (("force", "Brier"), ("force", "log"), ("war", "Brier"), ("war", "log"),
            ("ladder", "RPS"))  # fmt: skip


AUDIT = """\
## What was checked

That the model may lose to so plain a rival called for a search for faults:

- **Leaks.** Training ends the day before the split; a state or a count at a landmark uses the
  events up to it alone; the tests hold both. Nothing was chosen on the cases from 1990 on.
- **Forecast and fit.** They use one chain; the likelihood is that of the day-by-day filter. On
  histories drawn from the model itself its forecasts are calibrated and beat the base rate.
- **Faults found and mended**, on training data alone (`docs/decisions/0011`): every rung, war too,
  was taken to be as likely on the first day, and a war could go unseen. The in-sample forecasts of
  war were three times too high for it.
- **What remains** is the class of the model: rates are constant within a state and alike in all
  confrontations, four states of intent have to do for bursts, lulls and ends alike, and one fit
  answers all questions, whereas a regression is fitted to each. “In the large” shows it: on the
  training cases themselves the model forecasts too much force from day 7 on, and regressions
  cannot be off there. What both share shows too: the years from 1990 on were calmer than those
  learned from, so every forecaster is too high."""


def signed(interval: Interval) -> str:
    """`+0.012 (−0.001 to +0.030)`."""
    mean, low, high = (
        f"{each:+.3f}".replace("-", "−") for each in (interval.mean, interval.low, interval.high)
    )
    return f"{mean} ({low} to {high})"


def plain(interval: Interval) -> str:
    """`0.123 (0.110 to 0.140)`."""
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def page(result: Backtest, source: str) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Backtest on militarised confrontations",
        "",
        "Written by `escalation backtest`; nothing in it is chosen by hand.",
        "",
        f"Data: {source}.",
        f"Learned from the {result.training:,} confrontations that began before {result.split},",
        f"with nothing after that day known; tested on the {result.tested:,} that began from then",
        f"until {result.until}. The test cases were not used for any choice: the structure of",
        "the model was settled on the last twenty years before the split, learned from what was",
        "before those.",
        "",
        *_questions(),
        *_verdict(result),
        *AUDIT.splitlines(),
        "",
        *_tables(result),
        *_by_landmark(result),
        *_in_the_large(result),
        *_calibration(result),
    ]
    return "\n".join(lines) + "\n"


def _questions() -> list[str]:
    marks = ", ".join(map(str, LANDMARKS))
    ahead = ", ".join(map(str, HORIZONS))
    return f"""## What was asked

Each confrontation as it stood {marks} days after its opening, if not at war by then: how
hostile does it become within {ahead} days? Two yes-or-no questions,
{NAMES["force"]} and {NAMES["war"]},
and the ladder of highest hostility (below a display, display, force, war).
A question counts at its scheduled close, and only if that lies within the data. An act of the
same level before the landmark does not answer it: what counts is what follows.

- **learned model**: latent intent and rung, fitted to the training cases (`scenarios/learned/`);
  mean over posterior draws.
- **base rate**: share of yes among the training cases.
- **persistence**: the same, apart for cases with and without such an act in the last 30 days.
- **logistic**: ridge-penalised logistic regression on the counts of each kind of act.

Losses: less is better. `gain` is the base rate's loss minus the forecaster's: above 0 is better.
Intervals hold the central 95 % of {RESAMPLES:,} bootstrap resamples of whole confrontations.

""".split("\n")[:-1]


def _pick(
    result: Backtest, target: str, measure: str, landmark: int = 0, horizon: int | None = None
) -> list[Score]:
    return [
        each for each in result.scores
        if each.target == target and each.measure == measure and each.landmark == landmark
        and horizon in {None, each.horizon}
    ]  # fmt: skip


def _verdict(result: Backtest) -> list[str]:
    """Say, by rule, where the model beat and where it lost to the base rate and the regression."""
    better: list[str] = []
    worse: list[str] = []
    level: list[str] = []
    behind = total = 0
    for target, measure in MEASURES:
        for horizon in HORIZONS:
            scores = {each.forecaster: each for each in _pick(result, target, measure, 0, horizon)}
            gain, name = scores[MODEL].gain, f"{target} {horizon} d {measure}"
            total += 1
            behind += scores[MODEL].loss.mean > scores[LOGISTIC].loss.mean
            (better if gain.low > 0 else worse if gain.high < 0 else level).append(name)
    return [
        "## What came out",
        "",
        "The learned model against the base rate, all landmarks together:",
        "",
        f"- better, interval clear of 0: {', '.join(better) or 'nowhere'};",
        f"- worse, interval clear of 0: {', '.join(worse) or 'nowhere'};",
        f"- no clear difference: {', '.join(level) or 'nowhere'}.",
        "",
        f"Its mean loss was above that of the logistic regression in {behind} of {total}",
        "comparisons.",
        "",
    ]


def _tables(result: Backtest) -> list[str]:
    lines = ["## All landmarks together", ""]
    for target, measure in MEASURES:
        title = NAMES.get(target, "ladder of highest hostility")
        lines += [f"### {title}: {measure}", "", *_table(_pick(result, target, measure)), ""]
    return lines


def _table(scores: Iterable[Score]) -> list[str]:
    head = "| days | forecasts (cases) | yes | forecaster | loss | gain on base rate |"
    return [
        head,
        "|---|---|---|---|---|---|",
        *(
            f"| {each.horizon} | {each.forecasts:,} ({each.cases:,}) | {each.events:,} "
            f"| {each.forecaster} | {plain(each.loss)} "
            f"| {'' if each.forecaster == BASE else signed(each.gain)} |"
            for each in scores
        ),
    ]


def _by_landmark(result: Backtest) -> list[str]:
    lines = [
        "## By landmark: Brier",
        "",
        "| question | days | landmark | forecasts | yes | " + " | ".join(FORECASTERS) + " |",
        "|---|---|---|---|---|" + "---|" * len(FORECASTERS),
    ]
    for target in TARGETS:
        for horizon in HORIZONS:
            for landmark in LANDMARKS:
                scores = _pick(result, target, "Brier", landmark, horizon)
                first = scores[0]
                cells = " | ".join(f"{each.loss.mean:.3f}" for each in scores)
                lines.append(
                    f"| {target} | {horizon} | {landmark} | {first.forecasts:,} | {first.events:,} "
                    f"| {cells} |"
                )
    return [*lines, ""]


def _in_the_large(result: Backtest) -> list[str]:
    """Mean forecast beside the share that came, on the cases learned from and on later ones."""
    lines = [
        "## In the large",
        "",
        "Share that came, and the mean forecast: cases learned from (old), cases tested (new).",
        "",
        "| question | days | landmark | came, old | model | came, new | model | base | logistic |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for target, level in TARGETS.items():
        column = LEVELS.index(level)
        for old, new in zip(result.in_sample, result.forecasts, strict=True):
            cells = [
                old.outcome[:, column].mean(), old.exceedance[MODEL][:, column].mean(),
                new.outcome[:, column].mean(),
                *(new.exceedance[name][:, column].mean() for name in (MODEL, BASE, LOGISTIC)),
            ]  # fmt: skip
            shares = " | ".join(f"{each:.3f}" for each in cells)
            lines.append(f"| {target} | {new.horizon} | {new.landmark} | {shares} |")
    return [*lines, ""]


def _calibration(result: Backtest) -> list[str]:
    lines = ["## Reliability", "", "All landmarks together; bins of the forecast probability.", ""]
    for target in TARGETS:
        for horizon in HORIZONS:
            lines += [
                f"### {target}, {horizon} days",
                "",
                "| forecaster | forecast | n | mean forecast | came |",
                "|---|---|---|---|---|",
            ]
            for name in (MODEL, LOGISTIC):
                lines += [
                    f"| {name} | {each.low:.2f} to {each.high:.2f} | {each.count:,} "
                    f"| {each.forecast:.3f} | {each.observed:.3f} |"
                    for each in result.reliability[target, horizon, name]
                ]
            lines.append("")
    return lines[:-1]
