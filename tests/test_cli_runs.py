"""The commands about runs: what a person types, and what they read."""

import json
import re
import shutil
from pathlib import Path

import pytest

import shelves
from escalation.cli import main
from escalation.reporting.index import PAGE
from escalation.reporting.report import run_report


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two days of a scenario, and a failed one; the current folder."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "reports"
    shelves.add(out, as_of="2030-01-01", summary=shelves.answer(0.3))
    moved = shelves.since("2030-01-01", 0.3, 0.42, "2 new reports +12")
    alerts = [{"text": "reach war above 40 %: 42 %", "raised": True}]
    now = shelves.answer(0.42, since=moved, alerts=alerts)
    shelves.add(out, as_of="2030-01-02", summary=now)
    shelves.fail(out, error="cell 3: no")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command: its exit code, and what it says on both streams."""
    code = main.main(arguments)
    told = capsys.readouterr()
    return code, told.out.replace("\N{NO-BREAK SPACE}", " "), told.err


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("scenario", ["case-base", "scenarios/case/base.yaml"])
def test_history_is_a_table_of_runs(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    """By name or by file: a line a run, with headline, change, status and cause."""
    code, out, err = run(capsys, "history", scenario)
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        "as of", "2030-01-01", "2030-01-02", "2030-01-03",
    ]  # fmt: skip
    _, first, second, third = out.splitlines()
    assert "30 % (15–65 %)" in first
    assert second.split("  ")[1:] == [
        "2030-01-02 06:30", "42 % (21–71 %)", "+12 points", "complete", "2 new reports +12",
    ]  # fmt: skip
    assert third.endswith("failed    cell 3: no")
    assert err == "The last attempt failed: cell 3: no. Mend it.\n"


@pytest.mark.usefixtures("desk")
def test_history_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json: the same as data."""
    _, out, _ = run(capsys, "history", "case-base", "--json")
    first, second, third = json.loads(out)
    assert (first["before"], second["before"], second["cause"]) == (None, 0.3, "2 new reports +12")
    assert second["headline"]["probability"] == 0.42
    assert second["alerts"] == ["reach war above 40 %: 42 %"]
    assert (third["status"], third["reason"], third["headline"]) == ("failed", "cell 3: no", None)


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("scenario", ["nobody", "", "..", "."])
def test_history_of_nothing_says_what_there_is(
    capsys: pytest.CaptureFixture[str], scenario: str
) -> None:
    """A name that is not there is an error that names those that are."""
    code, out, err = run(capsys, "history", scenario)
    assert (code, out) == (4, "")
    assert "there are those of case-base" in err


def test_index_writes_the_page(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where the page is; without reports it says so."""
    assert run(capsys, "index")[:2] == (0, "reports/index.html\n")
    assert "42" in (desk / "reports" / PAGE).read_text(encoding="utf-8")
    code, _, err = run(capsys, "index", "--reports", "nowhere")
    assert (code, err) == (4, "escalation: no folder nowhere: make a report first\n")


def test_prune_asks_first(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists what would go and removes it only with --yes, and the page is written anew."""
    run(capsys, "index")
    code, would, err = run(capsys, "prune", "--keep", "1")
    assert code == 0
    assert "case-base/runs/2030-01-01-a1a1a1a1a1a1: report.html, report.ipynb, report.pdf" in would
    assert "nothing was removed, add --yes" in err
    assert (desk / "reports/case-base/2030-01-01/report.html").exists()
    code, did, err = run(capsys, "prune", "--keep", "1", "--yes")
    assert (code, did) == (0, would)
    assert "their numbers are kept" in err
    assert not (desk / "reports/case-base/2030-01-01/report.html").exists()
    assert "page removed" in (desk / "reports" / PAGE).read_text(encoding="utf-8")
    assert run(capsys, "prune", "--keep", "none")[0] == 1
    code, _, err = run(capsys, "prune", "--keep", "1", "--reports", "nowhere")
    assert (code, err) == (4, "escalation: no folder nowhere\n")


def test_archive_says_what_is_wrong_and_where(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole: how much, and the head. Edited: the place, an exit code, and nothing is exported."""
    code, out, err = run(capsys, "archive", "--export", "hub")
    assert (code, err) == (0, "wrote 2 forecasts to hub\n")
    assert out.startswith("2 forecasts (20 rows) are valid and as they were made\n2 runs in the")
    head = out.split()[-1]
    assert run(capsys, "archive", "reports", "--head", head)[0] == 0
    assert run(capsys, "archive", "reports", "--head", "f" * 64)[0] == 1
    forecast = desk / "reports/case-base/2030-01-01/forecast.csv"
    forecast.write_text(forecast.read_text().replace("0.75", "0.5"))
    shutil.rmtree(desk / "hub")
    code, _, err = run(capsys, "archive", "--export", "hub")
    assert code == 1
    assert "manifest.json:1:1: outputs: forecast.csv is not as it was made" in err
    assert not (desk / "hub").exists()
    run_ = "case-base/runs/2030-01-01-a1a1a1a1a1a1"
    assert f"or, if it is lost: --acknowledge {run_}\n" in err
    code, out, err = run(capsys, "archive", "--acknowledge", f"reports/{run_}")
    assert (code, err) == (0, "")
    assert f"acknowledged as lost or edited: {run_}\n2 runs in the ledger" in out
    assert run(capsys, "archive", "nowhere")[0] == 4


@pytest.fixture
def tiny(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the tiny case and the notebooks; the current folder."""
    shutil.copytree(workspace / "tests/data/tiny", tmp_path / "scenarios/tiny")
    shutil.copytree(workspace / "notebooks", tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_real_report_is_listed_archived_and_exported(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a report that was really made: its headline in the list, its forecast in the hub."""
    made = run_report("scenarios/tiny/baseline.yaml", draws=96, seed=1, progress=False)
    result = json.loads((made.folder / "result.json").read_text())
    said = json.loads(run(capsys, "history", "scenarios/tiny/baseline.yaml", "--json")[1])
    first = result["headline"][0]
    assert said[0]["headline"]["probability"] == first["within"][-1]["probability"]
    code, out, _ = run(capsys, "archive", "--export", "hub")
    assert code == 0
    rows = (made.folder / "forecast.csv").read_text().splitlines()[1:]
    assert out.startswith(f"1 forecasts ({len(rows)} rows)")
    (exported,) = (tiny / "hub/model-output").rglob("*.csv")
    there = exported.read_text().splitlines()[1:]
    assert [line.split(",")[-1] for line in there] == [line.split(",")[-1] for line in rows]
    run(capsys, "index")
    page = (tiny / "reports" / PAGE).read_text(encoding="utf-8")
    assert result["scenario"]["title"] in page
    assert 'class="spark"' in page


def test_failed_report_is_told_everywhere_with_its_notebook(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell fails: the notebook stands as far as it came, its error on top, linked and told."""
    sources = (
        'scenario = as_of = out = ""; draws = seed = 1',
        "'so far'",
        "raise ValueError('no luck')",
    )
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"cell-{number}", "source": source, "outputs": [],
         "metadata": {"tags": [] if number else ["parameters"]}, "execution_count": None}
        for number, source in enumerate(sources)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}
    path = tiny / "notebooks/scenario_report.ipynb"
    path.write_text(json.dumps({**notebook, "cells": cells}))
    code, _, err = run(capsys, "report", "scenarios/tiny/baseline.yaml")
    assert code > 0
    assert "no luck" in err
    _, out, err = run(capsys, "history", "tiny-baseline")
    assert "failed" in out
    assert "ValueError: no luck" in out
    assert "The last attempt failed" in err
    page = (tiny / "reports" / PAGE).read_text(encoding="utf-8")
    assert "the last attempt" in page
    assert str(tiny) not in page, "a page that is passed on shows no folder of this machine"
    link = re.search(r'href="([^"]*report\.ipynb)"', page)
    assert link
    partial = json.loads((tiny / "reports" / link[1]).read_text(encoding="utf-8"))["cells"]
    assert "no luck" in "".join(partial[0]["source"])
    assert any("so far" in str(cell.get("outputs")) for cell in partial)
    assert run(capsys, "prune", "--keep", "1", "--yes")[0] == 0
    assert (tiny / "reports" / link[1]).exists()
