"""Quantiles of the normal and the gamma distribution, without SciPy.

The normal quantile is algorithm AS 241 (Wichura 1988, Applied Statistics 37), whose rational
functions are good to 1e-16; few values are left to Python's own, which is the same algorithm.
The quantile of the gamma distribution of shape a is sought as t = ln x, by Newton's steps on
ln P(a, eᵗ) below the median, on ln Q(a, eᵗ) above it. Both are concave in t (the density of t is
log-concave, An 1998, J. Econ. Theory 80), so that the steps arrive from wherever they begin.
By DLMF 8.11.4, and the even part of 8.9.2,

    P(a, x) = g/a (1 + x/(a+1) (1 + x/(a+2) (1 + …))),                                 x < a + 1,
    Q(a, x) = g/(x + 1 − a − 1(1−a)/(x + 3 − a − 2(2−a)/(x + 5 − a − …))),      otherwise,

with g = xᵃ e⁻ˣ/Γ(a), which is the density of t; each as long as √a asks for. SciPy has both, and
more; but `scipy.special` takes three times as long to import as NumPy alone
(`docs/decisions/0014-quantiles-without-scipy.md`).

>>> normal(np.array([0.5, 0.95])).round(4).tolist()
[0.0, 1.6449]
>>> gamma(np.array([0.5]), 1.0).round(4).tolist()  # the exponential distribution: ln 2
[0.6931]
"""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, lgamma, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SHAPES = (0.5, 1e4)  # of the gamma distributions that few enough terms are enough for
CLOSE = 1e-9  # Newton's step, in t, whose square is beyond a float's reach
STEPS = 40
FEW = 100  # values that are done sooner one by one
_ONE = NormalDist().inv_cdf

_INNER, _DEEP = 0.425, exp(-25)  # AS 241: how far from a half the middle goes; shares far out


def _table(numerator: Sequence[float], denominator: Sequence[float]) -> Array:
    return np.array([numerator, denominator]).T[:, :, None]


# AS 241: in the middle, in the tails, far out; the highest power first.
_MIDDLE = _table(
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
_TAIL = _table(
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
     4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
     2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR = _table(
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
     5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def normal(u: Array) -> Array:
    """Quantiles of the standard normal distribution at `u` (any shape, in (0, 1))."""
    share = np.ravel(u)
    if share.size <= FEW:
        return np.array([_ONE(each) for each in share.tolist()]).reshape(np.shape(u))
    centred, least = share - 0.5, np.minimum(share, 1 - share)
    z, inner, deep = np.empty(share.shape), np.abs(centred) <= _INNER, least < _DEEP
    for chosen, formula in ((inner, _middle), (~inner & ~deep, _tail), (deep, _far)):
        at = np.flatnonzero(chosen)
        if at.size:
            z[at] = formula(centred[at], least[at])
    return z.reshape(np.shape(u))


def _middle(centred: Array, _: Array) -> Array:
    return centred * _ratio(_MIDDLE, _INNER**2 - centred**2)


def _tail(centred: Array, least: Array) -> Array:
    return np.copysign(_ratio(_TAIL, np.sqrt(-np.log(least)) - 1.6), centred)


def _far(centred: Array, least: Array) -> Array:
    return np.copysign(_ratio(_FAR, np.sqrt(-np.log(least)) - 5), centred)


def _ratio(polynomials: Array, at: Array) -> Array:
    value = polynomials[0]
    for coefficients in polynomials[1:]:  # Horner's rule, above and below the line at once
        value = value * at + coefficients
    return np.asarray(value[0] / value[1], dtype=float)


def normal_share(z: Array) -> Array:
    """Share of the standard normal distribution below `z` (any shape)."""
    scaled = np.asarray(z * -sqrt(0.5), dtype=float)
    return np.fromiter(map(erfc, scaled.flat), float, scaled.size).reshape(scaled.shape) / 2


def gamma(u: Array, a: float) -> Array:
    """Quantiles of the gamma distribution of shape `a`, within `SHAPES`, at `u` (any shape).

    They are kept, read-only: a sweep asks for the same ones with every variant.
    """
    points = np.asarray(u, dtype=float)
    return _gamma(points.tobytes(), a).reshape(points.shape)


@lru_cache(maxsize=16)
def _gamma(points: bytes, a: float) -> Array:
    u = np.frombuffer(points)
    above = u > 1 - u
    goal, sign = np.log(np.minimum(u, 1 - u)), np.where(above, -1, 1)
    t = _first(u, a)
    for _ in range(STEPS):
        below, beyond, density = _shares(np.exp(t), a)
        share = np.where(above, beyond, below)
        step = sign * (goal - np.log(share)) * share / density
        t += step
        if np.all(np.abs(step) < CLOSE):
            break
    found = np.exp(t)
    found.flags.writeable = False
    return found


def _first(u: Array, a: float) -> Array:
    """Where to begin: the cube of a normal (Wilson & Hilferty 1931), or P < xᵃ/Γ(a+1) if more."""
    cube = a * (1 - 1 / (9 * a) + normal(u) / (3 * sqrt(a))) ** 3
    least = (np.log(u) + lgamma(a + 1)) / a
    return np.maximum(np.log(np.maximum(cube, np.exp(least))), least)


def _shares(x: Array, a: float) -> tuple[Array, Array, Array]:
    """P(a, x), Q(a, x) and g."""
    density = np.exp(a * np.log(x) - x - lgamma(a))
    below, beyond = np.empty_like(x), np.empty_like(x)
    near = x < a + 1
    if near.any():
        below[near] = density[near] * _series(x[near], a)
        beyond[near] = 1 - below[near]
    if not near.all():
        beyond[~near] = density[~near] / _fraction(x[~near], a)
        below[~near] = 1 - beyond[~near]
    return below, beyond, density


def _series(x: Array, a: float) -> Array:
    total = np.ones_like(x)
    for k in range(int(16 + 9 * sqrt(a)), 0, -1):
        total = 1 + x / (a + k) * total
    return total / a


def _fraction(x: Array, a: float) -> Array:
    depth = int(4 * sqrt(a) + 45 / sqrt(a))
    value = x + (2 * depth + 1 - a)
    for k in range(depth, 0, -1):
        value = x + (2 * k - 1 - a) - k * (k - a) / value
    return value
