"""Finds archived forecasts and what happened, scores them, and writes the scoreboard page.

    reports/**/forecast.csv              case = the folder below reports/ that holds the run
    scenarios/**/resolutions.yaml        case → what happened (read by nothing else)
    reports/scoreboard.html              the page, closed: it loads nothing from anywhere

The page says how many forecasts have closed, are pending, or closed without a resolution; the
scores by case, target and horizon with skill against the baselines; and calibration.

>>> from escalation.history.scoring import score
>>> "Nothing has been scored yet" in page(score([], {}, date(2025, 11, 22)))
True
"""

from __future__ import annotations

import math
from datetime import date
from html import escape
from typing import TYPE_CHECKING

from escalation.history.forecasts import read_forecasts
from escalation.history.outcomes import read_resolutions
from escalation.history.scoring import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from escalation.history.forecasts import Forecast
    from escalation.history.outcomes import ResolutionFile

__all__ = ["PAGE", "archived", "date", "happened", "page", "table"]

PAGE = "scoreboard.html"
INDEX = "index.html"
FAILED = "failed"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color:#222;background:#fff}table{border-collapse:collapse;margin:1rem 0;width:100%}"
    "th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #ddd}"
    "th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}"
    ".wide{overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}"
    "th,td{border-color:#444}}"
)


def archived(reports: Path) -> tuple[Forecast, ...]:
    """Read every archived forecast below a folder of reports, finished runs only."""
    found: list[Forecast] = []
    seen: set[Path] = set()
    for path in sorted(reports.glob("**/forecast.csv")):
        inside = path.relative_to(reports).parts
        under_way = any(part.startswith(".") or part == FAILED for part in inside)
        if under_way or path.resolve() in seen:  # a link shows a run a second time
            continue
        seen.add(path.resolve())
        found.extend(read_forecasts(path, inside[0] if len(inside) > 1 else path.parent.name))
    return tuple(found)


def happened(scenarios: Path) -> dict[str, ResolutionFile]:
    """Read what happened, by the name of the scenario's folder."""
    files = sorted(scenarios.glob("**/resolutions.yaml"))
    return {path.parent.name: read_resolutions(path) for path in files}


def of_runs(
    resolutions: dict[str, ResolutionFile], cases: Iterable[str]
) -> dict[str, ResolutionFile]:
    """Resolutions by the cases of runs: a run of `venezuela-talks` is of the case `venezuela`."""
    return {
        case: resolutions[name]
        for case in cases
        for name in sorted(resolutions, key=len)
        if case == name or case.startswith(f"{name}-")
    }


def table(record: Record) -> list[str]:
    """Return the scoreboard as lines of plain text."""
    lines = [*_summary(record), ""]
    if not record.lines and not record.ranked_lines:
        return [*lines, "Nothing has been scored yet."]
    if record.lines:
        head = f"{'case':<24}{'target':<22}{'days':>5}{'n':>6}{'yes':>5}{'Brier':>8}{'log':>8}"
        lines.append(head + f"{'skill/even':>12}{'skill/clim':>12}  definition")
        lines += [
            f"{each.case:<24.23}{each.target:<22.21}{each.horizon:>5}{each.count:>6}"
            f"{each.events:>5}{each.brier:>8.3f}{each.log:>8.3f}{_signed(each.skill_even):>12}"
            f"{_signed(each.skill_climatology):>12}  {each.definition}"
            for each in record.lines
        ]
        lines += ["", "forecast      n   mean   came"]
        lines += [
            f"{each.low:.2f}-{each.high:.2f} {each.count:>6}"
            f" {each.forecast:>6.2f} {each.observed:>6.2f}"
            for each in record.calibration
        ]
    return lines + _ranked_table(record)


def _ranked_table(record: Record) -> list[str]:
    if not record.ranked_lines:
        return []
    head = f"{'case':<24}{'target':<22}{'days':>5}{'n':>6}{'RPS':>8}"
    return [
        "",
        head + f"{'skill/even':>12}{'skill/clim':>12}{'skill/stays':>12}  definition",
        *(
            f"{each.case:<24.23}{each.target:<22.21}{each.horizon:>5}{each.count:>6}"
            f"{each.rps:>8.3f}{_signed(each.skill_even):>12}"
            f"{_signed(each.skill_climatology):>12}{_signed(each.skill_stays):>12}"
            f"  {each.definition}"
            for each in record.ranked_lines
        ),
    ]


def _summary(record: Record) -> list[str]:
    first = (
        f"As of {record.day}: {len(record.scored)} scored yes or no, {len(record.ranked)} on the "
        f"ladder; {record.pending} pending, {record.unresolved} closed without a resolution."
    )
    left = {
        "made after their target date (--late scores them)": record.late,
        "replaced by a later one of the same day": record.replaced,
        "of a kind that is not scored": record.other,
    }
    said = ", ".join(f"{count} {why}" for why, count in left.items() if count)
    return [first, *([f"Left out: {said}."] if said else [])]


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}"


def page(record: Record, *, back: bool = False) -> str:
    """Return the scoreboard page; `back`: with a link to the index of reports beside it."""
    body = [f"<p>{escape(line)}</p>" for line in _summary(record)]
    if not record.lines and not record.ranked_lines:
        body.append("<p>Nothing has been scored yet: a forecast is scored when its scheduled close "
                    "has come and what happened has been recorded.</p>")  # fmt: skip
    if record.lines:
        body += _yes_or_no(record)
    if record.ranked_lines:
        body += _ladder(record)
    notes = (
        "Every forecast is scored at its scheduled close, also one that was answered early, and "
        "under each definition of what happened. Brier, log and RPS are losses: less is better. "
        "Skill is 1 − loss ÷ the baseline's loss. Forecasts of one case share its luck, so they "
        "are far from independent."
    )
    link = f'<p><a href="{INDEX}">All reports</a></p>' if back else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Scoreboard</title><style>{STYLE}</style></head><body>{link}<h1>Scoreboard</h1>"
        + "\n".join(body)
        + f"<p>{escape(notes)}</p></body></html>\n"
    )


def _yes_or_no(record: Record) -> list[str]:
    head = ("Case", "Target", "Days", "Forecasts", "Came", "Brier", "Log", "Skill, even odds",
            "Skill, climatology", "Definition")  # fmt: skip
    rows = [
        (each.case, each.target, each.horizon, each.count, each.events, f"{each.brier:.3f}",
         f"{each.log:.3f}", _signed(each.skill_even), _signed(each.skill_climatology),
         each.definition)
        for each in record.lines
    ]  # fmt: skip
    bins = [
        (f"{each.low:.0%} to {each.high:.0%}", "", each.count, f"{each.forecast:.2f}",
         f"{each.observed:.2f}")
        for each in record.calibration
    ]  # fmt: skip
    return ["<h2>Yes or no</h2>", _table(head, rows), "<h2>Calibration</h2>",
            _table(("Forecast", "", "Forecasts", "Mean forecast", "Came"), bins)]  # fmt: skip


def _ladder(record: Record) -> list[str]:
    head = ("Case", "Target", "Days", "Forecasts", "RPS", "Skill, even odds",
            "Skill, climatology", "Skill, stays", "Definition")  # fmt: skip
    rows = [
        (each.case, each.target, each.horizon, each.count, f"{each.rps:.3f}",
         _signed(each.skill_even), _signed(each.skill_climatology), _signed(each.skill_stays),
         each.definition)
        for each in record.ranked_lines
    ]  # fmt: skip
    note = (
        "<p>Ranked probability score over the rungs; an off-ramp counts as the lowest. “Stays” is "
        "the forecast that the case stays where it stood.</p>"
    )
    return ["<h2>Where on the ladder</h2>", note, _table(head, rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    lines = ["".join(f"<td>{escape(str(each))}</td>" for each in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<div class=wide><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )
