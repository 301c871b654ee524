"""The package against independent answers: published numbers, every path, simulation, peers.

Simulated shares are compared at five standard errors, so that a single comparison alarms falsely
once in 1.7 million seeds; all of them together (about 300) once in 5,000.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.linalg import expm

import oracles
from oracles import every_path, every_state, infer, one_timeline, within_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from escalation.maths.filtering import Batch, Inference

    Array = NDArray[np.float64]


# --- the umbrella of Russell & Norvig, as exact fractions

RAIN = [[Fraction(7, 10), Fraction(3, 10)], [Fraction(3, 10), Fraction(7, 10)]]
HALF = [Fraction(1, 2), Fraction(1, 2)]
UMBRELLA = [Fraction(9, 10), Fraction(2, 10)]
NO_UMBRELLA = [Fraction(1, 10), Fraction(8, 10)]
NOTHING = [Fraction(1), Fraction(1)]


def umbrella_days(pattern: str) -> list[list[Fraction]]:
    """Likelihood by state of each day, `U` an umbrella and `-` none; nothing on day 0."""
    return [NOTHING, *(UMBRELLA if seen == "U" else NO_UMBRELLA for seen in pattern)]


def umbrella_batch(pattern: str) -> Batch:
    """The same in continuous time: a generator with the transition matrix over one day."""
    seen = [
        (day, oracles.fractions_of(likelihood))
        for day, likelihood in enumerate(umbrella_days(pattern))
        if day
    ]
    generator = oracles.generator_of([oracles.fractions_of(row) for row in RAIN])
    evidence = oracles.reports(len(pattern), seen)
    return one_timeline((0.5, 0.5), generator, evidence, len(pattern))


def exact_umbrella(pattern: str) -> tuple[Fraction, list[Fraction], list[Fraction]]:
    """Likelihood, and P(rain) filtered and smoothed by day, from all paths."""
    seen = umbrella_days(pattern)
    total, smoothed = oracles.enumerate_paths(HALF, RAIN, seen)
    filtered = [
        oracles.enumerate_paths(HALF, RAIN, seen[: day + 1])[1][-1] for day in range(len(seen))
    ]
    return total, [row[0] for row in filtered], [row[0] for row in smoothed]


def test_umbrella_fractions_are_the_published_ones() -> None:
    """Adding up all paths gives 9/11, 621/703 and 703/2000, and the longer case's likelihood."""
    likelihood, filtered, _ = exact_umbrella("UU")
    assert filtered[1:] == [Fraction(9, 11), Fraction(621, 703)]
    assert likelihood == Fraction(703, 2000)
    assert exact_umbrella("UU-UU")[0] == Fraction(68607401, 2 * 10**9)


def test_umbrella_smoothing_is_the_published_one() -> None:
    """The longer case's filtered and smoothed probabilities, to the six decimals printed."""
    _, filtered, smoothed = exact_umbrella("UU-UU")
    printed = [0.818182, 0.883357, 0.190668, 0.730794, 0.867339]
    np.testing.assert_allclose(oracles.fractions_of(filtered[1:]), printed, atol=5e-7)
    printed = [0.867339, 0.820419, 0.307484, 0.820419, 0.867339]
    np.testing.assert_allclose(oracles.fractions_of(smoothed[1:]), printed, atol=5e-7)


@every_path
@pytest.mark.parametrize("pattern", ["U", "UU", "UU-UU", "-----", "U--U-UU"])
def test_umbrella(path: str, pattern: str) -> None:
    """The umbrella in continuous time has the exact filtered, smoothed and total probability."""
    likelihood, filtered, smoothed = exact_umbrella(pattern)
    batch = umbrella_batch(pattern)
    inference = infer(batch, every_state(batch), path)
    assert np.exp(inference.likelihood.loglik[0]) == pytest.approx(float(likelihood), rel=1e-12)
    for values, exact in ((inference.filtered, filtered), (inference.smoothed, smoothed)):
        np.testing.assert_allclose(values[:, 0, 0], oracles.fractions_of(exact), atol=1e-12)


# --- every path of small cases

THREE = np.array([[-0.7, 0.5, 0.2], [0.1, -0.4, 0.3], [0.0, 0.6, -0.6]])
WATCH = np.array([0.05, 0.6, 1.5])
START = np.array([0.6, 0.3, 0.1])


def three_state_case(seed: int, *, watched: bool) -> tuple[Batch, list[Array]]:
    """Three states, four steps, a report on some days; and each day's likelihood by state."""
    rng = np.random.default_rng(seed)
    seen = [(day, rng.uniform(0.05, 2, 3)) for day in range(5) if rng.random() < 0.7]
    likelihood = dict(seen)
    evidence = oracles.reports(
        4, [(day, tuple(each)) for day, each in seen], WATCH if watched else None
    )
    by_day = [likelihood.get(day, np.ones(3)) for day in range(5)]
    return one_timeline(START, THREE, evidence, 4), by_day


@every_path
@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_all_paths_of_a_small_case(path: str, watched: bool, seed: int) -> None:
    """Adding up every path, silence being a state that none may enter, gives the same numbers."""
    batch, by_day = three_state_case(seed, watched=watched)
    transition = expm(oracles.with_cemetery(THREE, WATCH if watched else np.zeros(3)))
    alive = [[*likelihood, 0.0] for likelihood in by_day]
    total, smoothed = oracles.enumerate_paths([*START, 0.0], transition.tolist(), alive)
    inference = infer(batch, every_state(batch), path)
    assert inference.likelihood.loglik[0] == pytest.approx(np.log(total), abs=1e-12)
    np.testing.assert_allclose(
        inference.smoothed[:, :, 0], np.array(smoothed)[:, :3], rtol=0, atol=1e-12
    )
    for day in range(5):
        _, upto = oracles.enumerate_paths([*START, 0.0], transition.tolist(), alive[: day + 1])
        np.testing.assert_allclose(inference.filtered[day, :, 0], upto[-1][:3], atol=1e-12)


@every_path
def test_all_paths_into_a_set(path: str) -> None:
    """First passage by day is the probability of all daily paths of the chain held in the set."""
    batch, _ = three_state_case(0, watched=False)
    batch = one_timeline(START, THREE, oracles.reports(0, []), 0, horizon=4)
    inference = infer(batch, every_state(batch, 4, [2]), path)
    held = THREE.copy()
    held[2] = 0.0
    step = expm(held)
    for day in range(5):
        reached = sum(
            START[way[0]] * np.prod([step[a, b] for a, b in pairwise(way)])
            for way in product(range(3), repeat=day + 1)
            if way[-1] == 2
        )
        assert inference.passage[day, 0, 0] == pytest.approx(reached, abs=1e-12)


# --- simulation

# A ladder of three with two marks, slow against a day, so that a report's half day on either side
# of its own moves no probability by more than SLACK.
LADDER = np.array([[-0.06, 0.06, 0.0], [0.02, -0.09, 0.07], [0.0, 0.03, -0.03]])
MARKS = np.array([[0.01, 0.03, 0.08], [0.04, 0.02, 0.005]])
AT_FIRST = np.array([0.7, 0.2, 0.1])
HISTORY, HORIZON, REPORTED = 16, 20, 9
TRAJECTORIES = 150_000
SLACK = 1e-3
QUICKENED = 2.5  # climbs, from the last day of history on


def climbing(factor: float) -> Array:
    """The ladder with its climbs multiplied."""
    rates = np.triu(LADDER, 1) * factor + np.tril(LADDER, -1)
    return np.asarray(rates - np.diag(rates.sum(axis=1)))


@cache
def ladder_trajectories() -> oracles.Trajectories:
    """Trajectories in steps of half a day, over history and horizon."""
    halves = [LADDER / 2] * (2 * HISTORY) + [climbing(QUICKENED) / 2] * (2 * HORIZON)
    return oracles.simulate(20251122, AT_FIRST, halves, MARKS / 2, TRAJECTORIES)


def ladder_batch(seen: Sequence[tuple[int, Sequence[float]]], watched: Array | None) -> Batch:
    """The same for the filter: two segments, an effect on the climbs in the second."""
    batch = one_timeline(
        AT_FIRST, LADDER, oracles.reports(HISTORY, seen, watched), HISTORY, HORIZON
    )
    chain, segment = batch.chain, np.repeat([0, 1], [HISTORY, HORIZON]).astype(np.int32)
    modulator = np.where(chain.target > chain.source, 0, -1).astype(np.int32)
    effect = np.array([[[1.0], [QUICKENED]]])
    return replace_chain(batch, modulator, effect, segment)


def replace_chain(
    batch: Batch, modulator: NDArray[np.int32], multipliers: Array, segment: NDArray[np.int32]
) -> Batch:
    """The batch with an effect on some of its moves."""
    chain = replace(batch.chain, modulator=modulator, multipliers=multipliers, segment=segment)
    return replace(batch, chain=chain)


def shares(trajectories: oracles.Trajectories, kept: NDArray[np.bool_], halves: int) -> Array:
    """Share of the kept trajectories in each state after so many half days."""
    states = trajectories.state[halves, kept]
    return np.asarray(np.bincount(states, minlength=3) / len(states), dtype=float)


def agrees_with_simulation(inference: Inference, kept: NDArray[np.bool_], slack: float) -> None:
    """Smoothed history, forecast and passages fit the trajectories that gave this evidence."""
    trajectories, trials = ladder_trajectories(), int(kept.sum())
    assert trials > 2000
    for day in range(0, HISTORY + 1, 4):
        share = shares(trajectories, kept, 2 * day)
        assert within_noise(share, inference.smoothed[day, :, 0], trials, slack)
    now = shares(trajectories, kept, 2 * HISTORY)
    assert within_noise(now, inference.likelihood.filtered[:, 0], trials, slack)
    for ahead in range(0, HORIZON + 1, 5):
        share = shares(trajectories, kept, 2 * (HISTORY + ahead))
        assert within_noise(share, inference.forecast[ahead, :, 0], trials, slack)
        reached = reached_since(trajectories, kept, 2 * HISTORY, 2 * (HISTORY + ahead))
        assert within_noise(reached, inference.passage[ahead, :, 0], trials, slack)


def reached_since(
    trajectories: oracles.Trajectories, kept: NDArray[np.bool_], first: int, last: int
) -> Array:
    """Share that was in the top state, and in one of the two upper ones, between two times."""
    entered: NDArray[np.bool_] = np.logical_or.reduce(trajectories.entered[first:last], axis=0)
    reached = entered[:, kept]
    reached[trajectories.state[first, kept], np.arange(int(kept.sum()))] = True
    return np.array([reached[2].mean(), reached[1:].any(axis=0).mean()])


UPPER = ([2], [1, 2])


@every_path
def test_simulation_without_evidence(path: str) -> None:
    """With nothing watched and nothing reported, all trajectories count."""
    batch = ladder_batch([], None)
    inference = infer(batch, every_state(batch, HORIZON, *UPPER), path)
    agrees_with_simulation(inference, np.ones(TRAJECTORIES, dtype=bool), 0.0)


@every_path
def test_simulation_of_silence(path: str) -> None:
    """Trajectories without a report of either mark in the whole history are what silence means."""
    kept = ladder_trajectories().count[: 2 * HISTORY].sum(axis=(0, 1)) == 0
    batch = ladder_batch([], MARKS.sum(axis=0))
    inference = infer(batch, every_state(batch, HORIZON, *UPPER), path)
    silent = np.exp(inference.likelihood.loglik[0])
    assert within_noise(kept.mean(), silent, TRAJECTORIES)
    agrees_with_simulation(inference, kept, 0.0)


@every_path
@pytest.mark.parametrize("mark", [0, 1])
def test_simulation_of_silence_of_one_mark(path: str, mark: int) -> None:
    """Where one mark is watched, the other's reports count for nothing."""
    kept = ladder_trajectories().count[: 2 * HISTORY, mark].sum(axis=0) == 0
    batch = ladder_batch([], MARKS[mark])
    inference = infer(batch, every_state(batch, HORIZON, *UPPER), path)
    assert within_noise(kept.mean(), np.exp(inference.likelihood.loglik[0]), TRAJECTORIES)
    agrees_with_simulation(inference, kept, 0.0)


@every_path
@pytest.mark.parametrize("mark", [0, 1])
def test_simulation_of_one_report(path: str, mark: int) -> None:
    """Trajectories whose only report of a watched mark came around a day, silent before and after.

    The simulation keeps those within half a day of it; the intensity times that day is what the
    filter conditions on.
    """
    count = ladder_trajectories().count[: 2 * HISTORY, mark]
    around = slice(2 * REPORTED - 1, 2 * REPORTED + 1)
    kept = (count.sum(axis=0) == 1) & (count[around].sum(axis=0) == 1)
    batch = ladder_batch([(REPORTED, MARKS[mark])], MARKS[mark])
    inference = infer(batch, every_state(batch, HORIZON, *UPPER), path)
    assert within_noise(kept.mean(), np.exp(inference.likelihood.loglik[0]), TRAJECTORIES, SLACK)
    agrees_with_simulation(inference, kept, SLACK)


@every_path
def test_simulation_of_a_first_report_and_no_further_watch(path: str) -> None:
    """A type watched until its first report: silence before it counts, and after it does not."""
    count = ladder_trajectories().count[: 2 * HISTORY, 0]
    around = slice(2 * REPORTED - 1, 2 * REPORTED + 1)
    first = (count[: around.start].sum(axis=0) == 0) & (count[around].sum(axis=0) >= 1)
    batch = ladder_batch([(REPORTED, MARKS[0])], MARKS[0])
    stretch = np.where(np.arange(HISTORY) < REPORTED, 0, -1).astype(np.int32)
    batch = replace(batch, evidence=replace(batch.evidence, killing_segment=stretch))
    inference = infer(batch, every_state(batch, HORIZON, *UPPER), path)
    probability = np.exp(inference.likelihood.loglik[0])
    assert within_noise(first.mean(), probability, TRAJECTORIES, SLACK)
    agrees_with_simulation(inference, first, SLACK)


# --- other programs

PEER_DAYS, PEER_STATES = 8, 3


def peer_case(seed: int) -> tuple[Batch, Array, list[Array]]:
    """A case with reports on every day and silence between them; its daily steps for a peer.

    The peer's chain has one state more, into which the unheard are killed and in which nothing
    that was seen can be seen.
    """
    rng = np.random.default_rng(seed)
    rates = rng.uniform(0.05, 0.8, (PEER_STATES, PEER_STATES))
    np.fill_diagonal(rates, 0.0)
    generator = rates - np.diag(rates.sum(axis=1))
    killing = rng.uniform(0.05, 1.0, PEER_STATES)
    symbols = rng.dirichlet(np.ones(4), PEER_STATES).T  # (4, K): P(symbol | state)
    seen = [(day, symbols[rng.integers(4)]) for day in range(PEER_DAYS + 1)]
    evidence = oracles.reports(PEER_DAYS, [(d, tuple(s)) for d, s in seen], killing)
    start = rng.dirichlet(np.ones(PEER_STATES))
    batch = one_timeline(start, generator, evidence, PEER_DAYS)
    step = expm(oracles.with_cemetery(generator, killing))
    return batch, np.asarray(step), [np.append(likelihood, 0.0) for _, likelihood in seen]


def agrees_with_peer(
    inference: Inference, loglik: float, smoothed: Array, filtered_last: Array
) -> None:
    """Log-likelihood, smoothed days and the last filtered day are the peer's, to 1e-10."""
    assert inference.likelihood.loglik[0] == pytest.approx(loglik, abs=1e-10)
    states = smoothed[:, :PEER_STATES]
    np.testing.assert_allclose(inference.smoothed[:, :, 0], states, rtol=0, atol=1e-10)
    last = inference.likelihood.filtered[:, 0]
    np.testing.assert_allclose(last, filtered_last[:PEER_STATES], rtol=0, atol=1e-10)


@every_path
@pytest.mark.parametrize("seed", range(3))
def test_unrolled_bayesian_network(path: str, seed: int) -> None:
    """Exact inference by pyAgrum in the network unrolled over the days gives the same numbers."""
    agrum = pytest.importorskip("pyagrum", reason="pyAgrum is not installed")
    batch, step, seen = peer_case(seed)
    network, states = agrum.BayesNet(), PEER_STATES + 1
    for day in range(PEER_DAYS + 1):
        network.add(agrum.LabelizedVariable(f"x{day}", f"x{day}", states))
    network.cpt("x0").fillWith([*batch.start[:, 0].tolist(), 0.0])
    for day in range(1, PEER_DAYS + 1):
        network.addArc(f"x{day - 1}", f"x{day}")
        for state in range(states):
            network.cpt(f"x{day}")[{f"x{day - 1}": state}] = step[state].tolist()
    engine = agrum.LazyPropagation(network)
    engine.setEvidence({f"x{day}": each.tolist() for day, each in enumerate(seen)})
    engine.makeInference()
    posterior = [engine.posterior(f"x{day}").toarray() for day in range(PEER_DAYS + 1)]
    agrees_with_peer(
        infer(batch, every_state(batch), path),
        float(np.log(engine.evidenceProbability())),
        np.array(posterior),
        posterior[-1],
    )


@every_path
@pytest.mark.parametrize("seed", range(3))
def test_discrete_hidden_markov_model(path: str, seed: int) -> None:
    """hmmlearn's categorical model with the daily transition matrix gives the same numbers."""
    hmm = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is not installed")
    batch, step, seen = peer_case(seed)
    # One symbol for each day, which says what that day's report says; a last one for all else.
    emission = np.array(seen).T / (PEER_DAYS + 1)
    rest = 1 - emission.sum(axis=1, keepdims=True)
    model: Any = hmm.CategoricalHMM(n_components=PEER_STATES + 1)
    model.startprob_ = np.append(batch.start[:, 0], 0.0)
    model.transmat_ = step / step.sum(axis=1, keepdims=True)
    model.emissionprob_ = np.hstack([emission, rest])
    model.n_features = PEER_DAYS + 2
    symbols = np.arange(PEER_DAYS + 1)[:, None]
    smoothed = model.predict_proba(symbols)
    agrees_with_peer(
        infer(batch, every_state(batch), path),
        float(model.score(symbols)) + len(seen) * np.log(PEER_DAYS + 1),
        smoothed,
        smoothed[-1],
    )


# --- the textbook's chain, by the filter's own outputs

TEXTBOOK = np.array(
    [
        [-0.09125, 0.09125, 0.0, 0.0],
        [0.0, -0.15716, 0.15716, 0.0],
        [0.0, 0.0, -0.25982, 0.25982],
        [0.0, 0.0, 0.0, 0.0],
    ]
)


@every_path
def test_textbook_chain_by_forecast(path: str) -> None:
    """P(10) from state 1 is .402 .268 .140 .190, and the last state is reached as it is filled."""
    batch = one_timeline([1, 0, 0, 0], TEXTBOOK, oracles.reports(0, []), 0, horizon=10)
    inference = infer(batch, every_state(batch, 10, [3]), path)
    np.testing.assert_allclose(
        inference.forecast[10, :, 0], [0.402, 0.268, 0.140, 0.190], atol=0.0005
    )
    np.testing.assert_allclose(inference.passage[:, 0, 0], inference.forecast[:, 3, 0], atol=1e-13)


@every_path
def test_textbook_mean_passage_by_survival(path: str) -> None:
    """The area under 1 − P(reached) is the mean time to the last state: 21.17, 10.21, 3.85."""
    quarter, steps = 0.25, 1200  # days in quarters, until less than 1e-11 is left
    batch = one_timeline([1, 0, 0, 0], TEXTBOOK * quarter, oracles.reports(0, []), 0, steps)
    batch = replace(
        batch,
        start=np.eye(4)[:, :3].copy(),
        chain=replace(batch.chain, rates=np.repeat(batch.chain.rates, 3, axis=1)),
        days=np.zeros(3, dtype=np.int32),
    )
    survival = 1 - infer(batch, every_state(batch, steps, [3]), path).passage[:, 0]
    area = np.trapezoid(survival, dx=quarter, axis=0)
    np.testing.assert_allclose(area, [21.17, 10.21, 3.85], atol=0.01)


# --- the oracles themselves


def test_a_generator_has_its_transition_matrix() -> None:
    """The logarithm of a transition matrix, as a generator, gives the matrix back."""
    transition = np.array([[0.7, 0.3], [0.3, 0.7]])
    np.testing.assert_allclose(expm(oracles.generator_of(transition)), transition, rtol=1e-12)


def test_simulated_sojourns_are_exponential() -> None:
    """The simulator's share that has not left a state after one step is exp(−rate)."""
    generator = [[-0.8, 0.8], [0.0, 0.0]]
    trajectories = oracles.simulate(4, [1.0, 0.0], [generator], np.zeros((0, 2)), 50_000)
    stayed = float((trajectories.state[1] == 0).mean())
    assert within_noise(stayed, np.exp(-0.8), 50_000)


def test_simulated_reports_are_poisson() -> None:
    """The simulator's number of reports in a step has the mean and the zeros of a Poisson count."""
    count = oracles.simulate(5, [1.0], [[[0.0]]], [[1.3]], 50_000).count[0, 0]
    assert within_noise(float((count == 0).mean()), np.exp(-1.3), 50_000)
    assert abs(count.mean() - 1.3) < oracles.STANDARD_ERRORS * np.sqrt(1.3 / 50_000)


def test_noise_alarms_where_it_should() -> None:
    """A share off by twice what noise allows is seen."""
    assert within_noise(0.5, 0.5, 10_000)
    assert not within_noise(0.55, 0.5, 10_000)
