"""Event histories: gaps in dates are filled by the stated rule, and events keep their order."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.errors import InvalidValueError
from escalation.history.histories import MISSING, Event, fill, group


@given(
    year=st.integers(1816, 2030),
    month=st.one_of(st.none(), st.integers(1, 12)),
    rule=st.sampled_from(MISSING),
)
def test_a_missing_day_is_filled_within_what_is_known(
    year: int, month: int | None, rule: str
) -> None:
    """A date without a day lies in its month (or year), first ≤ middle ≤ last."""
    first, middle, last = (fill(year, month, None, each) for each in MISSING)
    assert first <= middle <= last
    assert all(each.year == year and month in {None, each.month} for each in (first, middle, last))
    assert rule in MISSING


def test_a_day_that_does_not_exist_is_refused() -> None:
    """The thirtieth of February is an error that says so."""
    with pytest.raises(InvalidValueError, match="1990-2-30"):
        fill(1990, 2, 30)


def test_an_end_before_its_start_is_the_start() -> None:
    """An event never ends before it starts, and one without an end lasts a day."""
    early = Event("a", 1, date(2000, 5, 15), date(2000, 5, 1))
    assert early.end == Event("a", 1, date(2000, 5, 15)).end == date(2000, 5, 15)


def test_events_stand_in_their_histories_by_day_and_number() -> None:
    """Histories come in the order they began, and events of one day by their number."""
    events = [
        Event("b", 1, date(2001, 1, 1), level=2),
        Event("a", 2, date(2000, 1, 1), level=4),
        Event("a", 1, date(2000, 1, 1), level=3),
    ]
    first, second = group(events)
    assert [first.id, second.id] == ["a", "b"]
    assert [each.number for each in first.events] == [1, 2]
    assert first.first_day(4) == date(2000, 1, 1)
    assert second.first_day(3) is None
