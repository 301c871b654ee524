"""Importing events: the mapping is obeyed, and what comes out is a valid observations file."""

from datetime import date
from pathlib import Path

import pytest

from escalation.errors import InvalidInputError
from escalation.history import importing
from escalation.history.histories import Event
from escalation.history.importing import Mapping, rows
from escalation.reading import observations
from escalation.reading.tree import Findings

ACTS = [
    Event("a", 1, date(2018, 6, 1), actor="USA", target="IRN", action="1384", source="one"),
    Event("a", 2, date(2018, 6, 1), actor="USA", target="IRN", action="138", source="two"),
    Event("a", 3, date(2018, 6, 2), actor="USA", target="IRN", action="013", source="three"),
    Event("a", 4, date(2018, 6, 30), actor="USA", target="IRN", action="138", precise=False),
    Event("a", 5, date(2018, 6, 3), actor="USA", target="FRA", action="138"),
]


def mapping(**settings: object) -> Mapping:
    """A mapping of threats by one side to the other."""
    base: dict[str, object] = {
        "schema": 1,
        "select": {"actor": ["US*"], "target": ["IRN"]},
        "grade": "C3",
        "rules": [{"action": "138*", "indicator": "threat"}],
    }
    return Mapping.model_validate(base | settings)


def test_one_row_a_day_or_counted_or_as_echoes() -> None:
    """Two reports of a day are one row, one row with a count, or two echoes of one group."""
    (one,) = rows(ACTS, mapping()).rows
    assert (one["id"], one["count"], one["source"]) == ("threat-2018-06-01", "", "one and 1 more")
    (counted,) = rows(ACTS, mapping(merge="count")).rows
    assert counted["count"] == "2"
    echoes = rows(ACTS, mapping(merge="none")).rows
    assert [each["echo_group"] for each in echoes] == ["threat-2018-06-01"] * 2


def test_events_without_a_rule_are_counted_and_not_guessed() -> None:
    """A statement has no rule here: it is left out, and said to be."""
    assert rows(ACTS, mapping()).unmapped == 1


def test_a_day_that_is_not_known_is_never_known_too_early() -> None:
    """Imprecise events are skipped, or kept on the last day that they may have been."""
    kept = rows(ACTS, mapping(imprecise="keep")).rows
    assert [each["reported_on"] for each in kept] == ["2018-06-01", "2018-06-30"]


def test_a_lag_moves_the_report_and_not_the_act() -> None:
    """What took three days to become public was reported three days later."""
    (row,) = rows(ACTS, mapping(lag="3d")).rows
    assert (row["occurred_on"], row["reported_on"]) == ("2018-06-01", "2018-06-04")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """The rows are an observations file without a problem."""
    text = importing.written(rows(ACTS, mapping(imprecise="keep", merge="none")))
    findings = Findings()
    read = observations.parse(text, tmp_path / "observations.csv", findings)
    assert not findings.listed()
    assert len(read.observations) == 3


def test_a_mapping_with_a_mistake_is_refused(tmp_path: Path) -> None:
    """An unknown key is named with its line."""
    file = tmp_path / "map.yaml"
    file.write_text("schema: 1\nrules: []\nmerge: day\nselekt: {}\n")
    with pytest.raises(InvalidInputError, match=r"map\.yaml:4.*selekt"):
        importing.read_map(file)


@pytest.mark.parametrize("name", ["cameo", "mie"])
def test_sample_mappings_are_valid(workspace: Path, name: str) -> None:
    """The mappings that come with the project can be read."""
    assert importing.read_map(workspace / f"scenarios/imports/{name}.yaml").rules


def test_a_published_file_is_imported(workspace: Path, reference: Path) -> None:
    """Militarized Interstate Events of 1962 become rows, the blockade of 22 October among them."""
    found = importing.read_map(workspace / "scenarios/imports/mie.yaml")
    events = importing.events("mie", reference / "mie_mid/mie-1.0.csv", found)
    imported = rows(events, found)
    assert imported.rows
    assert all(each["reported_on"].startswith("1962-") for each in imported.rows)
