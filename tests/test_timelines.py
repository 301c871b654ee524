"""Timelines: days, marks and the batch for the filter."""

from datetime import date, timedelta

from escalation.history.histories import Event, group
from escalation.history.timelines import MARKS, Timelines, timelines

DAY = date(2000, 1, 1)
END = date(2010, 1, 1)


def lines_of(*acts: tuple[int, int, str], watch: int = 100, until: date = END) -> Timelines:
    """Timelines of one history of (day, hostility, side)."""
    events = [Event("a", n, DAY + timedelta(days=day), level=level, side=side)
              for n, (day, level, side) in enumerate(acts)]  # fmt: skip
    return timelines(group(events), watch=watch, until=until)


def test_of_several_acts_on_a_day_the_most_hostile_counts() -> None:
    """A threat and a display on one day are a display; on two days they are two."""
    lines = lines_of((0, 2, "A"), (0, 3, "B"), (4, 2, "A"))
    assert [MARKS[m] for m in lines.mark[:, 0]] == ["display_other", "threat"]
    assert lines.gap[:, 0].tolist() == [0, 4]


def test_silence_is_watched_to_the_end() -> None:
    """A history that goes quiet stays under watch, and one at war does not."""
    assert lines_of((0, 3, "A")).days.tolist() == [100]
    assert lines_of((0, 3, "A"), (7, 5, "A"), (9, 4, "A")).days.tolist() == [7]
    assert lines_of((0, 3, "A"), until=DAY + timedelta(days=20)).days.tolist() == [20]


def test_nothing_after_a_day_is_known_by_it() -> None:
    """`until` drops later events and later watching, and changes nothing else."""
    lines = lines_of((0, 3, "A"), (7, 4, "B"), (30, 4, "A"))
    early = lines.until(10)
    assert (early.days.tolist(), early.count.tolist()) == ([10], [2])
    assert early.rest.tolist() == [3]
    assert lines.until(100).mark.tolist() == lines.mark.tolist()


def test_no_event_no_history() -> None:
    """A history without a mark, or one that begins after the data, is left out."""
    assert lines_of((0, 1, "A")).size == 0
    assert lines_of((0, 3, "A"), until=DAY - timedelta(days=1)).size == 0
