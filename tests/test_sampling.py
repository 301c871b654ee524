"""Promises of the samplers: they find a posterior that is known exactly, at real dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import genpareto

from escalation.errors import InvalidValueError
from escalation.maths import sampling
from escalation.maths.priors import hypercube, normal_score
from escalation.maths.sampling import (
    Proposal,
    Sample,
    adapt,
    effective_sample_size,
    fit_weighted,
    largest_temper,
    normalise,
    pareto_shape,
    systematic,
    temper,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DIMENSION, INFORMED, DRAWS = 80, 12, 4096


class Gaussian:
    """A linear Gaussian problem in 80 dimensions that informs 6 directions of 12 of them."""

    def __init__(self, seed: int, surprise: float) -> None:
        rng = np.random.default_rng(seed)
        self.design = np.zeros((6, DIMENSION))
        self.design[:, :INFORMED] = rng.normal(size=(6, INFORMED))
        self.data = surprise * rng.normal(size=6)
        self.variance = 0.25
        precision = np.eye(DIMENSION) + self.design.T @ self.design / self.variance
        self.covariance = np.linalg.inv(precision)
        self.mean = self.covariance @ self.design.T @ self.data / self.variance
        marginal = self.design @ self.design.T + self.variance * np.eye(6)
        self.log_evidence = float(
            -0.5 * self.data @ np.linalg.solve(marginal, self.data)
            - 0.5 * np.linalg.slogdet(marginal)[1]
            + 3 * np.log(self.variance)
        )

    def loglik(self, z: Array) -> Array:
        """Return the log-likelihood, up to its constant."""
        misfit = self.design @ z - self.data[:, None]
        return np.asarray(-0.5 * (misfit**2).sum(axis=0) / self.variance)


def scores(count: int, suffix: str = "") -> Array:
    """Latin-hypercube normal scores."""
    rows = [hypercube(f"{i}{suffix}", count, 7) for i in range(DIMENSION)]
    return normal_score(np.array(rows))


@pytest.mark.parametrize("surprise", [1.0, 6.0])
def test_adaptation_recovers_a_known_posterior(surprise: float) -> None:
    """From prior draws of which at most a handful count, adaptation gets mean and evidence."""
    problem = Gaussian(1, surprise)
    first = scores(DRAWS)
    sample = Sample(first, problem.loglik(first), (DRAWS,))
    assert effective_sample_size(normalise(sample.log_weights)[0]) < 50
    adapted = adapt(
        sample,
        problem.loglik,
        lambda number: scores(DRAWS, f" {number}"),
        np.random.default_rng(2),
        rounds=6,
        enough=lambda _: False,
    )
    weights, log_evidence = normalise(adapted.log_weights)
    assert effective_sample_size(weights) > 1000
    assert abs(log_evidence - problem.log_evidence) < 0.1
    assert np.abs(adapted.z @ weights - problem.mean).max() < 0.1
    variance = (adapted.z - (adapted.z @ weights)[:, None]) ** 2 @ weights
    assert np.abs(variance - np.diag(problem.covariance)).max() < 0.15


def test_tempering_recovers_a_known_posterior() -> None:
    """Tempered moves bring prior draws to the posterior's mean and covariance."""
    problem = Gaussian(1, 6.0)
    first = scores(1024)
    z, loglik, evaluations = temper(
        first, problem.loglik(first), problem.loglik, np.random.default_rng(3)
    )
    assert np.allclose(loglik, problem.loglik(z))
    assert evaluations % 1024 == 0
    assert np.abs(z.mean(axis=1) - problem.mean).max() < 0.2
    assert np.abs(np.cov(z) - problem.covariance).max() < 0.25


def test_hopeless_evidence_ends_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the posterior is out of reach the sampler stops and says what to look for."""
    monkeypatch.setattr(sampling, "STAGES", 2)
    problem, z = Gaussian(1, 6.0), scores(64)
    with pytest.raises(InvalidValueError, match="too far from what the assumptions expect"):
        temper(z, problem.loglik(z), problem.loglik, np.random.default_rng(1))


def test_half_of_the_draws_may_be_impossible() -> None:
    """Draws with likelihood zero die out and do not stop the tempering."""

    def loglik(x: Array) -> Array:
        return np.where(x[0] > 1, -0.5 * (x[0] - 2) ** 2, -np.inf)

    z = scores(512)
    moved, _, _ = temper(z, loglik(z), loglik, np.random.default_rng(1))
    assert moved[0].min() > 1


def test_only_informed_coordinates_are_adapted() -> None:
    """Coordinates of which the evidence says nothing stay at the prior, but for chance."""
    problem = Gaussian(1, 1.0)
    z = np.linalg.cholesky(problem.covariance) @ scores(DRAWS) + problem.mean[:, None]
    proposal = fit_weighted(z, np.full(DRAWS, 1 / DRAWS))
    assert sum(each >= INFORMED for each in proposal.informed) <= 2
    assert sum(each < INFORMED for each in proposal.informed) >= INFORMED - 2


def test_the_mixture_keeps_the_prior_as_a_defence() -> None:
    """No weight exceeds its likelihood times the inverse share of prior draws."""
    z = scores(500)
    far = Proposal(np.array([0]), np.array([8.0]), np.array([[0.1]]))
    moved = far.draw(scores(500, " far"), np.random.default_rng(4))
    sample = Sample(z, np.zeros(500), (500,)).extend(far, moved, np.zeros(500))
    assert sample.log_weights.max() <= np.log(2) + 1e-12
    assert abs(normalise(sample.log_weights)[1]) < 0.1


def test_proposal_density_integrates_to_one() -> None:
    """E_prior[q/φ] is 1: the ratio used in the weights is that of a density."""
    root = np.linalg.cholesky(np.array([[0.5, 0.2], [0.2, 0.6]]))
    proposal = Proposal(np.array([1, 3]), np.array([0.4, -0.3]), root)
    z = np.random.default_rng(5).standard_normal((5, 200_000))
    ratio = np.exp(proposal.log_ratio(z))
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / np.sqrt(200_000)


def test_systematic_resampling_counts_are_within_one_of_expected() -> None:
    """Each draw is taken floor or ceil of N·w times."""
    weights = np.random.default_rng(6).dirichlet(np.ones(50))
    counts = np.bincount(systematic(weights, np.random.default_rng(7), 1000), minlength=50)
    assert np.all(np.abs(counts - 1000 * weights) < 1)


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_pareto_shape_is_that_of_the_tail(shape: float) -> None:
    """k̂ of generalised Pareto weights is their shape, within the estimator's error."""
    weights = genpareto.rvs(shape, size=40_000, random_state=8)
    assert abs(pareto_shape(weights / weights.sum()) - shape) < 0.15


def test_equal_weights_have_no_tail() -> None:
    """With nothing to fit, k̂ is NaN rather than a number."""
    assert np.isnan(pareto_shape(np.full(100, 0.01)))


def test_largest_temper_is_where_the_size_falls_below() -> None:
    """The bisection ends at the crossing, and at 1 where there is none."""
    assert largest_temper(lambda beta: 100 * (1 - beta), 30) == pytest.approx(0.7, abs=1e-9)
    assert largest_temper(lambda _: 100.0, 30) == 1.0
