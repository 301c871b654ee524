"""What differs between scenarios, and scenarios that are part one and part the other.

A scenario is taken apart into *pieces*, each with a dotted name:

    latent.FACTOR.start, latent.FACTOR.moves.MOVE, ladder.…     how states begin and change
    indicators.NAME, ….seen, ….effect                           what a type of report means
    observations.ID                                             a dated report
    admiralty, start, as_of                                     the rest
    and every number, by the dotted name of its assumption

Two scenarios differ in a piece if it is built otherwise (a table more, another window), and in
a number if its prior does. A *change* is the least that can be switched from one to the other
and leave a scenario: a number, or a piece with the numbers below it. `between(a, b, changes)`
is a with some changes made; with all of them it computes what b computes.

>>> sorted(PARTS)
['admiralty', 'as_of', 'start']
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date

    from escalation.reading.case import Assumption, Factor, Indicator, Observation, Scenario

Kind = Literal["assumption", "structure", "evidence"]
T = TypeVar("T")

PARTS = ("admiralty", "start", "as_of")
NOTHING = "none"


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in all of several scenarios.

    Attributes
    ----------
    name : str
        Dotted name.
    kind : "assumption", "structure" or "evidence"
    values : tuple of str
        As written, one for each scenario; "none" where it is absent.
    whys : tuple of str
        The reasons given beside them; may be empty.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    whys: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What is switched together: pieces and numbers, under the name of the first of them."""

    name: str
    pieces: frozenset[str]
    numbers: frozenset[str]


def check_comparable(scenarios: Sequence[Scenario]) -> None:
    """Refuse scenarios whose ladders are not the same.

    Raises
    ------
    InvalidValueError
        Saying which scenario has which rung that the first has not, or the reverse.
    """
    first = scenarios[0]
    for other in scenarios[1:]:
        for kind, here, there in (
            ("rungs", first.rungs, other.rungs),
            ("off-ramps", first.off_ramps, other.off_ramps),
        ):
            ids, others = [state.id for state in here], [state.id for state in there]
            if ids != others:
                raise InvalidValueError(
                    f"{first.name} and {other.name} cannot be compared, because their ladders "
                    f"have other {kind}: {', '.join(ids) or 'none'}; and "
                    f"{', '.join(others) or 'none'}"
                )


def differences(scenarios: Sequence[Scenario]) -> tuple[Difference, ...]:
    """Everything in which several scenarios differ, evidence last."""
    sides = [dict(_written(scenario)) for scenario in scenarios]
    names = list(dict.fromkeys(name for side in sides for name in side))
    found = []
    for name in names:
        cells = [side.get(name) for side in sides]
        if any(_key(cell) != _key(cells[0]) for cell in cells):
            kind = next(cell[3] for cell in cells if cell)
            values = tuple(cell[1] if cell else NOTHING for cell in cells)
            whys = tuple(cell[2] if cell else "" for cell in cells)
            found.append(Difference(name, kind, values, whys))
    return tuple(sorted(found, key=lambda each: each.kind == "evidence"))


def _key(cell: tuple[object, str, str, Kind] | None) -> object:
    return cell[0] if cell else None


def _written(scenario: Scenario) -> Iterator[tuple[str, tuple[object, str, str, Kind]]]:
    """Yield name → what is compared, what is shown, why, and the kind."""
    for name, each in scenario.assumptions.items():
        yield name, (_number(each), _text(each), each.why, "assumption")
    for indicator in scenario.indicators.values():
        for key, value in _settings(indicator):
            name = f"indicators.{indicator.name}.{key}"
            yield name, (value, value, indicator.why, "structure")
    yield "start", (scenario.start, str(scenario.start), "", "evidence")
    yield "as_of", (scenario.as_of, str(scenario.as_of), "", "evidence")
    for report in scenario.observations:
        if report.known(scenario.as_of):
            shown = f"{report.indicator}, {report.occurred_on}, {_grade(report)}"
            yield f"observations.{report.id}", (_report(report), shown, report.note, "evidence")


def _settings(indicator: Indicator) -> Iterator[tuple[str, str]]:
    """What an indicator says besides numbers."""
    yield "watched", "yes" if indicator.watched else "no"
    yield "once", "yes" if indicator.once else "no"
    yield "lag", f"{indicator.lag}d"
    if indicator.seen.window is not None:
        yield "seen.window", f"{indicator.seen.window:g}d"


def _text(assumption: Assumption) -> str:
    """As written; a rate with its time, unless it says it itself."""
    if assumption.role != "rate" or "per" in assumption.text:
        return assumption.text
    return f"{assumption.text} per {assumption.days:g}d"


def _grade(report: Observation) -> str:
    return f"{report.source_grade}{report.information_grade}"


def _number(assumption: Assumption) -> tuple[object, ...]:
    """What of an assumption the engine computes with."""
    return assumption.prior, assumption.role, assumption.days


def _report(report: Observation) -> tuple[object, ...]:
    """What of a report the engine computes with."""
    return (
        report.indicator,
        report.occurred_on,
        report.reported_on,
        report.until,
        report.count,
        report.probability is not None,
        report.source_grade,
        report.information_grade,
        report.echo_group,
        report.retracted_on,
    )


def _pieces(scenario: Scenario, days: Sequence[date]) -> dict[str, object]:
    """Pieces by dotted name, as far as the engine computes with them as of some days."""
    found: dict[str, object] = {}
    for factor in scenario.factors:
        place = _place(factor, scenario)
        found[f"{place}.start"] = dict(factor.start)
        found |= {f"{place}.moves.{move.name}": move for move in factor.moves}
    for each in scenario.indicators.values():
        place = f"indicators.{each.name}"
        found[place] = each.watched, each.once, each.lag
        found |= {f"{place}.seen": each.seen, f"{place}.effect": each.effect}
    for report in scenario.observations:
        if any(report.known(day) for day in days):
            found[f"observations.{report.id}"] = _report(report)
    found["admiralty"] = scenario.reliability
    return found | {"start": scenario.start, "as_of": scenario.as_of}


def _place(factor: Factor, scenario: Scenario) -> str:
    return "ladder" if factor is scenario.ladder else f"latent.{factor.name}"


def changes(a: Scenario, b: Scenario) -> tuple[Change, ...]:
    """The least changes that lead from one scenario to the other.

    Raises
    ------
    InvalidValueError
        If their latent factors differ: then nothing can be switched by itself.
    """
    _check_factors(a, b)
    days = (a.as_of, b.as_of)
    here, there = _pieces(a, days), _pieces(b, days)
    names = list(dict.fromkeys((*here, *there)))
    apart = {name for name in names if here.get(name) != there.get(name)}
    numbers = [
        name
        for name in dict.fromkeys((*a.assumptions, *b.assumptions))
        if not same_number(a.assumptions.get(name), b.assumptions.get(name))
    ]
    owners = {name: _owner(name, names) for name in numbers}
    apart |= {owner for owner in owners.values() if owner.endswith(".start")}
    found: dict[str, tuple[set[str], set[str]]] = {}
    for name in sorted(apart):
        leader = _leader(name, a, b)
        found.setdefault(leader, (set(), set()))[0].add(name)
    for name, owner in owners.items():
        leader = _leader(owner, a, b) if owner in apart else name
        if owner in apart or (name in a.assumptions and name in b.assumptions):
            found.setdefault(leader, (set(), set()))[1].add(name)
    return tuple(Change(k, frozenset(v[0]), frozenset(v[1])) for k, v in sorted(found.items()))


def _check_factors(a: Scenario, b: Scenario) -> None:
    shape = [[(f.name, [state.id for state in f.states]) for f in each.latent] for each in (a, b)]
    if shape[0] != shape[1]:
        raise InvalidValueError(
            f"{a.name} and {b.name} have other latent factors, so that no single assumption can "
            "be switched from one to the other"
        )


def same_number(one: Assumption | None, other: Assumption | None) -> bool:
    """Whether two assumptions, either of which may be absent, are one number to the engine."""
    if one is None or other is None:
        return one is other
    return _number(one) == _number(other)


def _owner(number: str, pieces: Sequence[str]) -> str:
    """Return the piece that a number stands in; "" for one that stands by itself."""
    owners = [name for name in pieces if number == name or number.startswith(f"{name}.")]
    return max(owners, key=len, default="")


def _leader(piece: str, a: Scenario, b: Scenario) -> str:
    """Return the piece with which this one has to be switched.

    A report goes with its type, and so does all of the type, where only one of the scenarios
    has that type.
    """
    kind, _, name = piece.partition(".")
    if kind == "indicators":
        base = name.removesuffix(".seen").removesuffix(".effect")
        one_sided = (base in a.indicators) != (base in b.indicators)
        return f"indicators.{base}" if one_sided else piece
    if kind == "observations":
        for scenario in (a, b):
            for report in scenario.observations:
                one_sided = (report.indicator in a.indicators) != (report.indicator in b.indicators)
                if report.id == name and one_sided:
                    return f"indicators.{report.indicator}"
    return piece


def between(a: Scenario, b: Scenario, made: Collection[Change]) -> Scenario:
    """One scenario with some changes towards another made."""
    pieces = {name for change in made for name in change.pieces}
    numbers = {name for change in made for name in change.numbers}
    assumptions = {**b.assumptions, **a.assumptions}
    assumptions |= {name: b.assumptions[name] for name in numbers if name in b.assumptions}
    factors = [
        _factor(here, there, _place(here, a), pieces)
        for here, there in zip(a.factors, b.factors, strict=True)
    ]
    return replace(
        a,
        latent=tuple(factors[:-1]),
        ladder=factors[-1],
        indicators=_indicators(a, b, pieces),
        reliability=b.reliability if "admiralty" in pieces else a.reliability,
        observations=_reports(a, b, pieces),
        start=b.start if "start" in pieces else a.start,
        as_of=b.as_of if "as_of" in pieces else a.as_of,
        assumptions=assumptions,
    )


def _factor(a: Factor, b: Factor, place: str, pieces: Collection[str]) -> Factor:
    moves = _mixed(
        {move.name: move for move in a.moves},
        {move.name: move for move in b.moves},
        f"{place}.moves",
        pieces,
    )
    start = b.start if f"{place}.start" in pieces else a.start
    return replace(a, start=start, moves=tuple(moves.values()))


def _mixed(
    a: Mapping[str, T], b: Mapping[str, T], place: str, pieces: Collection[str]
) -> dict[str, T]:
    """Return entries of one map, those whose pieces are switched from the other."""
    found = {}
    for name in dict.fromkeys((*a, *b)):
        side = b if f"{place}.{name}" in pieces else a
        if name in side:
            found[name] = side[name]
    return found


def _indicators(a: Scenario, b: Scenario, pieces: Collection[str]) -> dict[str, Indicator]:
    found = {}
    for name, each in _mixed(a.indicators, b.indicators, "indicators", pieces).items():
        found[name] = each
        if name in a.indicators and name in b.indicators:
            seen = (b if f"indicators.{name}.seen" in pieces else a).indicators[name].seen
            effect = (b if f"indicators.{name}.effect" in pieces else a).indicators[name].effect
            found[name] = replace(each, seen=seen, effect=effect)
    return found


def _reports(a: Scenario, b: Scenario, pieces: Collection[str]) -> tuple[Observation, ...]:
    mixed = _mixed(
        {report.id: report for report in a.observations},
        {report.id: report for report in b.observations},
        "observations",
        pieces,
    )
    return tuple(mixed.values())
