"""Folders of reports as runs leave them, made in no time: what lists and keepers of runs read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from escalation.reporting.record import COLUMNS
from escalation.reporting.runs import LAST
from escalation.reporting.shelf import COMPLETE, MANIFEST, Shelf, outputs

RUNGS = ("calm", "tense", "war")
DAYS = (7, 30)
Rows = list[dict[str, str]]


def rows(as_of: str, chance: float = 0.25) -> Rows:
    """Rows of a valid forecast: reaching war, and where it stands."""
    found = []
    for days in DAYS:
        reach = chance * days / DAYS[-1]
        for target, values in (
            ("reach war", {"yes": reach, "no": 1 - reach}),
            ("on ladder", {"calm": 1 - reach, "tense": reach / 2, "war": reach / 2}),
        ):
            close = date.fromisoformat(as_of) + timedelta(days)
            told = [as_of, target, str(days), str(close), "pmf"]
            found += [
                dict(zip(COLUMNS, [*told, name, f"{value:.9g}"], strict=True))
                for name, value in values.items()
            ]
    return found


def written(table: Sequence[Mapping[str, str]]) -> str:
    """Rows as CSV."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return buffer.getvalue()


def answer(chance: float = 0.25, **more: object) -> dict[str, Any]:
    """What a manifest says of the answer."""
    war = {
        "target": "war",
        "label": "War",
        "off_ramp": False,
        "days": 30,
        "probability": chance,
        "low": chance / 2,
        "high": (1 + chance) / 2,
        "words": "unlikely",
    }
    deal = {**war, "target": "deal", "label": "A deal", "off_ramp": True}
    return {
        "title": "A small case",
        "question": "Does it climb?",
        "horizon_days": 30,
        "headline": [war, deal],
        "since": None,
        "alerts": [],
        "warnings": 0,
        **more,
    }


def since(as_of: str, before: float, after: float, cause: str) -> dict[str, Any]:
    """What a summary says of the run before."""
    return {"as_of": as_of, "shifts": {"war": [before, after]}, "cause": cause, "obstacle": ""}


def add(
    out: Path,
    name: str = "case-base",
    as_of: str = "2030-01-02",
    *,
    key: str = "a1" * 32,
    table: Sequence[Mapping[str, str]] | None = None,
    **manifest: object,
) -> Path:
    """Publish a finished run, and return its folder."""
    shelf = Shelf(out / name, as_of, key)
    with shelf.locked():
        building = shelf.build()
        for page in ("report.html", "report.pdf", "report.ipynb", "inputs.zip", "result.json"):
            (building / page).write_text(f"{page} of {as_of}")
        (building / "forecast.csv").write_text(written(table or rows(as_of)))
        data = {
            "schema": 1,
            "status": COMPLETE,
            "scenario": name,
            "as_of": as_of,
            "inputs_digest": key,
            "started": f"{as_of}T06:30:00+00:00",
            "summary": answer(),
            "outputs": outputs(building),
            **manifest,
        }
        (building / MANIFEST).write_text(json.dumps(data))
        shelf.publish(building)
    return shelf.link.resolve()


def fail(
    out: Path,
    name: str = "case-base",
    as_of: str = "2030-01-03",
    *,
    error: str = "cell 3 of the notebook: ValueError: no",
) -> Path:
    """Leave a failed run, and the note of the attempt."""
    shelf = Shelf(out / name, as_of, "f0" * 32)
    tried = f"{as_of}T06:30:00+00:00"
    with shelf.locked():
        building = shelf.build()
        (building / "report.ipynb").write_text("{}")
        data = {"status": "failed", "as_of": as_of, "started": tried, "error": error}
        (building / MANIFEST).write_text(json.dumps(data))
        kept = shelf.keep_failed(building)
    told = {"error": error, "advice": "Mend it."}
    last = {"status": "failed", "tried": tried, "run": f"failed/{kept.name}", **told}
    (out / name / LAST).write_text(json.dumps(last))
    return kept
