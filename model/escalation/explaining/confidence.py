r"""A judgement in words: how likely, and, never in the same sentence, with what confidence.

Likelihood is the probability said in a word of the chosen table, with what the assumptions leave
open as a range of words (`words`). Analytic confidence says how good the ground is on which the
number stands. It follows a fixed rule from five criteria, each good, fair or weak:

    sources      share of independent reports graded B2 or better
    draws        effective sample size of the posterior draws, and Pareto k̂ of their weights
    interval     width of the 90 % interval of the probability
    grounding    how much of the interval's variance rests on assumptions that data speak to:
                 reference classes, and what the evidence has narrowed
    conflict     how far the evidence pushed an assumption from its prior, in standard deviations

The rule and the values that it was applied to are part of the result. (`docs/explanations.md`.)

>>> from escalation.engine.assessment import Estimate
>>> sentence(Estimate(0.31, 0.31, 0.31), "Strikes on territory", 90)
'It is unlikely (31\xa0%) that “Strikes on territory” is reached within 90 days.'
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Literal

from escalation.explaining.responses import screen
from escalation.explaining.weighing import checked
from escalation.maths.words import percent, say, say_interval
from escalation.reading.naming import in_words

if TYPE_CHECKING:
    from escalation.engine.assessment import Assessment, Estimate
    from escalation.engine.layout import Plan
    from escalation.explaining.responses import Screened
    from escalation.maths.words import Table

Verdict = Literal["good", "fair", "weak"]
Level = Literal["high", "moderate", "low"]

GRADES = {"A", "B"}, {"1", "2"}
FEW_REPORTS = 5
SOURCES = 0.75, 0.4  # good from, weak below
DRAWS = 1000.0, 100.0  # good from, weak below
PARETO = 0.7, 1.0  # good below, weak from
WIDTH = 0.2, 0.5  # good up to, weak above
GROUNDED = 0.5, 0.2  # good from, weak below
SHIFT = 1.0, 2.0  # good below, weak from

RULE = (
    "High if all five criteria are good, or four are good and one is fair. Low if the draws are "
    "weak, or any two criteria are. Otherwise moderate."
)

_NOUNS = {
    "almost no chance": "almost no chance",
    "roughly even chance": "a roughly even chance",
    "remote chance": "a remote chance",
    "realistic possibility": "a realistic possibility",
}


@dataclass(frozen=True)
class Criterion:
    """One ground of confidence.

    Attributes
    ----------
    name : str
        "sources", "draws", "interval", "grounding" or "conflict".
    verdict : str
        "good", "fair" or "weak".
    value : float
        What was judged: a share, an effective sample size, a width, a share, standard deviations.
    text : str
        The value in words, and where the verdicts change.
    """

    name: str
    verdict: Verdict
    value: float
    text: str


@dataclass(frozen=True)
class Confidence:
    """Analytic confidence in the probability of a target.

    Attributes
    ----------
    target : str
    level : str
        "high", "moderate" or "low".
    criteria : tuple of Criterion
    rule : str
        How the level follows from the verdicts.
    """

    target: str
    level: Level
    criteria: tuple[Criterion, ...]
    rule: str

    @property
    def sentence(self) -> str:
        """The confidence, said."""
        return f"Analytic confidence in this judgement is {self.level}."

    @property
    def grounds(self) -> str:
        """The verdicts and what led to them, one sentence."""
        return "; ".join(f"{each.name} {each.verdict}: {each.text}" for each in self.criteria) + "."


def sentence(estimate: Estimate, label: str, horizon: int, words: Table = "icd203") -> str:
    """Say how likely it is that a target is reached, and what the assumptions leave open.

    Parameters
    ----------
    estimate : Estimate
    label : str
        Of the target.
    horizon : int
        Days.
    words : str
        Table of words, "icd203" or "phia".
    """
    word = say(estimate.probability, words)
    opening = f"There is {_NOUNS[word]}" if word in _NOUNS else f"It is {word}"
    days = "one day" if horizon == 1 else f"{horizon} days"
    said = f"{opening} ({percent(estimate.probability)}) that “{label}” is reached within {days}"
    low, high = percent(estimate.low), percent(estimate.high)
    if low == high:
        return f"{said}."
    span = say_interval(estimate.low, estimate.high, words)
    throughout = "" if " to " in span else " throughout"
    return f"{said}; as the assumptions vary, {low} to {high}: {span}{throughout}."


def confidence(
    assessment: Assessment, target: str, screened: tuple[Screened, ...] | None = None
) -> Confidence:
    """Analytic confidence in the probability of a target, by the rule.

    Parameters
    ----------
    assessment : Assessment
    target : str
    screened : tuple of Screened, optional
        What `screen` says of it, if it has been asked.

    Raises
    ------
    InvalidValueError
        If the target is not one.
    """
    checked(assessment, target)
    criteria = (
        _sources(assessment.plan),
        _draws(assessment),
        _interval(assessment.reach_by(target)),
        _grounding(assessment, screen(assessment, target) if screened is None else screened),
        _conflict(assessment),
    )
    return Confidence(target, level(criteria), criteria, RULE)


def level(criteria: tuple[Criterion, ...]) -> Level:
    """Level that follows from the verdicts."""
    verdicts = [each.verdict for each in criteria]
    draws = next(each.verdict for each in criteria if each.name == "draws")
    if draws == "weak" or verdicts.count("weak") > 1:
        return "low"
    fine = "weak" not in verdicts and verdicts.count("fair") <= 1
    return "high" if fine else "moderate"


def _sources(layout: Plan) -> Criterion:
    """Share of independent reports graded B2 or better; an echo group counts as its best."""
    best: dict[tuple[str, str], bool] = {}
    for each in layout.conditioning:
        report = each.observation
        graded = report.source_grade in GRADES[0] and report.information_grade in GRADES[1]
        key = report.echo_group or f"\0{report.id}", report.indicator
        best[key] = graded or best.get(key, False)
    count, fine = len(best), sum(best.values())
    share = fine / count if count else 0.0
    good, weak = SOURCES
    verdict = _verdict(good=share >= good, weak=share < weak or count < FEW_REPORTS)
    text = (
        f"{fine} of {count} independent reports are graded B2 or better (good from "
        f"{percent(good)}, weak below {percent(weak)} or with fewer than {FEW_REPORTS} reports)"
    )
    return Criterion("sources", verdict, share, text)


def _draws(assessment: Assessment) -> Criterion:
    quality = assessment.diagnostics
    size, shape = quality.ess, quality.pareto_k
    verdict = _verdict(
        good=size >= DRAWS[0] and not shape >= PARETO[0],
        weak=size < DRAWS[1] or shape >= PARETO[1],
    )
    tail = "no tail to judge" if isnan(shape) else f"k̂ {shape:.2f}"
    text = (
        f"{size:,.0f} effective draws, {tail} (good from {DRAWS[0]:,.0f} and below {PARETO[0]:g}, "
        f"weak below {DRAWS[1]:g} or from {PARETO[1]:g})"
    )
    return Criterion("draws", verdict, size, text)


def _interval(estimate: Estimate) -> Criterion:
    width = estimate.high - estimate.low
    text = (
        f"the 90 % interval is {100 * width:.0f} points wide (good up to {100 * WIDTH[0]:.0f}, "
        f"weak above {100 * WIDTH[1]:.0f})"
    )
    return Criterion(
        "interval", _verdict(good=width <= WIDTH[0], weak=width > WIDTH[1]), width, text
    )


def _grounding(assessment: Assessment, screened: tuple[Screened, ...]) -> Criterion:
    """Share of the variance that data speak to, each assumption weighed by its first order."""
    posterior = assessment.posterior
    references = {each.rate for each in assessment.scenario.reference_classes.values()}
    whole = grounded = 0.0
    for each in screened:
        left = float(posterior.scores[each.name][posterior.index].var())
        known = 1.0 if each.name in references else min(max(1 - left, 0.0), 1.0)
        whole += each.first_order
        grounded += each.first_order * known
    share = grounded / whole if whole else 0.0
    good, weak = GROUNDED
    text = (
        f"{percent(share)} of what the interval rests on are base rates counted from data, or "
        f"narrowed by the evidence (good from {percent(good)}, weak below {percent(weak)})"
    )
    verdict = _verdict(good=share >= good, weak=share < weak)
    return Criterion("grounding", verdict, share, text)


def _conflict(assessment: Assessment) -> Criterion:
    posterior = assessment.posterior
    shifts = {
        name: abs(float(posterior.scores[name][posterior.index].mean()))
        for name in assessment.uncertain
    }
    name = max(shifts, key=lambda each: shifts[each], default="")
    most = shifts.get(name, 0.0)
    of = f" (“{in_words(assessment.scenario, name)}”)" if name else ""
    text = (
        f"the assumption that the evidence moved most{of} moved by {most:.1f} of its prior "
        f"standard deviations (good below {SHIFT[0]:g}, weak from {SHIFT[1]:g})"
    )
    return Criterion("conflict", _verdict(good=most < SHIFT[0], weak=most >= SHIFT[1]), most, text)


def _verdict(*, good: bool, weak: bool) -> Verdict:
    if weak:
        return "weak"
    return "good" if good else "fair"
