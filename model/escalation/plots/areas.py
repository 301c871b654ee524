"""Areas that add up to 1 over days, named at their right edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.words import percent
from escalation.plots.style import (
    SIZE,
    frame,
    height_of,
    margin,
    palette,
    percent_axis,
    spread,
    state_colours,
    wrap,
    write,
)
from escalation.reading.naming import short_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from escalation.engine.assessment import Band
    from escalation.reading.case import Factor, State

    Array = NDArray[np.float64]

HATCH = "////"
LEAD, SHARE = 15, 32  # points for the line to a label, and for the widest share


def order(factor: Factor) -> list[State]:
    """Return the states from the bottom of the picture: off-ramps, then lowest first."""
    return sorted(factor.states, key=lambda state: not state.off_ramp)


def stack(ax: Axes, days: Array, band: Band, factor: Factor) -> None:
    """Stack P(state on the day) over days, whose numbers are matplotlib's."""
    shades = frame(ax)
    colours = state_colours(factor, shades)
    below = np.zeros(len(days))
    for state in order(factor):
        above = below + band.of(state.id)[0]
        ax.fill_between(
            days,
            below,
            above,
            facecolor=colours[state.id],
            edgecolor=shades.paper,
            linewidth=0.8,
            hatch=HATCH if state.off_ramp else None,
        )
        below = above
    ax.set_xlim(days[0], days[-1])
    ax.set_ylim(0, 1)
    percent_axis(ax, "y", [0, 0.5, 1])
    ax.grid(visible=False)


def name_ends(ax: Axes, band: Band, factor: Factor, points: float, width: int) -> None:
    """Name each area, with its share on the last day, beside its right edge.

    Parameters
    ----------
    points : float
        Height of the axes, nearly: labels are kept apart by it.
    width : int
        Characters after which a label is broken.
    """
    states = order(factor)
    ends = np.array([band.of(state.id)[0][-1] for state in states])
    middles = np.cumsum(ends) - ends / 2
    names = short_labels(factor)
    labels = [wrap(names[state.id], width, 2) for state in states]
    heights = [height_of(label) / points for label in labels]
    colours = state_colours(factor, palette(ax))
    places = spread([float(each) for each in middles], heights, -0.04, 1.04)
    for state, middle, place, share, label in zip(
        states, middles, places, ends, labels, strict=True
    ):
        _name(ax, (float(middle), place), percent(float(share)), label, colours[state.id])


def _name(ax: Axes, heights: tuple[float, float], share: str, label: str, colour: str) -> None:
    """Write share and label at a height, with a line in the colour of the area they name."""
    middle, place = heights
    ax.annotate(
        share,
        xy=(1, middle),
        xycoords=margin(ax, 2),
        xytext=(1, place),
        textcoords=margin(ax, LEAD),
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 3,
            "relpos": (0, 0.5),
            "patchA": None,  # else the line is cut where it meets the text's box, slowly
            "shrinkA": 5,
            "shrinkB": 0,
        },
        fontsize=SIZE,
        fontweight="bold",
        color=palette(ax).ink,
        va="center",
        parse_math=False,
    )
    write(ax, (1, place), label, at=margin(ax, LEAD + SHARE))
