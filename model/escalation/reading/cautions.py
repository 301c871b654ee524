"""Warnings: what is valid in a scenario but unwise; and counts that cannot be meant.

The strength of a single report of j is its likelihood ratio between the states that fit it best
and least, at the medians of the assumptions,

    L(k) = ρ λ_j(k) + (1 − ρ) mean_k λ_j,      ratio = max_k L / min_k L,

with ρ the probability that the report is genuine, from the best grade seen.

A count c of a watched j over D days is held against the most that the scenario expects, μ = D λ_j
in the state with most reports, every assumption at its 99.9 % point. The chance of as many is

    P(N ≥ c) ≤ e^(−μ) (eμ/c)^c,      N Poisson with mean μ < c        (Chernoff's bound)

and below 10⁻²⁰ the count is an error: no assumption would survive it.
"""

from __future__ import annotations

from itertools import product
from math import inf, log, log1p, prod
from typing import TYPE_CHECKING

import numpy as np

from escalation.reading.parts import median
from escalation.reading.tree import dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from escalation.reading.case import Indicator, Observation, RateSpec, Scenario
    from escalation.reading.tree import Findings

MAX_LIKELIHOOD_RATIO = 100.0
HIGH = 0.999  # quantile of each assumption in the most that is expected
DOUBTFUL = log(1e-6)  # ln of the chance of a count below which it is doubtful
ABSURD = log(1e-20)  # and below which it cannot be meant


def warn(scenario: Scenario, findings: Findings) -> None:
    """Add the warnings that a valid scenario deserves."""
    _reasons(scenario, findings)
    medians = {name: median(each.prior) for name, each in scenario.assumptions.items()}
    genuine: dict[str, float] = {}
    for each in scenario.observations:
        best = max(genuine.get(each.indicator, 0.0), _genuine(scenario, each, medians))
        genuine[each.indicator] = best
    for indicator in scenario.indicators.values():
        _indicator(scenario, indicator, medians, genuine.get(indicator.name), findings)
    for each in scenario.observations:
        if min(each.occurred_on, each.reported_on) < scenario.start:
            findings.warn(
                each.location,
                "occurred_on",
                f"{quoted(each.id)} is from before the "
                f"start ({scenario.start}): ignored as evidence",
            )
    _counts(scenario, findings)
    _targets(scenario, findings)
    _unreached(scenario, findings)


def _reasons(scenario: Scenario, findings: Findings) -> None:
    """Warn of numbers with no `why`, one warning for each group of neighbours."""
    groups: dict[str, list[str]] = {}
    for name, each in scenario.assumptions.items():
        if not (each.why or each.source or _certain(name)):
            groups.setdefault(name.rpartition(".")[0], []).append(name)
    for group, names in groups.items():
        first = scenario.assumptions[names[0]]
        short = [name.removeprefix(f"{group}.") for name in names]
        what = f": {', '.join(short)}" if group and len(names) > 1 else ""
        where = names[0] if len(names) == 1 else group
        findings.warn(first.location, where, f"no reason: give a 'why' here or above{what}")


def _certain(name: str) -> bool:
    """Whether a number needs no reason: a row's own probability, or the only state to start in."""
    return name.startswith("observations.") or name.endswith(".start")


def _indicator(
    scenario: Scenario,
    indicator: Indicator,
    medians: Mapping[str, float],
    genuine: float | None,
    findings: Findings,
) -> None:
    where = dotted("indicators", indicator.name)
    window = indicator.seen.window
    if window is not None and window < indicator.lag:
        findings.warn(
            indicator.location,
            where,
            f"its window ({window:g}d) is shorter than the lag of its reports ({indicator.lag}d)",
        )
    levels = list(_intensities(scenario, indicator.seen, medians))
    if indicator.effect is None and max(levels) - min(levels) <= 1e-9 * max(levels):
        findings.warn(
            indicator.location,
            where,
            "is equally likely in every state, so that it says nothing about them",
        )
    ratio = 1.0 if genuine is None else _ratio(levels, genuine)
    if ratio > MAX_LIKELIHOOD_RATIO:
        size = f"over {MAX_LIKELIHOOD_RATIO:g}" if ratio == inf else f"of {ratio:,.0f}"
        findings.warn(
            indicator.location,
            where,
            f"a single report of it is a likelihood ratio "
            f"{size} between states; is any report that strong?",
        )


def _counts(scenario: Scenario, findings: Findings) -> None:
    """Hold counts against the most that is expected of them."""
    high = np.array([HIGH])
    numbers = {
        name: float(each.prior.quantile(high)[0]) for name, each in scenario.assumptions.items()
    }
    for each in scenario.observations:
        indicator = scenario.indicators[each.indicator]
        if each.count == 1 or not indicator.watched:
            continue
        days = 1 + ((each.until or each.occurred_on) - each.occurred_on).days
        most = days * max(_intensities(scenario, indicator.seen, numbers))
        if not 0 < most < each.count or not (chance := _log_chance(each.count, most)) < DOUBTFUL:
            continue
        when = "a day" if days == 1 else f"{days} days"
        said = f"{each.count:,} in {when}, where the scenario expects {most:.2g} at most"
        if chance < ABSURD:
            tell = f"{said}: no assumption would survive it; mend the count, or raise the rates of "
            findings.error(each.location, "count", tell + quoted(each.indicator))
        else:
            findings.warn(each.location, "count", f"{said}; is it right?")


def _log_chance(count: int, mean: float) -> float:
    """ln of a bound on the chance of as many, where the mean is smaller."""
    return count * (1 + log(mean / count)) - mean


def _ratio(levels: list[float], genuine: float) -> float:
    mean = sum(levels) / len(levels)
    likelihoods = [genuine * level + (1 - genuine) * mean for level in levels]
    if min(likelihoods) > 0:
        return max(likelihoods) / min(likelihoods)
    return inf if max(likelihoods) > 0 else 1.0


def _genuine(scenario: Scenario, observation: Observation, medians: Mapping[str, float]) -> float:
    table = scenario.reliability
    axes = (
        table.source.get(observation.source_grade),
        table.information.get(observation.information_grade),
    )
    known = [medians[name] for name in axes if name is not None]
    return min(known) if known else medians[table.unknown]


def _intensities(
    scenario: Scenario, spec: RateSpec, medians: Mapping[str, float]
) -> Iterator[float]:
    """Yield the rate per day in each combination of the states that matter to it."""
    factors = {factor.name: [state.id for state in factor.states] for factor in scenario.factors}
    for states in product(*(factors[name] for name in spec.tables)):
        at = dict(zip(spec.tables, states, strict=True))
        names = {name: spec.tables[name].get(state) for name, state in at.items()}
        base = spec.base if spec.values is None else names[spec.values]
        multipliers = [
            medians[each]
            for name, each in names.items()
            if each is not None and name != spec.values
        ]
        yield _per_day(scenario, spec, base, medians) * prod(multipliers)


def _per_day(
    scenario: Scenario, spec: RateSpec, name: str | None, medians: Mapping[str, float]
) -> float:
    if name is None:
        return 0.0
    if spec.window is not None:
        return -log1p(-medians[name]) / spec.window
    return medians[name] / scenario.assumptions[name].days


def _targets(scenario: Scenario, findings: Findings) -> None:
    """Warn of targets that no moves lead to."""
    met = _met(scenario.ladder.start, {(m.source, m.target) for m in scenario.ladder.moves})
    order = [state.id for state in scenario.rungs]
    highest = max((order.index(each) for each in met if each in order), default=0)
    for target in scenario.targets:
        if target not in met and (target not in order or order.index(target) > highest):
            findings.warn(
                scenario.assumptions[next(iter(scenario.ladder.start.values()))].location,
                "targets",
                f"no moves lead to {quoted(target)}: it is never reached",
            )


def _unreached(scenario: Scenario, findings: Findings) -> None:
    """Warn of latent states that have no start and to which no moves lead."""
    for factor in scenario.latent:
        met = _met(factor.start, {(m.source, m.target) for m in factor.moves})
        for state in factor.states:
            if state.id not in met:
                place = scenario.assumptions[next(iter(factor.start.values()))].location
                findings.warn(
                    place,
                    dotted("latent", factor.name),
                    f"{quoted(state.id)} has no "
                    "start probability and no moves lead to it: it is never reached",
                )


def _met(start: Mapping[str, str], moves: set[tuple[str, str]]) -> set[str]:
    """Return the states that can be reached."""
    met, before = set(start), -1
    while len(met) != before:
        before = len(met)
        met |= {target for source, target in moves if source in met}
    return met
