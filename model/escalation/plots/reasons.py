"""Why the answer is what it is, and what would change it: bars and arrows from where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from escalation.maths.words import percent, signed
from escalation.plots.rows import NARROW_TIP, TIP, Rows, direction, log_odds, log_odds_axis
from escalation.plots.style import SMALL, percent_axis
from escalation.reading.naming import (
    DASH,
    in_words,
    report_label,
    short_day,
    state_of,
    value_text,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from escalation.explaining.explain import Contribution, Without
    from escalation.explaining.sensitivity import Bar
    from escalation.explaining.watchlist import Watch
    from escalation.reporting.reasons import Reasons

MOST = 10
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = 0.005  # the smallest swing of a tornado's bar
ROOM = 0.06  # of an axis, left free at its ends


def _off_ramp(why: Reasons) -> bool:
    return state_of(why.assessment.scenario, why.target).off_ramp


def plot_moved(why: Reasons, ax: Axes | None = None, most: int = MOST) -> Axes:
    """Plot what moved the probability, in order, as a waterfall in log-odds.

    Time and silence stand first, each with all its steps; then the reports with the largest
    contributions in the order of their days, and the others together.

    Parameters
    ----------
    why : Reasons
    ax : Axes, optional
    most : int
        How many reports to show one by one.
    """
    moved = why.moved
    parts = waterfall(why, most)
    rows = Rows.on(ax, len(parts) + 2)
    rows.name(0, f"On {short_day(why.assessment.scenario.start)}, before any report", bold=True)
    rows.dot(0, log_odds(moved.start), rows.shades.ink)
    rows.remark(0, percent(moved.start))
    at = log_odds(moved.start)
    edges = [at]
    for row, (label, jump) in enumerate(parts, 1):
        rows.name(row, label)
        rows.link(row - 1, at)
        rows.bar(row, at, at + jump, direction(rows, up=jump > 0, off_ramp=_off_ramp(why)))
        rows.remark(row, signed(jump))
        at += jump
        edges.append(at)
    last = len(parts) + 1
    rows.link(last - 1, at)
    rows.name(last, f"On {short_day(why.assessment.as_of)}: the headline", bold=True)
    rows.dot(last, at, rows.shades.ink)
    rows.remark(last, percent(moved.end))
    room = ROOM * (max(edges) - min(edges)) + 0.1
    log_odds_axis(rows.ax, min(edges) - room, max(edges) + room)
    if rows.narrow:
        rows.ax.grid(visible=False)
    rows.ax.set_label(
        f"What moved the probability of {why.label} from {percent(moved.start)} to "
        f"{percent(moved.end)}, in log-odds: "
        + "; ".join(f"{label} {signed(jump)}" for label, jump in parts)
        + "."
    )
    return rows.ax


def waterfall(why: Reasons, most: int = MOST) -> list[tuple[str, float]]:
    """Labels and jumps of a waterfall; the jumps add up to the whole."""
    every = why.moved.contributions
    reports = [each for each in every if each.kind == "report"]
    largest = sorted(reports, key=lambda each: -abs(each.jump))[:most]
    others = [each for each in reports if each not in largest]
    found = [(_part(why, each), each.jump) for each in every if each not in others]
    if others:
        several = f"{len(others)} other reports" if len(others) > 1 else "one other report"
        found.append((several, sum(each.jump for each in others)))
    return found


def _part(why: Reasons, each: Contribution) -> str:
    match each.kind:
        case "time":
            return "Time passing"
        case "silence":
            return "What was watched for and did not come"
        case _:
            return report_label(why.assessment.scenario, each.report)


def plot_rests(why: Reasons, ax: Axes | None = None, most: int = MOST) -> Axes:
    """Plot what the probability would be without each report, group of echoes, or silence.

    Parameters
    ----------
    why : Reasons
    ax : Axes, optional
    most : int
        How many to show.
    """
    found = why.rests.rows[:most]
    now = why.rests.probability
    rows = Rows.on(ax, max(1, len(found)))
    for row, each in enumerate(found):
        up = each.difference > 0
        rows.line(row)
        rows.name(row, omitted(why, each))
        rows.bar(row, each.without, now, direction(rows, up=up, off_ramp=_off_ramp(why)))
        rows.remark(row, percent(each.without))
    rows.head("without it")
    ends = [now, *(each.without for each in found)]
    room = ROOM * (max(ends) - min(ends)) + 0.01
    _close_axis(rows, max(0.0, min(ends) - room), min(1.0, max(ends) + room))
    rows.rule(now)
    rows.ax.set_label(
        f"The probability of {why.label}, {percent(now)}, without "
        + "; without ".join(f"{omitted(why, each)} {percent(each.without)}" for each in found)
        + "."
    )
    return rows.ax


def _close_axis(rows: Rows, low: float, high: float) -> None:
    """Label an axis of probabilities that need not begin at 0."""
    rows.ax.set_xlim(low, high)
    steps = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
    step = next((each for each in steps if (high - low) / each <= 5), 0.25)  # noqa: PLR2004 (ticks)
    first = int(low / step + 1 - 1e-9)
    ticks = [step * each for each in range(first, int(high / step + 1e-9) + 1)]
    percent_axis(rows.ax, "x", ticks or [low])


def omitted(why: Reasons, each: Without) -> str:
    """What was left out, in words."""
    scenario = why.assessment.scenario
    match each.kind:
        case "report":
            return report_label(scenario, each.name)
        case "echo group":
            group = words(each.name.replace("-", "_"))
            return f"{len(each.reports)} reports that echo one another: {group}"
        case _:
            return f"That nothing was heard of: {scenario.indicators[each.name].label}"


def plot_watchlist(why: Reasons, ax: Axes | None = None, most: int = MOST) -> Axes:
    """Plot where the probability would go if each indicator were seen, or not seen.

    Parameters
    ----------
    why : Reasons
    ax : Axes, optional
    most : int
        How many to show.
    """
    found = why.watch[:most]
    rows = Rows.on(ax, max(1, len(found)))
    for row, each in enumerate(found):
        rows.line(row)
        rows.name(row, each.label)
        _arrows(rows, row, each, off_ramp=_off_ramp(why))
        rows.remark(row, "rate unknown" if each.seen is None else percent(each.seen), soft=True)
    now = why.assessment.reach_by(why.target).probability
    window = found[0].window if found else 0
    rows.head(f"seen in {window} d")
    rows.ax.set_xlim(-NARROW_TIP if rows.narrow else -TIP, 1 + (NARROW_TIP if rows.narrow else TIP))
    percent_axis(rows.ax, "x", QUARTERS)
    rows.rule(now)
    rows.ax.set_label(
        f"From {percent(now)}, the probability of {why.label} if an indicator is seen within "
        f"{window} days, and if not: " + "; ".join(map(_watched, found)) + "."
    )
    return rows.ax


def _arrows(rows: Rows, row: int, each: Watch, *, off_ramp: bool) -> None:
    up = each.if_seen > each.now
    rows.arrow(row, each.now, each.if_seen, direction(rows, up=up, off_ramp=off_ramp), full=True)
    rows.tip(row, each.if_seen, percent(each.if_seen), rising=up)
    if each.if_unseen is None:
        return
    rises = each.if_unseen > each.now
    same = rises == up
    colour = direction(rows, up=rises, off_ramp=off_ramp)
    rows.arrow(row, each.now, each.if_unseen, colour, full=False)
    if not same:
        rows.tip(row, each.if_unseen, percent(each.if_unseen), rising=rises)


def _watched(each: Watch) -> str:
    unseen = "" if each.if_unseen is None else f", else {percent(each.if_unseen)}"
    return f"{each.label} {percent(each.if_seen)}{unseen}"


def plot_tornado(why: Reasons, ax: Axes | None = None, most: int = MOST) -> Axes:
    """Plot the probability with each assumption at its 5 % and 95 % point, largest swing first.

    Parameters
    ----------
    why : Reasons
    ax : Axes, optional
    most : int
        How many to show.
    """
    now = why.tornado.probability
    bars = [each for each in why.tornado.bars if each.swing >= SHOWN][:most]
    rows = Rows.on(ax, max(1, len(bars)))
    for row, each in enumerate(bars):
        rows.line(row)
        rows.name(row, in_words(why.assessment.scenario, each.name))
        _swing(rows, row, why, each)
        ends = percent(min(each.at_low, each.at_high)), percent(max(each.at_low, each.at_high))
        rows.remark(row, f"{ends[0].removesuffix('%').rstrip()}{DASH}{ends[1]}", soft=True)
    rows.head("probability")
    reached = [now, *(end for each in bars for end in (each.at_low, each.at_high))]
    span = max(reached) - min(reached) + SHOWN
    room = span * (0.34 if rows.narrow else 0.2)
    _close_axis(rows, min(reached) - room, max(reached) + room)
    rows.rule(now)
    rows.ax.set_xlabel(
        "probability, by the value at a bar's end", fontsize=SMALL, color=rows.shades.soft
    )
    rows.ax.set_label(
        f"The probability of {why.label}, {percent(now)}, with one assumption held at its 5 % and "
        "95 % point: "
        + "; ".join(
            f"{in_words(why.assessment.scenario, each.name)} {percent(each.at_low)} and "
            f"{percent(each.at_high)}"
            for each in bars
        )
        + "."
    )
    return rows.ax


def _swing(rows: Rows, row: int, why: Reasons, each: Bar) -> None:
    """Draw both ends of a bar; where they lie on the same side, the further one is named."""
    assumption = why.assessment.scenario.assumptions[each.name]
    now = why.tornado.probability
    ends = sorted(((each.at_low, each.low), (each.at_high, each.high)), key=lambda end: end[0])
    for place, (reached, held) in enumerate(ends):
        up = reached > now
        rows.bar(row, now, reached, direction(rows, up=up, off_ramp=_off_ramp(why)))
        nearer = ends[1 - place][0]
        inner = (nearer > now) == up and abs(nearer - now) > abs(reached - now)
        if not inner:
            rows.tip(row, reached, value_text(assumption, held), rising=up)
