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

which is right for dependent inputs too. Outputs and ln L are smooth in X_j, so that a few values
of it are enough, with a polynomial through them.

>>> x = np.linspace(0, 1, 1001)
>>> round(first_order(x, np.cos(np.pi * x)), 6)
1.0
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COSINES = 6
TERMS = COSINES + 2
CONSTANT = 1e-24  # a variance below this is none


def between(nodes: Array, values: Array, places: Array) -> Array:
    """Interpolate values known at a few nodes: one polynomial, or lines where some are infinite.

    Parameters
    ----------
    nodes : float64, shape (m,)
        Rising.
    values : float64, shape (m, n)
        Smooth in the node, for each of n draws; −inf is allowed.
    places : float64, shape (g,)

    Returns
    -------
    Array, shape (g, n)
    """
    known = np.isfinite(values)
    basis = np.array(
        [
            np.prod([(places - other) / (node - other) for other in nodes if other != node], axis=0)
            for node in nodes
        ]
    )
    smooth = basis.T @ np.where(known, values, 0.0)
    after = np.clip(np.searchsorted(nodes, places), 1, len(nodes) - 1)
    share = ((places - nodes[after - 1]) / (nodes[after] - nodes[after - 1])).clip(0, 1)[:, None]
    with np.errstate(invalid="ignore"):
        straight = (1 - share) * values[after - 1] + share * values[after]
    straight = np.where(np.isnan(straight), -np.inf, straight)
    return np.where(known.all(axis=0), smooth, straight)


@dataclass(frozen=True)
class Total:
    """A total index, and its Monte Carlo standard error over the draws of the other inputs."""

    index: float
    error: float


def total_index(log_share: Array, outputs: Array, log_base: Array) -> Total:
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
    Total
        E Var[Y | others] / Var Y, NaN if the output does not vary; with the error of a ratio of
        means over weighted draws (delta method).
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
    whole = within + (mean - weights @ mean) ** 2
    variance = float(weights @ whole)
    if variance <= CONSTANT:
        return Total(float("nan"), float("nan"))
    index = float(weights @ within) / variance
    influence = weights * (within - index * whole) / variance
    return Total(index, float(np.sqrt(np.square(influence).sum())))


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


@lru_cache(maxsize=4)
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
