"""Priors over assumptions, and keyed Latin-hypercube draws from them.

A prior is known by its quantile function F⁻¹. With z the standard normal quantile and
z₉₅ = 1.6449, an interval `low to high` is the central 90 % of

    log-normal    F⁻¹(u) = exp(m + s z(u)),     m = (ln low + ln high)/2,  s = ln(high/low)/(2 z₉₅)
    logit-normal  F⁻¹(u) = expit(m + s z(u)),   m, s likewise from the logits

Draws are a Latin hypercube (McKay, Beckman & Conover 1979, Technometrics 21): for each
assumption a random permutation of N strata and a uniform point within each. Every column is
keyed by (seed, name) alone, so that two scenarios which share an assumption share its draws.

>>> prior = interval(0.1, 0.4, "rate")
>>> prior.quantile(np.array([0.05, 0.5, 0.95])).round(3).tolist()
[0.1, 0.2, 0.4]
>>> hypercube("a", 4, seed=1).shape
(4,)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import log, log1p
from typing import TYPE_CHECKING, Protocol

import numpy as np

from escalation.errors import InvalidValueError
from escalation.maths import quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Z95 = float(quantiles.normal(np.array([0.95]))[0])
FARTHEST = 7.5  # normal scores of values


class Prior(Protocol):
    """A distribution of one number, by its quantile function."""

    @property
    def fixed(self) -> bool:
        """Whether it is a single value."""

    def quantile(self, u: Array) -> Array:
        """Value below which a share `u` (any shape, in (0, 1)) of the probability lies."""


@dataclass(frozen=True)
class Fixed:
    """A plain number."""

    value: float
    fixed: bool = True

    def quantile(self, u: Array) -> Array:
        """Return the value, in the shape of `u`."""
        return np.full(np.shape(u), self.value)


@dataclass(frozen=True)
class LogNormal:
    """ln X is normal with this mean and standard deviation."""

    mean: float
    sd: float
    fixed: bool = False

    def quantile(self, u: Array) -> Array:
        """Quantiles at `u`."""
        return np.exp(self.mean + self.sd * quantiles.normal(u))


@dataclass(frozen=True)
class LogitNormal:
    """logit X is normal with this mean and standard deviation."""

    mean: float
    sd: float
    fixed: bool = False

    def quantile(self, u: Array) -> Array:
        """Quantiles at `u`."""
        return _expit(self.mean + self.sd * quantiles.normal(u))


@dataclass(frozen=True)
class Distribution:
    """A named distribution with SciPy's parameters."""

    name: str
    parameters: tuple[tuple[str, float], ...]
    fixed: bool = False

    def quantile(self, u: Array) -> Array:
        """Quantiles at `u`."""
        return _QUANTILES[self.name](u, **dict(self.parameters))


def interval(low: float, high: float, role: str) -> Prior:
    """Prior whose central 90 % interval is [low, high].

    Parameters
    ----------
    low, high : float
        Logit-normal for role "probability" or "weight", log-normal for any other.

    Raises
    ------
    InvalidValueError
        If the ends are out of order or outside what the role allows.
    """
    bounded = role in {"probability", "weight"}
    if low > high:
        message = f"the low end {low:g} is above the high end {high:g}; swap them"
        raise InvalidValueError(message)
    if not 0 < low <= high < (1 if bounded else np.inf):
        allowed = "between 0 and 1, both excluded" if bounded else "above 0 and below infinity"
        message = f"an interval for a {role} must lie {allowed} (got {low:g} to {high:g})"
        raise InvalidValueError(message)
    if low == high:
        return Fixed(low)
    transform = _logit if bounded else log
    a, b = transform(low), transform(high)
    kind = LogitNormal if bounded else LogNormal
    return kind((a + b) / 2, (b - a) / (2 * Z95))


def distribution(name: str, parameters: Mapping[str, float]) -> Distribution:
    """Prior from a distribution's name and SciPy parameters; `pert` takes low, mode, high.

    Raises
    ------
    InvalidValueError
        If the name or a parameter is not known, one is missing, or they make no distribution.
    """
    if name not in PARAMETERS:
        message = f"no distribution '{name}'; known are {', '.join(PARAMETERS)}"
        raise InvalidValueError(message)
    required, optional = PARAMETERS[name]
    missing = [key for key in required if key not in parameters]
    unknown = [key for key in parameters if key not in (*required, *optional)]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"does not take {', '.join(unknown)}"
        message = f"distribution '{name}' {wrong}; it takes {', '.join((*required, *optional))}"
        raise InvalidValueError(message)
    prior = Distribution(name, tuple(sorted((k, float(v)) for k, v in parameters.items())))
    with np.errstate(all="ignore"):
        spread = prior.quantile(np.array([0.001, 0.5, 0.999]))
    if not np.all(np.isfinite(spread)) or not np.all(np.diff(spread) > 0):
        message = f"these parameters make no '{name}' distribution"
        raise InvalidValueError(message)
    return prior


def hypercube(name: str, draws: int, seed: int) -> Array:
    """One Latin-hypercube column in (0, 1), keyed by seed and name.

    Returns
    -------
    Array, shape (draws,)
        Exactly one value in each of the strata ((i)/draws, (i+1)/draws).
    """
    rng = keyed_generator(seed, name)
    return (rng.permutation(draws) + rng.uniform(1e-9, 1 - 1e-9, draws)) / draws


def keyed_generator(seed: int, name: str) -> np.random.Generator:
    """Random generator that depends on nothing but the seed and the name."""
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def normal_score(u: Array) -> Array:
    """Standard normal quantile of `u`: the unbounded space in which proposals are made."""
    return quantiles.normal(u)


def from_normal_score(z: Array) -> Array:
    """Inverse of `normal_score`; beyond ±7.5, where a share of 6e-14 lies, as at ±7.5."""
    return quantiles.normal_share(np.clip(z, -FARTHEST, FARTHEST))


def values_at(priors: Sequence[Prior], z: Array) -> Array:
    """Values of priors at normal scores, one row each: shape (P, n).

    Row by row what `quantile` gives at `from_normal_score`, and normal priors all at once.
    """
    values, bounded = np.empty_like(z), np.clip(z, -FARTHEST, FARTHEST)
    for kind, link in ((LogNormal, np.exp), (LogitNormal, _expit)):
        alike = {row: prior for row, prior in enumerate(priors) if isinstance(prior, kind)}
        means = np.array([[prior.mean] for prior in alike.values()]).reshape(-1, 1)
        spreads = np.array([[prior.sd] for prior in alike.values()]).reshape(-1, 1)
        values[list(alike)] = link(means + spreads * bounded[list(alike)])
    for row, prior in enumerate(priors):
        if not isinstance(prior, LogNormal | LogitNormal):
            values[row] = prior.quantile(from_normal_score(z[row]))
    return values


def _logit(p: float) -> float:
    return log(p) - log1p(-p)


def _expit(x: Array) -> Array:
    """1/(1 + e⁻ˣ), by powers that do not overflow."""
    power = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, power, 1.0) / (1 + power), dtype=float)


def _triang(u: Array, c: float, loc: float = 0.0, scale: float = 1.0) -> Array:
    if not 0 <= c <= 1:
        return np.full(np.shape(u), np.nan)  # no distribution
    left = np.sqrt(c * u)
    right = 1 - np.sqrt((1 - c) * (1 - u))
    return loc + scale * np.where(u < c, left, right)


def _beta(u: Array, a: float, b: float, loc: float = 0.0, scale: float = 1.0) -> Array:
    from scipy.special import betaincinv

    return np.asarray(loc + scale * betaincinv(a, b, u), dtype=float)


def _gamma(u: Array, a: float, loc: float = 0.0, scale: float = 1.0) -> Array:
    least, most = quantiles.SHAPES
    if least <= a <= most:
        return loc + scale * quantiles.gamma(u, a)
    from scipy.special import gammaincinv

    return np.asarray(loc + scale * gammaincinv(a, u), dtype=float)


def _lognormal(u: Array, s: float, loc: float = 0.0, scale: float = 1.0) -> Array:
    return loc + scale * np.exp(s * quantiles.normal(u))


def _normal(u: Array, loc: float = 0.0, scale: float = 1.0) -> Array:
    return loc + scale * quantiles.normal(u)


def _uniform(u: Array, loc: float = 0.0, scale: float = 1.0) -> Array:
    return loc + scale * u


def _pert(u: Array, low: float, mode: float, high: float) -> Array:
    """Beta-PERT: mean (low + 4 mode + high)/6."""
    width = np.float64(high - low)  # of no width: not a number, rather than a division error
    return _beta(u, 1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width, low, width)


_QUANTILES: dict[str, Callable[..., Array]] = {
    "beta": _beta,
    "gamma": _gamma,
    "lognormal": _lognormal,
    "normal": _normal,
    "uniform": _uniform,
    "triang": _triang,
    "pert": _pert,
}

PARAMETERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "beta": (("a", "b"), ("loc", "scale")),
    "gamma": (("a",), ("loc", "scale")),
    "lognormal": (("s",), ("loc", "scale")),
    "normal": ((), ("loc", "scale")),
    "uniform": ((), ("loc", "scale")),
    "triang": (("c",), ("loc", "scale")),
    "pert": (("low", "mode", "high"), ()),
}
