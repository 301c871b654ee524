r"""The rules that rows of a forecast keep: hubverse's for model output, and those of probability.

A row is one value of a predictive distribution: task columns say of what (here the target, the day
it was made and the day it is about), then three columns say which value.

    output_type   output_type_id                     value
    pmf           a category                         its probability; over all categories 1
    cdf           a number, ascending                probability of at most that, never falling
    quantile      a level between 0 and 1            the quantile, never falling

(hubverse documentation, "Model output"; the checks of its package hubValidations.) Of our own
forecasts more is known: their rows are of the run's as-of day, the target date lies so many days
ahead as the row says, a target has the same categories at every horizon, and what has been
reached by a day has been reached by any later one.

>>> from pathlib import Path
>>> said = "2030-01-02,reach war,7,2030-01-09,pmf"
>>> lines = [",".join(COLUMNS), f"{said},yes,0.3", f"{said},no,0.6"]
>>> print(*problems("\n".join(lines), Path("forecast.csv"), "2030-01-02"))
forecast.csv:2:7: value: the 2 values of 'reach war', 7 days ahead, add up to 0.9, not to 1
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING

from escalation.errors import Problem
from escalation.reporting.record import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TYPES = ("pmf", "cdf", "quantile")
TOLERANCE = 1e-6  # of a sum of probabilities, which are written with nine digits
REACH, YES = "reach ", "yes"


@dataclass(frozen=True)
class Row:
    """A row of a forecast.

    Attributes
    ----------
    line : int
        Of the file, from 1.
    target, kind, name : str
        `kind` is the output type, `name` its id.
    horizon : int
        Days.
    value : float
    """

    line: int
    target: str
    horizon: int
    kind: str
    name: str
    value: float

    @property
    def task(self) -> tuple[str, int, str]:
        """What distribution it is a value of."""
        return self.target, self.horizon, self.kind


class _FieldError(ValueError):
    """What is wrong with one field of a row."""

    def __init__(self, column: str, message: str) -> None:
        self.column = column
        super().__init__(message)


def problems(text: str, path: Path, as_of: str) -> list[Problem]:
    """Return everything that is wrong with a forecast file.

    Parameters
    ----------
    text : str
        What it holds.
    path : Path
        For the messages.
    as_of : str
        ISO date of its run.
    """
    return list(rows(text, path, as_of)[1])


def rows(text: str, path: Path, as_of: str) -> tuple[tuple[Row, ...], tuple[Problem, ...]]:
    """Return the rows of a forecast file that can be read, and everything that is wrong with it."""
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        return (), (Problem(path, 1, 1, "", f"the columns are not {', '.join(COLUMNS)}"),)
    found, wrong = [], []
    for fields in reader:
        try:
            found.append(_row(reader.line_num, fields, as_of))
        except _FieldError as told:
            column = COLUMNS.index(told.column) + 1
            wrong.append(Problem(path, reader.line_num, column, told.column, str(told)))
    if not found and not wrong:
        wrong.append(Problem(path, 1, 1, "", "holds no forecast"))
    if not wrong:  # what is said of a whole distribution needs all of its rows
        column = len(COLUMNS)
        wrong = [
            Problem(path, line, column, COLUMNS[-1], message) for line, message in _whole(found)
        ]
    return tuple(found), tuple(wrong)


def _row(line: int, fields: Mapping[str | None, str | None], as_of: str) -> Row:
    for name in COLUMNS:
        if not fields.get(name):
            raise _FieldError(name, "is empty")
    if None in fields:
        raise _FieldError(COLUMNS[-1], "is followed by more than the columns")
    said = {name: str(fields[name]) for name in COLUMNS}
    horizon = _horizon(said, as_of)
    kind, name = said["output_type"], said["output_type_id"]
    if kind not in TYPES:
        raise _FieldError("output_type", f"'{kind}' is not one of {', '.join(TYPES)}")
    value = _number(said["value"], "value")
    if kind != "quantile" and not 0 <= value <= 1:
        raise _FieldError("value", f"{said['value']} is no probability")
    level = 0.0 if kind == "pmf" else _number(name, "output_type_id")
    if kind == "quantile" and not 0 <= level <= 1:
        raise _FieldError("output_type_id", f"{name} is no level between 0 and 1")
    return Row(line, said["target"], horizon, kind, name, value)


def _horizon(said: Mapping[str, str], as_of: str) -> int:
    """Return how many days ahead a row looks, if its days fit together."""
    origin, close = (_day(said, name) for name in ("origin_date", "target_date"))
    if str(origin) != as_of:
        raise _FieldError("origin_date", f"{origin} is not the run's as-of day, {as_of}")
    if not said["horizon_days"].isdecimal():
        raise _FieldError("horizon_days", f"'{said['horizon_days']}' is no number of days")
    horizon = int(said["horizon_days"])
    if (close - origin).days != horizon:
        raise _FieldError("target_date", f"{close} is not {horizon} days after {origin}")
    return horizon


def _day(fields: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(fields[name])
    except ValueError:
        raise _FieldError(name, f"'{fields[name]}' is no date") from None


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _FieldError(column, f"'{text}' is no number")
    return value


def _whole(found: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """Say what is wrong with whole distributions, and at which line."""
    tasks: dict[tuple[str, int, str], list[Row]] = {}
    for each in found:
        tasks.setdefault(each.task, []).append(each)
    for (target, horizon, kind), values in tasks.items():
        said = f"'{target}', {horizon} days ahead,"
        names = [each.name for each in values]
        if len({*names}) < len(names):
            yield values[0].line, f"{said} has a value twice"
        elif kind == "pmf":
            total = math.fsum(each.value for each in values)
            if abs(total - 1) > TOLERANCE:
                yield (
                    values[0].line,
                    f"the {len(values)} values of {said} add up to {total:.6g}, not to 1",
                )
        else:
            by_level = sorted(values, key=lambda each: float(each.name))
            falls = [b.line for a, b in pairwise(by_level) if b.value < a.value]
            if falls:
                yield falls[0], f"the values of {said} fall where they may not"
    yield from _over_time(found)


def _over_time(found: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """Say which targets change their categories, or are reached and then not."""
    categories: dict[str, dict[int, set[str]]] = {}
    for each in found:
        if each.kind == "pmf":
            categories.setdefault(each.target, {}).setdefault(each.horizon, set()).add(each.name)
    for target, at in categories.items():
        if any(names != next(iter(at.values())) for names in at.values()):
            line = next(each.line for each in found if each.target == target)
            yield line, f"'{target}' has other categories at some horizons than at others"
    reached = [each for each in found if each.target.startswith(REACH) and each.name == YES]
    ahead = sorted(reached, key=lambda each: (each.target, each.horizon))
    for one, other in pairwise(ahead):
        if one.target == other.target and other.value < one.value - TOLERANCE:
            yield other.line, f"'{one.target}' is less likely by a later day than by an earlier one"
