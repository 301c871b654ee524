r"""Sobol indices from draws: how much of a variance one input explains.

With Y an output and X_j one of its inputs,

    first order   S_j = Var E[Y | X_j] / Var Y
    total         T_j = E Var[Y | X₋ⱼ] / Var Y

(Sobol 1993). S_j needs only draws, however they were made: with u the rank of X_j, scaled to
(0, 1), and z its normal score, it is the share of Var Y that a regression on the first cosines
cos πku (Plischke 2010, Reliability Engineering and System Safety 95) and on z and z² explains,
less what chance would. Inputs may depend on each other.

T_j needs outputs on a grid of values of X_j for draws of the other inputs. With s_m the share of a
value under the prior of X_j, L its likelihood with that draw, and b the weight of a draw,

    c = Σ_m s_m L_m,    Var[Y | X₋ⱼ] = Σ_m (s_m L_m/c) (Y_m − Ȳ)²,    E over draws ∝ b c

which is right for dependent inputs too. Where X_j is a function of a normal score the grid is that
of Gauss and Hermite, placed where the posterior is (Liu & Pierce 1994, Biometrika 81).

>>> x = np.linspace(0, 1, 1001)
>>> round(first_order(x, np.cos(np.pi * x)), 6)
1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import chdtri, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COSINES = 6
TERMS = COSINES + 2
CONSTANT = 1e-24  # a variance below this is none


def nodes_around(mean: float, sd: float, count: int) -> tuple[Array, Array]:
    """Gauss–Hermite nodes for N(0, 1), placed around another normal.

    Returns
    -------
    nodes : float64, shape (count,)
    log_share : float64, shape (count,)
        Σ exp(log_share) f(nodes) is the mean of f under N(0, 1), best where f · φ is like
        N(mean, sd²).
    """
    x, weight = hermegauss(count)
    spread = max(sd, 1e-3)
    nodes = mean + spread * x
    log_share = np.log(weight / weight.sum()) + np.log(spread) + (x**2 - nodes**2) / 2
    return nodes, np.asarray(log_share, dtype=float)


def total_index(log_share: Array, outputs: Array, log_base: Array) -> float:
    """Total index of one input, given outputs on a grid of its values for draws of the others.

    Parameters
    ----------
    log_share : float64, shape (m, n)
        ln of the weight of each value, its prior share times its likelihood with each draw.
    outputs : float64, shape (m, n)
    log_base : float64, shape (n,)
        ln of the weight of each draw of the others, but for the likelihood.

    Returns
    -------
    float
        E Var[Y | others] / Var Y, NaN if the output does not vary.
    """
    most = log_share.max(axis=0)
    share = np.exp(log_share - np.where(np.isfinite(most), most, 0.0))
    mass = share.sum(axis=0)
    share = share / np.where(mass > 0, mass, 1.0)
    mean = (share * outputs).sum(axis=0)
    within = (share * (outputs - mean) ** 2).sum(axis=0)
    with np.errstate(divide="ignore"):
        log_weights = log_base + most + np.log(mass)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    inner, outer = float(weights @ within), float(weights @ (mean - weights @ mean) ** 2)
    return inner / (inner + outer) if inner + outer > CONSTANT else float("nan")


def first_order(inputs: Array, outputs: Array, *, effective: float | None = None) -> float:
    """First-order index of one input, from draws, corrected for what chance explains.

    Parameters
    ----------
    inputs, outputs : float64, shape (n,)
        Equally weighted draws; inputs may be on any increasing scale.
    effective : float, optional
        How many independent draws they are worth; n by default.
    """
    size = len(inputs) if effective is None else effective
    variance = float(outputs.var())
    if variance < CONSTANT or size <= TERMS + 1:
        return 0.0
    ordered = outputs[np.argsort(inputs, kind="stable")] - outputs.mean()
    explained = float(np.square(_basis(len(inputs)).T @ ordered).sum()) / len(inputs) / variance
    return min(max(1 - (1 - explained) * (size - 1) / (size - 1 - TERMS), 0.0), 1.0)


def _basis(count: int) -> Array:
    """Orthonormal functions of the rank, shape (count, TERMS)."""
    u = (np.arange(count) + 0.5) / count
    z = ndtri(u)
    cosines = np.cos(np.pi * np.arange(1, COSINES + 1) * u[:, None])
    columns = np.column_stack([z, z**2, cosines])
    basis, _ = np.linalg.qr(columns - columns.mean(axis=0))
    return np.asarray(basis, dtype=float)


def noise(effective: float) -> float:
    """First-order index that chance alone reaches once in twenty."""
    return max(0.0, float(chdtri(TERMS, 0.05)) - TERMS) / effective
