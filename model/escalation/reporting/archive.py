"""Checks the archive of forecasts: that it is complete, valid, and as it was made.

Of every finished run: every file is there and has the digest that its manifest gives, but for
what `escalation prune` took away; the forecast is valid (`escalation.reporting.hubverse`); and
the manifest has the digest that the ledger gives (`escalation.reporting.ledger`). Of the ledger:
each entry follows from those before it, each run in it is still there, and the chain goes through
the head that somebody kept. Of the links: each leads to a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from escalation.errors import Problem, RunError
from escalation.reporting import hubverse, ledger, runs
from escalation.reporting.disk import lock
from escalation.reporting.provenance import file_digest
from escalation.reporting.retention import KEPT
from escalation.reporting.shelf import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORECAST = "forecast.csv"


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes
    ----------
    forecasts, rows : int
        Valid ones.
    entries : int
        Runs in the ledger.
    head : str
        Last value of its chain; empty if there is none.
    problems : tuple of Problem
    """

    forecasts: int
    rows: int
    entries: int
    head: str
    problems: tuple[Problem, ...]


def check(out: Path, *, head: str = "") -> Checked:
    """Check the archive in a folder of reports, and enter new runs into its ledger.

    Parameters
    ----------
    out : Path
    head : str
        A head that was kept: the chain has to go through it. Blank: none was.

    Raises
    ------
    InvalidInputError, RunError
        If the ledger cannot be read, or the folder cannot be written.
    """
    try:
        with lock(out / ledger.LOCK):
            return _check(out, head)
    except OSError as error:
        raise RunError(f"the archive in {out} cannot be checked: {error.strerror}") from error


def _check(out: Path, head: str) -> Checked:
    scenarios = [runs.read(each) for each in runs.scenarios(out)]
    compared = [runs.read(each) for each in runs.comparisons(out)]
    every = [run for each in [*scenarios, *compared] for run in each.runs]
    finished = [run for run in every if run.status != "failed"]
    wrong = [problem for run in finished for problem in _files(run)]
    valid = rows = 0
    for run in (run for each in scenarios for run in each.runs if run.counts):
        found, faults = _forecast(run)
        wrong += faults
        valid, rows = valid + (not faults), rows + len(found) * (not faults)
    wrong += [problem for each in [*scenarios, *compared] for problem in _links(each)]
    wrong += _ledger(out, ledger.read(out), head)
    bad = {problem.path.parent for problem in wrong}
    entries = ledger.enter(out, [run for run in finished if run.folder not in bad])
    last = entries[-1].chain if entries else ""
    return Checked(valid, rows, len(entries), last, tuple(wrong))


def _files(run: runs.Run) -> Iterator[Problem]:
    """Say what is not as the manifest has it."""
    path = run.folder / MANIFEST
    if not run.manifest:
        yield Problem(path, 1, 1, "", run.reason)
        return
    gone = runs.removed(run.folder)
    for name in sorted(gone & KEPT):
        yield Problem(run.folder / runs.PRUNED, 1, 1, "", f"says that {name} was removed")
    if reason := runs.torn(run.folder, run.manifest, gone - KEPT) or run.reason:
        yield Problem(path, 1, 1, "outputs", reason)


def _forecast(run: runs.Run) -> tuple[tuple[hubverse.Row, ...], tuple[Problem, ...]]:
    path = run.folder / FORECAST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return (), (Problem(path, 1, 1, "", f"cannot be read: {error}"),)
    return hubverse.rows(text, path, run.as_of)


def _links(record: runs.Record) -> Iterator[Problem]:
    """Say which as-of days lead nowhere."""
    for each in sorted(record.folder.iterdir()):
        if each.is_symlink() and not each.exists():
            yield Problem(each, 1, 1, "", "leads to a run that is not there")


def _ledger(out: Path, entries: Sequence[ledger.Entry], head: str) -> Iterator[Problem]:
    """Say what does not fit the ledger."""
    path = out / ledger.FILE
    first = ledger.broken(entries)
    if first is not None:
        yield Problem(path, first + 1, 1, "", "does not follow from the entries before it")
    for number, each in enumerate(entries, start=1):
        manifest = out / each.run / MANIFEST
        if not manifest.is_file():
            yield Problem(path, number, 1, "", f"{each.run} is not there any more")
        elif file_digest(manifest) != each.manifest:
            yield Problem(manifest, 1, 1, "", "is not as it was entered into the ledger")
    if head and head not in {each.chain for each in entries}:
        yield Problem(path, 1, 1, "", f"does not go through the head {head}")
