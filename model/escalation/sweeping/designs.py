"""Designs: which values of which assumptions a sweep tries.

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

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.priors import hypercube
from escalation.reading.ranges import Range, count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


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


def grid(ranges: Sequence[Range]) -> Design:
    """Every combination of the ranges' values, the last range fastest.

    Raises
    ------
    InvalidValueError
        If a range does not say how many values, or there are too many combinations.
    """
    size = count(ranges)
    axes = [each.at(np.linspace(0, 1, each.points or 0)) for each in ranges]
    values = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(size, len(ranges))
    return Design("grid", tuple(ranges), values)


def latin(ranges: Sequence[Range], variants: int, seed: int) -> Design:
    """So many variants, each range evenly covered.

    Raises
    ------
    InvalidValueError
        If there are none or too many.
    """
    count(ranges, variants)
    columns = [each.at(hypercube(f"design {each.name}", variants, seed)) for each in ranges]
    return Design("latin hypercube", tuple(ranges), np.stack(columns, axis=-1))
