"""Promises of `escalation.maths.quantiles`."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from escalation.maths import quantiles

TAILS = 10.0 ** -np.arange(1, 15, 0.3)
SHARES = np.concatenate([10.0 ** -np.arange(15, 300, 7.0), TAILS, np.linspace(0.001, 0.999, 999)])
SHARES = np.concatenate([SHARES, 1 - TAILS])
EDGES = np.array([0.075, 0.925, np.exp(-25.0), 1 - np.exp(-25.0), 0.5])
SHAPES = [0.5, 0.7, 1.0, 1.5, 4.5, 20.5, 87.5, 311.5, 1e3, 1e4]


def test_normal_quantiles_are_those_of_scipy() -> None:
    """In the middle and in both tails, to a few units in the last place of a float."""
    few = np.concatenate([EDGES, np.nextafter(EDGES, 0), np.nextafter(EDGES, 1)])
    for points in (SHARES, few, np.resize(few, 10 * quantiles.FEW)):
        np.testing.assert_allclose(quantiles.normal(points), special.ndtri(points), rtol=2e-15)


@given(st.floats(1e-300, 1 - 1e-16))
def test_normal_quantiles_are_those_of_the_standard_library(u: float) -> None:
    """Python's own quantile is the same algorithm, one value at a time."""
    many = quantiles.normal(np.full(quantiles.FEW + 1, u))
    np.testing.assert_allclose(many, NormalDist().inv_cdf(u), rtol=1e-15, atol=1e-16)


def test_normal_shares_are_those_of_scipy() -> None:
    """Down to shares that no draw falls below."""
    z = np.linspace(-30, 8, 2001)
    np.testing.assert_allclose(quantiles.normal_share(z), special.ndtr(z), rtol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_quantiles_are_those_of_scipy(shape: float) -> None:
    """For every shape that is taken, in the middle and in both tails."""
    points = SHARES[SHARES > 1e-15]
    got = quantiles.gamma(points, shape)
    np.testing.assert_allclose(got, special.gammaincinv(shape, points), rtol=4e-13)


@given(st.floats(*quantiles.SHAPES), st.floats(1e-12, 1 - 1e-12))
def test_gamma_quantiles_of_any_shape(shape: float, u: float) -> None:
    """What lies below a quantile, by SciPy, is the share that was asked for."""
    x = float(quantiles.gamma(np.array([u]), shape)[0])
    below, beyond = special.gammainc(shape, x), special.gammaincc(shape, x)
    np.testing.assert_allclose([below, beyond], [u, 1 - u], rtol=1e-10)


def test_quantiles_keep_the_shape_of_what_was_asked() -> None:
    """Tables, single values and nothing at all; what is kept of a gamma cannot be changed."""
    table = np.linspace(0.1, 0.9, 6).reshape(2, 3)
    gamma = quantiles.gamma(table, 2.0)
    assert quantiles.normal(table).shape == quantiles.normal_share(table).shape == (2, 3)
    assert quantiles.normal(np.array(0.5)).shape == ()
    assert quantiles.normal(np.zeros(0)).shape == quantiles.gamma(np.zeros(0), 2.0).shape == (0,)
    np.testing.assert_array_equal(gamma.ravel(), quantiles.gamma(table.ravel(), 2.0))
    with pytest.raises(ValueError, match="read-only"):
        gamma[0, 0] = 1.0
