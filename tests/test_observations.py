"""Promises of `escalation.reading.observations`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.reading.observations import COLUMNS, MAX_ROWS, Rows, parse, read
from escalation.reading.tree import Findings

FILE = Path("observations.csv")
HEADER = ",".join(COLUMNS) + "\n"
INDICATORS = ("ships_gather", "shots_reported")


def parsed(text: str) -> tuple[Rows, list[str]]:
    """Return what a text holds, and what is wrong with it."""
    findings = Findings()
    rows = parse(text, FILE, findings, INDICATORS)
    return rows, [str(each).removeprefix("observations.csv:") for each in findings.listed()]


def row(**fields: str) -> str:
    """Return a row with a few fields other than the usual."""
    usual = {"id": "a", "indicator": "ships_gather", "reported_on": "2030-01-10"}
    return ",".join((usual | fields).get(column, "") for column in COLUMNS) + "\n"


def problems(**fields: str) -> list[str]:
    """Return what is wrong with a row."""
    return parsed(HEADER + row(**fields))[1]


def test_a_row_becomes_an_observation() -> None:
    """Every column arrives where it belongs, and blanks mean what the manual says."""
    full = row(
        id="a-1", occurred_on="2030-01-02", until="2030-01-08", count="3", grade="b2",
        echo_group="g", retracted_on="2030-02-01", source="Chronicle", note="Seen",
    )  # fmt: skip
    rows, wrong = parsed(HEADER + full + row(id="b"))
    assert wrong == []
    one, two = rows.observations
    assert (one.id, one.indicator, one.count, one.echo_group) == ("a-1", "ships_gather", 3, "g")
    assert (one.occurred_on, one.until) == (date(2030, 1, 2), date(2030, 1, 8))
    assert (one.reported_on, one.retracted_on) == (date(2030, 1, 10), date(2030, 2, 1))
    assert (one.source_grade, one.information_grade) == ("B", "2")
    assert (one.source, one.note, one.location.line) == ("Chronicle", "Seen", 2)
    assert (two.occurred_on, two.count) == (two.reported_on, 1)
    assert (two.source_grade, two.information_grade, two.probability) == ("F", "6", None)
    assert two.retracted_on is None


def test_columns_may_stand_in_any_order_and_be_left_out() -> None:
    """Only id, indicator and reported_on have to be there."""
    rows, wrong = parsed("reported_on,id,indicator\n2030-01-10,a,ships_gather\n")
    assert wrong == []
    assert rows.observations[0].reported_on == date(2030, 1, 10)
    assert rows.observations[0].location.column == 2


def test_quoted_line_breaks_do_not_upset_the_lines() -> None:
    """A problem after a row of several lines is at the line at which its own row begins."""
    text = HEADER + row(note='"one\ntwo, ""three"""') + "\n" + row(id="b", count="x")
    rows, wrong = parsed(text)
    assert rows.observations[0].note == 'one\ntwo, "three"'
    assert wrong == ["5:6: count: expected a whole number from 1 to 10,000 (got 'x')"]


def test_spreadsheets_leave_marks_that_do_no_harm(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, blank rows and blanks around fields are fine."""
    path = tmp_path / "o.csv"
    text = "id,indicator,reported_on\r\n a , ships_gather,2030-01-10 \r\n,,\r\n\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    findings = Findings()
    rows = read(path, findings, INDICATORS)
    assert findings.listed() == ()
    assert [each.id for each in rows.observations] == ["a"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": ""}, "2:1: id: expected a lower-case id: a-z, digits, _ and - (it is blank)"),
        ({"id": "Row 1"}, "2:1: id: expected a lower-case id: a-z, digits, _ and - (got 'Row 1')"),
        ({"indicator": ""}, "2:2: indicator: is missing"),
        (
            {"indicator": "ships_gathr"},
            "2:2: indicator: no indicator 'ships_gathr' (did you mean 'ships_gather'?)",
        ),
        ({"reported_on": ""}, "2:4: reported_on: is missing"),
        (
            {"reported_on": "10.1.2030"},
            "2:4: reported_on: expected a date such as 2025-11-16 (got '10.1.2030')",
        ),
        ({"occurred_on": "2030-02-30"}, "2:3: occurred_on: there is no such day as 2030-02-30"),
        (
            {"occurred_on": "2030-01-05", "until": "2030-01-04"},
            "2:5: until: 2030-01-04 is before occurred_on (2030-01-05)",
        ),
        (
            {"occurred_on": "2030-01-05", "until": "2030-01-11"},
            "2:5: until: 2030-01-11 is after reported_on (2030-01-10)",
        ),
        ({"until": "2030-01-09"}, "2:5: until: needs occurred_on, the day on which the interval"),
        (
            {"occurred_on": "2030-02-01", "until": "2030-02-02"},
            "2:5: until: a scheduled thing has no interval; leave it blank",
        ),
        (
            {"occurred_on": "0001-01-01", "until": "2030-01-01"},
            "2:5: until: more than 3,660 days after occurred_on",
        ),
        ({"count": "0"}, "2:6: count: expected a whole number from 1 to 10,000 (got '0')"),
        ({"count": "1.5"}, "2:6: count: expected a whole number from 1 to 10,000 (got '1.5')"),
        ({"count": "10001"}, "2:6: count: expected a whole number from 1 to 10,000 (got '10001')"),
        ({"count": "²"}, "2:6: count: expected a whole number from 1 to 10,000 (got '²')"),
        ({"probability": "0.5"}, "2:7: probability: only a scheduled thing has a probability"),
        ({"grade": "G2"}, "2:8: grade: 'G2' is no Admiralty grade; write a letter A-F and a digit"),
        (
            {"retracted_on": "2030-01-09"},
            "2:10: retracted_on: 2030-01-09 is before reported_on (2030-01-10)",
        ),
    ],
)
def test_a_bad_field_is_named_with_row_and_column(fields: dict[str, str], expected: str) -> None:
    """Each field has its rules, and what breaks them is named with line and field number."""
    (wrong,) = problems(**fields)
    assert wrong.startswith(expected)


def test_all_problems_of_all_rows_are_found() -> None:
    """Ten faults in four rows are ten problems, in order."""
    text = (
        HEADER
        + row(id="A", indicator="x", count="-1")
        + row(id="b", grade="Z9", reported_on="soon")
        + row(id="c")
        + row(id="c")
        + row(id="d", until="2030-13-01", retracted_on="2029-01-01", occurred_on="x", count="many")
    )
    rows, wrong = parsed(text)
    assert [each.id for each in rows.observations] == ["c"]
    assert rows.ids == {"A", "b", "c", "d"}
    assert [each.split(": ")[0] for each in wrong] == [
        "2:1", "2:2", "2:6", "3:4", "3:8", "5:1", "6:3", "6:5", "6:6", "6:10",
    ]  # fmt: skip
    assert wrong[5] == "5:1: id: 'c' is given twice (first in line 4)"


def test_a_scheduled_thing_may_have_a_probability() -> None:
    """Its text is handed on with its place, for the scenario to read."""
    text = HEADER + row(occurred_on="2030-02-01", probability="0.5 to 0.8")
    rows, wrong = parsed(text)
    assert wrong == []
    assert rows.observations[0].probability == "observations.a.probability"
    assert rows.observations[0].scheduled
    leaf = rows.probabilities["a"]
    assert (leaf.text, leaf.location.line, leaf.location.column) == ("0.5 to 0.8", 2, 7)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "id,indicator,reported_on,occured_on",
            "1:4: unknown column 'occured_on' (did you mean 'occurred_on'?)",
        ),
        ("id,indicator", "1:1: reported_on: this column is missing"),
        ("id,indicator,reported_on,id", "1:4: id: this column is given twice"),
        ("id;indicator;reported_on", "1:1: unknown column 'id;indicator;reported_on'; separate"),
    ],
)
def test_a_bad_header_is_named(header: str, expected: str) -> None:
    """Unknown, missing and repeated columns are problems of the header."""
    wrong = parsed(header + "\n")[1]
    assert any(each.startswith(expected) for each in wrong)


def test_ragged_rows_are_named() -> None:
    """A row with too few or too many fields is a problem, and the next one is read."""
    text = "id,indicator,reported_on\na,ships_gather\nb,ships_gather,2030-01-10,x, y\n"
    wrong = parsed(text + "c,ships_gather,2030-01-10\n")[1]
    assert wrong == [
        "2:3: 2 fields where the header has 3",
        "3:4: 5 fields where the header has 3; quote a field that holds a comma",
    ]


def test_a_quote_that_is_never_closed_is_named() -> None:
    """Reading stops at the row that cannot be read."""
    wrong = parsed(HEADER + row() + row(id="b", note='"open'))[1]
    assert len(wrong) == 1
    assert wrong[0].startswith("3:1: not readable as CSV from here")


def test_an_empty_file_is_told_its_columns() -> None:
    """The message gives the header to begin with."""
    assert parsed("")[1][0].startswith("1:1: empty; the first row names the columns: id,indicator,")


@pytest.mark.parametrize("data", [b"id\0", b"\xff\xfe", b"x" * 4_000_001])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    """NUL, other encodings and too large a size are one problem each."""
    path = tmp_path / "o.csv"
    path.write_bytes(data)
    findings = Findings()
    assert read(path, findings).observations == ()
    assert len(findings.listed()) == 1


def test_the_number_of_rows_is_limited() -> None:
    """A file of a million rows is refused after as many as are allowed."""
    wrong = parsed("id,indicator,reported_on\n" + ",,\n" * (MAX_ROWS + 10))[1]
    assert wrong == [f"{MAX_ROWS + 1}:1: more than {MAX_ROWS:,} rows"]


@given(st.text())
def test_any_text_is_rows_or_problems(text: str) -> None:
    """Whatever the text, there is no exception."""
    parsed(text)
    parsed("id,indicator,reported_on\n" + text)


@given(st.lists(st.text('0123456789-aA,"\n \0²', max_size=12), min_size=12, max_size=12))
def test_any_fields_are_a_row_or_problems(fields: list[str]) -> None:
    """Whatever the fields, there is an observation or a problem, and no exception."""
    quoted = ",".join('"' + each.replace('"', '""') + '"' for each in fields)
    rows, wrong = parsed(HEADER + quoted + "\n")
    assert rows.observations or wrong or not any(each.strip() for each in fields)
