"""Do things said to be 30 % likely happen in 30 of 100 cases? A reliability diagram of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from escalation.maths.words import percent
from escalation.plots.style import SMALL, canvas, compact, frame, percent_axis, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

LEVELS = (0.05, 0.95)
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
LARGEST = 13.0  # points, the dot with the most forecasts
ROOM = 0.04


@dataclass(frozen=True)
class Counted:
    """Forecasts of about the same probability.

    Attributes
    ----------
    said : float
        Their mean probability.
    forecasts, happened : int
        How many there were, and in how many of them it happened.
    """

    said: float
    forecasts: int
    happened: int


def plot_reliability(counts: Sequence[Counted], ax: Axes | None = None) -> Axes:
    """Plot how often things happened against how likely they were said to be.

    Parameters
    ----------
    counts : sequence of Counted
    ax : Axes, optional

    Notes
    -----
    The line of each dot is what the true share may be given its counts alone: the central 90 %
    of a Beta posterior with Jeffreys' prior.
    """
    narrow = compact(ax)
    ax = canvas(ax, 3.4 if narrow else 4.2)
    shades = frame(ax)
    ax.plot([0, 1], [0, 1], color=shades.soft, linewidth=0.9, zorder=1)
    known = sorted((each for each in counts if each.forecasts), key=lambda each: each.said)
    most = max((each.forecasts for each in known), default=1)
    for each in known:
        share = each.happened / each.forecasts
        a, b = each.happened + 0.5, each.forecasts - each.happened + 0.5
        ends = [float(betaincinv(a, b, level)) for level in LEVELS]
        ax.plot([each.said] * 2, ends, color=shades.climb, linewidth=1.4, alpha=0.6, zorder=2)
        size = 4 + (LARGEST - 4) * float(np.sqrt(each.forecasts / most))
        ax.plot([each.said], [share], "o", color=shades.climb, markersize=size,
                markeredgecolor=shades.paper, zorder=3)  # fmt: skip
    _label(ax, known)
    ax.set_xlim(-ROOM, 1 + ROOM)
    ax.set_ylim(-ROOM, 1 + ROOM)
    ax.set_aspect("equal")
    percent_axis(ax, "x", QUARTERS)
    percent_axis(ax, "y", QUARTERS)
    ax.set_xlabel("said", fontsize=SMALL, color=shades.soft)
    ax.set_ylabel("happened", fontsize=SMALL, color=shades.soft)
    ax.set_label(
        "Share that happened by what was said: "
        + "; ".join(
            f"said {percent(each.said)}, {each.happened} of {each.forecasts}" for each in known
        )
        + "."
    )
    return ax


def _label(ax: Axes, known: Sequence[Counted]) -> None:
    """Write the counts along the top, apart from one another."""
    last = -1.0
    for each in known:
        if each.said - last > (0.16 if compact(ax) else 0.1):
            write(ax, (each.said - 0.02, 1 + ROOM), f"{each.happened}/{each.forecasts}",
                  size=SMALL, side="above")  # fmt: skip
            last = each.said
