"""What happened in a case: `resolutions.yaml`, read by scoring and by nothing else.

    reach STATE     yes: the state has a spell with origin < happened_on ≤ target date;
                    no: it has none; under each definition by which it was reached
    on ladder       the rung stood on on the target date
    highest rung    the highest rung stood on on any day from the origin to the target date

Nothing is said of a target date that `known_through` does not cover: yes and no wait alike. What
the case already stood on, on the origin day, was no question any more; a state that it had left
by then (`left_on`) may be reached again.

For the last two, `ladder` lists the rungs, lowest first, and then *every* spell on every rung but
the lowest is listed with the first day on which it was over (blank: it was not, until
`known_through`). Between spells, and on an off-ramp, the lowest rung counts: "rung ≥ k" is false
there. Where rungs have several definitions, each combination is a reading of its own.

>>> text = {
...     "happened_on": "2020-01-10",
...     "left_on": "2020-01-12",
...     "known_on": "2020-01-11",
...     "source": "A",
... }
>>> what = ResolutionFile.model_validate(
...     {
...         "schema": 1,
...         "case": "c",
...         "known_through": "2020-12-31",
...         "ladder": ["calm", "war"],
...         "reached": {"war": [text]},
...     }
... )
>>> a, b = date(2020, 1, 1), date(2020, 1, 31)
>>> reached(what, "war", a, b, b), on_ladder(what, a, b, b), highest(what, a, b, b)
({'as written': True}, {'as written': 0}, {'as written': 1})
"""

from __future__ import annotations

from datetime import date
from itertools import groupby, product
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from escalation.errors import InvalidInputError, Problem
from escalation.reading.schema import Day, Strict, Text
from escalation.reading.shape import read_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

AS_WRITTEN = "as written"


class Resolution(Strict):
    """That a state was reached, by one definition."""

    happened_on: Day
    left_on: Day | None = None
    known_on: Day
    definition: Text = AS_WRITTEN
    source: Text
    note: Text = ""

    @property
    def start(self) -> date:
        """First day on it."""
        return date.fromisoformat(self.happened_on)

    @property
    def end(self) -> date:
        """First day no longer on it."""
        return date.fromisoformat(self.left_on) if self.left_on else date.max


class ResolutionFile(Strict):
    """What happened in a case."""

    schema_: Literal[1] = Field(alias="schema")
    case: Text
    known_through: Day
    why: Text = ""
    ladder: list[Text] = Field(default_factory=list)
    reached: dict[Text, list[Resolution]] = Field(default_factory=dict)


def read_resolutions(path: Path) -> ResolutionFile:
    """Read what happened in a case.

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    what = read_as(path, ResolutionFile, "holds no resolutions")
    problems = list(_problems(what, path))
    if problems:
        raise InvalidInputError(problems)
    return what


def _problems(what: ResolutionFile, path: Path) -> Iterable[Problem]:
    """Days in an order that cannot be."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for state, members in what.reached.items():
        line = next((n for n, text in enumerate(lines, 1) if text.strip() == f"{state}:"), 1)
        for each in members:
            if each.end <= each.start:
                message = f"left on {each.left_on}, not after {each.happened_on}, when it happened"
                yield Problem(path, line, 1, f"reached.{state}", message)
            if each.known_on < each.happened_on:
                message = f"known on {each.known_on}, before {each.happened_on}, when it happened"
                yield Problem(path, line, 1, f"reached.{state}", message)


def _known(what: ResolutionFile, state: str, day: date) -> list[Resolution]:
    members = what.reached.get(state, ())
    return [each for each in members if date.fromisoformat(each.known_on) <= day]


def _by_definition(members: Iterable[Resolution]) -> dict[str, tuple[Resolution, ...]]:
    def name(each: Resolution) -> str:
        return each.definition

    return {key: tuple(each) for key, each in groupby(sorted(members, key=name), key=name)}


def settled(what: ResolutionFile | None, close: date) -> bool:
    """Whether all is known up to a target date."""
    return what is not None and date.fromisoformat(what.known_through) >= close


def reached(
    what: ResolutionFile, state: str, origin: date, close: date, day: date
) -> dict[str, bool]:
    """Definition → whether a state was reached, as known on a day; empty: it was no question."""
    known = _by_definition(_known(what, state, day))
    if not known:
        return {AS_WRITTEN: False}
    return {
        name: any(origin < each.start <= close for each in spells)
        for name, spells in known.items()
        if not any(each.start <= origin < each.end for each in spells)
    }


def on_ladder(what: ResolutionFile, origin: date, close: date, day: date) -> dict[str, int]:
    """Reading → place on the ladder on the target date; empty: no ladder is given."""
    del origin
    return _places(what, day, lambda each: each.start <= close < each.end)


def highest(what: ResolutionFile, origin: date, close: date, day: date) -> dict[str, int]:
    """Reading → highest place from the origin to the target date; empty: no ladder is given."""
    return _places(what, day, lambda each: each.start <= close and origin < each.end)


def _places(
    what: ResolutionFile, day: date, counts: Callable[[Resolution], bool]
) -> dict[str, int]:
    """Highest rung with a spell that counts, under each combination of the rungs' definitions."""
    if not what.ladder:
        return {}
    rungs = [_by_definition(_known(what, state, day)) for state in what.ladder]
    found = {}
    for reading in product(*(tuple(each) or (AS_WRITTEN,) for each in rungs)):
        places = (
            place
            for place, (spells, name) in enumerate(zip(rungs, reading, strict=True))
            if any(map(counts, spells.get(name, ())))
        )
        found[_words(what.ladder, reading)] = max(places, default=0)
    return found


def _words(ladder: Iterable[str], reading: Iterable[str]) -> str:
    said = zip(ladder, reading, strict=True)
    parts = [f"{state}: {name}" for state, name in said if name != AS_WRITTEN]
    return "; ".join(parts) or AS_WRITTEN
