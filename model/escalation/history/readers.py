"""Readers of published event data into one type, `histories.Event`.

Each format is a few lines: the columns that the publisher documents, and how a row becomes events.

    mie     Militarized Interstate Events 1.0 (Gibler & Miller): one row an act
    mid     Militarized Interstate Disputes 5.0, incident level (MIDI) or dispute level (MIDA)
    midip   the same, incident participants (MIDIP): one row a state in an incident
    icb     International Crisis Behavior v13, actor level (icb2): trigger, response, end
    icews   Integrated Crisis Early Warning System, tab separated, 20 columns
    keds    Kansas Event Data System: date, source, target, code
    gdelt   GDELT 2.0 events: tab separated, 61 columns, no header
    acled   ACLED export
    csv     any table: `columns` says which column holds what

Files are UTF-8 text, plain or gzip. A row that cannot be read is a problem with its line;
all of a file's problems are reported together (at most `MAX_PROBLEMS`).

>>> lines = ["date,source,target,code", '1992-01-04,USA,IRQ,"0255"']
>>> parse("keds", lines)[0].action
'0255'
"""

from __future__ import annotations

import csv
import gzip
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.history.histories import Event, Missing, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MAX_PROBLEMS = 50
MISSING_CODES = frozenset({"", "-9", "-99", "NA", "0"})  # of a day or month
LAST_DAY = 31  # ICB writes 66, 77 and 88 for a day that is not known


@dataclass(frozen=True)
class Row:
    """One row, by column name, with what it takes to read a date in it."""

    fields: Mapping[str, str]
    line: int
    rule: Missing

    def text(self, column: str) -> str:
        """Text of a column; blank where the row has none."""
        return (self.fields.get(column) or "").strip()

    def whole(self, column: str) -> int:
        """Whole number of a column.

        Raises
        ------
        InvalidValueError
            If it is none.
        """
        text = self.text(column)
        try:
            return int(text)
        except ValueError:
            raise InvalidValueError(f"{column}: '{text}' is not a whole number") from None

    def part(self, column: str) -> int | None:
        """Day or month; None where it is coded as missing."""
        return None if self.text(column) in MISSING_CODES else self.whole(column)

    def split_day(self, year: str, month: str, day: str) -> tuple[date, bool]:
        """Date of three columns, and whether its day was given."""
        given = self.part(day)
        known = None if given is None or given > LAST_DAY else given
        return fill(self.whole(year), self.part(month), known, self.rule), known is not None

    def iso_day(self, column: str) -> date:
        """Date written as 2018-06-01 or 20180601 in one column.

        Raises
        ------
        InvalidValueError
            If it is not so written.
        """
        text = self.text(column)
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise InvalidValueError(
                f"{column}: '{text}' is not a date such as 2018-06-01"
            ) from None


@dataclass(frozen=True)
class Format:
    """How a published file becomes events.

    Attributes
    ----------
    required : tuple of str
        Columns without which it is not that file.
    events : callable
        Row → its events.
    delimiter : str
    names : tuple of str
        Names of the columns where the file has no header.
    """

    required: tuple[str, ...]
    events: Callable[[Row], Iterable[Event]]
    delimiter: str = ","
    names: tuple[str, ...] = ()


def read(
    format_name: str,
    path: Path,
    *,
    missing: Missing = "middle",
    columns: Mapping[str, str] | None = None,
) -> tuple[Event, ...]:
    """Read a file of events.

    Parameters
    ----------
    format_name : str
        One of `FORMATS`.
    path : Path
        Text, plain or gzip (`.gz`).
    missing : {"first", "middle", "last"}
        The rule for dates without a day.
    columns : Mapping[str, str], optional
        For "csv": field of `Event` → the column that holds it.

    Raises
    ------
    InvalidInputError
        With every row that could not be read.
    """
    with _opened(path) as lines:
        return parse(format_name, lines, path=path, missing=missing, columns=columns)


def parse(
    format_name: str,
    lines: Iterable[str],
    *,
    path: Path = Path("-"),
    missing: Missing = "middle",
    columns: Mapping[str, str] | None = None,
) -> tuple[Event, ...]:
    """Read events from lines of text; parameters as of `read`."""
    if format_name not in FORMATS:
        raise InvalidValueError(f"no format '{format_name}'; known are {', '.join(FORMATS)}")
    layout = generic(columns or {}) if format_name == "csv" else FORMATS[format_name]
    reader = csv.DictReader(lines, fieldnames=layout.names or None, delimiter=layout.delimiter)
    reading = _Reading(path, layout, missing)
    try:
        reading.header(reader.fieldnames or ())
        for fields in reader:
            reading.row(fields, reader.line_num)
    except (csv.Error, UnicodeDecodeError) as error:
        reading.problem(reader.line_num, f"not readable from here: {error}")
    if reading.problems:
        raise InvalidInputError(reading.problems)
    return tuple(reading.events)


@dataclass
class _Reading:
    """What has been read of one file."""

    path: Path
    layout: Format
    rule: Missing
    events: list[Event] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def header(self, names: Iterable[str]) -> None:
        """Refuse a file that lacks a column."""
        absent = [name for name in self.layout.required if name not in set(names)]
        if absent:
            self.problem(1, f"lacks the column{'s' * (len(absent) > 1)} {', '.join(absent)}")
            raise InvalidInputError(self.problems)

    def row(self, fields: Mapping[str, str], line: int) -> None:
        """Read one row."""
        try:
            self.events.extend(self.layout.events(Row(fields, line, self.rule)))
        except InvalidValueError as error:
            self.problem(line, str(error))

    def problem(self, line: int, message: str) -> None:
        """Note a problem, and stop after too many."""
        self.problems.append(Problem(self.path, max(line, 1), 1, "", message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise InvalidInputError(self.problems)


@contextmanager
def _opened(path: Path) -> Iterator[Iterable[str]]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                yield file
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield file
    except OSError as error:
        raise InvalidInputError([Problem(path, 1, 1, "", f"cannot be read: {error}")]) from error


def _level(row: Row, column: str) -> int | None:
    level = row.whole(column)
    return level if level > 0 else None


def _mie(row: Row) -> Iterable[Event]:
    start, precise = row.split_day("styear", "stmon", "stday")
    end, _ = row.split_day("endyear", "endmon", "endday")
    number = row.whole("eventnum")
    yield Event(
        row.text("micnum"), number, start, end, precise=precise,
        actor=row.text("ccode1"), target=row.text("ccode2"), action=row.text("action"),
        level=_level(row, "hostlev"), side="A" if row.text("sidea1") == "1" else "B",
        source=f"MIE 1.0, micnum {row.text('micnum')}, eventnum {number}",
    )  # fmt: skip


def _mid(row: Row) -> Iterable[Event]:
    """Incident (MIDI) or, where the file has no incidents, dispute (MIDA)."""
    start, precise = row.split_day("styear", "stmon", "stday")
    end, _ = row.split_day("endyear", "endmon", "endday")
    incident = row.text("incidnum")
    yield Event(
        row.text("dispnum"), int(incident or 0), start, end, precise=precise,
        action=row.text("action") or row.text("hiact"), level=_level(row, "hostlev"),
        source=f"MID 5.0, dispnum {row.text('dispnum')}" + (incident and f", incident {incident}"),
    )  # fmt: skip


def _midip(row: Row) -> Iterable[Event]:
    start, precise = row.split_day("styear", "stmon", "stday")
    end, _ = row.split_day("endyear", "endmon", "endday")
    yield Event(
        row.text("dispnum"), row.whole("incidnum"), start, end, precise=precise,
        actor=row.text("ccode"), action=row.text("action"), level=_level(row, "hostlev"),
        side="A" if row.text("sidea") == "1" else "B",
        source=f"MID 5.0, incident {row.text('incidnum')}, {row.text('stabb')}",
    )  # fmt: skip


_ICB_MOMENTS = (
    ("trigger", "triggr", "yrtrig", "motrig", "datrig"),
    ("response", "majres", "yerres", "monres", "dayres"),
    ("end", "outfor", "yrterm", "moterm", "daterm"),
)


def _icb(row: Row) -> Iterable[Event]:
    for number, (what, code, year, month, day) in enumerate(_ICB_MOMENTS, 1):
        if row.part(year) is None:
            continue
        start, precise = row.split_day(year, month, day)
        yield Event(
            row.text("crisno"), row.whole("cracno") * 10 + number, start, precise=precise,
            actor=row.text("actor"), action=f"{what} {row.text(code)}".strip(),
            source=f"ICB v13, crisno {row.text('crisno')}, cracno {row.text('cracno')}",
            text=row.text("crisname"),
        )  # fmt: skip


def cameo_level(code: str) -> int | None:
    """Hostility of a CAMEO code: 138 threatens force, 15 shows it, 19 and 20 use it."""
    if code.startswith("138"):
        return 2
    return {"15": 3, "19": 4, "20": 4}.get(code[:2])


def dyad(first: str, second: str) -> str:
    """Name of a pair of sides, whoever acts."""
    return " | ".join(sorted((first, second)))


def _icews(row: Row) -> Iterable[Event]:
    code = row.text("CAMEO Code")
    actor, target = row.text("Source Country"), row.text("Target Country")
    yield Event(
        dyad(actor, target), row.whole("Event ID"), row.iso_day("Event Date"), actor=actor,
        target=target, action=code, level=cameo_level(code),
        source=f"ICEWS, {row.text('Publisher')}, story {row.text('Story ID')}",
        text=f"{row.text('Source Name')}: {row.text('Event Text')}: {row.text('Target Name')}",
    )  # fmt: skip


def _keds(row: Row) -> Iterable[Event]:
    actor, target, code = row.text("source"), row.text("target"), row.text("code")
    yield Event(
        dyad(actor, target), row.line, row.iso_day("date"), actor=actor, target=target,
        action=code, source=f"KEDS, row {row.line}",
    )  # fmt: skip


def _actor(number: int) -> list[str]:
    fields = (
        "Code", "Name", "CountryCode", "KnownGroupCode", "EthnicCode", "Religion1Code",
        "Religion2Code", "Type1Code", "Type2Code", "Type3Code",
    )  # fmt: skip
    return [f"Actor{number}{name}" for name in fields]


def _place(prefix: str) -> list[str]:
    fields = (
        "Type", "FullName", "CountryCode", "ADM1Code", "ADM2Code", "Lat", "Long", "FeatureID",
    )  # fmt: skip
    return [f"{prefix}Geo_{name}" for name in fields]


GDELT_COLUMNS = (
    "GLOBALEVENTID", "SQLDATE", "MonthYear", "Year", "FractionDate", *_actor(1), *_actor(2),
    "IsRootEvent", "EventCode", "EventBaseCode", "EventRootCode", "QuadClass", "GoldsteinScale",
    "NumMentions", "NumSources", "NumArticles", "AvgTone", *_place("Actor1"), *_place("Actor2"),
    *_place("Action"), "DATEADDED", "SOURCEURL",
)  # fmt: skip


def _gdelt(row: Row) -> Iterable[Event]:
    code = row.text("EventCode")
    actor, target = row.text("Actor1Code"), row.text("Actor2Code")
    yield Event(
        dyad(actor, target), row.whole("GLOBALEVENTID"), row.iso_day("SQLDATE"), actor=actor,
        target=target, action=code, level=cameo_level(code), source=row.text("SOURCEURL"),
        text=f"{row.text('Actor1Name')}: {code}: {row.text('Actor2Name')}",
    )  # fmt: skip


_ACLED_LEVEL = {"Battles": 4, "Explosions/Remote violence": 4}
_ACLED_EXACT = "1"  # time_precision: the day is known


def _acled(row: Row) -> Iterable[Event]:
    kind = row.text("event_type")
    yield Event(
        row.text("country"), row.line, row.iso_day("event_date"),
        precise=row.text("time_precision") == _ACLED_EXACT, actor=row.text("actor1"),
        target=row.text("actor2"), action=row.text("sub_event_type") or kind,
        level=_ACLED_LEVEL.get(kind),
        source=f"ACLED, {row.text('event_id_cnty')}, {row.text('source')}",
        text=row.text("notes"),
    )  # fmt: skip


GENERIC = (
    "history", "number", "start", "end", "actor", "target", "action", "level", "side", "source",
    "text",
)  # fmt: skip


def generic(columns: Mapping[str, str]) -> Format:
    """Format of any table.

    Parameters
    ----------
    columns : Mapping[str, str]
        Field of `Event` → the column that holds it; by default the column of the same name.
        `start` is required.

    Raises
    ------
    InvalidValueError
        If a field is not known.
    """
    unknown = sorted(set(columns) - set(GENERIC))
    if unknown:
        raise InvalidValueError(
            f"no field '{unknown[0]}' of an event; known are {', '.join(GENERIC)}"
        )
    name = {key: columns.get(key, key) for key in GENERIC}

    def events(row: Row) -> Iterable[Event]:
        actor, target = row.text(name["actor"]), row.text(name["target"])
        yield Event(
            row.text(name["history"]) or dyad(actor, target),
            row.whole(name["number"]) if row.text(name["number"]) else row.line,
            row.iso_day(name["start"]),
            row.iso_day(name["end"]) if row.text(name["end"]) else date.min,
            actor=actor, target=target, action=row.text(name["action"]),
            level=row.whole(name["level"]) if row.text(name["level"]) else None,
            side=row.text(name["side"]), source=row.text(name["source"]) or f"row {row.line}",
            text=row.text(name["text"]),
        )  # fmt: skip

    return Format((name["start"], *columns.values()), events)


_MID_DATES = ("styear", "stmon", "stday", "endyear", "endmon", "endday", "hostlev")
FORMATS: Mapping[str, Format] = {
    "mie": Format(
        ("micnum", "eventnum", "ccode1", "ccode2", "action", "sidea1", *_MID_DATES), _mie
    ),
    "mid": Format(("dispnum", *_MID_DATES), _mid),
    "midip": Format(("dispnum", "incidnum", "ccode", "sidea", "action", *_MID_DATES), _midip),
    "icb": Format(("crisno", "cracno", "actor", "triggr", "yrtrig", "motrig", "datrig"), _icb),
    "icews": Format(
        ("Event ID", "Event Date", "Source Country", "Target Country", "CAMEO Code"), _icews, "\t"
    ),
    "keds": Format(("date", "source", "target", "code"), _keds),
    "gdelt": Format((), _gdelt, "\t", GDELT_COLUMNS),
    "acled": Format(
        ("event_id_cnty", "event_date", "time_precision", "event_type", "actor1"), _acled
    ),
    "csv": Format((), lambda _: ()),
}
