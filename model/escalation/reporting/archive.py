"""Checks the archive of forecasts: that it is complete, valid, and as it was made.

Of every finished run: every file is there and has the digest that its manifest gives, but for
what `escalation prune` took away; the forecast is valid (`escalation.reporting.hubverse`); and
the manifest has the digest that the ledger gives (`escalation.reporting.ledger`). Of the ledger:
each entry follows from those before it, each run in it is still there, and the chain goes through
the head that somebody kept. Of the links: each leads to a run.

What is lost stays lost: a run that no backup brings back can be acknowledged (`acknowledge`). The
ledger says so for good, and its faults are told no more.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError, Problem, RunError
from escalation.reporting import hubverse, ledger, runs
from escalation.reporting.disk import lock
from escalation.reporting.provenance import file_digest
from escalation.reporting.retention import KEPT
from escalation.reporting.shelf import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORECAST = "forecast.csv"
HEAD_DIGITS = 8  # of a head, at least: fewer would be found by chance
_SEALED = {errno.EACCES, errno.EPERM, errno.EROFS}


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
    faulty : frozenset of str
        Runs that are not there, or not as they were made, as the ledger calls them.
    acknowledged : tuple of str
        Runs that are known to be so, which are no problem.
    written : bool
        Whether new runs could be entered into the ledger.
    """

    forecasts: int
    rows: int
    entries: int
    head: str
    problems: tuple[Problem, ...]
    faulty: frozenset[str] = frozenset()
    acknowledged: tuple[str, ...] = ()
    written: bool = True


def check(out: Path, *, head: str = "") -> Checked:
    """Check the archive in a folder of reports, and enter new runs into its ledger.

    Where nothing can be written, as in a copy that is sealed, what is there is checked.

    Parameters
    ----------
    out : Path
    head : str
        A head that was kept, or its first digits: the chain has to go through it. Blank: none was.

    Raises
    ------
    InvalidInputError, InvalidValueError, RunError
        If the ledger cannot be read, the head is none, or the disk does not do its part.
    """
    kept = _head(head)
    try:
        try:
            with lock(out / ledger.LOCK):
                return _check(out, kept, write=True)
        except OSError as error:
            if error.errno not in _SEALED:
                raise
            return _check(out, kept, write=False)
    except OSError as error:
        raise RunError(f"the archive in {out} cannot be checked: {error.strerror}") from error


def acknowledge(out: Path, run: str) -> None:
    """Enter into the ledger that a run is lost or was edited, and counts no more.

    Parameters
    ----------
    out : Path
    run : str
        Its folder, as the ledger calls it, or as a path.

    Raises
    ------
    InvalidInputError, InvalidValueError, RunError
        If the ledger cannot be read, nothing is wrong with such a run, or nothing can be written.
    """
    place, base = Path(run).absolute(), out.absolute()
    inside = place.is_relative_to(base)
    name = place.relative_to(base).as_posix() if inside else run.rstrip("/")
    try:
        with lock(out / ledger.LOCK):
            if name not in _check(out, "", write=False).faulty:
                message = f"'{run}' is no run that is missing or not as it was made"
                raise InvalidValueError(f"{message}; escalation archive lists those")
            ledger.acknowledge(out, name)
    except OSError as error:
        raise RunError(f"{out / ledger.FILE} cannot be written: {error.strerror}") from error


def _head(text: str) -> str:
    """Return the digits of a head that was kept."""
    digits = text.strip().rstrip(".\N{HORIZONTAL ELLIPSIS}").lower()
    if digits and (len(digits) < HEAD_DIGITS or not set(digits) <= set("0123456789abcdef")):
        raise InvalidValueError(f"'{text}' is no head; give {HEAD_DIGITS} digits of it, or all")
    return digits


def _check(out: Path, head: str, *, write: bool) -> Checked:
    entries = ledger.read(out)
    excused = ledger.acknowledged(entries)
    scenarios = [runs.read(each) for each in runs.scenarios(out)]
    records = [*scenarios, *(runs.read(each) for each in runs.comparisons(out))]
    finished = {
        name: run
        for record in records
        for run in record.runs
        if run.status != "failed" and (name := ledger.name(out, run.folder)) not in excused
    }
    forecasts = {run.folder for record in scenarios for run in record.runs if run.counts}
    valid = rows = 0
    found: dict[str, list[Problem]] = {}
    for name, run in finished.items():
        found[name] = [*_files(run)]
        if run.folder in forecasts:
            number, faults = _forecast(run)
            found[name] += faults
            valid, rows = valid + (not faults), rows + number * (not faults)
    wrong = [problem for each in found.values() for problem in each]
    wrong += [problem for each in records for problem in _links(out, each, excused)]
    for name, problem in _entries(out, entries, excused):
        found.setdefault(name, []).append(problem)
        wrong.append(problem)
    wrong += _chain(out, entries, head)
    if write:
        entries = ledger.enter(out, [run for name, run in finished.items() if not found[name]])
    return Checked(
        valid,
        rows,
        len({each.run for each in entries}),
        entries[-1].chain if entries else "",
        tuple(wrong),
        frozenset(name for name, problems in found.items() if problems),
        tuple(sorted(excused)),
        write,
    )


def _files(run: runs.Run) -> Iterator[Problem]:
    """Say what is not as the manifest has it."""
    path = run.folder / MANIFEST
    if not run.manifest:
        yield Problem(path, 1, 1, "", run.reason)
        return
    gone = runs.removed(run.folder)
    for name in sorted(gone & KEPT):
        yield Problem(run.folder / runs.PRUNED, 1, 1, "", f"says that {name} was removed")
    reason = runs.torn(run.folder, run.manifest, gone - KEPT) or run.reason
    if reason and reason != ledger.EDITED:  # which is told of the ledger
        yield Problem(path, 1, 1, "outputs", reason)


def _forecast(run: runs.Run) -> tuple[int, tuple[Problem, ...]]:
    """Return how many rows there are, and what is wrong with them."""
    path = run.folder / FORECAST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return 0, (Problem(path, 1, 1, "", f"cannot be read: {error}"),)
    found, faults = hubverse.rows(text, path, run.as_of)
    if FORECAST not in run.manifest["outputs"]:
        said = f"does not name {FORECAST}"
        faults = (*faults, Problem(run.folder / MANIFEST, 1, 1, "outputs", said))
    return len(found), faults


def _links(out: Path, record: runs.Record, excused: frozenset[str]) -> Iterator[Problem]:
    """Say which as-of days lead nowhere."""
    known = {out / each for each in excused}
    for each in sorted(record.folder.iterdir()):
        lost = each.is_symlink() and not each.exists()
        if lost and record.folder / each.readlink() not in known:
            yield Problem(each, 1, 1, "", "leads to a run that is not there")


def _entries(
    out: Path, entries: Iterable[ledger.Entry], excused: frozenset[str]
) -> Iterator[tuple[str, Problem]]:
    """Say which runs are not as they were entered: their names, and what is wrong."""
    for number, each in enumerate(entries, start=1):
        manifest = out / each.run / MANIFEST
        if each.run in excused:
            continue
        if not manifest.is_file():
            said = f"{each.run} is not there any more"
            yield each.run, Problem(out / ledger.FILE, number, 1, "", said)
        elif file_digest(manifest) != each.manifest:
            yield each.run, Problem(manifest, 1, 1, "", "is not as it was entered into the ledger")


def _chain(out: Path, entries: Sequence[ledger.Entry], head: str) -> Iterator[Problem]:
    """Say where the chain is broken, and whether it goes past a head."""
    path = out / ledger.FILE
    first = ledger.broken(entries)
    if first is not None:
        yield Problem(path, first + 1, 1, "", "does not follow from the entries before it")
    if head and not any(each.chain.startswith(head) for each in entries):
        yield Problem(path, 1, 1, "", f"does not go through the head {head}")
