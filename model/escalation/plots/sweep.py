"""A sweep's variants: a map over two assumptions, and lines through all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.ticker import NullLocator

from escalation.errors import InvalidValueError
from escalation.maths.words import percent
from escalation.plots.style import (
    SMALL,
    canvas,
    compact,
    frame,
    margin,
    palette,
    ramp,
    wrap,
    write,
)
from escalation.sweeping.words import about, found_for, label, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

    from escalation.plots.style import Palette
    from escalation.reading.ranges import Range
    from escalation.sweeping.store import Sweep

    Array = NDArray[np.float64]

CELLS = 12  # cells along an axis of a map, at most, where the design is no grid
FILLED = 8  # variants in each of them, on average, at least
SHADES = 10  # a shade for each tenth of probability
MOST_LINES = 600
ABOVE = 0.5


def plot_sweep_map(
    sweep: Sweep,
    ax: Axes | None = None,
    target: str = "",
    across: str = "",
    up: str = "",
) -> Axes:
    """Plot the mean probability of a target over two varied assumptions, as a map.

    Parameters
    ----------
    sweep : Sweep
    ax : Axes, optional
    target : str
        By default the sweep's first.
    across, up : str
        Dotted names; by default the two that matter most.
    """
    target = target or sweep.targets[0]
    values = sweep.probability(target)
    ranked = ranking(sweep, values)
    first = across or ranked[0]
    second = up or next((name for name in ranked if name != first), first)
    ax = canvas(ax, 3.1 if compact(ax) else 4.2)
    shades = frame(ax)
    edges = [_edges(sweep, name) for name in (first, second)]
    table = _table(sweep, values, (first, second), edges)
    colours = ListedColormap(ramp(shades.ladder, SHADES))
    mesh = ax.pcolormesh(edges[0], edges[1], table.T, cmap=colours, vmin=0, vmax=1)
    _contour(ax, edges, table, shades)
    for name, axis in ((first, "x"), (second, "y")):
        _axis(ax, sweep, name, axis)
    bar = ax.figure.colorbar(mesh, ax=ax, ticks=[0, 0.5, 1], shrink=0.7, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=shades.soft)
    bar.ax.set_yticklabels(["0", "50", "100\N{NO-BREAK SPACE}%"])
    least, most = (percent(float(each)) for each in (np.nanmin(table), np.nanmax(table)))
    ax.set_label(
        f"Map of the probability of {label(sweep, target)} within {sweep.days[-1]} days over "
        f"{about(sweep, first)} (across) and {about(sweep, second)} (up), the rest averaged: from "
        f"{least} to {most}. A line marks 50\N{NO-BREAK SPACE}%."
    )
    return ax


def ranking(sweep: Sweep, values: Array) -> list[str]:
    """Names of what is varied, by how much of the variance of the values each explains alone."""
    explained = []
    for column in sweep.design.values.T:
        order = np.argsort(column, kind="stable")
        groups = np.array_split(values[order], min(CELLS, len(values)))
        explained.append(float(np.nanvar([np.nanmean(group) for group in groups])))
    return [sweep.design.names[place] for place in np.argsort(explained)[::-1]]


def _edges(sweep: Sweep, name: str) -> Array:
    """Edges of the cells along an assumption: half-way between the values of a grid."""
    each = _range(sweep, name)
    if sweep.design.kind != "grid":
        cells = int(np.clip(np.sqrt(sweep.design.size / FILLED), 2, CELLS))
        return each.at(np.linspace(0, 1, cells + 1))
    steps = each.points or 2
    shares = (np.arange(steps + 1) - 0.5) / (steps - 1)
    if each.logarithmic:
        return np.asarray(each.low * (each.high / each.low) ** shares)
    return np.asarray(each.low + (each.high - each.low) * shares)


def _range(sweep: Sweep, name: str) -> Range:
    return sweep.design.ranges[sweep.design.names.index(name)]


def _table(sweep: Sweep, values: Array, names: tuple[str, str], edges: list[Array]) -> Array:
    """Mean of the values in each cell; not a number where there is none."""
    places = []
    for name, edge in zip(names, edges, strict=True):
        column = sweep.design.values[:, sweep.design.names.index(name)]
        place = np.searchsorted(edge, column, side="right") - 1
        places.append(np.clip(place, 0, len(edge) - 2))
    shape = (len(edges[0]) - 1, len(edges[1]) - 1)
    flat = np.ravel_multi_index((places[0], places[1]), shape)
    good = np.isfinite(values)
    total = np.bincount(flat[good], values[good], minlength=shape[0] * shape[1])
    count = np.bincount(flat[good], minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        return np.asarray((total / count).reshape(shape))


def _contour(ax: Axes, edges: list[Array], table: Array, shades: Palette) -> None:
    """Mark where the probability crosses one half."""
    if min(table.shape) < 2 or not np.nanmin(table) < ABOVE < np.nanmax(table):  # noqa: PLR2004
        return
    middles = [np.sqrt(each[1:] * each[:-1]) if each[0] > 0 else (each[1:] + each[:-1]) / 2
               for each in edges]  # fmt: skip
    ax.contour(*middles, table.T, levels=[ABOVE], colors=[shades.ink], linewidths=1.4)


def _axis(ax: Axes, sweep: Sweep, name: str, axis: str) -> None:
    each = _range(sweep, name)
    which = ax.xaxis if axis == "x" else ax.yaxis
    if each.logarithmic:
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
        which.set_minor_locator(NullLocator())
    ticks = each.at(np.array([0.0, 0.5, 1.0]))
    which.set_ticks(ticks, [value(sweep, name, float(tick)).split(" ")[0] for tick in ticks])
    unit = value(sweep, name, 1.0).partition(" ")[2]
    words = about(sweep, name) + (f", {unit}" if unit else "")
    wide = 40 if axis == "x" else 32
    (ax.set_xlabel if axis == "x" else ax.set_ylabel)(
        wrap(words, wide, 3), fontsize=SMALL, color=palette(ax).ink, parse_math=False
    )


def plot_sweep_lines(
    sweep: Sweep, ax: Axes | None = None, target: str = "", above: float = ABOVE
) -> Axes:
    """Plot each variant as a line through its values: parallel coordinates.

    Variants in which the target is likelier than `above` are in colour; brackets mark the region
    that explains most of them.
    """
    target = target or sweep.targets[0]
    holds = sweep.probability(target) > above
    names = ranking(sweep, sweep.probability(target))
    narrow = compact(ax)
    ax = canvas(ax, 0.9 + (0.75 if narrow else 0.55) * len(names))
    shades = frame(ax)
    shares = np.stack([_share(sweep, name) for name in names], axis=-1)
    rows = -np.arange(len(names), dtype=float)
    rng = np.random.default_rng(0)
    for chosen, colour, alpha in ((~holds, shades.prior, 0.35), (holds, shades.climb, 0.28)):
        kept = np.flatnonzero(chosen)
        kept = rng.permutation(kept)[: MOST_LINES // 2]
        lines = [np.column_stack([shares[i], rows]) for i in kept]
        strength = float(np.clip(alpha * 200 / max(len(kept), 1), 0.02, 0.6))
        ax.add_collection(LineCollection(lines, colors=colour, linewidths=0.6, alpha=strength))
    _brackets(ax, sweep, names, target, above)
    for row, name in zip(rows, names, strict=True):
        ax.plot([0, 1], [row, row], color=shades.soft, linewidth=0.8, zorder=4)
        if narrow:
            named = wrap(about(sweep, name), 46, 2)
            _back(ax, write(ax, (0, row + 0.12), named, size=SMALL, side="above"))
        else:
            named = wrap(about(sweep, name), 30, 3)
            write(ax, (0, row), named, at=margin(ax, -8), size=SMALL, side="left")
        each = _range(sweep, name)
        for at, side in ((each.low, "right"), (each.high, "left")):
            shown = value(sweep, name, at)
            place = (0.0 if side == "right" else 1.0, row - 0.17)
            said = write(ax, place, shown, size=SMALL - 0.5, colour=shades.soft,
                         side="left" if side == "left" else "right")  # fmt: skip
            _back(ax, said)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(rows[-1] - 0.45, 0.75)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_label(
        f"A line for each variant through the values of {len(names)} assumptions; in red the "
        f"{percent(float(holds.mean()))} in which {label(sweep, target)} within {sweep.days[-1]} "
        f"days is above {percent(above)}."
    )
    return ax


def _back(ax: Axes, written: Sequence[Text]) -> None:
    """Lay paper under texts, as lines run behind them."""
    for each in written:
        each.set_bbox(
            {"facecolor": palette(ax).paper, "edgecolor": "none", "pad": 1.2, "alpha": 0.85}
        )


def _share(sweep: Sweep, name: str) -> Array:
    """Place of each variant's value in its range, in [0, 1]."""
    each = _range(sweep, name)
    column = sweep.design.values[:, sweep.design.names.index(name)]
    return _places(each, column)


def _places(each: Range, values: Array) -> Array:
    if each.logarithmic:
        return np.asarray(np.log(values / each.low) / np.log(each.high / each.low))
    return np.asarray((values - each.low) / (each.high - each.low))


def _brackets(ax: Axes, sweep: Sweep, names: list[str], target: str, above: float) -> None:
    """Mark the limits of the box with the largest coverage."""
    try:
        boxes = found_for(sweep, target, above).boxes
    except InvalidValueError:  # too few variants for regions
        return
    for limit in boxes[0].limits if boxes else ():
        each = _range(sweep, limit.name)
        ends = np.array(
            [
                each.low if limit.above is None else limit.above,
                each.high if limit.below is None else limit.below,
            ]
        )
        row = -names.index(limit.name)
        ax.plot(_places(each, ends), [row, row], color=palette(ax).ink, linewidth=4,
                solid_capstyle="butt", zorder=5)  # fmt: skip
