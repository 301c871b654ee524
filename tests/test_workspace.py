"""What a file is, at first sight: never another answer than reading it would give."""

from pathlib import Path

import pytest

from escalation.reading import scenario
from escalation.reading.workspace import at_first_sight, name_of, yaml_files

TEXTS = [
    ("extends: baseline.yaml\n", True),
    ("# a comment\ntitle: x\nladder:\n  rungs: []\n", True),
    ("indicators: {}\n# of the ladder: nothing\n", False),
    ("classes:\n  a: {n: 3}\n", False),
    ("anything:\n  a: {n: 3}\n", None),
    ('{"extends": "baseline.yaml"}\n', None),
    ('"ext\\x65nds": baseline.yaml\n', None),
    ("'latent' : {}\n", None),
    ("indicators:\n  a: {latent: 3}\n", None),
    ("", None),
    ("a: [", None),
]


@pytest.mark.parametrize(("text", "sight"), TEXTS)
def test_first_sight_agrees_with_reading(tmp_path: Path, text: str, sight: object) -> None:
    """True and False are what the YAML says; where the text alone may mislead, it is read."""
    path = tmp_path / "case.yaml"
    path.write_text(text, encoding="utf-8")
    assert at_first_sight(path) is sight
    if sight is not None:
        assert (scenario._kind(path) == "scenario") is sight  # noqa: SLF001 (the slow twin)


def test_every_file_of_the_workspace(workspace: Path) -> None:
    """Scenarios and what they share need not be read to know what they are."""
    for path in yaml_files(workspace / "scenarios"):
        assert at_first_sight(path) is (scenario._kind(path) == "scenario"), path  # noqa: SLF001


def test_name_is_that_of_the_scenario(workspace: Path) -> None:
    """A scenario's reports are found without reading it."""
    path = workspace / "tests/data/tiny/baseline.yaml"
    assert name_of(path) == scenario.load(path).name == "tiny-baseline"
