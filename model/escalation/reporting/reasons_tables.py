"""What a report says in words: the judgements, why, what would change them, what has changed.

Every function returns a `markup.Fragment` for a notebook's cell, with whatever an analyst wrote
escaped. Likelihood and confidence are never in one sentence.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from markupsafe import Markup

from escalation.maths.words import percent, signed
from escalation.reading.naming import (
    ARROW,
    day,
    in_words,
    range_text,
    report_label,
    state_of,
    unit,
    value_text,
    words,
)
from escalation.reporting.markup import EMPTY, Fragment, table, tag, text
from escalation.reporting.record import interval_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from escalation.explaining.changes import Part
    from escalation.explaining.sensitivity import BreakEven, Index
    from escalation.explaining.watchlist import Watch
    from escalation.reporting.reasons import BaseRate, Judgement, Reasons, Since

KINDS = {
    "time": "Time passing, with nothing new",
    "reports": "New reports",
    "retractions": "Reports withdrawn",
    "edits": "Edited assumptions and settings",
}
LEAST_ERROR = 0.01  # a sampling error is not said more finely
NAMED = 6  # changes of a kind that are named; the rest are counted


def judgements(why: Reasons) -> Fragment:
    """Say of each target how likely it is, what base rates there are, and with what confidence."""
    parts = EMPTY.join(_judgement(why, each) for each in why.judgements)
    rule = tag("p", "Confidence: ", why.judgements[0].confidence.rule, class_="note")
    said = " ".join(f"{each.likelihood} {each.confidence.sentence}" for each in why.judgements)
    return Fragment(Markup("{}{}").format(parts, rule), said)


def _judgement(why: Reasons, each: Judgement) -> Markup:
    criteria = (
        tag("li", tag("b", f"{words(criterion.name)}, {criterion.verdict}: "), text(criterion.text))
        for criterion in each.confidence.criteria
    )
    return tag(
        "div",
        tag("h3", text(state_of(why.assessment.scenario, each.target).label)),
        tag("p", text(each.likelihood)),
        _base_rates(why, each),
        tag("p", each.confidence.sentence),
        tag(
            "details",
            tag("summary", "Grounds of this confidence"),
            tag("ul", *criteria),
            class_="grounds",
        ),
        class_="judgement",
    )


def _base_rates(why: Reasons, each: Judgement) -> Markup:
    if not each.base_rates:
        nothing = "No counted base rate stands behind the moves to it: they rest on judgement."
        return tag("p", nothing, class_="base-rate")
    return EMPTY.join(_base_rate(why, rate) for rate in each.base_rates)


def _base_rate(why: Reasons, each: BaseRate) -> Markup:
    """Say a base rate, and what it is not."""
    steps = Markup(" or ").join(
        Markup("{} {} {}").format(text(source), ARROW, text(target))
        for source, target in each.steps
    )
    chance = f"{percent(each.estimate.probability)} ({interval_text(each.estimate)})"
    which = "the last step" if each.into else "a step on the way"
    return tag(
        "p",
        tag("b", "Base rate: "),
        text(each.reference.label),
        f", {chance} within {why.assessment.horizon} days",
        _counted(each),
        Markup(". It is that of {} ({}) for cases that stand right before it, not of ").format(
            which, steps
        ),
        "reaching the target from where this case stands.",
        class_="base-rate",
    )


def _counted(each: BaseRate) -> Markup:
    """How many events in how many days, and the source."""
    reference = each.reference
    found = []
    if reference.events is not None and reference.exposure is not None:
        found.append(text(f"{reference.events:,} events in {reference.exposure:,} days at risk"))
    if reference.source:
        found.append(tag("cite", text(reference.source)))
    return Markup("; {}").format(Markup("; ").join(found)) if found else EMPTY


def moved(why: Reasons) -> Markup:
    """Caption of the waterfall."""
    found = why.moved
    return Markup(
        "{}: from {} on the first day, before any report, to {}. Bars are jumps in log-odds and "
        "add up ({}); two reports that say the same share what one alone would do, the first "
        "taking more. Every probability is for the {} days after its day; {} effective draws or "
        "more."
    ).format(
        text(why.label),
        percent(found.start),
        percent(found.end),
        signed(found.total),
        found.horizon,
        f"{found.effective:.0f}",
    )


def rests(why: Reasons) -> Markup:
    """Caption of what it rests on."""
    return Markup(
        "{}: the line is the headline, {}; the other end of a bar is what it would be had the "
        "report not come, its effect and all, or had the silence not been watched. "
        "These do not add up."
    ).format(text(why.label), percent(why.rests.probability))


def watch(why: Reasons) -> Markup:
    """Caption of the watch list."""
    window = why.watch[0].window if why.watch else 0
    return Markup(
        "{}: the line is the headline. A full head is where it goes if the thing is seen within "
        "{} days; an open one, if it is not. What tells most comes first; at the right stands the "
        "chance of seeing it."
    ).format(text(why.label), window)


def watched(why: Reasons) -> Fragment:
    """Every indicator that may still be seen, with what it would do."""
    rows = [_watched(each) for each in why.watch]
    caption = f"{len(rows)} indicators that may still be seen, those that tell most first"
    columns = ["Indicator", "Seen in the window", "If seen", "If not seen", "Worth, bits"]
    inside = table(columns, rows, caption=caption, kind="figures")
    return Fragment(tag("details", tag("summary", caption), inside), caption)


def _watched(each: Watch) -> list[Markup | str]:
    missing = "not known"
    return [
        text(each.label),
        missing if each.seen is None else percent(each.seen),
        percent(each.if_seen),
        missing if each.if_unseen is None else percent(each.if_unseen),
        missing if each.bits is None else f"{each.bits:.3f}",
    ]


def tornado(why: Reasons) -> Markup:
    """Caption of the tornado."""
    return Markup(
        "{}: one assumption at a time is held at the 5 % and the 95 % point of what was believed "
        "of it before the evidence, the others as the evidence leaves them. Held: {}. "
        "Swings below half a point are not drawn."
    ).format(text(why.label), why.tornado.rule)


def sobol(why: Reasons) -> Fragment:
    """What share of the variance goes with each of the assumptions that matter."""
    found = why.sobol
    rows = [_share(why, each) for each in found.indices if each.total is not None]
    if not rows:
        return Fragment(EMPTY, "nothing to share a variance")
    caption = (
        f"Shares of the variance of the probability (standard deviation {percent(found.sd)}) that "
        "go with an assumption alone, by its first-order Sobol index, and with all that it does "
        "together with others, by its total index, ± its sampling error. Evidence ties assumptions "
        "to each other, so that the first can be the larger. Alone, less than "
        f"{percent(found.noise)} is noise"
    )
    columns = ["Assumption", "Alone", "With others"]
    return Fragment(table(columns, rows, caption=caption, kind="figures"), "Sobol indices")


def _share(why: Reasons, each: Index) -> list[Markup | str]:
    name = text(in_words(why.assessment.scenario, each.name))
    total = "not defined"
    if each.total is not None and each.total_error is not None and isfinite(each.total):
        total = f"{percent(each.total)} ± {percent(max(LEAST_ERROR, each.total_error))}"
    return [name, percent(each.first_order), total]


def break_even(why: Reasons) -> Fragment:
    """What the assumptions that matter most would have to be for even odds."""
    items = EMPTY.join(tag("li", _break_even(why, each)) for each in why.break_even)
    if not items:
        return Fragment(EMPTY, "no uncertain assumption matters")
    level = percent(why.break_even[0].level)
    opening = f"What one assumption alone would have to be for a probability of {level}:"
    return Fragment(Markup("{}{}").format(tag("p", opening), tag("ul", items)), "break-even values")


def _break_even(why: Reasons, each: BreakEven) -> Markup:
    assumption = why.assessment.scenario.assumptions[each.name]
    about = text(in_words(why.assessment.scenario, each.name))
    if each.value is None or each.quantile is None:
        ends = [probability for _, probability in each.curve]
        return Markup("{}: no value does it ({} {} gives {} to {}).").format(
            about,
            range_text(assumption, each.low, each.high),
            unit(assumption),
            _beside(min(ends), each.level),
            _beside(max(ends), each.level),
        )
    return Markup("{}: {} {} (believed beforehand to be below that with {}).").format(
        about, value_text(assumption, each.value), unit(assumption), percent(each.quantile)
    )


def _beside(probability: float, level: float) -> str:
    r"""Return a probability, told apart from a level that is the same when rounded.

    >>> _beside(0.36, 0.5), _beside(0.4971, 0.5)
    ('36\xa0%', 'just under 50\xa0%')
    """
    shown = percent(probability)
    if shown != percent(level):
        return shown
    return f"just {'under' if probability < level else 'over'} {shown}"


def since(why: Reasons) -> Fragment:
    """What changed since the report before."""
    found = why.since
    if found is None:
        said = "There is no earlier report of this scenario to compare with."
        return Fragment(tag("p", said), said)
    last = found.earlier
    opening = (
        f"The report before was as of {day(last.as_of)} (made {last.made[:10]}, "
        f"{last.horizon} days ahead)."
    )
    rows = [
        [text(state_of(why.assessment.scenario, target).label), percent(before), percent(after)]
        for target, before, after in found.shifts
    ]
    shifts = table(
        ["Target", "Then", "Now"], rows, caption="The headlines, then and now", kind="figures"
    )
    return Fragment(Markup("{}{}{}").format(tag("p", opening), shifts, _split(why, found)), opening)


def _split(why: Reasons, found: Since) -> Markup:
    """The causes, or why they cannot be told apart."""
    if found.changed is None:
        return tag("p", text(f"The change cannot be split into its causes: {found.obstacle}."))
    changed = found.changed
    rows = [_part(why, each) for each in changed.parts]
    rows.append(["All together", "", f"{percent(changed.before)} {ARROW} {percent(changed.after)}",
                 signed(changed.total)])  # fmt: skip
    caption = f"{why.label}: what moved it since, one kind after another; log-odds add up"
    return table(
        ["Cause", "What", "Probability", "Log-odds"], rows, caption=caption, kind="long causes"
    )


def _part(why: Reasons, each: Part) -> Sequence[Markup | str]:
    if not each.what:
        return [KINDS[each.kind], "none", "unchanged", signed(0.0)]
    return [
        KINDS[each.kind],
        _named(why, each),
        f"{percent(each.before)} {ARROW} {percent(each.after)}",
        signed(each.jump),
    ]


def _named(why: Reasons, each: Part) -> Markup:
    names = each.what
    if each.kind in {"reports", "retractions"}:
        names = tuple(report_label(why.assessment.scenario, name) for name in names)
    shown = Markup("; ").join(text(name) for name in names[:NAMED])
    more = len(names) - NAMED
    return Markup("{}; and {} more").format(shown, more) if more > 0 else shown


def surprising(why: Reasons) -> dict[str, str]:
    """Say of each report that came as a surprise how probable it was."""
    found = {}
    for each in why.surprises:
        if not each.flagged:
            continue
        if each.probability is None:
            how = f"such reports were {percent(each.relative)} as frequent as they can be"
        else:
            how = f"{percent(each.probability)} within {each.window} days"
        found[each.report] = f"Surprising: {how}"
    return found
