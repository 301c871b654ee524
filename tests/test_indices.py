"""Promises of the estimators of Sobol indices, on functions whose indices are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from escalation.maths.indices import between, first_order, noise, total_index
from escalation.maths.priors import from_normal_score, hypercube

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Ishigami & Homma (1990): sin x₁ + 7 sin² x₂ + 0.1 x₃⁴ sin x₁, uniform on (−π, π).
FIRST, TOTAL = (0.3139, 0.4424, 0.0), (0.5576, 0.4424, 0.2437)
DRAWS = 4096


def ishigami(u: Array) -> Array:
    """Value for places in (0, 1), shape (3, n)."""
    x = np.pi * (2 * u - 1)
    return np.asarray(np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0]))


def places(count: int = DRAWS) -> Array:
    """Latin-hypercube places of three inputs."""
    return np.array([hypercube(name, count, 1) for name in "abc"])


def test_first_order_of_the_ishigami_function() -> None:
    """Each first-order index comes out, the one that is zero as next to nothing."""
    u = places()
    for row, expected in zip(u, FIRST, strict=True):
        assert first_order(row, ishigami(u)) == pytest.approx(expected, abs=0.015)
    assert first_order(u[2], ishigami(u)) < 0.01


def test_total_of_the_ishigami_function() -> None:
    """Each total index comes out of outputs on an even grid of the input's places."""
    u, grid = places(1024), (np.arange(64) + 0.5) / 64
    for row, expected in enumerate(TOTAL):
        outputs = np.array([ishigami(np.where(np.arange(3)[:, None] == row, g, u)) for g in grid])
        found = total_index(np.zeros(outputs.shape), outputs, np.zeros(1024))
        assert found.index == pytest.approx(expected, abs=0.02)
        assert abs(found.index - expected) < 3 * found.error


def test_dependent_inputs_have_the_total_of_their_conditional_variance() -> None:
    """With a posterior that ties inputs together, T is what is left of one given the other.

    A priori x₁, x₂ ~ N(0, 1); the likelihood says x₁ + x₂ = 0 ± 1. Y = x₁ has Var Y = 2/3 and,
    given x₂, 1/2.
    """
    z, nodes = np.random.default_rng(2).standard_normal(20_000), np.linspace(-5, 5, 41)
    loglik = np.array([-((node + z) ** 2) / 2 for node in nodes])
    outputs = np.repeat(nodes[:, None], len(z), axis=1)
    found = total_index(loglik - nodes[:, None] ** 2 / 2, outputs, np.zeros(len(z)))
    assert found.index == pytest.approx(3 / 4, abs=0.01)


def test_the_error_of_a_total_is_that_of_repeating_it() -> None:
    """Totals from so many draws scatter by the error that each states."""
    grid = (np.arange(32) + 0.5) / 32
    found = []
    for seed in range(60):
        u = np.random.default_rng(seed).random((3, 64))
        outputs = np.array([ishigami(np.where(np.arange(3)[:, None] == 1, g, u)) for g in grid])
        found.append(total_index(np.zeros(outputs.shape), outputs, np.zeros(64)))
    scatter = np.std([each.index for each in found])
    assert np.mean([each.error for each in found]) == pytest.approx(scatter, rel=0.25)


def test_what_lies_between_smooth_values_is_found() -> None:
    """A polynomial of as many points is met exactly, a log-likelihood nearly."""
    nodes, where = np.array([-2.6, -1.6, -0.6, 0.6, 1.6, 2.6]), np.linspace(-3, 3, 61)
    exact = between(nodes, np.column_stack([nodes**5 - nodes, nodes**2]), where)
    assert exact == pytest.approx(np.column_stack([where**5 - where, where**2]), abs=1e-9)

    def counts(z: Array) -> Array:
        return np.asarray(8 * (z / 2 - np.exp(z / 2)))

    found = between(nodes, counts(nodes)[:, None], where)[:, 0]
    assert found == pytest.approx(counts(where), abs=0.1)


def test_what_is_impossible_at_a_point_is_so_up_to_the_next() -> None:
    """Where a value is infinite lines are drawn, and no draw disturbs another."""
    nodes = np.array([-1.0, 0.0, 1.0])
    values = np.array([[-np.inf, 1.0], [0.0, 2.0], [1.0, 3.0]])
    found = between(nodes, values, np.array([-0.5, 0.5]))
    assert found.tolist() == [[-np.inf, 1.5], [0.5, 2.5]]


def test_an_input_on_any_increasing_scale_has_the_same_index() -> None:
    """Only ranks count."""
    u = places(512)
    assert first_order(u[0], ishigami(u)) == first_order(np.exp(5 * u[0]), ishigami(u))
    assert first_order(from_normal_score(u[0]), u[1]) == first_order(u[0], u[1])


def test_chance_is_taken_off() -> None:
    """An input that does nothing is seldom above the noise; one that does all has all."""
    rng = np.random.default_rng(4)
    outputs = rng.standard_normal(500)
    found = [first_order(rng.random(500), outputs) for _ in range(400)]
    assert np.mean(np.array(found) > noise(500)) < 0.09
    assert np.median(found) < 0.002
    assert first_order(outputs, outputs) > 0.98


def test_an_output_that_does_not_vary_has_no_indices() -> None:
    """First order 0, total not a number, and no warning."""
    assert first_order(np.arange(9.0), np.ones(9)) == 0
    assert np.isnan(total_index(np.zeros((3, 9)), np.ones((3, 9)), np.zeros(9)).index)
