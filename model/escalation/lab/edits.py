"""Edits of a scenario that nobody has saved yet: what they are, and how they are taken back.

An edit changes one thing and leaves the files alone:

    numbers     dotted name → what to believe of it instead, written as in the files
    rows        id of an observation → its columns that change; a new id is a new row
    switched    id of an observation → whether the scenario uses it
    settings    `as_of` and `horizon`

`Edits` is a value: each change makes another one. `History` is the list of them, so that undoing
is going back one, and a change that ends where it began is no change.

>>> history = History()
>>> history.make(history.now.number("echo_correlation", "0.2 to 0.4"))
>>> history.make(history.now.number("echo_correlation", "0.2 to 0.5"), "echo_correlation")
>>> dict(history.now.numbers), len(history.past)
({'echo_correlation': '0.2 to 0.5'}, 2)
>>> history.undo()
>>> history.now.numbers["echo_correlation"]
'0.2 to 0.4'
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

SUPPOSED = "suppose-"  # what the id of a supposed report begins with
SETTINGS = ("as_of", "horizon")


@dataclass(frozen=True)
class Edits:
    """Changes to a scenario, each by its name."""

    numbers: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    switched: Mapping[str, bool] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.numbers or self.rows or self.switched or self.settings)

    def number(self, name: str, text: str | None) -> Edits:
        """Believe something else of an assumption; None: what the file says."""
        return replace(self, numbers=_put(self.numbers, name, text))

    def row(self, identity: str, columns: Mapping[str, str] | None) -> Edits:
        """Change columns of an observation, or add one; None: what the file says."""
        merged = None if columns is None else {**self.rows.get(identity, {}), **columns}
        return replace(self, rows=_put(self.rows, identity, merged))

    def switch(self, identity: str, used: bool | None) -> Edits:  # noqa: FBT001 (a switch)
        """Use an observation or leave it out; None: as the file has it."""
        return replace(self, switched=_put(self.switched, identity, used))

    def setting(self, name: str, text: str | None) -> Edits:
        """Move the as-of day or the horizon; None: what the file says."""
        return replace(self, settings=_put(self.settings, name, text))

    def to_json(self) -> str:
        """Return the edits as a text that `from_json` reads."""
        data = {each: getattr(self, each) for each in ("numbers", "rows", "switched", "settings")}
        return json.dumps(data, indent=1, ensure_ascii=False)


def from_json(text: str) -> Edits:
    """Read edits that were kept.

    Raises
    ------
    InvalidValueError
        If they are none.
    """
    try:
        data = json.loads(text)
        numbers = {str(name): str(value) for name, value in data["numbers"].items()}
        rows = {
            str(name): {str(column): str(value) for column, value in row.items()}
            for name, row in data["rows"].items()
        }
        switched = {str(name): bool(value) for name, value in data["switched"].items()}
        settings = {str(name): str(value) for name, value in data["settings"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidValueError("the edits that were kept cannot be read") from error
    return Edits(numbers, rows, switched, {k: v for k, v in settings.items() if k in SETTINGS})


def _put(values: Mapping[str, T], name: str, value: T | None) -> dict[str, T]:
    """Return a map with one entry set, or without it."""
    rest = {key: each for key, each in values.items() if key != name}
    return rest if value is None else {**values, name: value}


@dataclass
class History:
    """Edits as they are now, and all that they have been."""

    now: Edits = field(default_factory=Edits)
    past: list[Edits] = field(default_factory=list)
    stroke: str = ""

    def make(self, edits: Edits, stroke: str = "") -> None:
        """Go on to other edits; those of one named stroke (a drag) are undone together."""
        if edits == self.now:
            return
        if not stroke or stroke != self.stroke:
            self.past.append(self.now)
        self.now, self.stroke = edits, stroke

    def rest(self) -> None:
        """End a stroke: the next change of the same thing is undone by itself."""
        self.stroke = ""

    def undo(self) -> None:
        """Go back by one change; nothing happens where there is none."""
        if self.past:
            self.now, self.stroke = self.past.pop(), ""

    def reset(self) -> None:
        """Go back to the files; this, too, can be undone."""
        self.make(Edits())
