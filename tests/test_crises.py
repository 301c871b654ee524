"""Coded crises: they load, are replayed before their outcome, and learn nothing from themselves."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from escalation.history import crises_page
from escalation.history.crises import BASE, FORECASTERS, OTHERS, read_replay, replay
from escalation.history.outcomes import read_resolutions
from escalation.reading import scenario

FOLDER = Path(__file__).resolve().parents[1] / "scenarios/history"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/baseline.yaml"))


def test_at_least_six_crises_some_that_climbed_and_some_that_did_not() -> None:
    """The set holds both outcomes."""
    climbed = [
        "strikes" in read_resolutions(FOLDER / name / "resolutions.yaml").reached for name in CASES
    ]
    assert len(CASES) >= 6
    assert 2 <= sum(climbed) <= len(CASES) - 2


@pytest.mark.parametrize("name", CASES)
def test_each_case_is_cited_to_the_day_and_on_the_shared_factors(name: str) -> None:
    """Every observation has a source, and factors and rungs are those of the catalogue."""
    case = scenario.load(FOLDER / name / "baseline.yaml")
    assert [factor.name for factor in case.factors] == ["intent", "stance", "rung"]
    assert [state.id for state in case.latent[0].states] == ["settle", "coerce", "strike", "remove"]
    assert all(each.source for each in case.observations)
    for reached in read_resolutions(FOLDER / name / "resolutions.yaml").reached.values():
        assert all(each.source for each in reached)


def test_replays_end_before_the_last_outcome() -> None:
    """As of each day, something that is scored had not happened yet."""
    for name, days in read_replay(FOLDER / "replay.yaml").as_of.items():
        what = read_resolutions(FOLDER / name / "resolutions.yaml")
        last = max(each.happened_on for reached in what.reached.values() for each in reached)
        assert all(date.fromisoformat(day) < date.fromisoformat(last) for day in days)


def test_a_small_replay(tmp_path: Path) -> None:
    """Two cases, one day each: probabilities, scores of three forecasters, and the caveat."""
    shutil.copytree(FOLDER.parent, tmp_path / "scenarios")
    folder = tmp_path / "scenarios/history"
    text = "schema: 1\nhorizons: [30]\nas_of: {cuba_1962: [1962-10-23], libya_1986: [1986-04-08]}\n"
    (folder / "replay.yaml").write_text(text)
    result = replay(folder, draws=64, seed=1)
    assert len(result.asked) == 2
    for each in result.asked:
        assert all(0 <= value <= 1 for value in each.probability.values())
    assert set(result.records) == set(FORECASTERS)
    assert result.records[OTHERS].scored
    rates = {each.probability[BASE, "strikes"] for each in result.asked}
    assert len(rates) == 1
    assert "selects for drama" in crises_page.page(result)


def test_the_outcome_of_a_case_is_not_known_on_the_day(tmp_path: Path) -> None:
    """Without the reports that came after the day, the forecast alone is the same."""
    shutil.copytree(FOLDER.parent, tmp_path / "scenarios")
    folder = tmp_path / "scenarios/history"
    (folder / "replay.yaml").write_text(
        "schema: 1\nhorizons: [30]\nas_of: {libya_1986: [1986-03-01], cuba_1962: []}\n"
    )
    before = replay(folder, draws=32, seed=1).asked[0].probability
    file = folder / "libya_1986/observations.csv"
    lines = file.read_text().splitlines()
    kept = [line for line in lines if not any(f",1986-{m}" in line for m in ("03", "04"))]
    file.write_text("\n".join(kept) + "\n")
    after = replay(folder, draws=32, seed=1).asked[0].probability
    assert {k: v for k, v in before.items() if k[0] == "alone"} == pytest.approx(
        {k: v for k, v in after.items() if k[0] == "alone"}
    )
