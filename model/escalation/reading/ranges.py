"""Ranges of assumptions that a sweep tries, written `LOW:HIGH:N`, `LOW:HIGH` or `LOW to HIGH`.

A range is written as the assumption is (a rate per its time, a duration in days). Its values are
even in the logarithm where what matters is the ratio (rates, multipliers, durations), and even
in the number where it is bounded (probabilities, weights). A design is a grid of all
combinations, for which each range says how many values it has, or a Latin hypercube.

    sweep:
      vary:
        latent.intent.moves.coerce -> strike.rate: 0.02:0.4:20
        indicators.designation.effect.climb: 1:4:20

>>> import numpy as np
>>> each = Range("a", 0.1, 10.0, points=3, logarithmic=True)
>>> each.at(np.array([0, 0.5, 1])).tolist(), count([each, Range("b", 0.0, 1.0, points=2)])
([0.1, 1.0, 10.0], 6)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.reading.tree import Branch, did_you_mean, dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.reading.case import Assumption
    from escalation.reading.tree import Findings

    Array = NDArray[np.float64]

MOST_VARIANTS = 1_000_000
MOST_SAMPLES = 65_536
RATIOS = frozenset({"rate", "multiplier", "duration"})
WRITTEN = re.compile(
    r"^\s*x?\s*(?P<low>[-+.\deE]+?)\s*d?\s*(?::|\bto\b)\s*x?\s*(?P<high>[-+.\deE]+?)\s*d?\s*"
    r"(?::\s*(?P<points>\d{1,9})\s*)?$"
)


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


def read_range(name: str, text: str, assumptions: Mapping[str, Assumption]) -> Range:
    """Read the range of an assumption.

    Raises
    ------
    InvalidValueError
        If there is no such assumption, or no such range of it.
    """
    if name not in assumptions:
        hint = did_you_mean(name, assumptions)
        raise InvalidValueError(f"no assumption {quoted(name)}{hint}")
    match = WRITTEN.match(text)
    if not match:
        raise InvalidValueError(
            f"{name}: {quoted(text)} is no range; write LOW:HIGH:N, such as 0.05:0.5:11, or "
            "LOW:HIGH"
        )
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError as error:
        raise InvalidValueError(f"{name}: {quoted(text)} holds no two numbers") from error
    points = int(match["points"]) if match["points"] else None
    return _checked(Range(name, low, high, points), assumptions[name].role)


def _checked(each: Range, role: str) -> Range:
    ratio = role in RATIOS
    most = math.inf if ratio else 1.0
    if not (0 <= each.low < each.high <= most and math.isfinite(each.high)):
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


def count(ranges: Sequence[Range], variants: int | None = None) -> int:
    """Variants of a design: so many, or without a number all combinations of a grid.

    Raises
    ------
    InvalidValueError
        If there is no such design.
    """
    if not ranges:
        raise InvalidValueError("a sweep needs at least one assumption to vary: --vary NAME=…")
    names = [each.name for each in ranges]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidValueError(f"{twice}: varied twice")
    without = next((each.name for each in ranges if each.points is None), None)
    if without and variants is None:
        raise InvalidValueError(
            f"{without}: a grid needs how many values: write LOW:HIGH:N, or ask for a number of "
            "variants"
        )
    size = math.prod(each.points or 0 for each in ranges) if variants is None else variants
    if not 1 <= size <= MOST_VARIANTS:
        raise InvalidValueError(f"a design has 1 to {MOST_VARIANTS:,} variants (got {size:,})")
    return size


def check(tree: Branch, assumptions: Mapping[str, Assumption], findings: Findings) -> None:
    """Report what is wrong with the `sweep` of a scenario, each with its place."""
    node = tree.get("sweep")
    if not isinstance(node, Branch):
        return
    vary, ranges = node.branch("vary"), []
    for name in vary.entries:
        try:
            ranges.append(read_range(name, vary.text(name), assumptions))
        except InvalidValueError as error:
            findings.error(vary.place(name), "sweep.vary", str(error))
    if len(ranges) < len(vary.entries):
        return
    variants = int(node.text("variants")) if node.text("variants") else None
    try:
        count(ranges, variants)
    except InvalidValueError as error:
        place = node.place("vary" if variants is None else "variants")
        findings.error(place, "sweep", str(error))
    if node.text("samples") and int(node.text("samples")) > MOST_SAMPLES:
        where = dotted("sweep", "samples")
        findings.error(node.place("samples"), where, f"at most {MOST_SAMPLES:,} draws a variant")
