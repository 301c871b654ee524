"""The tables and texts of a comparison's report, as HTML that is safe to show.

Every function returns a `markup.Fragment` for a notebook's cell; whatever an analyst wrote goes
through `markup.text`. The numbers are those of `compare_record`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from escalation.comparing.differences import NOTHING
from escalation.comparing.record import (
    METHODS,
    about,
    days_spoken_of,
    gap_text,
    label,
    measure,
    points,
)
from escalation.maths.words import percent, percent_range, say
from escalation.reading.naming import day, number
from escalation.reporting.markup import EMPTY, Fragment, table, tag, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from escalation.comparing.compare import Comparison
    from escalation.comparing.swapping import Swap
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
        tag("span", percent_range(estimate.low, estimate.high), class_="interval"),
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
    items = [
        tag(
            "li",
            tag("b", text(comparison.scenario(name).title)),
            tag("ul", *(tag("li", each) for each in _said(comparison, name))),
        )
        for name in comparison.others
    ]
    return Fragment(tag("ul", *items), "in words")


def _said(comparison: Comparison, name: str) -> list[Markup]:
    """One sentence for each target that moves by a point or more; one if none does."""
    found = []
    for target in comparison.targets:
        gap = comparison.gap(comparison.first, name, target)
        if abs(gap.difference) < 0.01:  # noqa: PLR2004 (one point)
            continue
        before = percent(comparison.reach(comparison.first, target).probability)
        after = percent(comparison.reach(name, target).probability)
        way = "likelier" if gap.difference > 0 else "less likely"
        sure = "in almost every draw" if gap.low * gap.high > 0 else "on average, not in every draw"
        found.append(
            Markup("{}: {} and not {}, {} {}.{} ").format(
                text(label(comparison, target)), after, before, way, sure,
                _main(comparison, name, target),
            )
        )  # fmt: skip
    return found or [Markup("No target moves by a point.")]


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
            what = about(comparison.scenarios, part.change.name)
            return Markup(
                " {} \N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}."
            ).format(how, text(what))
    return EMPTY


def differences(comparison: Comparison) -> Fragment:
    """Everything in which a scenario differs from the first: value here, value there, and why."""
    tables = [_differing(comparison, place) for place in range(1, len(comparison.names))]
    return Fragment(EMPTY.join(tables), "differences in assumptions and evidence")


def _differing(comparison: Comparison, place: int) -> Markup:
    """Return the table of one scenario; a reason that was just given is not given again."""
    first, other = comparison.scenarios[0].title, comparison.scenarios[place].title
    rows: list[list[object]] = []
    before: list[str] = []
    for each in comparison.differences:
        values, whys = ((side[0], side[place]) for side in (each.values, each.whys))
        if values[0] == values[1]:
            continue
        named = Markup("{}<br><code>{}</code>").format(
            text(about(comparison.scenarios, each.name)), text(each.name)
        )
        reasons = _reasons(values, whys)
        shown = reasons if reasons != before else ["as above"]
        rows.append([named, text(values[0]), text(values[1]), tag("small", *map(_line, shown))])
        before = reasons
    if not rows:
        return tag("p", text(f"{other}: it assumes the same and was shown the same."))
    caption = f"{other}: {len(rows)} difference{'s' if len(rows) > 1 else ''}"
    columns = ["What differs", first, other, "Why"]
    return table(columns, rows, caption=caption, kind="long differs")


def _reasons(values: tuple[str, str], whys: tuple[str, str]) -> list[str]:
    """Reasons for the values here and there, as far as each is given."""
    here, there = whys
    if here == there or not (here and there):
        return [here or there]
    if NOTHING in values:
        return [there if values[0] == NOTHING else here]
    return [f"Here: {here}", f"There: {there}"]


def _line(reason: str) -> Markup:
    return Markup("{}<br>").format(text(reason))


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
    both = Markup("{} {}").format(
        tag("span", f"alone {points(part.alone)},", class_="interval"),
        tag("span", f"withheld {points(part.withheld)}", class_="interval"),
    )
    if part.shapley is None:
        return both
    return Markup("{} {}").format(tag("strong", points(part.shapley)), both)


def swaps(comparison: Comparison) -> Fragment:
    """At which value of an assumption the gap in the first target closes."""
    target = label(comparison, comparison.targets[0])
    rows: list[list[object]] = []
    for each in comparison.swaps:
        title = comparison.scenario(each.other).title
        named = Markup("{}<br>{}").format(text(title), text(about(comparison.scenarios, each.name)))
        rows.append(
            [named, "in both" if each.alike else "in it alone", *_closing(comparison, each)]
        )
    caption = f"What would close the gap in {target} within {comparison.horizon} days"
    if not rows:
        return Fragment(tag("p", "There is no gap to close, or none was looked for."), caption)
    columns = ["Scenario, and what is held", "Held", "The gap closes at", "Range tried"]
    return Fragment(table(columns, rows, caption=caption, kind="figures"), caption)


def _closing(comparison: Comparison, each: Swap) -> list[Markup]:
    """The value at which a gap closes, and the range in which it was looked for."""
    low, high = (measure(comparison, each, end) for end in (each.low, each.high))
    ends = Markup("{} to {}").format(text(low.split(" ")[0]), text(high))
    if each.value is None or each.probability is None:
        gaps = f"gap {points(each.at_low)} to {points(each.at_high)}"
        return [
            tag("span", "nowhere"),
            Markup("{} {}").format(ends, tag("span", gaps, class_="interval")),
        ]
    value = tag("strong", text(measure(comparison, each, each.value)))
    there = tag("span", f"both {percent(each.probability)} there", class_="interval")
    return [Markup("{} {}").format(value, there), ends]


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
            given = comparison.blend.plausibility[name]
            shown.append(percent(given) if given else "none")
        rows.append(shown)
    caption = "Bayes factors are over the first scenario"
    return Fragment(table(columns, rows, caption=caption, kind="figures"), caption)


def _factor(factor: float | None, log_error: float, why_not: str) -> Markup:
    if factor is None:
        return Markup("none: {}").format(text(why_not))
    if not log_error:  # the first scenario, or one that the evidence treats alike
        return Markup("{}").format(number(factor))
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


def provenance(made_from: Mapping[str, Any]) -> Fragment:
    """What the comparison was made from; a file that several scenarios share is listed once."""
    scenarios = made_from["scenarios"]
    told = {key: value for key, value in made_from.items() if key != "scenarios"}
    files = {name: value for each in scenarios.values() for name, value in each["files"].items()}
    seen = {
        ", ".join(each["observations"]["files"]): each["observations"]["sha256"]
        for each in scenarios.values()
    }
    dates = {f"as of: {name.partition(' ')[2]}": each["as_of"] for name, each in scenarios.items()}
    listed = _flat({**told, **dates, "file": files, "reports known of": seen})
    rows = [[name, tag("code", value)] for name, value in listed]
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
