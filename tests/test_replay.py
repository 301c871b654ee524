"""Promises of the replay: the filter's own steps, cut into parts and put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cases import load_case, row
from escalation.engine.compiler import batch
from escalation.engine.layout import plan
from escalation.engine.posterior import Scores
from escalation.explaining.replay import effects_in_order, replay, stages
from escalation.maths.filtering import log_likelihood

if TYPE_CHECKING:
    from pathlib import Path

ROWS = (
    row("threat-1", "threat", "2025-01-01", grade="C3"),
    row("fleet-1", "fleet", "2025-01-12"),
    row("shots-1", "shots", "2025-02-02", occurred_on="2025-01-30", until="2025-02-01", count="2"),
    row("threat-2", "threat", "2025-01-30", grade="B2", echo_group="said"),
    row("threat-3", "threat", "2025-02-04", grade="B2", echo_group="said"),
)


def test_the_last_moment_is_the_filters_result(tmp_path: Path) -> None:
    """Put together, the parts give the filter's state probabilities and log-likelihood."""
    layout = plan(load_case(tmp_path, ROWS))
    scores = Scores(layout.assumptions, 1)
    values = scores.values(scores.prior(8))
    *_, last = replay(layout, values)
    expected = log_likelihood(batch(layout, values))
    assert np.allclose(last.vector, expected.filtered, rtol=1e-10)
    assert np.allclose(last.loglik, expected.loglik, rtol=1e-10)


def test_every_stretch_report_and_effect_is_a_stage(tmp_path: Path) -> None:
    """Stretches fill the history without a gap; each event is met once; effects come with it."""
    layout = plan(load_case(tmp_path, ROWS))
    every = stages(layout)
    assert every[0].kind == "start"
    assert [each.event for each in every if each.kind == "report"] == list(range(7))
    stretches = [(each.begin, each.end) for each in every if each.kind == "time"]
    assert stretches == [(0, 11), (11, 29), (29, 30), (30, 31), (31, 34), (34, 60)]
    assert stretches == [(each.begin, each.end) for each in every if each.kind == "silence"]
    effects = [each for each in every if each.kind == "effect"]
    assert [(each.begin, each.effects) for each in effects] == [(11, 1)]


def test_time_alone_leaves_the_evidence_as_it_was(tmp_path: Path) -> None:
    """Passing time does not change the log-likelihood; silence does."""
    layout = plan(load_case(tmp_path, ROWS))
    scores = Scores(layout.assumptions, 1)
    values = scores.values(scores.prior(4))
    before = np.zeros(4)
    for moment in replay(layout, values):
        if moment.stage.kind in {"time", "effect"}:
            assert np.array_equal(moment.loglik, before)
        elif moment.stage.kind == "silence":
            assert np.all(moment.loglik < before)
        assert np.allclose(moment.vector.sum(axis=0), 1)
        before = moment.loglik


def test_what_happened_before_the_start_is_in_force_from_it(tmp_path: Path) -> None:
    """An effect whose report is from before the start is known at the start, and no step."""
    layout = plan(load_case(tmp_path, (row("early", "fleet", "2024-12-20"),)))
    assert [event for event, _, _ in effects_in_order(layout)] == [-1]
    every = stages(layout)
    assert every[0].effects == 1
    assert not [each for each in every if each.kind in {"report", "effect"}]


def test_nothing_watched_is_no_silence(tmp_path: Path) -> None:
    """Where nothing is watched there are no steps of silence."""
    changes = {"indicators": {"fleet": {"watched": False}, "shots": {"watched": False}}}
    layout = plan(load_case(tmp_path, ROWS, changes))
    assert "silence" not in {each.kind for each in stages(layout)}
    scores = Scores(layout.assumptions, 1)
    *_, last = replay(layout, scores.values(scores.prior(2)))
    assert np.isfinite(last.loglik).all()
