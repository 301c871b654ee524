"""A small case that tests write to a folder, with the changes that each of them needs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from escalation.reading import scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from escalation.reading.case import Scenario

COLUMNS = (
    "id,indicator,occurred_on,reported_on,until,count,probability,grade,"
    "echo_group,retracted_on,source,note"
)

CASE: dict[str, Any] = {
    "schema": 1,
    "title": "A small case",
    "question": "Does it climb?",
    "start": "2025-01-01",
    "as_of": "2025-03-02",
    "horizon": "60d",
    "observations": "observations.csv",
    "latent": {
        "intent": {
            "label": "Intent",
            "states": {"bluff": "Bluffs", "fight": "Means it"},
            "start": {"bluff": 0.7, "fight": 0.3, "why": "reasoning"},
            "moves": {"bluff -> fight": {"rate": "0.1 to 0.3", "why": "reasoning"}},
        }
    },
    "ladder": {
        "rungs": [
            {"id": "low", "label": "Low", "resolves": "nothing yet"},
            {"id": "high", "label": "High", "resolves": "shots fired"},
        ],
        "off_ramps": [{"id": "deal", "label": "Deal", "resolves": "a deal is signed"}],
        "start": "low",
        "moves": {
            "low -> high": {"intent": {"bluff": "0.02 to 0.1", "fight": "0.3 to 1"}, "why": "r"},
            "high -> low": {"rate": 0.2, "why": "reasoning"},
            "low -> deal": {"rate": 0.1, "intent": {"fight": "x0.5"}, "why": "reasoning"},
        },
    },
    "indicators": {
        "fleet": {
            "category": "force_posture",
            "label": "A fleet sails",
            "seen": {"window": "30d", "intent": {"bluff": 0.2, "fight": 0.7}},
            "watched": True,
            "once": True,
            "effect": {"climb": "x1.5 to 3", "fades": "30d"},
            "why": "reasoning",
        },
        "shots": {
            "category": "use_of_force",
            "label": "Shots",
            "seen": {"per": "30d", "rung": {"low": 0.05, "high": "2 to 4", "deal": 0.05}},
            "watched": True,
            "why": "reasoning",
        },
        "threat": {
            "category": "rhetoric",
            "label": "A threat",
            "seen": {"per": "30d", "intent": {"bluff": 1, "fight": 3}},
            "why": "reasoning",
        },
    },
    "admiralty": {
        "source": {"A": 1, "B": 0.9, "C": 0.7, "D": 0.5, "E": 0.3, "why": "table"},
        "information": {"1": 1, "2": 0.9, "3": 0.7, "4": 0.5, "5": 0.3, "why": "table"},
        "unknown": {"value": 0.6, "why": "wide"},
    },
    "echo_correlation": {"value": 0.5, "why": "half"},
    "targets": ["high", "deal"],
}


def write_case(
    folder: Path, rows: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> Path:
    """Write the case to a folder, merged with changes (None deletes), and return its path."""
    tree = merge(copy.deepcopy(CASE), changes or {})
    path = folder / "case.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(tree, file)
    lines = "\n".join((COLUMNS, *rows)) + "\n"
    (folder / "observations.csv").write_text(lines, encoding="utf-8")
    return path


def load_case(
    folder: Path, rows: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> Scenario:
    """Write the case to a folder and load it."""
    return scenario.load(write_case(folder, rows, changes))


def merge(tree: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch of plain maps."""
    for key, value in changes.items():
        if value is None:
            tree.pop(key, None)
        elif isinstance(value, dict):
            there = tree.get(key)
            tree[key] = merge(there if isinstance(there, dict) else {}, value)
        else:
            tree[key] = value
    return tree


def row(name: str, indicator: str, day: str, **more: str) -> str:
    """Return an observation's CSV line; by default it was reported on the day it happened."""
    fields = {"id": name, "indicator": indicator, "reported_on": day, "grade": "A1", **more}
    return ",".join(fields.get(column, "") for column in COLUMNS.split(","))
