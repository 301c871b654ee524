"""What a sweep says, in words: how far its answers spread, and which region leads where.

In 31 % of 10,000 variants, Strikes on territory within 90 days is above 50 %. It is where
  Intent: coerce → strike is above 0.12 per 30 days, and
  Carrier on station: effect on climbs is above ×1.6
There it holds in 92 % of variants, 71 % of all in which it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.maths.words import percent
from escalation.reading.naming import number
from escalation.sweeping.discovery import Box, Discovery, discover

if TYPE_CHECKING:
    from escalation.sweeping.discovery import Limit
    from escalation.sweeping.store import Sweep

FEW = 10.0  # effective draws below which a variant's probability is rough


def about(sweep: Sweep, name: str) -> str:
    """What a varied assumption is about."""
    return str(sweep.about["about"][name])


def value(sweep: Sweep, name: str, amount: float) -> str:
    """Return a value of a varied assumption with its unit."""
    sign, unit = sweep.about["units"][name]
    return f"{sign}{number(amount)} {unit}".strip()


def label(sweep: Sweep, target: str) -> str:
    """Return the label of a target."""
    return str(sweep.about["labels"][target])


def found_for(sweep: Sweep, target: str, above: float, days: int | None = None) -> Discovery:
    """Regions in which a target is likelier than so much."""
    holds = sweep.probability(target, days) > above
    return discover(sweep.design.values, holds, sweep.design.names)


def spread(sweep: Sweep, target: str) -> list[str]:
    """Lines on how far a target's probability spreads over the variants."""
    values = sweep.probability(target)
    values = values[np.isfinite(values)]
    if not len(values):
        return ["The evidence is impossible in every variant."]
    least, low, middle, high, most = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
    size = f"{sweep.design.size:,} variants"
    ends = f"from {percent(least)} to {percent(most)}; half of them below {percent(middle)}"
    return [
        f"{label(sweep, target)} within {sweep.days[-1]} days, over {size}:",
        f"  {ends}, nine in ten from {percent(low)} to {percent(high)}.",
    ]


def effective(sweep: Sweep) -> list[str]:
    """Return a warning, if many variants rest on few effective draws."""
    rough = float((sweep.block.ess < FEW).mean())
    if not rough:
        return []
    few = f"  {percent(rough)} of them rest on fewer than {FEW:.0f} effective draws"
    return [f"{few}: their numbers are rough; ask for more --samples."]


def regions(sweep: Sweep, target: str, above: float, days: int | None = None) -> list[str]:
    """Lines on the regions in which a target is likelier than so much."""
    at = sweep.days[-1] if days is None else days
    thing = f"{label(sweep, target)} within {at} days is above {percent(above)}"
    try:
        found = found_for(sweep, target, above, days)
    except InvalidValueError as error:
        return [f"Where {thing} is not looked for: {error}."]
    if found.share in {0.0, 1.0}:
        return [f"{thing} in {'every' if found.share else 'no'} variant."]
    begin = f"In {percent(found.share)} of the variants, {thing}."
    if not found.boxes:
        return [begin, "No region of the varied assumptions tells in which."]
    lines = [f"{begin} It mostly is", *_boxes(sweep, found)]
    if len(found.boxes) > 1:
        lines.append(
            f"Together: {percent(found.density)} of the variants there, "
            f"{percent(found.coverage)} of all in which it is."
        )
    return lines


def _boxes(sweep: Sweep, found: Discovery) -> list[str]:
    lines = []
    for place, box in enumerate(found.boxes):
        lines.append("  where " if place == 0 else "  or where ")
        lines[-1] += region(sweep, box)
        lines.append(
            f"    ({percent(box.density)} of the variants there, {percent(box.coverage)} of all "
            "in which it is)"
        )
    return lines


def region(sweep: Sweep, box: Box) -> str:
    """Return a box in words."""
    return ", and ".join(limit_text(sweep, each) for each in box.limits)


def limit_text(sweep: Sweep, limit: Limit) -> str:
    """`Intent: coerce → strike is above 0.12 per 30 days`."""
    name = about(sweep, limit.name)
    if limit.above is not None and limit.below is not None:
        low, high = (value(sweep, limit.name, each) for each in (limit.above, limit.below))
        return f"{name} is between {low} and {high}"
    if limit.above is not None:
        return f"{name} is above {value(sweep, limit.name, limit.above)}"
    return f"{name} is below {value(sweep, limit.name, limit.below or 0.0)}"
