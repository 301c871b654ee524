"""Designs: which values of which assumptions a sweep tries.

A range of an assumption is written as the assumption is (a rate per its time, a duration in
days). Its values are even in the logarithm where what matters is the ratio (rates, multipliers,
durations), and even in the number where it is bounded (probabilities, weights).

    grid              every combination of N_i values of each range, ends included
    Latin hypercube   V variants; in each range one value in each of V strata (McKay, Beckman &
                      Conover 1979, Technometrics 21), each column keyed by seed and name

>>> a = Range("a", 0.1, 10.0, points=3, logarithmic=True)
>>> grid([a, Range("b", 0.0, 1.0, points=2)]).values.round(6).tolist()
[[0.1, 0.0], [0.1, 1.0], [1.0, 0.0], [1.0, 1.0], [10.0, 0.0], [10.0, 1.0]]
>>> latin([a], 4, seed=1).values.shape
(4, 1)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.maths.priors import hypercube

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.reading.case import Assumption

    Array = NDArray[np.float64]

MOST_VARIANTS = 1_000_000
WRITTEN = re.compile(
    r"^\s*x?\s*(?P<low>[-+.\deE]+?)\s*d?\s*(?::|\bto\b)\s*x?\s*(?P<high>[-+.\deE]+?)\s*d?\s*"
    r"(?::\s*(?P<points>\d+)\s*)?$"
)
RATIOS = frozenset({"rate", "multiplier", "duration"})


@dataclass(frozen=True)
class Range:
    """Values that one assumption takes in a sweep.

    Attributes
    ----------
    name : str
        Dotted name.
    low, high : float
        In the unit in which the assumption is written.
    points : int or None
        How many on a grid; None where only a Latin hypercube will do.
    logarithmic : bool
        Whether values are even in the logarithm.
    """

    name: str
    low: float
    high: float
    points: int | None = None
    logarithmic: bool = False

    def at(self, share: Array) -> Array:
        """Values at shares in [0, 1] of the way from low to high; the ends are exact."""
        if self.logarithmic:
            inside = self.low * (self.high / self.low) ** share
        else:
            inside = self.low + (self.high - self.low) * share
        return np.asarray(np.clip(inside, self.low, self.high), dtype=float)


@dataclass(frozen=True)
class Design:
    """Variants of a scenario.

    Attributes
    ----------
    kind : str
        "grid" or "latin hypercube".
    ranges : tuple of Range
    values : float64, shape (V, len(ranges))
        One row for each variant.
    """

    kind: str
    ranges: tuple[Range, ...]
    values: Array

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of what is varied."""
        return tuple(each.name for each in self.ranges)

    @property
    def size(self) -> int:
        """V, the number of variants."""
        return len(self.values)


def read_range(name: str, text: str, assumptions: Mapping[str, Assumption]) -> Range:
    """Read `LOW:HIGH`, `LOW to HIGH` or `LOW:HIGH:N` for an assumption.

    Raises
    ------
    InvalidValueError
        If there is no such assumption, or no such range of it.
    """
    if name not in assumptions:
        close = get_close_matches(name, assumptions, 1, 0.5)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise InvalidValueError(f"no assumption '{name}'{hint}")
    match = WRITTEN.match(text)
    if not match:
        raise InvalidValueError(
            f"{name}: '{text}' is no range; write LOW:HIGH:N, such as 0.05:0.5:11, or LOW:HIGH"
        )
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError as error:
        raise InvalidValueError(f"{name}: '{text}' holds no two numbers") from error
    points = int(match["points"]) if match["points"] else None
    return _checked(Range(name, low, high, points), assumptions[name].role)


def _checked(each: Range, role: str) -> Range:
    ratio = role in RATIOS
    most = np.inf if ratio else 1.0
    if not (0 <= each.low < each.high <= most and np.isfinite(each.high)):
        limit = "above 0" if ratio else "between 0 and 1"
        raise InvalidValueError(
            f"{each.name}: a range of a {role} lies {limit}, low end first "
            f"(got {each.low:g} to {each.high:g})"
        )
    if role == "probability" and each.high == 1:
        raise InvalidValueError(f"{each.name}: certainty has no rate; end the range below 1")
    if each.points is not None and each.points < 2:  # noqa: PLR2004
        raise InvalidValueError(f"{each.name}: a grid needs at least 2 values of it")
    return Range(each.name, each.low, each.high, each.points, ratio and each.low > 0)


def grid(ranges: Sequence[Range]) -> Design:
    """Every combination of the ranges' values, the last range fastest.

    Raises
    ------
    InvalidValueError
        If a range does not say how many values, or there are too many combinations.
    """
    _check_names(ranges)
    without = [each.name for each in ranges if each.points is None]
    if without:
        raise InvalidValueError(f"{without[0]}: a grid needs how many values: write LOW:HIGH:N")
    count = int(np.prod([float(each.points or 0) for each in ranges]))
    _check_size(count)
    axes = [each.at(np.linspace(0, 1, each.points or 0)) for each in ranges]
    values = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(count, len(ranges))
    return Design("grid", tuple(ranges), values)


def latin(ranges: Sequence[Range], variants: int, seed: int) -> Design:
    """So many variants, each range evenly covered.

    Raises
    ------
    InvalidValueError
        If there are none or too many.
    """
    _check_names(ranges)
    _check_size(variants)
    columns = [each.at(hypercube(f"design {each.name}", variants, seed)) for each in ranges]
    return Design("latin hypercube", tuple(ranges), np.stack(columns, axis=-1))


def _check_names(ranges: Sequence[Range]) -> None:
    if not ranges:
        raise InvalidValueError("a sweep needs at least one assumption to vary: --vary NAME=…")
    names = [each.name for each in ranges]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError(f"{name}: varied twice")


def _check_size(variants: int) -> None:
    if not 1 <= variants <= MOST_VARIANTS:
        raise InvalidValueError(f"a design has 1 to {MOST_VARIANTS:,} variants (got {variants:,})")
