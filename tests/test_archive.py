"""The archive of forecasts: what is missing, invalid or edited is found; a hub can be written."""

import csv
import errno
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shelves
from escalation.errors import InvalidInputError, InvalidValueError, RunError
from escalation.reporting import hub, ledger
from escalation.reporting.archive import acknowledge, check
from escalation.reporting.hubverse import problems, rows
from escalation.reporting.index import PAGE, refresh
from escalation.reporting.provenance import digest, file_digest
from escalation.reporting.record import COLUMNS
from escalation.reporting.runs import read

DAY = "2030-01-02"
FILE = Path("forecast.csv")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Three as-of days of a scenario, entered into the ledger."""
    for day in (1, 2, 3):
        shelves.add(tmp_path, as_of=f"2030-01-0{day}")
    refresh(tmp_path)
    return tmp_path


def told(out: Path, head: str = "") -> str:
    """What is wrong with an archive, in one text."""
    return "\n".join(str(each).replace(f"{out}/", "") for each in check(out, head=head).problems)


def test_whole_archive_is_whole(out: Path) -> None:
    """Three valid forecasts, three entries, nothing wrong."""
    found = check(out)
    assert (found.forecasts, found.entries, found.problems) == (3, 3, ())
    assert found.rows == 3 * 2 * 5
    assert found.head == ledger.read(out)[-1].chain


def unhidden(path: Path) -> Callable[[str, str], None]:
    """Return what edits a file and sets its time back, so that no list of runs hashes it."""

    def edit(old: str, new: str) -> None:
        when = path.stat().st_mtime_ns
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(when, when))

    return edit


def test_edited_forecast_is_found(out: Path) -> None:
    """A probability made better afterwards, the file's time set back: found by its digest."""
    unhidden(out / "case-base/2030-01-02/forecast.csv")("pmf,yes,0.25\n", "pmf,yes,0.95\n")
    said = "runs/2030-01-02-a1a1a1a1a1a1/manifest.json:1:1: outputs: forecast.csv is not"
    assert said in told(out)


def test_edit_together_with_its_manifest_is_found(out: Path) -> None:
    """The manifest's digest was made to fit: the ledger's no longer does."""
    run = out / "case-base/2030-01-02"
    old = json.loads((run / "manifest.json").read_text())["outputs"]["forecast.csv"]
    text = (run / "forecast.csv").read_text()
    forged = text.replace("30,2030-02-01,pmf,yes,0.25", "30,2030-02-01,pmf,yes,0.95")
    forged = forged.replace("30,2030-02-01,pmf,no,0.75", "30,2030-02-01,pmf,no,0.05")
    assert forged != text
    (run / "forecast.csv").write_text(forged)
    unhidden(run / "manifest.json")(old, file_digest(run / "forecast.csv"))
    assert told(out) == (
        "case-base/runs/2030-01-02-a1a1a1a1a1a1/manifest.json:1:1: "
        "is not as it was entered into the ledger"
    )


def test_edit_of_everything_breaks_the_chain(out: Path) -> None:
    """The ledger's entry was made to fit, too: those after it no longer follow."""
    run = out / "case-base/2030-01-02"
    unhidden(run / "manifest.json")('"schema": 1', '"schema": 2')
    old = ledger.read(out)[1].manifest
    unhidden(out / ledger.FILE)(old, file_digest(run / "manifest.json"))
    assert told(out) == "ledger.jsonl:2:1: does not follow from the entries before it"


def test_rewritten_ledger_has_another_head(out: Path) -> None:
    """Everything was rewritten: a head that was kept elsewhere is no longer in the chain."""
    kept = check(out).head
    assert check(out, head=kept).problems == ()
    later = shelves.add(out, as_of="2030-01-04")
    assert check(out, head=kept).problems == (), "a longer chain still goes through it"
    unhidden(later.parent / "2030-01-01-a1a1a1a1a1a1/manifest.json")('"schema": 1', '"schema": 2')
    (out / ledger.FILE).unlink()
    assert told(out, head=kept) == f"ledger.jsonl:1:1: does not go through the head {kept}"
    assert check(out).problems == ()


def test_run_that_was_removed_is_missed(out: Path) -> None:
    """A forecast that came out badly cannot be made to never have been."""
    shutil.rmtree(out / "case-base/runs/2030-01-02-a1a1a1a1a1a1")
    assert told(out).splitlines() == [
        "case-base/2030-01-02:1:1: leads to a run that is not there",
        "ledger.jsonl:2:1: case-base/runs/2030-01-02-a1a1a1a1a1a1 is not there any more",
    ]


LOST = "case-base/runs/2030-01-02-a1a1a1a1a1a1"


def test_run_made_again_is_not_taken_for_the_lost_one(out: Path) -> None:
    """The same inputs once more: the ledger has both, and only the first is missing."""
    shutil.rmtree(out / LOST)
    again = shelves.add(out, as_of=DAY)
    assert again.name == f"{Path(LOST).name}-2"
    assert told(out) == f"ledger.jsonl:2:1: {LOST} is not there any more"
    assert ledger.read(out)[-1].run == f"{LOST}-2"


@pytest.mark.parametrize("harm", ["lost", "torn", "edited"])
def test_acknowledged_run_is_listed_and_no_problem_any_more(out: Path, harm: str) -> None:
    """Said once, in the chain: the archive is in order, the run counts no more, the head holds."""
    head = check(out).head
    if harm == "lost":
        shutil.rmtree(out / LOST)
    elif harm == "torn":
        unhidden(out / LOST / "forecast.csv")("pmf,yes,0.25\n", "pmf,yes,0.95\n")
    else:
        unhidden(out / LOST / "manifest.json")('"schema": 1', '"schema": 2')
    assert check(out).faulty == {LOST}
    acknowledge(out, LOST)
    found = check(out, head=head)
    assert (found.problems, found.acknowledged, found.faulty) == ((), (LOST,), frozenset())
    assert (found.forecasts, found.entries) == (2, 3)
    assert ledger.broken(ledger.read(out)) is None
    if harm != "lost":
        listed = {run.folder.name: run.reason for run in read(out / "case-base").runs}
        assert listed[Path(LOST).name] != ""
    assert "is torn" not in written_page(out)


def written_page(out: Path) -> str:
    """Return the page of all reports, written anew."""
    refresh(out, force=True)
    return (out / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("run", [LOST, "case-base/runs/2031-01-01-a1a1a1a1a1a1", ""])
def test_only_what_is_wrong_can_be_acknowledged(out: Path, run: str) -> None:
    """A run that is whole, or never was, stays as it is."""
    before = (out / ledger.FILE).read_bytes()
    with pytest.raises(InvalidValueError, match="is no run that is missing or not as it was made"):
        acknowledge(out, run)
    assert (out / ledger.FILE).read_bytes() == before


def test_first_digits_of_a_head_will_do(out: Path) -> None:
    """As the manual shows one: eight digits or more, and dots."""
    head = check(out).head
    assert check(out, head=f"{head[:8]}…").problems == ()
    assert check(out, head=head[:20]).problems == ()
    assert "does not go through the head" in told(out, head="0" * 8)
    with pytest.raises(InvalidValueError, match="is no head; give 8 digits"):
        check(out, head=head[:7])


def test_sealed_copy_is_checked(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, what is there is checked, and nothing is entered."""
    unhidden(out / LOST / "manifest.json")('"schema": 1', '"schema": 2')
    shelves.add(out, as_of="2030-01-04")
    before = (out / ledger.FILE).read_bytes()

    def sealed(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("escalation.reporting.archive.lock", sealed)
    found = check(out)
    assert (found.forecasts, found.entries, found.written) == (3, 3, False)
    assert found.faulty == {LOST}
    assert (out / ledger.FILE).read_bytes() == before


def test_numbers_cannot_be_called_pruned(out: Path) -> None:
    """A note that a forecast was removed to save space does not excuse it."""
    run = out / "case-base/2030-01-02"
    (run / "forecast.csv").unlink()
    (run / "pruned.json").write_text('{"removed": ["forecast.csv"]}')
    assert "pruned.json:1:1: says that forecast.csv was removed" in told(out)
    assert "forecast.csv is missing" in told(out)


def test_ledger_that_cannot_be_read_is_an_error_with_its_line(out: Path) -> None:
    """A line that is no entry is named; the ledger is left as it is."""
    path = out / ledger.FILE
    path.write_text(path.read_text() + "{}\n")
    with pytest.raises(InvalidInputError, match=r"ledger\.jsonl:4:1: is no entry"):
        check(out)
    with pytest.raises(InvalidInputError, match=r"ledger\.jsonl:4:1"):
        refresh(out, force=True)


def test_broken_forecast_is_not_entered(tmp_path: Path) -> None:
    """A run with an invalid forecast is told and stays out of the ledger of good ones."""
    table = shelves.rows(DAY)
    table[0]["value"] = "0.9"
    shelves.add(tmp_path, table=table)
    shelves.add(tmp_path, "case-good")
    found = check(tmp_path)
    (entry,) = ledger.read(tmp_path)
    assert entry.run == "case-good/runs/2030-01-02-a1a1a1a1a1a1"
    assert "add up to" in str(found.problems[0])
    assert (found.forecasts, found.entries) == (1, 1)


@given(st.lists(st.text("abcdef", min_size=1), min_size=1, unique=True), st.data())
def test_no_past_entry_can_be_changed_unseen(names: list[str], data: st.DataObject) -> None:
    """Whichever entry is changed, left out or exchanged: the chain breaks at it."""
    entries: list[ledger.Entry] = []
    for name in names:
        entries.append(ledger.chained(entries, name, digest(name.encode())))
    assert ledger.broken(entries) is None
    at = data.draw(st.integers(0, len(entries) - 1))
    other = replace(entries[at], manifest=digest(b"other"))
    assert ledger.broken([*entries[:at], other, *entries[at + 1 :]]) == at
    if at < len(entries) - 1:
        assert ledger.broken([*entries[:at], *entries[at + 1 :]]) == at
        exchanged = [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]
        assert ledger.broken(exchanged) == at


# --- the rules of rows


def told_of(table: shelves.Rows, as_of: str = DAY) -> str:
    """What is wrong with rows, in one text."""
    return "\n".join(map(str, problems(shelves.written(table), FILE, as_of)))


@given(st.floats(0, 1))
def test_any_valid_forecast_is_valid(chance: float) -> None:
    """Probabilities that add up, reached ones that only grow: nothing to say."""
    assert told_of(shelves.rows(DAY, chance)) == ""


@pytest.mark.parametrize(
    ("line", "column", "value", "said"),
    [
        (2, "origin_date", "2030-01-03", "2030-01-03 is not the run's as-of day, 2030-01-02"),
        (3, "origin_date", "2.1.2030", "'2.1.2030' is no date"),
        (3, "target_date", "2030-01-10", "2030-01-10 is not 7 days after 2030-01-02"),
        (2, "horizon_days", "-7", "'-7' is no number of days"),
        (2, "horizon_days", "", "is empty"),
        (4, "output_type", "sample", "'sample' is not one of pmf, cdf, quantile"),
        (4, "value", "1.2", "1.2 is no probability"),
        (4, "value", "-0.1", "-0.1 is no probability"),
        (4, "value", "nan", "'nan' is no number"),
        (4, "value", "a", "'a' is no number"),
        (4, "value", "", "is empty"),
    ],
)
def test_fault_of_a_row_is_told_at_its_line(line: int, column: str, value: str, said: str) -> None:
    """What is wrong with a field is said with line, column and name."""
    table = shelves.rows(DAY)
    table[line - 2][column] = value
    place = f"forecast.csv:{line}:{COLUMNS.index(column) + 1}: {column}: "
    assert place + said in told_of(table).splitlines()


def test_every_faulty_row_is_told_at_once() -> None:
    """All rows that cannot be read are named, not only the first."""
    table = shelves.rows(DAY)
    for row in table[::3]:
        row["value"] = "x"
    assert len(told_of(table).splitlines()) == len(table[::3])


def test_probabilities_of_an_outcome_add_up_to_one() -> None:
    """A category too few is found by the sum, one twice by its name."""
    table = shelves.rows(DAY)
    del table[0]
    assert "the 1 values of 'reach war', 7 days ahead, add up to" in told_of(table)
    table = shelves.rows(DAY)
    table.append(table[0])
    assert "'reach war', 7 days ahead, has a value twice" in told_of(table)


def test_categories_are_the_same_at_every_horizon() -> None:
    """A category that is only asked about at one horizon is a mistake."""
    table = shelves.rows(DAY)
    for row in table[:2]:
        row["output_type_id"] = {"yes": "yes", "no": "not yet"}[row["output_type_id"]]
    assert "'reach war' has other categories at some horizons" in told_of(table)


def test_reached_by_a_day_is_reached_by_a_later_one() -> None:
    """The probability of having reached a rung never falls with the horizon."""
    table = shelves.rows(DAY)
    for row, value in zip(table[:2], ("0.9", "0.1"), strict=True):
        row["value"] = value
    assert "less likely by a later day" in told_of(table)


def test_other_types_of_output_keep_their_rules() -> None:
    """Levels of quantiles and points of a distribution function: in order, never falling."""

    def rows_of(kind: str, pairs: list[tuple[str, str]]) -> shelves.Rows:
        head = [DAY, "loss", "7", "2030-01-09", kind]
        return [dict(zip(COLUMNS, [*head, *pair], strict=True)) for pair in pairs]

    assert told_of(rows_of("quantile", [("0.9", "7"), ("0.1", "-3"), ("0.5", "2")])) == ""
    assert told_of(rows_of("cdf", [("2", "0.1"), ("10", "1")])) == ""
    assert "is no level between 0 and 1" in told_of(rows_of("quantile", [("1.5", "7")]))
    assert "'low' is no number" in told_of(rows_of("cdf", [("low", "0.2")]))
    assert "fall where they may not" in told_of(rows_of("cdf", [("10", "0.1"), ("2", "0.4")]))
    assert "fall where they may not" in told_of(rows_of("quantile", [("0.5", "3"), ("0.9", "1")]))


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\n"])
def test_file_without_forecasts_is_no_forecast(text: str) -> None:
    """Empty, of other columns, or a head alone: a problem, never silence."""
    assert len(problems(text, FILE, DAY)) == 1


def test_row_with_too_much_is_told() -> None:
    """A comma too many is seen."""
    text = shelves.written(shelves.rows(DAY)).replace("yes,0.25\n", "yes,0.25,9\n")
    assert "is followed by more than the columns" in str(problems(text, FILE, DAY)[0])


# --- the hub


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two scenarios of a case and one of another, of several days."""
    out = tmp_path / "reports"
    for name, chance in (("case-base", 0.25), ("case-talks.2", 0.125)):
        for day in ("2030-01-02", "2030-01-03"):
            table = shelves.rows(day, chance)
            shelves.add(out, name, day, table=table, file=f"scenarios/case/{name[5:]}.yaml")
    shelves.add(out, "other-base", DAY, file="scenarios/other/base.yaml")
    return out


def written(folder: Path) -> list[dict[str, str]]:
    """Every row of a hub, with the model it is of."""
    found = []
    for path in sorted((folder / "model-output").rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [{"model_id": path.parent.name, **row} for row in csv.DictReader(file)]
    return found


def test_hub_is_read_by_the_hubverse(archive: Path, tmp_path: Path) -> None:
    """hubverse's own reader finds every row of the archive, with its model."""
    hubdata = pytest.importorskip("hubdata", reason="no hubdata, the reader of hubs")
    assert hub.export(archive, tmp_path / "hub") == 5
    table = hubdata.connect_hub(tmp_path / "hub").to_table().to_pylist()
    assert len(table) == 5 * 10
    found = {
        (each["model_id"], each["case"], str(each["origin_date"]), each["target"],
         int(each["horizon"]), str(each["target_date"]), each["output_type_id"]): each["value"]
        for each in table
    }  # fmt: skip
    assert {each["output_type"] for each in table} == {"pmf"}
    key = ("escalation-case_talks_2", "case", "2030-01-03", "reach war", 30, "2030-02-02", "yes")
    assert found[key] == 0.125
    assert found[("escalation-other_base", "other", DAY, "reach war", 7, "2030-01-09", "no")] == (
        pytest.approx(1 - 0.25 * 7 / 30, rel=1e-8)
    )


def test_hub_holds_what_its_tasks_say(archive: Path, tmp_path: Path) -> None:
    """As hubValidations asks: each row one of the tasks, each task with all its outcomes, once."""
    folder = tmp_path / "hub"
    hub.export(archive, folder)
    tasks = json.loads((folder / "hub-config/tasks.json").read_text())
    (round_,) = tasks["rounds"]
    assert round_["round_id"] == "origin_date"
    allowed = Counter[tuple[str, ...]]()
    for group in round_["model_tasks"]:
        ids = {name: values["optional"] for name, values in group["task_ids"].items()}
        assert [*ids] == list(hub.COLUMNS[:5])
        names = group["output_type"]["pmf"]["output_type_id"]["required"]
        (about,) = group["target_metadata"]
        assert [about["target_keys"]["target"]] == ids["target"]
        assert (about["target_type"] == "binary") == ({*names} == {"yes", "no"})
        free = (ids[name] for name in ("case", "origin_date", "target", "horizon"))
        allowed.update((*map(str, each), name) for each in product(*free) for name in names)
    assert max(allowed.values()) == 1, "no row is a value of two groups of tasks"
    for row in written(folder):
        said = tuple(row[name] for name in ("case", "origin_date", "target", "horizon"))
        assert (*said, row["output_type_id"]) in allowed
        close = date.fromisoformat(row["origin_date"]) + timedelta(int(row["horizon"]))
        assert row["target_date"] == str(close)
    assert tasks["derived_task_ids"] == ["target_date"]


def test_tasks_keep_to_the_schema_of_hubs(archive: Path, tmp_path: Path) -> None:
    """Names, kinds and lengths are those that hubverse's schema 5.0.1 asks for."""
    long = shelves.rows(DAY)
    for row in long:
        row["target"] = row["target"].replace("war", "war of a very long and telling name")
    shelves.add(archive, "other-long", DAY, table=long)
    hub.export(archive, tmp_path / "hub")
    tasks = json.loads((tmp_path / "hub/hub-config/tasks.json").read_text())
    assert {*tasks} == {"schema_version", "rounds", "output_type_id_datatype", "derived_task_ids"}
    (round_,) = tasks["rounds"]
    assert {*round_} == {"round_id_from_variable", "round_id", "model_tasks", "submissions_due"}
    for group in round_["model_tasks"]:
        assert {*group} == {"task_ids", "output_type", "target_metadata"}
        assert {name for each in group["task_ids"].values() for name in each} == {
            "required",
            "optional",
        }
        pmf = group["output_type"]["pmf"]
        assert pmf["value"] == {"type": "double", "minimum": 0, "maximum": 1}
        assert {*pmf} == {"output_type_id", "value", "is_required"}
        assert {*pmf["output_type_id"]} == {"required"}
        (about,) = group["target_metadata"]
        assert len(about["target_id"]) <= 30
        assert len(about["target_name"]) <= 100
        assert about["target_type"] in {"binary", "nominal", "ordinal"}
        assert (about["is_step_ahead"], about["time_unit"]) == (True, "day")
        assert {"target_units", "target_keys"} < {*about}


def test_hub_has_the_files_that_a_hub_has(archive: Path, tmp_path: Path) -> None:
    """Folders and names as documented: a folder and a metadata file a model, a file a round."""
    folder = tmp_path / "hub"
    hub.export(archive, folder, "desk_1")
    name = re.compile(r"model-output/(\w+-\w+)/(\d{4}-\d\d-\d\d)-(\w+-\w+)\.csv")
    models = set()
    for path in (folder / "model-output").rglob("*.csv"):
        match = name.fullmatch(str(path.relative_to(folder)))
        assert match, path
        assert match[1] == match[3]
        models.add(match[1])
    assert models == {"desk_1-case_base", "desk_1-case_talks_2", "desk_1-other_base"}
    import jsonschema

    schema = json.loads((folder / "hub-config/model-metadata-schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for model in models:
        said = json.loads((folder / f"model-metadata/{model}.yml").read_text())
        jsonschema.validate(said, schema)
        assert f"{said['team_abbr']}-{said['model_abbr']}" == model
    admin = json.loads((folder / "hub-config/admin.json").read_text())
    needed = ("name", "maintainer", "contact", "repository", "file_format", "timezone")
    assert {"schema_version", *needed} == {*admin}
    assert not list(folder.rglob(".*"))


def test_hub_takes_the_current_run_of_a_day(archive: Path, tmp_path: Path) -> None:
    """Of two runs of a day, the hub has the one that is linked; written again, it follows."""
    hub.export(archive, tmp_path / "hub")
    before = written(tmp_path / "hub")
    shelves.add(archive, "other-base", DAY, key="b" * 64, table=shelves.rows(DAY, 0.5))
    hub.export(archive, tmp_path / "hub")
    after = written(tmp_path / "hub")
    values = [row["value"] for row in after if row["model_id"] == "escalation-other_base"]
    assert len(after) == len(before)
    assert "0.5" in values


def test_window_of_submission_holds_every_forecast(archive: Path, tmp_path: Path) -> None:
    """A replay is made long after its as-of day, and the hub says so."""
    shelves.add(archive, "other-late", DAY, started="2030-03-02T06:30:00+00:00")
    hub.export(archive, tmp_path / "hub")
    tasks = json.loads((tmp_path / "hub/hub-config/tasks.json").read_text())
    due = tasks["rounds"][0]["submissions_due"]
    assert (due["start"], due["end"]) == (0, 59)


def test_what_cannot_stand_in_one_hub_is_refused(archive: Path, tmp_path: Path) -> None:
    """Models of one name, other outcomes of one target, a name hubs do not take: an error."""
    other = shelves.rows(DAY)
    for row in other:
        row["output_type_id"] = row["output_type_id"].replace("calm", "peace")
    odd = shutil.copytree(archive, tmp_path / "odd", symlinks=True)
    shelves.add(odd, "case-odd", DAY, table=other, file="scenarios/case/odd.yaml")
    with pytest.raises(RunError, match="other outcomes of 'on ladder' than another scenario"):
        hub.export(odd, tmp_path / "hub")
    shelves.add(archive, "case_base", "2030-01-03")
    with pytest.raises(RunError, match="would both be the model escalation-case_base"):
        hub.export(archive, tmp_path / "hub")
    with pytest.raises(InvalidValueError, match="letters, digits and _ only"):
        hub.export(archive, tmp_path / "hub", "my-team")
    with pytest.raises(RunError, match="no finished report"):
        hub.export(tmp_path / "nothing", tmp_path / "hub")


def test_long_targets_have_short_ids_of_their_own() -> None:
    """An id of a target has at most 30 signs, and two long targets have two."""
    long = "reach " + "x" * 40
    assert hub._short("reach war") == "reach war"  # noqa: SLF001
    ids = {hub._short(long + each) for each in "ab"}  # noqa: SLF001
    assert len(ids) == 2
    assert {len(each) for each in ids} == {30}


def test_rows_are_read_as_numbers() -> None:
    """What is valid is returned, row by row, with its line."""
    found, wrong = rows(shelves.written(shelves.rows(DAY)), FILE, DAY)
    assert wrong == ()
    assert (found[0].line, found[0].task, found[0].name) == (2, ("reach war", 7, "pmf"), "yes")
