r"""The picture that moves while one drags: reach curves as SVG, written directly.

For each target P(reached by the day), with its 5–95 % interval, over that of the file's own
version (dashed). A figure laid out by matplotlib takes longer than the quick answer itself; this
takes a millisecond, and follows JupyterLab's light or dark theme.

    x = left + width · day/H,     y = top + height · (1 − p/ceiling)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from escalation.maths.words import percent
from escalation.reading.naming import short_day, state_of
from escalation.reporting.markup import clean, tag

if TYPE_CHECKING:
    from datetime import date

    from markupsafe import Markup

    from escalation.engine.assessment import Assessment
    from escalation.lab.desk import Answer
    from escalation.lab.sketch import Glance

WIDTH, HEIGHT = 250, 116
LEFT, RIGHT, TOP, BOTTOM = 8, 44, 26, 22
CLIMB, OFF_RAMP = "#c0392b", "#17788c"
CEILINGS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
INK = "fill:var(--jp-ui-font-color1,#1b1f24);font:11px system-ui,sans-serif"
SOFT = "fill:var(--jp-ui-font-color2,#59616b);font:10px system-ui,sans-serif"


def curves(answer: Answer, targets: tuple[str, ...]) -> Markup:
    """Return the reach curves of these targets, a panel for each, in rows of two."""
    highest = max(float(answer.edited.reach.of(name)[2].max()) for name in targets)
    top = next(each for each in CEILINGS if each >= min(highest, 1.0))
    panels = (_panel(answer, name, top) for name in targets)
    return tag("div", *panels, class_="workbench-curves", style="display:flex;flex-wrap:wrap")


def _panel(answer: Answer, name: str, ceiling: float) -> Markup:
    edited, filed = answer.edited, answer.filed
    state = state_of(edited.scenario, name)
    colour = OFF_RAMP if state.off_ramp else CLIMB
    mean, low, high = (list(map(float, each)) for each in edited.reach.of(name))
    band = _points(low, ceiling) + _points(high, ceiling)[::-1]
    before = [float(each) for each in filed.reach.of(name)[0]] if name in filed.reach.names else []
    end_x, end_y = _points(mean, ceiling)[-1]
    alt = f"Probability of {state.label}, rising to {percent(mean[-1])}"
    return tag(
        "svg",
        _frame(edited, state.label, ceiling),
        tag("polygon", points=_joined(band), fill=colour, opacity="0.17"),
        _line(_points(before, ceiling), "var(--jp-ui-font-color2,#59616b)", "4 3"),
        _line(_points(mean, ceiling), colour),
        tag("circle", cx=f"{end_x:.1f}", cy=f"{end_y:.1f}", r="3", fill=colour),
        _words(end_x + 6, max(end_y - 3, TOP + 4), percent(mean[-1]), f"{INK};font-weight:bold"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=clean(alt),
        style=f"width:{WIDTH + 20}px;max-width:100%",
    )


def _frame(assessment: Assessment | Glance, label: str, ceiling: float) -> Markup:
    """Title, base line and ticks of a panel."""
    days = [assessment.as_of, _last(assessment)]
    right, base = WIDTH - RIGHT, HEIGHT - BOTTOM
    grid = "var(--jp-border-color2,#dfe2e6)"
    title = label if len(label) <= 34 else label[:33] + "…"  # noqa: PLR2004 (of a panel's width)
    return tag(
        "g",
        tag("line", x1=f"{LEFT}", x2=f"{right}", y1=f"{base}", y2=f"{base}", stroke=grid),
        tag("line", x1=f"{LEFT}", x2=f"{right}", y1=f"{TOP}", y2=f"{TOP}", stroke=grid),
        _words(LEFT, 13, title, f"{INK};font-weight:bold"),
        _words(LEFT, TOP + 11, percent(ceiling), SOFT),
        _words(LEFT, HEIGHT - 7, short_day(days[0]), SOFT),
        _words(right - 34, HEIGHT - 7, short_day(days[1]), SOFT),
    )


def _last(assessment: Assessment | Glance) -> date:
    from datetime import timedelta

    return assessment.as_of + timedelta(days=assessment.horizon)


def _points(values: list[float], ceiling: float) -> list[tuple[float, float]]:
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    steps = max(len(values) - 1, 1)
    return [
        (LEFT + width * i / steps, TOP + height * (1 - min(p / ceiling, 1.0)))
        for i, p in enumerate(values)
    ]


def _joined(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _line(points: list[tuple[float, float]], colour: str, dashes: str | None = None) -> Markup:
    return tag(
        "polyline",
        points=_joined(points),
        fill="none",
        stroke=colour,
        stroke_width="1.2" if dashes else "2.2",
        stroke_dasharray=dashes,
    )


def _words(x: float, y: float, words: str, style: str) -> Markup:
    return tag("text", clean(words), x=f"{x:.1f}", y=f"{y:.1f}", style=style)
