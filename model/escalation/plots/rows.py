"""Rows of a picture: a label, something drawn on a common axis of probabilities, a remark.

Wide, a label stands left of its row; on a telephone it stands above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter

from escalation.maths.words import percent
from escalation.plots.style import SMALL, canvas, compact, frame, margin, palette, wrap, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from escalation.plots.style import Palette

WIDE_ROW, NARROW_ROW = 0.36, 0.62  # inches
WIDE_LABEL, NARROW_LABEL = 40, 46  # characters
TICKS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
SMALLEST = 1e-4  # probabilities are drawn this far from 0 and 1 on an axis of log-odds
APART = 0.1  # of the axis, between its labels
HEAD, BAR = 5.0, 5.0  # points
TIP, NARROW_TIP = 0.11, 0.16  # of the axis, that a label takes


@dataclass(frozen=True)
class Rows:
    """A picture of so many rows, the first at the top.

    Attributes
    ----------
    ax : Axes
    count : int
    narrow : bool
    shades : Palette
    """

    ax: Axes
    count: int
    narrow: bool
    shades: Palette

    @classmethod
    def on(cls, ax: Axes | None, count: int) -> Rows:
        """Make the axes ready; `count` rows."""
        narrow = compact(ax)
        ax = canvas(ax, 0.75 + (NARROW_ROW if narrow else WIDE_ROW) * count)
        shades = frame(ax)
        ax.set_ylim(-0.7, count - (0.1 if narrow else 0.3))
        ax.set_yticks([])
        return cls(ax, count, narrow, shades)

    def place(self, row: int) -> float:
        """Height of a row."""
        return float(self.count - 1 - row)

    def name(self, row: int, label: str, *, bold: bool = False) -> None:
        """Name a row."""
        place, weight = self.place(row), "bold" if bold else "normal"
        if self.narrow:
            lines, edge = wrap(label, NARROW_LABEL, 2), self.ax.get_yaxis_transform()
            at = (0.0, place + 0.2)
            write(self.ax, at, lines, at=edge, size=SMALL, side="above", weight=weight)  # type: ignore[arg-type]
        else:
            lines, beside = wrap(label, WIDE_LABEL, 2), margin(self.ax, -8)
            write(self.ax, (0, place), lines, at=beside, size=SMALL, side="left", weight=weight)  # type: ignore[arg-type]

    def remark(self, row: int, words: str, *, soft: bool = False) -> None:
        """Write at the right edge of a row."""
        colour = self.shades.soft if soft else None
        write(
            self.ax, (1, self.place(row)), words, at=margin(self.ax, 8), size=SMALL, colour=colour
        )

    def head(self, words: str) -> None:
        """Head the column of remarks."""
        at = (1, self.count - 0.4)
        write(self.ax, at, words, at=margin(self.ax, 8), size=SMALL, colour=self.shades.soft)

    def rule(self, value: float) -> None:
        """Draw a line through all rows; on a telephone, clear of the labels between them."""
        if not self.narrow:
            self.ax.axvline(value, color=self.shades.soft, linewidth=0.9, zorder=1)
            return
        for row in range(self.count):
            ends = [self.place(row) - 0.16, self.place(row) + 0.16]
            self.ax.plot([value, value], ends, color=self.shades.soft, linewidth=0.9, zorder=1)
        self.ax.grid(visible=False, axis="x")

    def link(self, row: int, value: float) -> None:
        """Draw a line from a row to the next; on a telephone the label is in the way."""
        if not self.narrow:
            ends = [self.place(row), self.place(row + 1)]
            self.ax.plot([value, value], ends, color=self.shades.soft, linewidth=0.7, zorder=1)

    def line(self, row: int) -> None:
        """Draw the line of a row."""
        self.ax.axhline(self.place(row), color=self.shades.grid, linewidth=0.7, zorder=0)

    def bar(self, row: int, begin: float, end: float, colour: str, alpha: float = 1.0) -> None:
        """Draw a bar."""
        place = self.place(row)
        self.ax.plot(
            [begin, end],
            [place, place],
            color=colour,
            linewidth=BAR * 1.6,
            solid_capstyle="butt",
            alpha=alpha,
            zorder=2,
        )

    def arrow(self, row: int, begin: float, end: float, colour: str, *, full: bool) -> None:
        """Draw an arrow; its head is full or open."""
        place = self.place(row)
        self.ax.plot([begin, end], [place, place], color=colour, linewidth=1.8, zorder=2)
        self.ax.plot(
            [end],
            [place],
            ">" if end >= begin else "<",
            markersize=HEAD + 2,
            markerfacecolor=colour if full else self.shades.paper,
            markeredgecolor=colour,
            markeredgewidth=1.3,
            clip_on=False,
            zorder=3,
        )

    def dot(self, row: int, value: float, colour: str) -> None:
        """Draw a dot."""
        self.ax.plot([value], [self.place(row)], "o", color=colour, markersize=5, zorder=3)

    def tip(self, row: int, value: float, words: str, *, rising: bool) -> None:
        """Write beside the end of a bar or arrow, on its far side."""
        shift = 7 if rising else -7
        self.ax.annotate(
            words,
            (value, self.place(row)),
            xytext=(shift, 0),
            textcoords="offset points",
            ha="left" if rising else "right",
            va="center",
            fontsize=SMALL,
            color=self.shades.ink,
            parse_math=False,
            annotation_clip=False,
        )


def direction(rows: Rows, *, up: bool, off_ramp: bool = False) -> str:
    """Colour of what speaks for a climb, or against it; of an off-ramp the other way round."""
    return rows.shades.climb if up != off_ramp else rows.shades.off_ramp


def log_odds(probability: float) -> float:
    """Where a probability stands on an axis of log-odds."""
    inside = min(max(probability, SMALLEST), 1 - SMALLEST)
    return float(np.log(inside / (1 - inside)))


def log_odds_axis(ax: Axes, low: float, high: float) -> None:
    """Label an axis of log-odds from `low` to `high` by probabilities."""
    ax.set_xlim(low, high)
    kept: list[float] = []
    span = high - low
    for tick in TICKS:
        at = log_odds(tick)
        clear = not kept or at - log_odds(kept[-1]) > APART * span
        if low <= at <= high and clear:
            kept.append(tick)
    places = [log_odds(each) for each in kept]
    ax.xaxis.set_major_locator(FixedLocator(places))
    names = dict(zip(places, map(percent, kept), strict=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: names.get(at, "")))
    ax.grid(axis="x", color=palette(ax).grid, linewidth=0.7)
