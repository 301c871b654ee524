"""Promises of the workbench without a browser: what the hand does, and what is then said."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from escalation.cli import workbench as cli_workbench
from escalation.engine.assessment import assess
from escalation.errors import InvalidValueError
from escalation.lab.coding_sheet import CodingSheet
from escalation.lab.controls import control, scale
from escalation.lab.desk import Desk
from escalation.lab.new_case import start_case
from escalation.lab.workbench import Refresher, Workbench
from escalation.maths.words import percent
from escalation.reading import scenario

FIGHT = "latent.intent.moves.bargain -> fight.rate"


@pytest.fixture
def case(tmp_path: Path, workspace: Path) -> Path:
    """A copy of the tiny case's scenario."""
    shutil.copytree(workspace / "tests/data/tiny", tmp_path / "scenarios/tiny")
    return tmp_path / "scenarios/tiny/baseline.yaml"


@pytest.fixture
def bench(case: Path) -> Workbench:
    """A workbench at few draws."""
    return Workbench(case, quick=32, refined=64)


def test_the_answer_is_that_of_the_assessment(bench: Workbench, case: Path) -> None:
    """The headline is what `assess` says of the file, in numbers and words."""
    expected = assess(scenario.load(case), draws=64).reach_by("shots")
    assert f"{percent(expected.probability)}</b>" in bench.said.value
    assert "as in the file" in bench.said.value
    assert "<svg" in bench.picture.value


def test_a_drag_changes_number_text_and_answer(bench: Workbench, case: Path) -> None:
    """A moved slider is an edit; control, text and answer agree; undo takes all of it back."""
    row = next(each for each in bench.assumptions.rows["latent.intent"] if each.given.name == FIGHT)
    slider = row.fitting.children[0]
    before = bench.said.value
    slider.value = (0.05, 1.0)
    assert row.text.value == "0.05 to 1"
    edited = scenario.load(case, overrides={FIGHT: "0.05 to 1"})
    expected = assess(edited, draws=64).reach_by("shots")
    assert f"{percent(expected.probability)}</b>" in bench.said.value
    assert "0.05 to 0.2 → 0.05 to 1" in bench.saving.list.value
    bench.undo.click()
    assert bench.said.value == before
    assert row.text.value == "0.05 to 0.2"


@pytest.mark.parametrize("text", ["", "lots", "-1", "0.4 to", "0.4 to 0.1", "{dist: gamma}", "x2"])
def test_nonsense_keeps_the_last_valid_answer(bench: Workbench, text: str) -> None:
    """What cannot be read is said beside its control, and nothing else changes."""
    row = bench.assumptions.rows["latent.intent"][0]
    row.text.value = "0.3 to 0.5"
    before = bench.said.value
    row.text.value = text
    assert row.wrong.value
    assert bench.said.value == before
    assert bench.desk.edits.numbers == {FIGHT: "0.3 to 0.5"}


def test_edits_outlive_the_page(bench: Workbench, case: Path) -> None:
    """Another workbench on the same file goes on with the edits; saving clears them."""
    bench.desk.number(FIGHT, "0.3 to 0.5")
    again = Desk(case)
    assert again.edits == bench.desk.edits
    again.save(again.drafts("mine"))
    assert not Desk(case).edits


def test_a_report_can_be_switched_off_and_coded_anew(bench: Workbench) -> None:
    """Reports in the table: left out, regraded, redated, added; a wrong date is said."""
    bench.tabs.selected_index = 1
    used, _, grade, _, reported = bench.reports.list.children[0].children
    used.value, grade.value = False, "C3"
    assert bench.desk.edits.switched == {"row-1": False}
    assert "row-1" not in {each.id for each in bench.desk.valid.observations}
    reported.value = "some day"
    assert "expected a date" in bench.reports.wrong.value
    assert bench.desk.edits.rows == {"row-1": {"grade": "C3"}}


def test_the_day_replays_history(bench: Workbench, case: Path) -> None:
    """The as-of slider answers with what had been reported by that day."""
    bench.as_of.value = date(2030, 1, 15)
    expected = assess(scenario.load(case, as_of=date(2030, 1, 15)), draws=64).reach_by("shots")
    assert f"{percent(expected.probability)}</b>" in bench.said.value
    assert "as in the file" in bench.said.value
    bench.horizon.value = 30
    assert bench.desk.edits.settings == {"as_of": "2030-01-15", "horizon": "30d"}


def test_what_if_is_a_report_that_nobody_made(bench: Workbench, case: Path) -> None:
    """A supposed report moves the answer as the same row in the file would."""
    bench.what_if.rank.click()
    assert bench.what_if.indicator.options[0][1] == "shots_reported"
    bench.what_if.indicator.value = "shots_reported"
    bench.what_if.go.click()
    file = case.with_name("observations.csv")
    file.write_text(file.read_text() + "real,shots_reported,,2030-03-01,,,,A1,,,,\n")
    expected = assess(scenario.load(case), draws=64).reach_by("shots")
    assert f"{percent(expected.probability)}</b>" in bench.said.value
    assert "changed on disk" in _draft(bench)


def _draft(bench: Workbench) -> str:
    bench.saving._draft("mine")  # noqa: SLF001 (what its button does)
    return str(bench.saving.message.value)


def test_every_assumption_has_a_fitting_control(case: Path) -> None:
    """Every number that is written in the case has a control."""
    desk = Desk(case)
    for each in filter(desk.editable, desk.filed.assumptions.values()):
        made = control(each, each.text, lambda *_: None)
        assert made is not None
    assert {0.1, 0.4} <= set(scale((0.1, 0.4), "probability")) <= {*scale((0.1, 0.4), "weight")}


def test_changes_made_meanwhile_are_answered_together() -> None:
    """Many changes during one answer lead to one more quick answer and one refined."""
    asked: list[bool] = []
    shown: list[int] = []

    def work(quick: bool) -> int:
        asked.append(quick)
        return len(asked)

    async def session() -> None:
        refresher = Refresher(work, shown.append)
        for _ in range(20):
            refresher.request()
        assert refresher.task is not None
        await refresher.task

    asyncio.run(session())
    assert asked == [True, False]
    assert shown == [1, 2]


def test_a_new_case_checks_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`escalation new` writes files without a problem or a warning, and never over others."""
    (tmp_path / "scenarios").mkdir()
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    cli_workbench.add_commands(parser.add_subparsers())
    options = parser.parse_args(["new", "harbour"])
    assert options.run(options) == 0
    folder = tmp_path / "scenarios/harbour"
    assert scenario.check(folder) == ()
    assert (tmp_path / "scenarios/scenario.schema.json").exists()
    answer = assess(scenario.load(folder / "baseline.yaml"), draws=64)
    assert 0 < answer.reach_by("attack").probability < 1
    for name in ("harbour", "../other", "Upper", "rate"):
        with pytest.raises(InvalidValueError):
            start_case(tmp_path / "scenarios", name)


def test_watching_checks_after_each_change(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`watch` checks once, and again only when a file has changed."""
    calls: list[int] = []

    def check() -> int:
        calls.append(1)
        return 7

    sleeps = iter((lambda: None, lambda: case.write_text(case.read_text() + "\n# more\n")))
    monkeypatch.setattr("escalation.cli.workbench.time.sleep", lambda _: next(sleeps)())
    assert cli_workbench.watch([case], check, rounds=3) == 7
    assert len(calls) == 2


def test_an_article_becomes_rows(tmp_path: Path) -> None:
    """From a pasted text to a saved row with its paragraph cited, and a type added on the way."""
    path = start_case(tmp_path / "scenarios", "harbour", today=date(2030, 1, 31)) / "baseline.yaml"
    sheet = CodingSheet(path)
    sheet.article.value = "First.\n\nForces were sent to the region,\nofficials said."
    sheet.passage.value = sheet.passages[1]
    assert sheet.indicator.value == "forces_sent"
    assert "force" in sheet.suggested.value
    assert sheet.add() == ("reported_on: is missing",)
    sheet.published.value, sheet.publisher.value = "2030-01-20", "Harbour Chronicle"
    assert sheet.add() == ()
    (draft,) = sheet.draft()
    assert "Harbour Chronicle, 2030-01-20, para 2" in draft.diff
    assert sheet.save() == ""
    assert "forces-sent-1" in {each.id for each in scenario.load(path).observations}
    entry = sheet.type_entry.value
    assert "expected" in sheet.add_type("mobilised", entry.replace("rhetoric", "nonsense"))
    assert sheet.add_type("mobilised", entry) == ""
    assert sheet.indicator.value == "mobilised"
    assert not [each for each in scenario.check(path) if not each.warning]


@pytest.mark.parametrize("name", ["workbench", "code_an_article"])
def test_notebooks_run(
    name: str, case: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cells of the notebooks work on the only case there is."""
    monkeypatch.chdir(case.parents[2])
    notebook = json.loads((workspace / f"notebooks/{name}.ipynb").read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # noqa: S102 (our own notebook)
    assert any(isinstance(each, Workbench | CodingSheet) for each in names.values())
