"""A probability over as-of days, small enough to stand in a list: inline SVG, light and dark.

    y = bottom − p · (bottom − top),    x = left + (day − first) / (last − first) · width

The scale is always that of a probability, from 0 to 1, so that two of them can be compared; the
shade is the central 90 % of each day. The first value stands beside its point, the last one is
what the card above says. Days on which a report failed have a cross on the ground line. A line of
many days is thinned to one point for each two units of width, the last one of each.

>>> from datetime import date
>>> one = sparkline([Point(date(2025, 11, 22), 0.34, 0.1, 0.6)], [], name="Strikes")
>>> one.count("<circle"), one.count("<path"), "http" in one
(1, 0, False)
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from escalation.maths.words import percent
from escalation.reading.naming import short_day
from escalation.reporting.markup import EMPTY, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 200, 72
LEFT, RIGHT, TOP, BOTTOM, DATES = 4, 196, 6, 54, 68
DOTS = 12  # at most so many days have a dot each
_STEP = 2  # units of width between two points of a long line


class Point(NamedTuple):
    """A probability and its interval as of a day."""

    day: date
    probability: float
    low: float
    high: float


def sparkline(points: Sequence[Point], failures: Sequence[date], *, name: str) -> Markup:
    """Return the picture.

    Parameters
    ----------
    points : sequence of Point
        By day; at least one.
    failures : sequence of date
        Days of which there is no report because it failed.
    name : str
        Of what it is the probability.
    """
    scale = _Scale(points, failures)
    parts = [_ground(), _band(points, scale), _line(points, scale)]
    parts += [_cross(scale.x(each)) for each in failures]
    shown = points if len(points) <= DOTS else points[-1:]
    parts += [_dot(each, scale, last=each is points[-1]) for each in shown]
    parts.append(_labels(points, scale))
    return tag(
        "svg",
        EMPTY.join(parts),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_said(points, failures, name),
        class_="spark",
    )


class _Scale:
    """From days and probabilities to places in the picture."""

    def __init__(self, points: Sequence[Point], failures: Sequence[date]) -> None:
        days = [*(each.day for each in points), *failures]
        self.first, self.last = min(days), max(days)

    def x(self, day: date) -> float:
        whole = (self.last - self.first).days
        return LEFT + (RIGHT - LEFT) * ((day - self.first).days / whole) if whole else RIGHT

    def at(self, day: date, probability: float) -> str:
        return f"{self.x(day):.1f} {self.y(probability):.1f}"

    @staticmethod
    def y(probability: float) -> float:
        return BOTTOM - probability * (BOTTOM - TOP)


def _ground() -> Markup:
    lines = (
        tag("line", x1=f"{LEFT}", x2=f"{RIGHT}", y1=f"{y}", y2=f"{y}", class_="rule")
        for y in (TOP, BOTTOM)
    )
    return EMPTY.join(lines)


def _thinned(points: Sequence[Point], scale: _Scale) -> list[Point]:
    """Keep the last point of each two units of width, and the first of all."""
    kept = {round(scale.x(each.day) / _STEP): each for each in points[1:]}
    return [points[0], *kept.values()]


def _band(points: Sequence[Point], scale: _Scale) -> Markup:
    few = _thinned(points, scale)
    if len(few) == 1:
        return EMPTY
    there = [scale.at(each.day, each.high) for each in few]
    back = [scale.at(each.day, each.low) for each in reversed(few)]
    return tag("path", d=f"M{'L'.join([*there, *back])}Z", class_="band")


def _line(points: Sequence[Point], scale: _Scale) -> Markup:
    few = _thinned(points, scale)
    if len(few) == 1:
        return EMPTY
    return tag("path", d=f"M{'L'.join(scale.at(*each[:2]) for each in few)}", class_="line")


def _dot(point: Point, scale: _Scale, *, last: bool) -> Markup:
    x, y = scale.at(point.day, point.probability).split()
    return tag(
        "circle",
        tag("title", f"{short_day(point.day)}: {percent(point.probability)}"),
        cx=x,
        cy=y,
        r="3.2" if last else "1.8",
        class_="dot",
    )


def _cross(x: float) -> Markup:
    arms = f"M{x - 3:.1f} {BOTTOM - 3}l6 6M{x - 3:.1f} {BOTTOM + 3}l6 -6"
    return tag("path", d=arms, class_="cross")


def _labels(points: Sequence[Point], scale: _Scale) -> Markup:
    end = tag("text", _day(scale.last, scale), x=f"{RIGHT}", y=f"{DATES}", class_="end")
    if scale.first == scale.last:
        return end
    first = points[0]
    above = scale.y(first.high if len(points) > 1 else first.probability) - 4
    value = tag(
        "text",
        percent(first.probability),
        x=f"{scale.x(first.day):.1f}",
        y=f"{max(above, TOP + 9):.1f}",
        class_="value",
    )
    return EMPTY.join(
        [value, tag("text", _day(scale.first, scale), x=f"{LEFT}", y=f"{DATES}"), end]
    )


def _day(day: date, scale: _Scale) -> str:
    """Say a day, with its year where the picture spans more than one."""
    years = scale.first.year != scale.last.year
    return short_day(day) + (f" {day.year}" if years else "")


def _said(points: Sequence[Point], failures: Sequence[date], name: str) -> str:
    first, last = points[0], points[-1]
    said = f"{name}: {percent(last.probability)} on {last.day}"
    if len(points) > 1:
        said = (
            f"{name}: from {percent(first.probability)} on {first.day} to {said[len(name) + 2 :]}"
        )
    failed = f"; {len(failures)} days failed" if failures else ""
    failed = "; a day failed" if len(failures) == 1 else failed
    return said + failed
