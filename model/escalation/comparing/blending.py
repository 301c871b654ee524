"""Scenarios averaged by the plausibility that an analyst gives to each.

With plausibilities π, meant with all evidence considered, the blend of scenarios is

    P = Σ_s π_s P_s

and its quantiles are those of the draws of all scenarios, each weighed by its posterior weight
times π_s.

>>> plausibilities({"a": 3.0, "b": 1.0}, ("a", "b"))
{'a': 0.75, 'b': 0.25}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.assessment import HIGH, LOW, Estimate
from escalation.engine.outcomes import weighted_quantile
from escalation.engine.shared_draws import influence
from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.shared_draws import SharedDraws, Weighed

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Blend:
    """Scenarios averaged by the plausibility that an analyst gives them.

    Attributes
    ----------
    plausibility : Mapping[str, float]
        Of each scenario, adding up to 1, with all evidence considered.
    targets : Mapping[str, Estimate]
        P(target within the horizon): mean, and quantiles over scenarios and draws.
    errors : Mapping[str, float]
        Monte Carlo standard error of each mean.
    """

    plausibility: Mapping[str, float]
    targets: Mapping[str, Estimate]
    errors: Mapping[str, float]


def plausibilities(given: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Plausibility of each scenario, adding up to 1.

    Raises
    ------
    InvalidValueError
        If one is negative or of no scenario here, or all are zero.
    """
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InvalidValueError(f"no scenario '{unknown[0]}'; there are {', '.join(names)}")
    total = sum(given.values())
    if min(given.values()) < 0 or not 0 < total < float("inf"):
        raise InvalidValueError("plausibilities are numbers from 0 up, and not all zero")
    return {name: given.get(name, 0.0) / total for name in names}


def blend(
    names: Sequence[str],
    targets: Sequence[str],
    shared: SharedDraws,
    weighed: Sequence[Weighed],
    shares: Mapping[str, float],
) -> Blend:
    """Average scenarios by their plausibilities, which add up to 1."""
    weights = [shares[name] * each.weights for name, each in zip(names, weighed, strict=True)]
    estimates, errors = {}, {}
    for row, target in enumerate(targets):
        values = [each.outcomes.reached[-1, row] for each in weighed]
        estimates[target] = estimate(np.concatenate(values), np.concatenate(weights))
        parts = [
            shares[name] * influence(each.weights, p)
            for name, p, each in zip(names, values, weighed, strict=True)
        ]
        errors[target] = shared.error(np.sum(parts, axis=0))
    return Blend(shares, estimates, errors)


def estimate(values: Array, weights: Array) -> Estimate:
    """Return the weighted mean, and the 5 % and 95 % quantiles."""
    low, high = (weighted_quantile(values, weights, at) for at in (LOW, HIGH))
    return Estimate(float(weights @ values), low, high)
