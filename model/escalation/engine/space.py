"""The joint states of a case and the moves among them, which no assumption's value changes.

A joint state is one value of every factor; they are numbered k = 0…K−1 with the ladder, the last
factor, fastest. A move of one factor is a move from each joint state that has its source, with
the values of the other factors kept. (`docs/model.md`, sections 1 and 2.)

>>> from escalation.reading.case import Factor, State
>>> states = {"intent": "ab", "rung": "xyz"}
>>> named = [(name, tuple(State(each, "") for each in ids)) for name, ids in states.items()]
>>> space = Space(tuple(Factor(name, "", ids, {}, ()) for name, ids in named))
>>> space.size, space.values("rung").tolist()
(6, [0, 1, 2, 0, 1, 2])
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.recipes import Recipe, ingredients

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.reading.case import Factor, Move, RateSpec

    Index = NDArray[np.int32]
    Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Space:
    """The joint state space of a scenario's factors, in their order, the last fastest."""

    factors: tuple[Factor, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(len(factor.states) for factor in self.factors)

    @cached_property
    def size(self) -> int:
        """K."""
        return int(np.prod(self.shape))

    def values(self, factor: str) -> Index:
        """Value of a factor in each joint state, shape (K,)."""
        return self._grid[factor]

    def ids(self, factor: str) -> tuple[str, ...]:
        """Ids of a factor's values."""
        return next(
            tuple(state.id for state in each.states) for each in self.factors if each.name == factor
        )

    def combinations(self, factors: Sequence[str]) -> tuple[Index, list[dict[str, str]]]:
        """Combinations of some factors' values.

        Returns
        -------
        of_state : int32, shape (K,)
            Which combination each joint state has.
        combinations : list of dict
            Factor name → state id, for each combination.
        """
        of_state = np.zeros(self.size, dtype=np.int32)
        for factor in factors:
            of_state = of_state * len(self.ids(factor)) + self.values(factor)
        choices = product(*(self.ids(factor) for factor in factors))
        return of_state.astype(np.int32), [
            dict(zip(factors, choice, strict=True)) for choice in choices
        ]

    def rates(self, spec: RateSpec) -> tuple[Index, list[dict[str, str]]]:
        """Distinct rates that a specification makes, as `combinations` that stand for them."""
        of_state, choices = self.combinations(tuple(spec.tables))
        made: dict[tuple[object, ...], int] = {}
        number = [made.setdefault(ingredients(spec, at), len(made)) for at in choices]
        first = [number.index(each) for each in range(len(made))]
        return np.array(number, dtype=np.int32)[of_state], [choices[each] for each in first]

    @cached_property
    def moves(self) -> Moves:
        """All moves among the joint states."""
        return Moves.of(self)

    @cached_property
    def _grid(self) -> dict[str, Index]:
        grid = np.indices(self.shape, dtype=np.int32).reshape(len(self.shape), -1)
        return {factor.name: values for factor, values in zip(self.factors, grid, strict=True)}


@dataclass(frozen=True)
class Moves:
    """The moves of all factors among the joint states; one of a factor makes many of these.

    Attributes
    ----------
    source, target : int32, shape (M,)
        Joint states.
    row : int32, shape (M,)
        Rate of each.
    keys : tuple of frozenset of str
        For each move of a factor, the names under which effects touch it.
    of_rate : intp, shape (R,)
        Move of a factor that each rate belongs to.
    recipe : Recipe
        Of the R rates.
    """

    source: Index
    target: Index
    row: Index
    keys: tuple[frozenset[str], ...]
    of_rate: Rows
    recipe: Recipe

    @classmethod
    def of(cls, space: Space) -> Moves:
        """All moves of a space's factors, one factor after the other."""
        ends, rows, of_rate = [], [], []
        keys: list[frozenset[str]] = []
        wanted: list[tuple[RateSpec, Mapping[str, str]]] = []
        for factor, move in _each_move(space.factors):
            of_state, choices = space.rates(move.rate)
            source, target = _joint_moves(space, factor, move)
            ends.append((source, target))
            rows.append(of_state[source] + len(wanted))
            of_rate += [len(keys)] * len(choices)
            keys.append(_keys(space, factor, move))
            wanted += [(move.rate, at) for at in choices]
        source, target = np.concatenate(ends, axis=1) if ends else np.zeros((2, 0))
        return cls(
            source.astype(np.int32),
            target.astype(np.int32),
            np.concatenate([np.zeros(0), *rows]).astype(np.int32),
            tuple(keys),
            np.array(of_rate, dtype=np.intp),
            Recipe.of(wanted),
        )


def _each_move(factors: Iterable[Factor]) -> Iterable[tuple[Factor, Move]]:
    return ((factor, move) for factor in factors for move in factor.moves)


def _joint_moves(space: Space, factor: Factor, move: Move) -> tuple[Index, Index]:
    """Joint states from which a move is possible, and where it leads."""
    ids = space.ids(factor.name)
    after = [each is factor for each in space.factors].index(True) + 1
    stride = int(np.prod(space.shape[after:]))
    here, there = ids.index(move.source), ids.index(move.target)
    states = np.flatnonzero(space.values(factor.name) == here).astype(np.int32)
    return states, (states + (there - here) * stride).astype(np.int32)


def _keys(space: Space, factor: Factor, move: Move) -> frozenset[str]:
    """Names under which an effect touches a move: its own, where it leads, its direction."""
    keys = {move.name, f"into {move.target}"}
    if factor is space.factors[-1]:  # the ladder
        ids = space.ids(factor.name)
        here, there = ids.index(move.source), ids.index(move.target)
        rungs = sum(not state.off_ramp for state in factor.states)
        if there >= rungs:
            keys.add("settle")
        else:
            keys.add("climb" if there > here or here >= rungs else "descend")
    return frozenset(keys)
