"""Scores against their formulas; reliability counts every forecast once."""

import numpy as np
import pytest

from escalation.history.verification import (
    FLOOR,
    Bootstrap,
    brier,
    logarithmic,
    ranked,
    reliability,
    skill,
)

RNG = np.random.default_rng(4)
P = RNG.uniform(0, 1, 200)
Y = (RNG.uniform(0, 1, 200) < P).astype(float)


def test_scores_are_their_formulas() -> None:
    """Brier, logarithmic and ranked probability scores, by hand."""
    np.testing.assert_allclose(brier(P, Y), (P - Y) ** 2)
    kept = np.clip(P, FLOOR, 1 - FLOOR)
    np.testing.assert_allclose(logarithmic(P, Y), -np.log(np.where(Y > 0, kept, 1 - kept)))
    forecast = np.array([[0.2, 0.5, 0.3]])
    assert ranked(forecast, np.array([1]))[0] == pytest.approx(0.2**2 + (0.7 - 1) ** 2)


def test_certainty_that_fails_costs_much_and_not_everything() -> None:
    """A forecast of 0 for what came is scored at the floor."""
    assert logarithmic(np.array([0.0]), np.array([1.0]))[0] == pytest.approx(-np.log(FLOOR))


def test_every_forecast_is_in_one_bin() -> None:
    """Bins add up to all forecasts, and the ends 0 and 1 have theirs."""
    bins = reliability(np.array([0.0, 1.0, *P]), np.array([0.0, 1.0, *Y]))
    assert sum(each.count for each in bins) == len(P) + 2
    assert all(each.low <= each.forecast <= each.high for each in bins)


def test_forecasts_of_one_group_are_resampled_together() -> None:
    """Four forecasts each of one case give the interval of the cases, not a narrower one."""
    groups = np.arange(200)
    rng = np.random.default_rng
    alone = Bootstrap.draw(groups, rng(1)).interval(brier(P, Y))
    copied = Bootstrap.draw(np.repeat(groups, 4), rng(1)).interval(np.repeat(brier(P, Y), 4))
    assert copied.mean == pytest.approx(alone.mean)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low)
    assert alone.low < alone.mean < alone.high


def test_skill_has_its_zero_and_its_one() -> None:
    """No better than the reference is 0, perfect is 1, and a perfect reference leaves none."""
    assert skill(0.2, 0.2) == 0
    assert skill(0.0, 0.2) == 1
    assert np.isnan(skill(0.1, 0.0))
