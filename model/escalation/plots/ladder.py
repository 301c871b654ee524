"""The ladder: where the case stands, where it may go, how high, and how soon.

Reaching is not occupying. `plot_reach` shows P(reached by the day), which only rises;
`plot_ladder` shows P(there on the day), whose areas add up to 1 on every day.
"""

from __future__ import annotations

from datetime import timedelta
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
    percent_axis,
    split,
    state_colours,
    wrap,
    write,
)
from escalation.reading.naming import day, state_of
from escalation.reporting.record import interval_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment, Estimate
    from escalation.reading.case import State

    Array = NDArray[np.float64]

TOPS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # where an axis of probabilities may end


def plot_reach(
    assessment: Assessment, ax: Axes | None = None, targets: Sequence[str] | None = None
) -> Axes:
    """Plot P(reached by the day) of each target with its interval, a panel for each.

    Parameters
    ----------
    assessment : Assessment
    ax : Axes, optional
        In their place the panels are put; by default a figure is made.
    targets : sequence of str, optional
        Ids of rungs and off-ramps; by default the scenario's targets.
    """
    names = list(targets or assessment.scenario.targets)
    narrow = compact(ax)
    ax = canvas(ax, 1.6 * len(names) if narrow else 2.5)
    ax.set_label(_reach_in_words(assessment, names))
    highest = max(float(assessment.reach.of(name)[2].max()) for name in names)
    top = next(each for each in TOPS if each >= min(highest, 1.0))
    panels = split(ax, len(names), 1) if narrow else split(ax, 1, len(names))
    for index, (panel, name) in enumerate(zip(panels, names, strict=True)):
        _reach_panel(panel, assessment, name, top)
        panel.tick_params(
            labelleft=narrow or index == 0,
            labelbottom=not narrow or index == len(names) - 1,
        )
    return ax


def _reach_panel(ax: Axes, assessment: Assessment, name: str, top: float) -> None:
    shades = frame(ax)
    state = state_of(assessment.scenario, name)
    colour = shades.off_ramp if state.off_ramp else shades.climb
    mean, low, high = assessment.reach.of(name)
    days = _days_ahead(assessment)
    ax.fill_between(days, low, high, color=colour, alpha=0.17, linewidth=0)
    ax.plot(days, mean, color=colour, linewidth=2.2, solid_capstyle="round")
    ax.plot(days[-1:], mean[-1:], "o", color=colour, markersize=4.5, clip_on=False)
    heading(ax, state.label, 24)
    ax.set_xlim(days[0], days[-1])
    ax.set_ylim(0, top)
    percent_axis(ax, "y", [0, top / 2, top])
    date_axis(ax, 4)
    end = assessment.reach_by(name)
    place = (1, min(max(end.probability, 0.12 * top), 0.9 * top))
    beside = margin(ax, 8)
    said, interval = percent(end.probability), interval_text(end)
    write(ax, place, said, at=beside, colour=colour, size=12, weight="bold", side="above")
    write(ax, place, interval, at=beside, colour=shades.soft, size=SMALL, side="below")


def _reach_in_words(assessment: Assessment, names: Sequence[str]) -> str:
    parts = [
        f"{state_of(assessment.scenario, name).label} {_in_words(assessment.reach_by(name))}"
        for name in names
    ]
    last = day(_last_day(assessment))
    return f"Curves of the probability of reaching each target, rising by {last}: " + _list(parts)


def plot_ladder(assessment: Assessment, ax: Axes | None = None) -> Axes:
    """Plot P(on each rung on the day) over the horizon, as areas that add up to 1."""
    narrow = compact(ax)
    ax = canvas(ax, 3.5)
    factor = assessment.scenario.ladder
    band = assessment.forecast[factor.name]
    stack(ax, _days_ahead(assessment), band, factor)
    name_ends(ax, band, factor, points=215, width=17 if narrow else 26)
    date_axis(ax, 4)
    begin, end = (
        _list(
            f"{state.label} {percent(float(band.of(state.id)[0][at]))}" for state in factor.states
        )
        for at in (0, -1)
    )
    ax.set_label(
        f"Areas of the probability of being on each rung. On {day(assessment.as_of)}: {begin} "
        f"On {day(_last_day(assessment))}: {end}"
    )
    return ax


def plot_now(assessment: Assessment, ax: Axes | None = None) -> Axes:
    """Plot P(on each rung on the as-of day), highest rung on top, off-ramps below."""
    ladder = assessment.scenario.ladder
    ax = _rows(assessment, ax, ladder.states, assessment.now(ladder.name))
    ax.set_label(f"Where it stands on {day(assessment.as_of)}: {ax.get_label()}")
    return ax


def plot_highest(assessment: Assessment, ax: Axes | None = None) -> Axes:
    """Plot P(highest rung within the horizon), highest rung on top."""
    ax = _rows(assessment, ax, assessment.scenario.rungs, assessment.highest)
    ax.set_label(f"Highest rung by {day(_last_day(assessment))}: {ax.get_label()}")
    return ax


def _rows(
    assessment: Assessment,
    ax: Axes | None,
    states: Sequence[State],
    estimates: Mapping[str, Estimate],
) -> Axes:
    """Draw a dot and its interval in a row for each state, its name left of it or above it."""
    narrow = compact(ax)
    ax = canvas(ax, 0.3 + (0.44 if narrow else 0.3) * len(states))
    shades = frame(ax)
    colours = state_colours(assessment.scenario.ladder, shades)
    places = _places(states)
    for state in states:
        _row(ax, places[state.id], state, estimates[state.id], colours[state.id])
    ax.set_xlim(0, 1)
    ax.set_ylim(min(places.values()) - 0.5, max(places.values()) + (0.8 if narrow else 0.5))
    ax.set_yticks([])
    percent_axis(ax, "x", [0, 0.25, 0.5, 0.75, 1])
    ax.set_label(_list(f"{each.label} {_in_words(estimates[each.id])}" for each in states))
    return ax


def _places(states: Sequence[State]) -> dict[str, float]:
    """Return the height of each row: rungs upwards from 0, off-ramps below, a little apart."""
    inside = [state.id for state in states if not state.off_ramp]
    outside = [state.id for state in states if state.off_ramp]
    places = {name: float(row) for row, name in enumerate(inside)}
    return places | {name: -1.2 - row for row, name in enumerate(outside)}


def _row(ax: Axes, place: float, state: State, estimate: Estimate, colour: str) -> None:
    shades = palette(ax)
    row = [place, place]
    ax.plot([0, 1], row, color=shades.grid, linewidth=0.7, zorder=1)
    ax.plot(
        [estimate.low, estimate.high],
        row,
        color=colour,
        linewidth=5,
        solid_capstyle="butt",
        alpha=0.55,
        zorder=2,
    )
    ax.plot(
        [estimate.probability],
        [place],
        "o",
        color=colour,
        markersize=8,
        markeredgecolor=shades.ink,
        markeredgewidth=0.8,
        clip_on=False,
        zorder=3,
    )
    if compact(ax):
        write(ax, (0, place + 0.42), state.label)
    else:
        write(ax, (0, place), wrap(state.label, 24, 2), at=margin(ax, -6), side="left")
    said, interval = percent(estimate.probability), interval_text(estimate)
    write(ax, (1, place), said, at=margin(ax, 40), weight="bold", side="left")
    write(ax, (1, place), interval, at=margin(ax, 48), colour=shades.soft, size=SMALL)


def _in_words(estimate: Estimate) -> str:
    return f"{percent(estimate.probability)} ({interval_text(estimate)})"


def _list(parts: Iterable[str]) -> str:
    return "; ".join(parts) + "."


def _last_day(assessment: Assessment) -> date:
    return assessment.as_of + timedelta(days=assessment.horizon)


def _days_ahead(assessment: Assessment) -> Array:
    return day_number(assessment.as_of) + np.arange(assessment.horizon + 1.0)
