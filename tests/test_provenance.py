"""What a run was made from, and when two runs count as the same."""

import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from escalation.reading import scenario
from escalation.reporting.provenance import git_state, inputs, inputs_digest

AS_OF = date(2030, 3, 1)


@pytest.fixture
def desk(tmp_path: Path, workspace: Path) -> Path:
    """A workspace with the tiny case."""
    shutil.copytree(workspace / "tests/data/tiny", tmp_path / "scenarios/tiny")
    return tmp_path


def digest(desk: Path, as_of: date = AS_OF) -> str:
    """Return the digest of the inputs as they are now."""
    case = scenario.load(desk / "scenarios/tiny/baseline.yaml", as_of=as_of)
    return inputs_digest(inputs(case, as_of, 64, 1))


def replace(path: Path, old: str, new: str) -> None:
    """Edit a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_only_what_was_known_counts(desk: Path) -> None:
    """Rows of a later day, or a later withdrawal, change nothing; a known row's text does."""
    rows = desk / "scenarios/tiny/observations.csv"
    before = digest(desk)
    with rows.open("a", encoding="utf-8") as file:
        file.write("row-9,harsh_speech,,2030-04-01,,,,,,,Radio,Later\n")
    replace(rows, "B2,gathering,,", "B2,gathering,2030-03-15,")
    assert digest(desk) == before
    assert digest(desk, date(2030, 3, 20)) != digest(desk, date(2030, 3, 14))
    replace(rows, "Same ships", "The same ships")
    assert digest(desk) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("baseline.yaml", "fight: 0.2", "fight: 0.3"),
        ("catalogue.yaml", "echo_correlation: {value: 0.5", "echo_correlation: {value: 0.6"),
        ("observations.csv", "0.6 to 0.9", "0.6 to 0.8"),
    ],
)
def test_every_input_counts(desk: Path, name: str, old: str, new: str) -> None:
    """A change of any file that the scenario is put together from changes the digest."""
    before = digest(desk)
    replace(desk / "scenarios/tiny" / name, old, new)
    assert digest(desk) != before


def test_no_folder_of_this_machine_shows(desk: Path) -> None:
    """Paths are told from the workspace, and the same files elsewhere have the same digest."""
    case = scenario.load(desk / "scenarios/tiny/baseline.yaml")
    assert str(desk) not in str(inputs(case, AS_OF, 64, 1))
    before = digest(desk)
    elsewhere = desk / "elsewhere"
    shutil.copytree(desk / "scenarios", elsewhere / "scenarios")
    assert digest(elsewhere) == before


def test_git_state_tells_commit_and_changes(tmp_path: Path) -> None:
    """None outside a repository; then the commit, and whether tracked files differ from it."""
    assert git_state(tmp_path) is None
    settings = ["-c", "user.name=A", "-c", "user.email=a@example.org"]

    def git(*arguments: str) -> None:
        command = ["git", "-C", str(tmp_path), *settings, *arguments]
        subprocess.run(command, check=True, capture_output=True)

    git("init")
    assert git_state(tmp_path) is None
    (tmp_path / "a").write_text("one")
    git("add", "a")
    git("commit", "-m", "first")
    state = git_state(tmp_path)
    assert state is not None
    assert len(str(state["commit"])) == 40
    assert state["modified"] is False
    (tmp_path / "a").write_text("two")
    assert git_state(tmp_path) == state | {"modified": True}
