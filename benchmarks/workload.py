"""The standard workload, in any size, and the plainest program for it.

24 joint states (4 intents × 6 rungs), 108 moves, 4,096 draws, 120 days with 40 reports, 10
segments of constant rates, a 90-day forecast, and the first passage of 5 rungs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm

from escalation.maths.ctmc import PART_REACH, RESOLUTION, Chain, terms_table
from escalation.maths.filtering import Batch, Evidence, Questions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SEED = 20251122


@dataclass(frozen=True)
class Size:
    """A workload's size."""

    intents: int = 4
    rungs: int = 6
    draws: int = 4096
    days: int = 120
    reports: int = 40
    segments: int = 10
    horizon: int = 90
    types: int = 12
    fading: bool = False
    jumps: int = 1  # rungs that a climb or a descent passes at most


def moves(size: Size) -> tuple[list[int], list[int], list[int]]:
    """Source, target and rate row of each move: an intent moves, or the case climbs or descends."""
    intents, rungs = size.intents, size.rungs
    found: list[tuple[int, int, int]] = []
    row = 0
    for i in range(intents):
        for j in range(intents):
            if i != j:
                found += [(i * rungs + r, j * rungs + r, row) for r in range(rungs)]
                row += 1
    for i in range(intents):
        for r in range(rungs):
            for far in range(1, size.jumps + 1):
                for to in (r + far, r - far):
                    if 0 <= to < rungs and not (to < r == rungs - 1):  # the last rung: no descent
                        found.append((i * rungs + r, i * rungs + to, row))
                        row += 1
    source, target, rows = (list(each) for each in zip(*found, strict=True))
    return source, target, rows


def workload(size: Size) -> tuple[Batch, Questions]:
    """The standard workload, or one of another size."""
    rng = np.random.default_rng(SEED)
    states, draws = size.intents * size.rungs, size.draws
    source, target, row = moves(size)
    days = size.days + size.horizon
    count = max(row) + 1
    between = size.intents * (size.intents - 1)
    median = np.where(np.arange(count) < between, 0.006, 0.03)[:, np.newaxis]
    rates = median * rng.lognormal(0.0, 0.6, (count, draws)) * rng.lognormal(0, 0.3, (count, 1))
    modulator = np.where(np.arange(count) < between, 0, np.arange(count) % 4 + 1)
    if size.fading:
        half_life = rng.lognormal(np.log(20.0), 0.3, (5, 1, draws))
        height = rng.normal(0.5, 0.3, (5, 1, draws))
        multipliers = np.exp(height * 2.0 ** (-np.arange(days)[:, np.newaxis] / half_life))
        segment = np.arange(days)
    else:
        multipliers = rng.lognormal(0.0, 0.3, (5, size.segments, draws))
        segment = np.arange(days) * size.segments // size.days
        segment = np.minimum(segment, size.segments - 1)
    chain = Chain(
        states,
        np.array(source, np.int32),
        np.array(target, np.int32),
        np.array(row, np.int32),
        rates,
        modulator.astype(np.int32),
        multipliers,
        segment.astype(np.int32),
    )
    start = rng.dirichlet(np.ones(states), draws).T.copy()
    batch = Batch(start, chain, evidence(size, rng), np.full(draws, size.days, np.int32))
    return batch, questions(size)


def evidence(size: Size, rng: np.random.Generator) -> Evidence:
    """Reports of types with an intensity for each intent; some stop being watched."""
    intensity = 0.06 * rng.lognormal(0.0, 0.7, (size.types, size.intents, 1))
    intensity = intensity * rng.lognormal(0.0, 0.3, (size.types, size.intents, size.draws))
    watched = np.ones((4, size.types))
    for stretch in range(1, 4):
        watched[stretch:, stretch] = 0.0
    killing = np.einsum("st,tib->sib", watched, intensity)
    killing = np.repeat(killing, size.rungs, axis=1)
    genuine = 0.8
    likelihood = genuine * intensity + (1 - genuine) * intensity.mean(axis=1, keepdims=True)
    largest = likelihood.max(axis=1)
    values = (likelihood / largest[:, np.newaxis]).reshape(-1, size.draws)
    of_intent = np.repeat(np.arange(size.intents), size.rungs)
    table = np.arange(size.types)[:, np.newaxis] * size.intents + of_intent
    event_day = np.sort(rng.integers(1, size.days + 1, size.reports))[:, np.newaxis]
    event_table = rng.integers(0, size.types, (size.reports, 1))
    return Evidence(
        killing,
        (np.arange(size.days) * 4 // size.days).astype(np.int32),
        event_day.astype(np.int32),
        event_table.astype(np.int32),
        table.astype(np.int32),
        values,
        np.log(largest),
    )


def questions(size: Size) -> Questions:
    """Marginals of both factors, and the first passage of each rung but the lowest."""
    intent = np.repeat(np.arange(size.intents), size.rungs)
    rung = np.tile(np.arange(size.rungs), size.intents)
    marginal = np.array([intent, size.intents + rung], np.int32)
    return Questions(size.horizon, marginal, rung >= np.arange(1, size.rungs)[:, np.newaxis])


def operations(batch: Batch, asked: Questions) -> float:
    """Floating-point operations of the standard algorithm for one draw, on average.

    Day by day, uniformisation acts on the vector: each term multiplies and adds along every move
    and along the diagonal (2 each), and scales and adds up (2 for each state), with as many terms
    as leave out 1e-14. It runs forward, backward, over the forecast, and once more over the
    horizon outside each passage set. Normalising, conditioning and the marginals are counted too.
    """
    chain, seen, days = batch.chain, batch.evidence, int(batch.days[0])
    states, factors = chain.states, len(asked.marginal)

    def terms(day: int) -> float:
        past = day < days
        stretch = int(seen.killing_segment[day]) if past else -1
        generator = chain.at(day, seen.killing[stretch] if stretch >= 0 else None)
        reach = generator.most
        assert float(reach.max()) < PART_REACH
        entry = np.ceil(reach * RESOLUTION).astype(int)
        return float(terms_table(lossless=not past)[entry].mean())

    needed = np.array([terms(day) for day in range(days + asked.horizon)])
    term = 2 * len(chain.source) + 4 * states
    past = needed[:days].sum() * term
    setup = (days + asked.horizon) * (len(chain.rates) + len(chain.source) + 2 * states)
    total = 2 * past + needed[days:].sum() * term + setup
    for inside in asked.passage:
        kept = int((~inside).sum()) + 1
        total += needed[days:].sum() * (2 * int((~inside[chain.source]).sum()) + 4 * kept)
    each_day = 2 * states + 3 * states + 2 * factors * states  # normalise, smooth, marginals
    events = len(seen.event_day) * 4 * states
    return float(total + days * each_day + events + asked.horizon * factors * states)


def twin(  # noqa: C901, PLR0912 (plain: everything from top to bottom)
    batch: Batch, asked: Questions
) -> dict[str, Array]:
    """The plainest batched program: `scipy.linalg.expm` for each stretch of equal days."""
    chain, seen = batch.chain, batch.evidence
    days, size = int(batch.days[0]), batch.size

    def matrix(segment: int, stretch: int, absorbing: NDArray[np.bool_] | None = None) -> Array:
        rates = chain.rates.copy()
        rates *= chain.multipliers[chain.modulator, segment]
        q = np.zeros((size, chain.states, chain.states))
        for s, t, r in zip(chain.source, chain.target, chain.row, strict=True):
            if absorbing is None or not absorbing[s]:
                q[:, s, t] += rates[r]
                q[:, s, s] -= rates[r]
        if stretch >= 0:
            own = np.arange(chain.states)
            q[:, own, own] -= seen.killing[stretch].T
        return np.asarray(expm(q))

    one: dict[tuple[int, int], Array] = {}
    vector, loglik, filtered = batch.start.T, np.zeros(size), []
    likelihoods: list[list[Array]] = [[] for _ in range(days + 1)]
    for day in range(days + 1):
        if day:
            key = (int(chain.segment[day - 1]), int(seen.killing_segment[day - 1]))
            if key not in one:
                one[key] = matrix(*key)
            vector = np.matmul(vector[:, np.newaxis], one[key])[:, 0]
        for event in np.flatnonzero(seen.event_day[:, 0] == day):
            table = int(seen.event_table[event, 0])
            likelihoods[day].append(seen.likelihood[seen.table[table]].T)
            vector = vector * likelihoods[day][-1]
            loglik += seen.log_scale[table]
        total = vector.sum(axis=1)
        loglik += np.log(total)
        vector = vector / total[:, np.newaxis]
        filtered.append(vector)
    beta, smoothed = np.ones_like(vector), []
    for day in range(days, -1, -1):
        joint = filtered[day] * beta
        smoothed.append(joint / joint.sum(axis=1, keepdims=True))
        for likelihood in likelihoods[day]:
            beta = beta * likelihood
        if day:
            key = (int(chain.segment[day - 1]), int(seen.killing_segment[day - 1]))
            beta = np.matmul(one[key], beta[:, :, np.newaxis])[:, :, 0]
            beta /= beta.max(axis=1, keepdims=True)
    forecast, passage = [vector], []
    for absorbing in (None, *asked.passage):
        ahead: dict[int, Array] = {}
        now = vector
        for day in range(days, days + asked.horizon):
            segment = int(chain.segment[day])
            if segment not in ahead:
                ahead[segment] = matrix(segment, -1, absorbing)
            now = np.matmul(now[:, np.newaxis], ahead[segment])[:, 0]
            if absorbing is None:
                forecast.append(now)
            else:
                passage.append(now[:, absorbing].sum(axis=1))
    adds = np.zeros((chain.states, asked.rows))
    for of_state in asked.marginal:
        adds[np.arange(chain.states), of_state] = 1.0
    return {
        "loglik": loglik,
        "filtered": np.stack(filtered) @ adds,
        "smoothed": np.stack(smoothed[::-1]) @ adds,
        "forecast": np.stack(forecast) @ adds,
        "passage": np.array(passage).reshape(len(asked.passage), asked.horizon, size),
    }
