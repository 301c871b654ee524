"""The recursions of `filtering` in NumPy: always there, and the twin of the compiled kernel.

    predict     v ← v exp(Q − diag κ)                    (`ctmc`)
    condition   v ← v · L,  c = Σ_k v(k),  v ← v / c,  ℓ ← ℓ + ln c
    smooth      β ← exp(Q − diag κ) (L/c · β),  smoothed ∝ filtered · β
    forecast    v ← v exp(Q)

Each β is held so that Σ_k filtered(k) β(k) = 1, and is 0 where filtered is. Likelihoods as small
as 1e-300, several on a day, neither overflow nor underflow.

Shapes are those of `batches`. The batch is worked through in chunks that fit the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from escalation.maths.batches import Batch, Inference, Likelihood, Questions
from escalation.maths.ctmc import Edges, Generator, Step, advance, expand
from escalation.maths.steps import forecast_steps, history_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]
    Mask = NDArray[np.bool_]

CHUNK = 512
MOST_DAYS = 128  # of one step
TINY = 1e-250  # below this, conditioning is done again on a larger scale
RESCALE = 2.0**1000
LOG_RESCALE = float(np.log(2.0) * 1000)
LEAST = 1e-300  # below this, on the larger scale, evidence is impossible
LARGEST = 1e200  # of a backward variable; only states that cannot be reach it


def log_likelihood(batch: Batch) -> Likelihood:
    """Forward filter only."""
    steps = history_steps(batch)
    parts = [_Filter(part, steps).run() for part in _chunks(batch)]
    return _join_likelihoods(parts)


def infer(batch: Batch, questions: Questions) -> Inference:
    """Filter, smooth, forecast and first passages."""
    past = history_steps(batch, MOST_DAYS)
    ahead = forecast_steps(batch, questions.horizon, MOST_DAYS)
    parts = [_infer(part, questions, past, ahead) for part in _chunks(batch)]
    return Inference(
        _join_likelihoods([part.likelihood for part in parts]),
        _join([part.filtered for part in parts]),
        _join([part.smoothed for part in parts]),
        _join([part.forecast for part in parts]),
        _join([part.passage for part in parts]),
    )


def _chunks(batch: Batch) -> Iterator[Batch]:
    for begin in range(0, max(batch.size, 1), CHUNK):
        yield batch.part(slice(begin, begin + CHUNK))


def _join(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _join_likelihoods(parts: list[Likelihood]) -> Likelihood:
    return Likelihood(
        _join([part.loglik for part in parts]),
        _join([part.increment for part in parts]),
        _join([part.impossible for part in parts]),
        _join([part.filtered for part in parts]),
    )


def _infer(batch: Batch, questions: Questions, past: Index, ahead: Index) -> Inference:
    forward = _Filter(batch, past, keep=True)
    likelihood = forward.run()
    marginal = _indicator(questions.marginal, questions.rows)
    smoothed = np.stack(list(_smooth(batch, forward, past)))[::-1]
    chain, last = batch.chain, likelihood.filtered
    passages = [_passage(batch, last, inside, ahead) for inside in questions.passage]
    none = np.zeros((questions.horizon + 1, 0, batch.size))
    return Inference(
        likelihood,
        _reduce(marginal, _normalised(np.stack(forward.joint))),
        _reduce(marginal, smoothed),
        _forecast(batch, chain.forward, last, ahead, marginal),
        np.concatenate(passages, axis=1) if passages else none,
    )


def _indicator(marginal: Index, rows: int) -> Array:
    """Matrix (F, K) that adds up the states of each marginal row."""
    matrix = np.zeros((rows, marginal.shape[1]))
    for of_state in marginal:
        matrix[of_state, np.arange(marginal.shape[1])] += 1.0
    return matrix


def _reduce(marginal: Array, vectors: Array) -> Array:
    """Sum state vectors (days, K, B) into marginal rows (days, F, B)."""
    rows: Array = np.matmul(marginal, vectors)
    return rows


def _normalised(vectors: Array) -> Array:
    shares: Array = vectors / vectors.sum(axis=-2, keepdims=True)
    return shares


def _between(terms: Array, ratios: Array) -> Array:
    """Values Σ_n ratioⁿ·terms[n] for each ratio: terms (N, …), values (ratios, …)."""
    powers = np.vander(ratios, len(terms), increasing=True)
    return (powers @ terms.reshape(len(terms), -1)).reshape(len(ratios), *terms.shape[1:])


def _ratios(days: int) -> Array:
    return np.arange(1, days + 1) / days


@dataclass
class _Generators:
    """Generators by day of history, made anew only where rates or killing change."""

    batch: Batch
    key: tuple[int, int] = (-1, -1)
    generator: Generator | None = None

    def on(self, day: int) -> Generator:
        segment = int(self.batch.chain.segment[day])
        stretch = int(self.batch.evidence.killing_segment[day])
        if self.generator is None or (segment, stretch) != self.key:
            killing = None if stretch < 0 else self.batch.evidence.killing[stretch]
            self.key, self.generator = (segment, stretch), self.batch.chain.at(day, killing)
        return self.generator

    def step(self, day: int, days: int) -> tuple[Generator, Step]:
        """The generator of a day, and how to step over some days with it."""
        generator = self.on(day)
        reach = np.where(day < self.batch.days, generator.most * days, 0.0)
        least = self.batch.chain.diameter
        return generator, Step.plan(reach, days, lossless=False, least=least)


@dataclass
class _Filter:
    """One forward pass: verbs, and the loop over steps that scans them."""

    batch: Batch
    steps: Index
    keep: bool = False
    joint: list[Array] = field(default_factory=list)  # filtered, (T+1) of (K, B), up to a factor
    weight: dict[int, Array] = field(default_factory=dict)  # L/c of each event, (K, B); 1: unused

    def run(self) -> Likelihood:
        batch, evidence = self.batch, self.batch.evidence
        self.generators = _Generators(batch)
        self.vector = batch.start
        self.loglik = np.zeros(batch.size)
        self.increment = np.zeros((len(evidence.event_day), batch.size))
        self.impossible = np.full(batch.size, -1, dtype=np.int32)
        self.condition(0)
        for day, days in self.steps.tolist():
            self.predict(day, days)
            self.condition(day + days)
        self.loglik[self.impossible >= 0] = -np.inf
        return Likelihood(self.loglik, self.increment, self.impossible, self.vector)

    def predict(self, day: int, days: int) -> None:
        generator, step = self.generators.step(day, days)
        edges = generator.chain.forward
        if self.keep and days > 1:
            values = _between(expand(edges, generator, self.vector, step), _ratios(days))
            self.joint.extend(values[:-1])
            self.vector = values[-1]
            self.normalise(step, 0)
        else:
            for part in range(int(step.parts.max(initial=0))):
                self.vector = advance(edges, generator, self.vector, step, part)
                self.normalise(step, part)
        self.loglik -= np.where(day < self.batch.days, generator.least * days, 0.0)

    def normalise(self, step: Step, part: int) -> None:
        active = part < step.parts
        total = np.where(active, self.vector.sum(axis=0), 1.0)
        self.vector = self.vector / total
        self.loglik += np.where(active, np.log(total) - step.reach, 0.0)

    def condition(self, day: int) -> None:
        for event in _events(self.batch, day):
            here = (self.batch.evidence.event_day[event] == day) & (day <= self.batch.days)
            if here.any():
                self.see(event, here)
        if self.keep:
            self.joint.append(self.vector)

    def see(self, event: int, here: Mask) -> None:
        likelihood, log_scale = _event_likelihood(self.batch, event)
        total = (self.vector * likelihood).sum(axis=0)
        rescale = np.where(total < TINY, RESCALE, 1.0)
        seen = self.vector * rescale * likelihood
        total = seen.sum(axis=0)
        use = here & (total >= LEAST)
        newly = here & ~use & (self.impossible < 0)
        self.impossible[newly] = event
        total = np.where(use, total, 1.0)
        self.vector = np.where(use, seen / total, self.vector)
        gained = np.log(total) - np.where(rescale > 1.0, LOG_RESCALE, 0.0) + log_scale
        gained = np.where(use, gained, 0.0)
        self.loglik += gained
        self.increment[event, here] = np.where(newly, -np.inf, gained)[here]
        if self.keep:
            before = self.weight.get(event, 1.0)  # of members for whom it came earlier
            with np.errstate(over="ignore"):  # only where nothing can be
                weight = np.minimum(likelihood * rescale / total, LARGEST)
            self.weight[event] = np.where(use, weight, before)


def _events(batch: Batch, day: int) -> list[int]:
    """Events that come on a day for some member, in order."""
    return np.flatnonzero((batch.evidence.event_day == day).any(axis=1)).tolist()


def _event_likelihood(batch: Batch, event: int) -> tuple[Array, Array]:
    """Likelihood of an event in each state, shape (K, B) or (K, 1), and its log scale."""
    evidence = batch.evidence
    tables = evidence.event_table[event]
    if tables.shape == (1,):
        return evidence.likelihood[evidence.table[tables[0]]], evidence.log_scale[tables[0]]
    rows = evidence.table[tables].T  # (K, B)
    member = np.arange(batch.size)
    column = np.zeros(1, dtype=int) if evidence.likelihood.shape[1] == 1 else member
    own = np.zeros(1, dtype=int) if evidence.log_scale.shape[1] == 1 else member
    return evidence.likelihood[rows, column], evidence.log_scale[tables, own]


def _smooth(batch: Batch, forward: _Filter, steps: Index) -> Iterator[Array]:
    """Smoothed state probabilities (K, B) of each day, the last day first."""
    generators = _Generators(batch)
    beta = np.ones_like(batch.start)
    joint, beta = _settle(forward.joint[-1], beta)
    yield joint
    for day, days in steps[::-1].tolist():
        beta = _uncondition(batch, forward, day + days, beta)
        generator, step = generators.step(day, days)
        edges = generator.chain.backward
        if days > 1:
            values = _between(expand(edges, generator, beta, step), _ratios(days))
            for back in range(1, days):
                yield _normalised(forward.joint[day + days - back] * values[back - 1])
            beta = values[-1]
        else:
            for part in range(int(step.parts.max(initial=0))):
                decay = np.where(part < step.parts, np.exp(-step.reach), 1.0)
                beta = advance(edges, generator, beta, step, part) * decay
        joint, beta = _settle(forward.joint[day], beta)
        yield joint


def _settle(filtered: Array, beta: Array) -> tuple[Array, Array]:
    """Smoothed probabilities, and β on their scale."""
    joint = filtered * beta
    total = joint.sum(axis=0)
    return joint / total, np.where(filtered > 0, np.minimum(beta / total, LARGEST), 0.0)


def _uncondition(batch: Batch, forward: _Filter, day: int, beta: Array) -> Array:
    """Multiply by the likelihood of the events of a day, each over its probability."""
    for event in _events(batch, day)[::-1]:
        here = (batch.evidence.event_day[event] == day) & (day <= batch.days)
        if here.any():
            with np.errstate(over="ignore"):  # only where nothing can be
                seen = np.minimum(beta * forward.weight[event], LARGEST)
            beta = np.where(here, seen, beta)
    return beta


def _forecast(batch: Batch, edges: Edges, vector: Array, steps: Index, marginal: Array) -> Array:
    """Marginals (H+1, F, B) of a vector from the last day of history to the horizon."""
    chain, generator, segments = batch.chain, None, np.zeros(0, dtype=np.int32)
    days_ahead = [_reduce(marginal, vector[np.newaxis])]
    for ahead, days in steps.tolist():
        now = chain.segment[batch.days + ahead]
        if generator is None or not np.array_equal(now, segments):
            segments, generator = now, Generator.of(chain, chain.rates_in(_common(now)))
        step = Step.plan(generator.most * days, days, lossless=True)
        if days == 1:
            for part in range(int(step.parts.max(initial=0))):
                decay = np.where(part < step.parts, np.exp(-step.reach), 1.0)
                vector = advance(edges, generator, vector, step, part) * decay
            days_ahead.append(_reduce(marginal, vector[np.newaxis]))
            continue
        terms = expand(edges, generator, vector, step)
        vector = terms.sum(axis=0) * np.exp(-step.reach)
        decay = np.exp(-generator.most * np.arange(1, days + 1)[:, np.newaxis, np.newaxis])
        days_ahead.append(_between(_reduce(marginal, terms), _ratios(days)) * decay)
    return np.concatenate(days_ahead)


def _common(segments: Index) -> Index | int:
    """The segment of all members, where they share one."""
    return int(segments[0]) if len(segments) and (segments == segments[0]).all() else segments


def _passage(batch: Batch, last: Array, inside: Mask, steps: Index) -> Array:
    """P(set entered by each day), shape (H+1, 1, B)."""
    edges = batch.chain.outside(inside)
    vector = np.concatenate([last[~inside], last[inside].sum(axis=0, keepdims=True)])
    entered = np.zeros((1, edges.states))
    entered[0, -1] = 1.0
    return _forecast(batch, edges, vector, steps, entered)
