r"""Scenarios side by side: how far apart they are, why, and how sure that is.

Any number of scenarios on one ladder are run on draws that they share by the name of each
assumption (`shared_draws`): what they hold in common cancels, and two that are the same differ
by exactly zero. For scenarios a and b and each target,

    Δ = P_b(target by day t) − P_a(target by day t)

with the interval that the assumptions leave open (over pairs of the same draws) and the Monte
Carlo error of Δ itself. `differences` lists what they assume otherwise, `switching` says which of
it explains the gap.

How well each explains the evidence is ln Z_s = ln E_prior exp ℓ, and exp(ln Z_b − ln Z_a) is the
Bayes factor (Kass & Raftery 1995, JASA 90): only where both were shown the same evidence, silence
included. `swapping` says at which value of an assumption two scenarios swap order, and `blending`
averages them by plausibility.

    comparison = compare([load("baseline.yaml"), load("talks.yaml")])
    comparison.gap("venezuela-baseline", "venezuela-talks", "strikes").difference

>>> horizon_of([90, 90])
90
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from escalation.comparing.blending import Blend, blend, estimate, plausibilities
from escalation.comparing.differences import Difference, check_comparable, differences
from escalation.comparing.swapping import Pair, Swap
from escalation.comparing.switching import Explanation, explain_gap
from escalation.engine.assessment import DRAWS, HIGH, LOW, SEED, Assessment, Estimate
from escalation.engine.layout import Plan, plan
from escalation.engine.outcomes import weighted_quantile
from escalation.engine.shared_draws import SharedDraws, Weighed, couple, here, influence, share
from escalation.errors import InvalidValueError
from escalation.maths.priors import keyed_generator
from escalation.reading.case import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.shared_draws import Evaluate

    Array = NDArray[np.float64]

EXPLAINED_DRAWS = 1024


class Distribute(Protocol):
    """Makes the function that evaluates plans for some targets, for instance elsewhere."""

    def __call__(self, targets: Sequence[str], *, rungs: bool) -> Evaluate:
        """Return it; with `rungs` it finds the occupancy of the ladder too."""


@dataclass(frozen=True)
class Gap:
    """How much more likely a target is in one scenario than in the first.

    Attributes
    ----------
    difference : float
        P(other) − P(first); exactly 0 where they assume and were shown the same.
    low, high : float
        5 % and 95 % quantiles over pairs of draws: what the assumptions leave open.
    error : float
        Monte Carlo standard error of `difference`.
    overlap : float
        Share of the pairs that are one and the same draw.
    """

    difference: float
    low: float
    high: float
    error: float
    overlap: float


@dataclass(frozen=True)
class Support:
    """How well a scenario explains the evidence, beside the first.

    Attributes
    ----------
    log_marginal_likelihood : float
    bayes_factor : float or None
        Over the first scenario; None where the evidence is not the same.
    log_error : float
        Monte Carlo standard error of its logarithm.
    why_not : str
        What of the evidence differs; empty where a Bayes factor is given.
    """

    log_marginal_likelihood: float
    bayes_factor: float | None
    log_error: float
    why_not: str


@dataclass(frozen=True)
class Comparison:
    """Scenarios on shared draws; the first is what the others are measured against.

    Attributes
    ----------
    scenarios : tuple of Scenario
    names : tuple of str
        Unique, in the same order.
    plans : tuple of Plan
    targets : tuple of str
        What any of them speaks of.
    seed : int
    shared : SharedDraws
    weighed : tuple of Weighed
        Outcomes, posterior weights and fit of each scenario.
    differences : tuple of Difference
    support : Mapping[str, Support]
    explanations : tuple of Explanation
        For each other scenario and target; none where they were not asked for.
    unexplained : Mapping[str, str]
        Scenarios whose gap cannot be split, and why.
    swaps : tuple of Swap
        For each other scenario and the first target, at which value of an assumption the gap
        closes; none where they were not asked for.
    blend : Blend or None
    """

    scenarios: tuple[Scenario, ...]
    names: tuple[str, ...]
    plans: tuple[Plan, ...]
    targets: tuple[str, ...]
    seed: int
    shared: SharedDraws
    weighed: tuple[Weighed, ...]
    differences: tuple[Difference, ...]
    support: Mapping[str, Support]
    explanations: tuple[Explanation, ...]
    unexplained: Mapping[str, str]
    swaps: tuple[Swap, ...]
    blend: Blend | None

    @property
    def horizon(self) -> int:
        """Days ahead, the same for all."""
        return self.plans[0].horizon

    @property
    def first(self) -> str:
        """Name of the scenario that the others are measured against."""
        return self.names[0]

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the others."""
        return self.names[1:]

    def scenario(self, name: str) -> Scenario:
        """Return a scenario by its name."""
        return self.scenarios[self.names.index(name)]

    def of(self, name: str) -> Weighed:
        """Weighed draws of a scenario."""
        return self.weighed[self.names.index(name)]

    def draws(self, name: str, target: str, days: int | None = None) -> Array:
        """P(target reached within so many days) for each draw: shape (n,)."""
        at = self.horizon if days is None else days
        found = self.of(name).outcomes.reached[at, self.targets.index(target)]
        return np.asarray(found, dtype=float)

    def reach(self, name: str, target: str, days: int | None = None) -> Estimate:
        """P(target reached within so many days; by default the horizon)."""
        return estimate(self.draws(name, target, days), self.of(name).weights)

    def error(self, name: str, target: str, days: int | None = None) -> float:
        """Monte Carlo standard error of that probability."""
        return self.shared.error(influence(self.of(name).weights, self.draws(name, target, days)))

    def gap(self, first: str, other: str, target: str, days: int | None = None) -> Gap:
        """How much more likely the target is in the other scenario than in the first."""
        a, b = self.of(first).weights, self.of(other).weights
        p, q = self.draws(first, target, days), self.draws(other, target, days)
        pairs = couple(a, b, keyed_generator(self.seed, "pairs"))
        apart = q[pairs.second] - p[pairs.first]
        low, high = (weighted_quantile(apart, pairs.weight, at) for at in (LOW, HIGH))
        error = self.shared.error(influence(b, q) - influence(a, p))
        return Gap(float(b @ q - a @ p), low, high, error, pairs.overlap)

    def divergence(self, first: str, other: str, target: str) -> tuple[Array, Array, Array]:
        """Difference, and 5 % and 95 % quantiles over pairs, on each day: shapes (H+1,)."""
        a, b = self.of(first), self.of(other)
        row = self.targets.index(target)
        p, q = a.outcomes.reached[:, row], b.outcomes.reached[:, row]
        pairs = couple(a.weights, b.weights, keyed_generator(self.seed, "pairs"))
        apart = q[:, pairs.second] - p[:, pairs.first]
        low, high = (
            np.array([weighted_quantile(day, pairs.weight, at) for day in apart])
            for at in (LOW, HIGH)
        )
        return np.asarray(q @ b.weights - p @ a.weights, dtype=float), low, high

    def rungs(self, name: str) -> Array:
        """P(on each rung or off-ramp), shape (H+1, R)."""
        each = self.of(name)
        return np.asarray(each.outcomes.rungs @ each.weights, dtype=float)


def compare(
    cases: Sequence[Scenario | Assessment],
    *,
    as_of: date | None = None,
    horizon: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    plausibility: Mapping[str, float] | None = None,
    explain: bool = True,
    distribute: Distribute | None = None,
) -> Comparison:
    """Compare scenarios on one ladder.

    Parameters
    ----------
    cases : sequence of Scenario or Assessment
        At least two; of an assessment, its scenario as of its day and horizon.
    as_of : date, optional
        For all of them; by default each its own.
    horizon : int, optional
        Days ahead; needed where theirs differ.
    draws : int
        Prior draws that they share.
    seed : int
        Keys every random number.
    plausibility : Mapping[str, float], optional
        Name → weight in the blend; those left out weigh nothing.
    explain : bool
        Whether to split each gap over what differs, and to look for what would close it.
    distribute : callable, optional
        Makes the function that evaluates plans, for instance on other machines; by default they
        are evaluated here.

    Raises
    ------
    InvalidValueError
        If the scenarios cannot be compared, or a name in `plausibility` is not theirs.
    """
    scenarios = tuple(_as_of(case, as_of) for case in cases)
    if len(scenarios) < 2:  # noqa: PLR2004
        raise InvalidValueError("a comparison takes at least two scenarios")
    check_comparable(scenarios)
    days = horizon_of([_ahead(case) for case in cases]) if horizon is None else horizon
    plans = tuple(plan(each, each.as_of, days) for each in scenarios)
    targets = tuple(dict.fromkeys(target for each in scenarios for target in each.targets))
    names = _names(scenarios)
    shares = plausibilities(plausibility, names) if plausibility else None
    spread = distribute or _here
    shared, weighed = share(plans, draws, seed, spread(targets, rungs=True))
    again = spread(targets, rungs=False)
    explanations, unexplained = (
        _explanations(scenarios, names, targets, days, shared, again) if explain else ((), {})
    )
    return Comparison(
        scenarios,
        names,
        plans,
        targets,
        seed,
        shared,
        weighed,
        differences(scenarios),
        _support(names, plans, shared, weighed),
        explanations,
        unexplained,
        _swaps(names, plans, targets[0], shared, weighed, again) if explain else (),
        blend(names, targets, shared, weighed, shares) if shares else None,
    )


def _here(targets: Sequence[str], *, rungs: bool) -> Evaluate:
    return lambda tasks: here(tasks, targets, rungs=rungs)


def _as_of(case: Scenario | Assessment, as_of: date | None) -> Scenario:
    scenario = case if isinstance(case, Scenario) else case.scenario
    return replace(scenario, as_of=as_of or case.as_of)


def _ahead(case: Scenario | Assessment) -> int:
    return case.horizon


def horizon_of(each: Sequence[int]) -> int:
    """Return the horizon of all, in days; an error where they differ."""
    if len(set(each)) > 1:
        shown = ", ".join(f"{days}d" for days in sorted(set(each)))
        raise InvalidValueError(f"their horizons differ ({shown}); choose one with --horizon")
    return each[0]


def _names(scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    """Names of scenarios, made unique by the as-of date or a number."""
    names = [each.name for each in scenarios]
    if len(set(names)) < len(names):
        names = [
            f"{each.name}@{each.as_of}" if names.count(each.name) > 1 else each.name
            for each in scenarios
        ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(unique)


def _explanations(
    scenarios: Sequence[Scenario],
    names: Sequence[str],
    targets: Sequence[str],
    days: int,
    shared: SharedDraws,
    evaluate: Evaluate,
) -> tuple[tuple[Explanation, ...], dict[str, str]]:
    """Explain each other scenario's gap to the first, on fewer of the same draws."""
    thin, _ = shared.thin(EXPLAINED_DRAWS)
    found: list[Explanation] = []
    unexplained = {}
    for name, other in zip(names[1:], scenarios[1:], strict=True):
        try:
            parts = explain_gap(scenarios[0], other, targets, days, thin, evaluate)
            found += [replace(each, first=names[0], other=name) for each in parts]
        except InvalidValueError as error:
            unexplained[name] = str(error)
    return tuple(found), unexplained


def _swaps(
    names: Sequence[str],
    plans: Sequence[Plan],
    target: str,
    shared: SharedDraws,
    weighed: Sequence[Weighed],
    evaluate: Evaluate,
) -> tuple[Swap, ...]:
    """At which values each other scenario swaps order with the first, for the first target."""
    found: list[Swap] = []
    for name, layout, each in zip(names[1:], plans[1:], weighed[1:], strict=True):
        pair = Pair((plans[0], layout), (weighed[0], each), shared, evaluate, row=0)
        found += pair.swaps((names[0], name), target)
    return tuple(found)


def _support(
    names: Sequence[str], plans: Sequence[Plan], shared: SharedDraws, weighed: Sequence[Weighed]
) -> dict[str, Support]:
    found = {}
    base = weighed[0]
    for name, layout, each in zip(names, plans, weighed, strict=True):
        why_not = _other_evidence(plans[0], layout)
        log_factor = each.fit.log_marginal_likelihood - base.fit.log_marginal_likelihood
        found[name] = Support(
            each.fit.log_marginal_likelihood,
            None if why_not else float(np.exp(log_factor)),
            shared.error(each.weights - base.weights),
            why_not,
        )
    return found


def _other_evidence(a: Plan, b: Plan) -> str:
    """What of the evidence is not the same; empty where all of it is."""
    if a.scenario.start != b.scenario.start or a.as_of != b.as_of:
        return "they look at other days"
    reports = [each.name for each in differences((a.scenario, b.scenario)) if _seen(each)]
    if reports:
        shown = sorted(name.removeprefix("observations.") for name in reports)
        more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""  # noqa: PLR2004
        return f"other reports: {', '.join(shown[:3])}{more}"
    apart = sorted(set(a.watch.items()) ^ set(b.watch.items()))
    if apart:
        return f"other silence counts: {', '.join(dict.fromkeys(name for name, _ in apart))}"
    return ""


def _seen(difference: Difference) -> bool:
    return difference.kind == "evidence" and difference.name.startswith("observations.")
