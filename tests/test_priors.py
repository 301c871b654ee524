"""Promises of `escalation.maths.priors`."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from escalation.errors import InvalidValueError
from escalation.maths import priors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

INNER = np.concatenate([[1e-6, 1e-3], np.linspace(0.01, 0.99, 99), [1 - 1e-3, 1 - 1e-6]])
POSITIVE = st.floats(1e-6, 1e6)
INSIDE = st.floats(1e-4, 1 - 1e-4)
ROLES = ("rate", "multiplier", "duration")
BOUNDED_ROLES = ("probability", "weight")


def quantiles(prior: priors.Prior, *u: float) -> list[float]:
    """Quantiles as plain numbers."""
    return [float(value) for value in prior.quantile(np.array(u))]


@given(POSITIVE, POSITIVE, st.sampled_from(ROLES))
def test_ends_of_an_interval_are_its_outer_quantiles(a: float, b: float, role: str) -> None:
    """`low to high` puts 5 % below low and 5 % above high, and its median at their mean log."""
    low, high = sorted((a, b))
    got = quantiles(priors.interval(low, high, role), 0.05, 0.5, 0.95)
    np.testing.assert_allclose(got, [low, np.sqrt(low * high), high], rtol=1e-12)


@given(INSIDE, INSIDE, st.sampled_from(BOUNDED_ROLES))
def test_ends_of_an_interval_of_probability(a: float, b: float, role: str) -> None:
    """For a probability likewise, by logits, and no quantile leaves (0, 1)."""
    low, high = sorted((a, b))
    prior = priors.interval(low, high, role)
    np.testing.assert_allclose(quantiles(prior, 0.05, 0.95), [low, high], rtol=1e-9)
    outer = quantiles(prior, 1e-6, 1 - 1e-6)
    assert 0 < outer[0] <= outer[1] < 1


@pytest.mark.parametrize("role", ROLES)
def test_interval_of_a_rate_is_lognormal(role: str) -> None:
    """The interval of a rate, a multiplier or a duration is SciPy's log-normal."""
    prior = priors.interval(0.1, 0.4, role)
    spread = np.log(4) / (2 * stats.norm.ppf(0.95))
    np.testing.assert_allclose(
        prior.quantile(INNER), stats.lognorm(s=spread, scale=0.2).ppf(INNER), rtol=1e-12
    )


def test_interval_of_a_probability_is_logit_normal() -> None:
    """The log-odds of a probability's interval are SciPy's normal."""
    draws = priors.interval(0.6, 0.8, "probability").quantile(INNER)
    low, high = np.log(0.6 / 0.4), np.log(0.8 / 0.2)
    spread = (high - low) / (2 * stats.norm.ppf(0.95))
    expected = stats.norm((low + high) / 2, spread).ppf(INNER)
    np.testing.assert_allclose(np.log(draws / (1 - draws)), expected, rtol=1e-9)


@pytest.mark.parametrize("role", [*ROLES, *BOUNDED_ROLES])
def test_an_interval_of_no_width_is_a_number(role: str) -> None:
    """`0.3 to 0.3` is exactly 0.3."""
    prior = priors.interval(0.3, 0.3, role)
    assert prior.fixed
    assert quantiles(prior, 0.01, 0.99) == [0.3, 0.3]


@pytest.mark.parametrize(
    ("low", "high", "role", "words"),
    [
        (0.4, 0.1, "rate", "swap them"),
        (0.0, 1.0, "rate", "above 0"),
        (-1.0, 1.0, "multiplier", "above 0"),
        (0.0, 0.5, "probability", "between 0 and 1"),
        (0.5, 1.0, "weight", "between 0 and 1"),
        (0.5, 20.0, "probability", "between 0 and 1"),
        (float("nan"), 1.0, "rate", "got nan to 1"),
        (0.5, float("nan"), "probability", "got 0.5 to nan"),
        (1.0, float("inf"), "rate", "below infinity"),
    ],
)
def test_intervals_that_make_no_sense_are_refused(
    low: float, high: float, role: str, words: str
) -> None:
    """Ends out of order, or where the role allows no value, are an error that says so."""
    with pytest.raises(InvalidValueError, match=words):
        priors.interval(low, high, role)


def pert(low: float, mode: float, high: float) -> Callable[[Array], Array]:
    """PERT as SciPy's beta on [low, high], by its mean (low + 4 mode + high)/6."""
    mean, width = (low + 4 * mode + high) / 6, high - low
    a = 6 * (mean - low) / width
    return stats.beta(a, 6 - a, low, width).ppf


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("beta", {"a": 2, "b": 5}, stats.beta(2, 5).ppf),
        ("beta", {"a": 0.5, "b": 0.5}, stats.beta(0.5, 0.5).ppf),
        ("beta", {"a": 2, "b": 5, "loc": 1, "scale": 3}, stats.beta(2, 5, 1, 3).ppf),
        ("gamma", {"a": 2.5, "scale": 0.1}, stats.gamma(2.5, scale=0.1).ppf),
        ("gamma", {"a": 0.3, "loc": 1}, stats.gamma(0.3, 1).ppf),
        ("gamma", {"a": 41.5, "scale": 0.0012}, stats.gamma(41.5, scale=0.0012).ppf),
        ("lognormal", {"s": 0.8}, stats.lognorm(0.8).ppf),
        ("lognormal", {"s": 0.8, "loc": 2, "scale": 5}, stats.lognorm(0.8, 2, 5).ppf),
        ("normal", {}, stats.norm().ppf),
        ("normal", {"loc": 3, "scale": 2}, stats.norm(3, 2).ppf),
        ("uniform", {"loc": -1, "scale": 4}, stats.uniform(-1, 4).ppf),
        ("triang", {"c": 0.3}, stats.triang(0.3).ppf),
        ("triang", {"c": 0.0, "loc": 1, "scale": 2}, stats.triang(0.0, 1, 2).ppf),
        ("triang", {"c": 1.0, "scale": 2}, stats.triang(1.0, 0, 2).ppf),
        ("pert", {"low": 1, "mode": 2, "high": 10}, pert(1, 2, 10)),
        ("pert", {"low": 0, "mode": 0, "high": 1}, pert(0, 0, 1)),
        ("pert", {"low": -3, "mode": 1, "high": 1}, pert(-3, 1, 1)),
    ],
)
def test_distributions_are_those_of_scipy(
    name: str, parameters: Mapping[str, float], expected: Callable[[Array], Array]
) -> None:
    """Each named distribution has SciPy's quantiles to 1e-12, with SciPy's parameters."""
    draws = priors.distribution(name, parameters).quantile(INNER)
    np.testing.assert_allclose(draws, expected(INNER), rtol=1e-12, atol=1e-12)


def test_every_distribution_has_its_parameters_listed() -> None:
    """`PARAMETERS` names each distribution; required ones are asked for, others refused."""
    for name, (required, optional) in priors.PARAMETERS.items():
        with pytest.raises(InvalidValueError, match="does not take wrong"):
            priors.distribution(name, dict.fromkeys((*required, *optional, "wrong"), 0.5))
        for key in required:
            others = {other: 0.5 for other in required if other != key}
            with pytest.raises(InvalidValueError, match=f"lacks {key}"):
                priors.distribution(name, others)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("cauchy", {}, "known are beta"),
        ("gamma", {"a": -1}, "make no 'gamma'"),
        ("gamma", {"a": 1, "scale": 0}, "make no 'gamma'"),
        ("normal", {"scale": -2}, "make no 'normal'"),
        ("triang", {"c": 1.5}, "make no 'triang'"),
        ("triang", {"c": -0.5}, "make no 'triang'"),
        ("pert", {"low": 2, "mode": 1, "high": 3}, "make no 'pert'"),
        ("pert", {"low": 1, "mode": 1, "high": 1}, "make no 'pert'"),
        ("uniform", {"loc": float("nan")}, "make no 'uniform'"),
    ],
)
def test_distributions_that_make_no_sense_are_refused(
    name: str, parameters: Mapping[str, float], words: str
) -> None:
    """An unknown name, or parameters of no distribution, are an error that says so."""
    with pytest.raises(InvalidValueError, match=words):
        priors.distribution(name, parameters)


def test_a_plain_number_has_no_spread() -> None:
    """`Fixed` gives its value, in the shape that was asked for."""
    prior = priors.Fixed(0.25)
    assert prior.fixed
    np.testing.assert_array_equal(prior.quantile(np.full((2, 3), 0.7)), np.full((2, 3), 0.25))


@given(st.text(max_size=30), st.integers(1, 500), st.integers(0, 2**63))
def test_one_draw_in_each_stratum(name: str, draws: int, seed: int) -> None:
    """A column of N draws has exactly one in each of N equal parts of (0, 1)."""
    column = priors.hypercube(name, draws, seed)
    assert column.shape == (draws,)
    assert 0 < column.min() <= column.max() < 1
    assert sorted(np.floor(column * draws).astype(int)) == list(range(draws))


def test_columns_depend_on_seed_and_name_only() -> None:
    """The same seed and name give the same column; another of either gives another column."""
    column = priors.hypercube("latent.intent.start.coerce", 64, 7)
    np.random.default_rng(0).random()
    np.testing.assert_array_equal(column, priors.hypercube("latent.intent.start.coerce", 64, 7))
    assert not np.array_equal(column, priors.hypercube("latent.intent.start.coerce", 64, 8))
    assert not np.array_equal(column, priors.hypercube("latent.intent.start.settle", 64, 7))


def test_columns_are_the_same_on_every_machine() -> None:
    """The draws are part of a run's record: these four values never change."""
    column = [0.503642163992178, 0.3429946416204817, 0.13361370271775586, 0.7513661469470589]
    np.testing.assert_allclose(priors.hypercube("a", 4, 1), column, rtol=0, atol=1e-15)


def test_seed_and_name_do_not_run_together() -> None:
    """Seed 1 with name "2x" is not seed 12 with name "x"."""
    assert not np.array_equal(priors.hypercube("2x", 16, 1), priors.hypercube("x", 16, 12))


def test_distinct_names_are_uncorrelated() -> None:
    """Columns of different names have no correlation beyond noise at five standard errors.

    190 pairs of 4,096 draws: a false alarm once in 9,000 seeds.
    """
    columns = [priors.hypercube(f"assumption.{i}", 4096, 3) for i in range(20)]
    largest = max(abs(np.corrcoef(a, b)[0, 1]) for a, b in combinations(columns, 2))
    assert largest < 5 / np.sqrt(4096)


@given(st.integers(0, 2**32), st.text(max_size=10))
def test_hypercube_mean_is_closer_than_chance(seed: int, name: str) -> None:
    """Stratification pins the mean of N uniform draws to within 1/(2N) of a half."""
    draws = 100
    assert abs(priors.hypercube(name, draws, seed).mean() - 0.5) <= 0.5 / draws


@given(st.floats(1e-12, 1 - 1e-12))
def test_normal_score_and_back(u: float) -> None:
    """The space of proposals is that of the draws, stretched."""
    back = priors.from_normal_score(priors.normal_score(np.array([u])))
    np.testing.assert_allclose(back, u, rtol=1e-9)
    np.testing.assert_allclose(priors.normal_score(np.array([u])), stats.norm.ppf(u), rtol=1e-12)


def test_values_at_normal_scores_are_the_quantiles_there() -> None:
    """All priors at once give what each gives by itself, and no more beyond ±7.5."""
    kinds = [
        priors.Fixed(2.0),
        priors.interval(0.1, 0.4, "rate"),
        priors.interval(0.6, 0.8, "probability"),
        priors.distribution("gamma", {"a": 2.0}),
        priors.interval(2, 5, "duration"),
    ]
    z = np.random.default_rng(1).normal(size=(len(kinds), 50))
    for prior, row, values in zip(kinds, z, priors.values_at(kinds, z), strict=True):
        one_by_one = prior.quantile(priors.from_normal_score(row))
        np.testing.assert_allclose(values, one_by_one, rtol=1e-13)
    far, end = np.full((2, len(kinds), 1), [[[9.0]], [[7.5]]])
    np.testing.assert_array_equal(priors.values_at(kinds, far), priors.values_at(kinds, end))
    assert priors.values_at([], np.zeros((0, 3))).shape == (0, 3)
