"""Promises of `escalation.maths.ctmc`."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.stats import poisson

import oracles
from escalation.maths.ctmc import (
    PART_REACH,
    RESOLUTION,
    TOLERANCE,
    Chain,
    Generator,
    propagate,
    terms_table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SEEDS = st.integers(0, 2**32 - 1)
STATES = st.integers(1, 6)


def random_generator(
    rng: np.random.Generator, states: int, members: int, slowest: float, fastest: float
) -> Generator:
    """Generators of every size of rate, about four moves out of each state."""
    matrices = np.exp(rng.uniform(math.log(slowest), math.log(fastest), (members, states, states)))
    matrices[:, rng.random((states, states)) > 4 / states] = 0.0
    return oracles.chain_of(matrices, 1).at(0)


def exact_matrix(generator: Generator, member: int, killing: Array | None = None) -> Array:
    """Q − diag κ of one member, added up move by move."""
    chain = generator.chain
    matrix = np.zeros((chain.states, chain.states))
    rates = chain.rates_in(int(chain.segment[0]))[:, member]
    for source, target, row in zip(chain.source, chain.target, chain.row, strict=True):
        matrix[source, target] += rates[row]
        matrix[source, source] -= rates[row]
    if killing is not None:
        matrix -= np.diag(np.broadcast_to(killing, (chain.states, chain.size))[:, member])
    return matrix


@given(SEEDS, STATES, st.floats(0, 20), st.booleans(), st.booleans())
def test_propagation_is_the_matrix_exponential(
    seed: int, states: int, days: float, killed: bool, backward: bool
) -> None:
    """Forward v exp(G t), backward exp(G t) v, with killing or without, for any length of time."""
    rng = np.random.default_rng(seed)
    generator = random_generator(rng, states, 3, 1e-3, 2.0)
    vector = rng.random((states, 3))
    killing = rng.random((states, 3)) if killed else None
    moved = propagate(vector, generator, killing, days=days, backward=backward)
    for member in range(3):
        matrix = expm(exact_matrix(generator, member, killing) * days)
        expected = (matrix if backward else matrix.T) @ vector[:, member]
        np.testing.assert_allclose(moved[:, member], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("states", [2, 8, 24, 60])
@pytest.mark.parametrize("killed", [False, True])
def test_stiff_rates(states: int, killed: bool) -> None:
    """Rates from 1e-6 to 50 a day in one chain of up to 60 states still give 1e-9."""
    rng = np.random.default_rng(states)
    generator = random_generator(rng, states, 4, 1e-6, 50.0)
    vector = rng.dirichlet(np.ones(states), 4).T
    killing = np.exp(rng.uniform(math.log(1e-6), math.log(50), (states, 4))) if killed else None
    moved = propagate(vector, generator, killing)
    for member in range(4):
        expected = vector[:, member] @ expm(exact_matrix(generator, member, killing))
        np.testing.assert_allclose(moved[:, member], expected, rtol=0, atol=1e-9)


def test_killing_shared_by_the_batch() -> None:
    """Killing of shape (K, 1) is that of every member."""
    rng = np.random.default_rng(1)
    generator = random_generator(rng, 5, 3, 1e-2, 5.0)
    vector, killing = rng.random((5, 3)), rng.random((5, 1))
    shared = propagate(vector, generator, killing)
    each = propagate(vector, generator, np.repeat(killing, 3, axis=1))
    np.testing.assert_allclose(shared, each, rtol=1e-14)


def test_small_probabilities_keep_their_relative_accuracy() -> None:
    """P(five rare moves in a day) is right to 1e-4 of itself at 1e-11: nothing cancels."""
    rate = 0.02
    chain = Chain.constant(range(6), range(1, 7), np.full((6, 1), rate), states=7)
    vector = np.zeros((7, 1))
    vector[0] = 1.0
    moved = propagate(vector, chain.at(0))[:6, 0]
    np.testing.assert_allclose(moved, poisson.pmf(range(6), rate), rtol=1e-4)


@given(SEEDS, STATES, st.floats(0, 50))
def test_probability_is_conserved_and_never_negative(seed: int, states: int, days: float) -> None:
    """Without killing the mass stays what it was; no entry is ever negative."""
    rng = np.random.default_rng(seed)
    generator = random_generator(rng, states, 2, 1e-6, 10.0)
    vector = rng.dirichlet(np.ones(states), 2).T
    moved = propagate(vector, generator, days=days)
    assert moved.min() >= 0
    np.testing.assert_allclose(moved.sum(axis=0), 1, rtol=1e-12)


@given(SEEDS, STATES, st.floats(0, 10), st.floats(0, 10))
def test_two_steps_are_one(seed: int, states: int, first: float, second: float) -> None:
    """Moving for s days and then for t is moving for s + t."""
    rng = np.random.default_rng(seed)
    generator = random_generator(rng, states, 2, 1e-3, 3.0)
    vector, killing = rng.random((states, 2)), rng.random((states, 2))
    twice = propagate(
        propagate(vector, generator, killing, days=first), generator, killing, days=second
    )
    once = propagate(vector, generator, killing, days=first + second)
    np.testing.assert_allclose(twice, once, rtol=1e-11, atol=1e-14)


@given(SEEDS, STATES)
def test_backward_is_the_adjoint_of_forward(seed: int, states: int) -> None:
    """⟨v exp(G), w⟩ = ⟨v, exp(G) w⟩."""
    rng = np.random.default_rng(seed)
    generator = random_generator(rng, states, 2, 1e-3, 3.0)
    left, right, killing = rng.random((3, states, 2))
    forward = (propagate(left, generator, killing) * right).sum(axis=0)
    backward = (left * propagate(right, generator, killing, backward=True)).sum(axis=0)
    np.testing.assert_allclose(forward, backward, rtol=1e-12)


def test_nothing_moves_where_nothing_can() -> None:
    """A chain without moves, or no time at all, gives back what it was given, as a copy."""
    vector = np.array([[0.3], [0.7]])
    still = Chain.constant([], [], np.zeros((0, 1)), states=2).at(0)
    moving = Chain.constant([0], [1], [[1.0]], states=2).at(0)
    for moved in (propagate(vector, still), propagate(vector, moving, days=0.0)):
        np.testing.assert_array_equal(moved, vector)
        assert not np.shares_memory(moved, vector)


def test_killing_alone_is_exponential_decay() -> None:
    """Where nothing moves, the mass not killed after t days is exp(−κt)."""
    still = Chain.constant([], [], np.zeros((0, 1)), states=3).at(0)
    killing = np.array([[0.0], [0.1], [7.0]])
    left = propagate(np.ones((3, 1)), still, killing, days=5.0)
    np.testing.assert_allclose(left, np.exp(-5 * killing), rtol=1e-12)


@given(SEEDS, STATES)
def test_dense_matrices_are_the_moves_added_up(seed: int, states: int) -> None:
    """`Generator.dense` holds each move's rate, and its rows sum to zero."""
    batch = oracles.random_batch(seed, oracles.Size(states=states))
    for day in (0, 5):
        dense = batch.chain.at(day).dense()
        for member in range(batch.size):
            expected = oracles.dense_generator(batch.chain, day, member)
            np.testing.assert_allclose(dense[member], expected, rtol=1e-13, atol=1e-15)


@given(SEEDS)
def test_a_part_of_the_batch_is_the_same_chains(seed: int) -> None:
    """`Chain.batch` keeps each member's generators as they were."""
    chain = oracles.random_batch(seed, oracles.Size(members=4)).chain
    for day in range(len(chain.segment)):
        whole, part = chain.at(day).dense(), chain.batch(slice(1, 3)).at(day).dense()
        np.testing.assert_array_equal(part, whole[1:3])


@given(SEEDS)
def test_absorbing_states_are_never_left(seed: int) -> None:
    """`Chain.absorbing` takes away the moves out of the set, and no other."""
    chain = oracles.random_batch(seed, oracles.Size(states=5)).chain
    inside = np.array([False, True, False, False, True])
    before, after = chain.at(0).dense(), chain.absorbing(inside).at(0).dense()
    assert not after[:, inside].any()
    np.testing.assert_allclose(after[:, ~inside], before[:, ~inside], rtol=1e-12, atol=1e-12)


def test_rates_change_by_segment_and_modulator() -> None:
    """A rate is multiplied by its modulator in the segment of the day, and by nothing at −1."""
    index = np.int32
    chain = Chain(
        states=2,
        source=np.array([0, 1], dtype=index),
        target=np.array([1, 0], dtype=index),
        row=np.array([0, 1], dtype=index),
        rates=np.array([[2.0, 4.0], [1.0, 1.0]]),
        modulator=np.array([0, -1], dtype=index),
        multipliers=np.array([[[1.0], [3.0]]]),
        segment=np.array([0, 1, 1], dtype=index),
    )
    np.testing.assert_array_equal(chain.rates_in(int(chain.segment[0])), [[2, 4], [1, 1]])
    np.testing.assert_array_equal(chain.rates_in(int(chain.segment[2])), [[6, 12], [1, 1]])
    np.testing.assert_array_equal(chain.at(1).exit_rates, [[6, 12], [1, 1]])


@given(st.floats(0, PART_REACH), st.booleans(), st.sampled_from([0.0, 1.5]))
def test_the_series_is_cut_where_nothing_is_left(
    reach: float, lossless: bool, shift: float
) -> None:
    """The terms left out weigh less than the tolerance, of e^Λt or of the least killing leaves."""
    terms = terms_table(lossless=lossless, shift=shift)[int(np.ceil(reach * RESOLUTION))]
    whole = 1.0 if lossless else np.exp(-reach - min(reach, shift))
    assert poisson.sf(terms, reach) <= TOLERANCE * whole * (1 + 1e-9)


# --- published numbers

# R msm 1.7 on its heart-transplant data (Jackson 2011, J. Stat. Softw. 38(8)): the allowed moves,
# and the two generators at which its −2 log-likelihood was printed.
CAV_MOVES = ((0, 1), (0, 3), (1, 0), (1, 2), (1, 3), (2, 1), (2, 3))
CAV_FIRST = (0.25, 0.25, 0.166, 0.166, 0.166, 0.25, 0.25)
CAV_BEST = (
    0.127874268579138,
    0.0424853518820235,
    0.225101598647954,
    0.342595503852791,
    0.0402661956772244,
    0.130623856401625,
    0.306459396086990,
)
DEATH = 3


def cav_intervals(reference: Path) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """State before, state after and years between, for each two visits of a patient in a row."""
    with (reference / "msm" / "cav.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    visits = [
        (int(a["state"]) - 1, int(b["state"]) - 1, float(b["years"]) - float(a["years"]))
        for a, b in pairwise(rows)
        if a["PTNUM"] == b["PTNUM"]
    ]
    before, after, years = zip(*visits, strict=True)
    return np.array(before), np.array(after), np.array(years)


def cav_deviance(reference: Path, rates: tuple[float, ...], *, death_exact: bool) -> float:
    """−2 log-likelihood of the panel: all intervals are one batch, each with its own clock."""
    before, after, years = cav_intervals(reference)
    source, target = zip(*CAV_MOVES, strict=True)
    chain = Chain.constant(source, target, np.outer(rates, years), states=4)
    start = (np.arange(4)[:, None] == before).astype(float)
    arrived = propagate(start, chain.at(0))
    into_death = np.zeros(4)
    for (state, to), rate in zip(CAV_MOVES, rates, strict=True):
        into_death[state] += rate * (to == DEATH)
    seen = arrived[after, np.arange(len(after))]
    if death_exact:
        seen = np.where(after == DEATH, into_death @ arrived, seen)
    return float(-2 * np.log(seen).sum())


@pytest.mark.parametrize(
    ("rates", "death_exact", "deviance"),
    [
        (CAV_FIRST, True, 4908.81676837903),
        (CAV_FIRST, False, 4833.00640639644),
        (CAV_BEST, True, 3968.797881202),
    ],
)
def test_panel_likelihood_of_msm(
    reference: Path, rates: tuple[float, ...], death_exact: bool, deviance: float
) -> None:
    """The heart-transplant panel has the −2 log-likelihood that R msm 1.7 prints, to 1e-8."""
    mine = cav_deviance(reference, rates, death_exact=death_exact)
    assert mine == pytest.approx(deviance, rel=1e-8)


def test_transition_probabilities_of_msm() -> None:
    """P(1 year) from state 1 at msm's estimate is what msm prints."""
    source, target = zip(*CAV_MOVES, strict=True)
    chain = Chain.constant(source, target, np.array(CAV_BEST)[:, None], states=4)
    moved = propagate(np.array([[1.0], [0.0], [0.0], [0.0]]), chain.at(0))[:, 0]
    printed = [0.853967615439, 0.088371806631, 0.014755224492, 0.042905353438]
    np.testing.assert_allclose(moved, printed, rtol=0, atol=1e-12)


TEXTBOOK = (0.09125, 0.15716, 0.25982)  # progressive 1 → 2 → 3 → 4


def textbook_chain() -> Chain:
    """The multi-state textbook's progressive chain."""
    return Chain.constant([0, 1, 2], [1, 2, 3], np.array(TEXTBOOK)[:, None], states=4)


def test_textbook_mean_sojourns() -> None:
    """The mean stay in each state is one over its exit rate: 10.96, 6.36, 3.85."""
    sojourns = 1 / textbook_chain().at(0).exit_rates[:3, 0]
    np.testing.assert_allclose(sojourns, [10.96, 6.36, 3.85], atol=0.005)


def test_textbook_mean_first_passage() -> None:
    """The mean time to the last state is 21.17, 10.21 and 3.85 from the first three."""
    inner = textbook_chain().at(0).dense()[0, :3, :3]
    np.testing.assert_allclose(np.linalg.solve(-inner, np.ones(3)), [21.17, 10.21, 3.85], atol=0.01)


def test_textbook_transition_probabilities() -> None:
    """P(10) from the first state is .402 .268 .140 .190."""
    start = np.array([[1.0], [0.0], [0.0], [0.0]])
    moved = propagate(start, textbook_chain().at(0), days=10.0)[:, 0]
    np.testing.assert_allclose(moved, [0.402, 0.268, 0.140, 0.190], atol=0.0005)
