"""Promises of the order in which the kernel takes edges: none is lost, and rates are shared."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from escalation.maths.ctmc import Chain, Edges
from escalation.maths.graphs import WIDEST, Blocks, side_by_side


def random_chain(states: int, moves: int, rates: int, seed: int) -> Chain:
    """Moves between any two states, some of the same rate."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, states, moves)
    target = (source + rng.integers(1, max(states, 2), moves)) % states
    keep = source != target
    chain = Chain.constant(source[keep], target[keep], np.ones((rates, 1)), states)
    row = rng.integers(0, rates, int(keep.sum())).astype(np.int32)
    return Chain(**{**vars(chain), "row": row})


CHAINS = st.builds(
    random_chain, st.integers(1, 9), st.integers(0, 30), st.integers(1, 6), st.integers(0, 999)
)


def listed(edges: Edges) -> list[Counter[tuple[int, int]]]:
    """For each row, the edges that end in it: rate and row."""
    pairs = list(zip(edges.rate.tolist(), edges.source.tolist(), strict=True))
    return [Counter(pairs[a:b]) for a, b in zip(edges.first[:-1], edges.first[1:], strict=True)]


def unfolded(blocks: Blocks, nothing: int) -> list[Counter[tuple[int, int]]]:
    """The same of blocks."""
    edges = iter(zip(blocks.rate.tolist(), blocks.source.tolist(), strict=True))
    rows: list[Counter[tuple[int, int]]] = []
    for wide, shared, others in blocks.shape.tolist():
        assert 1 <= wide <= WIDEST
        rows += [Counter() for _ in range(wide)]
        for rate, source in (next(edges) for _ in range(shared)):
            for own in range(wide):
                rows[own - wide][rate, source + own] += 1
        for number in range(others * wide):
            rate, source = next(edges)
            rows[number % wide - wide][rate, source] += rate != nothing
    assert next(edges, None) is None
    return [+row for row in rows]


@given(CHAINS)
def test_blocks_hold_the_edges_of_each_row(chain: Chain) -> None:
    """In blocks each row has its own edges, no more and no fewer."""
    nothing = len(chain.rates) + chain.states + 1
    for edges in (chain.forward, chain.backward, side_by_side(chain, np.eye(chain.states) > 0)[0]):
        assert unfolded(Blocks.cut(edges, nothing), nothing) == listed(edges)


@given(CHAINS, st.data())
def test_side_by_side_are_the_chain_and_the_chains_outside_sets(
    chain: Chain, data: st.DataObject
) -> None:
    """Each chain keeps its edges, in rows of its own."""
    inside = st.lists(st.booleans(), min_size=chain.states, max_size=chain.states)
    sets = np.array(data.draw(st.lists(inside, max_size=4)), dtype=bool).reshape(-1, chain.states)
    edges, place = side_by_side(chain, sets)
    together, seen = listed(edges), list[int]()
    for which, mask in enumerate([np.zeros(chain.states, dtype=bool), *sets]):
        assert (place[which, :-1][mask] == place[which, -1]).all()
        rows = [*place[which, :-1][~mask], *([place[which, -1]] if which else [])]
        alone = chain.outside(mask) if which else chain.forward
        expected = [
            Counter({(rate, int(rows[source])): n for (rate, source), n in each.items()})
            for each in listed(alone)
        ]
        assert [together[row] for row in rows] == expected
        seen += rows
    assert sorted(seen) == list(range(edges.states))


def test_rows_of_one_factor_share_the_rates_of_the_other() -> None:
    """Of factors of 3 and 6 values, a move of the first has one rate whatever the second is."""
    one = [(i, j) for i in range(3) for j in range(3) if i != j]
    moves = [(6 * i + k, 6 * j + k, row) for row, (i, j) in enumerate(one) for k in range(6)]
    source, target, row = np.array(moves).T
    chain = Chain.constant(source, target, np.ones((6, 1)), 18)
    chain = Chain(**{**vars(chain), "row": row.astype(np.int32)})
    assert Blocks.cut(chain.forward, nothing=25).shape.tolist() == [[6, 2, 1]] * 3
