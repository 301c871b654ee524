"""Promises of the outlook: what is to come, from every state, is what going there would find."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.linalg import expm

from cases import load_case, row
from escalation.engine.assessment import assess
from escalation.engine.compiler import batch
from escalation.explaining.backward import Outlook, before, lump, lumped, reach
from escalation.explaining.weighing import arrival, later
from escalation.maths import filtering
from escalation.maths.filtering import Batch, log_likelihood

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan

    Array = NDArray[np.float64]

ROWS = (
    row("fleet-1", "fleet", "2025-01-12"),
    row("shots-1", "shots", "2025-02-01", grade="B2"),
    row("threat-1", "threat", "2025-02-01", grade="B2"),
)
FADING = {"indicators": {"fleet": {"effect": {"climb": "x3", "fades": "20d"}}}}


@pytest.fixture(params=filtering.PATHS, autouse=True)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every promise is kept by the kernel and by its twin."""
    monkeypatch.setattr(filtering, "PATH", request.param)
    return str(request.param)


def made(folder: Path) -> tuple[Plan, Batch]:
    """A few draws of the small case, with an effect that fades and evidence on three days."""
    found = assess(load_case(folder, ROWS, FADING), draws=16)
    values = {name: each[:5] for name, each in found.posterior.prior.items()}
    return found.plan, batch(found.plan, values)


def test_the_reach_is_that_of_the_matrix_exponential(tmp_path: Path) -> None:
    """With rates that change daily, P(reach | state) is a product of exponentials."""
    layout, batched = made(tmp_path)
    inside, days = layout.reached("high"), 12
    chain = later(batched.chain, 10)
    found = reach(chain, inside, days)
    for draw in range(batched.size):
        whole = np.eye(layout.space.size)
        for day in range(days):
            generator = chain.absorbing(inside).at(day).dense()[draw]
            whole = whole @ expm(generator)
        assert found[:, draw] == pytest.approx(whole @ inside, abs=1e-11)


def test_from_any_vector_it_is_the_arrival(tmp_path: Path) -> None:
    """Seen from a vector, the outlook is what the forward pass finds from it."""
    layout, batched = made(tmp_path)
    inside = layout.reached("deal")
    vector = np.random.default_rng(1).dirichlet(np.ones(layout.space.size), batched.size).T
    expected = arrival(batched.chain, np.ascontiguousarray(vector), inside, 40)
    found = (vector * reach(batched.chain, inside, 40)).sum(axis=0)
    assert found == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("day", [0, 11, 20, 31])
def test_the_outlook_of_a_day_closes_the_likelihood(tmp_path: Path, day: int) -> None:
    """The filter to a day, its reports met, and the outlook from there make up the whole."""
    layout, batched = made(tmp_path)
    end = layout.history
    nothing = Outlook.of(np.ones((layout.space.size, batched.size)))
    rest = before(batched, nothing, day, end)
    evidence = batched.evidence
    met = evidence.event_day[:, 0] <= day
    first = replace(
        evidence,
        killing_segment=evidence.killing_segment[:day],
        event_day=evidence.event_day[met],
        event_table=evidence.event_table[met],
    )
    length = np.full(batched.size, day, dtype=np.int32)
    here = log_likelihood(replace(batched, evidence=first, days=length))
    whole = here.loglik + rest.seen_from(here.filtered)
    assert whole == pytest.approx(log_likelihood(batched).loglik, abs=1e-10)


def test_lumping_keeps_the_mass_and_what_reaches_the_set(tmp_path: Path) -> None:
    """A lumped vector adds up to the same, and nothing leaves the lump."""
    layout, batched = made(tmp_path)
    inside = layout.reached("high")
    vector = lump(batched.start, inside)
    assert vector.sum(axis=0) == pytest.approx(1)
    chain = lumped(batched.chain, inside)
    assert chain.states == (~inside).sum() + 1
    assert chain.states - 1 not in chain.source
