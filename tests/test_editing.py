"""Promises of saving: only what was edited changes, all of it or nothing, and never unseen."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from escalation.errors import EscalationError, InvalidInputError, InvalidValueError
from escalation.lab import coding, editing, roundtrip, rows
from escalation.lab.edits import Edits, History, from_json
from escalation.reading import scenario

FIGHT = "latent.intent.moves.bargain -> fight.rate"
CROWDS = "latent.mood.moves.calm -> angry.rate"
HOME = "latent.mood.moves.angry -> calm.rate"


@pytest.fixture
def case(tmp_path: Path, workspace: Path) -> Path:
    """A copy of the tiny case's scenario."""
    shutil.copytree(workspace / "tests/data/tiny", tmp_path / "scenarios/tiny")
    return tmp_path / "scenarios/tiny/baseline.yaml"


def changed_lines(before: str, after: str) -> tuple[set[str], set[str]]:
    """Lines that went, and lines that came."""
    old, new = before.splitlines(), after.splitlines()
    return set(old) - set(new), set(new) - set(old)


def test_a_number_changes_in_place_and_nothing_else(case: Path) -> None:
    """Comments, blank lines and quotes of the file stay; the one line differs."""
    before = case.read_text()
    (draft,) = editing.into_file(case, Edits().number(FIGHT, "0.3 to 0.5"))
    gone, come = changed_lines(before, draft.after)
    assert len(gone) == len(come) == 1
    assert come.pop() == gone.pop().replace("0.05 to 0.2", "0.3 to 0.5")
    assert "-      bargain -> fight: {rate: 0.05 to 0.2" in draft.diff


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (FIGHT, "0.3 to 0.5"),
        (FIGHT, "{dist: gamma, a: 2, scale: 0.2}"),
        (CROWDS, "0.30"),
        (CROWDS, "{dist: gamma, a: 3, scale: 0.2}"),
        (CROWDS, "{dist: uniform, loc: 0.1, scale: 0.2}"),
        (HOME, "2 to 4 per 90d"),
        ("latent.intent.moves.fight -> bargain", "0.2 to 0.4"),
        ("ladder.moves.words -> blockade.intent.bargain", "x0.25 to 0.5"),
        ("ladder.start.words", "0.8"),
        ("indicators.ships_gather.seen.intent.fight", "almost certain"),
        ("indicators.talks_planned.effect.fades", "45d to 60d"),
        ("admiralty.information.2", "0.7 to 0.8"),
        ("echo_correlation", "0.2 to 0.4"),
        ("observations.row-5.probability", "0.9"),
    ],
)
def test_what_is_saved_is_what_was_meant(case: Path, name: str, text: str) -> None:
    """However a number is written, in the file or in a variant, it reads back as the edit."""
    wanted = scenario.load(case, overrides={name: text}).assumptions[name].prior
    reason = scenario.load(case).assumptions[name].why
    edits = Edits().number(name, text)
    editing.write(editing.as_variant(case, "mine", edits, "Mine"), edits)
    editing.write(editing.into_file(case, edits), edits)
    for path in (case, case.with_name("mine.yaml")):
        found = scenario.load(path).assumptions[name]
        assert found.prior == wanted
        assert found.why == reason


def test_a_variant_holds_only_the_differences(case: Path) -> None:
    """A variant extends the file; switched reports and the horizon go with it."""
    edits = Edits().number(FIGHT, "0.3").switch("row-1", used=False).setting("horizon", "45d")
    (draft,) = editing.as_variant(case, "mine", edits, "Mine", "I doubt it.")
    assert roundtrip.settings(draft.after) == {
        "extends": "baseline.yaml",
        "title": "Mine",
        "horizon": "45d",
        "without": ["row-1"],
        "latent": {"intent": {"moves": {"bargain -> fight": {"rate": 0.3}}}},
    }
    assert draft.after.startswith("# I doubt it.\n")
    assert draft.before is None


def test_a_variant_names_the_schema_where_there_is_one(case: Path) -> None:
    """The first line tells an editor what may be written, from the folder of the variant."""
    edits = Edits().number(FIGHT, "0.3")
    (case.parents[1] / "scenario.schema.json").write_text("{}", encoding="utf-8")
    (draft,) = editing.as_variant(case, "mine", edits, why="I doubt it.")
    first, second, *_ = draft.after.splitlines()
    assert first == "# yaml-language-server: $schema=../scenario.schema.json"
    assert second == "# I doubt it."
    editing.write([draft], edits)
    assert scenario.check(case.with_name("mine.yaml")) == scenario.check(case)


def test_rows_of_a_variant_go_into_a_copy(case: Path) -> None:
    """Reports that a variant codes otherwise leave the case's own file alone."""
    file = case.with_name("observations.csv")
    before = file.read_bytes()
    edits = Edits().row("row-4", {"grade": "B2"})
    editing.write(editing.as_variant(case, "mine", edits), edits)
    found = {each.id: each for each in scenario.load(case.with_name("mine.yaml")).observations}
    assert (found["row-4"].source_grade, len(found)) == ("B", 6)
    assert file.read_bytes() == before


def test_other_rows_stay_byte_for_byte(case: Path) -> None:
    """Odd quoting and line breaks of rows that nobody edited are kept."""
    text = case.with_name("observations.csv").read_text()
    after = rows.changed(text, {"row-4": {"grade": "B2"}, "new": {"indicator": "harsh_speech"}})
    gone, come = changed_lines(text, after)
    assert (len(gone), len(come)) == (1, 2)
    assert '"Three exchanges,\nnone of them long"' in after


def test_a_file_changed_meanwhile_is_not_overwritten(case: Path) -> None:
    """Somebody else's change on disk wins, and nothing at all is written."""
    edits = Edits().number(FIGHT, "0.3").row("row-4", {"grade": "B2"})
    drafts = editing.into_file(case, edits)
    reports = case.with_name("observations.csv").read_text()
    case.write_text(case.read_text() + "# theirs\n")
    with pytest.raises(InvalidValueError, match="changed on disk"):
        editing.write(drafts, edits)
    assert case.read_text().endswith("# theirs\n")
    assert case.with_name("observations.csv").read_text() == reports


def test_a_new_file_never_replaces_one(case: Path) -> None:
    """A variant of a name that is taken is refused, when drafted and when written."""
    edits = Edits().number(FIGHT, "0.3")
    drafts = editing.as_variant(case, "mine", edits)
    case.with_name("mine.yaml").write_text("theirs: 1\n")
    with pytest.raises(InvalidValueError, match="somebody else"):
        editing.write(drafts, edits)
    with pytest.raises(InvalidValueError, match="choose another name"):
        editing.as_variant(case, "mine", edits)
    assert case.with_name("mine.yaml").read_text() == "theirs: 1\n"


@pytest.mark.parametrize("name", ["../mine", "", "a b", "mine.yaml", "/mine", "é"])
def test_a_variant_stays_beside_its_scenario(case: Path, name: str) -> None:
    """The name of a variant is a name, never a path."""
    with pytest.raises(InvalidValueError, match="no name"):
        editing.as_variant(case, name, Edits().number(FIGHT, "0.3"))


def test_a_draft_that_does_not_load_is_not_written(case: Path) -> None:
    """What would be invalid is found before a file is touched, and nothing is left behind."""
    before = case.read_text()
    edits = Edits().number(FIGHT, "lots")
    with pytest.raises(InvalidInputError, match="expected a rate"):
        editing.write(editing.into_file(case, edits), edits)
    assert case.read_text() == before
    assert not [each for each in case.parent.iterdir() if each.name.startswith(".")]


def test_a_supposed_report_is_no_evidence(case: Path) -> None:
    """What was only supposed may go into a variant, never into the case's own reports."""
    edits = Edits().row("suppose-1", {"indicator": "ships_gather", "reported_on": "2030-02-01"})
    with pytest.raises(InvalidValueError, match="no evidence"):
        editing.into_file(case, edits)
    assert len(editing.as_variant(case, "mine", edits)) == 2


def test_a_base_rate_is_refused_where_its_file_is_named(case: Path) -> None:
    """A file cannot both name reference classes and hold one; a variant can."""
    edits = Edits().number("reference_classes.dispute_to_blockade.rate", "0.2")
    with pytest.raises(InvalidValueError, match="save a variant"):
        editing.into_file(case, edits)
    editing.write(editing.as_variant(case, "mine", edits), edits)


def test_permissions_and_line_ends_stay(case: Path) -> None:
    """A file keeps its mode and its CRLF."""
    case.write_bytes(case.read_bytes().replace(b"\n", b"\r\n"))
    case.chmod(0o640)
    edits = Edits().number(FIGHT, "0.3").number("echo_correlation", "0.4")
    editing.write(editing.into_file(case, edits), edits)
    data = case.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n")
    assert stat.S_IMODE(case.stat().st_mode) == 0o640


def test_layout_that_ruamel_would_change_is_kept(workspace: Path) -> None:
    """Adding a key to a file that ruamel lays out otherwise changes that key's lines only."""
    text = (workspace / "scenarios/catalogue.yaml").read_text()
    after = roundtrip.patched(text, {"indicators": {"new_one": {"category": "rhetoric"}}})
    gone, come = changed_lines(text, after)
    assert not gone
    assert come == {"  new_one:"} | (come & {"    category: rhetoric"})


def test_undo_goes_back_by_strokes() -> None:
    """A drag is one change, however many steps it had; a reset can be undone."""
    history = History()
    for text in ("0.1", "0.2", "0.3"):
        history.make(history.now.number("a", text), "a")
    history.rest()
    history.make(history.now.number("a", "0.4"), "a")
    history.reset()
    history.undo()
    assert history.now.numbers == {"a": "0.4"}
    history.undo()
    assert history.now.numbers == {"a": "0.3"}
    history.undo()
    assert not history.now


def test_kept_edits_come_back() -> None:
    """Edits survive being written down; what is no list of edits is refused."""
    edits = Edits().number("a", "é").row("r", {"note": "x"}).switch("r", used=False)
    assert from_json(edits.to_json()) == edits
    for text in ("", "[]", "{}", '{"numbers": 1}'):
        with pytest.raises(EscalationError, match="cannot be read"):
            from_json(text)


def test_suggestions_show_their_keywords() -> None:
    """A suggestion is the keywords that were met, and nothing else."""
    known = {
        "ships": coding.keywords("ships", "Ships gather"),
        "talks": coding.keywords("talks", "Talks are held"),
    }
    (found,) = coding.suggest("Two ships were seen GATHERING.", known)
    assert (found.indicator, found.found, found.score) == ("ships", ("gathe", "ships"), 1.0)
    assert coding.suggest("Nothing of the kind.", known) == ()


def test_a_coded_row_is_checked_by_the_reader() -> None:
    """A row that the reader of observations refuses is refused with its reason."""
    text = "id,indicator,reported_on\na,ships,2030-01-01\n"
    row = {"id": "b", "indicator": "ships", "reported_on": "2030-01-02", "grade": "Z9"}
    assert "no Admiralty grade" in coding.check_row(row, text, ["ships"])[0]
    assert coding.check_row({**row, "grade": "B2"}, text, ["ships"]) == ()
    assert "already" in coding.check_row({**row, "id": "a"}, text)[0]
    assert "no indicator" in coding.check_row({**row, "grade": ""}, text, ["talks"])[0]
