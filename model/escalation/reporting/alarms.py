r"""Conditions that readers want to be told of, and whether they are met.

A scenario may name three kinds (`docs/formats.md`): a target that is likely enough to be reached,
a headline that moved far since the report before, a new report that was hardly expected when it
came. The last two need more than an assessment: the report before, and how surprising each report
was. Where these are not at hand they are not met, and say why.

>>> told(0.4, 0.55, 0.1)
(True, '40\xa0% before, 55\xa0% now: moved by more than the 10 points asked for')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from escalation.maths.words import percent
from escalation.reading.case import Alert, MoveAlert, SurpriseAlert
from escalation.reading.naming import state_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from escalation.engine.assessment import Assessment
    from escalation.explaining.surprise import Surprise


@dataclass(frozen=True)
class Condition:
    """A condition of the scenario's, and whether it is met.

    Attributes
    ----------
    text : str
        The condition and what was found, in one line.
    raised : bool
    facts : Mapping
        The same for machines: what was asked for, and the numbers (`docs/result.md`).
    """

    text: str
    raised: bool
    facts: Mapping[str, object]


def conditions(
    assessment: Assessment,
    surprises: Sequence[Surprise] | None = None,
    headline: Mapping[str, float] | None = None,
    known: Collection[str] = (),
) -> tuple[Condition, ...]:
    """Return every condition of a scenario, in its order, met or not.

    Parameters
    ----------
    assessment : Assessment
    surprises : sequence of Surprise, optional
        Of every report; None: not computed.
    headline : Mapping, optional
        P(target within the horizon) in the report before; None: there is none.
    known : collection of str
        Ids of the observations that the report before knew.
    """
    found = []
    for each in assessment.scenario.alerts:
        if isinstance(each, Alert):
            found.append(_reached(assessment, each))
        elif isinstance(each, MoveAlert):
            found.append(_moved(assessment, each, headline or {}))
        else:
            found.append(_surprised(each, surprises, known))
    return tuple(found)


def _reached(assessment: Assessment, alert: Alert) -> Condition:
    days = min(alert.within, assessment.horizon)
    estimate = assessment.reach_by(alert.reach, days)
    raised = estimate.probability > alert.above
    label = state_of(assessment.scenario, alert.reach).label
    text = (
        f"{label} within {days} days: {percent(estimate.probability)}, "
        f"{'above' if raised else 'not above'} the {percent(alert.above)} asked for"
    )
    facts = {
        "reach": alert.reach,
        "within_days": alert.within,
        "above": alert.above,
        "probability": estimate.probability,
        "low": estimate.low,
        "high": estimate.high,
    }
    return Condition(text, raised, facts)


def _moved(assessment: Assessment, alert: MoveAlert, headline: Mapping[str, float]) -> Condition:
    """Hold a headline against that of the report before, each by its own horizon."""
    after = assessment.reach_by(alert.moved).probability
    before = headline.get(alert.moved)
    label = state_of(assessment.scenario, alert.moved).label
    facts = {"moved": alert.moved, "by": alert.by, "before": before, "after": after}
    if before is None:
        text = f"{label}: {percent(after)}; no report before it says how far it moved"
        return Condition(text, raised=False, facts=facts)
    raised, said = told(before, after, alert.by)
    return Condition(f"{label}: {said}", raised, facts)


def told(before: float, after: float, by: float) -> tuple[bool, str]:
    """Return whether a probability moved by more than was asked for, and say so."""
    raised = abs(after - before) > by
    moved = "moved by more than" if raised else "moved by no more than"
    points = f"the {100 * by:g} points asked for"
    return raised, f"{percent(before)} before, {percent(after)} now: {moved} {points}"


def _surprised(
    alert: SurpriseAlert, surprises: Sequence[Surprise] | None, known: Collection[str]
) -> Condition:
    """Look for a report that is new since the report before and was hardly expected.

    Where there is no report before, every report is new. Of a type that is not watched there is
    no probability; its relative intensity takes its place (`escalation.explaining.surprise`).
    """
    scores = {
        each.report: each.relative if each.probability is None else each.probability
        for each in surprises or ()
        if each.report not in known
    }
    low = {name: score for name, score in scores.items() if score < alert.below}
    facts = {
        "surprise_below": alert.below,
        "reports": [{"report": name, "probability": score} for name, score in low.items()],
    }
    if surprises is None:
        text = "How surprising the new reports were is told in a report only"
    elif low:
        names = ", ".join(f"{name} ({percent(score)})" for name, score in low.items())
        text = f"Less likely than the {percent(alert.below)} asked for when they came: {names}"
    else:
        text = f"No new report was less likely than {percent(alert.below)} when it came"
    return Condition(text, bool(low), facts)
