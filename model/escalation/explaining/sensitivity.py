r"""How much each assumption matters to the probability of a target.

Y = P(target | evidence, θ) varies with the assumptions θ, and its mean over their posterior is
the headline. All of this is about that posterior, in which assumptions may depend on each other.

    tornado       E[Y | θ_j = v] at the 5 % and 95 % point v of the prior of θ_j
    first order   S_j = Var E[Y | θ_j] / Var Y     the share of the variance of Y that would go,
                                                   on average, if θ_j alone were known
    total         T_j = E Var[Y | θ₋ⱼ] / Var Y     that would stay if all others were known
    break-even    the value v at which E[Y | θ_j = v] crosses a level

S_j is found from the posterior draws already made. The others evaluate the model anew with θ_j
held (see `weighing`), which is done for those assumptions only that a *screen* picks: the
largest estimated swings, 3.29 · sd(E[Y | θ_j])/sd(z_j), with z_j the normal score of θ_j, 1 a
priori. The estimators are in `indices`. (`docs/explanations.md`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from escalation.errors import InvalidValueError
from escalation.explaining.weighing import DRAWS, aim, checked
from escalation.maths.indices import first_order, nodes_around, noise, total_index
from escalation.maths.priors import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.explaining.weighing import Aimed, Weighed

    Array = NDArray[np.float64]

TOP = 12
NODES = 5
GRID = (
    0.005,
    0.05,
    0.25,
    0.5,
    0.75,
    0.95,
    0.995,
)  # places in the prior; a break-even value lies between the outermost


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
    """Sobol indices of one assumption; `total` is None where it was not computed."""

    name: str
    first_order: float
    total: float | None


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


def screen(assessment: Assessment, target: str) -> tuple[Screened, ...]:
    """First-order index and estimated swing of every uncertain assumption, largest swing first.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    reached = _reached(assessment, target)
    posterior, size = assessment.posterior, _effective(assessment)
    found = []
    for name in assessment.uncertain:
        scores = posterior.scores[name][posterior.index]
        share = first_order(scores, reached, effective=size)
        spread = max(float(scores.std()), 1e-9)
        swing = 2 * Z95 * float(np.sqrt(share)) * float(reached.std()) / spread
        found.append(Screened(name, share, min(swing, 1.0)))
    return tuple(sorted(found, key=lambda each: -each.swing))


def tornado(
    assessment: Assessment, target: str, *, top: int = TOP, draws: int = DRAWS // 2
) -> Tornado:
    """Hold each of the assumptions that matter at its prior 5 % and 95 % point.

    Parameters
    ----------
    assessment : Assessment
    target : str
    top : int
        How many assumptions: those with the largest estimated swings, if above 0.
    draws : int
        Common draws, at most.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    screened = screen(assessment, target)
    aimed = aim(assessment, target, draws)
    chosen = [each for each in screened[:top] if each.swing > 0]
    bars = sorted((_bar(aimed, each.name) for each in chosen), key=lambda bar: -bar.swing)
    return Tornado(
        target,
        assessment.horizon,
        aimed.base.probability,
        tuple(bars),
        screened,
        _rule(len(chosen), screened),
        aimed.difference,
    )


def _rule(chosen: int, screened: tuple[Screened, ...]) -> str:
    if chosen == len(screened):
        return "every uncertain assumption"
    rest = max(each.swing for each in screened[chosen:])
    return (
        f"the {chosen} of {len(screened)} uncertain assumptions with the largest swings as "
        f"estimated from the posterior draws; no other's is above {100 * rest:.1f} points"
    )


def _bar(aimed: Aimed, name: str) -> Bar:
    points = [_at(aimed, name, quantile) for quantile in (0.05, 0.95)]
    (low, at_low), (high, at_high) = points
    effective = min(at_low.effective, at_high.effective)
    return Bar(name, low, high, at_low.probability, at_high.probability, effective)


def _at(aimed: Aimed, name: str, quantile: float) -> tuple[float, Weighed]:
    """A quantile of an assumption's prior, and the answer with it held there."""
    value = _value(aimed.assessment, name, quantile)
    return value, aimed.ask(aimed.assessment.plan, {name: value})


def _value(assessment: Assessment, name: str, quantile: float) -> float:
    prior = assessment.scenario.assumptions[name].prior
    return float(prior.quantile(np.array([quantile]))[0])


def sobol(assessment: Assessment, target: str, *, top: int = TOP, draws: int = DRAWS // 4) -> Sobol:
    """First-order indices of every uncertain assumption, and totals of those that matter.

    Parameters
    ----------
    assessment : Assessment
    target : str
    top : int
        How many totals: those with the largest estimated swings.
    draws : int
        Common draws behind the totals, at most.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    screened, reached = screen(assessment, target), _reached(assessment, target)
    aimed = aim(assessment, target, draws)
    chosen = [each.name for each in screened[:top] if each.swing > 0]
    totals = {name: _total(aimed, name) for name in chosen}
    indices = [Index(each.name, each.first_order, totals.get(each.name)) for each in screened]
    indices.sort(key=lambda each: -1.0 if each.total is None else each.total, reverse=True)
    return Sobol(
        target,
        assessment.horizon,
        float(reached.std()),
        tuple(indices),
        noise(_effective(assessment)),
        _rule(len(chosen), screened),
    )


def _total(aimed: Aimed, name: str) -> float:
    """T_j, by quadrature over the assumption for each draw of the others."""
    posterior = aimed.assessment.posterior
    scores = posterior.scores[name][posterior.index]
    nodes, log_share = nodes_around(float(scores.mean()), float(scores.std()), NODES)
    loglik, reached = [], []
    for node in nodes:
        value = _value(aimed.assessment, name, float(ndtr(node)))
        found = aimed.answer(aimed.assessment.plan, {name: value})
        loglik.append(found.loglik)
        reached.append(found.reached)
    return total_index(
        np.array(loglik) + log_share[:, None], np.array(reached), aimed.common.log_base
    )


def break_even(
    assessment: Assessment, target: str, name: str, *, level: float = 0.5, draws: int = DRAWS // 2
) -> BreakEven:
    """Find the value of an assumption at which the probability of a target crosses a level.

    Parameters
    ----------
    assessment : Assessment
    target : str
    name : str
        Dotted name of an uncertain assumption.
    level : float
    draws : int
        Common draws, at most.

    Raises
    ------
    InvalidValueError
        If the target is not one, or the assumption not known, or fixed.
    """
    _check_uncertain(assessment, name)
    aimed = aim(assessment, target, draws)
    scores = ndtri(np.array(GRID))
    points = [_at(aimed, name, quantile) for quantile in GRID]
    curve = tuple((value, answer.probability) for value, answer in points)
    crossing = _crossing(aimed, name, level, scores, [each for _, each in curve])
    quantile = None if crossing is None else float(ndtr(crossing))
    return BreakEven(
        target,
        assessment.horizon,
        name,
        level,
        None if quantile is None else _value(assessment, name, quantile),
        quantile,
        curve[0][0],
        curve[-1][0],
        curve,
    )


def _crossing(
    aimed: Aimed, name: str, level: float, scores: Array, probabilities: list[float]
) -> float | None:
    """Normal score at which the level is crossed, the nearest to the posterior median."""
    from scipy.optimize import brentq

    posterior = aimed.assessment.posterior
    middle = float(np.median(posterior.scores[name][posterior.index]))
    above = np.array(probabilities) > level
    places = np.flatnonzero(above[1:] != above[:-1])
    if not len(places):
        return None

    def excess(score: float) -> float:
        return _at(aimed, name, float(ndtr(score)))[1].probability - level

    nearest = min(places, key=lambda i: abs((scores[i] + scores[i + 1]) / 2 - middle))
    return float(brentq(excess, scores[nearest], scores[nearest + 1], xtol=1e-6, rtol=1e-9))


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


def _reached(assessment: Assessment, target: str) -> Array:
    """P(target within the horizon) of each equally weighted posterior draw."""
    row = assessment.plan.reach.index(checked(assessment, target))
    return np.asarray(assessment.reach_draws[-1, row], dtype=float)


def _effective(assessment: Assessment) -> float:
    """How many independent draws the equally weighted ones are worth."""
    counts = np.bincount(assessment.posterior.index)
    return float(counts.sum() ** 2 / np.square(counts).sum())
