"""What the evidence did to the assumptions.

Every assumption has its own unit, so they are put on one axis by where a value lies in its own
prior, F(θ) with F the prior's distribution function, stretched as a normal score. On that axis
all priors look alike and are drawn once, as the background; what differs is the posterior.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.priors import normal_score
from escalation.plots.style import (
    SMALL,
    canvas,
    compact,
    frame,
    margin,
    palette,
    wrap,
    write,
)
from escalation.reading.naming import ARROW, in_words, unit, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment

    Array = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
EDGE = 2.4  # normal scores shown either side


def plot_assumptions(assessment: Assessment, ax: Axes | None = None, most: int = 12) -> Axes:
    """Plot the posterior of each assumption against its prior, the most moved first.

    Parameters
    ----------
    assessment : Assessment
    ax : Axes, optional
    most : int
        How many to show.
    """
    narrow = compact(ax)
    names = list(assessment.movement)[:most]
    ax = canvas(ax, 0.7 + (0.56 if narrow else 0.36) * len(names))
    shades = frame(ax)
    _prior(ax)
    for row, name in enumerate(names):
        _strip(ax, assessment, name, float(len(names) - 1 - row))
    ax.set_xlim(-EDGE, EDGE)
    ax.set_ylim(-0.6, len(names) - (0.0 if narrow else 0.4))
    ax.set_yticks([])
    ax.set_xticks(normal_score(np.array(LEVELS)))
    ax.set_xticklabels(["5", "25", "50", "75", "95\N{NO-BREAK SPACE}%"])
    ax.set_xlabel("share of the prior that lies below", fontsize=SMALL, color=shades.soft)
    header = (1, len(names) - 0.4)
    write(ax, header, "median", at=margin(ax, 6), size=SMALL, colour=shades.soft)
    ax.set_label(_said(assessment, names))
    return ax


def _prior(ax: Axes) -> None:
    """Shade the central 90 % and 50 % of every prior, and mark its median."""
    shades = palette(ax)
    for low, high in ((0.05, 0.95), (0.25, 0.75)):
        ends = normal_score(np.array([low, high]))
        ax.axvspan(ends[0], ends[1], color=shades.prior, alpha=0.3, linewidth=0, zorder=0)
    ax.axvline(0, color=shades.soft, linewidth=0.8, zorder=1)


def _strip(ax: Axes, assessment: Assessment, name: str, place: float) -> None:
    shades = palette(ax)
    posterior = assessment.posterior
    draws = posterior.draws[name][posterior.index]
    score = _score(posterior.prior[name], np.quantile(draws, LEVELS))
    ax.plot(score[[0, 4]], [place, place], color=shades.climb, linewidth=1.4, zorder=2)
    ax.plot(
        score[[1, 3]],
        [place, place],
        color=shades.climb,
        linewidth=5,
        solid_capstyle="butt",
        zorder=2,
    )
    ax.plot(
        score[2:3],
        [place],
        "o",
        color=shades.climb,
        markeredgecolor=shades.paper,
        markersize=6.5,
        zorder=3,
    )
    label = in_words(assessment.scenario, name)
    if compact(ax):
        lines, edge = wrap(label, 50, 2), ax.get_yaxis_transform()
        write(ax, (0.01, place + 0.2), lines, at=edge, size=SMALL, side="above")
    else:
        write(ax, (0, place), wrap(label, 46, 3), at=margin(ax, -6), size=SMALL, side="left")
    write(ax, (1, place), _change(assessment, name), at=margin(ax, 6), size=SMALL)


def _score(prior: Array, values: Array) -> Array:
    """Return where values lie in the prior, as normal scores."""
    below = np.searchsorted(np.sort(prior), values) / len(prior)
    inside = 1 / (2 * len(prior))
    return np.asarray(normal_score(np.clip(below, inside, 1 - inside)), dtype=float)


def _change(assessment: Assessment, name: str) -> str:
    """`0.07 → 0.11`: the medians before and after."""
    medians = (
        spread[name].quantiles[2]
        for spread in (assessment.prior_spread, assessment.posterior_spread)
    )
    assumption = assessment.scenario.assumptions[name]
    return f" {ARROW} ".join(value_text(assumption, median) for median in medians)


def _said(assessment: Assessment, names: list[str]) -> str:
    parts = (
        f"{in_words(assessment.scenario, name)} {_change(assessment, name)} "
        f"{unit(assessment.scenario.assumptions[name])}".strip()
        for name in names[:5]
    )
    return "The assumptions that the evidence moved most, by their medians: " + "; ".join(parts)
