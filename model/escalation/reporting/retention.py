"""Makes room in a folder of reports, and never touches a number.

What takes room is pages, papers and notebooks. Of the runs of each scenario, and of each
comparison, those stay whole that are the current report of one of the latest as-of days; how many
days, `Keep` says. From the others pages, papers and notebooks go. What a forecast is scored by,
what lists of runs show and what the report can be made again from stays (`KEPT`), and so does the
link. What remains of failed runs goes when their as-of days are older than those kept.

A note of what was removed stands in the run (`escalation.reporting.runs.PRUNED`) before the first
file goes: a run is never torn, whenever this is stopped.

>>> keep("30"), keep("12w").days
(Keep(count=30, days=None), 84)
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError, RunError
from escalation.reporting import runs
from escalation.reporting.disk import write_whole
from escalation.reporting.shelf import MANIFEST, Shelf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEPT = frozenset({"forecast.csv", "result.json", "inputs.zip", MANIFEST, runs.PRUNED})
_KEEP = re.compile(r"(\d{1,9})([dwy]?)")
_DAYS = {"d": 1, "w": 7, "y": 365}


@dataclass(frozen=True)
class Keep:
    """Of which as-of days the current report stays whole.

    Attributes
    ----------
    count : int or None
        The latest so many days.
    days : int or None
        The days not older than so many before the latest one.
    """

    count: int | None = None
    days: int | None = None

    def of(self, as_of: Sequence[str]) -> frozenset[str]:
        """Choose from as-of days, always at least the latest."""
        latest = sorted(set(as_of), reverse=True)
        if self.days is not None and latest:
            first = date.fromisoformat(latest[0]).toordinal() - self.days
            return frozenset(
                each for each in latest if date.fromisoformat(each).toordinal() > first
            )
        return frozenset(latest[: self.count])


@dataclass(frozen=True)
class Removal:
    """What goes of a run.

    Attributes
    ----------
    run : Run
    names : tuple of str
        Files; for a failed run all there are.
    size : int
        Bytes.
    """

    run: runs.Run
    names: tuple[str, ...]
    size: int


def keep(text: str) -> Keep:
    """Read how much is to be kept: `30` as-of days, or those of `90d`, `12w` or `1y`.

    Raises
    ------
    InvalidValueError
        If it is neither, or nothing.
    """
    match = _KEEP.fullmatch(text.strip())
    if not match or not int(match[1]):
        raise InvalidValueError(
            f"'{text}' says not how much to keep; write 30 for as many as-of days, or 90d, 12w, 1y"
        )
    number, unit = int(match[1]), match[2]
    return Keep(days=number * _DAYS[unit]) if unit else Keep(count=number)


def prune(out: Path, rule: Keep, *, remove: bool) -> list[Removal]:
    """Return what goes by a rule, and remove it if that is asked for.

    Each scenario and comparison is locked meanwhile, so that no report of it is being made.

    Raises
    ------
    RunError
        If something cannot be removed.
    """
    gone = []
    for folder in [*runs.scenarios(out), *runs.comparisons(out)]:
        if not remove:
            gone += plan(runs.read(folder), rule)
            continue
        with Shelf(folder, "", "").locked():
            for each in plan(runs.read(folder), rule):
                try:
                    _remove(each)
                except OSError as error:
                    raise RunError(f"{each.run.folder}: {error.strerror}; run it again") from error
                gone.append(each)
    return gone


def plan(record: runs.Record, rule: Keep) -> list[Removal]:
    """Return what goes of a scenario or a comparison."""
    days = rule.of([each.as_of for each in record.series or record.runs])
    current = {each.as_of for each in record.series}
    found = []
    for run in record.runs:
        replaced = run.counts and not run.linked and run.as_of in current
        whole = run.as_of in days and not replaced
        if whole or run.status == "torn" or run.as_of > max(days):
            continue
        made = run.files if run.status == "failed" else run.files & {*run.manifest["outputs"]}
        if names := sorted(made - KEPT if run.counts else made):
            size = sum((run.folder / name).stat().st_size for name in names)
            found.append(Removal(run, tuple(names), size))
    return found


def _remove(removal: Removal) -> None:
    run = removal.run
    if run.status == "failed":
        shutil.rmtree(run.folder)
        return
    gone = runs.removed(run.folder) | {*removal.names}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    note = json.dumps({"when": when, "removed": sorted(gone)}, indent=1)
    write_whole(run.folder / runs.PRUNED, note + "\n")
    for name in removal.names:
        (run.folder / name).unlink(missing_ok=True)
