"""Promises of surprise: the probability of hearing of a thing, before it was heard of."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import oracles
from cases import load_case, row
from escalation.engine.assessment import assess
from escalation.engine.compiler import batch
from escalation.explaining.surprise import surprise
from escalation.explaining.weighing import intensity

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment

    Array = NDArray[np.float64]

FIXED: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.5}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"bluff": 0.1, "fight": 1.5}}}},
    "indicators": {
        "fleet": {"effect": {"climb": "x3"}},
        "shots": {"seen": {"rung": {"low": 0.3, "high": 3}}},
    },
}
TRAJECTORIES = 40_000


def model(found: Assessment) -> tuple[Array, Array, Array]:
    """Start, generator and intensities (fleet, shots) of the first draw."""
    values = {name: each[:1] for name, each in found.posterior.draws.items()}
    made = batch(found.plan, values)
    marks = [intensity(found.plan, name, values)[:, 0] for name in ("fleet", "shots")]
    return made.start[:, 0], made.chain.at(0).dense()[0], np.array(marks)


def test_surprise_is_what_simulation_counts(tmp_path: Path) -> None:
    """Of simulated cases that were silent so far, the stated share hears of it in the window."""
    rows = (row("shots-1", "shots", "2025-01-21"),)
    found = assess(load_case(tmp_path, rows, FIXED), as_of=date(2025, 1, 25), draws=8)
    (each,) = surprise(found, draws=8)
    assert (each.report, each.window, each.flagged) == ("shots-1", 30, False)
    start, generator, marks = model(found)
    paths = oracles.simulate(5, start, [generator] * 50, marks, TRAJECTORIES)
    silent = ~paths.count[:20].any(axis=(0, 1))
    heard = paths.count[20:, 1][:, silent].any(axis=0)
    assert each.probability is not None
    assert oracles.within_noise(heard.mean(), each.probability, int(silent.sum()))


def test_known_effects_are_counted_with(tmp_path: Path) -> None:
    """After a report that makes climbing likelier, shots are less surprising."""
    rows = (row("fleet-1", "fleet", "2025-01-21"), row("shots-1", "shots", "2025-01-22"))
    level = {"seen": {"intent": {"bluff": 0.4, "fight": 0.4}}}
    with_effect, without = (
        surprise(
            assess(
                load_case(
                    tmp_path, rows, {"indicators": {"fleet": {**level, "effect": {"climb": m}}}}
                ),
                draws=64,
            ),
            draws=64,
        )
        for m in ("x4", "x1")
    )
    assert with_effect[0].probability == pytest.approx(without[0].probability)
    assert with_effect[1].probability is not None
    assert without[1].probability is not None
    assert with_effect[1].probability > 1.1 * without[1].probability


def test_types_that_are_not_watched_have_no_probability(tmp_path: Path) -> None:
    """Of an unwatched type only the relative intensity is said, and its unit does not matter."""
    rows = (row("threat-1", "threat", "2025-01-10"),)
    hundredfold = {"threat": {"seen": {"intent": {"bluff": 100, "fight": 300}}}}
    once, often = (
        surprise(assess(load_case(tmp_path, rows, {"indicators": change}), draws=8), draws=8)[0]
        for change in ({}, hundredfold)
    )
    assert once.probability is None
    assert 1 / 3 < once.relative < 1
    assert often.relative == pytest.approx(once.relative, rel=1e-12)


def test_a_report_that_nobody_expected_is_flagged(tmp_path: Path) -> None:
    """Below one per cent it is flagged, by the probability where there is one."""
    rare = {"indicators": {"shots": {"seen": {"rung": {"low": 1e-4, "high": 1e-4, "deal": 1e-4}}}}}
    rows = (row("shots-1", "shots", "2025-01-10"), row("fleet-1", "fleet", "2025-01-20"))
    found = surprise(assess(load_case(tmp_path, rows, rare), draws=16), draws=16)
    assert [(each.report, each.flagged) for each in found] == [
        ("shots-1", True),
        ("fleet-1", False),
    ]
    assert found[0].probability == pytest.approx(1e-4, rel=1e-3)
    assert found[0].relative == pytest.approx(1)


def test_echoes_are_no_news_and_a_count_is_one_report(tmp_path: Path) -> None:
    """The first of an echo group speaks for it, and a count over days on its first."""
    rows = (
        row("threat-1", "threat", "2025-01-10", echo_group="said"),
        row("threat-2", "threat", "2025-01-12", echo_group="said"),
        row("shots-1", "shots", "2025-02-01", occurred_on="2025-01-28", until="2025-01-31"),
    )
    found = surprise(assess(load_case(tmp_path, rows), draws=16), draws=16)
    assert [(each.report, each.day) for each in found] == [
        ("threat-1", date(2025, 1, 10)),
        ("shots-1", date(2025, 1, 28)),
    ]


def test_a_window_longer_than_the_horizon_is_looked_through(tmp_path: Path) -> None:
    """The window of the type counts, not how far the scenario looks ahead."""
    rows = (row("fleet-1", "fleet", "2025-03-01"),)
    short, long = (
        surprise(assess(load_case(tmp_path, rows, {"horizon": days}), draws=16), draws=16)[0]
        for days in ("3d", "90d")
    )
    assert short.probability == pytest.approx(long.probability, rel=1e-12)
