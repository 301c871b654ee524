r"""How good forecasts were: proper scores, reliability, and how sure one can be of a difference.

For a probability p of a thing that happened (y = 1) or did not (y = 0), and for a distribution
over K ordered outcomes with cumulative F against the cumulative O of what came:

    Brier       (p − y)²                              Brier 1950
    logarithm   −ln |p + y − 1|                       Good 1952; p is kept within [FLOOR, 1 − FLOOR]
    RPS         Σ_k (F_k − O_k)²                      Epstein 1969; ranked probability score

All are losses: less is better. Skill against a reference is 1 − score/reference: 0 no better,
1 perfect. The scores come from scoringrules (Zanetta & Allen 2024). Intervals are percentile
bootstrap (Efron 1979) over groups, as forecasts of one confrontation share its luck.

>>> brier(np.array([0.8, 0.8]), np.array([1, 0])).round(2).tolist()
[0.04, 0.64]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import RunError

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FLOOR = 0.001
RESAMPLES = 2000
EDGES = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def _scoringrules() -> ModuleType:
    try:
        import scoringrules
    except ImportError as error:
        raise RunError(
            "scoring needs scoringrules: install the project's 'learning' extra"
        ) from error
    module: ModuleType = scoringrules
    return module


def brier(forecast: Array, outcome: Array) -> Array:
    """Brier score of each forecast."""
    return np.asarray(_scoringrules().brier_score(outcome, forecast), dtype=float)


def logarithmic(forecast: Array, outcome: Array) -> Array:
    """Logarithmic score of each forecast, in nats."""
    kept = np.clip(forecast, FLOOR, 1 - FLOOR)
    return np.asarray(_scoringrules().log_score(outcome, kept), dtype=float)


def ranked(forecast: Array, outcome: NDArray[np.intp]) -> Array:
    """Ranked probability score of each row of (n, K) probabilities; outcome counts from 0."""
    return np.asarray(_scoringrules().rps_score(outcome + 1, forecast), dtype=float)


@dataclass(frozen=True)
class Interval:
    """A mean and the central 95 % of its bootstrap distribution."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Bootstrap:
    """Resamples of whole groups, shared by all scores of the same forecasts.

    Attributes
    ----------
    groups : int, shape (n,)
        Group of each forecast, numbered from 0.
    times : Array, shape (resamples, groups)
        How often each resample holds each group.
    """

    groups: NDArray[np.intp]
    times: Array

    @classmethod
    def draw(cls, groups: NDArray[np.intp], rng: np.random.Generator) -> Bootstrap:
        """Draw as many groups as there are, with replacement, `RESAMPLES` times."""
        size = int(groups.max()) + 1
        times = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES)
        return cls(groups, times.astype(float))

    def interval(self, scores: Array) -> Interval:
        """Mean of scores, or of differences of scores, with its interval."""
        size = self.times.shape[1]
        total = self.times @ np.bincount(self.groups, scores, size)
        count = self.times @ np.bincount(self.groups, minlength=size)
        low, high = np.quantile(total / count, (0.025, 0.975))
        return Interval(float(scores.mean()), float(low), float(high))


@dataclass(frozen=True)
class Bin:
    """Forecasts of about the same probability.

    Attributes
    ----------
    low, high : float
        Ends of the bin; the lower belongs to it.
    count : int
    forecast : float
        Mean forecast.
    observed : float
        Share that happened.
    """

    low: float
    high: float
    count: int
    forecast: float
    observed: float


def reliability(forecast: Array, outcome: Array, edges: Array = EDGES) -> tuple[Bin, ...]:
    """Observed share by forecast probability, empty bins left out."""
    place = np.clip(np.searchsorted(edges, forecast, side="right") - 1, 0, len(edges) - 2)
    bins = []
    for index in np.unique(place):
        here = place == index
        bins.append(
            Bin(
                float(edges[index]),
                float(edges[index + 1]),
                int(here.sum()),
                float(forecast[here].mean()),
                float(outcome[here].mean()),
            )
        )
    return tuple(bins)


def skill(score: float, reference: float) -> float:
    """1 − score/reference; NaN where the reference is perfect."""
    return 1 - score / reference if reference > 0 else float("nan")
