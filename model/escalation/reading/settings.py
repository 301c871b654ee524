"""The settings of a scenario beside its model: dates, targets, alerts, what is left out.

Each function reads one of them and reports what is wrong with it; what it returns is then a
stand-in, and never leaves the reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.reading import grammar
from escalation.reading.case import Alert, Location, MoveAlert, SurpriseAlert, Variation
from escalation.reading.tree import Branch, Findings, Items, Leaf, dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from escalation.reading.case import Factor
    from escalation.reading.tree import Node

MAX_HORIZON = 3_650
MAX_HISTORY = 18_250
_NO_DAY = date(1, 1, 1)


@dataclass(frozen=True)
class Settings:
    """Reads the settings of one tree.

    Attributes
    ----------
    tree : Branch
    ladder : Factor
        What targets and alerts may name.
    findings : Findings
    """

    tree: Branch
    ladder: Factor
    findings: Findings

    def start(self) -> date:
        """Return the first day of the model."""
        return self._day("start")

    def as_of(self, given: date | None) -> date:
        """Return the day up to which reports count; `given` takes the place of the file's."""
        start = self._day("start")
        as_of, place = self._day("as_of"), self._value("as_of")
        if given is not None:
            as_of, place = given, Location(Path("--as-of"), 1, 1)
        instead = "" if given is None else "; give another --as-of"
        if _NO_DAY in {start, as_of}:
            return as_of
        if as_of < start:
            self.findings.error(place, "as_of", f"{as_of} is before the start ({start}){instead}")
        elif (as_of - start).days > MAX_HISTORY:
            said = f"more than {MAX_HISTORY:,} days after the start{instead}"
            self.findings.error(place, "as_of", said)
        return as_of

    def horizon(self, given: int | None) -> int:
        """Return the days of forecast; `given` takes the place of the file's.

        Where they cannot be used the most that could be, lest more be said of what follows.
        """
        days, place = self._days(self.tree, "horizon", "horizon"), self._value("horizon")
        if given is not None:
            days, place = given, Location(Path("--horizon"), 1, 1)
        if days is not None and not 1 <= days <= MAX_HORIZON:
            self.findings.error(
                place, "horizon", f"must be from 1d to {MAX_HORIZON}d (got {days}d)"
            )
            return MAX_HORIZON
        return MAX_HORIZON if days is None else days

    def targets(self) -> tuple[str, ...]:
        """Return the rungs and off-ramps that headlines speak of."""
        return tuple(dict.fromkeys(
            node.text for name, node in self._list("targets")
            if isinstance(node, Leaf) and self._reachable(node, name)
        ))  # fmt: skip

    def alerts(self, horizon: int) -> tuple[Alert | MoveAlert | SurpriseAlert, ...]:
        """Return the alerts, of each kind by the key that only it has."""
        found: list[Alert | MoveAlert | SurpriseAlert | None] = []
        for name, node in self._list("alerts"):
            if isinstance(node, Branch) and "moved" in node.entries:
                found.append(self._move_alert(name, node))
            elif isinstance(node, Branch) and "surprise_below" in node.entries:
                below = node.get("surprise_below")
                found.append(SurpriseAlert(_share(below)) if isinstance(below, Leaf) else None)
            elif isinstance(node, Branch):
                found.append(self._reach_alert(name, node, horizon))
        return tuple(each for each in found if each is not None)

    def _move_alert(self, name: str, node: Branch) -> MoveAlert | None:
        moved, by = node.get("moved"), node.get("by")
        if not isinstance(moved, Leaf) or not self._reachable(moved, dotted(name, "moved")):
            return None
        return MoveAlert(moved.text, _share(by)) if isinstance(by, Leaf) else None

    def _reach_alert(self, name: str, node: Branch, horizon: int) -> Alert | None:
        reach, above = node.get("reach"), node.get("above")
        within = self._days(node, "within", dotted(name, "within"))
        if not isinstance(reach, Leaf) or not self._reachable(reach, dotted(name, "reach")):
            return None
        if within is None or not isinstance(above, Leaf):
            return None
        if within < 1:
            self.findings.error(node.place("within"), dotted(name, "within"), "must be above 0")
        elif within > horizon:
            self.findings.warn(
                node.place("within"),
                dotted(name, "within"),
                f"is beyond the horizon ({horizon}d); it cannot be told",
            )
        return Alert(reach.text, within, _share(above))

    def sweep(self) -> Variation | None:
        """Return what a sweep varies; None if the scenario does not say."""
        node = self.tree.get("sweep")
        vary = node.get("vary") if isinstance(node, Branch) else None
        if not isinstance(node, Branch) or not isinstance(vary, Branch):
            return None
        texts = {name: vary.text(name) for name in vary.entries}
        sizes = [int(node.text(key)) if node.text(key) else None for key in ("variants", "samples")]
        return Variation(texts, *sizes)

    def without(self, ids: Collection[str]) -> frozenset[str]:
        """Return the ids of the observations that are left out."""
        left_out = set()
        for name, node in self._list("without"):
            if not isinstance(node, Leaf) or node.value is None:
                continue
            if node.text not in ids:
                self.findings.unknown(
                    node.location, name, f"no observation {quoted(node.text)}", node.text, ids
                )
            left_out.add(node.text)
        return frozenset(left_out)

    def _list(self, key: str) -> Iterator[tuple[str, Node]]:
        found = self.tree.get(key)
        if isinstance(found, Items):
            for index, node in enumerate(found.items):
                yield dotted(key, index), node

    def _value(self, key: str) -> Location:
        found = self.tree.get(key)
        return self.tree.location if found is None else found.location

    def _day(self, key: str) -> date:
        text = self.tree.text(key)
        return grammar.iso_date(text) if text else _NO_DAY

    def _days(self, node: Branch, key: str, name: str) -> int | None:
        if not node.text(key):
            return None
        try:
            return grammar.whole_days(node.text(key))
        except InvalidValueError as error:
            self.findings.error(node.place(key), name, str(error))
            return None

    def _reachable(self, node: Leaf, name: str) -> bool:
        """Check that a rung exists and that there is a question whether it is reached."""
        ids = [state.id for state in self.ladder.states]
        if node.value is None or not ids:
            return False
        if node.text not in ids:
            self.findings.unknown(
                node.location, name, f"no rung {quoted(node.text)}", node.text, ids
            )
            return False
        if node.text == ids[0]:
            self.findings.error(
                node.location,
                name,
                f"{quoted(node.text)} is the lowest rung: it is reached from the start",
            )
            return False
        return True


def _share(node: Leaf) -> float:
    return float(node.value or 0)
