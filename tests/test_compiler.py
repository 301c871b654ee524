"""Promises of the compiler: each number of the files reaches the engine as the documents say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import load_case, row
from escalation.engine.compiler import batch, worth
from escalation.engine.layout import Plan, plan
from escalation.engine.posterior import Scores
from escalation.maths.filtering import Batch, log_likelihood
from escalation.reading.case import RateSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

START = date(2025, 1, 1)
# Joint states of the small case: intent bluff, fight; ladder low, high, deal fastest.
BLUFF = [0, 1, 2]


def compiled(
    folder: Path, rows: Sequence[str] = (), changes: dict[str, Any] | None = None, draws: int = 8
) -> tuple[Plan, Batch, dict[str, Array]]:
    """Compile the small case for a few prior draws."""
    layout = plan(load_case(folder, rows, changes))
    scores = Scores(layout.assumptions, 1)
    values = scores.values(scores.prior(draws))
    return layout, batch(layout, values), values


def test_move_rates_are_those_of_the_file_per_day(tmp_path: Path) -> None:
    """A rate per 30 days is a thirtieth per day, by latent state, times its multipliers."""
    _, arrays, values = compiled(tmp_path)
    matrix = arrays.chain.at(0).dense()
    climb = "ladder.moves.low -> high.intent."
    assert np.allclose(matrix[:, 0, 1], values[climb + "bluff"] / 30)
    assert np.allclose(matrix[:, 3, 4], values[climb + "fight"] / 30)
    assert np.allclose(matrix[:, 0, 2], 0.1 / 30)
    assert np.allclose(matrix[:, 3, 5], 0.5 * 0.1 / 30)
    assert np.allclose(matrix[:, 1, 4], values["latent.intent.moves.bluff -> fight.rate"] / 30)
    assert np.allclose(matrix.sum(axis=2), 0)


def test_start_is_the_product_of_the_factors(tmp_path: Path) -> None:
    """Start weights multiply over factors and sum to one."""
    _, arrays, _ = compiled(tmp_path)
    assert np.allclose(arrays.start.T, [0.7, 0, 0, 0.3, 0, 0])


def test_a_window_probability_becomes_an_intensity(tmp_path: Path) -> None:
    """While watched, a type seen with probability p in W days kills at −ln(1−p)/W."""
    _, arrays, values = compiled(tmp_path)
    fleet = -np.log([1 - 0.2, 1 - 0.7]) / 30
    shots = np.broadcast_to(values["indicators.shots.seen.rung.high"] / 30, 8)
    assert np.allclose(arrays.evidence.killing[0][0], fleet[0] + 0.05 / 30)
    assert np.allclose(arrays.evidence.killing[0][4], fleet[1] + shots)


def test_a_report_mixes_genuine_and_false(tmp_path: Path) -> None:
    """L = ρλ + (1−ρ) mean λ, with ρ the lower of the grade's two axes."""
    rows = [row("a", "shots", "2025-01-11", grade="B3")]
    layout, arrays, values = compiled(tmp_path, rows)
    high = values["indicators.shots.seen.rung.high"] / 30
    intensity = np.stack([np.full(8, 0.05 / 30), high, np.full(8, 0.05 / 30)] * 2)
    expected = 0.7 * intensity + 0.3 * intensity.mean(axis=0)
    evidence = arrays.evidence
    found = evidence.likelihood[evidence.table[0]] * np.exp(evidence.log_scale[0])
    assert np.allclose(found, expected)
    assert layout.event_day.tolist() == [10]


@pytest.mark.parametrize(
    ("grade", "expected"),
    [("B2", 0.9), ("A4", 0.5), ("E1", 0.3), ("F3", 0.7), ("C6", 0.7), ("F6", 0.6), ("", 0.6)],
)
def test_the_lower_known_axis_decides(tmp_path: Path, grade: str, expected: float) -> None:
    """F and 6 mean unknown: the other axis counts, or with neither the value for unknown."""
    rows = [row("a", "threat", "2025-01-11", grade=grade)]
    _, arrays, _ = compiled(tmp_path, rows)
    evidence = arrays.evidence
    ratio = evidence.likelihood[evidence.table[0]]
    intensity = np.array([1.0, 1, 1, 3, 3, 3])
    mixed = expected * intensity + (1 - expected) * 2
    assert np.allclose(ratio[:, 0] / ratio[0, 0], mixed / mixed[0])


def test_what_says_the_same_is_worked_out_once(tmp_path: Path) -> None:
    """Reports that say the same share one likelihood; of another grade or an echo they do not."""
    rows = [row(name, "shots", f"2025-01-1{day}", grade="B2") for day, name in enumerate("abc")]
    _, same, _ = compiled(tmp_path, rows)
    assert len(same.evidence.table) == 1
    rows += [row("d", "shots", "2025-01-15", grade="C2"), row("e", "fleet", "2025-01-16")]
    rows += [row(name, "threat", "2025-01-17", grade="B2", echo_group="g") for name in "fg"]
    _, apart, _ = compiled(tmp_path, rows)
    assert apart.evidence.event_table[:, 0].tolist() == [0, 0, 0, 1, 2, 3, 4]


def test_states_with_the_same_rate_share_its_row(tmp_path: Path) -> None:
    """A state that a table leaves out has the base rate; only different rates are worked out."""
    layout, _, _ = compiled(tmp_path)
    of_state, rows = layout.space.rates(RateSpec("base", {"rung": {"high": "twice"}}, None, None))
    assert of_state.tolist() == [0, 1, 0] * 2
    assert rows == [{"rung": "low"}, {"rung": "high"}]


def test_an_unwatched_type_counts_by_ratio_only(tmp_path: Path) -> None:
    """The likelihood of an unwatched type has mean one over the states."""
    _, arrays, _ = compiled(tmp_path, [row("a", "threat", "2025-01-11")])
    evidence = arrays.evidence
    likelihood = evidence.likelihood[evidence.table[0]] * np.exp(evidence.log_scale[0])
    assert np.allclose(likelihood.mean(axis=0), 1)


def test_counts_are_spread_evenly_and_keep_their_total(tmp_path: Path) -> None:
    """Six reports over three days condition on each with the square of one report."""
    once = compiled(tmp_path, [row("a", "shots", "2025-01-11")])[1].evidence
    more = {"occurred_on": "2025-01-11", "until": "2025-01-13", "count": "6"}
    layout, arrays, _ = compiled(tmp_path, [row("a", "shots", "2025-01-13", **more)])
    assert layout.event_day.tolist() == [10, 11, 12]
    assert np.allclose(arrays.evidence.likelihood, once.likelihood**2)
    assert np.allclose(arrays.evidence.log_scale, once.log_scale * 2)


@given(st.integers(1, 30), st.floats(0, 1))
def test_echoes_are_worth_ever_less(count: int, correlation: float) -> None:
    """Each echo adds something between nothing and a full report, and less than the last."""
    gains = [worth(i + 1, correlation) - worth(i, correlation) for i in range(1, count + 1)]
    assert np.all(np.array(gains) >= -1e-12)
    assert np.all(np.diff([1.0, *gains]) <= 1e-12)


def test_full_correlation_makes_echoes_worthless(tmp_path: Path) -> None:
    """With ε = 1 any number of echoes leaves the likelihood of each draw as it was."""
    changes = {"echo_correlation": {"value": 1}}
    one = [row("a", "shots", "2025-01-11", echo_group="g")]
    two = [*one, row("b", "shots", "2025-01-11", echo_group="g")]
    first = log_likelihood(compiled(tmp_path, one, changes)[1])
    second = log_likelihood(compiled(tmp_path, two, changes)[1])
    assert np.allclose(first.loglik, second.loglik, atol=1e-12)
    assert np.allclose(first.filtered, second.filtered, atol=1e-12)


def test_an_echo_never_changes_what_came_before_it(tmp_path: Path) -> None:
    """The first report of a group conditions the same whether or not echoes follow."""
    one = [row("z", "shots", "2025-01-11", echo_group="g")]
    two = [*one, row("a", "shots", "2025-01-20", echo_group="g")]
    first = log_likelihood(compiled(tmp_path, one)[1])
    second = log_likelihood(compiled(tmp_path, two)[1])
    assert np.allclose(first.increment[0], second.increment[0])


def test_once_is_watched_until_its_first_report(tmp_path: Path) -> None:
    """Silence of a `once` type counts up to its first report, and not after it."""
    layout, _, _ = compiled(tmp_path, [row("a", "fleet", "2025-01-11")])
    assert layout.watch == {"fleet": 10, "shots": 60}


def test_silence_within_the_lag_is_not_yet_evidence(tmp_path: Path) -> None:
    """The last days before the as-of date do not count for a type that is reported late."""
    layout, _, _ = compiled(tmp_path, changes={"indicators": {"shots": {"lag": "5d"}}})
    assert layout.watch["shots"] == 55


def test_a_report_within_the_lag_counts_by_ratio_only(tmp_path: Path) -> None:
    """Where silence is not yet evidence, a report says nothing of how often reports come."""
    changes = {"indicators": {"shots": {"lag": "5d"}}}
    rows = [row("a", "shots", "2025-02-20"), row("b", "shots", "2025-02-27")]
    layout, _, _ = compiled(tmp_path, rows, changes)
    assert [each.ratio_only for each in layout.conditioning] == [False, True]


def test_an_effect_starts_when_it_happened_and_fades(tmp_path: Path) -> None:
    """The log-multiplier is full on the day and half after a half-life."""
    rows = [row("a", "fleet", "2025-01-15", occurred_on="2025-01-11")]
    _, arrays, values = compiled(tmp_path, rows)
    chain = arrays.chain
    base = chain.at(9).dense()[:, 0, 1]
    log_effect = np.log(values["indicators.fleet.effect.climb"])
    assert np.allclose(np.log(chain.at(10).dense()[:, 0, 1] / base), log_effect)
    assert np.allclose(np.log(chain.at(40).dense()[:, 0, 1] / base), log_effect / 2)
    assert np.allclose(chain.at(40).dense()[:, 1, 0], 0.2 / 30)


def test_a_further_report_renews_an_effect_without_stacking(tmp_path: Path) -> None:
    """Right after the second report the effect is as strong as after the first."""
    rows = [row("a", "fleet", "2025-01-11"), row("b", "fleet", "2025-01-21")]
    _, arrays, values = compiled(tmp_path, rows)
    base = arrays.chain.at(0).dense()[:, 0, 1]
    at_second = arrays.chain.at(20).dense()[:, 0, 1]
    assert np.allclose(at_second / base, values["indicators.fleet.effect.climb"])


def test_a_scheduled_thing_acts_when_due_with_its_probability(tmp_path: Path) -> None:
    """It conditions when announced; its effect begins when due, in that share of the draws."""
    rows = [
        row("a", "fleet", "2025-03-01", occurred_on="2025-03-12", probability="0.25"),
    ]
    layout, arrays, _ = compiled(tmp_path, rows, draws=400)
    assert layout.event_day.tolist() == [59]
    before, after = (arrays.chain.at(day).dense()[:, 0, 1] for day in (69, 70))
    assert np.allclose(before, arrays.chain.at(0).dense()[:, 0, 1])
    assert np.mean(after > before * 1.01) == 0.25


def test_nothing_leaks_from_the_future(tmp_path: Path) -> None:
    """As of a day, what is reported later or has been withdrawn by then is not there."""
    rows = [
        row("early", "shots", "2025-01-11"),
        row("late", "shots", "2025-02-20", occurred_on="2025-01-12"),
        row("gone", "shots", "2025-01-13", retracted_on="2025-02-01"),
    ]
    case = load_case(tmp_path, rows)

    def known(day: date) -> set[str]:
        return {each.observation.id for each in plan(case, day).conditioning}

    assert known(date(2025, 1, 31)) == {"early", "gone"}
    assert known(date(2025, 2, 1)) == {"early"}
    assert known(date(2025, 2, 20)) == {"early", "late"}


def test_reports_before_the_start_are_no_evidence(tmp_path: Path) -> None:
    """A thing from before the first day conditions nothing, but its effect may still hold."""
    layout, arrays, values = compiled(tmp_path, [row("a", "fleet", "2024-12-22")])
    assert layout.conditioning == ()
    strength = np.log(arrays.chain.at(0).dense()[:, 0, 1] * 30)
    base = np.log(values["ladder.moves.low -> high.intent.bluff"])
    faded = np.log(values["indicators.fleet.effect.climb"]) * 2 ** (-10 / 30)
    assert np.allclose(strength - base, faded)


def test_reaching_a_rung_includes_all_above_it(tmp_path: Path) -> None:
    """The set of a rung holds every higher one, and no off-ramp; an off-ramp only itself."""
    layout, _, _ = compiled(tmp_path)
    assert layout.reach == ("high", "deal")
    assert layout.reached("high").tolist() == [False, True, False] * 2
    assert layout.reached("deal").tolist() == [False, False, True] * 2


def test_dates_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """An as-of date before the start, or no horizon, is an error that says so."""
    case = load_case(tmp_path)
    with pytest.raises(ValueError, match="before the scenario starts"):
        plan(case, START - timedelta(days=1))
    with pytest.raises(ValueError, match="at least one day"):
        plan(case, horizon=0)
