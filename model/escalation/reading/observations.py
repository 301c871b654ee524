r"""Reads `observations.csv`: dated reports, one row each.

Rows are comma separated, quoted where needed (RFC 4180), in UTF-8. A report is known from
`reported_on` on; what it speaks of happened (or is due) on `occurred_on`:

    occurred_on ≤ reported_on    it happened: until ≤ reported_on, and no probability
    occurred_on > reported_on    it is scheduled: it may have a probability, and no interval

All problems of a file are found at once. In a problem, `line` is that at which the row begins
and `column` counts fields from 1.

>>> rows = parse("id,indicator,reported_on\nr1,carrier,2025-11-16\n", Path("o.csv"), Findings())
>>> rows.observations[0].occurred_on
datetime.date(2025, 11, 16)
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.maths.words import Grade, parse_grade
from escalation.reading import grammar
from escalation.reading.case import Location, Observation
from escalation.reading.documents import read_text
from escalation.reading.tree import Findings, Leaf, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import date

COLUMNS = (
    "id", "indicator", "occurred_on", "reported_on", "until", "count", "probability", "grade",
    "echo_group", "retracted_on", "source", "note",
)  # fmt: skip
REQUIRED = ("id", "indicator", "reported_on")
MAX_BYTES = 4_000_000
MAX_ROWS = 20_000
MAX_COUNT = 10_000
MAX_DAYS = 3_660
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Rows:
    """What a file of observations holds.

    Attributes
    ----------
    observations : tuple of Observation
        In the order of the file.
    probabilities : Mapping[str, Leaf]
        Observation id → the probability written in its row.
    ids : frozenset of str
        All ids in the file, also of rows that could not be read.
    """

    observations: tuple[Observation, ...]
    probabilities: Mapping[str, Leaf]
    ids: frozenset[str]


_NONE = Rows((), {}, frozenset())


def read(
    path: Path,
    findings: Findings,
    indicators: Collection[str] | None = None,
    at: Leaf | None = None,
) -> Rows:
    """Read a file of observations.

    Parameters
    ----------
    path : Path
    findings : Findings
        Receives every problem of the file.
    indicators : collection of str, optional
        The types that a row may name; anything by default.
    at : Leaf, optional
        The setting that names the file, which is where it is reported that it cannot be opened.
    """
    try:
        text = read_text(path, MAX_BYTES)
    except InvalidValueError as error:
        if at is None:
            findings.error(Location(path, 1, 1), "", str(error))
        else:
            findings.error(at.location, "observations", f"{quoted(at.text)}: {error}")
        return _NONE
    return parse(text, path, findings, indicators)


def parse(
    text: str, path: Path, findings: Findings, indicators: Collection[str] | None = None
) -> Rows:
    """Read observations from text; parameters as of `read`."""
    observations: dict[str, Observation] = {}
    probabilities: dict[str, Leaf] = {}
    ids = set()
    records = _records(text, path, findings)
    header = next(records, None)
    if header is None:
        findings.error(
            Location(path, 1, 1), "", f"empty; the first row names the columns: {','.join(COLUMNS)}"
        )
        return _NONE
    columns = _columns(header, path, findings)
    for line, fields in records:
        if columns is None:
            break
        row = _Row(path, line, columns, fields, findings)
        ids.add(row.text("id"))
        found = _observation(row, indicators) if row.complete() else None
        if found is None:
            continue
        if found.id in observations:
            first = observations[found.id].location.line
            row.error("id", f"{quoted(found.id)} is given twice (first in line {first})")
            continue
        observations[found.id] = found
        if found.probability is not None:
            probabilities[found.id] = row.leaf("probability")
    if not (ids or findings.failed):
        findings.warn(Location(path, 1, 1), "", "no reports: the assumptions decide alone")
    return Rows(tuple(observations.values()), probabilities, frozenset(ids))


def _records(text: str, path: Path, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of the rows that are not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, rows = 1, 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            findings.error(Location(path, line, 1), "", f"not readable as CSV from here: {error}")
            return
        rows += 1
        if rows > MAX_ROWS:
            findings.error(Location(path, line, 1), "", f"more than {MAX_ROWS:,} rows")
            return
        if any(each.strip() for each in fields):
            yield line, [each.strip() for each in fields]
        line = reader.line_num + 1


def _columns(header: tuple[int, list[str]], path: Path, findings: Findings) -> list[str] | None:
    """Return the header's columns, None if rows cannot be read by it."""
    line, names = header
    for index, name in enumerate(names):
        place = Location(path, line, index + 1)
        if name in names[:index]:
            findings.error(place, name, "this column is given twice")
        elif name not in COLUMNS:
            hint = "; separate columns with commas" if ";" in name or "\t" in name else ""
            findings.unknown(place, "", f"unknown column {quoted(name)}{hint}", name, COLUMNS)
    missing = [name for name in REQUIRED if name not in names]
    for name in missing:
        findings.error(Location(path, line, 1), name, "this column is missing")
    return None if missing else names


class _Row:
    """One row, its fields by column; each reading method reports what it cannot read."""

    def __init__(
        self, path: Path, line: int, columns: list[str], fields: list[str], findings: Findings
    ) -> None:
        self.path, self.line, self.columns, self.fields = path, line, columns, fields
        self.findings = findings
        self.wrong = False

    def complete(self) -> bool:
        """Whether it has as many fields as the header."""
        given, expected = len(self.fields), len(self.columns)
        if given != expected:
            hint = "; quote a field that holds a comma" if given > expected else ""
            place = Location(self.path, self.line, min(given, expected) + 1)
            self.findings.error(place, "", f"{given} fields where the header has {expected}{hint}")
        return given == expected

    def place(self, column: str) -> Location:
        index = self.columns.index(column) if column in self.columns else 0
        return Location(self.path, self.line, index + 1)

    def text(self, column: str) -> str:
        return self.fields[self.columns.index(column)] if column in self.columns else ""

    def leaf(self, column: str) -> Leaf:
        return Leaf(self.text(column), self.text(column), self.place(column))

    def error(self, column: str, message: str) -> None:
        self.wrong = True
        self.findings.error(self.place(column), column, message)

    def day(self, column: str) -> date | None:
        text = self.text(column)
        if not text:
            return None
        try:
            return grammar.iso_date(text)
        except InvalidValueError as error:
            self.error(column, str(error))
            return None

    def required_day(self, column: str) -> date | None:
        if not self.text(column):
            self.error(column, "is missing")
        return self.day(column)

    def id(self) -> str:
        text = self.text("id")
        if not _ID.fullmatch(text):
            given = f"(got {quoted(text)})" if text else "(it is blank)"
            self.error("id", f"expected a lower-case id: a-z, digits, _ and - {given}")
        return text

    def indicator(self, known: Collection[str] | None) -> str:
        text = self.text("indicator")
        if not text:
            self.error("indicator", "is missing")
        elif known is not None and text not in known:
            self.wrong = True
            self.findings.unknown(
                self.place("indicator"), "indicator", f"no indicator {quoted(text)}", text, known
            )
        return text

    def count(self) -> int:
        text = self.text("count")
        if not text:
            return 1
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_COUNT:
            self.error(
                "count", f"expected a whole number from 1 to {MAX_COUNT:,} (got {quoted(text)})"
            )
            return 1
        return int(text)

    def grade(self) -> Grade:
        try:
            return parse_grade(self.text("grade"))
        except InvalidValueError:
            self.error(
                "grade",
                f"{quoted(self.text('grade'))} is no Admiralty grade; write a "
                "letter A-F and a digit 1-6, as in B2",
            )
            return Grade("F", "6")


def _observation(row: _Row, indicators: Collection[str] | None) -> Observation | None:
    identity, indicator = row.id(), row.indicator(indicators)
    reported, occurred = row.required_day("reported_on"), row.day("occurred_on")
    until, retracted = row.day("until"), row.day("retracted_on")
    count, grade = row.count(), row.grade()
    if reported is None:
        return None
    begun = reported if occurred is None else occurred
    _check_days(row, begun, reported, until, retracted)
    if row.text("probability") and begun <= reported:
        row.error(
            "probability",
            "only a scheduled thing has a probability: one whose "
            "occurred_on is after its reported_on",
        )
    if row.wrong:
        return None
    return Observation(
        id=identity, indicator=indicator, occurred_on=begun, reported_on=reported, until=until,
        count=count,
        probability=f"observations.{identity}.probability" if row.text("probability") else None,
        source_grade=grade.source, information_grade=grade.information,
        echo_group=row.text("echo_group"), retracted_on=retracted, source=row.text("source"),
        note=row.text("note"), location=row.place("id"),
    )  # fmt: skip


def _check_days(
    row: _Row, begun: date, reported: date, until: date | None, retracted: date | None
) -> None:
    if until is not None:
        if not row.text("occurred_on"):
            row.error("until", "needs occurred_on, the day on which the interval begins")
        elif begun > reported:
            row.error("until", "a scheduled thing has no interval; leave it blank")
        elif until < begun:
            row.error("until", f"{until} is before occurred_on ({begun})")
        elif until > reported:
            row.error("until", f"{until} is after reported_on ({reported})")
        elif (until - begun).days > MAX_DAYS:
            row.error("until", f"more than {MAX_DAYS:,} days after occurred_on")
    if retracted is not None and retracted < reported:
        row.error("retracted_on", f"{retracted} is before reported_on ({reported})")
