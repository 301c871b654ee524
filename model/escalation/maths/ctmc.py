"""Continuous-time Markov chains, in batches, as sparse lists of moves.

A chain on states 0…K−1 moves from i to j with rate q_ij ≥ 0 per day. Its generator Q has these
off the diagonal and rows that sum to zero, and a row vector v of probabilities (or of joint
probability mass) moves over t days as v exp(Q t). With a *killing* rate κ_i ≥ 0 in each state,
v exp((Q − diag κ) t) is the mass that has not been killed.

Uniformisation (Jensen 1953) with a rate Λ ≥ max_i(Σ_j q_ij + κ_i) writes

    exp(G t) = e^(−Λt) Σ_n (A t)ⁿ/n!,         A = G + ΛI,   G = Q − diag κ,

and A has no negative entry, so that nothing cancels and small probabilities keep their relative
accuracy. The diagonal of A is called the *stay* of each state. What all states are killed with
at least is taken out beforehand, and Λ is as small as may be for each chain on its own: no chain
of a batch knows its neighbours. Where Λt > `PART_REACH` the step is cut into equal parts.

Shapes: B chains at once, the batch axis last and contiguous; K states; M moves; G distinct rates.

>>> chain = Chain.constant(source=[0], target=[1], rates=[[0.5]], states=2)
>>> propagate(np.array([[1.0], [0.0]]), chain.at(0)).round(6).ravel().tolist()
[0.606531, 0.393469]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]

PART_REACH = 32.0
TOLERANCE = 1e-14
RESOLUTION = 128  # entries per unit of Λt in `terms_table`


@dataclass(frozen=True)
class Chain:
    """B chains on the same states with the same moves, whose rates change from day to day.

    The rate of move m on a day in segment s is rates[row[m]] · multipliers[modulator[row[m]], s].

    Attributes
    ----------
    states : int
        K.
    source, target, row : int32, shape (M,)
        From which state to which each move goes, and which row of `rates` gives its rate.
    rates : float64, shape (G, B)
        Distinct rates per day, ≥ 0.
    modulator : int32, shape (G,)
        Which row of `multipliers` multiplies each rate; −1: none.
    multipliers : float64, shape (C, S, B) or (C, S, 1)
        Multipliers > 0 for each modulator and segment.
    segment : int32, shape (D,)
        The segment in force on day d, that is over [d, d+1).
    turned : bool
        Whether column vectors move, exp(Q) h, and not row vectors, v exp(Q): by the filter, which
        may then run from the end to the beginning.
    """

    states: int
    source: Index
    target: Index
    row: Index
    rates: Array
    modulator: Index
    multipliers: Array
    segment: Index
    turned: bool = False

    @classmethod
    def constant(
        cls, source: ArrayLike, target: ArrayLike, rates: ArrayLike, states: int, days: int = 1
    ) -> Chain:
        """Chains whose rates never change: one row of `rates` (M, B) for each move."""
        table = np.atleast_2d(np.asarray(rates, dtype=float))
        moves = len(table)
        return cls(
            states,
            np.asarray(source, dtype=np.int32),
            np.asarray(target, dtype=np.int32),
            np.arange(moves, dtype=np.int32),
            np.ascontiguousarray(table),
            np.full(moves, -1, dtype=np.int32),
            np.ones((0, 1, 1)),
            np.zeros(days, dtype=np.int32),
        )

    @property
    def size(self) -> int:
        """B."""
        return int(self.rates.shape[1])

    def rates_in(self, segment: Index | int) -> Array:
        """Rates in force in a segment, or in the segment of each chain: shape (G, B)."""
        rates = self.rates.copy()
        touched = np.flatnonzero(self.modulator >= 0)
        column = np.zeros(1, int) if self.multipliers.shape[2] == 1 else np.arange(self.size)
        rates[touched] *= self.multipliers[:, segment, column][self.modulator[touched]]
        return rates

    def at(self, day: int, killing: Array | None = None) -> Generator:
        """Generators in force on a day, with killing rates κ, shape (K, B) or (K, 1)."""
        return Generator.of(self, self.rates_in(int(self.segment[day])), killing)

    @cached_property
    def forward(self) -> Edges:
        """Edges along which a row vector moves; on turned chains a column vector."""
        if self.turned:
            return self.backward
        stay = len(self.rates) + np.arange(self.states)
        return Edges.gather(self.states, self.source, self.target, self.row, stay)

    @cached_property
    def backward(self) -> Edges:
        """Edges along which a column vector moves."""
        stay = len(self.rates) + np.arange(self.states)
        return Edges.gather(self.states, self.target, self.source, self.row, stay)

    def absorbing(self, mask: NDArray[np.bool_]) -> Chain:
        """Return the same chains with no way out of the states in `mask` (K,)."""
        keep = ~mask[self.source]
        return replace(self, source=self.source[keep], target=self.target[keep], row=self.row[keep])

    @cached_property
    def leaving(self) -> list[Index]:
        """For each state, the rows of the rates of all moves out of it."""
        return [self.row[self.source == state] for state in range(self.states)]

    def outside(self, inside: NDArray[np.bool_]) -> Edges:
        """Edges of the chain outside a set of states (K,), all inside lumped into a last state.

        Nothing leaves that last state: the mass in it is what has entered the set.
        """
        outside = np.flatnonzero(~inside)
        number = np.where(inside, len(outside), np.cumsum(~inside) - 1)
        keep = ~inside[self.source]
        stay = len(self.rates) + np.append(outside, self.states)
        source, target = number[self.source[keep]], number[self.target[keep]]
        return Edges.gather(len(outside) + 1, source, target, self.row[keep], stay)

    @cached_property
    def diameter(self) -> int:
        """Moves that the longest of all shortest ways from a state to another takes."""
        step = np.eye(self.states, dtype=np.float32)
        step[self.source, self.target] = 1.0
        reached, moves = np.eye(self.states, dtype=np.float32), 0
        while True:
            further = np.minimum(reached @ step, 1.0)
            if (further == reached).all():
                return moves
            reached, moves = further, moves + 1

    def batch(self, part: slice) -> Chain:
        """Return only a part of the batch."""
        shared = self.multipliers.shape[2] == 1
        return replace(
            self,
            rates=np.ascontiguousarray(self.rates[:, part]),
            multipliers=self.multipliers if shared else self.multipliers[:, :, part],
        )


@dataclass(frozen=True)
class Edges:
    """For each state the edges that end in it, its own stay first.

    Attributes
    ----------
    states : int
    first : intp, shape (states+1,)
        The edges of state k are first[k]…first[k+1]−1.
    rate : intp, shape (edges,)
        Row of `Generator.table`.
    source : intp, shape (edges,)
    """

    states: int
    first: NDArray[np.intp]
    rate: NDArray[np.intp]
    source: NDArray[np.intp]

    @classmethod
    def gather(
        cls, states: int, source: ArrayLike, target: ArrayLike, row: ArrayLike, stay: ArrayLike
    ) -> Edges:
        """Sort moves by target and add the stays."""
        own = np.arange(states)
        ends = np.concatenate([own, np.asarray(target)])
        order = np.argsort(ends, kind="stable")
        return cls(
            states,
            np.append(0, np.cumsum(np.bincount(ends, minlength=states))),
            np.concatenate([np.asarray(stay), np.asarray(row)]).astype(np.intp)[order],
            np.concatenate([own, np.asarray(source)]).astype(np.intp)[order],
        )

    @cached_property
    def lines(self) -> Lines:
        """The same edges in lines of equal length."""
        return Lines.lay(self)


@dataclass(frozen=True)
class Lines:
    """Edges in lines of equal length, each ending in one state, so that whole arrays add up.

    Attributes
    ----------
    rate, source : intp, shape (length, lines)
        Edges, filled up with edges whose rate is 0. The first lines are those of the states.
    more : tuple of (state, slice)
        States with more edges than fit in their line, and the further lines of each.
    """

    rate: NDArray[np.intp]
    source: NDArray[np.intp]
    more: tuple[tuple[int, slice], ...]

    @classmethod
    def lay(cls, edges: Edges) -> Lines:
        """Lines about as long as the states have edges on average."""
        counts = np.diff(edges.first)
        length = min(int(counts.max()), int(np.ceil(counts.mean() * 1.2)))
        wanted = np.maximum(-(-counts // length), 1)
        further = edges.states + np.cumsum(wanted - 1)
        rate = np.full((length, int(further[-1])), -1, dtype=np.intp)
        source = np.zeros_like(rate)
        for state, first in enumerate(edges.first[:-1]):
            own = [state, *range(further[state] - wanted[state] + 1, further[state])]
            for number, edge in enumerate(range(first, edges.first[state + 1])):
                place = number % length, own[number // length]
                rate[place], source[place] = edges.rate[edge], edges.source[edge]
        return cls(
            rate,
            source,
            tuple(
                (int(state), slice(int(further[state] - wanted[state] + 1), int(further[state])))
                for state in np.flatnonzero(wanted > 1)
            ),
        )

    def apply(self, rates: Array, vector: Array, flow: Array, out: Array) -> None:
        """Put v A into `out`: `rates` are `Generator.rates(edges)`, `flow` is room for as many."""
        vector.take(self.source, axis=0, out=flow, mode="clip")
        np.multiply(flow, rates, out=flow)
        if not self.more:
            np.add.reduce(flow, axis=0, out=out)
            return
        sums = np.add.reduce(flow, axis=0)
        out[:] = sums[: len(out)]
        for state, lines in self.more:
            out[state] += sums[lines].sum(axis=0)


@dataclass(frozen=True)
class Generator:
    """Generators G = Q − diag κ of B chains, ready for uniformisation.

    Attributes
    ----------
    chain : Chain
    table : float64, shape (G+K+2, B)
        Rates, then the stay of each state, then Λ: the stay of an absorbing state, then 0.
    least : float64, shape (B,)
        The least killing rate of all states, which Λ and the stays leave out.
    """

    chain: Chain
    table: Array
    least: Array

    @classmethod
    def of(cls, chain: Chain, rates: Array, killing: Array | None = None) -> Generator:
        """Generators with these rates (G, B) and killing rates (K, B) or (K, 1)."""
        leave = np.stack([rates[rows].sum(axis=0) for rows in chain.leaving])
        least = np.zeros(chain.size)
        if killing is not None:
            least = np.broadcast_to(killing.min(axis=0), chain.size)
            leave += killing - least
        most = leave.max(axis=0)
        zero = np.zeros_like(least)
        return cls(chain, np.concatenate([rates, most - leave, [most, zero]]), least)

    def killed(self, killing: Array) -> Generator:
        """The same generators with these killing rates, (K, B) or (K, 1)."""
        return Generator.of(self.chain, self.table[: len(self.chain.rates)], killing)

    @property
    def exit_rates(self) -> Array:
        """Rate out of each state, (K, B), with what it is killed more than the least."""
        first = len(self.chain.rates)
        return self.most - self.table[first : first + self.chain.states]

    @property
    def most(self) -> Array:
        """Λ of each chain, shape (B,)."""
        most: Array = self.table[-2]
        return most

    def rates(self, edges: Edges) -> Array:
        """Rates of edges, laid out in lines."""
        return self.table[edges.lines.rate]

    def dense(self) -> Array:
        """Matrices G, shape (B, K, K): for tests and small cases."""
        edges, states = self.chain.forward, self.chain.states
        matrix = np.zeros((self.chain.size, states, states))
        target = np.repeat(np.arange(states), np.diff(edges.first))
        for source, to, row in zip(edges.source, target, edges.rate, strict=True):
            matrix[:, source, to] += self.table[row]
        diagonal = np.arange(states)
        matrix[:, diagonal, diagonal] -= (self.most + self.least)[:, np.newaxis]
        return matrix


@dataclass(frozen=True)
class Step:
    """How each chain takes a step of some days: in equal parts, each of so many terms.

    Attributes
    ----------
    days : float
    reach : float64, shape (B,)
        Λt of one part.
    parts, terms : int, shape (B,)
        0 for a chain that stays where it is.
    """

    days: float
    reach: Array
    parts: NDArray[np.int64]
    terms: NDArray[np.int64]

    @classmethod
    def plan(cls, reach: Array, days: float, *, lossless: bool, least: int = 0) -> Step:
        """Steps of Λt = `reach`; `lossless` where no chain kills."""
        parts = np.ceil(reach / PART_REACH).astype(np.int64)
        each = reach / np.maximum(parts, 1)
        terms = terms_table(lossless=lossless)[np.ceil(each * RESOLUTION).astype(np.int64)]
        return cls(days, each, parts, np.where(parts > 0, np.maximum(terms, least), 0))

    @cached_property
    def order(self) -> int:
        """Terms until every chain is done."""
        return int(self.terms.max(initial=0))

    def factors(self, part: int = 0) -> Array:
        """Row n−1: t/n, and 0 where a chain is done. Shape (order, B)."""
        order = np.arange(1, self.order + 1)[:, np.newaxis]
        span = self.days / np.maximum(self.parts, 1)
        return np.where((order <= self.terms) & (part < self.parts), span * (1.0 / order), 0.0)


@cache
def terms_table(*, lossless: bool, shift: float = 0.0) -> Index:
    """Terms after which Σ (Λt)ⁿ/n! may be cut; entry i for Λt ≤ i/`RESOLUTION`.

    What is left out is below `TOLERANCE` of the whole, e^(Λt) without killing; with killing the
    whole may be as small as 1, or where Λ is below the fastest rate by shift/t, as e^(−shift).
    """
    reach = np.arange(int(PART_REACH * RESOLUTION) + 2) / RESOLUTION
    order = np.arange(1, 160)[:, np.newaxis]
    poisson = np.cumprod(np.vstack([np.exp(-reach)[np.newaxis], reach / order]), axis=0)
    beyond = np.cumsum(poisson[::-1], axis=0)[::-1]  # P(n or more)
    allowed = TOLERANCE if lossless else TOLERANCE * np.exp(-reach - np.minimum(reach, shift))
    terms: Index = (np.argmax(beyond <= allowed, axis=0) - 1).astype(np.int32)
    return terms


def expand(edges: Edges, generator: Generator, vector: Array, step: Step) -> Array:
    """Terms v (At)ⁿ/n! of a step that needs no parts, shape (order+1, states, B)."""
    rates = generator.rates(edges)
    flow = np.empty_like(rates)
    terms = np.empty((step.order + 1, *vector.shape))
    terms[0] = vector
    for n, factor in enumerate(step.factors(), start=1):
        edges.lines.apply(rates, terms[n - 1], flow, terms[n])
        terms[n] *= factor
    return terms


def advance(edges: Edges, generator: Generator, vector: Array, step: Step, part: int = 0) -> Array:
    """e^(Λt) v exp(Gt) over one part of a step, by Horner's rule."""
    rates = generator.rates(edges)
    flow = np.empty_like(rates)
    now, then = vector.copy(), np.empty_like(vector)
    for factor in step.factors(part)[::-1]:
        edges.lines.apply(rates, now, flow, then)
        then *= factor
        then += vector
        now, then = then, now
    return now


def propagate(
    vector: Array,
    generator: Generator,
    killing: Array | None = None,
    *,
    days: float = 1.0,
    backward: bool = False,
) -> Array:
    """Return v exp(G t), or with `backward` exp(G t) v, where G = Q − diag κ.

    Parameters
    ----------
    vector : Array, shape (K, B)
    generator : Generator
    killing : Array, shape (K, B) or (K, 1), optional
        Killing rate κ per day in each state, where the generator has none yet.
    days : float
        t.

    Returns
    -------
    Array, shape (K, B)
    """
    if killing is not None:
        generator = generator.killed(killing)
    edges = generator.chain.backward if backward else generator.chain.forward
    step = Step.plan(generator.most * days, days, lossless=False)
    for part in range(int(step.parts.max(initial=0))):
        decay = np.where(part < step.parts, np.exp(-step.reach), 1.0)
        vector = advance(edges, generator, vector, step, part) * decay
    return vector * np.exp(-generator.least * days)
