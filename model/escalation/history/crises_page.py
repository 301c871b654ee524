"""Writes the replay of coded crises as a page, `docs/history.md`: what came out, as it came out.

>>> percent(0.034)
'3 %'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.history.crises import FORECASTERS
from escalation.history.verification import brier, logarithmic

if TYPE_CHECKING:
    from escalation.history.crises import Crises
    from escalation.history.scoring import Record

CAVEAT = """\
**Choosing famous cases selects for drama.** These are known because they climbed, or because it
seemed that they would: the share that came to force is not that of all crises, and nobody
should read a hit rate into them. They were coded by people who know how they ended. Each row is
dated to the day on which the thing was public, and the model sees a row only from then on, but
which things were looked for is hindsight too. Force and terms are watched; posture and diplomacy
are not, as the rows are not complete on them. A few questions on a few cases are far from
independent: no interval is given, as none would be honest."""


def percent(value: float) -> str:
    """Whole per cent."""
    return f"{100 * value:.0f} %"


def page(result: Crises) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Coded crises, replayed",
        "",
        "Written by `escalation crises`; nothing in it is chosen by hand.",
        "",
        *CAVEAT.splitlines(),
        "",
        "## What was read",
        "",
        "Of each source the opening (date, heading, first paragraphs), not the whole; of coded",
        "event data the row. A: the document is itself the act, or a record of the United Nations;",
        "B: an account of the time, by the government that acted, a newspaper or a data set; C:",
        "written or reprinted later. 1: a second, independent source was read; 2: one source; 3:",
        "one, doubtful.",
        "The sources stand in `scenarios/history/*/observations.csv`.",
        "",
        *_grades(result),
        "",
        "## Scores",
        "",
        "Each forecast at its scheduled close; less is better. `alone`: prior assumptions and the",
        "case's own reports up to the day. `leave one out`: assumptions learned from other cases",
        "too, outcome included. `base rate`: the cited reference class alone.",
        "",
        "| forecaster | forecasts | came | Brier | log |",
        "|---|---|---|---|---|",
        *(_score(name, result.records[name]) for name in FORECASTERS),
        "",
        "## Case by case",
        "",
        "Probability by alone / leave one out / base rate; a dash where it had come before, or is",
        "not known through the close; two answers where two definitions differ. ESS: effective",
        "draws behind the first two.",
        "",
        "| case | as of | days | strikes | came | settlement | came | ESS |",
        "|---|---|---|---|---|---|---|---|",
        *_rows(result),
    ]
    return "\n".join(lines) + "\n"


def _grades(result: Crises) -> list[str]:
    """How many reports of each case have which grade."""
    grades = sorted(set().union(*result.grades.values()))
    rows = [
        f"| {result.titles[case]} | {sum(count.values())} | "
        + " | ".join(str(count[grade] or "") for grade in grades) + " |"
        for case, count in result.grades.items()
    ]  # fmt: skip
    head = f"| case | reports | {' | '.join(grades)} |"
    return [head, "|---" * (len(grades) + 2) + "|", *rows]


def _score(name: str, record: Record) -> str:
    p = np.array([each.probability for each in record.scored])
    y = np.array([float(each.outcome) for each in record.scored])
    losses = f"{brier(p, y).mean():.3f} | {logarithmic(p, y).mean():.3f}"
    return f"| {name} | {len(p)} | {int(y.sum())} | {losses} |"


def _rows(result: Crises) -> list[str]:
    came: dict[tuple[str, str, object, int], list[bool]] = {}
    for scored in result.records[FORECASTERS[0]].scored:
        forecast = scored.forecast
        target = forecast.target.removeprefix("reach ")
        key = (forecast.case, target, forecast.origin, forecast.horizon)
        came.setdefault(key, []).append(scored.outcome)
    rows = []
    for each in result.asked:
        cells = []
        for target in ("strikes", "settlement"):
            shares = (percent(each.probability[name, target]) for name in FORECASTERS)
            outcomes = came.get((each.case, target, each.as_of, each.horizon), [])
            words = " / ".join("yes" if outcome else "no" for outcome in outcomes)
            cells += [" / ".join(shares), words or "–"]
        size = f"{each.ess_alone:.0f} / {each.ess_others:.0f}"
        title = result.titles[each.case]
        rows.append(f"| {title} | {each.as_of} | {each.horizon} | {' | '.join(cells)} | {size} |")
    return rows
