"""What a comparison says, as data and as a plain table.

`record` holds everything that the table and the report show, as values that JSON can hold;
`table` is what the command prints. Differences are in points: 100 times the difference of two
probabilities. A difference without words is on purpose: words are for probabilities.

>>> points(0.123), points(-0.004), points(0.0), points(0.00001)
('+12.3', '\N{MINUS SIGN}0.4', '0', 'about 0')
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from escalation.comparing.differences import NOTHING
from escalation.maths.words import percent, percent_range, say, say_interval
from escalation.reading.naming import TIMES, in_words, number, unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from escalation.comparing.compare import Comparison, Gap
    from escalation.comparing.swapping import Swap
    from escalation.comparing.switching import Explanation
    from escalation.engine.assessment import Estimate
    from escalation.reading.case import Scenario

SCHEMA = 1
SPOKEN_OF = (7, 30, 90)  # days ahead, besides the horizon
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
METHODS = {
    "prior": "prior draws, weighed by the evidence of each scenario",
    "amis": "adaptive importance sampling, one mixture for all scenarios",
}
MOST_PARTS = 5
SMALL = 0.0005  # differences below this print as 0.0 points


def points(difference: float) -> str:
    """Return a difference of probabilities in points, with its sign; `0` only if it is zero."""
    if difference == 0:
        return "0"
    if abs(difference) < SMALL:
        return "about 0"
    return f"{'+' if difference > 0 else MINUS}{abs(100 * difference):.1f}"


def days_spoken_of(comparison: Comparison) -> list[int]:
    """Days ahead of which a comparison speaks, the horizon last."""
    horizon = comparison.horizon
    return [*(each for each in SPOKEN_OF if each < horizon), horizon]


def label(comparison: Comparison, target: str) -> str:
    """Return the label of a rung or off-ramp."""
    states = comparison.scenarios[0].ladder.states
    return next(state.label for state in states if state.id == target)


def about(scenarios: tuple[Scenario, ...], name: str) -> str:
    """What a difference or a change is about, by its dotted name."""
    kind, _, rest = name.partition(".")
    if kind == "observations":
        return f"Report {rest}"
    if name.endswith(".start"):
        return f"{in_words(scenarios[0], name.removesuffix('.start')).strip()}: start"
    if name in {"start", "as_of", "admiralty"}:
        return {"start": "First day", "as_of": "As-of day", "admiralty": "Grades of reports"}[name]
    if kind == "indicators":
        known = next((each for each in scenarios if rest.split(".")[0] in each.indicators), None)
        return in_words(known or scenarios[0], name)
    return in_words(scenarios[0], name)


def record(comparison: Comparison) -> dict[str, object]:
    """Return the comparison as plain data."""
    return {
        "schema": SCHEMA,
        "first": comparison.first,
        "horizon_days": comparison.horizon,
        "seed": comparison.seed,
        "draws": comparison.shared.size,
        "method": comparison.shared.method,
        "targets": list(comparison.targets),
        "labels": {target: label(comparison, target) for target in comparison.targets},
        "scenarios": [_scenario(comparison, name) for name in comparison.names],
        "gaps": list(_gaps(comparison)),
        "differences": [
            {
                "name": each.name,
                "about": about(comparison.scenarios, each.name),
                "kind": each.kind,
                "values": dict(zip(comparison.names, each.values, strict=True)),
                "whys": dict(zip(comparison.names, each.whys, strict=True)),
            }
            for each in comparison.differences
        ],
        "explanations": [_explained(comparison, each) for each in comparison.explanations],
        "unexplained": dict(comparison.unexplained),
        "swaps": [_swap(comparison, each) for each in comparison.swaps],
        "blend": _blend(comparison),
    }


def _scenario(comparison: Comparison, name: str) -> dict[str, object]:
    scenario, fit = comparison.scenario(name), comparison.of(name).fit
    support = comparison.support[name]
    return {
        "name": name,
        "title": scenario.title,
        "as_of": str(scenario.as_of),
        "reach": {
            target: {
                str(days): _estimate(comparison.reach(name, target, days), scenario)
                | {"error": _round(comparison.error(name, target, days))}
                for days in days_spoken_of(comparison)
            }
            for target in comparison.targets
        },
        "effective_sample_size": _round(fit.ess),
        "pareto_k": _round(fit.pareto_k),
        "log_marginal_likelihood": _round(fit.log_marginal_likelihood),
        "bayes_factor": None if support.bayes_factor is None else _round(support.bayes_factor),
        "no_bayes_factor_because": support.why_not,
    }


def _estimate(estimate: Estimate, scenario: Scenario) -> dict[str, object]:
    return {
        "probability": _round(estimate.probability),
        "low": _round(estimate.low),
        "high": _round(estimate.high),
        "word": say(estimate.probability, scenario.words),
        "interval_words": say_interval(estimate.low, estimate.high, scenario.words),
    }


def _round(value: float | None) -> float | None:
    """Six significant digits; None for what is no number."""
    return None if value is None or isnan(value) else float(f"{value:.6g}")


def _gaps(comparison: Comparison) -> Iterator[dict[str, object]]:
    for other in comparison.others:
        for target in comparison.targets:
            for days in days_spoken_of(comparison):
                gap = comparison.gap(comparison.first, other, target, days)
                yield {
                    "first": comparison.first,
                    "other": other,
                    "target": target,
                    "days": days,
                } | {
                    key: _round(getattr(gap, key))
                    for key in ("difference", "low", "high", "error", "overlap")
                }


def _explained(comparison: Comparison, each: Explanation) -> dict[str, object]:
    return {
        "first": each.first,
        "other": each.other,
        "target": each.target,
        "gap": _round(each.gap),
        "draws": each.draws,
        "parts": [
            {
                "name": part.change.name,
                "about": about(comparison.scenarios, part.change.name),
                "alone": _round(part.alone),
                "withheld": _round(part.withheld),
                "shapley": None if part.shapley is None else _round(part.shapley),
            }
            for part in each.parts
        ],
    }


def _swap(comparison: Comparison, each: Swap) -> dict[str, object]:
    said = ("first", "other", "target", "name")
    numbers = ("value", "probability", "low", "high", "at_low", "at_high")
    return {
        **{key: getattr(each, key) for key in said},
        "about": about(comparison.scenarios, each.name),
        "held_in": "both" if each.alike else "other",
        **{key: _round(getattr(each, key)) for key in numbers},
        "draws": each.draws,
    }


def _blend(comparison: Comparison) -> dict[str, object] | None:
    blend = comparison.blend
    if blend is None:
        return None
    first = comparison.scenarios[0]
    return {
        "plausibility": {name: _round(share) for name, share in blend.plausibility.items()},
        "reach": {
            target: _estimate(each, first) | {"error": _round(blend.errors[target])}
            for target, each in blend.targets.items()
        },
    }


def table(comparison: Comparison) -> list[str]:
    """Lines of a plain table: targets by scenario, differences, and what explains them."""
    lines = [f"{len(comparison.names)} scenarios side by side, {comparison.horizon} days ahead", ""]
    lines += _reach_lines(comparison)
    for other in comparison.others:
        lines += ["", *_other_lines(comparison, other)]
    lines += ["", *_support_lines(comparison)]
    return [*lines, "", *_footer(comparison)]


def _reach_lines(comparison: Comparison) -> list[str]:
    wide = max(len(name) for name in (*comparison.names, "blend"))
    head = "".join(f"{label(comparison, target):>26.24}" for target in comparison.targets)
    lines = [f"Probability of reaching it within {comparison.horizon} days", " " * wide + head]
    for name in comparison.names:
        cells = (comparison.reach(name, target) for target in comparison.targets)
        lines.append(name.ljust(wide) + "".join(f"{_cell(each):>26}" for each in cells))
    if comparison.blend is not None:
        each = comparison.blend.targets
        cells = (each[target] for target in comparison.targets)
        lines.append("blend".ljust(wide) + "".join(f"{_cell(each):>26}" for each in cells))
    return lines


def _cell(estimate: Estimate) -> str:
    return f"{percent(estimate.probability)} ({percent_range(estimate.low, estimate.high)})"


def _other_lines(comparison: Comparison, other: str) -> list[str]:
    """Differences of one scenario from the first, and what they come from."""
    lines = [f"{other} beside {comparison.first}, in points"]
    for target in comparison.targets:
        gap = comparison.gap(comparison.first, other, target)
        lines.append(f"  {label(comparison, target):<26.26}{gap_text(gap)}")
        found = [e for e in comparison.explanations if (e.other, e.target) == (other, target)]
        lines += [line for each in found for line in _part_lines(comparison, each)]
    if other in comparison.unexplained:
        lines.append(f"  Not split: {comparison.unexplained[other]}")
    lines += [
        f"  Closed at {at}: {about(comparison.scenarios, each.name)}"
        for each in comparison.swaps
        if each.other == other and (at := swap_value(comparison, each))
    ]
    values = _values(comparison, other)
    lines += [f"  {name}: {first} {DASH}> {last}" for name, (first, last) in values.items()]
    return lines


def gap_text(gap: Gap) -> str:
    """`+4.1 (+1.0 to +9.5), error 0.2`."""
    if gap.difference == gap.low == gap.high == 0:
        return "0, exactly"
    error = f"{100 * gap.error:.1f}" if gap.error >= SMALL else "below 0.1"
    if max(abs(gap.difference), abs(gap.low), abs(gap.high)) < SMALL:
        return f"about 0, error {error}"
    return f"{points(gap.difference)} ({points(gap.low)} to {points(gap.high)}), error {error}"


def _part_lines(comparison: Comparison, each: Explanation) -> list[str]:
    if not each.gap:
        return []
    return [
        f"      {points(part.size):>7}  {about(comparison.scenarios, part.change.name)}"
        for part in each.parts[:MOST_PARTS]
        if part.size
    ]


def swap_value(comparison: Comparison, each: Swap) -> str:
    """Value of an assumption at which the gap closes, with its unit; empty where none does."""
    return "" if each.value is None else measure(comparison, each, each.value)


def measure(comparison: Comparison, each: Swap, value: float) -> str:
    """Return a value of the assumption that a swap is about, with its unit."""
    assumption = comparison.scenario(each.other).assumptions[each.name]
    sign = TIMES if assumption.role == "multiplier" else ""
    return f"{sign}{number(value)} {unit(assumption)}".strip()


def _values(comparison: Comparison, other: str) -> Mapping[str, tuple[str, str]]:
    """What one scenario assumes otherwise than the first: name → both as written."""
    index = comparison.names.index(other)
    pairs = {each.name: (each.values[0], each.values[index]) for each in comparison.differences}
    return {
        name: (first or NOTHING, last or NOTHING)
        for name, (first, last) in pairs.items()
        if first != last
    }


def _support_lines(comparison: Comparison) -> list[str]:
    lines = [f"How well each explains the evidence, beside {comparison.first}"]
    for name in comparison.others:
        support = comparison.support[name]
        if support.bayes_factor is None:
            lines.append(f"  {name}: not comparable, {support.why_not}")
        else:
            error = number(support.bayes_factor * support.log_error)
            factor = number(support.bayes_factor)
            lines.append(f"  {name}: Bayes factor {factor} (error {error})")
    return lines


def _footer(comparison: Comparison) -> list[str]:
    least = min(comparison.of(name).fit.ess for name in comparison.names)
    made = f"{comparison.shared.size} shared draws ({METHODS[comparison.shared.method]})"
    return [
        "Intervals hold the central 90 %: what the assumptions leave open. Errors are Monte Carlo.",
        f"{made}, effective sample size {least:.0f} or more, seed {comparison.seed}.",
    ]
