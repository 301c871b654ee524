"""The tables and texts of a report, from an assessment to HTML that is safe to show.

Every function returns a `markup.Fragment` for a notebook's cell. Whatever an analyst wrote goes
through `markup.text`; numbers and words come from the same `record.headlines` as `result.json`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from escalation.maths.words import grade_meaning, percent
from escalation.reading.naming import (
    DASH,
    day,
    factor_of,
    in_words,
    number,
    range_text,
    short_day,
    short_labels,
    unit,
    value_text,
    words,
)
from escalation.reporting.markup import EMPTY, Fragment, clean, table, tag, text
from escalation.reporting.record import headlines, interval_text, known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Assumption, Observation
    from escalation.reporting.alarms import Condition
    from escalation.reporting.record import Headline, Within

METHODS = {
    "prior": "draws from the prior, weighted by the evidence",
    "amis": "adaptive importance sampling",
    "smc+amis": "adaptive importance sampling, started by a tempered particle run",
}
TRUSTED_SHAPE = 0.7  # Pareto k̂ above which weights are not to be trusted (Vehtari et al. 2024)
SHOWN = 12  # assumptions in full view; the rest are folded
EVERYDAY: Mapping[str, str] = {}  # no report was surprising
FEW_DRAWS = 400  # effective draws below which a 5 % quantile is rough


def masthead(assessment: Assessment) -> Fragment:
    """Title, question, and as of when."""
    scenario = assessment.scenario
    last = assessment.as_of + timedelta(days=assessment.horizon)
    return Fragment(
        tag(
            "header",
            tag("h1", text(scenario.title)),
            tag("p", text(scenario.question), class_="question"),
            tag(
                "p",
                f"As of {day(assessment.as_of)}, from {len(known(assessment))} reports since "
                f"{day(scenario.start)}. {assessment.horizon} days ahead, to {day(last)}.",
                class_="dateline",
            ),
        ),
        scenario.title,
    )


def headline(assessment: Assessment) -> Fragment:
    """How likely each target is, in numbers and words: first by the horizon, then by when."""
    spoken = headlines(assessment)
    cards = EMPTY.join(_card(each) for each in spoken)
    days = [each.days for each in spoken[0].within]
    rows = [[text(each.state.label), *map(_cell, each.within)] for each in spoken]
    columns = [f"Within {each} days" for each in days]
    summary = "; ".join(
        f"{each.state.label}: {each.last.percent}, {each.last.word}" for each in spoken
    )
    return Fragment(
        Markup("{}{}{}").format(
            tag(
                "p",
                f"Probability of reaching it by {day(spoken[0].last.by)}, within "
                f"{assessment.horizon} days",
                class_="lead",
            ),
            tag("ul", cards, class_="cards"),
            table(
                ["Target", *columns], rows, caption="By when, in numbers and words", kind="figures"
            ),
        ),
        summary,
    )


def _card(each: Headline) -> Markup:
    last = each.last
    return tag(
        "li",
        tag("span", text(each.state.label), class_="label"),
        tag("strong", last.percent),
        tag("span", last.word, class_="word"),
        tag("span", f"{interval_text(last.estimate)}: {last.interval_words}", class_="interval"),
        class_="off-ramp" if each.state.off_ramp else "climb",
    )


def _cell(within: Within) -> Markup:
    return Markup("{} {} {}").format(
        tag("strong", within.percent),
        tag("span", interval_text(within.estimate), class_="interval"),
        tag("span", within.word, class_="word"),
    )


def alerts(conditions: Sequence[Condition]) -> Fragment:
    """Show a notice for every condition of the scenario that is met."""
    raised = [each for each in conditions if each.raised]
    notices = (
        tag("p", tag("strong", "Alert. "), text(each.text), class_="alert") for each in raised
    )
    return Fragment(EMPTY.join(notices), "; ".join(each.text for each in raised))


def when(assessment: Assessment) -> Fragment:
    """How likely every rung and off-ramp is to be reached by when."""
    scenario = assessment.scenario
    ordered = [*reversed(scenario.rungs[1:]), *scenario.off_ramps]
    every = headlines(assessment, [state.id for state in ordered])
    columns = [f"Within {each.days} days" for each in every[0].within]
    rows = [
        [text(each.state.label), *map(_cell, each.within), _even(assessment, each)]
        for each in every
    ]
    return Fragment(
        table(
            ["Rung or off-ramp", *columns, "Even odds by"],
            rows,
            kind="figures",
            caption="Probability of reaching it, or a higher rung, at least once; and the day by "
            f"which that is as likely as not (later: after {day(every[0].last.by)})",
        )
    )


def _even(assessment: Assessment, each: Headline) -> str:
    if each.even_odds is None:
        return "later"
    return "now" if each.even_odds == assessment.as_of else day(each.even_odds)


def rungs(assessment: Assessment) -> Fragment:
    """What counts as having reached each rung."""
    ordered = [*reversed(assessment.scenario.rungs), *assessment.scenario.off_ramps]
    rows = [[text(state.label), text(state.resolves)] for state in ordered]
    caption = "What counts as having reached each rung and off-ramp"
    return Fragment(table(["Rung", "What counts"], rows, caption=caption, kind="plain"), caption)


def key(assessment: Assessment) -> Markup:
    """What marks and states of the timeline mean, as a caption."""
    parts = [
        tag(
            "p",
            "Each dot is a report on the day it happened: full if its source is graded A or "
            "B, open if weaker or ungraded; a line spreads a count over days; a diamond is "
            "a thing announced for later. Below, what all of them say of each day.",
        )
    ]
    parts += [_states(factor.name, assessment) for factor in assessment.scenario.latent]
    return EMPTY.join(parts)


def _states(factor: str, assessment: Assessment) -> Markup:
    which = factor_of(assessment.scenario, factor)
    names = short_labels(which)
    meant = [state for state in which.states if names[state.id] != state.label]
    if not meant:
        return EMPTY
    pairs = (Markup("<b>{}</b>: {}").format(names[state.id], text(state.label)) for state in meant)
    return tag("p", text(which.label), ". ", Markup("; ").join(pairs), ".")


def assumptions(assessment: Assessment) -> Fragment:
    """Prior beside posterior of each uncertain assumption, the most moved first."""
    moved = assessment.movement
    rows = [_assumption(assessment, name, share) for name, share in moved.items()]
    columns = ["Assumption", "Before", "After", "Moved", "Why, and source"]
    summary = f"{len(rows)} uncertain assumptions"
    caption = (
        f"The {min(SHOWN, len(rows))} assumptions that the evidence moved most, by their medians "
        "and central 90 %. Moved: the largest shift of the distribution, of 100 %"
    )
    others = f"The other {len(rows) - SHOWN} uncertain assumptions"
    return Fragment(
        Markup("{}{}").format(
            table(columns, rows[:SHOWN], caption=caption, kind="long believed"),
            _folded(others, table(columns, rows[SHOWN:], caption=others, kind="long believed"))
            if rows[SHOWN:]
            else EMPTY,
        ),
        summary,
    )


def _folded(summary: str, inside: Markup) -> Markup:
    return tag("details", tag("summary", summary), inside)


def _assumption(assessment: Assessment, name: str, moved: float) -> list[Markup | str]:
    each = assessment.scenario.assumptions[name]
    spreads = (assessment.prior_spread[name], assessment.posterior_spread[name])
    values = [
        Markup("{}<br><small>{} {}</small>").format(
            value_text(each, spread.quantiles[2]),
            range_text(each, spread.quantiles[0], spread.quantiles[4]),
            unit(each),
        )
        for spread in spreads
    ]
    return [_named(assessment, each), *values, percent(min(1.0, moved)), _reason(each)]


def _named(assessment: Assessment, each: Assumption) -> Markup:
    """Return what an assumption is about, and its dotted name, which may break at its dots."""
    dotted = Markup(".<wbr>").join(clean(part) for part in each.name.split("."))
    about = text(in_words(assessment.scenario, each.name))
    return Markup("{}<br>{}").format(about, tag("code", tag("bdi", dotted)))


def _reason(each: Assumption) -> Markup:
    source = tag("cite", text(each.source)) if each.source else EMPTY
    return Markup("{} {}").format(text(each.why) if each.why else EMPTY, source)


def fixed(assessment: Assessment) -> Fragment:
    """List the numbers that a scenario takes as certain, and why."""
    every = assessment.scenario.assumptions.values()
    rows = [
        [
            _named(assessment, each),
            Markup("{} {}").format(text(each.text), tag("small", unit(each))),
            _reason(each),
        ]
        for each in every
        if each.prior.fixed
    ]
    summary = f"{len(rows)} numbers taken as certain"
    columns = ["Number", "Value", "Why, and source"]
    return Fragment(
        _folded(summary, table(columns, rows, caption=summary, kind="long fixed")), summary
    )


def observations(assessment: Assessment, surprising: Mapping[str, str] = EVERYDAY) -> Fragment:
    """Return the reports with their sources and grades, the latest first.

    Parameters
    ----------
    assessment : Assessment
    surprising : Mapping[str, str]
        Id of a report → how surprising it was, of those that were.
    """
    reports = known(assessment)
    rows = [_observation(assessment, each, surprising) for each in reversed(reports)]
    columns = ["Public on", "Report", "Grade", "Source"]
    caption = f"{len(rows)} reports known on {day(assessment.as_of)}, the latest first"
    if surprising:
        caption += f"; {len(surprising)} came as a surprise"
    return Fragment(table(columns, rows, caption=caption, kind="long reports"), caption)


def _observation(
    assessment: Assessment, each: Observation, surprising: Mapping[str, str]
) -> list[Markup | str]:
    indicator = assessment.scenario.indicators[each.indicator]
    grade = each.source_grade + each.information_grade
    about = [tag("b", text(indicator.label)), tag("small", " ", words(indicator.category))]
    about += [Markup("<br>"), text(each.note)] if each.note else []
    if each.id in surprising:
        about.append(tag("span", surprising[each.id], class_="surprise"))
    return [
        _date(each),
        EMPTY.join([*about, *_remarks(each)]),
        Markup("<b>{}</b> <small>{}</small>").format(grade, grade_meaning(grade)),
        text(each.source),
    ]


def _date(each: Observation) -> Markup:
    happened = short_day(each.occurred_on)
    if each.until:
        happened += f" {DASH} {short_day(each.until)}"
    if happened == short_day(each.reported_on):
        return Markup("{}").format(day(each.reported_on))
    verb = "due" if each.scheduled else "happened"
    return Markup("{}<br><small>{} {}</small>").format(day(each.reported_on), verb, happened)


def _remarks(each: Observation) -> list[Markup]:
    """Return what else matters of a row: how many, and of whom it is an echo."""
    found = [f"counts {each.count}"] if each.count != 1 else []
    found += [f"echo group {each.echo_group}"] if each.echo_group else []
    return [tag("small", " ", text("; ".join(found)))] if found else []


def diagnostics(assessment: Assessment) -> Fragment:
    """How the numbers were made, and how far their sampling can be trusted."""
    quality = assessment.diagnostics
    rows = [
        ["Made by", METHODS.get(quality.method, quality.method)],
        ["Draws of the assumptions", f"{quality.draws} from {quality.evaluations} evaluations"],
        ["Effective sample size", f"{quality.ess:.0f}: {_verdict(quality.ess >= FEW_DRAWS)}"],
        ["Largest weight", percent(quality.largest_weight)],
        ["Shape of the weights' tail, Pareto k", _shape(quality.pareto_k)],
        ["Log marginal likelihood", number(quality.log_marginal_likelihood)],
        ["Seed", str(assessment.seed)],
    ]
    inside = table(["What", "Value"], rows, caption="Sampling", kind="plain")
    return Fragment(Markup("{}{}").format(inside, _warnings(assessment)), "sampling diagnostics")


def _verdict(good: object) -> str:
    return "enough" if good else "few, so that intervals are rough; ask for more draws"


def _shape(shape: float) -> str:
    if shape != shape:  # noqa: PLR0124 (only NaN differs from itself: no tail to fit)
        return "no tail to fit"
    trusted = shape < TRUSTED_SHAPE
    limit = f"{'below' if trusted else 'above'} {TRUSTED_SHAPE}"
    return f"{shape:.2f}, {limit}: {'to be trusted' if trusted else 'not to be trusted'}"


def _warnings(assessment: Assessment) -> Markup:
    warnings = assessment.scenario.warnings
    if not warnings:
        return EMPTY
    items = (
        tag(
            "li",
            tag("code", text(f"{each.path.name}:{each.line} {each.where}")),
            " ",
            text(each.message),
        )
        for each in warnings
    )
    return _folded(f"{len(warnings)} warnings about the scenario's files", tag("ul", *items))


def provenance(made_from: Mapping[str, object]) -> Fragment:
    """Return what a run was made from: digests, versions, parameters, commit."""
    rows = [[name, tag("code", value)] for name, value in _flat(made_from)]
    caption = "What this report was made from; file digests are SHA-256"
    return Fragment(table(["What", "Value"], rows, caption=caption, kind="plain"), caption)


def _flat(data: Mapping[str, object], above: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return nested values with their path, such as `libraries: numpy`."""
    found: list[tuple[str, str]] = []
    for name, value in data.items():
        path = (*above, name)
        if isinstance(value, dict):
            found += _flat(value, path)
        else:
            shown = ", ".join(value) if isinstance(value, list) else value
            found.append((": ".join(path), "none" if shown is None else str(shown)))
    return found
