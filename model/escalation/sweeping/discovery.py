"""Which region of the assumptions leads to a thing: scenario discovery, in words.

A sweep says for each variant whether something holds, such as "strikes within 90 days above
50 %". A shallow decision tree (CART; Breiman, Friedman, Olshen & Stone 1984), fitted by
scikit-learn, divides the varied assumptions into boxes, and those in which it mostly holds are
told as rules. Each box has the two measures of Bryant & Lempert (2010, Technol. Forecast. Soc.
Change 77):

    density     share of the box's variants in which it holds
    coverage    share of all variants in which it holds that lie in the box

Every third variant is set aside: the measures are taken on it, not on those that shaped the tree.

>>> x = np.linspace(0, 1, 300)[:, None]
>>> found = discover(x, x[:, 0] > 0.6, ("a",))
>>> [(limit.name, limit.above is not None, limit.below) for limit in found.boxes[0].limits]
[('a', True, None)]
>>> found.boxes[0].density, found.boxes[0].coverage
(1.0, 1.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from escalation.errors import InvalidValueError, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

DEPTH = 3
SMALLEST = 0.03  # share of the variants that a box holds at least
MOSTLY = 0.5  # density from which a box is told
ASIDE = 3  # every so many-th variant is set aside for measuring
FEWEST = 60


@dataclass(frozen=True)
class Limit:
    """What a box says of one assumption: above a value, below one, or both."""

    name: str
    above: float | None
    below: float | None


@dataclass(frozen=True)
class Box:
    """A region of the assumptions.

    Attributes
    ----------
    limits : tuple of Limit
        In the order of the design; an assumption without one may be anything.
    density, coverage : float
        See the module's text.
    variants : int
        Variants in it, of all.
    """

    limits: tuple[Limit, ...]
    density: float
    coverage: float
    variants: int


@dataclass(frozen=True)
class Discovery:
    """Regions in which something mostly holds.

    Attributes
    ----------
    boxes : tuple of Box
        Largest coverage first; none where it mostly holds nowhere.
    share : float
        Share of all variants in which it holds.
    density, coverage : float
        Of the boxes together.
    """

    boxes: tuple[Box, ...]
    share: float
    density: float
    coverage: float


def discover(values: Array, holds: Flags, names: Sequence[str], depth: int = DEPTH) -> Discovery:
    """Find regions in which something mostly holds.

    Parameters
    ----------
    values : float64, shape (V, k)
        Of the varied assumptions.
    holds : bool, shape (V,)
    names : sequence of str
        Of the columns.
    depth : int
        Most limits of a box.

    Raises
    ------
    InvalidValueError
        If there are too few variants to tell.
    """
    if len(values) < FEWEST:
        raise InvalidValueError(f"regions need at least {FEWEST} variants (got {len(values)})")
    share = float(holds.mean())
    if share in {0.0, 1.0}:
        return Discovery((), share, share, 0.0)
    aside = np.arange(len(values)) % ASIDE == 0
    tree = _fitted(values[~aside], holds[~aside], depth)
    found = []
    inside_any = np.zeros(len(values), dtype=bool)
    for lows, highs in _merged(list(_leaves(tree))):
        inside = np.all((values > lows) & (values <= highs), axis=1)
        box = _box(names, lows, highs, inside, holds, aside)
        if box.variants and box.density >= MOSTLY:
            found.append(box)
            inside_any |= inside
    boxes = tuple(sorted(found, key=lambda box: -box.coverage))
    return Discovery(boxes, share, *_measures(inside_any, holds, aside))


def _fitted(values: Array, holds: Flags, depth: int) -> Any:  # noqa: ANN401 (no types)
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError as error:
        raise RunError("discovery needs scikit-learn: pip install 'escalation[sweep]'") from error
    tree = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=SMALLEST, criterion="gini", random_state=0
    )
    return tree.fit(values, holds).tree_


def _leaves(tree: Any) -> Iterator[tuple[Array, Array]]:  # noqa: ANN401 (no types)
    """Yield lower (excluded) and upper (included) limits of the leaves in which it mostly holds."""
    size = tree.n_features
    stack = [(0, np.full(size, -np.inf), np.full(size, np.inf))]
    while stack:
        node, lows, highs = stack.pop()
        if tree.children_left[node] == tree.children_right[node]:
            if tree.value[node, 0, -1] >= MOSTLY * tree.value[node, 0].sum():
                yield lows, highs
            continue
        feature, at = tree.feature[node], tree.threshold[node]
        below, above = highs.copy(), lows.copy()
        below[feature], above[feature] = at, at
        stack += [
            (tree.children_left[node], lows, below),
            (tree.children_right[node], above, highs),
        ]


def _merged(boxes: list[tuple[Array, Array]]) -> list[tuple[Array, Array]]:
    """Join boxes that differ in one limit and touch there, until none do."""
    for i, (lows, highs) in enumerate(boxes):
        for j in range(i + 1, len(boxes)):
            others = boxes[j]
            apart = np.flatnonzero((lows != others[0]) | (highs != others[1]))
            if len(apart) == 1 and (
                highs[apart[0]] == others[0][apart[0]] or lows[apart[0]] == others[1][apart[0]]
            ):
                whole = (np.minimum(lows, others[0]), np.maximum(highs, others[1]))
                rest = [box for k, box in enumerate(boxes) if k not in {i, j}]
                return _merged([whole, *rest])
    return boxes


def _box(
    names: Sequence[str], lows: Array, highs: Array, inside: Flags, holds: Flags, aside: Flags
) -> Box:
    limits = tuple(
        Limit(name, _finite(low), _finite(high))
        for name, low, high in zip(names, lows, highs, strict=True)
        if np.isfinite(low) or np.isfinite(high)
    )
    return Box(limits, *_measures(inside, holds, aside), int(inside.sum()))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _measures(inside: Flags, holds: Flags, aside: Flags) -> tuple[float, float]:
    """Density and coverage on the variants that were set aside; 0 where there are none."""
    both = float((inside & holds & aside).sum())
    return (
        both / max(1.0, float((inside & aside).sum())),
        both / max(1.0, float((holds & aside).sum())),
    )
