"""Promises of sensitivity: an assumption held is one that the file states as a plain number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cases import load_case, row, write_case
from escalation.engine.assessment import Assessment, assess
from escalation.errors import InvalidValueError
from escalation.explaining.responses import respond, screen
from escalation.explaining.sensitivity import break_even, sobol, tornado
from escalation.reading import scenario

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (row("fleet-1", "fleet", "2025-01-12"), row("threat-1", "threat", "2025-02-01", grade="B2"))
FIGHT = "ladder.moves.low -> high.intent.fight"
# One uncertain assumption, so that holding it leaves nothing to chance.
ONE: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.2}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.05}}}},
    "indicators": {
        "fleet": {"effect": {"climb": "x2"}},
        "shots": {"seen": {"rung": {"high": 3}}},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small case with all its uncertain assumptions, written."""
    path = tmp_path_factory.mktemp("case")
    write_case(path, ROWS)
    return path


@pytest.fixture(scope="module")
def uncertain(folder: Path) -> Assessment:
    """An assessment of it."""
    return assess(scenario.load(folder / "case.yaml"), draws=1024)


def held(folder: Path, name: str, value: float, draws: int) -> Assessment:
    """Assess with an assumption overridden by a plain number."""
    path = folder / "case.yaml"
    return assess(scenario.load(path, overrides={name: f"{value!r}"}), draws=draws)


def test_a_bar_is_an_assessment_with_the_assumption_overridden(tmp_path: Path) -> None:
    """With one uncertain assumption, its bar's ends are those of two assessments, exactly."""
    found = tornado(respond(assess(load_case(tmp_path, ROWS, ONE), draws=32), "high", draws=32))
    (bar,) = found.bars
    assert bar.name == FIGHT
    assert [bar.low, bar.high] == pytest.approx([0.3, 1.0])
    for value, probability in ((bar.low, bar.at_low), (bar.high, bar.at_high)):
        fresh = held(tmp_path, FIGHT, value, 4).reach_by("high").probability
        assert probability == pytest.approx(fresh, abs=1e-10)
    assert found.rule == "every uncertain assumption"


def test_bars_of_many_assumptions_agree_within_the_noise(
    uncertain: Assessment, folder: Path
) -> None:
    """With the rest free, ends agree with assessments of overridden files within the noise."""
    found = tornado(respond(uncertain, "high", top=2, draws=512))
    for bar in found.bars:
        if bar.name.startswith("indicators"):
            continue
        for value, probability in ((bar.low, bar.at_low), (bar.high, bar.at_high)):
            fresh = held(folder, bar.name, value, 512)
            noise = fresh.reach_draws[-1, 0].std() * np.sqrt(2 / bar.effective)
            assert abs(probability - fresh.reach_by("high").probability) < 5 * noise


def test_bars_are_sorted_and_those_left_out_are_smaller(uncertain: Assessment) -> None:
    """The largest swing comes first, and the rule says how small the rest is."""
    found = tornado(respond(uncertain, "high", top=2, draws=128))
    full = tornado(respond(uncertain, "high", draws=128))
    assert [bar.swing for bar in full.bars] == sorted((b.swing for b in full.bars), reverse=True)
    assert found.bars == full.bars[:2]
    assert "the 2 of 5" in found.rule
    assert found.probability == pytest.approx(uncertain.reach_by("high").probability, abs=1e-9)


def test_the_screen_foresees_the_swing(uncertain: Assessment) -> None:
    """No swing that holding an assumption gives is much above its estimate."""
    estimated = {each.name: each.swing for each in screen(uncertain, "high")}
    for bar in tornado(respond(uncertain, "high", draws=256)).bars:
        assert bar.swing < 1.3 * estimated[bar.name] + 0.01


def test_a_single_assumption_has_all_of_the_variance(tmp_path: Path) -> None:
    """First-order and total index of the only assumption are 1."""
    sure = {"admiralty": {"source": {"B": 1}, "information": {"2": 1}}}
    found = sobol(
        respond(assess(load_case(tmp_path, ROWS, ONE | sure), draws=256), "high", draws=64)
    )
    (index,) = found.indices
    assert index.first_order == pytest.approx(1, abs=0.02)
    assert index.total == pytest.approx(1, abs=1e-9)


def test_totals_are_not_below_first_orders(uncertain: Assessment) -> None:
    """T ≥ S up to noise, both in [0, 1]; assumptions screened out have no total."""
    found = sobol(respond(uncertain, "high", top=3, draws=256))
    totals = [each for each in found.indices if each.total is not None]
    assert [each.name for each in found.indices[:3]] == [each.name for each in totals]
    assert len(found.indices) == 5
    for each in totals:
        assert each.total is not None
        assert 0 <= each.first_order <= each.total + 0.05 <= 1.05
    assert found.sd == pytest.approx(uncertain.reach_draws[-1, 0].std())


def test_the_break_even_value_breaks_even(tmp_path: Path) -> None:
    """An assessment with the value found puts the probability at the level."""
    case = load_case(tmp_path, ROWS, ONE)
    found = break_even(respond(assess(case, draws=32), "high", draws=32), FIGHT)
    assert found.value is not None
    assert found.quantile is not None
    assert found.low < found.value < found.high
    fresh = held(tmp_path, FIGHT, found.value, 4).reach_by("high").probability
    assert fresh == pytest.approx(0.5, abs=1e-5)


def test_a_level_out_of_reach_has_no_break_even_value(uncertain: Assessment) -> None:
    """Where nothing in the 99 % range gets there, that is the answer."""
    found = break_even(respond(uncertain, "high", draws=64), FIGHT, level=0.9999)
    assert (found.value, found.quantile) == (None, None)
    assert len(found.curve) == 6
    assert found.curve[0][0] == found.low < found.high == found.curve[-1][0]


def test_an_assumption_that_cannot_be_varied_is_refused(uncertain: Assessment) -> None:
    """A plain number is named as one, and a slip of the pen gets a hint."""
    with pytest.raises(InvalidValueError, match="plain number"):
        break_even(respond(uncertain, "high", top=0, draws=16), "latent.intent.start.bluff")
    with pytest.raises(InvalidValueError, match="did you mean 'ladder"):
        break_even(
            respond(uncertain, "high", top=0, draws=16), "ladder.moves.low -> hihg.intent.fight"
        )


def test_a_case_without_uncertainty_has_nothing_to_vary(tmp_path: Path) -> None:
    """No uncertain assumption: empty results, and no error."""
    fixed = ONE | {"ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.05, "fight": 1}}}}}
    found = assess(load_case(tmp_path, ROWS, fixed), draws=16)
    assert tornado(respond(found, "high", draws=16)).bars == ()
    assert sobol(respond(found, "high", draws=16)).indices == ()
