"""Turns coded events into observation rows of a case, by a mapping that an analyst can read.

A mapping (YAML) says which events are of the case, and which code means which indicator type.
The first rule that fits an event takes it; events that no rule fits are counted and left out.

    select      actor, target: patterns (`USA*`), any of which must fit; from, until: days
    rules       action, actor, target: patterns; level: hostility 1-5; then the indicator
    grade       Admiralty grade of the rows, here or in a rule
    lag         days from the act to its being public: reported_on = occurred_on + lag
    imprecise   events whose day the source does not give: `skip`, or `keep`, on the last day
                that they may have been, so that nothing is known too early
    merge       `day`: events of one rule on one day are one row, since media data report one act
                many times; `count`: one row that counts them; `none`: a row each, as echoes of one
                group

Codes are text throughout: the CAMEO code `010` is not `10`, and `14*` fits `140` to `1454`.

>>> mapping = Mapping.model_validate(
...     {"schema": 1, "rules": [{"action": "138*", "indicator": "threat"}]}
... )
>>> act = Event("a", 1, date(2018, 6, 1), actor="USA", target="IRN", action="1384", source="s")
>>> rows([act], mapping).rows[0]["id"]
'threat-2018-06-01'
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from escalation.errors import InvalidValueError
from escalation.history.histories import Event
from escalation.history.readers import read
from escalation.reading import grammar
from escalation.reading.observations import COLUMNS
from escalation.reading.schema import Day, Strict, Text, Word
from escalation.reading.shape import read_as

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Event", "Imported", "Mapping", "date", "events", "read_map", "rows", "written"]

MAX_NOTE = 300


def _duration(text: str) -> str:
    """Check a duration; 0d is one here."""
    if text != "0d":
        grammar.whole_days(text)
    return text


def _grade(text: str) -> str:
    """Check an Admiralty grade."""
    if text and not re.fullmatch("[A-F][1-6]", text):
        raise InvalidValueError(f"expected a grade such as B2 (got '{text}')")
    return text


Duration = Annotated[Text, AfterValidator(_duration)]
Grade = Annotated[Text, AfterValidator(_grade)]


class Select(Strict):
    """Which events are of the case."""

    actor: list[Text] = Field(default_factory=list)
    target: list[Text] = Field(default_factory=list)
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None


class Rule(Strict):
    """Which events are which indicator."""

    action: Text = "*"
    actor: Text = "*"
    target: Text = "*"
    level: int | None = None
    indicator: Word
    grade: Grade = ""


class Mapping(Strict):
    """A mapping file."""

    schema_: Literal[1] = Field(alias="schema")
    title: Text = ""
    select: Select = Field(default_factory=Select)
    grade: Grade = ""
    lag: Duration = "0d"
    imprecise: Literal["skip", "keep"] = "skip"
    merge: Literal["day", "count", "none"] = "day"
    columns: dict[Text, Text] = Field(default_factory=dict)
    rules: list[Rule]


@dataclass(frozen=True)
class Imported:
    """Observation rows, by column of `observations.csv`, and how many events had no rule."""

    rows: tuple[dict[str, str], ...]
    unmapped: int


def read_map(path: Path) -> Mapping:
    """Read a mapping file.

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    return read_as(path, Mapping, "holds no rules")


def events(format_name: str, path: Path, mapping: Mapping) -> tuple[Event, ...]:
    """Read the events of a file; a day that is not given is the last that it may be."""
    return read(format_name, path, missing="last", columns=mapping.columns)


def rows(found: Iterable[Event], mapping: Mapping) -> Imported:
    """Map events to observation rows, by the day they were public."""
    mapped: list[tuple[Rule, Event]] = []
    unmapped = 0
    for each in found:
        if not _selected(each, mapping):
            continue
        rule = next((rule for rule in mapping.rules if _fits(each, rule)), None)
        if rule is None:
            unmapped += 1
        else:
            mapped.append((rule, each))
    mapped.sort(key=lambda pair: (pair[1].start, pair[0].indicator, pair[1].number))
    made = []
    for (day, name), members in groupby(
        mapped, key=lambda pair: (pair[1].start, pair[0].indicator)
    ):
        made += _rows_of_day(f"{name}-{day}", tuple(members), mapping)
    return Imported(tuple(made), unmapped)


def _selected(event: Event, mapping: Mapping) -> bool:
    select = mapping.select
    day = event.start.isoformat()
    return (
        (event.precise or mapping.imprecise == "keep")
        and (not select.actor or any(fnmatchcase(event.actor, each) for each in select.actor))
        and (not select.target or any(fnmatchcase(event.target, each) for each in select.target))
        and (select.from_ is None or day >= select.from_)
        and (select.until is None or day <= select.until)
    )


def _fits(event: Event, rule: Rule) -> bool:
    return (
        fnmatchcase(event.action, rule.action)
        and fnmatchcase(event.actor, rule.actor)
        and fnmatchcase(event.target, rule.target)
        and rule.level in {None, event.level}
    )


def _rows_of_day(
    name: str, members: tuple[tuple[Rule, Event], ...], mapping: Mapping
) -> list[dict[str, str]]:
    if mapping.merge == "none":
        group = name if len(members) > 1 else ""
        return [
            _row(f"{name}-{number}" if group else name, [each], mapping) | {"echo_group": group}
            for number, each in enumerate(members, 1)
        ]
    row = _row(name, members, mapping)
    if mapping.merge == "count" and len(members) > 1:
        row["count"] = str(len(members))
    return [row]


def _row(name: str, members: Iterable[tuple[Rule, Event]], mapping: Mapping) -> dict[str, str]:
    chosen = list(members)
    rule, first = chosen[0]
    lag = 0 if mapping.lag == "0d" else grammar.whole_days(mapping.lag)
    more = f" and {len(chosen) - 1} more" if len(chosen) > 1 else ""
    what = first.text or f"{first.actor} → {first.target}, action {first.action}"
    values = {
        "id": name,
        "indicator": rule.indicator,
        "occurred_on": first.start.isoformat(),
        "reported_on": (first.start + timedelta(days=lag)).isoformat(),
        "grade": rule.grade or mapping.grade,
        "source": first.source + more,
        "note": what[:MAX_NOTE] + more,
    }
    return {column: values.get(column, "") for column in COLUMNS}


def written(imported: Imported) -> str:
    """Return the rows as the text of an observations file."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(imported.rows)
    return buffer.getvalue()
