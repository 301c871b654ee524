"""The visual language: colours, type sizes, labels and axes of every plot, in this one place.

- Rungs are ordered, so their colours are one ramp whose lightness only falls (light mode) or only
  rises (dark mode): it survives colour blindness and a grey printer. Off-ramps stand outside the
  order and have a hue of their own, and hatching where areas touch. Latent factors have a cool
  ramp. What climbs is red, what leaves the ladder is teal, what was believed before is grey.
- Labels stand beside what they name; there are no legends, boxes or ticks without a purpose.
- A plot is drawn for the width it is read at: `style(width=NARROW)` is for a telephone, with
  the type the same size and everything else rearranged.

Nothing here is global: a plot takes its palette from the background of its figure.

>>> ramp(["#000000", "#ffffff"], 2)
['#404040', '#c0c0c0']
>>> spread([0.0, 1.0, 10.0], [4.0, 4.0, 4.0], 0.0, 20.0)
[2.0, 6.0, 10.0]
"""

from __future__ import annotations

import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import colors, dates
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter
from matplotlib.transforms import ScaledTranslation

from escalation.errors import InvalidValueError
from escalation.reading.naming import short_day, short_month
from escalation.reporting.markup import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

    from escalation.reading.case import Factor

WIDE, NARROW = 7.2, 3.5  # inches; a page column, a telephone
COMPACT = 5.0  # inches; plots narrower than this are rearranged
SIZE, SMALL, TITLE = 9.0, 8.0, 9.5  # points
WEEKS_BELOW = 2  # months of an axis, below which it is labelled by weeks
DARK_BELOW = 0.4  # brightness of a figure's background
INCH = 72  # points
LINE = 1.22  # of a text's size, from one line to the next


@dataclass(frozen=True)
class Palette:
    """Colours of one mode. `ladder` and `latent` are anchors of a ramp, lowest first."""

    paper: str
    ink: str
    soft: str
    grid: str
    prior: str
    climb: str
    off_ramp: str
    ladder: tuple[str, ...]
    latent: tuple[str, ...]


LIGHT = Palette(
    paper="#ffffff",
    ink="#1b1f24",
    soft="#59616b",
    grid="#dfe2e6",
    prior="#c6cbd2",
    climb="#a8213d",
    off_ramp="#17788c",
    ladder=("#f0dcb8", "#e8a562", "#cf5b40", "#8f2044", "#3b0c33"),
    latent=("#dde3f1", "#9fb0da", "#6169b4", "#2a215f"),
)

DARK = Palette(
    paper="#14171b",
    ink="#e8eaed",
    soft="#a3abb5",
    grid="#30363d",
    prior="#4a525c",
    climb="#ff8b78",
    off_ramp="#53c4d8",
    ladder=("#4a3a31", "#8a4636", "#cd5c42", "#f2a553", "#fdecb0"),
    latent=("#2d3450", "#566299", "#93a2e0", "#e3e8ff"),
)

MOST_STATES = 16


@contextmanager
def style(mode: Literal["light", "dark"] = "light", width: float = WIDE) -> Iterator[None]:
    """Make new plots light or dark, and so many inches wide."""
    paper = (DARK if mode == "dark" else LIGHT).paper
    with mpl.rc_context(
        {
            "figure.figsize": (width, width * 0.6),
            "figure.facecolor": paper,
            "savefig.facecolor": paper,
            "font.family": "DejaVu Sans",
            "font.size": SIZE,
            "hatch.linewidth": 0.6,
            "svg.fonttype": "none",
            "text.parse_math": False,
        }
    ):
        yield


def canvas(ax: Axes | None, height: float) -> Axes:
    """Return the axes given, or new ones of this height in a figure of their own."""
    if ax is not None:
        return ax
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0.04)
    return Figure((mpl.rcParams["figure.figsize"][0], height), layout=layout).subplots()


def compact(ax: Axes | None = None) -> bool:
    """Whether a plot on these axes, or new ones, is for a telephone."""
    inches = mpl.rcParams["figure.figsize"][0] if ax is None else root(ax).get_figwidth()
    return bool(inches < COMPACT)


def split(ax: Axes, rows: int, columns: int = 1, ratios: Sequence[float] = ()) -> list[Axes]:
    """Return a grid of axes in the place of one, row by row, and leave that one empty."""
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is None:
        raise InvalidValueError("several panels need axes made by Figure.subplots")
    grid = spec.subgridspec(rows, columns, height_ratios=list(ratios) or None)
    return [root(ax).add_subplot(grid[index]) for index in range(rows * columns)]


def palette(ax: Axes) -> Palette:
    """Return the palette that suits the background of the axes' figure."""
    red, green, blue, alpha = colors.to_rgba(root(ax).get_facecolor())
    bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return DARK if alpha and bright < DARK_BELOW else LIGHT


def ramp(anchors: Sequence[str], count: int) -> list[str]:
    """Return so many colours along a ramp: those in the middle of as many equal parts."""
    blend = colors.LinearSegmentedColormap.from_list("ramp", list(anchors))
    return [colors.to_hex(blend((each + 0.5) / count)) for each in range(count)]


def state_colours(factor: Factor, shades: Palette) -> dict[str, str]:
    """Return the colour of each state of a factor."""
    inside = [state.id for state in factor.states if not state.off_ramp]
    anchors = shades.ladder if factor.name == "rung" else shades.latent
    found = dict(zip(inside, ramp(anchors, len(inside)), strict=True))
    return found | {state.id: shades.off_ramp for state in factor.states if state.off_ramp}


@cache
def dark_of_light() -> dict[str, str]:
    """Return, for every colour of the light palette and its ramps, the dark one."""
    plain = ("paper", "ink", "soft", "grid", "prior", "climb", "off_ramp")
    pairs = {getattr(LIGHT, each): getattr(DARK, each) for each in plain}
    for name in ("ladder", "latent"):
        for count in range(1, MOST_STATES + 1):
            light, dark = (ramp(getattr(each, name), count) for each in (LIGHT, DARK))
            pairs |= dict(zip(light, dark, strict=True))
    return pairs


def frame(ax: Axes) -> Palette:
    """Clear the axes of everything but a light grid, and return their palette."""
    shades = palette(ax)
    ax.set_facecolor("none")
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, pad=4, labelsize=SMALL, labelcolor=shades.soft)
    ax.tick_params(axis="x", pad=6)  # clear of the lowest label of the other axis
    ax.set_axisbelow(True)
    return shades


def percent_axis(ax: Axes, axis: Literal["x", "y"], ticks: Sequence[float]) -> None:
    """Label an axis of probabilities, with a sign at its last tick only."""
    which = ax.xaxis if axis == "x" else ax.yaxis
    which.set_major_locator(FixedLocator(list(ticks)))
    last = ticks[-1]
    which.set_major_formatter(
        FuncFormatter(lambda p, _: f"{100 * p:.0f}" + ("\N{NO-BREAK SPACE}%" if p == last else ""))
    )
    ax.grid(axis=axis, color=palette(ax).grid, linewidth=0.7)


def date_axis(ax: Axes, most: int = 6) -> None:
    """Label an axis of days by months, or by weeks if it is shorter than two months."""
    low, high = ax.get_xlim()
    months = (high - low) / 30.4
    if months < WEEKS_BELOW:
        locator = dates.AutoDateLocator(minticks=2, maxticks=most)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(FuncFormatter(_day))
        return
    step = next((each for each in (1, 2, 3, 6) if months / each <= most), 12)
    every = dates.MonthLocator(range(1, 13, step))  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(every)
    ax.xaxis.set_major_formatter(FuncFormatter(_month))


def _day(number: float, _: object) -> str:
    return short_day(_day_of(number))


def _month(number: float, _: object) -> str:
    when = _day_of(number)
    return short_month(when) + (f"\n{when.year}" if when.month == 1 else "")


def _day_of(number: float) -> date:
    when: date = dates.num2date(number)  # type: ignore[no-untyped-call]
    return when


def day_number(when: date) -> float:
    """Return a day as matplotlib counts them."""
    return float(dates.date2num(when))  # type: ignore[no-untyped-call]


def write(
    ax: Axes,
    place: tuple[float, float],
    words: str,
    *,
    at: Transform | None = None,
    size: float = SIZE,
    colour: str | None = None,
    weight: Literal["normal", "bold"] = "normal",
    side: Literal["right", "left", "above", "below"] = "right",
) -> list[Text]:
    """Write anyone's text beside a place: no mathematics, no control characters.

    Each line is a text of its own, so that lines stay aligned in whatever type they are shown.
    Returns these texts.
    """
    lines = clean(words).split("\n")
    first = {"above": len(lines) - 1, "below": 0}.get(side, (len(lines) - 1) / 2)
    written = []
    for index, line in enumerate(lines):
        up = (first - index) * size * LINE / INCH
        text = ax.text(
            *place,
            line,
            transform=(at or ax.transData) + ScaledTranslation(0, up, root(ax).dpi_scale_trans),
            fontsize=size,
            color=colour or palette(ax).ink,
            fontweight=weight,
            ha="right" if side == "left" else "left",
            va={"above": "bottom", "below": "top"}.get(side, "center"),
            clip_on=False,
            parse_math=False,
        )
        written.append(text)
    return written


def root(ax: Axes) -> Figure:
    """Return the figure of axes."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InvalidValueError("these axes were taken out of their figure")
    return figure


def margin(ax: Axes, points: float) -> Transform:
    """Return coordinates beside the axes: x in their width and so many points, y in data."""
    shift = ScaledTranslation(points / INCH, 0, root(ax).dpi_scale_trans)
    return ax.get_yaxis_transform() + shift


def heading(ax: Axes, words: str, width: int = 34, most: int = 2) -> None:
    """Head a panel, at its left, in at most so many lines."""
    ax.set_title(
        wrap(words, width, most),
        loc="left",
        fontsize=TITLE,
        fontweight="bold",
        color=palette(ax).ink,
        pad=6,
        parse_math=False,
    )


def wrap(words: str, width: int, most: int = 3) -> str:
    """Break a text into at most so many lines of at most so many characters."""
    return "\n".join(
        textwrap.wrap(clean(words), width, max_lines=most, placeholder="\N{HORIZONTAL ELLIPSIS}")
    )


def height_of(words: str, size: float = SIZE) -> float:
    """Return the height of a label in points, with a little space around it."""
    return (words.count("\n") + 1.25) * size * LINE


def spread(
    centres: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Move labels apart until none overlaps, each as little as may be, within an interval.

    Centres are in rising order. Least squares under the order of the labels: groups that touch
    are pooled at the mean of what their members want (pool adjacent violators).
    """
    groups: list[tuple[float, list[float]]] = []  # bottom edge, heights
    for centre, tall in zip(centres, heights, strict=True):
        groups.append((centre - tall / 2, [tall]))
        while len(groups) > 1 and groups[-2][0] + sum(groups[-2][1]) > groups[-1][0]:
            (below, first), (above, second) = groups[-2:]
            wanted = (len(first) * below + len(second) * (above - sum(first))) / len(first + second)
            groups[-2:] = [(wanted, first + second)]
    return _placed(groups, low, high)


def _placed(groups: list[tuple[float, list[float]]], low: float, high: float) -> list[float]:
    """Return centres of pooled groups, kept within the interval where they fit."""
    edges = [edge for bottom, tall in groups for edge in bottom + np.cumsum([0.0, *tall[:-1]])]
    tops = [tall for _, group in groups for tall in group]
    for i in range(len(edges)):
        floor = low if i == 0 else edges[i - 1] + tops[i - 1]
        edges[i] = max(edges[i], floor)
    for i in reversed(range(len(edges))):
        ceiling = high if i == len(edges) - 1 else edges[i + 1]
        edges[i] = min(edges[i], ceiling - tops[i])
    return [float(edge + tall / 2) for edge, tall in zip(edges, tops, strict=True)]
