"""Controls that fit a number: what an analyst drags, picks or types instead of YAML.

    low to high     a slider with two handles, on a scale of ratios (of odds for probabilities)
    a word          a list of the seven words
    a plain number  a slider on the same scale
    {dist: …}       a box for each parameter

Beside each stands the text itself, as it would be in the file; whatever the grammar takes can be
typed there. A control turns what the hand does into such a text; whether it is valid is not its
business. `converted` turns a number of one form into the nearest one of another form: with q the
quantiles of what is believed,

    number         q(0.5)
    low to high    q(0.05) to q(0.95); around a plain number, from it ÷ 1.5 to it × 1.5 (of odds)
    word           the one whose band holds q(0.5)
    distribution   {dist: pert, low: q(0.05), mode: q(0.5), high: q(0.95)}

>>> interval_parts("3 to 6 per 7d"), interval_parts("x1.5 to 4")
(('', 3.0, 6.0, ' per 7d'), ('x', 1.5, 4.0, ''))
>>> interval_text("60d to 90d", 45, 90), interval_text("0.1 to 0.4", 0.15, 0.4)
('45d to 90d', '0.15 to 0.4')
>>> form_of("x1.5 to 4"), form_of("very likely"), form_of("3 per 7d")
('low to high', 'word', 'number')
>>> from escalation.maths.priors import Fixed
>>> converted("3 per 7d", Fixed(3.0), "rate", "low to high")
'2 to 4.5 per 7d'
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from escalation.lab import roundtrip
from escalation.maths.words import ICD203_BANDS, WORDS, say
from escalation.reading.grammar import NUMBER_PATTERN, UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from escalation.maths.priors import Prior
    from escalation.reading.case import Assumption, Role

    # Text, and whether the hand is still moving.
    Send = Callable[[str, bool], None]

NUMBER, RANGE, WORD, DISTRIBUTION = FORMS = ("number", "low to high", "word", "distribution")
AROUND = 1.5  # a plain number becomes the interval from it ÷ so much to it × so much
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
    before, unit, per = _dress(like)
    return f"{before}{low:g}{unit} to {high:g}{unit}{per}"


def number_text(like: str, value: float) -> str:
    """Return a plain number written like another one."""
    before, unit, per = _dress(like)
    return f"{before}{value:g}{unit}{per}"


def form_of(text: str) -> str:
    """Return in which of the forms a number is written; empty if in none."""
    if text.lstrip().startswith("{"):
        return DISTRIBUTION
    if " ".join(text.lower().split()) in ICD203_BANDS:
        return WORD
    if interval_parts(text) is not None:
        return RANGE
    return NUMBER if _NUMBER.fullmatch(text.strip()) else ""


def forms(text: str, prior: Prior, role: Role) -> tuple[str, ...]:
    """Return the forms in which a number can be written, the one that it has included."""
    now = form_of(text)
    offered = [NUMBER]
    median = float(prior.quantile(np.array([0.5]))[0])
    certain = prior.fixed and (median <= 0 or (_odds(role) and median >= 1))
    if now == RANGE or not certain:
        offered.append(RANGE)
    if now == WORD or role == "probability":
        offered.append(WORD)
    if now == DISTRIBUTION or not (certain or " per " in text):
        offered.append(DISTRIBUTION)
    return tuple(offered)


def converted(text: str, prior: Prior, role: Role, form: str) -> str:
    """Return the number nearest to what is believed that has another form.

    Parameters
    ----------
    text : str
        As it is written now.
    prior : Prior
        What it means.
    role : Role
    form : str
        One of `FORMS`.
    """
    low, middle, high = (float(each) for each in prior.quantile(np.array([0.05, 0.5, 0.95])))
    if form == WORD:
        return say(min(max(middle, 0.0), 1.0))
    if prior.fixed and form != NUMBER:
        low, high = _around(middle, role)
    rounded = [_rounded(each, role) for each in (low, middle, high)]
    if form == DISTRIBUTION:
        return "{{dist: pert, low: {:g}, mode: {:g}, high: {:g}}}".format(*rounded)
    bare = {"duration": "1d", "multiplier": "x1"}.get(role, "1")
    before, unit, per = _dress(text if form_of(text) in {NUMBER, RANGE} else bare)
    scaled = [_rounded(each / UNITS.get(unit, 1.0), role) for each in (low, middle, high)]
    if form == NUMBER:
        return f"{before}{scaled[1]:g}{unit}{per}"
    return f"{before}{scaled[0]:g}{unit} to {scaled[2]:g}{unit}{per}"


def _odds(role: Role) -> bool:
    return role in {"probability", "weight"}


def _around(value: float, role: Role) -> tuple[float, float]:
    """Return an interval around a plain number, of ratios or of ratios of odds."""
    if not _odds(role):
        return value / AROUND, value * AROUND
    odds = value / (1 - value)
    return odds / (AROUND + odds), odds * AROUND / (1 + odds * AROUND)


def _rounded(value: float, role: Role) -> float:
    """Round to two figures; a probability near 1, its distance from 1."""
    if _odds(role) and value > 0.95:  # noqa: PLR2004 (below, two figures of it tell enough)
        return 1 - float(f"{1 - value:.2g}")
    return float(f"{value:.2g}")


def _dress(text: str) -> tuple[str, str, str]:
    """Return what stands before a number, its unit, and what stands after it."""
    if (found := _INTERVAL.fullmatch(text.strip())) is not None:
        return found[1] or "", found[3], found[6] or ""
    found = _NUMBER.fullmatch(text.strip())
    return (found[1] or "", found[3], found[4] or "") if found else ("", "", "")


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
            layout = widgets.Layout(width="104px")
            style = {"description_width": "40px"}
            boxes[name] = widgets.FloatText(
                value=value, description=name, layout=layout, style=style
            )
            boxes[name].observe(changed, "value")
    title = widgets.Label(str(given.get("dist", "")))
    layout = widgets.Layout(width=_WIDTH.width, flex_flow="row wrap")
    return widgets.HBox([title, *boxes.values()], layout=layout)
