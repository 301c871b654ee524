"""What the notebook of a sweep shows: the finished sweep, and what it says in words.

>>> unquoted("'strikes'")
'strikes'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from escalation.maths.words import percent
from escalation.reading.naming import day
from escalation.reporting.markup import Fragment, table, tag, text
from escalation.reporting.notebook import as_day, find, unquoted
from escalation.sweeping.store import Sweep, read_sweep
from escalation.sweeping.words import about, effective, found_for, label, region, regions, value
from escalation.sweeping.words import spread as spread_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from escalation.reading.ranges import Range


def begin(path: object) -> Sweep:
    """Read a finished sweep, wherever the working folder is."""
    return read_sweep(find(path))


def target_of(sweep: Sweep, target: object) -> str:
    """Return the target asked for, by default the sweep's first."""
    return unquoted(target) or sweep.targets[0]


def masthead(sweep: Sweep) -> Fragment:
    """What was varied, how, and of which scenario."""
    when = as_day(sweep.about["as_of"])
    size = f"{sweep.design.size:,} variants, {sweep.about['samples']} draws of the rest for each"
    return Fragment(
        tag(
            "header",
            tag("h1", text(sweep.about["title"])),
            tag("p", f"{sweep.design.kind.capitalize()}: {size}.", class_="question"),
            tag("p", f"As of {day(when) if when else ''}, {sweep.days[-1]} days ahead.",
                class_="dateline"),
        ),
        size,
    )  # fmt: skip


def design(sweep: Sweep) -> Fragment:
    """What was varied, from where to where."""
    rows = [
        [
            text(about(sweep, each.name)),
            text(_span(sweep, each)),
            str(each.points or "spread evenly"),
        ]
        for each in sweep.design.ranges
    ]
    columns = ["Varied", "From and to", "Values"]
    return Fragment(table(columns, rows, caption="The design", kind="plain"), "the design")


def _span(sweep: Sweep, each: Range) -> str:
    """`0.02 to 0.4 per 30 days`."""
    unit = sweep.about["units"][each.name][1]
    low, high = (value(sweep, each.name, end) for end in (each.low, each.high))
    return f"{low.removesuffix(unit).strip()} to {high}"


def spread(sweep: Sweep, target: object = "") -> Fragment:
    """How far the probability of a target spreads."""
    lines = [*spread_lines(sweep, target_of(sweep, target)), *effective(sweep)]
    return Fragment(tag("p", text(" ".join(each.strip() for each in lines))), " ".join(lines))


def discovery(sweep: Sweep, target: object = "", above: object = 0.5) -> Fragment:
    """Which region leads to a probability above a value, in words and with its measures."""
    name, limit = target_of(sweep, target), float(unquoted(above))
    told = regions(sweep, name, limit)
    boxes = [each for each in told if not each.startswith(" ")]
    rows = _rows(sweep, name, limit)
    inside = [tag("p", text(each.removesuffix(" It mostly is"))) for each in boxes[:1]]
    if rows:
        columns = ["Where", "There, it is in", "Of all in which it is", "Variants"]
        caption = f"Regions in which {label(sweep, name)} is mostly above {percent(limit)}"
        inside.append(table(columns, rows, caption=caption, kind="figures"))
    elif len(boxes) > 1:
        inside.append(tag("p", text(boxes[1])))
    return Fragment(tag("div", *inside), "\n".join(told))


def _rows(sweep: Sweep, target: str, above: float) -> Sequence[Sequence[object]]:
    from escalation.errors import InvalidValueError

    try:
        boxes = found_for(sweep, target, above).boxes
    except InvalidValueError:  # too few variants, which `regions` says
        return []
    return [
        [text(region(sweep, each)), percent(each.density), percent(each.coverage),
         f"{each.variants:,}"]
        for each in boxes
    ]  # fmt: skip
