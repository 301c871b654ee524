"""Making room: pages go, and no number, no link and nothing that is scored ever does."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import shelves
from escalation.errors import InvalidValueError, RunError
from escalation.history import scoreboard
from escalation.reporting import archive, retention, runs
from escalation.reporting.retention import KEPT, keep, prune
from escalation.reporting.shelf import Shelf

PAGES = {"report.html", "report.pdf", "report.ipynb"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Five as-of days, one of them reported twice, one failed, and a comparison."""
    for number in range(1, 6):
        shelves.add(tmp_path, as_of=f"2030-01-{number:02}", key="a" * 64)
    shelves.add(tmp_path, as_of="2030-01-05", key="b" * 64)
    shelves.fail(tmp_path, as_of="2030-01-02")
    shelves.add(tmp_path / "compare", "case", "2030-01-01")
    shelves.add(tmp_path / "compare", "case", "2030-01-05")
    return tmp_path


def files(run: Path) -> set[str]:
    """Names of what is in a run."""
    return {each.name for each in run.iterdir()}


def numbers(out: Path) -> dict[str, bytes]:
    """Everything that is scored, or needed to tell what was said."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name in KEPT and "failed" not in path.parts
    }


def test_pages_of_old_days_go_and_numbers_stay(out: Path) -> None:
    """The latest two days stay whole; of the others pages go, and not a byte of a number."""
    before = numbers(out)
    gone = prune(out, keep("2"), remove=True)
    after = numbers(out)
    assert {name: after[name] for name in before} == before
    whole = {each.name for each in (out / "case-base/runs").iterdir() if files(each) >= PAGES}
    assert whole == {"2030-01-04-aaaaaaaaaaaa", "2030-01-05-bbbbbbbbbbbb"}
    thin = files(out / "case-base/2030-01-01")
    assert thin == {"forecast.csv", "result.json", "inputs.zip", "manifest.json", "pruned.json"}
    assert not (out / "case-base/failed/2030-01-02-f0f0f0f0f0f0").exists()
    assert {each.run.as_of for each in gone} == {f"2030-01-{day:02}" for day in (1, 2, 3, 5)}


def test_what_is_scored_is_the_same_before_and_after(out: Path) -> None:
    """`escalation score` reads the same forecasts from a thinned folder."""
    before = [each.probability for each in scoreboard.archived(out)]
    prune(out, keep("1"), remove=True)
    assert [each.probability for each in scoreboard.archived(out)] == before
    assert len(before) > 5


def test_links_all_lead_to_their_numbers(out: Path) -> None:
    """Every as-of day still leads to a run, and the archive still checks."""
    prune(out, keep("1"), remove=True)
    for day in range(1, 6):
        assert (out / f"case-base/2030-01-{day:02}/forecast.csv").is_file()
    assert archive.check(out).problems == ()
    assert {each.status for each in runs.read(out / "case-base").runs} == {"thinned", "complete"}


def test_without_yes_nothing_is_touched(out: Path) -> None:
    """Asked only what would go, it says the same and removes nothing."""
    before = sorted(map(str, out.rglob("*")))
    would = prune(out, keep("2"), remove=False)
    assert sorted(map(str, out.rglob("*"))) == before
    did = prune(out, keep("2"), remove=True)
    assert [(each.run.folder, each.names, each.size) for each in did] == [
        (each.run.folder, each.names, each.size) for each in would
    ]
    assert sum(each.size for each in did) > 0


def test_again_there_is_nothing_left_to_do(out: Path) -> None:
    """Pruned twice by the same rule is pruned once."""
    prune(out, keep("2"), remove=True)
    assert prune(out, keep("2"), remove=True) == []


def test_days_are_counted_from_the_latest(out: Path) -> None:
    """`3d` keeps the latest as-of day and the two days before it, whatever day it is today."""
    prune(out, keep("3d"), remove=True)
    whole = {each.as_of for each in runs.read(out / "case-base").series if each.status != "thinned"}
    assert whole == {"2030-01-03", "2030-01-04", "2030-01-05"}


@pytest.mark.parametrize("long", ["3000y", "999999999y", "999999999"])
def test_longer_than_there_are_days_keeps_all(out: Path, long: str) -> None:
    """However much is to be kept, what is there is no more than that."""
    prune(out, keep(long), remove=True)
    assert all((run / "report.html").exists() for run in out.glob("case-base/2030-*"))


def test_failed_runs_of_kept_days_and_torn_runs_stay(out: Path) -> None:
    """What somebody may still want to look at is left alone."""
    shelves.fail(out, as_of="2030-01-05")
    torn = out / "case-base/2030-01-01"
    (torn / "result.json").unlink()
    prune(out, keep("1"), remove=True)
    assert (out / "case-base/failed/2030-01-05-f0f0f0f0f0f0/report.ipynb").exists()
    assert files(torn) >= PAGES


def test_files_that_no_run_made_stay(out: Path) -> None:
    """Somebody's notes in a run's folder are not ours to remove."""
    (out / "case-base/2030-01-01/notes").mkdir()
    (out / "case-base/2030-01-01/notes.md").write_text("look here")
    prune(out, keep("1"), remove=True)
    assert {"notes", "notes.md"} < files(out / "case-base/2030-01-01")


@pytest.mark.parametrize("step", [1, 2, 3, 4, 9, 15])
def test_stopped_half_way_is_finished_next_time(
    out: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed at any file: no run is torn, and the next time does the rest."""
    real, count = Path.unlink, 0

    def stop(path: Path, *, missing_ok: bool = False) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise KeyboardInterrupt
        real(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop)
        with pytest.raises(KeyboardInterrupt):
            prune(out, keep("1"), remove=True)
    assert "torn" not in {each.status for each in runs.read(out / "case-base").runs}
    assert archive.check(out).problems == ()
    prune(out, keep("1"), remove=True)
    assert not PAGES & files(out / "case-base/2030-01-01")


HOLD = """
import sys, time
from pathlib import Path
from escalation.reporting.shelf import Shelf
with Shelf(Path(sys.argv[1]), "2030-01-01", "").locked():
    print("held", flush=True)
    time.sleep(1.5)
"""


def test_waits_while_a_report_is_made(out: Path) -> None:
    """A scenario of which a report is being made is not touched meanwhile."""
    command = [sys.executable, "-c", HOLD, str(out / "case-base")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        begun = time.monotonic()
        prune(out, keep("1"), remove=True)
        assert time.monotonic() - begun > 1
    assert not PAGES & files(out / "case-base/2030-01-01")


def test_what_cannot_be_removed_is_said(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unwritable folder is an error with its place."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(retention, "write_whole", denied)
    with pytest.raises(RunError, match=r"2030-01-01-a+: Permission denied; run it again"):
        prune(out, keep("1"), remove=True)


@pytest.mark.parametrize("text", ["", "0", "-1", "3m", "all", "0d", "1.5"])
def test_how_much_to_keep_is_read_strictly(text: str) -> None:
    """Never a rule that keeps nothing, or that was guessed."""
    with pytest.raises(InvalidValueError, match="says not how much to keep"):
        keep(text)


def test_scenario_that_only_failed_keeps_its_latest(tmp_path: Path) -> None:
    """Where nothing ever succeeded, the latest failures are what there is to look at."""
    for day in (1, 2, 3):
        shelves.fail(tmp_path, as_of=f"2030-01-0{day}")
    prune(tmp_path, keep("2"), remove=True)
    there = {each.as_of for each in runs.read(tmp_path / "case-base").runs}
    assert there == {"2030-01-02", "2030-01-03"}


def test_thinned_run_is_made_again_when_it_is_asked_for(out: Path) -> None:
    """A thinned run is not taken for the report of its inputs: asked for, it is made anew."""
    shelf = Shelf(out / "case-base", "2030-01-01", "a" * 64)
    assert shelf.find() is not None
    prune(out, keep("1"), remove=True)
    assert shelf.find() is None


def test_folder_copied_without_its_links_loses_no_number(out: Path, tmp_path: Path) -> None:
    """Copied with links followed, each day is a folder of its own: no number is ever at stake."""
    copied: Any = shutil.copytree(out, tmp_path.with_name(tmp_path.name + "-copy"))
    before = numbers(copied)
    prune(copied, keep("1"), remove=True)
    after = numbers(copied)
    assert {name: after[name] for name in before} == before
    note = json.loads(next(copied.rglob("pruned.json")).read_text())
    assert set(note["removed"]) == PAGES
    assert files(copied / "case-base/runs/2030-01-05-bbbbbbbbbbbb") >= PAGES
