"""Promises of the explanations: parts add up, and leaving out is as if it had never come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cases import load_case, row
from escalation.engine.assessment import Assessment, assess
from escalation.errors import InvalidValueError
from escalation.explaining.explain import moved, rests_on

if TYPE_CHECKING:
    from pathlib import Path

    from escalation.reading.case import Scenario

ROWS = (
    row("threat-1", "threat", "2025-01-10", grade="B2"),
    row("fleet-1", "fleet", "2025-01-20", grade="B1"),
    row("shots-1", "shots", "2025-02-02", occurred_on="2025-01-30", until="2025-02-01", count="2"),
    row("threat-2", "threat", "2025-02-10", grade="B2", echo_group="said"),
    row("threat-3", "threat", "2025-02-12", grade="B2", echo_group="said"),
)
# With plain numbers only every draw is the same, so that answers are exact.
FIXED: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.2}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.05, "fight": 0.6}}}},
    "indicators": {
        "fleet": {"effect": {"climb": "x2"}},
        "shots": {"seen": {"rung": {"high": 3}}},
    },
}
# Every report is true, so that no effect is left to chance.
SURE: dict[str, Any] = {"admiralty": {"source": {"B": 1}, "information": {"2": 1}}}


@pytest.fixture(scope="module")
def uncertain(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """An assessment of the small case with its uncertain assumptions."""
    return assess(load_case(tmp_path_factory.mktemp("case"), ROWS), draws=1024)


def fixed_case(
    folder: Path, rows: tuple[str, ...] = ROWS, changes: dict[str, Any] | None = None
) -> Scenario:
    """Return the small case with plain numbers, in which every report is true."""
    return load_case(folder, rows, FIXED | SURE | (changes or {}))


def test_jumps_add_up_to_the_whole(uncertain: Assessment) -> None:
    """Steps, and contributions, add up exactly to the jump from the start to the headline."""
    for target in ("high", "deal"):
        found = moved(uncertain, target, draws=128)
        headline = uncertain.reach_by(target).probability
        assert found.end == pytest.approx(headline, abs=1e-9)
        assert sum(step.jump for step in found.steps) == pytest.approx(found.total, abs=1e-9)
        parts = sum(each.jump for each in found.contributions)
        assert parts == pytest.approx(found.total, abs=1e-9)
        assert found.steps[0].before == found.start
        assert all(a.after == b.before for a, b in zip(found.steps, found.steps[1:], strict=False))


def test_each_step_ends_where_an_assessment_as_of_that_day_stands(tmp_path: Path) -> None:
    """The probability after a day's last report is the headline as of that day."""
    rows = tuple(each for each in ROWS if "shots" not in each)  # all known on the day they speak of
    found = assess(fixed_case(tmp_path, rows), draws=8)
    last = {step.last: step.after for step in moved(found, "high", draws=8).steps}
    assert len(last) == 5
    for day, probability in last.items():
        then = assess(found.scenario, as_of=day, draws=8).reach_by("high").probability
        assert probability == pytest.approx(then, abs=1e-10)


def test_the_start_is_an_assessment_of_nothing(tmp_path: Path) -> None:
    """The first probability is the headline on the first day, before any report."""
    case = fixed_case(tmp_path)
    found = moved(assess(case, draws=8), "deal", draws=8)
    then = assess(case, as_of=case.start, draws=8).reach_by("deal").probability
    assert found.start == pytest.approx(then, abs=1e-10)


def test_passing_time_is_a_case_in_which_nothing_is_watched(tmp_path: Path) -> None:
    """The first step of time ends where an assessment with no watching would."""
    found = moved(assess(fixed_case(tmp_path), draws=8), "high", draws=8)
    blind = {"indicators": {name: {"watched": False} for name in ("fleet", "shots")}}
    changes = {"indicators": {**FIXED["indicators"]}}
    for name, change in blind["indicators"].items():
        changes["indicators"][name] = {**changes["indicators"][name], **change}
    case = fixed_case(tmp_path, (), changes)
    then = assess(case, as_of=found.steps[0].last, draws=8).reach_by("high").probability
    assert found.steps[0].kind == "time"
    assert found.steps[0].after == pytest.approx(then, abs=1e-10)


def test_sign_and_effect_are_told_apart(tmp_path: Path) -> None:
    """A report without an effect has none; one whose likelihoods are equal is no sign."""
    level = {"seen": {"intent": {"bluff": 0.4, "fight": 0.4}}}
    changes = {"indicators": {**FIXED["indicators"], "fleet": {**level, "watched": False}}}
    found = moved(assess(fixed_case(tmp_path, changes=changes), draws=64), "high", draws=64)
    by_name = {each.report: each for each in found.contributions}
    assert by_name["fleet-1"].sign == pytest.approx(0, abs=1e-9)
    assert by_name["fleet-1"].effect > 0.05
    assert by_name["threat-1"].effect == 0
    assert by_name["threat-1"].sign > 0.05


def test_a_count_over_days_is_one_contribution(uncertain: Assessment) -> None:
    """Its daily steps are added up, and it stands where its first day does."""
    found = moved(uncertain, "high", draws=64)
    daily = [step for step in found.steps if step.report == "shots-1"]
    assert [step.first for step in daily] == [date(2025, 1, 30) + timedelta(i) for i in range(3)]
    names = [each.report for each in found.contributions if each.kind == "report"]
    assert names == ["threat-1", "fleet-1", "shots-1", "threat-2", "threat-3"]
    (whole,) = [each for each in found.contributions if each.report == "shots-1"]
    assert whole.jump == pytest.approx(sum(step.jump for step in daily))


def test_a_scheduled_effect_counts_from_its_announcement(tmp_path: Path) -> None:
    """What is due later moves the probability when it becomes known."""
    due = row("fleet-2", "fleet", "2025-02-20", occurred_on="2025-03-10", probability="1")
    found = moved(assess(fixed_case(tmp_path, (due,)), draws=8), "high", draws=8)
    (effect,) = [step for step in found.steps if step.kind == "effect"]
    assert effect.first == date(2025, 2, 20)
    assert effect.jump > 0.01


@pytest.mark.parametrize("changes", [{}, {"echo_correlation": {"value": 1.0}}])
def test_leaving_out_is_as_if_it_had_never_come(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Without a report, or group, the answer is a fresh assessment's of a case without the rows.

    Also where with it go an effect, the end of a silence, or the place of the first of echoes.
    """
    case = fixed_case(tmp_path, changes=changes)
    found = rests_on(assess(case, draws=8), "high", draws=8)
    rows = {each.name: each for each in found.rows if each.kind != "silence"}
    assert set(rows) == {each.id for each in case.observations} | {"said"}
    assert rows["said"].reports == ("threat-2", "threat-3")
    for each in rows.values():
        kept = tuple(one for one in case.observations if one.id not in each.reports)
        fresh = assess(replace(case, observations=kept), draws=8).reach_by("high").probability
        assert each.without == pytest.approx(fresh, abs=1e-10)
        assert each.difference == pytest.approx(found.probability - fresh, abs=1e-10)


def test_leaving_out_a_silence_is_as_if_the_type_were_not_watched(tmp_path: Path) -> None:
    """Without the silence of a type nobody heard of, the case is one that does not watch it."""
    rows = tuple(each for each in ROWS if "shots" not in each)
    found = rests_on(assess(fixed_case(tmp_path, rows), draws=8), "high", draws=8)
    silences = {each.name: each for each in found.rows if each.kind == "silence"}
    assert set(silences) == {"shots"}
    indicators = FIXED["indicators"]
    blind = {**indicators, "shots": {**indicators["shots"], "watched": False}}
    case = fixed_case(tmp_path, rows, {"indicators": blind})
    fresh = assess(case, draws=8).reach_by("high").probability
    assert silences["shots"].without == pytest.approx(fresh, abs=1e-10)
    assert silences["shots"].difference < -0.05
    assert silences["shots"].reports == ()


def test_leaving_out_agrees_with_a_fresh_assessment_of_uncertain_cases(
    uncertain: Assessment,
) -> None:
    """With uncertain assumptions it agrees within the noise of the draws."""
    found = rests_on(uncertain, "high", draws=512)
    assert found.probability == pytest.approx(uncertain.reach_by("high").probability, abs=1e-9)
    for name in ("shots-1", "fleet-1"):
        (each,) = [one for one in found.rows if one.name == name]
        case = uncertain.scenario
        kept = tuple(one for one in case.observations if one.id != name)
        fresh = assess(replace(case, observations=kept), draws=1024)
        noise = fresh.reach_draws[-1, 0].std() / np.sqrt(each.effective)
        assert abs(each.without - fresh.reach_by("high").probability) < 5 * noise


def test_rows_are_sorted_by_what_they_carry(uncertain: Assessment) -> None:
    """The largest jump, up or down, comes first."""
    rows = rests_on(uncertain, "deal", draws=64).rows
    sizes = [abs(each.jump) for each in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_the_same_question_gets_the_same_answer(uncertain: Assessment) -> None:
    """Nothing is drawn anew: asking twice gives equal results."""
    assert moved(uncertain, "high", draws=64) == moved(uncertain, "high", draws=64)
    assert rests_on(uncertain, "high", draws=64) == rests_on(uncertain, "high", draws=64)


def test_a_case_without_reports_is_explained_by_time_and_silence(tmp_path: Path) -> None:
    """No reports: time and silence are all there is."""
    found = assess(fixed_case(tmp_path, ()), draws=8)
    assert {each.kind for each in moved(found, "high", draws=8).contributions} == {
        "time",
        "silence",
    }
    assert {each.kind for each in rests_on(found, "high", draws=8).rows} == {"silence"}


def test_on_the_first_day_nothing_has_moved(tmp_path: Path) -> None:
    """As of the start there are no steps."""
    case = fixed_case(tmp_path, ())
    found = moved(assess(case, as_of=case.start, draws=8), "high", draws=8)
    assert (found.steps, found.contributions, found.total) == ((), (), 0.0)


def test_what_cannot_be_a_target_is_refused(uncertain: Assessment) -> None:
    """Both explanations name the targets there are."""
    for explain in (moved, rests_on):
        with pytest.raises(InvalidValueError, match="high, deal"):
            explain(uncertain, "low")
