"""Promises of the common draws: unchanged, they give the headline; changed, the right answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.linalg import expm

from cases import load_case, row
from escalation.engine.assessment import assess
from escalation.engine.layout import plan
from escalation.errors import InvalidValueError
from escalation.explaining.weighing import aim, arrival, draw_common, jump, log_odds
from escalation.maths.ctmc import Chain

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (row("fleet-1", "fleet", "2025-01-12"), row("shots-1", "shots", "2025-02-01", grade="B2"))

# The small case with plain numbers only: every draw is the same, so that answers are exact.
FIXED: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.2}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.05, "fight": 0.6}}}},
    "indicators": {
        "fleet": {"effect": {"climb": "x2"}},
        "shots": {"seen": {"rung": {"high": 3}}},
    },
}


def test_the_unchanged_question_gives_the_headline(tmp_path: Path) -> None:
    """Calibrated draws give the headline itself, and say how far off they were."""
    found = assess(load_case(tmp_path, ROWS), draws=512)
    for target in ("high", "deal"):
        aimed = aim(found, target, draws=128)
        headline = found.reach_by(target).probability
        assert aimed.base.probability == pytest.approx(headline, abs=1e-9)
        assert 0 < abs(aimed.difference) < 0.02


def test_without_uncertainty_every_question_is_exact(tmp_path: Path) -> None:
    """Asked under another plan, draws that are all alike answer as an assessment would."""
    case = load_case(tmp_path, ROWS, FIXED)
    aimed = aim(assess(case, draws=16), "high", draws=16)
    other = replace(case, observations=case.observations[:1])
    expected = assess(other, draws=16).reach_by("high").probability
    assert aimed.difference == pytest.approx(0, abs=1e-12)
    assert aimed.ask(plan(other)).probability == pytest.approx(expected, abs=1e-12)


def test_weights_make_up_for_where_the_draws_come_from(tmp_path: Path) -> None:
    """Asked with no evidence at all, draws of the posterior and the prior give the prior's mean."""
    case = load_case(tmp_path, ROWS)
    aimed = aim(assess(case, draws=1024), "high", draws=1024)
    bare = assess(replace(case, observations=()), draws=1024)
    found = aimed.ask(plan(replace(case, observations=())))
    noise = bare.reach_draws[-1, 0].std() / np.sqrt(found.effective)
    assert found.effective > 500
    assert abs(found.probability - bare.reach_by("high").probability) < 5 * noise


def test_draws_that_were_adapted_answer_as_well(tmp_path: Path) -> None:
    """Where the posterior was found by adaptive sampling, a changed question is still answered."""
    rows = tuple(row(f"shots-{i}", "shots", f"2025-02-{10 + i}") for i in range(16))
    wide = {"indicators": {"shots": {"seen": {"rung": {"high": "0.5 to 20"}}}}}
    case = load_case(tmp_path, rows, wide)
    found = assess(case, draws=512)
    assert found.diagnostics.method == "amis"
    aimed = aim(found, "deal", draws=512)
    other = replace(case, observations=case.observations[:8])
    fresh = assess(other, draws=512)
    answer = aimed.ask(plan(other))
    noise = fresh.reach_draws[-1, 1].std() * np.sqrt(2 / answer.effective)
    assert abs(answer.probability - fresh.reach_by("deal").probability) < 5 * noise
    assert abs(aimed.base.probability - answer.probability) > 10 * noise


def test_a_new_assumption_is_drawn_from_its_prior(tmp_path: Path) -> None:
    """A plan may have an occurrence that the assessment did not have."""
    case = load_case(tmp_path, ROWS)
    common = draw_common(assess(replace(case, observations=()), draws=64), draws=64)
    values = common.values_for(plan(case))
    place = values["observations.fleet-1.in_force"]
    assert len(place) == len(common.log_base)
    assert 0 < place.min() < 0.1
    assert 0.9 < place.max() < 1


def test_draws_without_the_prior_are_equally_weighted(tmp_path: Path) -> None:
    """Posterior draws alone weigh, after the evidence, as often as they are repeated."""
    found = assess(load_case(tmp_path, ROWS), draws=256)
    aimed = aim(found, "deal", draws=256, prior=False)
    assert aimed.difference == pytest.approx(0, abs=1e-12)
    counts = np.bincount(found.posterior.index)[found.posterior.index[aimed.common.places]]
    assert counts.sum() == 256
    weights = np.exp(aimed.common.log_base + aimed.answers.loglik)
    assert np.allclose(weights / weights.sum(), counts / counts.sum(), rtol=1e-6)


def test_arrival_is_the_mass_an_absorbing_chain_gathers() -> None:
    """P(entered) is that of scipy's matrix exponential with no way out of the set."""
    rng = np.random.default_rng(3)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    rates = rng.gamma(1.0, 0.05, (len(pairs), 3))
    chain = Chain.constant([i for i, _ in pairs], [j for _, j in pairs], rates, 4, days=20)
    vector = rng.dirichlet(np.ones(4), 3).T
    inside = np.array([False, True, False, True])
    found = arrival(chain, vector, inside, 20)
    for draw, generator in enumerate(chain.at(0).dense()):
        generator[inside] = 0
        expected = (vector[:, draw] @ expm(20 * generator))[inside].sum()
        assert found[draw] == pytest.approx(expected, abs=1e-12)


def test_a_state_that_cannot_be_a_target_is_refused(tmp_path: Path) -> None:
    """The lowest rung is always reached, and a name that is no state is no target."""
    found = assess(load_case(tmp_path, (), FIXED), draws=16)
    for name in ("low", "bluff", "nowhere"):
        with pytest.raises(InvalidValueError, match="high, deal"):
            aim(found, name)


def test_jumps_add_up_and_stay_finite() -> None:
    """Log-odds telescope, and certainty is kept a trillionth away."""
    assert jump(0.2, 0.5) + jump(0.5, 0.9) == pytest.approx(jump(0.2, 0.9), abs=1e-12)
    assert np.isfinite(jump(0.0, 1.0))
    assert log_odds(0.5) == 0
