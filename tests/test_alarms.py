"""What is promised of alerts: see `escalation.reporting.alarms`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from escalation.engine.assessment import Assessment, assess
from escalation.explaining.surprise import Surprise
from escalation.reading import scenario
from escalation.reading.case import Alert, MoveAlert, SurpriseAlert
from escalation.reporting.alarms import Condition, conditions
from tiny_case import TINY, copy_of_tiny, edit, wrong

ASKED = "{reach: shots, within: 30d, above: 0.3}"
DAY = date(2030, 2, 1)
OLD = Surprise("old", "patrol", DAY, 30, 0.001, 0.5)
RARE = Surprise("rare", "patrol", DAY, 30, 0.004, 0.5)
USUAL = Surprise("usual", "patrol", DAY, 30, 0.4, 0.001)
UNWATCHED = Surprise("unwatched", "speech", DAY, 30, None, 0.002)


@pytest.fixture(scope="module")
def answer() -> Assessment:
    """Assess the small case, on few draws."""
    return assess(scenario.load(TINY / "baseline.yaml"), draws=64)


def asked(answer: Assessment, alert: Alert | MoveAlert | SurpriseAlert) -> Assessment:
    """Return the answer to a scenario with one alert."""
    return replace(answer, scenario=replace(answer.scenario, alerts=(alert,)))


def moved(answer: Assessment, by: float, before: float) -> Condition:
    """Hold the headline against one before."""
    (found,) = conditions(asked(answer, MoveAlert("shots", by)), (), {"shots": before})
    return found


def test_a_headline_that_moved_far_is_told_either_way(answer: Assessment) -> None:
    """More than the points asked for, up or down; as far or less is no alert."""
    now = answer.reach_by("shots").probability
    assert moved(answer, 0.1, now - 0.11).raised
    assert moved(answer, 0.1, now + 0.11).raised
    assert not moved(answer, 0.1, now - 0.09).raised
    assert not moved(answer, 0.1, now).raised
    found = moved(answer, 0.1, now - 0.11)
    assert found.facts == {"moved": "shots", "by": 0.1, "before": now - 0.11, "after": now}
    assert "moved by more than the 10 points asked for" in found.text


def test_without_a_report_before_nothing_moved(answer: Assessment) -> None:
    """The first report says that there is none before it, and raises no alert."""
    (found,) = conditions(asked(answer, MoveAlert("shots", 0.1)), ())
    assert not found.raised
    assert found.facts["before"] is None
    assert "no report before" in found.text


def test_only_a_new_report_surprises(answer: Assessment) -> None:
    """A report that the run before knew is no news, however unlikely it was when it came."""
    case = asked(answer, SurpriseAlert(0.01))
    (found,) = conditions(case, (OLD, RARE, USUAL), {}, {"old", "usual"})
    assert found.raised
    assert found.facts["reports"] == [{"report": "rare", "probability": 0.004}]
    assert "rare" in found.text
    (quiet,) = conditions(case, (OLD, USUAL), {}, {"old"})
    assert not quiet.raised
    assert quiet.facts["reports"] == []


def test_a_type_that_is_not_watched_is_held_by_its_relative_intensity(answer: Assessment) -> None:
    """It has no probability of being heard of."""
    (found,) = conditions(asked(answer, SurpriseAlert(0.01)), (UNWATCHED,))
    assert found.facts["reports"] == [{"report": "unwatched", "probability": 0.002}]


def test_what_was_not_computed_raises_no_alert(answer: Assessment) -> None:
    """An assessment alone knows nothing of surprise, and says so."""
    (found,) = conditions(asked(answer, SurpriseAlert(0.01)))
    assert not found.raised
    assert "in a report only" in found.text


@pytest.mark.parametrize(
    ("alert", "message"),
    [
        ("{moved: shooting, by: 0.1}", "alerts.0.moved: no rung 'shooting'"),
        ("{moved: shots}", "alerts.0.by: is missing"),
        ("{moved: shots, by: 0}", "alerts.0.by: must be above 0"),
        ("{surprise_below: 1 %}", "alerts.0.surprise_below: expected a plain number"),
        ("{surprise_below: 0.01, within: 30d}", "alerts.0: unknown key 'within'"),
        ("{reach: shots, within: 30d}", "alerts.0.above: is missing"),
    ],
)
def test_what_is_wrong_with_an_alert_is_said_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alert: str, message: str
) -> None:
    """Each kind has its own keys."""
    path = copy_of_tiny(tmp_path, monkeypatch) / "baseline.yaml"
    edit(path, (ASKED, alert))
    problems = wrong(path)
    assert any(message in each for each in problems), problems


def test_every_kind_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the file."""
    path = copy_of_tiny(tmp_path, monkeypatch) / "baseline.yaml"
    edit(path, (ASKED, f"{ASKED}\n  - {{moved: shots, by: 0.1}}\n  - {{surprise_below: 0.01}}"))
    found = scenario.load(path).alerts
    assert found == (Alert("shots", 30, 0.3), MoveAlert("shots", 0.1), SurpriseAlert(0.01))
