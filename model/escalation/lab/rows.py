r"""Changes rows of a CSV file of observations and leaves the others byte for byte as they are.

A record may span lines, where a quoted field holds a line break. So the text is cut after each
line that leaves no quote open, and only the records that change are written anew.

>>> text = 'id,indicator,reported_on,note\na,fleet,2025-01-02,"one,  two"\nb,fleet,2025-01-03,\n'
>>> print(changed(text, {"b": {"note": "three"}}), end="")
id,indicator,reported_on,note
a,fleet,2025-01-02,"one,  two"
b,fleet,2025-01-03,three
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def records(text: str) -> Iterator[str]:
    """Cut a CSV text into its records, line ends included."""
    held = ""
    for line in text.splitlines(keepends=True):
        held += line
        if held.count('"') % 2 == 0:
            yield held
            held = ""
    if held:
        yield held


def fields(record: str) -> list[str]:
    """Return the fields of one record."""
    return next(csv.reader(io.StringIO(record, newline="")), [])


def table(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns of a CSV text, and each row by column."""
    first, *rest = list(records(text)) or [""]
    columns = [each.strip() for each in fields(first)]
    return columns, [
        dict(zip(columns, (each.strip() for each in fields(record)), strict=False))
        for record in rest
        if record.strip()
    ]


def changed(text: str, changes: Mapping[str, Mapping[str, str]]) -> str:
    """Return a CSV text with columns of some rows changed, and rows of new ids at its end.

    Parameters
    ----------
    text : str
    changes : Mapping[str, Mapping[str, str]]
        Id → column → text.

    Raises
    ------
    InvalidValueError
        If the file has no such column.
    """
    all_records = list(records(text))
    columns = [each.strip() for each in fields(all_records[0])] if all_records else []
    unknown = {key for change in changes.values() for key in change} - set(columns)
    if "id" not in columns or unknown:
        missing = ", ".join(sorted(unknown)) or "id"
        raise InvalidValueError(f"the file of observations has no column {missing}; add it")
    left, result = dict(changes), all_records[:1]
    for record in all_records[1:]:
        row = dict(zip(columns, fields(record), strict=False))
        change = left.pop(row.get("id", "").strip(), None)
        result.append(record if change is None else _line(columns, {**row, **change}))
    if left and result and not result[-1].endswith("\n"):
        result[-1] += "\n"
    result += [_line(columns, {"id": identity, **row}) for identity, row in left.items()]
    return "".join(result)


def _line(columns: list[str], row: Mapping[str, str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([row.get(column, "") for column in columns])
    return buffer.getvalue()
