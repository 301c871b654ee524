"""Base rates: counted by hand, and the committed file reproduced from the data."""

from datetime import date
from pathlib import Path

import pytest

from escalation.errors import InvalidInputError, InvalidValueError
from escalation.history import reference_rules
from escalation.history.base_rates import Climb, Count, Landmark, Selection, climb, landmark
from escalation.history.histories import Event, History, group
from escalation.reading import scenario

UNTIL = date(2000, 12, 31)


def history(name: str, *acts: tuple[date, int], actor: str = "2", target: str = "40") -> History:
    """A history of (day, hostility)."""
    events = [Event(name, n, day, actor=actor, target=target, level=level, action="7")
              for n, (day, level) in enumerate(acts)]  # fmt: skip
    return group(events)[0]


CLIMBED = history("climbed", (date(2000, 1, 1), 3), (date(2000, 1, 11), 4))
QUIET = history("quiet", (date(2000, 1, 1), 3), (date(2000, 2, 1), 2))
SAME_DAY = history("same day", (date(2000, 1, 1), 3), (date(2000, 1, 1), 4))
LOW = history("low", (date(2000, 1, 1), 2))
LATE = history("late", (date(2000, 12, 1), 3))


def test_events_and_days_at_risk_are_counted_by_the_rule() -> None:
    """One climbs after 10 days; one is at risk for 31 days and the tail; the rest are out."""
    assert climb([CLIMBED, QUIET, SAME_DAY, LOW], Climb(3, 4, tail=60), UNTIL) == Count(2, 1, 101)


def test_the_end_of_the_data_cuts_the_tail() -> None:
    """No day after the data counts as at risk."""
    assert climb([LATE], Climb(3, 4, tail=180), UNTIL) == Count(1, 0, 30)


def test_a_delay_leaves_out_who_climbed_before_it() -> None:
    """With a delay of 20 days, the one that climbed on day 10 was never at risk."""
    assert climb([CLIMBED, QUIET], Climb(3, 4, delay=20, tail=60), UNTIL) == Count(1, 0, 71)


def test_a_longer_tail_never_raises_a_rate() -> None:
    """More days at risk with the same events: the rate falls."""
    rates = [climb([CLIMBED, QUIET], Climb(3, 4, tail=t), UNTIL).mean for t in (30, 90, 365)]
    assert rates == sorted(rates, reverse=True)


def test_landmarks_ask_at_one_age_only() -> None:
    """At 20 days who climbed is out; who was not active lately too; the rest is watched."""
    rule = Landmark(3, 4, at=5, window=10)
    assert landmark([CLIMBED, QUIET], rule, UNTIL) == Count(2, 1, 5 + 10)
    assert landmark([CLIMBED, QUIET], Landmark(3, 4, at=20, window=10), UNTIL) == Count(1, 0, 10)
    assert landmark([QUIET], Landmark(3, 4, at=90, window=10, active=30), UNTIL) == Count(0, 0, 0)
    assert landmark([LATE], Landmark(3, 4, at=20, window=30), UNTIL).cases == 0


def test_a_class_is_who_opens_how_when_and_against_whom() -> None:
    """Filters by code, group and its years, action, level and year, and their negation."""
    groups = {"major": {"2": ((1898, 9999),)}}
    ok = [
        Selection(opened_by="major", against="not major", groups=groups),
        Selection(opened_by="major, 2", groups=groups),
        Selection(actions=("7",), levels=(3,), first_year=2000, last_year=2000),
    ]
    no = [
        Selection(opened_by="not major", groups=groups),
        Selection(against="major", groups=groups),
        Selection(opened_by="40"),
        Selection(actions=("8",)),
        Selection(levels=(4,)),
        Selection(last_year=1999),
        Selection(opened_by="major", groups={"major": {"2": ((1816, 1999),)}}),
    ]
    assert [each.holds(CLIMBED) for each in ok] == [True] * len(ok)
    assert [each.holds(CLIMBED) for each in no] == [False] * len(no)


def test_the_posterior_is_jeffreys() -> None:
    """n events in T days: Gamma(n + ½, 30/T) per 30 days; no days at risk is an error."""
    count = Count(3, 2, 300)
    assert (count.shape, count.scale, count.mean) == (2.5, 0.1, 0.25)
    with pytest.raises(InvalidValueError, match="at risk"):
        _ = Count(0, 0, 0).mean


def test_the_committed_classes_come_from_the_data(workspace: Path, reference: Path) -> None:
    """scenarios/reference_classes.yaml is, to the letter, what fit-rates writes."""
    rules = reference_rules.read_rules(workspace / "scenarios/reference_rules.yaml")
    text = reference_rules.written(
        rules, reference_rules.fit(rules, reference), "reference_rules.yaml"
    )
    committed = (workspace / "scenarios/reference_classes.yaml").read_text(encoding="utf-8")
    assert text == committed


def test_the_committed_classes_can_be_read(workspace: Path) -> None:
    """What fit-rates writes is a valid file of reference classes."""
    assert not scenario.check(workspace / "scenarios/reference_classes.yaml")


def test_a_rule_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An unknown key is reported with its line."""
    file = tmp_path / "rules.yaml"
    file.write_text("schema: 1\ntail: 180d\ndata: {}\nclasses: {}\nlandmarks: 3\n")
    with pytest.raises(InvalidInputError, match=r"rules\.yaml:5.*landmarks"):
        reference_rules.read_rules(file)
