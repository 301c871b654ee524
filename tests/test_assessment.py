"""Promises of an assessment: it is what slow, independent arithmetic says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.linalg import expm

from cases import load_case, row
from escalation.engine.assessment import Assessment, assess
from escalation.engine.layout import plan
from escalation.engine.posterior import Scores, infer_assumptions
from escalation.errors import ImpossibleEvidenceError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Every number fixed, so that one draw is all draws.
FIXED: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.2}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.05, "fight": 0.6}}}},
    "indicators": {
        "fleet": {"effect": None},
        "shots": {"seen": {"rung": {"high": 3}}},
    },
}
ROWS = [
    row("fleet", "fleet", "2025-01-11"),
    row("threat", "threat", "2025-01-21", grade="C3"),
    row("shots", "shots", "2025-02-10", grade="B2"),
]


def by_hand() -> dict[str, Array]:
    """Filter, smooth and forecast the fixed case with dense matrices, event by event."""
    month = 30.0
    generator = np.zeros((6, 6))
    for fight, climb in ((0, 0.05), (3, 0.6)):
        generator[fight, fight + 1] = climb / month
        generator[fight + 1, fight] = 0.2 / month
        generator[fight, fight + 2] = (0.1 if fight == 0 else 0.05) / month
    for rung in range(3):
        generator[rung, rung + 3] = 0.2 / month
    generator -= np.diag(generator.sum(axis=1))
    fleet = -np.log1p(-np.repeat([0.2, 0.7], 3)) / month
    shots = np.tile([0.05, 3, 0.05], 2) / month
    threat = np.repeat([1.0, 3.0], 3)
    both, one = (expm(generator - np.diag(k)) for k in (fleet + shots, shots))
    likelihoods = {
        10: fleet,
        20: (0.7 * threat + 0.3 * threat.mean()) / threat.mean(),
        40: 0.9 * shots + 0.1 * shots.mean(),
    }
    vectors = [np.array([0.7, 0, 0, 0.3, 0, 0])]
    for day in range(60):
        vector = vectors[-1] @ (both if day < 10 else one)
        vectors.append(vector * likelihoods.get(day + 1, np.ones(6)))
    beta = [np.ones(6)]
    for day in range(59, -1, -1):
        beta.append((both if day < 10 else one) @ (likelihoods.get(day + 1, np.ones(6)) * beta[-1]))
    forward, backward = np.array(vectors), np.array(beta[::-1])
    filtered = forward / forward.sum(axis=1, keepdims=True)
    smoothed = forward * backward / (forward * backward).sum(axis=1, keepdims=True)
    stuck = generator.copy()
    stuck[[1, 4]] = 0
    ahead = [filtered[-1] @ expm(generator * day) for day in range(61)]
    reach = [(filtered[-1] @ expm(stuck * day))[[1, 4]].sum() for day in range(61)]
    return {
        "loglik": np.log(forward[-1].sum()),
        "filtered": filtered,
        "smoothed": smoothed,
        "forecast": np.array(ahead),
        "reach": np.array(reach),
    }


def test_the_whole_answer_agrees_with_dense_arithmetic(tmp_path: Path) -> None:
    """Filtered, smoothed, forecast, first passage and evidence match expm to 1e-9."""
    answer = assess(load_case(tmp_path, ROWS, FIXED), draws=4)
    expected = by_hand()
    assert answer.diagnostics.log_marginal_likelihood == pytest.approx(
        float(expected["loglik"]), abs=1e-8
    )
    fight = [3, 4, 5]
    for name in ("filtered", "smoothed", "forecast"):
        band = getattr(answer, name)
        assert np.allclose(
            band["intent"].of("fight")[0], expected[name][:, fight].sum(axis=1), atol=1e-9
        )
        assert np.allclose(
            band["rung"].of("deal")[0], expected[name][:, [2, 5]].sum(axis=1), atol=1e-9
        )
    assert np.allclose(answer.reach.of("high")[0], expected["reach"], atol=1e-9)
    assert np.allclose(answer.reach.of("high")[1], expected["reach"], atol=1e-9)


@pytest.fixture(name="answer", scope="module")
def _answer(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    return assess(load_case(tmp_path_factory.mktemp("case"), ROWS), draws=512)


def test_probabilities_are_probabilities(answer: Assessment) -> None:
    """Occupancy sums to one on every day, and every band holds its mean's neighbours."""
    for bands in (answer.filtered, answer.smoothed, answer.forecast):
        for band in bands.values():
            assert np.allclose(band.mean.sum(axis=1), 1)
            assert np.all(band.low <= band.high)
            assert np.all((band.mean >= 0) & (band.mean <= 1 + 1e-12))
    total = sum(each.probability for each in answer.highest.values())
    assert total == pytest.approx(1)


def test_reaching_is_at_least_being_there_and_never_falls(answer: Assessment) -> None:
    """P(reached by the day) grows with the day and is no less than P(there on the day)."""
    reached = answer.reach.of("high")[0]
    assert np.all(np.diff(reached) >= -1e-12)
    assert np.all(reached >= answer.forecast["rung"].of("high")[0] - 1e-12)
    assert reached[0] == pytest.approx(answer.now("rung")["high"].probability)


def test_the_mean_is_over_weighted_prior_draws(answer: Assessment) -> None:
    """The stated probability agrees with the importance-weighted mean, within resampling error."""
    spread = answer.posterior_spread["indicators.shots.seen.rung.high"]
    assert spread.quantiles[0] < spread.mean < spread.quantiles[4]
    assert answer.diagnostics.method == "prior"
    assert len(answer.posterior.index) == 512


def test_same_inputs_and_seed_give_the_same_bits(tmp_path: Path) -> None:
    """Nothing but files, arguments and seed decides the answer."""
    case = load_case(tmp_path, ROWS)
    first, second = (assess(case, draws=64, seed=3) for _ in range(2))
    assert np.array_equal(first.reach_draws, second.reach_draws)
    other = assess(case, draws=64, seed=4)
    assert not np.array_equal(first.reach_draws, other.reach_draws)


def test_an_assumption_keeps_its_draws_when_another_is_added(tmp_path: Path) -> None:
    """Scenarios share the draws of the assumptions that they share."""
    first = load_case(tmp_path)
    changes = {"indicators": {"fleet": {"seen": {"intent": {"fight": "0.6 to 0.8"}}}}}
    second = load_case(tmp_path, changes=changes)
    scores = [Scores(case.assumptions, 1) for case in (first, second)]
    one, two = (each.values(each.prior(100)) for each in scores)
    added = "indicators.fleet.seen.intent.fight"
    assert all(np.array_equal(one[name], two[name]) for name in one if name != added)
    assert not np.array_equal(one[added], two[added])


def test_impossible_evidence_names_the_report(tmp_path: Path) -> None:
    """A report that no state can produce is an error with its row, never a silent answer."""
    changes = {"indicators": {"shots": {"seen": {"rung": {"low": 0, "high": 0, "deal": 0}}}}}
    case = load_case(tmp_path, [*ROWS], changes)
    with pytest.raises(ImpossibleEvidenceError, match=r"observations\.csv:4: report 'shots'"):
        assess(case, draws=16)


def test_an_as_of_date_replays_history(tmp_path: Path) -> None:
    """As of a day before a report, the answer is that of a file without it."""
    case = load_case(tmp_path, ROWS)
    early = assess(case, as_of=case.start.replace(month=2, day=9), draws=64)
    (tmp_path / "short").mkdir()
    short = load_case(tmp_path / "short", ROWS[:2], {"as_of": "2025-02-09"})
    assert np.allclose(early.reach.mean, assess(short, draws=64).reach.mean, atol=1e-12)


def test_even_odds_come_on_the_first_day_at_one_half(answer: Assessment) -> None:
    """`time_to` is where the reach curve crosses, and None where it does not."""
    curve = answer.reach.of("high")[0]
    day = answer.time_to("high", 0.5)
    assert day is not None
    assert curve[day] >= 0.5
    assert day == 0 or curve[day - 1] < 0.5
    assert answer.time_to("deal", 0.99) is None


def test_reports_that_contradict_an_assumption_name_it(tmp_path: Path) -> None:
    """Evidence that puts an assumption beyond all belief ends with its place, not with a number."""
    rows = [
        row(f"r{day}", "shots", f"2025-02-{day:02d}", count="4", grade="A1") for day in range(1, 25)
    ]
    case = load_case(tmp_path, rows)
    with pytest.raises(ImpossibleEvidenceError) as error:
        infer_assumptions(plan(case), 512, 1)
    place, said = str(error.value).split(": ", 1)
    assert place.startswith(str(case.path.parent))
    assert said.startswith("the reports contradict this assumption: with them indicators.shots.")
    assert "where '2 to 4' was assumed; look for a wrong date or count" in said
