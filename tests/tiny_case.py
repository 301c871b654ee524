"""The tiny case of `tests/data/tiny`, copied and changed by the tests of its reading."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from escalation.errors import InvalidInputError
from escalation.reading import scenario

TINY = Path(__file__).parent / "data" / "tiny"


def copy_of_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the tiny case, made the current folder."""
    folder = tmp_path / "tiny"
    shutil.copytree(TINY, folder)
    monkeypatch.chdir(folder)
    return folder


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Change a file; each text that is replaced has to be there."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def place_of_fault(path: Path, old: str, new: str, at: str) -> str:
    """Change a file, and return where a text then stands: near the change, or else first."""
    begin = path.read_text(encoding="utf-8").index(old)
    edit(path, (old, new))
    text = path.read_text(encoding="utf-8")
    found = text.find(at, begin, begin + 90)
    before = text[: found if found >= 0 else text.index(at)]
    return f"{path.name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "


def wrong(path: Path) -> list[str]:
    """Return the errors of a scenario, without its warnings."""
    with pytest.raises(InvalidInputError) as error:
        scenario.load(path)
    return [str(each) for each in error.value.problems if not each.warning]
