"""The tables and texts of a comparison's report, as HTML that is safe to show.

Every function returns a `markup.Fragment` for a notebook's cell; whatever an analyst wrote goes
through `markup.text`. The numbers are those of `compare_record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from escalation.comparing.record import (
    METHODS,
    about,
    days_spoken_of,
    gap_text,
    interval,
    label,
    points,
)
from escalation.maths.words import percent, say
from escalation.reading.naming import day, number
from escalation.reporting.markup import EMPTY, Fragment, table, tag, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from escalation.comparing.compare import Comparison
    from escalation.comparing.switching import Explanation
    from escalation.engine.assessment import Estimate
    from escalation.maths.words import Table

ENOUGH_OVERLAP = 0.5  # share of pairs that are one draw, below which an interval is wide by luck


def masthead(comparison: Comparison) -> Fragment:
    """What is compared, with which, and as of when."""
    first = comparison.scenarios[0]
    days = {scenario.as_of for scenario in comparison.scenarios}
    when = f"As of {day(first.as_of)}. " if len(days) == 1 else ""
    questions = (
        tag("li", tag("b", text(each.title)), ". ", text(each.question))
        for each in comparison.scenarios
    )
    return Fragment(
        tag(
            "header",
            tag("h1", f"{len(comparison.scenarios)} scenarios side by side"),
            tag("p", text(first.title), " is what the others are measured against.",
                class_="question"),
            tag("p", f"{when}{comparison.horizon} days ahead.", class_="dateline"),
            tag("ul", *questions),
        ),
        f"{len(comparison.scenarios)} scenarios side by side",
    )  # fmt: skip


def targets(comparison: Comparison) -> Fragment:
    """How likely each target is in each scenario, in numbers and words."""
    columns = ["Scenario", *(label(comparison, target) for target in comparison.targets)]
    rows: list[list[object]] = []
    for name in comparison.names:
        scenario = comparison.scenario(name)
        estimates = (comparison.reach(name, target) for target in comparison.targets)
        rows.append([text(scenario.title), *(_cell(e, scenario.words) for e in estimates)])
    if comparison.blend is not None:
        words = comparison.scenarios[0].words
        blended = comparison.blend.targets
        rows.append(["Blend", *(_cell(blended[each], words) for each in comparison.targets)])
    caption = f"Probability of reaching it within {comparison.horizon} days"
    return Fragment(table(columns, rows, caption=caption, kind="figures"), caption)


def _cell(estimate: Estimate, words: Table) -> Markup:
    return Markup("{} {} {}").format(
        tag("strong", percent(estimate.probability)),
        tag("span", interval(estimate.low, estimate.high), class_="interval"),
        tag("span", say(estimate.probability, words), class_="word"),
    )


def gaps(comparison: Comparison) -> Fragment:
    """How much likelier each target is than in the first scenario."""
    days = days_spoken_of(comparison)
    columns = ["Scenario and target", *(f"Within {each} days" for each in days)]
    rows = [
        [
            Markup("{}<br>{}").format(
                text(comparison.scenario(name).title), label(comparison, target)
            ),
            *(gap_text(comparison.gap(comparison.first, name, target, each)) for each in days),
        ]
        for name in comparison.others
        for target in comparison.targets
    ]
    caption = (
        f"Points more or less than in {comparison.scenarios[0].title}, the central 90 % over "
        "shared draws, and the Monte Carlo error"
    )
    return Fragment(table(columns, rows, caption=caption, kind="figures"), caption)


def sentences(comparison: Comparison) -> Fragment:
    """What the comparison comes to, in words."""
    items = [tag("li", each) for name in comparison.others for each in _sentence(comparison, name)]
    return Fragment(tag("ul", *items), "in words")


def _sentence(comparison: Comparison, name: str) -> list[Markup]:
    """One sentence for each target that moves by a point or more; one if none does."""
    found = []
    title = text(comparison.scenario(name).title)
    for target in comparison.targets:
        gap = comparison.gap(comparison.first, name, target)
        if abs(gap.difference) < 0.01:  # noqa: PLR2004 (one point)
            continue
        before = percent(comparison.reach(comparison.first, target).probability)
        after = percent(comparison.reach(name, target).probability)
        way = "likelier" if gap.difference > 0 else "less likely"
        sure = " in almost every draw" if gap.low * gap.high > 0 else " on average"
        main = _main(comparison, name, target)
        found.append(
            Markup("{}: {} is {}{}, {} and not {}.{}").format(
                title, text(label(comparison, target)), way, sure, after, before, main
            )
        )
    return found or [Markup("{}: no target moves by a point.").format(title)]


def _main(comparison: Comparison, name: str, target: str) -> Markup:
    """Which change explains most of it."""
    for each in comparison.explanations:
        if (each.other, each.target) == (name, target) and each.gap:
            part = each.parts[0]
            share = part.size / each.gap
            if len(each.parts) == 1:
                how = "All of it comes from"
            else:
                how = "Most of it comes from" if share > 0.5 else "The largest part comes from"  # noqa: PLR2004
            return Markup(" {}: {}.").format(
                how, text(about(comparison.scenarios, part.change.name))
            )
    return EMPTY


def differences(comparison: Comparison) -> Fragment:
    """Everything that is not the same in all scenarios: value here, value there, and why."""
    columns = ["What differs", *(each.title for each in comparison.scenarios)]
    rows: list[list[object]] = []
    for each in comparison.differences:
        named = Markup("{}<br><code>{}</code>").format(
            text(about(comparison.scenarios, each.name)), text(each.name)
        )
        pairs = zip(each.values, each.whys, strict=True)
        shown = [
            _value(value, why, each.whys[0], place) for place, (value, why) in enumerate(pairs)
        ]
        rows.append([named, *shown])
    caption = f"{len(rows)} differences in assumptions and evidence"
    if not rows:
        return Fragment(tag("p", "They assume the same and were shown the same."), caption)
    return Fragment(table(columns, rows, caption=caption, kind="long"), caption)


def _value(value: str, why: str, first_why: str, place: int) -> Markup:
    """Return a value, with its reason where it is not that of the first scenario."""
    told = why and (place == 0 or why != first_why)
    return Markup("{}{}").format(text(value), tag("small", " ", text(why)) if told else EMPTY)


def explanations(comparison: Comparison) -> Fragment:
    """Which differing assumption explains how much of each gap."""
    tables = [_explanation(comparison, name) for name in comparison.others]
    notes = [
        tag("p", text(f"{comparison.scenario(name).title}: {why}."))
        for name, why in comparison.unexplained.items()
    ]
    return Fragment(EMPTY.join([*tables, *notes]), "what explains the gaps")


def _explanation(comparison: Comparison, name: str) -> Markup:
    found = [each for each in comparison.explanations if each.other == name]
    if not found:
        return EMPTY
    columns = ["Switched", *(label(comparison, each.target) for each in found)]
    changes = [part.change.name for part in found[0].parts]
    rows: list[list[object]] = [
        [text(about(comparison.scenarios, change)), *(_part(each, change) for each in found)]
        for change in changes
    ]
    rows.append(["All together", *(tag("strong", points(each.gap)) for each in found)])
    title = comparison.scenario(name).title
    caption = f"{title}: points explained, from {found[0].draws} of the shared draws"
    return table(columns, rows, caption=caption, kind="figures")


def _part(each: Explanation, change: str) -> Markup:
    part = next(part for part in each.parts if part.change.name == change)
    alone = f"alone {points(part.alone)}, withheld {points(part.withheld)}"
    if part.shapley is None:
        return tag("span", alone)
    return Markup("{} {}").format(
        tag("strong", points(part.shapley)), tag("span", alone, class_="interval")
    )


def support(comparison: Comparison) -> Fragment:
    """How well each scenario explains the evidence, and what its draws are worth."""
    columns = ["Scenario", "Log marginal likelihood", "Bayes factor", "Effective draws"]
    if comparison.blend is not None:
        columns.append("Plausibility given")
    rows: list[list[object]] = []
    for name in comparison.names:
        each = comparison.support[name]
        shown: list[object] = [
            text(comparison.scenario(name).title),
            f"{each.log_marginal_likelihood:.2f}",
            _factor(each.bayes_factor, each.log_error, each.why_not),
            f"{comparison.of(name).fit.ess:.0f}",
        ]
        if comparison.blend is not None:
            shown.append(percent(comparison.blend.plausibility[name]))
        rows.append(shown)
    caption = "Bayes factors are over the first scenario"
    return Fragment(table(columns, rows, caption=caption, kind="figures"), caption)


def _factor(factor: float | None, log_error: float, why_not: str) -> Markup:
    if factor is None:
        return Markup("none: {}").format(text(why_not))
    return Markup("{} {}").format(
        number(factor), tag("span", f"error {number(factor * log_error)}", class_="interval")
    )


def diagnostics(comparison: Comparison) -> Fragment:
    """How the numbers were made."""
    overlaps = [
        comparison.gap(comparison.first, name, comparison.targets[0]).overlap
        for name in comparison.others
    ]
    rows: Sequence[Sequence[object]] = [
        ["Made by", METHODS[comparison.shared.method]],
        ["Shared draws", str(comparison.shared.size)],
        ["Least effective sample size", f"{min(each.fit.ess for each in comparison.weighed):.0f}"],
        ["Least share of pairs that are one draw", _overlap(min(overlaps))],
        ["Seed", str(comparison.seed)],
    ]
    return Fragment(table(["What", "Value"], rows, caption="Sampling", kind="plain"), "sampling")


def _overlap(overlap: float) -> str:
    rough = "" if overlap >= ENOUGH_OVERLAP else ": intervals of differences are wider for it"
    return f"{percent(min(1.0, overlap))}{rough}"


def provenance(made_from: Mapping[str, object]) -> Fragment:
    """What the comparison was made from."""
    rows = [[name, tag("code", value)] for name, value in _flat(made_from)]
    caption = "What this report was made from; file digests are SHA-256"
    return Fragment(table(["What", "Value"], rows, caption=caption, kind="plain"), caption)


def _flat(data: Mapping[str, object], above: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in data.items():
        path = f"{above}: {name}" if above else name
        if isinstance(value, dict):
            found += _flat(value, path)
        else:
            found.append((path, "none" if value is None else str(value)))
    return found
