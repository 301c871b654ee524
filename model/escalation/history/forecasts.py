r"""Archived forecasts: any file with hubverse's model-output columns.

Rows of type `pmf` that share origin, target and target date are one forecast, and add up to 1;
where one of `yes` and `no` alone is given, the other is the rest. Rows of other types are passed
over. A probability stands once: a file that holds several places or models has to be split.

>>> row = "2020-01-01,reach war,30,2020-01-31,pmf,yes,0.2\n"
>>> header = "origin_date,target,horizon_days,target_date,output_type,output_type_id,value\n"
>>> parse_forecasts(header + row, "case", Path("f.csv"))[0].probability
{'yes': 0.2}
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.reading import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("target", "output_type", "output_type_id", "value")
ORIGINS = ("origin_date", "reference_date")  # hubverse's usual names of the two days
CLOSES = ("target_date", "target_end_date")
MAX_BYTES = 20_000_000
SUM_TOLERANCE = 0.01
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Forecast:
    """One archived forecast.

    Attributes
    ----------
    case : str
        What it is about: the folder of the runs.
    origin, close : date
        The day that it stands on, and its target date.
    target : str
        As in the file, for instance "reach strikes".
    horizon : int
        Days.
    probability : Mapping[str, float]
        Outcome → probability.
    path : Path
    made : date or None
        When it was made, by the run's manifest; None: not known.
    """

    case: str
    origin: date
    target: str
    horizon: int
    close: date
    probability: dict[str, float]
    path: Path
    made: date | None = None


def read_forecasts(path: Path, case: str) -> tuple[Forecast, ...]:
    """Read a forecast file.

    Raises
    ------
    InvalidInputError
        With every row that could not be read.
    """
    try:
        text = documents.read_text(documents.absolute(path), MAX_BYTES)
    except InvalidValueError as error:
        raise InvalidInputError([Problem(path, 1, 1, "", str(error))]) from error
    return parse_forecasts(text, case, path, made_on(path.parent))


def made_on(run: Path) -> date | None:
    """Day on which a run was made; None where no manifest says so."""
    try:
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        return date.fromisoformat(str(manifest["started"])[:10])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def parse_forecasts(
    text: str, case: str, path: Path, made: date | None = None
) -> tuple[Forecast, ...]:
    """Read forecasts from text; errors as of `read_forecasts`."""
    reader = csv.DictReader(io.StringIO(text))
    names = set(reader.fieldnames or ())
    absent = [name for name in COLUMNS if name not in names]
    absent += [each[0] for each in (ORIGINS, CLOSES) if not names & set(each)]
    if absent:
        raise InvalidInputError([Problem(path, 1, 1, "", f"lacks the columns {', '.join(absent)}")])
    problems: list[Problem] = []
    cells: dict[tuple[date, str, int, date], dict[str, float]] = {}
    lines: dict[tuple[date, str, int, date], int] = {}
    for row in reader:
        if row["output_type"] != "pmf":
            continue
        try:
            key = _key(row)
            lines.setdefault(key, reader.line_num)
            _add(cells.setdefault(key, {}), row)
        except (TypeError, ValueError) as error:
            problems.append(Problem(path, reader.line_num, 1, "", str(error)))
    for key, values in cells.items():
        if not problems and not _whole(values):
            total = f"the values of '{key[1]}' add up to {math.fsum(values.values()):.4g}, not to 1"
            problems.append(Problem(path, lines[key], 1, "", total))
    if problems:
        raise InvalidInputError(problems)
    return tuple(
        Forecast(case, origin, target, days, close, values, path, made)
        for (origin, target, days, close), values in cells.items()
    )


def _key(row: Mapping[str, str]) -> tuple[date, str, int, date]:
    origin = _day(row, ORIGINS)
    close = _day(row, CLOSES)
    days = (close - origin).days
    if row.get("horizon_days", str(days)) != str(days):
        raise InvalidValueError(f"{close} is not {row['horizon_days']} days after {origin}")
    if days < 1:
        raise InvalidValueError(f"the target date {close} is not after {origin}")
    return origin, row["target"], days, close


def _day(row: Mapping[str, str], names: tuple[str, ...]) -> date:
    name = next(each for each in names if each in row)
    try:
        return date.fromisoformat(row[name])
    except (TypeError, ValueError):
        raise InvalidValueError(
            f"{name}: '{row[name] or ''}' is not a date such as 2018-06-01"
        ) from None


def _add(values: dict[str, float], row: Mapping[str, str]) -> None:
    outcome = row["output_type_id"]
    if outcome in values:
        raise InvalidValueError(
            f"'{outcome}' of '{row['target']}' stands twice; a file holds one place and one model"
        )
    try:
        value = float(row["value"])
    except (TypeError, ValueError):
        raise InvalidValueError(f"value: '{row['value'] or ''}' is not a number") from None
    if not 0 <= value <= 1:
        raise InvalidValueError(f"value: {row['value']} is no probability")
    values[outcome] = value


def _whole(values: Mapping[str, float]) -> bool:
    """Whether probabilities add up to 1, or are one side of yes and no."""
    half = len(values) == 1 and bool(values.keys() & {YES, NO})
    return half or abs(math.fsum(values.values()) - 1) <= SUM_TOLERANCE


def of_yes(forecast: Forecast) -> float | None:
    """P(yes); None: it is no question of yes or no."""
    said = forecast.probability
    if said.keys() <= {YES, NO}:
        return said[YES] if YES in said else 1 - said[NO]
    return None
