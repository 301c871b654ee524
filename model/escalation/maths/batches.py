"""What `filtering` works on and what it returns: plain frozen bundles of arrays.

Shapes: B batch members (draws of one timeline, or timelines of one draw), K states, T days of
history, H days of horizon, E events, F marginal rows, P passage sets. Days run from 0, the
start; events of day 0 condition the start vector.

>>> chain = Chain.constant(source=[0], target=[1], rates=[[0.5]], states=2, days=3)
>>> days = np.array([3], dtype=np.int32)
>>> Batch(np.array([[1.0], [0.0]]), chain, Evidence.none(3), days).size
1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from escalation.maths.ctmc import Chain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]


@dataclass(frozen=True)
class Evidence:
    """What was seen, and what was watched and not seen.

    Attributes
    ----------
    killing : float64, shape (S, K, B) or (S, K, 1)
        Total intensity of what is watched, per day, in each state, for each stretch.
    killing_segment : int32, shape (T,)
        The stretch that holds on each day of history; −1: nothing is watched.
    event_day : int32, shape (E, 1) or (E, B)
        Day of each event, not decreasing; a day beyond the history never comes.
    event_table : int32, shape (E, 1) or (E, B)
        Which likelihood each event multiplies by.
    table : int32, shape (Y, K)
        For each likelihood and state, the row of `likelihood`.
    likelihood : float64, shape (V, B) or (V, 1)
        Values in [0, 1], the largest of each table 1.
    log_scale : float64, shape (Y, B) or (Y, 1)
        Logarithm of what each table was divided by.
    """

    killing: Array
    killing_segment: Index
    event_day: Index
    event_table: Index
    table: Index
    likelihood: Array
    log_scale: Array

    @classmethod
    def none(cls, days: int) -> Evidence:
        """No evidence at all over so many days."""
        return cls(
            np.zeros((0, 0, 1)),
            np.full(days, -1, dtype=np.int32),
            np.zeros((0, 1), dtype=np.int32),
            np.zeros((0, 1), dtype=np.int32),
            np.zeros((0, 0), dtype=np.int32),
            np.zeros((0, 1)),
            np.zeros((0, 1)),
        )

    def batch(self, part: slice) -> Evidence:
        """Return only a part of the batch."""
        return Evidence(
            _cut(self.killing, part),
            self.killing_segment,
            _cut(self.event_day, part),
            _cut(self.event_table, part),
            self.table,
            _cut(self.likelihood, part),
            _cut(self.log_scale, part),
        )


def _cut(array: NDArray[Any], part: slice) -> NDArray[Any]:
    """Part of the last axis, unless it is shared by the whole batch."""
    return array if array.shape[-1] == 1 else array[..., part]


@dataclass(frozen=True)
class Batch:
    """B hidden chains with their evidence.

    Attributes
    ----------
    start : float64, shape (K, B)
        State probabilities on day 0.
    chain : Chain
        Its `segment` covers history and horizon.
    evidence : Evidence
    days : int32, shape (B,)
        Days of history of each member, at most T.
    """

    start: Array
    chain: Chain
    evidence: Evidence
    days: Index

    @property
    def size(self) -> int:
        """B."""
        return int(self.start.shape[1])

    def check(self, questions: Questions | None = None) -> None:
        """Raise a ValueError if arrays do not fit together, or hold what they must not."""
        self._check_shapes()
        self._check_indices()
        chain, seen = self.chain, self.evidence
        if (np.diff(seen.event_day, axis=0) < 0).any():
            raise ValueError("event_day: events are not in the order of their days")
        ahead = 0 if questions is None else questions.horizon
        if int(self.days.max(initial=0)) + ahead > len(chain.segment):
            raise ValueError("segment: does not cover history and horizon")
        _positive("start", self.start)
        _positive("rates", chain.rates)
        _positive("multipliers", chain.multipliers)
        _positive("killing", seen.killing)
        _positive("likelihood", seen.likelihood)
        if questions is not None:
            questions.check(chain.states)

    def _check_shapes(self) -> None:
        chain, seen, size = self.chain, self.evidence, self.size
        events, tables = len(seen.event_day), len(seen.table)
        _shape("start", self.start, (chain.states,), size)
        _shape("rates", chain.rates, (len(chain.modulator),), size)
        _shape("multipliers", chain.multipliers, chain.multipliers.shape[:2], size, 1)
        _shape("days", self.days, (), size)
        _shape("event_day", seen.event_day, (events,), size, 1)
        _shape("event_table", seen.event_table, (events,), size, 1)
        if seen.killing.size:
            _shape("killing", seen.killing, (len(seen.killing), chain.states), size, 1)
        if tables:
            _shape("table", seen.table, (tables,), chain.states)
            _shape("log_scale", seen.log_scale, (tables,), size, 1)
            _shape("likelihood", seen.likelihood, (len(seen.likelihood),), size, 1)

    def _check_indices(self) -> None:
        chain, seen = self.chain, self.evidence
        modulators, segments = chain.multipliers.shape[:2]
        _within("source", chain.source, 0, chain.states)
        _within("target", chain.target, 0, chain.states)
        _within("row", chain.row, 0, len(chain.rates))
        _within("modulator", chain.modulator, -1, modulators)
        _within("segment", chain.segment, 0, segments if modulators else 2**31)
        _within("killing_segment", seen.killing_segment, -1, len(seen.killing))
        _within("event_table", seen.event_table, 0, len(seen.table))
        _within("table", seen.table, 0, len(seen.likelihood))
        _within("days", self.days, 0, len(seen.killing_segment) + 1)
        _within("event_day", seen.event_day, 0, 2**31)

    def part(self, part: slice) -> Batch:
        """Return only a part of the batch."""
        return Batch(
            np.ascontiguousarray(self.start[:, part]),
            self.chain.batch(part),
            self.evidence.batch(part),
            self.days[part],
        )


@dataclass(frozen=True)
class Questions:
    """What to keep of an inference.

    Attributes
    ----------
    horizon : int
        H, days of forecast.
    marginal : int32, shape (X, K)
        For each of X factors, the marginal row to which each state belongs.
    passage : bool, shape (P, K)
        Sets of states whose first passage is asked for.
    """

    horizon: int
    marginal: Index
    passage: NDArray[np.bool_]

    def check(self, states: int) -> None:
        """Raise a ValueError if these cannot be asked of so many states."""
        _shape("marginal", self.marginal, (len(self.marginal),), states)
        _shape("passage", self.passage, (len(self.passage),), states)
        _within("marginal", self.marginal, 0, 2**24)
        if self.passage.dtype != np.bool_ or self.horizon < 0:
            raise ValueError("passage: needs booleans, and horizon: no less than 0")

    @property
    def rows(self) -> int:
        """F, the number of marginal rows."""
        return int(self.marginal.max(initial=-1)) + 1


@dataclass(frozen=True)
class Likelihood:
    """Marginal log-likelihoods.

    Attributes
    ----------
    loglik : float64, shape (B,)
        ℓ; −inf where the evidence is impossible.
    increment : float64, shape (E, B)
        ln predictive density of each event given all before it; 0 for events that never came.
    impossible : int32, shape (B,)
        The first event that has probability zero; −1: none.
    filtered : float64, shape (K, B)
        State probabilities at the end of the history.
    """

    loglik: Array
    increment: Array
    impossible: Index
    filtered: Array


@dataclass(frozen=True)
class Inference:
    """Probabilities over time; each column of each array is a probability given its draw.

    Attributes
    ----------
    likelihood : Likelihood
    filtered : float64, shape (T+1, F, B)
        P(marginal | evidence up to and including the day).
    smoothed : float64, shape (T+1, F, B)
        P(marginal | all evidence).
    forecast : float64, shape (H+1, F, B)
        P(marginal | all evidence) on each day of the horizon, day 0 being the last of history.
    passage : float64, shape (H+1, P, B)
        P(the set has been entered by the day | all evidence), being in it on day 0 included.
    """

    likelihood: Likelihood
    filtered: Array
    smoothed: Array
    forecast: Array
    passage: Array


def _shape(name: str, array: NDArray[Any], leading: tuple[int, ...], *last: int) -> None:
    """The leading axes are as long as they must be, and the last is one of those lengths."""
    wanted = [(*leading, length) for length in last]
    if array.shape not in wanted:
        raise ValueError(f"{name}: shape {array.shape}, not {' or '.join(map(str, wanted))}")


def _within(name: str, array: NDArray[Any], low: int, end: int) -> None:
    """Integers in [low, end)."""
    if array.dtype.kind != "i":
        raise ValueError(f"{name}: needs integers, not {array.dtype}")
    above = (array - low if low else array).view(f"u{array.itemsize}")  # below it wraps around
    if array.size and not above.max() < end - low:
        raise ValueError(f"{name}: {array.min()} to {array.max()} is outside [{low}, {end})")


def _positive(name: str, array: Array) -> None:
    """Finite numbers ≥ 0."""
    if array.size and not (array.min() >= 0 and array.max() < np.inf):
        raise ValueError(f"{name}: needs finite numbers, none below 0")
