"""The evidence along time, and beneath it what it says of each latent factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.words import percent
from escalation.plots.areas import name_ends, stack
from escalation.plots.style import (
    SMALL,
    canvas,
    compact,
    date_axis,
    day_number,
    frame,
    heading,
    margin,
    palette,
    split,
    write,
)
from escalation.reading.naming import day, factor_of, short_labels, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Observation

ROW, COMPACT_ROW, PANEL = 0.2, 0.34, 1.75  # inches: a category, the same when narrow, a factor
GOOD = "AB"  # sources whose reports are drawn full


def plot_timeline(assessment: Assessment, ax: Axes | None = None) -> Axes:
    """Plot the reports by category along time and, on the same axis, each latent factor."""
    latent = assessment.scenario.latent
    evidence = _evidence_height(assessment, narrow=compact(ax))
    ax = canvas(ax, evidence + PANEL * len(latent) + 0.3)
    panels = split(ax, 1 + len(latent), 1, [evidence, *(PANEL for _ in latent)])
    plot_evidence(assessment, panels[0])
    for panel, factor in zip(panels[1:], latent, strict=True):
        plot_latent(assessment, panel, factor.name)
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    ax.set_label(" ".join(str(panel.get_label()) for panel in panels))
    return ax


def plot_evidence(assessment: Assessment, ax: Axes | None = None) -> Axes:
    """Plot each report on the day it happened, in the row of its category.

    Full: sources graded A or B; open: weaker or ungraded ones. A line: a count over several
    days. A diamond: announced for later, on the day of its announcement.
    """
    narrow = compact(ax)
    ax = canvas(ax, _evidence_height(assessment, narrow=narrow) + 0.2)
    shades = frame(ax)
    categories = _categories(assessment)
    for row, category in enumerate(categories):
        place = float(len(categories) - 1 - row)
        ax.axhline(place, color=shades.grid, linewidth=0.7, zorder=0)
        if narrow:
            edge = ax.get_yaxis_transform()
            write(ax, (0.01, place + 0.42), words(category), at=edge, size=SMALL)
        else:
            write(ax, (0, place), words(category), at=margin(ax, -6), side="left")
        for report in categories[category]:
            _report(ax, report, place)
    heading(ax, "Reports", 40)
    ax.set_yticks([])
    ax.set_ylim(-0.6, len(categories) - (0.2 if narrow else 0.4))
    _date_limits(ax, assessment)
    count = sum(len(each) for each in categories.values())
    ax.set_label(
        f"{count} reports from {day(assessment.scenario.start)} to {day(assessment.as_of)}: "
        + "; ".join(f"{words(name)} {len(each)}" for name, each in categories.items())
        + "."
    )
    return ax


def _report(ax: Axes, report: Observation, place: float) -> None:
    shades = palette(ax)
    begin = report.reported_on if report.scheduled else report.occurred_on
    if report.until:
        ax.plot(
            [day_number(begin), day_number(report.until)],
            [place, place],
            color=shades.ink,
            linewidth=3,
            alpha=0.5,
            solid_capstyle="round",
        )
    ax.plot(
        [day_number(begin)],
        [place],
        "D" if report.scheduled else "o",
        markersize=5,
        markerfacecolor=shades.ink if report.source_grade in GOOD else shades.paper,
        markeredgecolor=shades.ink,
        markeredgewidth=0.9,
        alpha=0.75,
        clip_on=False,
        zorder=3,
    )


def plot_latent(assessment: Assessment, ax: Axes | None = None, factor: str | None = None) -> Axes:
    """Plot P(state of a latent factor on the day), given all evidence, as areas.

    Parameters
    ----------
    assessment : Assessment
    ax : Axes, optional
    factor : str, optional
        Its name; by default the first.
    """
    narrow = compact(ax)
    ax = canvas(ax, PANEL + 0.4)
    which = factor_of(assessment.scenario, factor or assessment.scenario.latent[0].name)
    band = assessment.smoothed[which.name]
    days = day_number(assessment.scenario.start) + np.arange(len(band.mean), dtype=float)
    stack(ax, days, band, which)
    name_ends(ax, band, which, points=95, width=15 if narrow else 24)
    heading(ax, which.label, 40)
    _date_limits(ax, assessment)
    now, names = assessment.now(which.name), short_labels(which)
    ax.set_label(
        f"{which.label}, given all reports, on {day(assessment.as_of)}: "
        + "; ".join(f"{names[key]} {percent(each.probability)}" for key, each in now.items())
        + "."
    )
    return ax


def _date_limits(ax: Axes, assessment: Assessment) -> None:
    ax.set_xlim(day_number(assessment.scenario.start), day_number(assessment.as_of))
    date_axis(ax, 4 if compact(ax) else 7)


def _categories(assessment: Assessment) -> dict[str, list[Observation]]:
    """Return the reports known on the as-of day by category, that of the earliest first."""
    found: dict[str, list[Observation]] = {}
    known = [each for each in assessment.scenario.observations if each.known(assessment.as_of)]
    for report in sorted(known, key=lambda each: each.occurred_on):
        category = assessment.scenario.indicators[report.indicator].category
        found.setdefault(category, []).append(report)
    return found


def _evidence_height(assessment: Assessment, *, narrow: bool) -> float:
    return (COMPACT_ROW if narrow else ROW) * max(1, len(_categories(assessment))) + 0.3
