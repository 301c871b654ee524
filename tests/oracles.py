"""Independent answers: slow and obvious ways to the numbers that the package must give.

Nothing here uses the package's arithmetic. A *dense twin* runs one member of a batch at a time
with `scipy.linalg.expm`; `enumerate_paths` adds up every path of a discrete chain, in exact
fractions if it is given fractions; `simulate` draws trajectories and their reports (Gillespie
1977); `random_batch` makes small cases of every shape for them to agree on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.linalg import expm, logm

from escalation.maths import filtering
from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence, Inference, Likelihood, Questions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

# Two-sided false-alarm rate of one comparison at this many standard errors: 6e-7.
STANDARD_ERRORS = 5.0


# --- the paths behind `filtering`


every_path = pytest.mark.parametrize("path", filtering.PATHS)


def log_likelihood(batch: Batch, path: str) -> Likelihood:
    """`filtering.log_likelihood` by a given path."""
    return filtering.log_likelihood(batch, path=path)


def infer(batch: Batch, questions: Questions, path: str) -> Inference:
    """`filtering.infer` by a given path."""
    return filtering.infer(batch, questions, path=path)


# --- small cases


def marginal_of_every_state(states: int) -> NDArray[np.int32]:
    """Marginals that keep each state apart, shape (1, K)."""
    return np.arange(states, dtype=np.int32)[None]


def every_state(batch: Batch, horizon: int = 0, *sets: Sequence[int]) -> Questions:
    """Questions that keep each state apart and ask for first passage into the sets."""
    states = batch.chain.states
    passage = np.zeros((len(sets), states), dtype=bool)
    for row, inside in zip(passage, sets, strict=True):
        row[list(inside)] = True
    return Questions(horizon, marginal_of_every_state(states), passage)


def chain_of(generators: ArrayLike, days: int) -> Chain:
    """Chains that never change, from their matrices Q (B, K, K), for so many days."""
    matrices = np.asarray(generators, dtype=float)
    states = matrices.shape[1]
    moves = [(i, j) for i, j in product(range(states), repeat=2) if i != j]
    source, target = zip(*moves, strict=True) if moves else ((), ())
    rates = np.array([matrices[:, i, j] for i, j in moves]).reshape(len(moves), len(matrices))
    return Chain.constant(source, target, rates, states, days)


def generator_of(transition: ArrayLike) -> Array:
    """Generator whose transition matrix over one day is the one given, where there is one."""
    generator = np.real(logm(np.asarray(transition, dtype=float)))
    np.fill_diagonal(generator, 0.0)
    assert generator.min() > -1e-9, "this transition matrix has no generator"
    generator = generator.clip(min=0.0)
    return generator - np.diag(generator.sum(axis=1))


def reports(
    days: int,
    seen: Sequence[tuple[int, Sequence[float]]],
    killing: ArrayLike | None = None,
) -> Evidence:
    """Evidence of one timeline: (day, likelihood by state) of each report, and constant silence.

    `killing` is the total intensity (K,) of what is watched, all the time.
    """
    count, states = len(seen), len(seen[0][1]) if seen else 0
    table = np.array([likelihood for _, likelihood in seen], dtype=float).reshape(count, states)
    largest = table.max(axis=1, initial=0.0)
    scale = np.where(largest > 0, largest, 1.0)
    watched = np.zeros((0, 0, 1)) if killing is None else np.asarray(killing, float)[None, :, None]
    return Evidence(
        killing=np.ascontiguousarray(watched),
        killing_segment=np.full(days, -1 if killing is None else 0, dtype=np.int32),
        event_day=np.array([[day] for day, _ in seen], dtype=np.int32).reshape(count, 1),
        event_table=np.arange(count, dtype=np.int32)[:, None],
        table=np.arange(table.size, dtype=np.int32).reshape(table.shape),
        likelihood=np.ascontiguousarray((table / scale[:, None]).reshape(-1, 1)),
        log_scale=np.log(scale)[:, None],
    )


def one_timeline(
    start: ArrayLike, generator: ArrayLike, evidence: Evidence, days: int, horizon: int = 0
) -> Batch:
    """A batch of one member with a chain that never changes."""
    return Batch(
        np.asarray(start, dtype=float)[:, None],
        chain_of(np.asarray(generator)[None], days + horizon),
        evidence,
        np.array([days], dtype=np.int32),
    )


@dataclass(frozen=True)
class Size:
    """How large a random case is."""

    states: int = 3
    members: int = 2
    days: int = 6
    horizon: int = 4
    segments: int = 2
    stretches: int = 2
    events: int = 3
    slowest: float = 1e-3  # rates per day
    fastest: float = 3.0
    ragged: bool = False


def random_batch(seed: int, size: Size) -> Batch:
    """A case with everything in it: moves, effects, silence, reports, all different by member."""
    rng = np.random.default_rng(seed)
    return Batch(
        np.ascontiguousarray(rng.dirichlet(np.ones(size.states), size.members).T),
        _random_chain(rng, size),
        _random_evidence(rng, size),
        _random_days(rng, size),
    )


def _random_days(rng: np.random.Generator, size: Size) -> NDArray[np.int32]:
    if not size.ragged:
        return np.full(size.members, size.days, dtype=np.int32)
    days = rng.integers(0, size.days + 1, size.members)
    days[rng.integers(size.members)] = size.days
    return days.astype(np.int32)


def _random_rates(rng: np.random.Generator, size: Size, shape: tuple[int, ...]) -> Array:
    return np.exp(rng.uniform(math.log(size.slowest), math.log(size.fastest), shape))


def _random_chain(rng: np.random.Generator, size: Size) -> Chain:
    pairs = [(i, j) for i, j in product(range(size.states), repeat=2) if i != j]
    # A chain of all its neighbours at most, or it would be dense: as a ladder is not.
    kept = [pair for pair in pairs if rng.random() < min(1.0, 4 / size.states)]
    distinct = max(1, len(kept) // 2)
    days = size.days + size.horizon
    return Chain(
        states=size.states,
        source=np.array([i for i, _ in kept], dtype=np.int32),
        target=np.array([j for _, j in kept], dtype=np.int32),
        row=rng.integers(0, distinct, len(kept)).astype(np.int32),
        rates=_random_rates(rng, size, (distinct, size.members)),
        modulator=rng.integers(-1, 2, distinct).astype(np.int32),
        multipliers=np.exp(rng.normal(0, 0.5, (2, size.segments, size.members))),
        segment=np.sort(rng.integers(0, size.segments, days)).astype(np.int32),
    )


def _random_evidence(rng: np.random.Generator, size: Size) -> Evidence:
    tables = 3
    values = rng.uniform(0.01, 5, (tables, size.states, size.members))
    values[rng.random(values.shape) < 0.1] = 0.0
    values[:, 0] += 0.01  # never impossible in every state
    largest = values.max(axis=1, keepdims=True)
    # Some events come on the same day, and some would come after the end of the history.
    event_day = np.sort(rng.integers(0, size.days + 2, (size.events, size.members)), axis=0)
    return Evidence(
        killing=_random_rates(rng, size, (size.stretches, size.states, size.members)),
        killing_segment=rng.integers(-1, size.stretches, size.days).astype(np.int32),
        event_day=event_day.astype(np.int32),
        event_table=rng.integers(0, tables, (size.events, size.members)).astype(np.int32),
        table=np.arange(tables * size.states, dtype=np.int32).reshape(tables, size.states),
        likelihood=np.ascontiguousarray((values / largest).reshape(-1, size.members)),
        log_scale=np.ascontiguousarray(np.log(largest[:, 0])),
    )


# --- the dense twin


def dense_generator(chain: Chain, day: int, member: int) -> Array:
    """Q of one member on one day, move by move."""
    generator = np.zeros((chain.states, chain.states))
    segment = int(chain.segment[day])
    for source, target, row in zip(chain.source, chain.target, chain.row, strict=True):
        rate = float(chain.rates[row, member])
        modulator = int(chain.modulator[row])
        if modulator >= 0:
            rate *= float(_pick(chain.multipliers[modulator, segment], member))
        generator[source, target] += rate
        generator[source, source] -= rate
    return generator


def _pick(values: NDArray[Any], member: int) -> Any:  # noqa: ANN401 (whatever the array holds)
    """The member's value of a last axis that may be shared."""
    return values[..., 0 if values.shape[-1] == 1 else member]


def killing_on(batch: Batch, day: int, member: int) -> Array:
    """κ of one member on one day, shape (K,)."""
    stretch = int(batch.evidence.killing_segment[day])
    if stretch < 0:
        return np.zeros(batch.chain.states)
    return np.asarray(_pick(batch.evidence.killing[stretch], member))


def events_on(batch: Batch, day: int, member: int) -> list[tuple[int, Array]]:
    """Index and likelihood by state (with its scale) of each event of a day."""
    evidence, found = batch.evidence, []
    for event in range(len(evidence.event_day)):
        if int(_pick(evidence.event_day[event], member)) == day:
            table = int(_pick(evidence.event_table[event], member))
            likelihood = _pick(evidence.likelihood[evidence.table[table]], member)
            found.append((event, likelihood * math.exp(_pick(evidence.log_scale[table], member))))
    return found


@dataclass(frozen=True)
class Answer:
    """One member's answers, by day and state, and P(passage) by horizon day and set."""

    loglik: float
    increment: Array
    filtered: Array
    smoothed: Array
    forecast: Array
    passage: Array


def dense_answer(batch: Batch, questions: Questions, member: int) -> Answer:
    """All outputs for one member, with dense matrices and no shortcuts."""
    days = int(batch.days[member])
    steps = [_silent_step(batch, day, member) for day in range(days)]
    seen = [_seen(batch, day, member) for day in range(days + 1)]
    filtered, loglik, increment = _dense_filter(batch, member, steps)
    smoothed = filtered.copy()
    beta = np.ones(batch.chain.states)
    for day in range(days - 1, -1, -1):
        beta = steps[day] @ (seen[day + 1] * beta)
        beta /= beta.sum()
        smoothed[day] = filtered[day] * beta / (filtered[day] @ beta)
    free = [
        dense_generator(batch.chain, days + ahead, member) for ahead in range(questions.horizon)
    ]
    forecast = _dense_forecast(filtered[-1], free)
    passage = [_dense_passage(filtered[-1], free, inside) for inside in questions.passage]
    shape = (0, questions.horizon + 1)
    return Answer(
        loglik, increment, filtered, smoothed, forecast, np.array(passage or np.zeros(shape)).T
    )


def _silent_step(batch: Batch, day: int, member: int) -> Array:
    generator = dense_generator(batch.chain, day, member)
    return np.asarray(expm(generator - np.diag(killing_on(batch, day, member))))


def _seen(batch: Batch, day: int, member: int) -> Array:
    """Product of the likelihoods of all events of a day."""
    likelihood = np.ones(batch.chain.states)
    for _, each in events_on(batch, day, member):
        likelihood = likelihood * each
    return likelihood


def _dense_filter(batch: Batch, member: int, steps: list[Array]) -> tuple[Array, float, Array]:
    increment = np.zeros(len(batch.evidence.event_day))
    vector, loglik, filtered = batch.start[:, member].copy(), 0.0, []
    for day in range(len(steps) + 1):
        if day:
            vector = vector @ steps[day - 1]
            loglik += math.log(vector.sum())
            vector = vector / vector.sum()
        for event, likelihood in events_on(batch, day, member):
            vector = vector * likelihood
            increment[event] = math.log(vector.sum())
            loglik += increment[event]
            vector = vector / vector.sum()
        filtered.append(vector)
    return np.array(filtered), loglik, increment


def _dense_forecast(vector: Array, generators: list[Array]) -> Array:
    ahead = [vector]
    for generator in generators:
        ahead.append(ahead[-1] @ expm(generator))
    return np.array(ahead)


def _dense_passage(vector: Array, generators: list[Array], inside: NDArray[np.bool_]) -> Array:
    """1 − the mass that has stayed outside: the sub-generator's survival."""
    outside = ~inside
    survival = [vector[outside]]
    for generator in generators:
        survival.append(survival[-1] @ expm(generator[np.ix_(outside, outside)]))
    return 1 - np.array([mass.sum() for mass in survival])


# --- every path of a discrete chain


def enumerate_paths(
    start: Sequence[Any], transition: Sequence[Sequence[Any]], seen: Sequence[Sequence[Any]]
) -> tuple[Any, list[list[Any]]]:
    """Probability of the evidence, and of each state at each time given all of it.

    Adds up P(path)·P(evidence | path) over every path x₀ x₁ … x_T. `seen[t]` is the likelihood of
    the evidence of time t by state. Exact if all numbers are fractions.
    """
    states, last = range(len(start)), len(seen)
    total = start[0] * 0
    held = [[start[0] * 0 for _ in states] for _ in range(last)]
    for path in product(states, repeat=last):
        weight = start[path[0]]
        for now, after in pairwise(path):
            weight = weight * transition[now][after]
        for time, state in enumerate(path):
            weight = weight * seen[time][state]
        total += weight
        for time, state in enumerate(path):
            held[time][state] += weight
    return total, [[mass / total for mass in masses] for masses in held]


def with_cemetery(generator: ArrayLike, killing: ArrayLike) -> Array:
    """Generator with one more state, into which each state is killed and which nothing leaves."""
    inner, rate = np.asarray(generator, dtype=float), np.asarray(killing, dtype=float)
    states = len(rate)
    larger = np.zeros((states + 1, states + 1))
    larger[:states, :states] = inner - np.diag(rate)
    larger[:states, states] = rate
    return larger


# --- trajectories


@dataclass(frozen=True)
class Trajectories:
    """Simulated trajectories.

    Attributes
    ----------
    state : int8, shape (T+1, N)
        State at the end of each step, after the start.
    count : int16, shape (T, J, N)
        Reports of each mark within each step.
    entered : bool, shape (T, K, N)
        Whether a state was entered within each step.
    """

    state: NDArray[np.int8]
    count: NDArray[np.int16]
    entered: NDArray[np.bool_]


def simulate(
    seed: int,
    start: ArrayLike,
    generators: Sequence[ArrayLike],
    intensity: ArrayLike,
    trajectories: int,
) -> Trajectories:
    """Gillespie's direct method with marked Poisson reports; one generator for each unit step.

    `intensity` (J, K) is the rate of each mark's reports by state. Exponential waiting times are
    drawn anew at each step, which their lack of memory allows.
    """
    rng = np.random.default_rng(seed)
    probabilities, marks = np.asarray(start, dtype=float), np.asarray(intensity, dtype=float)
    state = rng.choice(len(probabilities), trajectories, p=probabilities).astype(np.int8)
    entered = np.zeros((len(generators), len(probabilities), trajectories), dtype=bool)
    states = np.zeros((len(generators) + 1, trajectories), dtype=np.int8)
    count = np.zeros((len(generators), len(marks), trajectories), dtype=np.int16)
    states[0] = state
    for step, generator in enumerate(generators):
        rates = np.hstack([_off_diagonal(generator), marks.T])  # (K, K + J)
        _one_step(rng, state, rates, count[step], entered[step])
        states[step + 1] = state
    return Trajectories(states, count, entered)


def _off_diagonal(generator: ArrayLike) -> Array:
    matrix = np.array(generator, dtype=float)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _one_step(
    rng: np.random.Generator,
    state: NDArray[np.int8],
    rates: Array,
    count: NDArray[np.int16],
    entered: NDArray[np.bool_],
) -> None:
    """Move every trajectory over one unit of time, in place."""
    states = len(rates)
    total, cumulated = rates.sum(axis=1), rates.cumsum(axis=1)
    going, clock = np.arange(len(state)), np.zeros(len(state))
    while len(going):
        with np.errstate(divide="ignore"):
            clock = clock + rng.standard_exponential(len(going)) / total[state[going]]
        within = clock < 1
        going, clock = going[within], clock[within]
        now = state[going]
        which = (rng.random(len(going)) * total[now])[:, None] >= cumulated[now]
        event = which.sum(axis=1)
        moved = event < states
        state[going[moved]] = event[moved]
        entered[event[moved], going[moved]] = True
        np.add.at(count, (event[~moved] - states, going[~moved]), 1)


def within_noise(share: ArrayLike, probability: ArrayLike, trials: int, slack: float = 0.0) -> bool:
    """Whether observed shares of so many independent trials fit the probabilities stated.

    Each comparison alarms falsely once in 1.7 million; `slack` is what the comparison itself is
    off by.
    """
    expected = np.asarray(probability, dtype=float)
    noise = STANDARD_ERRORS * np.sqrt(np.clip(expected * (1 - expected), 0, None) / trials)
    allowed = noise + slack + STANDARD_ERRORS / trials
    return bool(np.all(np.abs(np.asarray(share, dtype=float) - expected) <= allowed))


def fractions_of(values: Sequence[Fraction]) -> list[float]:
    """As floating-point numbers."""
    return [float(value) for value in values]
