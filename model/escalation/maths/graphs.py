"""Edges in the order in which the compiled kernel takes them: blocks of rows that share rates.

The kernel's sums wait for loads, of a rate and of a probability for each edge. In *blocks* of
neighbouring rows an edge of the same rate comes into each row, from neighbouring rows: its rate is
loaded once for all of them. There are many such rows, as a move of one factor has the same rate
whatever the others are, and as the chain and the chains outside sets, which share all their rates,
are laid side by side: `side_by_side` has the row of a state of the chain followed by the rows of
the same state in each of the other chains that have it.

>>> moving = Chain.constant(source=[0, 1, 2], target=[1, 2, 1], rates=np.ones((3, 1)), states=3)
>>> edges, place = side_by_side(moving, np.array([[False, False, True]]))
>>> place.tolist()
[[0, 2, 4, 5], [1, 3, 5, 5]]
>>> Blocks.cut(edges, nothing=7).shape[:, 0].tolist()
[2, 4]
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.ctmc import Chain, Edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Index = NDArray[np.intp]
    Edge = tuple[int, int]  # rate, row that it comes from

BLOCK = 8  # loads that a block costs besides those of its edges
WIDEST = 6  # rows of a block: as many sums as stay in registers


def side_by_side(moving: Chain, sets: NDArray[np.bool_]) -> tuple[Edges, Index]:
    """The chain and the chains outside each set (P, K), as one chain.

    Returns
    -------
    edges : Edges
    place : intp, shape (P+1, K+1)
        Row of each state in the chain, then in the chain outside each set: the row of what has
        entered it for the states inside. The last column has the row of what has entered.
    """
    chains, states = 1 + len(sets), moving.states
    inside = np.vstack([np.zeros((1, states), dtype=bool), sets])
    smallest = np.argsort(inside.sum(axis=1), kind="stable")  # sets inside others have rows first
    place = np.empty((chains, states + 1), dtype=np.intp)
    outside = ~inside[smallest].T  # (K, P+1), in the order of rows
    place[smallest, :states] = (np.cumsum(outside.ravel()) - 1).reshape(outside.shape).T
    rows = int(outside.sum())
    place[:, states] = rows - 1 + np.arange(chains)  # the chain itself has no such row
    place[0, states] = place[-1, states]
    place = np.where(np.pad(inside, ((0, 0), (0, 1))), place[:, states:], place)
    number, move = np.nonzero(~inside[:, moving.source])
    stay = np.empty(rows + len(sets), dtype=np.intp)
    stay[rows:] = len(moving.rates) + states
    for own, kept in zip(place[:, :states], ~inside, strict=True):
        stay[own[kept]] = len(moving.rates) + np.flatnonzero(kept)
    source, target = place[number, moving.source[move]], place[number, moving.target[move]]
    return Edges.gather(len(stay), source, target, moving.row[move], stay), place


@dataclass(frozen=True)
class Blocks:
    """Edges by blocks.

    Attributes
    ----------
    shape : intp, shape (blocks, 3)
        Rows of each block, at most `WIDEST`; edges that they share; edges that each has besides.
    rate, source : intp, shape (edges,)
        Of each block, first the edges that its rows share: `source` is where they come from into
        the first row, into the next row they come from the next row. Then the first of the
        others of each row (of a chain by itself, its stay); then the second of each row, and so
        on, filled up with edges whose rate is `nothing`.
    """

    shape: Index
    rate: Index
    source: Index

    @classmethod
    def cut(cls, edges: Edges, nothing: int) -> Blocks:
        """Blocks with the fewest loads in all; `nothing` is a row of rates that are 0."""
        ends = zip(edges.first[:-1], edges.first[1:], strict=True)
        rows = [
            list(zip(edges.rate[a:b].tolist(), edges.source[a:b].tolist(), strict=True))
            for a, b in ends
        ]
        shape, flat, row = [], list[tuple[int, int]](), 0
        for wide in _widths(rows):
            *_, shared = _shared(rows[row : row + wide])
            others = [_less(rows[row + own], shared, own) for own in range(wide)]
            filled = zip_longest(*others, fillvalue=(nothing, 0))
            shape.append((wide, shared.total(), max(map(len, others))))
            flat += [*sorted(shared.elements()), *chain.from_iterable(filled)]
            row += wide
        rate, source = np.array(flat, dtype=np.intp).T
        return cls(np.array(shape), rate, source)


def _widths(rows: list[list[Edge]]) -> list[int]:
    """Widths of blocks that need the fewest loads; of those, the fewest blocks."""
    best = [(0, 0, 0)]  # from each row to the end, the last first: loads, blocks, width
    for row in reversed(range(len(rows))):
        longest, found = 0, []
        for wide, shared in enumerate(_shared(rows[row : row + WIDEST]), start=1):
            longest, together = max(longest, len(rows[row + wide - 1])), shared.total()
            loads = BLOCK + together * (1 + wide) + (longest - together) * 2 * wide
            found.append((best[-wide][0] + loads, best[-wide][1] + 1, wide))
        best.append(min(found))
    widths, left = [], len(rows)
    while left:
        widths.append(best[left][2])
        left -= widths[-1]
    return widths


def _shared(rows: list[list[Edge]]) -> Iterator[Counter[Edge]]:
    """Edges that the first row shares: with itself alone none, with the next, with the next two."""
    shared = Counter(rows[0])
    yield Counter()
    for own, row in enumerate(rows[1:], start=1):
        shared &= Counter(_back(row, own))
        yield shared


def _back(row: list[Edge], by: int) -> Iterable[Edge]:
    """The edges as they would come into a row so many rows before."""
    return ((rate, source - by) for rate, source in row)


def _less(row: list[Edge], shared: Counter[Edge], own: int) -> list[Edge]:
    """What is left of a row's edges, in order, without those that it shares."""
    left, rest = Counter(shared), []
    for edge, first in zip(row, _back(row, own), strict=True):
        if left[first] > 0:
            left[first] -= 1
        else:
            rest.append(edge)
    return rest
