"""How a probability responds to its assumptions: what the measures of sensitivity are made from.

A *screen* says of every uncertain assumption, from the posterior draws already made, what share of
the variance of Y = P(target | evidence, θ) goes with it, S_j, and what swing its prior range makes,

    3.29 · sd(E[Y | θ_j])/sd(z_j),       z_j the normal score of θ_j, 1 a priori.

Of those with the largest swings the *response* is asked for: what each common draw says with θ_j
held (see `weighing`) at six points of its prior.

>>> GRID[1], GRID[-2]
(0.05, 0.95)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from escalation.explaining.weighing import DRAWS, aim, checked, weigh
from escalation.maths.indices import first_order
from escalation.maths.priors import Z95

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.explaining.weighing import Aimed, Answers, Weighed

    Array = NDArray[np.float64]

TOP = 12
LOW, HIGH = 0.05, 0.95  # places in the prior that a bar ends at
GRID = (0.005, LOW, 0.27, 0.73, HIGH, 0.995)  # a break-even value lies between the outermost


@dataclass(frozen=True)
class Screened:
    """What the draws already made say of one assumption.

    Attributes
    ----------
    name : str
    first_order : float
        S_j.
    swing : float
        Estimated difference that its prior 5 % to 95 % range makes to the probability.
    """

    name: str
    first_order: float
    swing: float


def screen(assessment: Assessment, target: str) -> tuple[Screened, ...]:
    """First-order index and estimated swing of every uncertain assumption, largest swing first.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    found, size = [], worth(assessment)
    outputs, posterior = outcomes(assessment, target), assessment.posterior
    for name in assessment.uncertain:
        scores = posterior.scores[name][posterior.index]
        share = first_order(scores, outputs, effective=size)
        spread = max(float(scores.std()), 1e-9)
        swing = 2 * Z95 * float(np.sqrt(share)) * float(outputs.std()) / spread
        found.append(Screened(name, share, min(swing, 1.0)))
    return tuple(sorted(found, key=lambda each: -each.swing))


@dataclass(frozen=True)
class Response:
    """What each of n common draws says with one assumption held at m points of its prior.

    Attributes
    ----------
    name : str
    scores : float64, shape (m,)
        Normal scores of the points, rising.
    values : float64, shape (m,)
        In the unit it is written in.
    answers : tuple of Answers
    """

    name: str
    scores: Array
    values: Array
    answers: tuple[Answers, ...]


@dataclass(frozen=True)
class Responses:
    """Responses of a probability to the assumptions that matter.

    Attributes
    ----------
    aimed : Aimed
        The question, and the draws it is put to.
    screened : tuple of Screened
        Every uncertain assumption, largest estimated swing first.
    of : Mapping[str, Response]
        Of those chosen, in the same order.
    """

    aimed: Aimed
    screened: tuple[Screened, ...]
    of: Mapping[str, Response]

    @property
    def rule(self) -> str:
        """How they were chosen."""
        return _rule(len(self.of), self.screened)

    def probability(self, answers: Answers) -> Weighed:
        """What all draws say together."""
        return weigh(self.aimed.common, answers)


def respond(
    assessment: Assessment,
    target: str,
    *,
    top: int = TOP,
    draws: int = DRAWS // 2,
    screened: tuple[Screened, ...] | None = None,
) -> Responses:
    """Hold each of the assumptions that matter at some points of its prior, and ask again.

    Parameters
    ----------
    assessment : Assessment
    target : str
    top : int
        How many assumptions: those with the largest estimated swings, if above 0.
    draws : int
        Common draws, at most.
    screened : tuple of Screened, optional
        What `screen` says, if it has been asked.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    found = screen(assessment, target) if screened is None else screened
    aimed = aim(assessment, target, draws)
    chosen = [each.name for each in found[:top] if each.swing > 0]
    return Responses(aimed, found, {name: respond_to(aimed, name) for name in chosen})


def respond_to(aimed: Aimed, name: str) -> Response:
    """Response to one assumption."""
    points = np.array(GRID)
    values = aimed.assessment.scenario.assumptions[name].prior.quantile(points)
    answers = aimed.answer_at(aimed.assessment.plan, name, values)
    return Response(name, np.asarray(ndtri(points), dtype=float), values, answers)


def _rule(chosen: int, screened: tuple[Screened, ...]) -> str:
    if chosen == len(screened):
        return "every uncertain assumption"
    rest = max(each.swing for each in screened[chosen:])
    return (
        f"the {chosen} of {len(screened)} uncertain assumptions with the largest swings as "
        f"estimated from the posterior draws; no other's is above {100 * rest:.1f} points"
    )


def hold(aimed: Aimed, name: str, quantile: float) -> tuple[float, Answers]:
    """A quantile of an assumption's prior, and what each draw says with it held there."""
    value = value_at(aimed.assessment, name, quantile)
    return value, aimed.answer(aimed.assessment.plan, {name: value})


def value_at(assessment: Assessment, name: str, quantile: float) -> float:
    """Quantile of an assumption's prior, in the unit it is written in."""
    prior = assessment.scenario.assumptions[name].prior
    return float(prior.quantile(np.array([quantile]))[0])


def outcomes(assessment: Assessment, target: str) -> Array:
    """P(target within the horizon) of each equally weighted posterior draw."""
    row = assessment.plan.reach.index(checked(assessment, target))
    return np.asarray(assessment.reach_draws[-1, row], dtype=float)


def worth(assessment: Assessment) -> float:
    """How many independent draws the equally weighted ones are worth."""
    counts = np.bincount(assessment.posterior.index)
    return float(counts.sum() ** 2 / np.square(counts).sum())
