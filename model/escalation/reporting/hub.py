"""Writes the archive as a hub of the hubverse, so that its tools can read and score it.

    hub-config/tasks.json                   what was forecast: the task columns and their values
    hub-config/admin.json                   the hub's own settings
    hub-config/model-metadata-schema.json   what is said of a model
    model-metadata/<model>.yml              a model: a scenario, as one view of its case
    model-output/<model>/<day>-<model>.csv  the current forecast of a scenario as of a day

A **model** is a scenario, named `team-scenario` with letters, digits and `_` only. A **round** is
an as-of day. The columns are `case` (the folder of the scenario), `origin_date`, `target`,
`horizon` (days), `target_date`, which follows from them, and hubverse's three. (hubverse
documentation, "Hub structure" and "Model output"; its schemas of version 5.0.1, which the
configuration names by their address and nothing here fetches.)

>>> model_id("escalation", "venezuela-baseline")
'escalation-venezuela_baseline'
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from escalation.errors import InvalidInputError, InvalidValueError, RunError
from escalation.reporting import hubverse, runs
from escalation.reporting.disk import write_whole
from escalation.reporting.provenance import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from escalation.reporting.hubverse import Row

TEAM = "escalation"
SCHEMAS = "https://raw.githubusercontent.com/hubverse-org/schemas/main/v5.0.1/"
COLUMNS = (
    "case",
    "origin_date",
    "target",
    "horizon",
    "target_date",
    "output_type",
    "output_type_id",
    "value",
)
TIMEZONE = "Atlantic/Reykjavik"  # UTC all year; the schema has no name for UTC itself
_ID = re.compile(r"[A-Za-z0-9_]+")
_LONGEST_ID, _LONGEST_NAME = 30, 100  # of a target, by the schema


@dataclass(frozen=True)
class Round:
    """A forecast of a model as of a day.

    Attributes
    ----------
    case, model : str
    title : str
        Of the scenario.
    as_of : date
    made : date or None
        None if that is not known.
    rows : tuple of Row
    """

    case: str
    model: str
    title: str
    as_of: date
    made: date | None
    rows: tuple[Row, ...]


def model_id(team: str, scenario: str) -> str:
    """Return the name of a scenario as a model of a team.

    Raises
    ------
    InvalidValueError
        If the team's name has other signs than letters, digits and `_`.
    """
    if not _ID.fullmatch(team):
        raise InvalidValueError(f"team '{team}': write letters, digits and _ only")
    return f"{team}-{re.sub(r'[^A-Za-z0-9_]', '_', scenario)}"


def export(out: Path, folder: Path, team: str = TEAM) -> int:
    """Write the current forecasts of a folder of reports as a hub, and return how many.

    Raises
    ------
    InvalidInputError, RunError
        If a forecast is not valid, forecasts cannot stand in one hub, or it cannot be written.
    """
    rounds = [each for place in runs.scenarios(out) for each in _rounds(place, team)]
    _check(rounds)
    try:
        _write_configuration(folder, team, rounds)
        for each in rounds:
            place = folder / "model-output" / each.model
            place.mkdir(parents=True, exist_ok=True)
            write_whole(place / f"{each.as_of}-{each.model}.csv", _csv(each))
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}") from error
    return len(rounds)


def _rounds(place: Path, team: str) -> Iterable[Round]:
    record = runs.read(place)
    for run in record.series:
        path = run.folder / "forecast.csv"
        rows, wrong = hubverse.rows(path.read_text(encoding="utf-8"), path, run.as_of)
        if wrong:
            raise InvalidInputError(wrong)
        case = PurePosixPath(run.manifest.get("file", "")).parent.name or record.name
        made = date.fromisoformat(run.made[:10]) if run.made else None
        title = str(run.answer.get("title", record.name))
        model = model_id(team, record.name)
        yield Round(case, model, title, date.fromisoformat(run.as_of), made, rows)


def _check(rounds: Sequence[Round]) -> None:
    """Make sure that forecasts can stand side by side."""
    if not rounds:
        raise RunError("there is no finished report to export")
    twice = Counter((each.model, each.as_of) for each in rounds).most_common(1)[0]
    if twice[1] > 1:
        raise RunError(f"two scenarios would both be the model {twice[0][0]}: rename one")
    outcomes: dict[tuple[str, date, str], tuple[str, ...]] = {}
    for each in rounds:
        if {row.kind for row in each.rows} != {"pmf"}:
            raise RunError(f"{each.model} as of {each.as_of}: only rows of type pmf are exported")
        for target, names in _outcomes(each).items():
            if outcomes.setdefault((each.case, each.as_of, target), names) != names:
                raise RunError(
                    f"{each.model} as of {each.as_of} has other outcomes of '{target}' than "
                    f"another scenario of {each.case}: they cannot stand in one hub"
                )


def _outcomes(one: Round) -> dict[str, tuple[str, ...]]:
    """Target → its categories, in their order."""
    found: dict[str, dict[str, None]] = {}
    for row in one.rows:
        found.setdefault(row.target, {})[row.name] = None
    return {target: tuple(names) for target, names in found.items()}


def _csv(one: Round) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in one.rows:
        close = one.as_of + timedelta(row.horizon)
        task = [one.case, one.as_of, row.target, row.horizon, close]
        writer.writerow([*task, row.kind, row.name, f"{row.value:.9g}"])
    return buffer.getvalue()


def _write_configuration(folder: Path, team: str, rounds: Sequence[Round]) -> None:
    metadata = {each.model: each for each in rounds}
    files = {
        "hub-config/admin.json": _admin(team),
        "hub-config/tasks.json": _tasks(rounds),
        "hub-config/model-metadata-schema.json": _metadata_schema(),
    }
    files |= {
        f"model-metadata/{name}.yml": {
            "team_abbr": team,
            "model_abbr": name.partition("-")[2],
            "model_name": each.title,
        }
        for name, each in metadata.items()
    }
    for name, data in files.items():  # JSON is YAML, too
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _admin(team: str) -> dict[str, Any]:
    return {
        "schema_version": f"{SCHEMAS}admin-schema.json",
        "name": "Escalation forecasts",
        "maintainer": team,
        "contact": {},
        "repository": {},
        "file_format": ["csv"],
        "timezone": TIMEZONE,
    }


def _metadata_schema() -> dict[str, Any]:
    said = {"type": "string"}
    names = {"team_abbr": said, "model_abbr": said}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {**names, "model_name": said},
        "required": [*names],
    }


def _tasks(rounds: Sequence[Round]) -> dict[str, Any]:
    """Say what was forecast: one group of tasks for each case, target and set of outcomes."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[Round]] = {}
    for each in rounds:
        for target, names in _outcomes(each).items():
            groups.setdefault((each.case, target, names), []).append(each)
    late = [(each.made - each.as_of).days for each in rounds if each.made]
    return {
        "schema_version": f"{SCHEMAS}tasks-schema.json",
        "rounds": [
            {
                "round_id_from_variable": True,
                "round_id": "origin_date",
                "model_tasks": [_group(*key, members) for key, members in groups.items()],
                "submissions_due": {
                    "relative_to": "origin_date",
                    "start": min([0, *late]),
                    "end": max([0, *late]),
                },
            }
        ],
        "output_type_id_datatype": "character",
        "derived_task_ids": ["target_date"],
    }


def _group(
    case: str, target: str, names: tuple[str, ...], members: Sequence[Round]
) -> dict[str, Any]:
    rows = [(one.as_of, row) for one in members for row in one.rows if row.target == target]
    horizons = sorted({row.horizon for _, row in rows})
    closes = sorted({str(as_of + timedelta(row.horizon)) for as_of, row in rows})
    days = sorted({str(one.as_of) for one in members})
    return {
        "task_ids": {
            "case": {"required": None, "optional": [case]},
            "origin_date": {"required": None, "optional": days},
            "target": {"required": None, "optional": [target]},
            "horizon": {"required": None, "optional": horizons},
            "target_date": {"required": None, "optional": closes},
        },
        "output_type": {
            "pmf": {
                "output_type_id": {"required": list(names)},
                "value": {"type": "double", "minimum": 0, "maximum": 1},
                "is_required": True,
            }
        },
        "target_metadata": [_target(target, names)],
    }


def _target(target: str, names: tuple[str, ...]) -> dict[str, Any]:
    kind = "nominal"
    if {*names} == {"yes", "no"}:
        kind = "binary"
    elif target == "highest rung":
        kind = "ordinal"
    return {
        "target_id": _short(target),
        "target_name": target[:_LONGEST_NAME],
        "target_units": "category",
        "target_keys": {"target": target},
        "target_type": kind,
        "is_step_ahead": True,
        "time_unit": "day",
    }


def _short(target: str) -> str:
    """Return a target's name as its id: cut, and told apart by a digest, if it is too long."""
    if len(target) <= _LONGEST_ID:
        return target
    told_apart = "~" + digest(target.encode())[:5]
    return target[: _LONGEST_ID - len(told_apart)] + told_apart
