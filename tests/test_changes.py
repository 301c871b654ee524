"""Promises of what changed: the parts add up, and each holds what belongs to it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cases import load_case, row
from escalation.engine.assessment import Assessment, assess
from escalation.errors import InvalidValueError
from escalation.explaining.changes import Changed, Part, changed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIRST, SECOND = date(2025, 2, 5), date(2025, 2, 20)
FLEET = row("fleet-1", "fleet", "2025-01-20", grade="B1")
THREAT = row("threat-1", "threat", "2025-01-28", grade="B2")
SHOTS = row("shots-1", "shots", "2025-02-10")


def assessed(
    folder: Path, rows: Sequence[str], as_of: date, changes: dict[str, Any] | None = None
) -> Assessment:
    """Assess the small case with a few draws."""
    return assess(load_case(folder, rows, changes), as_of=as_of, draws=64)


def by_kind(found: Changed) -> dict[str, Part]:
    """Return the parts by kind, having checked that they add up."""
    assert [each.kind for each in found.parts] == ["time", "reports", "retractions", "edits"]
    assert found.parts[0].before == found.before
    assert found.parts[-1].after == found.after
    assert sum(each.jump for each in found.parts) == pytest.approx(found.total, abs=1e-12)
    return {each.kind: each for each in found.parts}


def test_every_kind_of_change_is_told_apart_and_adds_up(tmp_path: Path) -> None:
    """Time, reports, retractions and edits in one update: each has its part, by name."""
    before = assessed(tmp_path, (FLEET, THREAT), FIRST)
    withdrawn = row("threat-1", "threat", "2025-01-28", grade="B2", retracted_on="2025-02-15")
    edit = {"ladder": {"moves": {"low -> high": {"intent": {"fight": "0.6 to 2"}}}}}
    after = assessed(tmp_path, (FLEET, withdrawn, SHOTS), SECOND, edit)
    found = changed(before, after, "high")
    parts = by_kind(found)
    assert parts["time"].what == ("15 days",)
    assert parts["reports"].what == ("shots-1",)
    assert parts["retractions"].what == ("threat-1",)
    assert parts["edits"].what == ("ladder.moves.low -> high.intent.fight",)
    assert all(each.jump for each in found.parts)
    assert parts["reports"].jump > 0 > parts["retractions"].jump
    assert parts["edits"].jump > 0
    assert found.before == before.reach_by("high").probability
    assert found.after == after.reach_by("high").probability


def test_parts_end_where_assessments_of_that_much_change_stand(tmp_path: Path) -> None:
    """After time alone the case stands as assessed with nothing new, as of the later day."""
    before = assessed(tmp_path, (FLEET, THREAT), FIRST)
    after = assessed(tmp_path, (FLEET, THREAT, SHOTS), SECOND)
    parts = by_kind(changed(before, after, "high"))
    later = assessed(tmp_path, (FLEET, THREAT), SECOND).reach_by("high").probability
    assert parts["time"].after == pytest.approx(later, abs=1e-12)
    assert parts["edits"].jump == parts["retractions"].jump == 0


def test_nothing_changed_is_nothing(tmp_path: Path) -> None:
    """An assessment differs from itself by four zeros."""
    one = assessed(tmp_path, (FLEET,), FIRST)
    found = changed(one, assessed(tmp_path, (FLEET,), FIRST), "deal")
    assert all(not each.what and each.jump == 0 for each in by_kind(found).values())


def test_a_row_taken_out_is_a_retraction_and_one_coded_late_a_report(tmp_path: Path) -> None:
    """What counts is whether a row was known then and is known now."""
    before = assessed(tmp_path, (FLEET,), FIRST)
    parts = by_kind(changed(before, assessed(tmp_path, (THREAT,), FIRST), "high"))
    assert parts["reports"].what == ("threat-1",)
    assert parts["retractions"].what == ("fleet-1",)
    assert parts["time"].what == ()


def test_recoding_a_report_is_an_edit(tmp_path: Path) -> None:
    """Another grade, but not another note, is an edit of the report."""
    before = assessed(tmp_path, (FLEET,), FIRST)
    noted = row("fleet-1", "fleet", "2025-01-20", grade="B1", note="seen by two ships")
    assert changed(before, assessed(tmp_path, (noted,), FIRST), "high").parts[3].what == ()
    worse = row("fleet-1", "fleet", "2025-01-20", grade="D4")
    parts = by_kind(changed(before, assessed(tmp_path, (worse,), FIRST), "high"))
    assert parts["edits"].what == ("observations.fleet-1",)
    assert parts["edits"].jump < 0


def test_a_report_of_a_type_that_is_new_can_still_be_replayed(tmp_path: Path) -> None:
    """A new indicator comes with its first report; that it was added is an edit."""
    before = assessed(tmp_path, (FLEET,), FIRST)
    new = {
        "category": "rhetoric",
        "label": "An ultimatum",
        "seen": {"per": "30d", "intent": {"bluff": "0.1 to 0.3", "fight": 1}},
        "why": "reasoning",
    }
    rows = (FLEET, row("ultimatum-1", "ultimatum", "2025-02-15"))
    after = assessed(tmp_path, rows, SECOND, {"indicators": {"ultimatum": new}})
    parts = by_kind(changed(before, after, "high"))
    assert parts["reports"].what == ("ultimatum-1",)
    assert parts["reports"].jump > 0
    assert "indicators.ultimatum" in parts["edits"].what


def test_a_new_state_is_an_edit(tmp_path: Path) -> None:
    """Where the ladder itself was changed, that is said."""
    rungs = [
        {"id": name, "label": name, "resolves": "reasoning"} for name in ("low", "high", "top")
    ]
    moves = {"high -> top": {"rate": 0.1, "why": "reasoning"}}
    seen = {"shots": {"seen": {"rung": {"top": 3}}}}
    changes = {"ladder": {"rungs": rungs, "moves": moves}, "indicators": seen}
    before = assessed(tmp_path, (FLEET,), FIRST)
    after = assessed(tmp_path, (FLEET,), FIRST, changes)
    assert "ladder" in by_kind(changed(before, after, "high"))["edits"].what
    with pytest.raises(InvalidValueError, match="top"):
        changed(before, after, "top")


def test_another_horizon_or_seed_is_an_edit(tmp_path: Path) -> None:
    """Settings of the run are among the edits, so that the parts still add up."""
    case = load_case(tmp_path, (FLEET,))
    before = assess(case, as_of=FIRST, draws=64)
    after = assess(case, as_of=SECOND, horizon=30, draws=32, seed=7)
    parts = by_kind(changed(before, after, "high"))
    assert parts["edits"].what == ("horizon", "draws")
    again = assess(case, as_of=FIRST, draws=64, seed=7)
    assert by_kind(changed(before, again, "high"))["edits"].what == ("seed",)
    assert parts["edits"].jump < 0


def test_time_does_not_run_backwards(tmp_path: Path) -> None:
    """The later assessment has to be as of the same day or a later one."""
    early, late = (assessed(tmp_path, (FLEET,), day) for day in (FIRST, SECOND))
    with pytest.raises(InvalidValueError, match="before"):
        changed(late, early, "high")
