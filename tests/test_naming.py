"""Names that people read."""

from datetime import date
from pathlib import Path

import pytest

from escalation.reading import naming, scenario
from escalation.reading.case import Scenario


@pytest.fixture(scope="module")
def case(workspace: Path) -> Scenario:
    """The tiny case."""
    return scenario.load(workspace / "tests/data/tiny/baseline.yaml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("latent.intent.start.bargain", "Intent: bargain at the start"),
        ("latent.intent.moves.bargain -> fight.rate", "Intent: bargain → fight"),
        (
            "latent.intent.moves.bargain -> fight.rung.shots",
            "Intent: bargain → fight, on rung shots",
        ),
        ("ladder.moves.blockade -> shots.mood.angry", "Ladder: blockade → shots, if mood is angry"),
        (
            "indicators.ships_gather.seen.intent.fight",
            "Ships gather outside the harbour, if intent is fight",
        ),
        ("indicators.talks_planned.effect.climb", "Talks announced: effect on climbs"),
        (
            "indicators.talks_planned.effect.blockade -> treaty",
            "Talks announced: effect on blockade → treaty",
        ),
        ("indicators.talks_planned.effect.fades", "Talks announced: days until its effect halves"),
        ("observations.row-5.probability", "Report row-5: takes place"),
        ("admiralty.source.B", "A report of a source graded B is genuine"),
        ("echo_correlation", "Echo correlation"),
    ],
)
def test_assumptions_are_named_in_words(case: Scenario, name: str, said: str) -> None:
    """A dotted name becomes what the assumption is about."""
    assert name in case.assumptions
    assert naming.in_words(case, name) == said


def test_every_assumption_has_a_name_of_its_own(case: Scenario) -> None:
    """No two assumptions read alike, whatever their place in the files."""
    said = [naming.in_words(case, name) for name in case.assumptions]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0624, "0.062"),
        (1.0, "1"),
        (12.34, "12"),
        (1234.6, "1235"),
        (-72.3, "−72"),
        (0.000012, "0.000012"),
        (float("nan"), "none"),
    ],
)
def test_numbers_have_two_digits_that_mean_something(value: float, said: str) -> None:
    """Never an exponent, never more digits than anyone believes."""
    assert naming.number(value) == said


def test_days_are_english_whatever_the_locale() -> None:
    """Dates read alike on every machine."""
    assert naming.day(date(2025, 3, 1)) == "1 March 2025"
    assert naming.short_day(date(2025, 12, 31)) == "31 Dec"


def test_report_is_named_by_its_type_and_day(case: Scenario) -> None:
    """Its day does not break; an id that is not there is shown as it is."""
    first = case.observations[0]
    label = case.indicators[first.indicator].label
    assert naming.report_label(case, first.id).startswith(label + " (")
    assert naming.report_label(case, first.id).count(" ") == label.count(" ") + 1
    assert naming.report_label(case, "gone") == "gone"
