"""Promises of the quick answer: draws weighed anew say what fresh ones would."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from escalation.engine.assessment import assess
from escalation.engine.compiler import batch
from escalation.lab.sketch import Sketch, weighted_band
from escalation.maths.filtering import infer
from escalation.maths.priors import from_normal_score
from escalation.reading import scenario
from escalation.reading.grammar import number

if TYPE_CHECKING:
    from pathlib import Path

    from escalation.reading.case import Scenario

FIGHT = "latent.intent.moves.bargain -> fight.rate"


@pytest.fixture
def case(workspace: Path) -> Scenario:
    """The tiny case."""
    return scenario.load(workspace / "tests/data/tiny/baseline.yaml")


def believing(case: Scenario, text: str) -> Scenario:
    """Return the case with another belief about one rate."""
    given = case.assumptions[FIGHT]
    new = replace(given, prior=number(text, given.role, days=given.days).prior, text=text)
    return replace(case, assumptions={**case.assumptions, FIGHT: new})


def test_nothing_changed_says_what_was_said(case: Scenario) -> None:
    """With all draws and the same beliefs a sketch is the answer that it was made of."""
    refined = assess(case, draws=256)
    sketch = Sketch.of(refined, "shots", 256)
    glance = sketch.answer(case, ("shots", "treaty"))
    assert glance is not None
    for target in ("shots", "treaty"):
        assert glance.reach_by(target).probability == pytest.approx(
            refined.reach_by(target).probability, rel=1e-9
        )
    assert (glance.as_of, glance.horizon) == (refined.as_of, refined.horizon)


def test_few_draws_begin_where_the_refined_answer_stood(case: Scenario) -> None:
    """Thirty-two draws, taken evenly over what they say, have the mean of all to half a point."""
    refined = assess(case, draws=1024)
    glance = Sketch.of(refined, "shots", 32).answer(case, ("shots",))
    assert glance is not None
    assert glance.reach_by("shots").probability == pytest.approx(
        refined.reach_by("shots").probability, abs=0.005
    )


def test_draws_are_weighed_by_hand(case: Scenario) -> None:
    """The slow twin: each draw by itself, w ∝ exp(new − old log-likelihood), and its answer."""
    refined = assess(case, draws=64)
    sketch, edited = Sketch.of(refined, "shots", 24), believing(case, "0.3 to 0.5")
    plan = assess(edited, draws=8).plan
    weights, reached = [], []
    for draw in range(24):
        values = {}
        for name, each in plan.assumptions.items():
            u = from_normal_score(sketch.places[name][draw]) if name in sketch.places else 0.5
            values[name] = each.prior.quantile(np.array([u]))
        found = infer(batch(plan, values), plan.questions)
        weights.append(np.exp(found.likelihood.loglik[0] - sketch.loglik[draw]))
        reached.append(found.passage[-1, plan.reach.index("shots"), 0])
    glance = sketch.answer(edited, ("shots",))
    assert glance is not None
    by_hand = np.dot(weights, reached) / np.sum(weights)
    assert glance.reach_by("shots").probability == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("text", ["0.02 to 0.08", "0.1 to 0.4", "0.2"])
def test_a_changed_belief_moves_the_answer_as_fresh_draws_would(case: Scenario, text: str) -> None:
    """The weighed draws agree with an assessment of the edited case, within their own noise."""
    sketch = Sketch.of(assess(case, draws=2048), "shots", 1024)
    edited = believing(case, text)
    fresh, glance = assess(edited, draws=4096).reach_by("shots"), sketch.answer(edited, ("shots",))
    assert glance is not None
    found = glance.reach_by("shots")
    assert found.probability == pytest.approx(fresh.probability, abs=0.012)
    assert found.low == pytest.approx(fresh.low, abs=0.03)
    assert found.high == pytest.approx(fresh.high, abs=0.04)


def test_another_day_is_answered_from_the_same_draws(case: Scenario) -> None:
    """An earlier day uses what had been reported by then; what it lacks comes from the prior."""
    refined = assess(case, draws=2048)
    earlier = replace(case, as_of=refined.as_of - timedelta(days=20), horizon=30)
    glance = Sketch.of(refined, "shots", 1024).answer(earlier, ("shots",))
    fresh = assess(earlier, draws=4096)
    assert glance is not None
    assert (glance.as_of, glance.horizon) == (fresh.as_of, 30)
    assert glance.reach_by("shots").probability == pytest.approx(
        fresh.reach_by("shots").probability, abs=0.03
    )
    early = assess(replace(case, as_of=date(2030, 1, 15)), draws=512)
    later = Sketch.of(early, "shots", 512).answer(case, ("shots",))
    assert later is not None
    assert later.as_of == case.as_of


def test_too_few_effective_draws_are_no_answer(case: Scenario) -> None:
    """Where one draw has nearly all the weight, the refined answer has to be waited for."""
    sketch = Sketch.of(assess(case, draws=64), "shots", 16)
    odd = replace(sketch, loglik=sketch.loglik + np.where(np.arange(16) == 3, -40.0, 0.0))
    assert odd.answer(case, ("shots",)) is None


def test_weighted_quantiles_are_those_of_repeated_values() -> None:
    """Whole weights are the same as so many copies of each value."""
    rng = np.random.default_rng(3)
    values, copies = rng.random((4, 2, 9)), rng.integers(1, 6, 9)
    low, high = weighted_band(values, copies / copies.sum(), (0.05, 0.95))
    repeated = np.repeat(values, copies, axis=-1)
    for share, found in ((0.05, low), (0.95, high)):
        expected = np.quantile(repeated, share, axis=-1, method="inverted_cdf")
        np.testing.assert_array_equal(found, expected)
