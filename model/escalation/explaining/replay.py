"""A plan, replayed: where each draw stood at every step from the start to the as-of day.

The timeline of a plan is cut at the days of its events. Each stretch between them is passed
through in two ways, as mere time and as silence, and each event of its last day conditions in
turn; an effect comes into force, or is due, once the report that brings it has been met. One
forward pass gives the state vector and the log-likelihood at every such *moment*: nothing is
filtered twice. (The steps are those of `filtering`, cut into parts.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from escalation.engine.compiler import batch
from escalation.explaining.weighing import later, silent
from escalation.maths.filtering import Batch, log_likelihood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Occurrence, Plan
    from escalation.maths.ctmc import Chain

    Array = NDArray[np.float64]

Kind = Literal["start", "time", "silence", "report", "effect"]


@dataclass(frozen=True)
class Stage:
    """One step of the replay.

    Attributes
    ----------
    kind : str
        "start", "time" (passed without evidence, a side branch where the stretch is watched),
        "silence" (the same stretch with the silence of what is watched), "report" or "effect".
    begin, end : int
        Days from the start; equal but for time and silence.
    event : int
        For a report or effect the event of the plan; else −1.
    effects : int
        How many occurrences of effects are known after it, in order of being met.
    """

    kind: Kind
    begin: int
    end: int
    event: int
    effects: int


@dataclass(frozen=True)
class Moment:
    """Where draws stand after a stage.

    Attributes
    ----------
    stage : Stage
    vector : float64, shape (K, B)
        State probabilities.
    loglik : float64, shape (B,)
        Log-likelihood of all that has been met.
    chain : Chain
        With the effects known so far, seen from the stage's last day.
    """

    stage: Stage
    vector: Array
    loglik: Array
    chain: Chain


def stages(layout: Plan) -> tuple[Stage, ...]:
    """All steps of a plan, in order."""
    order = effects_in_order(layout)
    met = sum(event < 0 for event, _, _ in order)
    found = [Stage("start", 0, 0, -1, met)]
    day = 0
    for event, when in enumerate(layout.event_day.tolist()):
        if when > layout.history:
            break
        found += _stretch(layout, day, when, met)
        day = when
        found.append(Stage("report", day, day, event, met))
        new = sum(each == event for each, _, _ in order)
        if new:
            met += new
            found.append(Stage("effect", day, day, event, met))
    return (*found, *_stretch(layout, day, layout.history, met))


def _stretch(layout: Plan, begin: int, end: int, effects: int) -> list[Stage]:
    if begin == end:
        return []
    found = [Stage("time", begin, end, -1, effects)]
    if any(days > begin for days in layout.watch.values()):
        found.append(Stage("silence", begin, end, -1, effects))
    return found


def effects_in_order(layout: Plan) -> list[tuple[int, str, Occurrence]]:
    """Occurrences of effects as they are met: (first event of the report, indicator, occurrence).

    One whose report is from before the start counts as met at the start: event −1.
    """
    first: dict[str, int] = {}
    for event, index in enumerate(layout.event_of.tolist()):
        first.setdefault(layout.conditioning[index].observation.id, event)
    return sorted(
        (
            (first.get(each.observation.id, -1), name, each)
            for name, group in layout.occurrences.items()
            for each in group
        ),
        key=lambda found: (found[0], found[2].observation.id),
    )


def bare(layout: Plan, occurrences: Mapping[str, tuple[Occurrence, ...]] | None = None) -> Plan:
    """Return the plan with no evidence, and only some of its occurrences of effects."""
    nothing = np.zeros(0, dtype=np.int32)
    kept = layout.occurrences if occurrences is None else occurrences
    return replace(
        layout,
        seen={},
        watch={},
        conditioning=(),
        event_of=nothing,
        event_day=nothing,
        occurrences=kept,
    )


def replay(layout: Plan, values: Mapping[str, Array]) -> Iterator[Moment]:
    """Moments of a plan for these draws, one for each of its `stages`."""
    return _Replay(layout, values).moments()


@dataclass
class _Replay:
    """The forward pass: where it stands, and how it moves on."""

    layout: Plan
    values: Mapping[str, Array]
    made: Batch = field(init=False)
    effects: int = -1
    chain: Chain = field(init=False)

    def moments(self) -> Iterator[Moment]:
        self.made = batch(self.layout, self.values)
        here = before = self.made.start, np.zeros(self.made.size)
        for stage in stages(self.layout):
            self.know(stage.effects)
            if stage.kind == "time":
                before = here
                here = self.passed(*before, stage, watched=False)
            elif stage.kind == "silence":
                here = self.passed(*before, stage, watched=True)
            elif stage.kind == "report":
                here = self.met(*here, stage.event)
            yield Moment(stage, *here, later(self.chain, stage.end))

    def know(self, effects: int) -> None:
        """Have the rates depend on the first so many effects."""
        if effects == self.effects:
            return
        known: dict[str, tuple[Occurrence, ...]] = {}
        for _, name, each in effects_in_order(self.layout)[:effects]:
            known[name] = (*known.get(name, ()), each)
        self.effects = effects
        self.chain = batch(bare(self.layout, known), self.values).chain

    def passed(
        self, vector: Array, loglik: Array, stage: Stage, *, watched: bool
    ) -> tuple[Array, Array]:
        """Pass through a stretch of days."""
        days, evidence = stage.end - stage.begin, self.made.evidence
        made = silent(vector, later(self.made.chain, stage.begin), days)
        if not watched:
            return log_likelihood(made).filtered, loglik
        segment = np.ascontiguousarray(evidence.killing_segment[stage.begin : stage.end])
        watch = replace(made.evidence, killing=evidence.killing, killing_segment=segment)
        found = log_likelihood(replace(made, evidence=watch))
        return found.filtered, loglik + found.loglik

    def met(self, vector: Array, loglik: Array, event: int) -> tuple[Array, Array]:
        """Condition on one event."""
        evidence = replace(
            self.made.evidence,
            killing_segment=np.zeros(0, dtype=np.int32),
            event_day=np.zeros((1, 1), dtype=np.int32),
            event_table=self.made.evidence.event_table[event : event + 1],
        )
        made = replace(silent(vector, self.made.chain), evidence=evidence)
        found = log_likelihood(made)
        return found.filtered, loglik + found.loglik
