"""The case: frozen types that a scenario's files are read into, and the engine is compiled from.

Nothing here reads a file or computes. Numbers are not stored in these types: each place that
takes a number holds the *dotted name* of an `Assumption`, and the scenario's `assumptions` map
holds its prior, reason and place in the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from escalation.errors import Problem
from escalation.maths.priors import Prior

Role = Literal["rate", "probability", "multiplier", "duration", "weight"]


@dataclass(frozen=True)
class Location:
    """A place in a file; line and column count from 1."""

    path: Path
    line: int
    column: int


@dataclass(frozen=True)
class Assumption:
    """One number of a scenario, with its prior and its reason.

    Attributes
    ----------
    name : str
        Dotted name: the path in the merged settings.
    prior : Prior
        What is believed of it, in the unit below.
    role : Role
        What kind of number it is; decides what an interval means and what values are allowed.
    days : float
        For a rate: per how many days it is written (rate per day = value / days); else 1.
    text : str
        As written.
    why, source : str
        Reason and origin: the nearest at or above it in the files; may be empty.
    location : Location
    """

    name: str
    prior: Prior
    role: Role
    days: float
    text: str
    why: str
    source: str
    location: Location


@dataclass(frozen=True)
class RateSpec:
    """A base and tables by factor; the rate per day in a joint state is their product.

    Attributes
    ----------
    base : str | None
        Name of the assumption that gives the base; None where a table holds the values.
    tables : Mapping[str, Mapping[str, str]]
        Factor name → state id → name of the assumption. A state left out counts as 1.
    window : float | None
        If given, values are probabilities p of at least one in so many days, and the rate is
        −ln(1−p)/window per day. The base, or the table named by `values`, is converted so.
    values : str | None
        The factor whose table holds values rather than multipliers; None where `base` is given.
    """

    base: str | None
    tables: Mapping[str, Mapping[str, str]]
    window: float | None
    values: str | None


@dataclass(frozen=True)
class State:
    """A value of a factor: a state of a latent factor, a rung, or an off-ramp."""

    id: str
    label: str
    resolves: str = ""
    off_ramp: bool = False


@dataclass(frozen=True)
class Move:
    """A possible transition between two states of one factor."""

    source: str
    target: str
    rate: RateSpec
    name: str  # "source -> target"


@dataclass(frozen=True)
class Factor:
    """A latent factor, or the ladder (`name` "rung": rungs lowest first, then off-ramps)."""

    name: str
    label: str
    states: tuple[State, ...]
    start: Mapping[str, str]  # state id → assumption name (role "weight"); left out: 0
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Effect:
    """What an indicator changes in the rates, from the day it happened.

    `multipliers` maps `climb`, `descend`, `settle`, a move's name or `into STATE` to the name
    of an assumption; `fades` names the half-life in days of the log-multiplier, None: it holds.
    """

    multipliers: Mapping[str, str]
    fades: str | None


@dataclass(frozen=True)
class Indicator:
    """A type of thing that is reported; `seen` is its intensity by state."""

    name: str
    category: str
    label: str
    seen: RateSpec
    watched: bool
    once: bool
    lag: int  # days
    effect: Effect | None
    why: str
    source: str
    location: Location


@dataclass(frozen=True)
class Observation:
    """A dated report, as coded in one CSV row.

    `occurred_on` is after `reported_on` for a scheduled thing. `probability` names the
    assumption that it takes place (scheduled things only). `source_grade` is A–F and
    `information_grade` is 1–6.
    """

    id: str
    indicator: str
    occurred_on: date
    reported_on: date
    until: date | None
    count: int
    probability: str | None
    source_grade: str
    information_grade: str
    echo_group: str
    retracted_on: date | None
    source: str
    note: str
    location: Location

    @property
    def scheduled(self) -> bool:
        """Whether it was reported before it was due."""
        return self.occurred_on > self.reported_on

    def known(self, as_of: date) -> bool:
        """Whether it had been reported, and not withdrawn, by the end of that day."""
        gone = self.retracted_on is not None and self.retracted_on <= as_of
        return self.reported_on <= as_of and not gone


@dataclass(frozen=True)
class Reliability:
    """Admiralty table and echo correlation, as names of assumptions."""

    source: Mapping[str, str]  # A–E
    information: Mapping[str, str]  # 1–5
    unknown: str
    echo_correlation: str


@dataclass(frozen=True)
class Alert:
    """A condition to be told of: P(reach `reach` within `within` days) above `above`."""

    reach: str
    within: int
    above: float


@dataclass(frozen=True)
class MoveAlert:
    """A condition to be told of: P(reach `moved` by the horizon) more than `by` from the last."""

    moved: str
    by: float


@dataclass(frozen=True)
class SurpriseAlert:
    """A condition to be told of: a new report was less likely than `below` when it came."""

    below: float


@dataclass(frozen=True)
class Variation:
    """What a sweep of the scenario varies.

    Attributes
    ----------
    vary : Mapping[str, str]
        Dotted name of an assumption → its range as written, such as `0.05:0.5:11`.
    variants : int or None
        Size of a Latin hypercube; None: a grid.
    samples : int or None
        Draws of what is not varied, for each variant.
    """

    vary: Mapping[str, str]
    variants: int | None
    samples: int | None


@dataclass(frozen=True)
class ReferenceClass:
    """A base rate from data: its assumption, and what it was counted from."""

    name: str
    label: str
    rate: str  # assumption name
    events: int | None
    exposure: int | None  # days at risk
    source: str
    rule: str


@dataclass(frozen=True)
class Scenario:
    """One scenario, read and checked.

    `latent` factors come in file order; `ladder` is the last factor of the joint state.
    `files` are all files it was put together from, in order of merging, observations last.
    """

    name: str  # folder and file stem, for instance "venezuela-baseline"
    path: Path
    title: str
    question: str
    start: date
    as_of: date
    horizon: int  # days
    latent: tuple[Factor, ...]
    ladder: Factor
    indicators: Mapping[str, Indicator]
    reliability: Reliability
    reference_classes: Mapping[str, ReferenceClass]
    observations: tuple[Observation, ...]
    targets: tuple[str, ...]
    alerts: tuple[Alert | MoveAlert | SurpriseAlert, ...]
    words: Literal["icd203", "phia"]
    assumptions: Mapping[str, Assumption]
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    sweep: Variation | None = None

    @property
    def factors(self) -> tuple[Factor, ...]:
        """All factors of the joint state, ladder last."""
        return (*self.latent, self.ladder)

    @property
    def rungs(self) -> tuple[State, ...]:
        """The ordered rungs, lowest first."""
        return tuple(state for state in self.ladder.states if not state.off_ramp)

    @property
    def off_ramps(self) -> tuple[State, ...]:
        """The states of the ladder that stand outside the order."""
        return tuple(state for state in self.ladder.states if state.off_ramp)
