"""Reading what runs left: what stands is told from what was replaced, torn, thinned or failed."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shelves
from escalation.reporting import ledger, runs
from escalation.reporting.index import refresh
from escalation.reporting.shelf import MANIFEST
from escalation.reporting.summary import cause, summary


def only(out: Path, name: str = "case-base") -> runs.Run:
    """Return the one run of a scenario."""
    (run,) = runs.read(out / name).runs
    return run


def test_run_that_is_whole_says_what_its_manifest_says(tmp_path: Path) -> None:
    """A finished run is complete, current, and has the answer of its manifest."""
    place = shelves.add(tmp_path, summary=shelves.answer(0.4))
    run = only(tmp_path)
    assert (run.status, run.linked, run.counts, run.folder) == ("complete", True, True, place)
    assert run.answer["headline"][0]["probability"] == 0.4
    assert "report.pdf" in run.files


def test_replaced_run_is_told_from_the_current_one(tmp_path: Path) -> None:
    """Of two runs of a day the one that is linked is current; the other one stays listed."""
    shelves.add(tmp_path, key="a" * 64, started="2030-01-02T06:00:00+00:00")
    shelves.add(tmp_path, key="b" * 64, started="2030-01-02T07:00:00+00:00")
    record = runs.read(tmp_path / "case-base")
    assert [each.linked for each in record.runs] == [False, True]
    assert record.series == record.runs[1:]


def change(**what: object) -> Callable[[Path], object]:
    """Return what changes a manifest."""

    def edit(run: Path) -> None:
        data = json.loads((run / MANIFEST).read_text())
        (run / MANIFEST).write_text(json.dumps({**data, **what}))

    return edit


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: (run / "result.json").unlink(), "result.json is missing"),
        (lambda run: (run / "report.html").write_text("<b>"), "report.html is not as it was made"),
        (lambda run: (run / MANIFEST).write_text("{"), "manifest.json cannot be read"),
        (lambda run: (run / MANIFEST).write_text("[]"), "manifest.json cannot be read"),
        (lambda run: (run / MANIFEST).write_text('{"status": 1}'), "manifest.json cannot be read"),
        (change(as_of="soon"), "manifest.json cannot be read"),
        (change(started="at dawn"), "manifest.json cannot be read"),
        (change(summary={"title": "no more"}), "manifest.json cannot be read"),
        (change(summary=shelves.answer(1.5)), "manifest.json cannot be read"),
        (lambda run: (run / MANIFEST).unlink(), "manifest.json cannot be read"),
    ],
)
def test_torn_run_is_told_with_what_is_torn(
    tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    """Whatever is missing or was changed: the run is torn, and none of its numbers is shown."""
    damage(shelves.add(tmp_path))
    run = only(tmp_path)
    assert (run.status, run.reason, run.as_of) == ("torn", reason, "2030-01-02")
    assert run.answer == {}
    assert run.linked


def test_manifest_that_is_not_the_one_in_the_ledger_is_torn(tmp_path: Path) -> None:
    """A better probability in the manifest alone: no list of runs shows it."""
    run = shelves.add(tmp_path)
    refresh(tmp_path)
    assert only(tmp_path).status == "complete"
    change(summary=shelves.answer(0.01))(run)
    assert (only(tmp_path).status, only(tmp_path).reason) == ("torn", ledger.EDITED)


def test_manifest_that_names_no_file_is_torn(tmp_path: Path) -> None:
    """A manifest has to vouch for the page."""
    change(outputs={})(shelves.add(tmp_path))
    assert only(tmp_path).reason == "manifest.json does not name report.html"


def test_file_that_was_only_copied_is_not_torn(tmp_path: Path) -> None:
    """A file that is newer than its manifest and has the same content is as it was made."""
    run = shelves.add(tmp_path)
    later = time.time() + 60
    os.utime(run / "report.html", (later, later))
    assert only(tmp_path).status == "complete"


def test_files_older_than_their_manifest_are_not_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To list thousands of runs, none of their pages is read."""
    shelves.add(tmp_path)

    def never(path: Path) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(runs, "file_digest", never)
    assert only(tmp_path).status == "complete"


def test_failed_run_says_why_and_keeps_its_notebook(tmp_path: Path) -> None:
    """A failed run is listed with its reason, and the last attempt is known."""
    shelves.fail(tmp_path, error="cell 3: no")
    record = runs.read(tmp_path / "case-base")
    (run,) = record.runs
    assert (run.status, run.reason, run.counts) == ("failed", "cell 3: no", False)
    assert "report.ipynb" in run.files
    assert record.last["status"] == "failed"


def test_scenario_that_was_removed_does_not_ask_to_be_mended(tmp_path: Path) -> None:
    """Its file is gone: what to do is to remove its reports, not to mend what is not there."""
    file = tmp_path / "scenarios/case/base.yaml"
    file.parent.mkdir(parents=True)
    file.touch()
    shelves.fail(tmp_path / "reports", error="cell 3: no")
    folder = tmp_path / "reports/case-base"
    last = json.loads((folder / runs.LAST).read_text())
    (folder / runs.LAST).write_text(json.dumps({**last, "file": "scenarios/case/base.yaml"}))
    assert runs.read(folder).failing == "cell 3: no. Mend it."
    file.unlink()
    assert runs.read(folder).failing == (
        "cell 3: no. Its file scenarios/case/base.yaml is gone; "
        "remove reports/case-base if you no longer want it."
    )


def test_failed_run_without_a_word_is_listed_too(tmp_path: Path) -> None:
    """Killed while it kept its remains: the run is listed, and nothing else is upset by it."""
    kept = shelves.fail(tmp_path)
    (kept / MANIFEST).write_text('{"error"')
    (tmp_path / "case-base/last.json").write_text("")
    record = runs.read(tmp_path / "case-base")
    assert record.runs[0].reason == "it was stopped before it could say why"
    assert record.runs[0].as_of == "2030-01-03"
    assert record.last == {}


def test_runs_under_way_are_not_listed(tmp_path: Path) -> None:
    """What is being built, and what hidden files there are, is nobody's business."""
    shelves.add(tmp_path)
    (tmp_path / "case-base/runs/.building-x").mkdir()
    (tmp_path / "case-base/failed/my notes").mkdir(parents=True)
    (tmp_path / "case-base/runs/notes.md").touch()
    (tmp_path / ".hidden/runs").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    assert len(runs.read(tmp_path / "case-base").runs) == 1
    assert [each.name for each in runs.scenarios(tmp_path)] == ["case-base"]


def test_comparisons_and_sweeps_are_no_scenarios(tmp_path: Path) -> None:
    """A folder of comparisons is listed as such."""
    shelves.add(tmp_path)
    shelves.add(tmp_path / "compare", "case")
    (tmp_path / "sweep/runs").mkdir(parents=True)
    assert [each.name for each in runs.scenarios(tmp_path)] == ["case-base"]
    assert [each.name for each in runs.comparisons(tmp_path)] == ["case"]


def result(**more: object) -> dict[str, Any]:
    """Return the parts of a result that a summary is made from."""
    within = [
        {"days": days, "by": "2030-02-01", "probability": p, "low": 0.1, "high": 0.6,
         "words": "unlikely", "interval_words": "unlikely"}
        for days, p in ((7, 0.1), (30, 0.3))
    ]  # fmt: skip
    return {
        "scenario": {"title": "A case", "question": "Does it?", "targets": ["war"]},
        "horizon_days": 30,
        "headline": [{"target": "war", "label": "War", "off_ramp": False, "within": within}],
        "alerts": [{"text": "War: 30 %", "reach": "war", "above": 0.25, "raised": True}],
        "warnings": ["one", "two"],
        **more,
    }


def test_summary_is_of_the_horizon(tmp_path: Path) -> None:
    """A headline of the summary is the probability by the end of the horizon."""
    said = summary(result())
    assert said["headline"][0]["probability"] == 0.3
    assert said["headline"][0]["days"] == 30
    assert said["alerts"] == [{"text": "War: 30 %", "raised": True}]
    assert (said["warnings"], said["since"]) == (2, None)
    place = shelves.add(tmp_path, summary={})
    (place / "result.json").write_text(json.dumps(result()))
    old = runs.Run(place, "2030-01-02", "", "complete", "", True, {}, frozenset({"result.json"}))
    assert old.answer == said, "an older run has none in its manifest: it is made from its result"


def test_summary_tells_the_change_and_its_causes() -> None:
    """What changed since the report before comes with its causes in points."""
    parts: list[dict[str, Any]] = [
        {"kind": "time", "what": ["1 days"], "before": 0.30, "after": 0.28},
        {"kind": "reports", "what": ["a"], "before": 0.28, "after": 0.36},
        {"kind": "retractions", "what": [], "before": 0.36, "after": 0.36},
        {"kind": "edits", "what": ["x", "y"], "before": 0.36, "after": 0.361},
    ]
    since = {
        "as_of": "2030-01-01",
        "shifts": [{"target": "war", "before": 0.3, "after": 0.361}],
        "split": {"parts": parts},
        "obstacle": "",
    }
    said = summary(result(explanations={"since": since}))["since"]
    assert said["shifts"] == {"war": [0.3, 0.361]}
    assert said["cause"] == "1 new report +8, 1 day passing −2"
    points = [100 * (each["after"] - each["before"]) for each in parts]
    assert sum(points) == pytest.approx(6.1), "the causes add up to the change"
    unknown = summary(result(explanations={"since": {**since, "split": None, "obstacle": "old"}}))
    assert (unknown["since"]["cause"], unknown["since"]["obstacle"]) == ("", "old")


def test_cause_of_hardly_any_change_is_named() -> None:
    """Where nothing moved by a point, what happened is still said."""
    still = {"before": 0.3, "after": 0.302}
    assert cause([{"kind": "edits", "what": ["x"], **still}]) == "1 edit: less than a point"
    seed = {"kind": "edits", "what": ["seed"], **still}
    assert cause([seed]) == "another seed: less than a point"
    both = {"kind": "edits", "what": ["x", "draws"], "before": 0.3, "after": 0.34}
    assert cause([both]) == "1 edit and another number of draws +4"
    assert cause([{"kind": "edits", "what": [], "before": 0.3, "after": 0.3}]) == "nothing changed"
