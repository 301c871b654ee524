r"""How much each assumption matters to the probability of a target.

Y = P(target | evidence, θ) varies with the assumptions θ, and its mean over their posterior is
the headline. All of this is about that posterior, in which assumptions may depend on each other.

    tornado       E[Y | θ_j = v] at the 5 % and 95 % point v of the prior of θ_j
    first order   S_j = Var E[Y | θ_j] / Var Y     the share of the variance of Y that would go,
                                                   on average, if θ_j alone were known
    total         T_j = E Var[Y | θ₋ⱼ] / Var Y     that would stay if all others were known
    break-even    the value v at which E[Y | θ_j = v] crosses a level

S_j is found from the posterior draws already made. The others ask for the *response* to θ_j: what
each draw says with θ_j held (see `weighing`) at six points of its prior. Ends of bars are two of
these points; totals and break-even values come of what lies between them. That is done for those
assumptions only that a *screen* picks: the largest estimated swings, 3.29 · sd(E[Y | θ_j])/sd(z_j),
with z_j the normal score of θ_j, 1 a priori. The estimators are in `indices`.
(`docs/explanations.md`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from escalation.errors import InvalidValueError
from escalation.explaining.responses import (
    GRID,
    HIGH,
    LOW,
    hold,
    outcomes,
    respond_to,
    value_at,
    worth,
)
from escalation.maths.indices import Total, between, noise, total_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.explaining.responses import Response, Responses, Screened
    from escalation.explaining.weighing import Aimed

    Array = NDArray[np.float64]

POINTS = np.linspace(-3.2, 3.2, 65)  # normal scores over which a response is averaged
TOLERANCE = 1e-6  # of a probability that breaks even


@dataclass(frozen=True)
class Bar:
    """One assumption of a tornado.

    Attributes
    ----------
    name : str
    low, high : float
        Its 5 % and 95 % points a priori, in the unit it is written in.
    at_low, at_high : float
        Probability of the target with it held there, the rest as the evidence leaves it.
    effective : float
        Effective draws behind the worse of the two.
    """

    name: str
    low: float
    high: float
    at_low: float
    at_high: float
    effective: float

    @property
    def swing(self) -> float:
        """Difference between the two, unsigned."""
        return abs(self.at_high - self.at_low)


@dataclass(frozen=True)
class Tornado:
    """Assumptions held at their 5 % and 95 % points, one at a time.

    Attributes
    ----------
    target : str
    horizon : int
        Days.
    probability : float
        With none held: the headline.
    bars : tuple of Bar
        Largest swing first.
    screened : tuple of Screened
        Every uncertain assumption, largest estimated swing first.
    rule : str
        How the bars were chosen.
    difference : float
        What the draws behind it say before calibration, minus the headline.
    """

    target: str
    horizon: int
    probability: float
    bars: tuple[Bar, ...]
    screened: tuple[Screened, ...]
    rule: str
    difference: float


@dataclass(frozen=True)
class Index:
    """Sobol indices of one assumption.

    Attributes
    ----------
    name : str
    first_order : float
        S_j.
    total : float | None
        T_j; None where it was not computed.
    total_error : float | None
        Its Monte Carlo standard error.
    """

    name: str
    first_order: float
    total: float | None
    total_error: float | None


@dataclass(frozen=True)
class Sobol:
    """Shares of the variance of the probability, over the posterior.

    Attributes
    ----------
    target : str
    horizon : int
        Days.
    sd : float
        Standard deviation of the probability over the posterior draws.
    indices : tuple of Index
        Every uncertain assumption; those with a total first, largest total first.
    noise : float
        First-order indices below this cannot be told from 0.
    rule : str
        Of which assumptions the total was computed.
    """

    target: str
    horizon: int
    sd: float
    indices: tuple[Index, ...]
    noise: float
    rule: str


@dataclass(frozen=True)
class BreakEven:
    """The value of an assumption at which the probability of a target crosses a level.

    Attributes
    ----------
    target : str
    horizon : int
        Days.
    name : str
    level : float
    value : float | None
        In the unit it is written in; the one nearest to its posterior median if there are
        several; None: nowhere in its central 99 % range.
    quantile : float | None
        The prior probability of a lower value.
    low, high : float
        Ends of that range.
    curve : tuple of (value, probability)
        At some points of the range, ends included, in order.
    """

    target: str
    horizon: int
    name: str
    level: float
    value: float | None
    quantile: float | None
    low: float
    high: float
    curve: tuple[tuple[float, float], ...]


def tornado(responses: Responses) -> Tornado:
    """Probabilities with each of the assumptions that matter at its prior 5 % and 95 % point."""
    aimed = responses.aimed
    bars = sorted(
        (_bar(responses, each) for each in responses.of.values()), key=lambda bar: -bar.swing
    )
    return Tornado(
        aimed.target,
        aimed.assessment.horizon,
        aimed.base.probability,
        tuple(bars),
        responses.screened,
        responses.rule,
        aimed.difference,
    )


def _bar(responses: Responses, response: Response) -> Bar:
    ends = [GRID.index(LOW), GRID.index(HIGH)]
    low, high = (float(response.values[each]) for each in ends)
    at_low, at_high = (responses.probability(response.answers[each]) for each in ends)
    effective = min(at_low.effective, at_high.effective)
    return Bar(response.name, low, high, at_low.probability, at_high.probability, effective)


def sobol(responses: Responses) -> Sobol:
    """First-order indices of every uncertain assumption, and totals of those that matter."""
    aimed = responses.aimed
    assessment = aimed.assessment
    totals = {name: _total(aimed, each) for name, each in responses.of.items()}
    nothing = Total(-1.0, 0.0)
    ranked = sorted(
        responses.screened, key=lambda each: totals.get(each.name, nothing).index, reverse=True
    )
    return Sobol(
        aimed.target,
        assessment.horizon,
        float(outcomes(assessment, aimed.target).std()),
        tuple(_index(each, totals.get(each.name)) for each in ranked),
        noise(worth(assessment)),
        responses.rule,
    )


def _index(screened: Screened, total: Total | None) -> Index:
    if total is None:
        return Index(screened.name, screened.first_order, None, None)
    return Index(screened.name, screened.first_order, total.index, total.error)


def _total(aimed: Aimed, response: Response) -> Total:
    """T_j, by quadrature over the assumption for each draw of the others."""
    loglik = np.array([each.loglik for each in response.answers])
    reached = np.array([each.reached for each in response.answers])
    return total_index(
        between(response.scores, loglik, POINTS) - POINTS[:, None] ** 2 / 2,
        between(response.scores, reached, POINTS).clip(0, 1),
        aimed.common.log_base,
    )


def break_even(responses: Responses, name: str, *, level: float = 0.5) -> BreakEven:
    """Find the value of an assumption at which the probability of the target crosses a level.

    Parameters
    ----------
    responses : Responses
    name : str
        Dotted name of an uncertain assumption; one not chosen is asked for now.
    level : float

    Raises
    ------
    InvalidValueError
        If the assumption is not known, or fixed.
    """
    aimed = responses.aimed
    _check_uncertain(aimed.assessment, name)
    response = responses.of[name] if name in responses.of else respond_to(aimed, name)
    curve = tuple(
        (float(value), responses.probability(each).probability)
        for value, each in zip(response.values, response.answers, strict=True)
    )
    crossing = _crossing(responses, response, level, [each for _, each in curve])
    quantile = None if crossing is None else float(ndtr(crossing))
    return BreakEven(
        aimed.target,
        aimed.assessment.horizon,
        name,
        level,
        None if quantile is None else value_at(aimed.assessment, name, quantile),
        quantile,
        curve[0][0],
        curve[-1][0],
        curve,
    )


def _crossing(
    responses: Responses, response: Response, level: float, probabilities: list[float]
) -> float | None:
    """Normal score at which the level is crossed, the nearest to the posterior median."""
    aimed, scores = responses.aimed, response.scores
    posterior = aimed.assessment.posterior
    middle = float(np.median(posterior.scores[response.name][posterior.index]))
    excess = np.array(probabilities) - level
    places = np.flatnonzero((excess[1:] > 0) != (excess[:-1] > 0))
    if not len(places):
        return None
    place = min(places, key=lambda i: abs((scores[i] + scores[i + 1]) / 2 - middle))

    def off(score: float) -> float:
        answers = hold(aimed, response.name, float(ndtr(score)))[1]
        return responses.probability(answers).probability - level

    ends = [(float(scores[i]), float(excess[i])) for i in (place, place + 1)]
    return _root(off, *ends)


def _root(
    off: Callable[[float], float], low: tuple[float, float], high: tuple[float, float]
) -> float:
    """Root between two places of known, opposite values (Illinois; Dowell & Jarratt 1971)."""
    (a, at_a), (b, at_b) = low, high
    while True:
        c = b - at_b * (b - a) / (at_b - at_a)
        at_c = off(c)
        if abs(at_c) < TOLERANCE or abs(b - a) < TOLERANCE:
            return c
        if (at_c > 0) != (at_b > 0):
            a, at_a = b, at_b
        else:
            at_a /= 2
        b, at_b = c, at_c


def _check_uncertain(assessment: Assessment, name: str) -> None:
    if name in assessment.uncertain:
        return
    if name in assessment.scenario.assumptions:
        message = f"'{name}' is a plain number: give it a range to vary it"
        raise InvalidValueError(message)
    close = get_close_matches(name, assessment.uncertain, 1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    message = f"no assumption '{name}'{hint}"
    raise InvalidValueError(message)
