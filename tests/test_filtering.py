"""Promises of `escalation.maths.filtering`, each kept by every path behind it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from escalation.maths import filtering
from escalation.maths.filtering import Evidence, Questions
from oracles import Size, every_path, every_state, infer, log_likelihood, random_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from escalation.maths.ctmc import Chain
    from escalation.maths.filtering import Batch, Inference

    Array = NDArray[np.float64]

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.builds(
    Size,
    states=st.integers(1, 5),
    members=st.integers(1, 3),
    days=st.integers(0, 8),
    horizon=st.integers(0, 5),
    events=st.integers(0, 5),
    ragged=st.booleans(),
)
BATCHES = st.builds(random_batch, SEEDS, SIZES)
few = settings(max_examples=30)


def close(actual: Array, expected: Array, error: float = 1e-11) -> None:
    """Probabilities agree to within an absolute error."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=error)


def horizon_of(batch: Batch) -> int:
    """Days of forecast that the chain allows for."""
    return len(batch.chain.segment) - len(batch.evidence.killing_segment)


def same_inference(a: Inference, b: Inference, error: float = 1e-11) -> None:
    """Every probability of two inferences agrees, and so do their log-likelihoods."""
    close(a.likelihood.loglik, b.likelihood.loglik, 10 * error)
    for name in ("filtered", "smoothed", "forecast", "passage"):
        close(getattr(a, name), getattr(b, name), error)


def first_state_and_last(batch: Batch) -> tuple[list[int], list[int]]:
    """Two sets of states whose first passage is asked for."""
    return [batch.chain.states - 1], sorted({0, batch.chain.states - 1})


# --- against the dense twin


def agrees_with_the_twin(batch: Batch, path: str, error: float, loglik_error: float) -> None:
    """Every output of every member is that of the dense twin."""
    questions = every_state(batch, horizon_of(batch), *first_state_and_last(batch))
    inference = infer(batch, questions, path)
    for member, days in enumerate(batch.days):
        answer = oracles.dense_answer(batch, questions, member)
        assert inference.likelihood.loglik[member] == pytest.approx(
            answer.loglik, rel=loglik_error, abs=loglik_error
        )
        close(inference.likelihood.increment[:, member], answer.increment, loglik_error)
        close(inference.likelihood.filtered[:, member], answer.filtered[-1], error)
        close(inference.filtered[: days + 1, :, member], answer.filtered, error)
        close(inference.smoothed[: days + 1, :, member], answer.smoothed, error)
        close(inference.forecast[:, :, member], answer.forecast, error)
        close(inference.passage[:, :, member], answer.passage, error)
    assert (inference.likelihood.impossible == -1).all()


@every_path
@few
@given(batch=BATCHES)
def test_every_output_is_the_dense_twins(path: str, batch: Batch) -> None:
    """Filter, smoother, forecast and passages agree with dense matrices, in cases of any shape."""
    agrees_with_the_twin(batch, path, 1e-11, 1e-10)


@every_path
@pytest.mark.parametrize("states", [3, 24, 60])
def test_stiff_rates_keep_the_promised_accuracy(path: str, states: int) -> None:
    """Rates and silences from 1e-6 to 50 a day: 1e-9 on probabilities, 1e-8 on logs."""
    size = Size(states=states, days=6, horizon=3, events=6, slowest=1e-6, fastest=50.0)
    agrees_with_the_twin(random_batch(states, size), path, 1e-9, 1e-8)


@every_path
def test_a_long_history_does_not_underflow(path: str) -> None:
    """Four hundred days of silence, worth e⁻¹²⁰⁰⁰, and a report on every tenth of them."""
    seen = [(10 * i, (1e-6, 3e-6)) for i in range(1, 41)]
    evidence = oracles.reports(400, seen, killing=(30.0, 30.0))
    batch = oracles.one_timeline((0.5, 0.5), [[-0.1, 0.1], [0.2, -0.2]], evidence, 400)
    twin = oracles.dense_answer(batch, every_state(batch), 0)
    loglik = float(log_likelihood(batch, path).loglik[0])
    assert loglik < -12_000
    assert loglik == pytest.approx(twin.loglik, rel=1e-10)


@every_path
def test_one_day_of_silence_may_weigh_anything(path: str) -> None:
    """A watch so close that a day without a report has probability e⁻²⁰⁰⁰ is still counted."""
    evidence = oracles.reports(3, [(2, (0.5, 0.2))], killing=(2000.0, 2000.0))
    batch = oracles.one_timeline((0.5, 0.5), [[-0.1, 0.1], [0.2, -0.2]], evidence, 3)
    unwatched = replace(batch, evidence=oracles.reports(3, [(2, (0.5, 0.2))]))
    result, without = log_likelihood(batch, path), log_likelihood(unwatched, path)
    close(result.loglik, without.loglik - 6000, 1e-8)
    close(result.filtered, without.filtered)


@pytest.mark.skipif(len(filtering.PATHS) < 2, reason="this build has one path only")
@settings(max_examples=60)
@given(batch=BATCHES)
def test_the_paths_agree_to_rounding(batch: Batch) -> None:
    """Whichever path is in use, the numbers are the same."""
    questions = every_state(batch, horizon_of(batch), *first_state_and_last(batch))
    first, *others = (infer(batch, questions, path) for path in filtering.PATHS)
    for other in others:
        same_inference(first, other, 1e-12)
        close(first.likelihood.increment, other.likelihood.increment, 1e-11)


# --- what the numbers are


@every_path
@few
@given(batch=BATCHES)
def test_columns_are_probabilities(path: str, batch: Batch) -> None:
    """Everything lies in [0, 1], and the states of a day add up to one."""
    questions = every_state(batch, horizon_of(batch), *first_state_and_last(batch))
    inference = infer(batch, questions, path)
    for values in (inference.filtered, inference.smoothed, inference.forecast):
        close(values.sum(axis=1), np.ones((len(values), batch.size)), 1e-12)
        assert values.min() >= 0
    assert inference.passage.min() >= 0
    assert inference.passage.max() <= 1 + 1e-12


@every_path
@few
@given(batch=BATCHES)
def test_the_likelihood_alone_is_that_of_the_inference(path: str, batch: Batch) -> None:
    """The quick pass gives the same log-likelihood, increments and last day as the full one."""
    quick = log_likelihood(batch, path)
    full = infer(batch, every_state(batch), path)
    close(quick.loglik, full.likelihood.loglik, 1e-12)
    close(quick.increment, full.likelihood.increment, 1e-12)
    close(quick.filtered, full.likelihood.filtered, 1e-13)


@every_path
@few
@given(batch=BATCHES)
def test_smoothing_on_the_last_day_is_filtering(path: str, batch: Batch) -> None:
    """On a member's last day all evidence is that up to the day."""
    inference = infer(batch, every_state(batch), path)
    for member, last in enumerate(batch.days):
        filtered = inference.likelihood.filtered[:, member]
        close(inference.smoothed[last, :, member], filtered)
        close(inference.filtered[last, :, member], filtered)


@every_path
@few
@given(batch=BATCHES)
def test_the_forecast_starts_from_what_is_believed(path: str, batch: Batch) -> None:
    """Day 0 of the forecast is the last filtered day; being inside a set then is reaching it."""
    inside = batch.chain.states - 1
    inference = infer(batch, every_state(batch, horizon_of(batch), [inside]), path)
    close(inference.forecast[0], inference.likelihood.filtered, 1e-14)
    close(inference.passage[0, 0], inference.likelihood.filtered[inside], 1e-14)


@every_path
@few
@given(batch=BATCHES)
def test_passage_grows_and_is_at_least_occupancy(path: str, batch: Batch) -> None:
    """What was reached stays reached, and nothing is occupied without being reached."""
    horizon, sets = horizon_of(batch), first_state_and_last(batch)
    inference = infer(batch, every_state(batch, horizon, *sets), path)
    assert (np.diff(inference.passage, axis=0) >= -1e-12).all()
    for number, inside in enumerate(sets):
        occupied = inference.forecast[:, inside].sum(axis=1)
        assert (inference.passage[:, number] >= occupied - 1e-12).all()


@every_path
@few
@given(batch=BATCHES)
def test_the_larger_set_is_reached_no_later(path: str, batch: Batch) -> None:
    """First passage into a set that holds another is at least as probable; into all, certain."""
    states = batch.chain.states
    sets = ([states - 1], sorted({0, states - 1}), range(states))
    passage = infer(batch, every_state(batch, horizon_of(batch), *sets), path).passage
    assert (passage[:, 1] >= passage[:, 0] - 1e-12).all()
    close(passage[:, 2], np.ones_like(passage[:, 2]), 1e-12)


@every_path
@few
@given(batch=BATCHES, day=st.integers(0, 8))
def test_nothing_leaks_from_the_future(path: str, batch: Batch, day: int) -> None:
    """What was believed on a day does not depend on what came after it."""
    earlier = replace(batch, days=np.minimum(batch.days, day).astype(np.int32))
    filtered = infer(batch, every_state(batch), path).filtered
    believed = log_likelihood(earlier, path).filtered
    for member, last in enumerate(earlier.days):
        close(filtered[last, :, member], believed[:, member], 1e-12)


@every_path
@few
@given(batch=BATCHES)
def test_marginals_are_sums_of_states(path: str, batch: Batch) -> None:
    """A marginal row is the sum over its states, for several factors at once."""
    horizon, states = horizon_of(batch), batch.chain.states
    half = np.arange(states) % 2
    marginal = np.array([np.arange(states), states + half], dtype=np.int32)
    both = infer(batch, Questions(horizon, marginal, np.zeros((0, states), dtype=bool)), path)
    for values in (both.filtered, both.smoothed, both.forecast):
        for row in sorted(set(half)):
            expected = values[:, :states][:, half == row].sum(axis=1)
            close(values[:, states + row], expected, 1e-13)


# --- what changes nothing


@every_path
@few
@given(batch=BATCHES, data=st.data())
def test_names_of_states_do_not_matter(path: str, batch: Batch, data: st.DataObject) -> None:
    """Renumbering the states renumbers the answers and changes none."""
    states = batch.chain.states
    order = np.array(data.draw(st.permutations(range(states))))  # new state n was order[n]
    new = np.argsort(order)
    chain, evidence = batch.chain, batch.evidence
    renamed = replace(
        batch,
        start=np.ascontiguousarray(batch.start[order]),
        chain=replace(
            chain,
            source=new[chain.source].astype(np.int32),
            target=new[chain.target].astype(np.int32),
        ),
        evidence=replace(
            evidence,
            killing=np.ascontiguousarray(evidence.killing[:, order]),
            table=np.ascontiguousarray(evidence.table[:, order]),
        ),
    )
    questions = every_state(batch, horizon_of(batch), *first_state_and_last(batch))
    asked = replace(
        questions,
        marginal=np.ascontiguousarray(questions.marginal[:, order]),
        passage=np.ascontiguousarray(questions.passage[:, order]),
    )
    same_inference(infer(renamed, asked, path), infer(batch, questions, path))


@every_path
@few
@given(batch=BATCHES)
def test_a_day_may_be_cut_in_two(path: str, batch: Batch) -> None:
    """Twice as many days with rates half as large give the same answers on every second day."""
    chain, evidence = batch.chain, batch.evidence
    halved = replace(
        batch,
        chain=replace(chain, rates=chain.rates / 2, segment=np.repeat(chain.segment, 2)),
        evidence=replace(
            evidence,
            killing=evidence.killing / 2,
            killing_segment=np.repeat(evidence.killing_segment, 2),
            event_day=evidence.event_day * 2,
        ),
        days=batch.days * 2,
    )
    horizon, sets = horizon_of(batch), first_state_and_last(batch)
    once = infer(batch, every_state(batch, horizon, *sets), path)
    twice = infer(halved, every_state(batch, 2 * horizon, *sets), path)
    close(twice.likelihood.loglik, once.likelihood.loglik, 1e-10)
    close(twice.filtered[::2], once.filtered)
    close(twice.smoothed[::2], once.smoothed)
    close(twice.forecast[::2], once.forecast)
    close(twice.passage[::2], once.passage)


@every_path
@few
@given(batch=BATCHES)
def test_order_within_a_day_does_not_matter(path: str, batch: Batch) -> None:
    """Reports of one day may be given in any order: beliefs and likelihood stay the same."""
    questions = every_state(batch, horizon_of(batch))
    table = batch.evidence.event_table.copy()
    days = batch.evidence.event_day
    for member in range(batch.size):
        for day in np.unique(days[:, member]):
            same = days[:, member] == day
            table[same, member] = table[same, member][::-1]
    turned = replace(batch, evidence=replace(batch.evidence, event_table=table))
    first, second = infer(batch, questions, path), infer(turned, questions, path)
    same_inference(first, second)
    close(first.likelihood.increment.sum(axis=0), second.likelihood.increment.sum(axis=0), 1e-10)


@every_path
@few
@given(batch=BATCHES, scale=st.floats(-3, 3), day=st.integers(0, 8))
def test_a_report_that_fits_every_state_alike_says_nothing(
    path: str, batch: Batch, scale: float, day: int
) -> None:
    """A likelihood ratio of 1 moves the log-likelihood by its scale and no probability at all."""
    evidence, states = batch.evidence, batch.chain.states
    place = int(np.searchsorted(evidence.event_day.min(axis=1, initial=99), day))
    # Put in by day, for members whose events may stand on different days: at the very end.
    rows, tables = len(evidence.likelihood), len(evidence.table)
    last = evidence.event_day.max(initial=0)
    place, day = len(evidence.event_day), max(day, int(last))
    added = replace(
        evidence,
        event_day=np.insert(evidence.event_day, place, day, axis=0),
        event_table=np.insert(evidence.event_table, place, tables, axis=0),
        table=np.vstack([evidence.table, np.full((1, states), rows, dtype=np.int32)]),
        likelihood=np.vstack([evidence.likelihood, np.ones((1, batch.size))]),
        log_scale=np.vstack([evidence.log_scale, np.full((1, batch.size), scale)]),
    )
    questions = every_state(batch, horizon_of(batch), [0])
    before = infer(batch, questions, path)
    after = infer(replace(batch, evidence=added), questions, path)
    came = np.where(day <= batch.days, scale, 0.0)
    close(after.likelihood.increment[place], came, 1e-12)
    close(after.likelihood.loglik, before.likelihood.loglik + came, 1e-10)
    for name in ("filtered", "smoothed", "forecast", "passage"):
        close(getattr(after, name), getattr(before, name), 1e-12)


@every_path
@few
@given(batch=BATCHES, rate=st.floats(0, 5))
def test_silence_that_fits_every_state_alike_says_nothing(
    path: str, batch: Batch, rate: float
) -> None:
    """Killing κ equal in all states lowers the log-likelihood by κT and moves no probability."""
    evidence, states = batch.evidence, batch.chain.states
    nobody = np.zeros((1, states, batch.size))
    stretch = np.where(
        evidence.killing_segment < 0, len(evidence.killing), evidence.killing_segment
    )
    watched = replace(
        evidence,
        killing=np.concatenate([evidence.killing, nobody]) + rate,
        killing_segment=stretch.astype(np.int32),
    )
    questions = every_state(batch, horizon_of(batch), [0])
    before = infer(batch, questions, path)
    after = infer(replace(batch, evidence=watched), questions, path)
    close(after.likelihood.loglik, before.likelihood.loglik - rate * batch.days, 1e-10)
    close(after.likelihood.increment, before.likelihood.increment, 1e-10)
    for name in ("filtered", "smoothed", "forecast", "passage"):
        close(getattr(after, name), getattr(before, name))


@every_path
@few
@given(batch=BATCHES)
def test_effects_of_one_change_nothing(path: str, batch: Batch) -> None:
    """Multipliers of 1 are the chain without modulators."""
    chain = batch.chain
    ones = replace(chain, multipliers=np.ones_like(chain.multipliers))
    none = replace(
        chain,
        modulator=np.full_like(chain.modulator, -1),
        multipliers=np.ones((0, chain.multipliers.shape[1], 1)),
    )
    questions = every_state(batch, horizon_of(batch), [0])
    same_inference(
        infer(replace(batch, chain=ones), questions, path),
        infer(replace(batch, chain=none), questions, path),
        1e-12,
    )


@every_path
@few
@given(batch=BATCHES)
def test_each_member_alone_is_the_same(path: str, batch: Batch) -> None:
    """A ragged batch gives each of its members what it would get alone."""
    questions = every_state(batch, horizon_of(batch), *first_state_and_last(batch))
    together = infer(batch, questions, path)
    for member, last in enumerate(batch.days):
        alone = infer(batch.part(slice(member, member + 1)), questions, path)
        close(alone.likelihood.loglik[0], together.likelihood.loglik[member], 1e-11)
        close(alone.likelihood.increment[:, 0], together.likelihood.increment[:, member], 1e-11)
        close(alone.filtered[:, :, 0], together.filtered[: last + 1, :, member], 1e-12)
        close(alone.smoothed[:, :, 0], together.smoothed[: last + 1, :, member], 1e-12)
        close(alone.forecast[:, :, 0], together.forecast[:, :, member], 1e-12)
        close(alone.passage[:, :, 0], together.passage[:, :, member], 1e-12)


def shared(batch: Batch) -> Batch:
    """The first member's evidence and multipliers, held once for all members."""
    one, chain = batch.part(slice(0, 1)).evidence, batch.chain
    return replace(
        batch,
        chain=replace(chain, multipliers=np.ascontiguousarray(chain.multipliers[:, :, :1])),
        evidence=one,
    )


def repeated(batch: Batch) -> Batch:
    """What is shared by the members of a batch, written out for each."""
    evidence, chain, members = batch.evidence, batch.chain, batch.size
    return replace(
        batch,
        chain=replace(chain, multipliers=np.repeat(chain.multipliers, members, axis=2)),
        evidence=Evidence(
            np.repeat(evidence.killing, members, axis=2),
            evidence.killing_segment,
            np.repeat(evidence.event_day, members, axis=1),
            np.repeat(evidence.event_table, members, axis=1),
            evidence.table,
            np.repeat(evidence.likelihood, members, axis=1),
            np.repeat(evidence.log_scale, members, axis=1),
        ),
    )


@every_path
@few
@given(batch=BATCHES)
def test_what_is_shared_may_be_held_once(path: str, batch: Batch) -> None:
    """Arrays with a last axis of 1 mean the same as with one column for each member."""
    once = shared(batch)
    questions = every_state(batch, horizon_of(batch), [0])
    same_inference(infer(once, questions, path), infer(repeated(once), questions, path), 1e-12)


@every_path
@few
@given(batch=BATCHES)
def test_events_after_the_history_never_come(path: str, batch: Batch) -> None:
    """An event beyond a member's last day changes nothing and has no increment."""
    gone = batch.evidence.event_day > batch.days
    increment = log_likelihood(batch, path).increment
    assert not increment[gone].any()


@every_path
@few
@given(batch=BATCHES)
def test_the_log_likelihood_is_the_sum_of_its_parts(path: str, batch: Batch) -> None:
    """Where nothing is watched, the increments of the events are all there is."""
    unwatched = np.full_like(batch.evidence.killing_segment, -1)
    heard = replace(batch, evidence=replace(batch.evidence, killing_segment=unwatched))
    result = log_likelihood(heard, path)
    close(result.increment.sum(axis=0), result.loglik, 1e-10)


@every_path
@few
@given(batch=BATCHES)
def test_the_inputs_are_left_as_they_were(path: str, batch: Batch) -> None:
    """No array that was handed in is written to."""
    evidence = batch.evidence
    arrays = (batch.start, batch.chain.rates, evidence.killing, evidence.likelihood, batch.days)
    before = [array.copy() for array in arrays]
    infer(batch, every_state(batch, horizon_of(batch), [0]), path)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- evidence that cannot be


@every_path
def test_impossible_evidence_is_named_and_never_renormalised(path: str) -> None:
    """A report with probability zero gives −∞ and its index; other members are as before."""
    batch = random_batch(5, Size(states=3, members=3, days=6, events=4))
    evidence = batch.evidence
    likelihood = evidence.likelihood.copy()
    table = int(evidence.event_table[2, 1])
    likelihood[evidence.table[table], 1] = 0.0
    event_day = np.sort(np.minimum(evidence.event_day, 5), axis=0)
    possible = log_likelihood(replace(batch, evidence=replace(evidence, event_day=event_day)), path)
    result = log_likelihood(
        replace(batch, evidence=replace(evidence, event_day=event_day, likelihood=likelihood)),
        path,
    )
    first = int(np.flatnonzero(evidence.event_table[:, 1] == table)[0])
    assert result.loglik[1] == -math.inf
    assert result.impossible.tolist() == [-1, first, -1]
    assert result.increment[first, 1] == -math.inf
    np.testing.assert_array_equal(result.loglik[[0, 2]], possible.loglik[[0, 2]])
    np.testing.assert_array_equal(result.filtered[:, [0, 2]], possible.filtered[:, [0, 2]])


@every_path
def test_evidence_of_an_unreachable_state_is_impossible(path: str) -> None:
    """A report that only a state with no way into it could give names itself too."""
    evidence = oracles.reports(4, [(1, (1.0, 1.0, 0.5)), (3, (0.0, 0.0, 1.0)), (4, (1, 1, 1))])
    generator = [[-0.1, 0.1, 0], [0.1, -0.1, 0], [0.2, 0, -0.2]]
    batch = oracles.one_timeline((0.5, 0.5, 0), generator, evidence, 4)
    result = log_likelihood(batch, path)
    assert result.loglik[0] == -math.inf
    assert result.impossible.tolist() == [1]


@every_path
def test_what_is_merely_improbable_is_not_impossible(path: str) -> None:
    """A report with probability 1e-300 is counted as such."""
    evidence = oracles.reports(1, [(1, (1e-300, 1e-300))])
    batch = oracles.one_timeline((0.5, 0.5), [[-0.1, 0.1], [0.2, -0.2]], evidence, 1)
    result = log_likelihood(batch, path)
    assert result.impossible.tolist() == [-1]
    assert result.loglik[0] == pytest.approx(-300 * math.log(10), rel=1e-12)


# --- the corners


@every_path
def test_no_history_at_all(path: str) -> None:
    """On day 0, with nothing seen, what is believed is the start."""
    batch = random_batch(2, Size(days=0, horizon=3, events=0))
    inference = infer(batch, every_state(batch, 3, [0]), path)
    np.testing.assert_array_equal(inference.likelihood.loglik, np.zeros(2))
    for values in (inference.filtered, inference.smoothed):
        assert values.shape == (1, 3, 2)
        close(values[0], batch.start, 1e-15)


@every_path
def test_events_of_day_zero_condition_the_start(path: str) -> None:
    """A report on the first day is Bayes' rule on the start probabilities."""
    evidence = oracles.reports(0, [(0, (0.2, 0.6))])
    batch = oracles.one_timeline((0.75, 0.25), [[-1, 1], [1, -1]], evidence, 0)
    result = log_likelihood(batch, path)
    assert result.loglik[0] == pytest.approx(math.log(0.3))
    close(result.filtered[:, 0], np.array([0.5, 0.5]))


@every_path
def test_a_state_that_nothing_leaves_or_enters(path: str) -> None:
    """A chain without any move keeps the start; evidence alone moves beliefs."""
    evidence = oracles.reports(3, [(2, (0.1, 0.3))], killing=(0.2, 0.1))
    batch = oracles.one_timeline((0.5, 0.5), np.zeros((2, 2)), evidence, 3, horizon=2)
    inference = infer(batch, every_state(batch, 2, [1]), path)
    weights = np.array([0.1 * math.exp(-0.6), 0.3 * math.exp(-0.3)])
    close(inference.likelihood.filtered[:, 0], weights / weights.sum())
    close(inference.passage[:, 0, 0], np.full(3, weights[1] / weights.sum()))


@every_path
def test_no_questions_and_no_evidence(path: str) -> None:
    """Nothing asked and nothing seen is a run all the same, with log-likelihood zero."""
    batch = random_batch(3, Size(days=4, horizon=0))
    quiet = replace(batch, evidence=Evidence.none(4))
    nothing = Questions(0, np.zeros((0, 3), dtype=np.int32), np.zeros((0, 3), dtype=bool))
    inference = infer(quiet, nothing, path)
    close(inference.likelihood.loglik, np.zeros(2), 1e-13)
    assert inference.filtered.shape == (5, 0, 2)
    assert inference.passage.shape == (1, 0, 2)


def members(batch: Batch, times: int) -> Batch:
    """The same members over and over."""
    chain: Chain = batch.chain
    evidence = batch.evidence
    tile = {
        name: np.tile(getattr(evidence, name), times)
        for name in ("killing", "event_day", "event_table", "likelihood", "log_scale")
    }
    return replace(
        batch,
        start=np.tile(batch.start, times),
        chain=replace(
            chain,
            rates=np.tile(chain.rates, times),
            multipliers=np.tile(chain.multipliers, times),
        ),
        evidence=replace(evidence, **tile),
        days=np.tile(batch.days, times),
    )


@every_path
def test_a_large_batch_is_many_small_ones(path: str) -> None:
    """Two thousand members, more than one chunk or lane holds, each get their own answer."""
    few_members = random_batch(11, Size(members=5, days=5, ragged=True))
    questions = every_state(few_members, horizon_of(few_members), [0])
    small = infer(few_members, questions, path)
    large = infer(members(few_members, 401), questions, path)
    close(large.likelihood.loglik, np.tile(small.likelihood.loglik, 401), 1e-12)
    for name in ("filtered", "smoothed", "forecast", "passage"):
        close(getattr(large, name), np.tile(getattr(small, name), 401), 1e-13)
