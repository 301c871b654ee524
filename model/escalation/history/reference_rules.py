"""Writes `reference_classes.yaml` from rules that say what to count in which data.

The rules (`reference_rules.yaml`, read here) name the data files, the groups of states, the
tail, and for each class what is counted; `base_rates` counts. What is written holds for each
class the Gamma posterior of its rate per 30 days, the events and days behind it, the source,
the rule in words, and what other tails would give, so that nobody need believe the number.

    rules ──▸ Rules ──┐
    data  ──▸ events ─┴─▸ Fitted, one for each class ──▸ reference_classes.yaml

>>> span("1898-"), span("1816-1940"), span("2014")
((1898, 9999), (1816, 1940), (2014, 2014))
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.history.base_rates import (
    Climb,
    Count,
    Landmark,
    Selection,
    Table,
    climb,
    landmark,
    table,
)
from escalation.history.histories import History, Missing, group
from escalation.history.readers import read
from escalation.reading import grammar
from escalation.reading.schema import Day, Strict, Text
from escalation.reading.shape import read_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 100
OPEN_END = 9999


def _duration(text: str) -> str:
    """Check a duration; 0d is one here."""
    if text not in {"", "0d"}:
        grammar.whole_days(text)
    return text


def _years(text: str) -> str:
    """Check years."""
    if text:
        span(text)
    return text


Duration = Annotated[Text, AfterValidator(_duration)]
Years = Annotated[Text, AfterValidator(_years)]


class Data(Strict):
    """A data file: its format, where it lies below the data folder, where it ends."""

    format: Text = ""
    file: Text
    ends: Day | None = None
    cite: Text


class Rule(Strict):
    """One class."""

    label: Text
    data: Text
    climb: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    delay: Duration = "0d"
    landmark: Duration = ""
    active: Duration = ""
    window: Duration = ""
    opened_by: Text = ""
    against: Text = ""
    actions: list[Text] = Field(default_factory=list)
    levels: list[int] = Field(default_factory=list)
    began: Years = ""
    where: dict[str, Any] = Field(default_factory=dict)
    event: dict[str, list[int]] = Field(default_factory=dict)
    exposure: Text = ""
    note: Text = ""


class RuleFile(Strict):
    """A file of rules."""

    schema_: Literal[1] = Field(alias="schema")
    missing_day: Literal["first", "middle", "last"] = "middle"
    tail: Duration
    other_tails: list[Duration] = Field(default_factory=list)
    data: dict[str, Data]
    groups: dict[str, dict[str, list[Years]]] = Field(default_factory=dict)
    preface: Text = ""
    classes: dict[str, Rule]


@dataclass(frozen=True)
class Fitted:
    """A class as counted.

    Attributes
    ----------
    name : str
    rule : Rule
    count : Count
        Under the stated tail.
    others : tuple of (int, Count)
        Under other tails, in days; empty where no tail enters.
    """

    name: str
    rule: Rule
    count: Count
    others: tuple[tuple[int, Count], ...]


def read_rules(path: Path) -> RuleFile:
    """Read a file of rules.

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    rules = read_as(path, RuleFile, "holds no rules")
    lines = path.read_text(encoding="utf-8").splitlines()
    problems = [
        Problem(path, _line(lines, name), 1, f"classes.{name}", message)
        for name, rule in rules.classes.items()
        for message in _wrong(rules, rule)
    ]
    if problems:
        raise InvalidInputError(problems)
    return rules


def _line(lines: Sequence[str], name: str) -> int:
    return next((n for n, text in enumerate(lines, 1) if text.strip() == f"{name}:"), 1)


def _wrong(rules: RuleFile, rule: Rule) -> Iterable[str]:
    """What does not fit together in a class."""
    if rule.data not in rules.data:
        yield f"no data '{rule.data}'; known are {', '.join(rules.data)}"
    elif rule.climb is not None and not rules.data[rule.data].ends:
        yield f"data '{rule.data}' does not say when it ends"
    if rule.climb is None and (len(rule.event) != 1 or not rule.exposure):
        yield "needs climb, or else one column under event, and exposure"
    if rule.climb is not None and rule.climb[0] >= rule.climb[1]:
        yield f"climbs from {rule.climb[0]} to {rule.climb[1]}, which is not up"
    if rule.landmark and not rule.window:
        yield "a landmark needs a window"


def fit(rules: RuleFile, folder: Path) -> tuple[Fitted, ...]:
    """Count every class in the data files below a folder."""
    histories: dict[str, tuple[History, ...]] = {}
    fitted = []
    for name, rule in rules.classes.items():
        data = rules.data[rule.data]
        if rule.climb is not None and rule.data not in histories:
            missing: Missing = rules.missing_day
            events = read(data.format, folder / data.file, missing=missing)
            histories[rule.data] = group(events)
        one = _fit(name, rule, rules, folder / data.file, histories.get(rule.data, ()))
        if not one.count.exposure:
            raise InvalidValueError(
                f"classes.{name}: no history of this class was at risk; look at its filters"
            )
        fitted.append(one)
    return tuple(fitted)


def _fit(
    name: str, rule: Rule, rules: RuleFile, path: Path, histories: tuple[History, ...]
) -> Fitted:
    if rule.climb is None:
        return Fitted(name, rule, table(path, _table(rule)), ())
    chosen = [each for each in histories if _selection(rule, rules).holds(each)]
    until, (low, high) = date.fromisoformat(rules.data[rule.data].ends or ""), rule.climb
    if rule.landmark:
        at, window, active = (
            grammar.whole_days(each) if each else 0
            for each in (rule.landmark, rule.window, rule.active)
        )
        return Fitted(
            name, rule, landmark(chosen, Landmark(low, high, at, window, active), until), ()
        )
    delay = 0 if rule.delay == "0d" else grammar.whole_days(rule.delay)

    def count(tail: int) -> Count:
        return climb(chosen, Climb(low, high, delay, tail), until)

    tails = [grammar.whole_days(each) for each in rules.other_tails]
    own = grammar.whole_days(rules.tail)
    return Fitted(name, rule, count(own), tuple((each, count(each)) for each in tails))


def _selection(rule: Rule, rules: RuleFile) -> Selection:
    first, last = span(rule.began) if rule.began else (0, OPEN_END)
    groups = {
        name: {code: tuple(map(span, years)) for code, years in members.items()}
        for name, members in rules.groups.items()
    }
    return Selection(
        rule.opened_by, rule.against, tuple(rule.actions), tuple(rule.levels), first, last, groups
    )


def _table(rule: Rule) -> Table:
    where: dict[str, tuple[int | str, int | str]] = {}
    for column, wanted in rule.where.items():
        text = str(wanted)
        where[column] = span(text) if text[:1].isdigit() else (text, text)
    column, values = next(iter(rule.event.items()))
    return Table(where, (column, tuple(map(str, values))), rule.exposure)


def span(text: str) -> tuple[int, int]:
    """Read years such as `1898-`, `1816-1940` or `2014`: first and last, both included.

    Raises
    ------
    InvalidValueError
        If they cannot be read.
    """
    first, dash, last = text.partition("-")
    try:
        return int(first), int(last) if last else (OPEN_END if dash else int(first))
    except ValueError:
        raise InvalidValueError(f"expected years such as 1898-1940 (got '{text}')") from None


def written(rules: RuleFile, fitted: Iterable[Fitted], rules_name: str) -> str:
    """Return the text of `reference_classes.yaml`."""
    lines = [
        "# yaml-language-server: $schema=scenario.schema.json",
        "#",
        f"# Written by `escalation fit-rates` from {rules_name}; edit the rules, not this file.",
        *(f"# {line}".rstrip() for line in rules.preface.splitlines()),
        "",
        "reference_classes:",
    ]
    for each in fitted:
        lines += _class(rules, each)
    return "\n".join(lines) + "\n"


def _class(rules: RuleFile, fitted: Fitted) -> list[str]:
    count = fitted.count
    return [
        f"  {fitted.name}:",
        f"    label: {fitted.rule.label}",
        f"    rate: {{dist: gamma, a: {count.shape:g}, scale: {count.scale:.6g}}}",
        f"    events: {count.events}",
        f"    exposure: {count.exposure}d",
        f"    source: {rules.data[fitted.rule.data].cite}",
        "    rule: >-",
        *textwrap.wrap(in_words(rules, fitted), WIDTH, initial_indent="      ",
                       subsequent_indent="      ", break_long_words=False, break_on_hyphens=False),
    ]  # fmt: skip


def in_words(rules: RuleFile, fitted: Fitted) -> str:
    """Say how a class was counted, and how much the tail matters."""
    rule, count = fitted.rule, fitted.count
    if rule.climb is None:
        what = _table_words(rule, count)
    elif rule.landmark:
        share = count.events / count.cases if count.cases else float("nan")
        what = (
            f"levels {rule.climb[0]} to {rule.climb[1]}, {rule.landmark} after the first"
            f"{f', active in the last {rule.active}' if rule.active else ''}{_class_words(rule)}; "
            f"{count.cases:,} confrontations, of which {count.events} within {rule.window} "
            f"({100 * share:.1f} %); no tail enters"
        )
    else:
        what = (
            f"levels {rule.climb[0]} to {rule.climb[1]}, delay {rule.delay}, tail {rules.tail}"
            f"{_class_words(rule)}; {count.cases:,} confrontations"
        )
    text = f"{what}. Mean {count.mean:.2g} per 30d.{_sensitivity(fitted)} {rule.note}"
    return " ".join(text.split())


def _table_words(rule: Rule, count: Count) -> str:
    where = ", ".join(f"{column} {value}" for column, value in rule.where.items())
    column, values = next(iter(rule.event.items()))
    return (
        f"rows with {where}: {count.cases}; events are {column} {' or '.join(map(str, values))}; "
        f"exposure is the sum of {rule.exposure}"
    )


def _class_words(rule: Rule) -> str:
    parts = {
        "opened by": rule.opened_by, "against": rule.against, "began": rule.began,
        "opening with action": " or ".join(rule.actions),
        "opening at level": " or ".join(map(str, rule.levels)),
    }  # fmt: skip
    return "".join(f", {name} {value}" for name, value in parts.items() if value)


def _sensitivity(fitted: Fitted) -> str:
    if not fitted.others:
        return ""
    parts = [f"{tail}d {count.mean:.2g} ({count.exposure:,} d)" for tail, count in fitted.others]
    means = [count.mean for _, count in fitted.others]
    ratio = f", {max(means) / min(means):.1f}-fold between them" if len(means) > 1 else ""
    return f" With a tail of {', of '.join(parts)}{ratio}."
