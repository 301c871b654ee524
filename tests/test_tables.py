"""The report's tables: the same numbers as everywhere, and nobody's text is markup."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from escalation.engine.assessment import Assessment, Estimate, assess
from escalation.maths.words import percent, say, say_interval
from escalation.reading import scenario
from escalation.reading.case import Alert
from escalation.reporting import tables
from escalation.reporting.alarms import conditions
from escalation.reporting.markup import Fragment, tag, text
from escalation.reporting.record import interval_text

EVERY = ("masthead", "headline", "when", "rungs", "assumptions", "fixed", "observations",
         "diagnostics")  # fmt: skip


@pytest.fixture(scope="module")
def answer(workspace: Path) -> Assessment:
    """The tiny case, assessed."""
    return assess(scenario.load(workspace / "tests/data/tiny/baseline.yaml"), draws=128)


def plain(fragment: Fragment) -> str:
    """Return the text of HTML."""
    return re.sub(r"<[^>]+>", " ", str(fragment.html)).replace("&lt;", "<").replace("&gt;", ">")


def test_headline_is_in_numbers_and_words(answer: Assessment) -> None:
    """Every target with its probability, interval and words, by the horizon and before."""
    said = " ".join(plain(tables.headline(answer)).split())
    for target in answer.scenario.targets:
        last = answer.reach_by(target)
        assert f"{percent(last.probability)} {say(last.probability)}".replace("\xa0", " ") in said
        interval = f"{interval_text(last)}: {say_interval(last.low, last.high)}"
        assert interval.replace("\xa0", " ") in said
        for days in (7, 30):
            assert percent(answer.reach_by(target, days).probability).replace("\xa0", " ") in said


def test_alert_is_shown_when_it_is_met_and_only_then(answer: Assessment) -> None:
    """The notice gives the probability and the limit."""
    assert "Alert." not in plain(tables.alerts(conditions(answer)))
    case = replace(answer.scenario, alerts=(Alert("blockade", 30, 0.01),))
    said = plain(tables.alerts(conditions(replace(answer, scenario=case))))
    assert "Alert." in said
    assert "above the 1\xa0% asked for" in said


def test_assumptions_show_prior_beside_posterior_with_reason(answer: Assessment) -> None:
    """Every uncertain assumption is there by name, with its reason and source."""
    said = plain(tables.assumptions(answer)) + plain(tables.fixed(answer))
    compact = said.replace(" ", "")
    for name, each in answer.scenario.assumptions.items():
        assert name.replace(" ", "") in compact.replace("&gt;", ">")
        assert each.why in said
        assert each.source in said


def test_observations_show_source_and_meaning_of_the_grade(answer: Assessment) -> None:
    """Every report that was known, the latest first; the withdrawn one is gone."""
    said = plain(tables.observations(answer))
    assert "B2" in said
    assert "usually reliable source; probably true" in said
    assert "Harbour Chronicle, 12 January" in said
    assert "Withdrawn" not in said
    assert said.index("Talks in ten days") < said.index("Same ships")
    assert "due  10 Mar" in said or "due 10 Mar" in said


@pytest.mark.parametrize("name", EVERY)
def test_hostile_text_is_text(answer: Assessment, name: str) -> None:
    """Markup in any text of a scenario comes out escaped, in every table."""
    bad = "<script>alert(1)</script>"
    case = answer.scenario
    states = tuple(replace(each, label=bad, resolves=bad) for each in case.ladder.states)
    kinds = {key: replace(each, label=bad) for key, each in case.indicators.items()}
    reports = tuple(
        replace(each, note=bad, source=bad, echo_group=bad) for each in case.observations
    )
    beliefs = {
        key: replace(each, why=bad, source=bad, text=bad) for key, each in case.assumptions.items()
    }
    hostile = replace(
        case,
        title=bad,
        question=bad,
        ladder=replace(case.ladder, states=states),
        indicators=kinds,
        observations=reports,
        assumptions=beliefs,
        warnings=tuple(replace(each, message=bad, where=bad) for each in case.warnings),
    )
    html = str(getattr(tables, name)(replace(answer, scenario=hostile))._repr_html_())
    assert "<script" not in html
    assert tables.FEW_DRAWS
    if name != "diagnostics":
        assert "&lt;script&gt;" in html


def test_texts_are_isolated_and_cleaned() -> None:
    """A text cannot turn the direction of what follows it, nor hold control characters."""
    assert text("a\u202eb\x00c<") == "<bdi>abc&lt;</bdi>"
    assert tag("p", "<", title='"') == '<p title="&#34;">&lt;</p>'


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.12, 0.61, "12–61\xa0%"),
        (0.001, 0.04, "<1–4\xa0%"),
        (0.001, 0.002, "<1\xa0%"),
        (0.98, 0.999, "≥98\xa0%"),
        (0.995, 0.999, ">99\xa0%"),
    ],
)
def test_interval_is_printed_shortly(low: float, high: float, said: str) -> None:
    """Two numbers and one sign; the ends of the scale as what they are."""
    assert interval_text(Estimate((low + high) / 2, low, high)) == said
