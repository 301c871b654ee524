"""How rates per day come of assumptions: many at once, from a list made ready once for a plan.

The rate in one combination of states is a base, or a value from a table, times multipliers
(`docs/model.md`, sections 2 and 3); with a window W its value p is a probability of at least one:

    λ = value/days · Π multipliers            or            λ = −ln(1 − p)/W · Π multipliers

>>> from escalation.reading.case import RateSpec
>>> spec = RateSpec(None, {"rung": {"low": "quiet", "high": "loud"}}, 30.0, "rung")
>>> recipe = Recipe.of([(spec, {"rung": rung}) for rung in ("low", "high")])
>>> recipe.rates({"quiet": np.array([0.0]), "loud": np.array([0.5])}, {}).round(4).tolist()
[[0.0], [0.0231]]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.reading.case import Assumption, RateSpec

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Recipe:
    """How each of R rates comes of assumptions.

    Attributes
    ----------
    daily : tuple of str
        Assumptions that give rates, over so many days each.
    windowed : tuple of (str, float)
        Assumptions that give probabilities of at least one, and their windows in days.
    base : intp, shape (R,)
        Which of these, all in one list, each rate begins with.
    multipliers : tuple of str
        Assumptions that multiply.
    factors : tuple of (rates, multipliers), each intp (r,)
        Multiplications to be made one after the other: which rates, each by which multiplier.
    """

    daily: tuple[str, ...]
    windowed: tuple[tuple[str, float], ...]
    base: Rows
    multipliers: tuple[str, ...]
    factors: tuple[tuple[Rows, Rows], ...]

    @classmethod
    def of(cls, wanted: Sequence[tuple[RateSpec, Mapping[str, str]]]) -> Recipe:
        """Recipe for rates, each in a combination of states: factor name → state id.

        Raises
        ------
        InvalidValueError
            If a rate has neither base nor value in its combination.
        """
        bases = [_base(spec, at) for spec, at in wanted]
        daily = dict.fromkeys(name for name, window in bases if window is None)
        windowed = dict.fromkeys((name, window) for name, window in bases if window is not None)
        number = {
            each: place for place, each in enumerate([*((n, None) for n in daily), *windowed])
        }
        chosen = [_multipliers(spec, at) for spec, at in wanted]
        names = dict.fromkeys(name for each in chosen for name in each)
        which = {name: place for place, name in enumerate(names)}
        factors = []
        for turn in range(max(map(len, chosen), default=0)):
            rows = [row for row, each in enumerate(chosen) if turn < len(each)]
            by = [which[chosen[row][turn]] for row in rows]
            factors.append((np.array(rows, dtype=np.intp), np.array(by, dtype=np.intp)))
        return cls(
            tuple(daily),
            tuple(windowed),
            np.array([number[each] for each in bases], dtype=np.intp),
            tuple(names),
            tuple(factors),
        )

    def rates(self, draws: Mapping[str, Array], assumptions: Mapping[str, Assumption]) -> Array:
        """Rates per day, shape (R, N), from the N values of each assumption."""
        count = len(next(iter(draws.values())))
        days = np.array([assumptions[name].days for name in self.daily])
        windows = np.array([window for _, window in self.windowed])
        daily = _stack(self.daily, draws, count) / days[:, None]
        chances = _stack([name for name, _ in self.windowed], draws, count)
        bases = np.concatenate([daily, -np.log1p(-chances) / windows[:, None]])
        rates: Array = bases[self.base]
        multipliers = _stack(self.multipliers, draws, count)
        for rows, by in self.factors:
            rates[rows] *= multipliers[by]
        return rates


def _stack(names: Sequence[str], draws: Mapping[str, Array], count: int) -> Array:
    return np.array([draws[name] for name in names], dtype=float).reshape(len(names), count)


def ingredients(spec: RateSpec, at: Mapping[str, str]) -> tuple[object, ...]:
    """All that a rate in a combination of states is made of: equal for equal rates."""
    return _base(spec, at), *_multipliers(spec, at)


def _base(spec: RateSpec, at: Mapping[str, str]) -> tuple[str, float | None]:
    """Assumption that a rate begins with, and the window of a probability."""
    name = spec.base
    if spec.values is not None:
        name = spec.tables[spec.values].get(at[spec.values])
        if name is None:
            message = f"no value for {spec.values} '{at[spec.values]}'"
            raise InvalidValueError(message)
    if name is None:
        message = "a rate needs a base or a table of values"
        raise InvalidValueError(message)
    return name, spec.window


def _multipliers(spec: RateSpec, at: Mapping[str, str]) -> list[str]:
    """Assumptions that multiply a rate; a state left out of a table counts as 1."""
    tables = ((each, table) for each, table in spec.tables.items() if each != spec.values)
    return [table[at[factor]] for factor, table in tables if at[factor] in table]
