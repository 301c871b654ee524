"""Promises of judgements in words: likelihood is said, and confidence follows its rule."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from cases import load_case, row
from escalation.engine.assessment import Assessment, Estimate, assess
from escalation.errors import InvalidValueError
from escalation.explaining.confidence import Criterion, Verdict, confidence, level, sentence
from escalation.maths.words import WORDS

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("sources", "draws", "interval", "grounding", "conflict")


def assessed(folder: Path, grades: list[str], draws: int = 64) -> Assessment:
    """Assess the small case with threats of these grades."""
    rows = [
        row(f"threat-{i}", "threat", f"2025-01-{10 + i}", grade=grade)
        for i, grade in enumerate(grades)
    ]
    return assess(load_case(folder, rows), draws=draws)


def verdicts(found: Assessment) -> dict[str, str]:
    """Verdict of each criterion."""
    return {each.name: each.verdict for each in confidence(found, "high").criteria}


def test_the_level_follows_from_the_verdicts_by_the_rule() -> None:
    """All 243 combinations: high, moderate or low as the printed rule says."""
    options: tuple[Verdict, ...] = ("good", "fair", "weak")
    for combination in product(options, repeat=5):
        criteria = tuple(Criterion(n, v, 0.0, "") for n, v in zip(NAMES, combination, strict=True))
        weak, fair = combination.count("weak"), combination.count("fair")
        if combination[1] == "weak" or weak >= 2:
            assert level(criteria) == "low"
        elif weak == 0 and fair <= 1:
            assert level(criteria) == "high"
        else:
            assert level(criteria) == "moderate"


def test_sources_are_judged_by_their_grades(tmp_path: Path) -> None:
    """Good from three in four graded B2 or better, weak below two in five or with too few."""
    assert verdicts(assessed(tmp_path, ["B2"] * 5))["sources"] == "good"
    assert verdicts(assessed(tmp_path, ["B2"] * 3 + ["C3"] * 2))["sources"] == "fair"
    assert verdicts(assessed(tmp_path, ["B2"] + ["C3"] * 4))["sources"] == "weak"
    assert verdicts(assessed(tmp_path, ["A1"] * 4))["sources"] == "weak"
    assert verdicts(assessed(tmp_path, []))["sources"] == "weak"


def test_echoes_count_once_with_the_best_grade(tmp_path: Path) -> None:
    """Two reports of one origin are one source."""
    rows = [
        row("one", "threat", "2025-01-10", grade="C3", echo_group="said"),
        row("two", "threat", "2025-01-11", grade="B2", echo_group="said"),
    ]
    found = confidence(assess(load_case(tmp_path, rows), draws=64), "high")
    assert found.criteria[0].text.startswith("1 of 1 independent reports are graded B2 or better")


def test_few_effective_draws_are_weak_and_lower_the_confidence(tmp_path: Path) -> None:
    """However good the sources, a number that rests on few draws has low confidence."""
    found = confidence(assessed(tmp_path, ["A1"] * 6, draws=64), "high")
    assert {each.name: each.verdict for each in found.criteria}["draws"] == "weak"
    assert found.level == "low"


def test_what_rests_on_data_is_grounded(tmp_path: Path) -> None:
    """A base rate counted from data grounds the number; an elicited one the reports do not."""
    elicited = assessed(tmp_path, ["B2"] * 6, draws=512)
    assert verdicts(elicited)["grounding"] == "weak"
    wars = {"label": "Wars", "rate": "0.3 to 1", "source": "a list", "rule": "a rule"}
    climb = {"reference": "wars", "intent": {"bluff": "x0.1", "fight": "x1"}}
    changes = {
        "reference_classes": {"wars": wars},
        "ladder": {"moves": {"low -> high": climb}},
        "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.2}}}},
        "indicators": {"shots": {"seen": {"rung": {"high": 3}}}},
    }
    counted = assess(load_case(tmp_path, [row("a", "threat", "2025-01-10")], changes), draws=512)
    assert verdicts(counted)["grounding"] == "good"


def test_the_values_behind_the_verdicts_are_said(tmp_path: Path) -> None:
    """Each criterion gives its value and where verdicts change; the rule is part of the result."""
    found = confidence(assessed(tmp_path, ["B2"] * 6), "high")
    assert [each.name for each in found.criteria] == list(NAMES)
    assert all("good" in each.text and "weak" in each.text for each in found.criteria)
    for each in found.criteria:
        assert f"{each.name} {each.verdict}: " in found.grounds
    assert "High if" in found.rule
    with pytest.raises(InvalidValueError):
        confidence(assessed(tmp_path, []), "low")


@pytest.mark.parametrize("table", ["icd203", "phia"])
def test_likelihood_and_confidence_are_never_in_one_sentence(tmp_path: Path, table: str) -> None:
    """The sentence of likelihood has no word of confidence in it, and the other way round."""
    found = assessed(tmp_path, ["B2"] * 6)
    said = sentence(found.reach_by("high"), "High", 60, "phia" if table == "phia" else "icd203")
    assert "confiden" not in said.lower()
    judged = confidence(found, "high").sentence.lower()
    assert not [word for word in WORDS[table] if word in judged]
    assert judged.count(".") == said.count(".") == 1


def test_words_that_are_nouns_read_as_english() -> None:
    """It says “There is a roughly even chance that”, but “It is likely that”."""
    flat = Estimate(0.5, 0.5, 0.5)
    assert sentence(flat, "War", 30) == (
        "There is a roughly even chance (50\N{NO-BREAK SPACE}%) that “War” is reached within "
        "30 days."
    )
    assert sentence(Estimate(0.002, 0.002, 0.002), "War", 1).startswith(
        "There is almost no chance (<1"
    )
    assert sentence(Estimate(0.02, 0.02, 0.02), "War", 1, "phia").startswith(
        "There is a remote chance"
    )
    assert sentence(Estimate(0.6, 0.6, 0.6), "War", 1).startswith("It is likely (60")
    assert sentence(flat, "War", 1).endswith("within one day.")


def test_an_interval_that_straddles_bands_is_a_range_of_words() -> None:
    """And one that stays within a band is said as that word throughout."""
    said = sentence(Estimate(0.31, 0.12, 0.48), "War", 30)
    assert said.endswith("12\xa0% to 48\xa0%: very unlikely to roughly even chance.")
    said = sentence(Estimate(0.31, 0.25, 0.4), "War", 30)
    assert said.endswith("25\xa0% to 40\xa0%: unlikely throughout.")
