"""Controls that fit a number: what an analyst drags, picks or types instead of YAML.

    low to high     a slider with two handles, on a scale of ratios (of odds for probabilities)
    a word          a list of the seven words
    a plain number  a slider on the same scale
    {dist: …}       a box for each parameter

Beside each stands the text itself, as it would be in the file; whatever the grammar takes can be
typed there. A control turns what the hand does into such a text; whether it is valid is not its
business.

>>> interval_parts("3 to 6 per 7d"), interval_parts("x1.5 to 4")
(('', 3.0, 6.0, ' per 7d'), ('x', 1.5, 4.0, ''))
>>> interval_text("60d to 90d", 45, 90), interval_text("0.1 to 0.4", 0.15, 0.4)
('45d to 90d', '0.15 to 0.4')
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from escalation.lab import roundtrip
from escalation.maths.words import ICD203_BANDS, WORDS
from escalation.reading.grammar import NUMBER_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable

    from escalation.reading.case import Assumption, Role

    # Text, and whether the hand is still moving.
    Send = Callable[[str, bool], None]

STEPS = 60  # to either side of the file's value
REACH = 30.0  # the scale ends at so many times, and so small a part of, what the file says
_INTERVAL = re.compile(
    rf"(x ?)?({NUMBER_PATTERN})([dwy]?)\s+to\s+({NUMBER_PATTERN})([dwy]?)( per .+)?"
)
_NUMBER = re.compile(rf"(x ?)?({NUMBER_PATTERN})([dwy]?)( per .+)?")
_WIDTH = widgets.Layout(width="330px")


def interval_parts(text: str) -> tuple[str, float, float, str] | None:
    """Return what stands before an interval, its ends, and what stands after it; None: none."""
    found = _INTERVAL.fullmatch(text.strip())
    if found is None or found[3] != found[5]:
        return None
    return found[1] or "", float(found[2]), float(found[4]), found[6] or found[3]


def interval_text(like: str, low: float, high: float) -> str:
    """Return an interval written like another one."""
    found = _INTERVAL.fullmatch(like.strip())
    if found is None:
        return f"{low:g} to {high:g}"
    before, unit, per = found[1] or "", found[3], found[6] or ""
    return f"{before}{low:g}{unit} to {high:g}{unit}{per}"


def number_text(like: str, value: float) -> str:
    """Return a plain number written like another one."""
    found = _NUMBER.fullmatch(like.strip())
    before, unit, per = (found[1] or "", found[3], found[4] or "") if found else ("", "", "")
    return f"{before}{value:g}{unit}{per}"


def scale(ends: tuple[float, ...], role: Role) -> list[float]:
    """Return the places of a slider, rising: round numbers, and the file's own."""
    low, high = min(ends), max(ends)
    if role in {"probability", "weight"}:
        odds = np.exp(np.linspace(np.log(0.002), np.log(500), 2 * STEPS))
        places = odds / (1 + odds)
        rounded = {float(f"{p:.2g}") if p < 0.5 else 1 - float(f"{1 - p:.2g}") for p in places}  # noqa: PLR2004 (the middle)
    else:
        bottom = low / REACH if low > 0 else max(high, 1.0) / REACH**2
        grid = np.geomspace(bottom, max(high, bottom) * REACH, 2 * STEPS)
        rounded = {float(f"{each:.2g}") for each in grid}
    return sorted({*(round(each, 6) for each in rounded), *ends})


def control(assumption: Assumption, text: str, send: Send) -> widgets.Widget | None:
    """Return the control that fits what is written; None where only the text does."""
    parts = interval_parts(text)
    if parts is not None:
        return _range(assumption, text, parts[1:3], send)
    if " ".join(text.lower().split()) in ICD203_BANDS and assumption.role == "probability":
        return _words(text, send)
    if text.startswith("{"):
        return _distribution(text, send)
    if (found := _NUMBER.fullmatch(text.strip())) is not None:
        return _number(assumption, text, float(found[2]), send)
    return None


def _range(
    assumption: Assumption, text: str, ends: tuple[float, float], send: Send
) -> widgets.Widget:
    """Return a slider with two handles."""
    places = scale(ends, assumption.role)
    slider = widgets.SelectionRangeSlider(
        options=[(f"{each:g}", each) for each in places],
        value=ends,
        continuous_update=True,
        layout=_WIDTH,
    )
    slider.add_class("workbench-range")
    slider.observe(lambda change: send(interval_text(text, *change["new"]), True), "value")  # noqa: FBT003 (a hand is moving)
    return slider


def _number(assumption: Assumption, text: str, value: float, send: Send) -> widgets.Widget:
    """Return a slider with one handle."""
    places = scale((value,), assumption.role)
    slider = widgets.SelectionSlider(
        options=[(f"{each:g}", each) for each in places],
        value=value,
        continuous_update=True,
        layout=_WIDTH,
    )
    slider.observe(lambda change: send(number_text(text, change["new"]), True), "value")  # noqa: FBT003 (as above)
    return slider


def _words(text: str, send: Send) -> widgets.Widget:
    """Return the list of words."""
    given = " ".join(text.lower().split())
    picker = widgets.Dropdown(
        options=list(dict.fromkeys([*WORDS["icd203"], given])), value=given, layout=_WIDTH
    )
    picker.observe(lambda change: send(change["new"], False), "value")  # noqa: FBT003 (picked)
    return picker


def _distribution(text: str, send: Send) -> widgets.Widget | None:
    """Return a box for each parameter of a distribution."""
    given = roundtrip.settings(f"value: {text}")["value"]
    boxes: dict[str, Any] = {}

    def changed(_: object) -> None:
        pairs = "".join(f", {name}: {box.value:g}" for name, box in boxes.items())
        send(f"{{dist: {given['dist']}{pairs}}}", False)  # noqa: FBT003 (typed)

    for name, value in given.items():
        if isinstance(value, int | float):
            layout = widgets.Layout(width="150px")
            style = {"description_width": "50px"}
            boxes[name] = widgets.FloatText(
                value=value, description=name, layout=layout, style=style
            )
            boxes[name].observe(changed, "value")
    title = widgets.Label(str(given.get("dist", "")))
    return widgets.HBox([title, *boxes.values()], layout=widgets.Layout(flex_flow="row wrap"))
