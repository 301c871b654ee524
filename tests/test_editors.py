"""Promises of `escalation.reading.editors`."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from escalation.reading import scenario
from escalation.reading.documents import read
from escalation.reading.tree import Findings, plain
from tiny_case import TINY, copy_of_tiny, edit


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the tiny case, made the current folder."""
    return copy_of_tiny(tmp_path, monkeypatch)


def schema_problems(path: Path) -> list[str]:
    """Return what the JSON Schema says of a file."""
    tree = read(path, Findings())
    assert tree is not None
    validator = jsonschema.Draft202012Validator(scenario.json_schema())
    return [each.json_path for each in validator.iter_errors(plain(tree))]


def test_the_json_schema_accepts_every_valid_file(workspace: Path) -> None:
    """Scenarios, variants, catalogues and reference classes, the project's own included."""
    jsonschema.Draft202012Validator.check_schema(scenario.json_schema())
    shared = ["catalogue.yaml", "reference_classes.yaml"]
    folders = [TINY, workspace / "scenarios"]
    files = [
        *scenario.find_scenarios(folders),
        *(each / name for each in folders for name in shared),
    ]
    for path in files:
        assert schema_problems(path) == [], path


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("horizon: 60d", "horizon: 60", "$.horizon"),
        ("horizon: 60d", "horizn: 60d", "$"),
        ("horizon: 60d\n", "", "$"),
        ("start: 2030-01-01", "start: soon", "$.start"),
        ("0.1 to 0.3", "0.1 - 0.3", "$.latent.intent.moves['fight -> bargain']"),
        ("dist: gamma", "dist: gama", "$.latent.mood.moves['calm -> angry']"),
        ("label: Words, ", "", "$.ladder.rungs[0]"),
        ("above: 0.3", "above: 3", "$.alerts[0].above"),
    ],
)
def test_the_json_schema_refuses_what_it_can(tiny: Path, old: str, new: str, place: str) -> None:
    """Unknown keys, wrong types and texts that are no numbers are seen while typing."""
    edit(tiny / "baseline.yaml", (old, new))
    assert place in schema_problems(tiny / "baseline.yaml")
