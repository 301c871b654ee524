r"""From the end to the beginning: what is to come, as seen from every state at once.

Where many questions end in the same future, it is found once. With G the generators in force, κ
included, h the probability of what comes after some day given the state on it, and L the
likelihoods of the reports of that day,

    h(day) = exp(G_day) (L · h(day + 1)),        P(all of it) = Σ_k v(k) h(k)

for whatever vector v stands there (the backward recursion; Rabiner 1989). Column vectors move
along the edges of a chain the other way round, so that the forward filter does it, run on a chain
that is turned and whose days are reversed.

For a target, all its states are lumped into one that nothing leaves.

Shapes: K states, B draws.

>>> from escalation.maths.ctmc import Chain
>>> chain = Chain.constant(source=[0], target=[1], rates=[[np.log(2)]], states=2, days=1)
>>> reach(chain, np.array([False, True]), 1).round(6).tolist()
[[0.5], [1.0]]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.filtering import Batch, Evidence, log_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from escalation.maths.ctmc import Chain

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outlook:
    """P(what is to come | state) = vector · exp(log).

    Attributes
    ----------
    vector : float64, shape (K, B)
        Adds up to 1 over the states.
    log : float64, shape (B,)
    """

    vector: Array
    log: Array

    @classmethod
    def of(cls, chances: Array) -> Outlook:
        """From probabilities (K, B)."""
        total = chances.sum(axis=0)
        return cls(np.ascontiguousarray(chances / total), np.log(total))

    @property
    def chances(self) -> Array:
        """P(what is to come | state), shape (K, B)."""
        return np.asarray(self.vector * np.exp(self.log), dtype=float)

    def seen_from(self, vector: Array) -> Array:
        """ln P(what is to come), from state probabilities (K, B): shape (B,)."""
        with np.errstate(divide="ignore"):
            found = np.log(np.einsum("kb,kb->b", vector, self.vector)) + self.log
        return np.asarray(found, dtype=float)


def before(batch: Batch, after: Outlook, begin: int, end: int) -> Outlook:
    """Outlook on a day, its own reports met, from that on a later day.

    Parameters
    ----------
    batch : Batch
        Whose chains pass from the one to the other, and whose evidence of the days after `begin`
        is part of what is to come.
    after : Outlook
        On day `end`, once its reports are met.
    begin, end : int
        Days.
    """
    evidence = batch.evidence
    when = evidence.event_day[:, 0]
    chosen = np.flatnonzero((when > begin) & (when <= end))[::-1]
    turned = replace(
        evidence,
        killing_segment=np.ascontiguousarray(evidence.killing_segment[begin:end][::-1]),
        event_day=np.int32(end) - evidence.event_day[chosen],
        event_table=evidence.event_table[chosen],
    )
    days = np.full(batch.size, end - begin, dtype=np.int32)
    segment = np.ascontiguousarray(batch.chain.segment[begin:end][::-1])
    chain = replace(batch.chain, segment=segment, turned=True)
    found = log_likelihood(Batch(after.vector, chain, turned, days))
    return Outlook(found.filtered, after.log + found.loglik)


def reach(chain: Chain, inside: NDArray[np.bool_], days: int) -> Array:
    """P(a set of states is entered within so many days | state on day 0): shape (K, B)."""
    less = lumped(chain, inside)
    size = chain.size
    end = np.zeros((less.states, size))
    end[-1] = 1.0
    there = Batch(end, less, Evidence.none(days), np.full(size, days, dtype=np.int32))
    found = before(there, Outlook.of(end), 0, days).chances
    every = np.ones((chain.states, size))
    every[~inside] = np.minimum(found[:-1], 1.0)
    return every


def lumped(chain: Chain, inside: NDArray[np.bool_]) -> Chain:
    """Chains with all states of a set (K,) made one, the last, that nothing leaves."""
    number = np.where(inside, (~inside).sum(), np.cumsum(~inside) - 1).astype(np.int32)
    keep = ~inside[chain.source]
    return replace(
        chain,
        states=int((~inside).sum()) + 1,
        source=number[chain.source[keep]],
        target=number[chain.target[keep]],
        row=chain.row[keep],
    )


def lump(vector: Array, inside: NDArray[np.bool_]) -> Array:
    """State probabilities (K, B) on lumped chains."""
    return np.concatenate([vector[~inside], vector[inside].sum(axis=0)[None]])
