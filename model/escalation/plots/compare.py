"""Scenarios side by side: how likely, by when, and how far from the first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from escalation.comparing.record import MINUS, label, points
from escalation.engine.assessment import HIGH, LOW
from escalation.engine.outcomes import weighted_quantile
from escalation.maths.words import percent, percent_range
from escalation.plots.style import (
    SIZE,
    SMALL,
    canvas,
    compact,
    frame,
    heading,
    margin,
    palette,
    percent_axis,
    split,
    wrap,
    write,
)
from escalation.reading.naming import short_day, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from escalation.comparing.compare import Comparison
    from escalation.engine.assessment import Estimate
    from escalation.plots.style import Palette

    Array = NDArray[np.float64]
    Draw = Callable[[Axes, str, str], None]

TOPS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # where an axis of probabilities may end
STEPS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)  # where an axis of differences may end


def plot_compare_targets(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Plot P(target within the horizon) of each scenario as a dot in its interval."""
    blended = comparison.blend is not None
    names = [*comparison.names, *(["blend"] if blended else [])]
    rows = len(comparison.targets) * (len(names) + 1)
    narrow = compact(ax)
    ax = canvas(ax, 0.35 + (0.36 if narrow else 0.25) * rows)
    frame(ax)
    place, said = 0.0, []
    for target in comparison.targets:
        write(ax, (0, place), label(comparison, target), weight="bold", at=margin(ax, 0))
        said.append(f"{label(comparison, target)}:")
        anchor = comparison.reach(comparison.first, target).probability
        column = [place - 0.6, place - len(names) - 0.4]
        ax.plot([anchor, anchor], column, color=palette(ax).prior, linewidth=1.2, zorder=1)
        for name in names:
            place -= 1
            estimate = _of(comparison, name, target)
            _dot(ax, place, _title(comparison, name), estimate, _colour(comparison, target, ax))
            said.append(f"{_title(comparison, name)} {_text(estimate)};")
        place -= 1.2
    ax.set_xlim(0, 1)
    ax.set_ylim(place + 0.6, 0.7)
    ax.set_yticks([])
    percent_axis(ax, "x", [0, 0.25, 0.5, 0.75, 1])
    ax.set_label(
        f"Probability of each target within {comparison.horizon} days, by scenario. "
        + " ".join(said)
    )
    return ax


def _of(comparison: Comparison, name: str, target: str) -> Estimate:
    if name == "blend" and comparison.blend is not None:
        return comparison.blend.targets[target]
    return comparison.reach(name, target)


def _title(comparison: Comparison, name: str) -> str:
    return "Blend" if name == "blend" else comparison.scenario(name).title


def _text(estimate: Estimate) -> str:
    return f"{percent(estimate.probability)} ({percent_range(estimate.low, estimate.high)})"


def _colour(comparison: Comparison, target: str, ax: Axes) -> str:
    shades = palette(ax)
    off_ramp = state_of(comparison.scenarios[0], target).off_ramp
    return shades.off_ramp if off_ramp else shades.climb


def _dot(ax: Axes, place: float, title: str, estimate: Estimate, colour: str) -> None:
    shades = palette(ax)
    ax.plot([0, 1], [place, place], color=shades.grid, linewidth=0.7, zorder=1)
    ax.plot(
        [estimate.low, estimate.high],
        [place, place],
        color=colour,
        linewidth=4,
        alpha=0.45,
        solid_capstyle="butt",
        zorder=2,
    )
    ax.plot([estimate.probability], [place], "o", color=colour, markersize=6.5, zorder=3)
    if compact(ax):
        write(ax, (0, place + 0.38), wrap(title, 40, 1), size=SMALL)
    else:
        lines = wrap(title, 32, 1) if len(title) <= 32 else wrap(title, 28, 2)  # noqa: PLR2004
        size = SMALL if "\n" in lines else SIZE
        write(ax, (0, place), lines, at=margin(ax, -6), side="left", size=size)
    beside = margin(ax, 38)
    write(ax, (1, place), percent(estimate.probability), at=beside, weight="bold", side="left")
    interval_at = margin(ax, 46)
    shown = percent_range(estimate.low, estimate.high)
    write(ax, (1, place), shown, at=interval_at, colour=shades.soft, size=SMALL)


def plot_compare_curves(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Plot P(target reached by the day) of every scenario on one scale, the first in grey."""
    highest = max(_curve(comparison, n, t)[2].max() for n, t in _cells(comparison))
    top = next(each for each in TOPS if each >= min(float(highest), 1.0))

    def draw(panel: Axes, name: str, target: str) -> None:
        colour = _colour(comparison, target, panel)
        mean, low, high = _curve(comparison, name, target)
        first = _curve(comparison, comparison.first, target)[0]
        days = np.arange(len(mean))
        if name != comparison.first:
            panel.plot(days, first, color=palette(panel).soft, linewidth=1.2)
        panel.fill_between(days, low, high, color=colour, alpha=0.17, linewidth=0)
        panel.plot(days, mean, color=colour, linewidth=2, solid_capstyle="round")
        place = (
            days[-1],
            _beside(float(low[-1]), float(high[-1]), float(first[-1] - mean[-1]), top),
        )
        write(panel, place, percent(float(mean[-1])), weight="bold", side="left")
        panel.set_ylim(0, top)
        percent_axis(panel, "y", [0, top / 2, top])

    ax = _panels(comparison, ax, comparison.names, draw)
    ends = "; ".join(
        f"{_title(comparison, name)}, {label(comparison, target)}: "
        f"{percent(float(_curve(comparison, name, target)[0][-1]))}"
        for name, target in _cells(comparison)
    )
    ax.set_label(
        "Curves of the probability of reaching each target, a column for each scenario, all on "
        f"one scale, {comparison.scenarios[0].title} in grey behind. At the end: {ends}."
    )
    return ax


def _beside(low: float, high: float, below_first: float, top: float) -> float:
    """Height of the label of an end: above its interval, or below where the first is above."""
    if below_first > 0 and low > 0.14 * top:
        return low - 0.08 * top
    return min(max(0.12 * top, high + 0.09 * top), 0.93 * top)


def plot_compare_divergence(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Plot how far each scenario's probability runs from the first's, day by day."""
    cells = [(name, target) for name in comparison.others for target in comparison.targets]
    found = {cell: comparison.divergence(comparison.first, cell[0], cell[1]) for cell in cells}
    widest = max(float(np.abs(band).max()) for each in found.values() for band in each[1:])
    top = next((each for each in STEPS if each >= widest), 1.0)

    def draw(panel: Axes, name: str, target: str) -> None:
        colour = _colour(comparison, target, panel)
        mean, low, high = found[name, target]
        days = np.arange(len(mean))
        panel.fill_between(days, low, high, color=colour, alpha=0.17, linewidth=0)
        panel.axhline(0, color=palette(panel).soft, linewidth=0.9)
        panel.plot(days, mean, color=colour, linewidth=2, solid_capstyle="round")
        beyond = float(high[-1] if mean[-1] >= 0 else low[-1])
        place = np.clip(beyond + (0.16 if mean[-1] >= 0 else -0.16) * top, -0.9 * top, 0.9 * top)
        write(panel, (days[-1], float(place)), points(mean[-1]), weight="bold", side="left")
        panel.set_ylim(-top, top)
        panel.set_yticks([-top, 0, top], [f"{MINUS}{100 * top:.0f}", "0", f"+{100 * top:.0f}"])
        panel.grid(axis="y", color=palette(panel).grid, linewidth=0.7)

    ax = _panels(comparison, ax, comparison.others, draw)
    ends = "; ".join(
        f"{_title(comparison, name)}, {label(comparison, target)}: {points(each[0][-1])}"
        for (name, target), each in found.items()
    )
    ax.set_label(
        f"Difference from {comparison.scenarios[0].title} in points over the days ahead, with the "
        f"central 90 % over shared draws. At the end: {ends}."
    )
    return ax


def _cells(comparison: Comparison) -> list[tuple[str, str]]:
    return [(name, target) for name in comparison.names for target in comparison.targets]


def _curve(comparison: Comparison, name: str, target: str) -> tuple[Array, Array, Array]:
    """Mean, and 5 % and 95 % quantiles, on each day: (H+1,)."""
    each = comparison.of(name)
    reached = each.outcomes.reached[:, comparison.targets.index(target)]
    low, high = (
        np.array([weighted_quantile(day, each.weights, at) for day in reached])
        for at in (LOW, HIGH)
    )
    return reached @ each.weights, low, high


def _panels(comparison: Comparison, ax: Axes | None, names: Sequence[str], draw: Draw) -> Axes:
    """Draw a grid of panels: a column for each scenario, on a telephone for each target."""
    narrow = compact(ax)
    targets = comparison.targets
    rows, columns = (len(names), len(targets)) if narrow else (len(targets), len(names))
    ax = canvas(ax, 0.65 + (1.35 if narrow else 1.45) * rows)
    for place, panel in enumerate(split(ax, rows, columns)):
        row, column = divmod(place, columns)
        name, target = (names[row], targets[column]) if narrow else (names[column], targets[row])
        shades = frame(panel)
        draw(panel, name, target)
        _days(panel, comparison, shades)
        panel.tick_params(labelleft=column == 0, labelbottom=row == rows - 1)
        if row == 0:
            across = label(comparison, target) if narrow else _title(comparison, name)
            heading(panel, across, max(10, int((30 if narrow else 72) / columns)), 3)
        if column == 0:
            _side(panel, _title(comparison, name) if narrow else label(comparison, target))
    return ax


def _side(panel: Axes, words: str) -> None:
    """Name a row of panels at its left."""
    panel.set_ylabel(
        wrap(words, 20, 2), fontsize=SMALL, color=palette(panel).soft, parse_math=False
    )


def _days(panel: Axes, comparison: Comparison, shades: Palette) -> None:
    """Mark the first and the last day."""
    last = comparison.scenarios[0].as_of + timedelta(days=comparison.horizon)
    same = len({scenario.as_of for scenario in comparison.scenarios}) == 1
    end = short_day(last) if same else f"{comparison.horizon} days"
    panel.set_xlim(0, comparison.horizon)
    panel.set_xticks([0, comparison.horizon], ["", end], ha="right")
    panel.axvline(0, color=shades.grid, linewidth=0.7)
