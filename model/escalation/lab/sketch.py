r"""The quick answer while a hand drags: draws already made, weighed anew.

A refined answer has N equally weighted posterior draws of the assumptions. Each stands at places
u in (0, 1) of the assumptions' priors, a priori uniform whatever the priors are. A sketch keeps M
of these draws, taken evenly from the one that makes the target least likely to the one that makes
it most likely. When beliefs or evidence change, a draw keeps its places, its values follow the
new priors, and it weighs (importance sampling in u; Owen 2013, *Monte Carlo*, chapter 9)

    w_m ∝ exp(ℓ_new(u_m) − ℓ_old(u_m)),        P ≈ Σ_m w_m P_m

so that the picture begins where the refined answer stood and moves with the hand alone, without
new sampling noise. An assumption that the old answer did not have is drawn from its prior. Where
the weights leave fewer than `ENOUGH` effective draws, the sketch gives no answer: the refined one
has to be waited for.

Shapes: M draws, H+1 days, P targets.

>>> low, high = weighted_band(np.array([[[3.0, 1.0, 2.0]]]), np.array([0.2, 0.5, 0.3]), (0.4, 0.9))
>>> low.item(), high.item()
(1.0, 3.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.assessment import HIGH, LOW, Band, Estimate
from escalation.engine.layout import plan
from escalation.engine.outcomes import checked_targets, outcomes
from escalation.engine.posterior import values_from_scores
from escalation.maths.priors import hypercube, normal_score
from escalation.maths.sampling import effective_sample_size, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Scenario

    Array = NDArray[np.float64]

ENOUGH = 4.0  # effective draws below which there is no quick answer


@dataclass(frozen=True)
class Glance:
    """The part of an answer that moves with the hand.

    Attributes
    ----------
    scenario : Scenario
    as_of : date
    horizon : int
        Days ahead.
    reach : Band
        P(target reached by the day | all evidence), of the targets asked for.
    """

    scenario: Scenario
    as_of: date
    horizon: int
    reach: Band

    def reach_by(self, target: str) -> Estimate:
        """P(target reached within the horizon)."""
        mean, low, high = self.reach.of(target)
        return Estimate(float(mean[-1]), float(low[-1]), float(high[-1]))


@dataclass(frozen=True)
class Sketch:
    """Draws of a refined answer, to be weighed anew; see the module's text.

    Attributes
    ----------
    places : Mapping[str, Array (M,)]
        For each uncertain assumption, where in its prior each draw stands.
    loglik : float64, shape (M,)
        ln of the probability that each draw gave the evidence then.
    seed : int
    """

    places: Mapping[str, Array]
    loglik: Array
    seed: int

    @classmethod
    def of(cls, refined: Assessment, target: str, count: int) -> Sketch:
        """Keep so many draws of a refined answer, evenly over what they say of a target."""
        posterior = refined.posterior
        said = refined.reach_draws[-1, refined.reach.names.index(target)]
        order = posterior.index[np.argsort(said, kind="stable")]
        kept = order[((np.arange(count) + 0.5) * len(order) / count).astype(np.intp)]
        places = {name: z[kept] for name, z in posterior.scores.items()}
        return cls(places, posterior.loglik[kept], refined.seed)

    def answer(self, case: Scenario, targets: Sequence[str]) -> Glance | None:
        """Weigh the draws by a scenario and its evidence; None if too few of them serve.

        Raises
        ------
        InvalidValueError
            If a target cannot be reached, or the dates make no sense.
        """
        layout = plan(case, None, None)
        wanted, count = checked_targets(layout, targets), len(self.loglik)
        new = [
            name
            for name, each in layout.assumptions.items()
            if not each.prior.fixed and name not in self.places
        ]
        places = {
            **self.places,
            **{name: normal_score(hypercube(name, count, self.seed)) for name in new},
        }
        found = outcomes(layout, values_from_scores(layout.assumptions, places, count), wanted)
        gained = found.loglik - self.loglik
        if not np.isfinite(gained).any():
            return None
        weights = normalise(gained)[0]
        if effective_sample_size(weights) < ENOUGH:
            return None
        low, high = weighted_band(found.reached, weights, (LOW, HIGH))
        band = Band(wanted, found.reached @ weights, low, high)
        return Glance(case, layout.as_of, layout.horizon, band)


def weighted_band(
    values: Array, weights: Array, shares: tuple[float, float]
) -> tuple[Array, Array]:
    """Weighted quantiles over the last axis: the smallest value with that share at or below it.

    Parameters
    ----------
    values : float64, shape (days, rows, M)
    weights : float64, shape (M,)
        Summing to 1.
    shares : tuple of float
        Of the lower and the upper quantile.
    """
    order = np.argsort(values, axis=-1, kind="stable")
    below = np.cumsum(weights[order], axis=-1)
    last = values.shape[-1] - 1
    low, high = (
        np.take_along_axis(
            values,
            np.take_along_axis(
                order, np.minimum((below < share * (1 - 1e-12)).sum(-1), last)[..., None], -1
            ),
            -1,
        )[..., 0]
        for share in shares
    )
    return low, high
