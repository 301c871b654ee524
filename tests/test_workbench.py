"""Promises of the workbench without a browser: what the hand does, and what is then said."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import threading
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from escalation.cli import workbench as cli_workbench
from escalation.engine.assessment import assess
from escalation.errors import InvalidValueError
from escalation.lab.coding_sheet import CodingSheet
from escalation.lab.controls import control, converted, form_of, forms, scale
from escalation.lab.desk import Desk
from escalation.lab.new_case import start_case
from escalation.lab.opening import stripped
from escalation.lab.workbench import Refresher, Workbench
from escalation.maths.words import percent, say
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
    row = bench.assumptions.row(FIGHT)
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
    row = bench.assumptions.row(FIGHT)
    row.text.value = "0.3 to 0.5"
    before = bench.said.value
    row.text.value = text
    assert row.wrong.value
    assert bench.said.value == before
    assert bench.desk.edits.numbers == {FIGHT: "0.3 to 0.5"}


def test_what_is_dragged_is_kept_at_once(bench: Workbench, case: Path) -> None:
    """A page that closes while a hand is still dragging loses nothing."""
    assert bench.desk.drag(FIGHT, "0.3 to 0.5") == ""
    bench.desk.drag_setting("horizon", 30)
    again = Desk(case)
    assert again.edits.numbers == {FIGHT: "0.3 to 0.5"}
    assert again.valid.horizon == 30


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


def surprised(error: Exception) -> None:
    """Fail: nothing was expected to."""
    raise AssertionError(error)


def test_changes_made_meanwhile_are_answered_together() -> None:
    """Many changes during one answer lead to one more quick answer and one refined."""
    asked: list[bool] = []
    shown: list[int] = []

    all_made = threading.Event()

    def work(quick: bool) -> int:
        all_made.wait(20)
        asked.append(quick)
        return len(asked)

    refresher = Refresher(work, shown.append, surprised)

    async def session() -> None:
        for _ in range(20):
            refresher.request()
        all_made.set()
        await asyncio.to_thread(refresher.rest)

    asyncio.run(session())
    assert asked in ([True, False], [True, True, False])
    assert shown == [*range(1, len(asked) + 1)]


def test_a_quick_answer_waits_for_no_refined_one() -> None:
    """While a refined answer is made, a new change is answered; the overtaken one is not shown."""
    refining, go_on = threading.Event(), threading.Event()
    moved = threading.Event()
    shown: list[str] = []

    def work(quick: bool) -> str:
        if quick:
            return "quick"
        refining.set()
        go_on.wait(20)
        return "refined after the move" if moved.is_set() else "refined before it"

    def show(answer: str) -> None:
        shown.append(answer)
        if shown == ["quick", "quick"]:
            moved.set()
            go_on.set()

    refresher = Refresher(work, show, surprised)

    async def session() -> None:
        refresher.request()
        await asyncio.to_thread(refining.wait, 20)
        refresher.request()
        await asyncio.to_thread(refresher.rest)

    asyncio.run(session())
    assert shown == ["quick", "quick", "refined after the move"]


@pytest.mark.parametrize("threads", [True, False])
def test_an_unforeseen_failure_is_shown(
    threads: bool, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault while answering in the background stands beside the last answer, which stays."""
    before = bench.said.value

    def broken(*_: object) -> None:
        raise ZeroDivisionError("not <foreseen>")

    monkeypatch.setattr(bench.desk, "glance", broken)

    async def session() -> None:
        bench.refresher.request()
        await asyncio.to_thread(bench.refresher.rest)

    monkeypatch.setattr(bench.desk, "answer", broken)
    if threads:
        asyncio.run(session())
    else:
        bench.refresher.request()
    assert "ZeroDivisionError: not &lt;foreseen&gt;" in bench.status.value
    assert "below is the last one that could" in bench.status.value
    assert bench.said.value == before


def test_a_failure_of_the_quick_answer_alone_is_mended_by_the_refined_one(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the refined answer comes after all, it takes the place of the message."""
    seen: list[Exception] = []
    monkeypatch.setattr(bench.desk, "glance", lambda *_: 1 // 0)
    monkeypatch.setattr(bench.refresher, "fail", seen.append)

    async def session() -> None:
        bench.refresher.request()
        await asyncio.to_thread(bench.refresher.rest)

    asyncio.run(session())
    assert [type(each) for each in seen] == [ZeroDivisionError]
    assert "refined answer" in bench.status.value


def test_every_form_of_a_number_can_be_had(case: Path) -> None:
    """A number turned into another form is valid and about as large, also on its way back."""
    desk = Desk(case)
    for each in filter(desk.editable, desk.filed.assumptions.values()):
        (middle,) = each.prior.quantile(np.array([0.5]))
        for form in forms(each.text, each.prior, each.role):
            written = converted(each.text, each.prior, each.role, form)
            assert desk.drag(each.name, written) == ""
            now = desk.valid.assumptions[each.name]
            assert form_of(now.text) == form
            low, median, high = now.prior.quantile(np.array([0.05, 0.5, 0.95]))
            if form == "word":
                assert say(median) == say(middle)
            elif form == "number" or each.prior.fixed:
                assert median == pytest.approx(middle, rel=0.07)
            elif form == "low to high":
                ends = each.prior.quantile(np.array([0.05, 0.95]))
                assert [low, high] == pytest.approx(ends, rel=0.07)
            else:
                assert low < middle < high
            if form_of(each.text) == "number" and form == "low to high":
                back = converted(now.text, now.prior, now.role, "number")
                assert desk.drag(each.name, back) == ""
                (again,) = desk.valid.assumptions[each.name].prior.quantile(np.array([0.5]))
                assert again == pytest.approx(middle, rel=0.04)
            desk.drag(each.name, each.text)


def test_a_form_is_picked_beside_its_number(bench: Workbench) -> None:
    """Number, range, word or distribution: one choice, and the control that fits it."""
    row = bench.assumptions.row(FIGHT)
    row.form.value = "number"
    assert row.text.value == "0.1"
    row.form.value = "low to high"
    assert row.text.value == "0.067 to 0.15"
    assert bench.desk.edits.numbers == {FIGHT: "0.067 to 0.15"}
    row.form.value = "distribution"
    assert row.text.value.startswith("{dist: pert, low: 0.067, mode: 0.1, high: 0.15")
    assert len(row.fitting.children[0].children) == 4
    assert "word" not in row.form.options
    assert not row.back.disabled
    row.back.click()
    assert row.text.value == "0.05 to 0.2"
    assert not bench.desk.edits
    assert row.back.disabled


def test_parts_are_filled_when_they_are_opened(bench: Workbench) -> None:
    """All parts of the file are there at once, with what is changed in each; a word finds more."""
    panel = bench.assumptions
    assert [bool(part.children) for part in panel.parts.children][:2] == [True, False]
    panel.parts.selected_index = 1
    assert panel.parts.children[1].children
    assert sum(map(len, panel.groups.values())) == sum(
        map(bench.desk.editable, bench.desk.filed.assumptions.values())
    )
    panel.row(FIGHT).text.value = "0.3 to 0.5"
    assert sum("1 changed" in title for title in panel.parts.titles) == 1
    panel.search.value = "Fight"
    assert panel.row(FIGHT).box in panel.found.children
    assert panel.parts.layout.display == "none"
    panel.search.value = "no such word"
    assert "No assumption holds this word" in panel.found.children[0].value
    panel.search.value = ""
    assert panel.found.children == ()
    assert panel.parts.layout.display is None


def test_kept_edits_that_no_longer_fit_are_put_aside(case: Path) -> None:
    """When the files changed under the edits, that is said, and the edits are not thrown away."""
    Desk(case).number(FIGHT, "0.3 to 0.5")
    (kept,) = (case.parents[2] / ".escalation").glob("*.json")
    kept.write_text(kept.read_text().replace("bargain -> fight", "bargain -> nowhere"))
    bench = Workbench(case, quick=32, refined=64)
    assert "no longer fit the files" in bench.notice.value
    assert not bench.desk.edits
    (aside,) = (case.parents[2] / ".escalation").glob("*.unfit.json")
    assert "0.3 to 0.5" in aside.read_text()


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
    assert [tick.value for tick in sheet.ticks] == [False]
    assert sheet.add() == ("reported_on: is missing",)
    sheet.published.value, sheet.publisher.value = "2030-01-20", "Harbour Chronicle"
    assert sheet.add() == ()
    (draft,) = sheet.draft()
    assert "Harbour Chronicle, 2030-01-20, para 2" in draft.diff
    assert sheet.save() == ""
    assert "forces-sent-1" in {each.id for each in scenario.load(path).observations}
    sheet.article.value = "The minister spoke. Forces were sent to the region. Talks were held."
    assert len(sheet.ticks) == 3
    assert sheet.indicator.value == "forces_sent"
    sheet.ticks[2].value = True
    assert sheet.indicator.value == "talks_held"
    sheet.ticks[1].value = True
    assert sheet.add() == ()
    (draft,) = sheet.draft()
    assert "Harbour Chronicle, 2030-01-20, para 1, sentences 2 and 3" in draft.diff
    sheet.save()
    entry = sheet.type_entry.value
    assert "expected" in sheet.add_type("mobilised", entry.replace("rhetoric", "nonsense"))
    assert sheet.add_type("mobilised", entry) == ""
    assert sheet.indicator.value == "mobilised"
    assert not [each for each in scenario.check(path) if not each.warning]


def test_files_that_changed_are_read_again_with_the_edits_on_top(
    bench: Workbench, case: Path
) -> None:
    """After somebody changed the file it is refused, read again, and then takes the edits."""
    bench.assumptions.row(FIGHT).text.value = "0.3 to 0.5"
    case.write_text(case.read_text().replace("title: ", "title: Another ", 1))
    assert "read it again first" in _draft(bench)
    bench._again()  # noqa: SLF001 (what the button does)
    assert bench.desk.filed.title.startswith("Another ")
    assert bench.desk.edits.numbers == {FIGHT: "0.3 to 0.5"}
    assert bench.tabs.selected_index == 3
    bench.desk.save(bench.desk.drafts())
    assert "rate: 0.3 to 0.5" in case.read_text()
    assert "title: Another " in case.read_text()


def test_only_outputs_are_taken_out(case: Path, workspace: Path) -> None:
    """When the server stops, what was typed into the notebook stays; a clean one is not touched."""
    path = case.with_name("workbench.ipynb")
    path.write_text((workspace / "notebooks/workbench.ipynb").read_text(), encoding="utf-8")
    before = path.stat().st_ino
    stripped(path)
    assert path.stat().st_ino == before
    notebook = json.loads(path.read_text())
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["source"] = "bench = 1  # mine"
    code["execution_count"] = 3
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "seen"}]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    stripped(path)
    kept = json.loads(path.read_text())
    (cell,) = (cell for cell in kept["cells"] if cell["cell_type"] == "code")
    assert "".join(cell["source"]) == "bench = 1  # mine"
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    path.write_text("no notebook", encoding="utf-8")
    stripped(path)
    assert path.read_text() == "no notebook"
    stripped(path.with_name("nowhere.ipynb"))


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
