"""Keeps `reports/index.html`, the page of all reports, up to date.

`refresh` is called at the end of every batch of reports, also of one that had nothing to do, so it
returns at once where nothing has been added or changed since the page was written. Two runners
may call it at the same time: it reads and writes under a lock, and the page is replaced in one
step. Each finished run is entered into the ledger as well (`escalation.reporting.ledger`).

The page has the time at which reading began, not the time at which it was written: what is added
in between is then newer than the page, and the next call sees it. Times lie where a clock was set
or files were restored, so the page is also marked with the runs that it lists and that the ledger
has: where others are there, or it is from the future, it is written anew.

What killed runners left is swept up on the way.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from escalation.errors import RunError
from escalation.reporting import ledger, runs
from escalation.reporting.disk import lock, sweep_parts, write_whole
from escalation.reporting.provenance import digest
from escalation.reporting.shelf import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAGE = "index.html"
_TOP = 200  # bytes that hold the mark
LINKS = {"scoreboard.html": "How well past forecasts came out"}


def refresh(out: Path, *, force: bool = False) -> bool:
    """Write the page of all reports, unless nothing has changed since it was written.

    Parameters
    ----------
    out : Path
        Folder of all reports.
    force : bool
        Write it in any case.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    RunError
        If the folder cannot be read or written.
    """
    if not out.is_dir():
        return False
    folders = _folders(out)
    for folder in folders:
        sweep(folder)
    if not (force or _stale(out, folders)):
        return False
    try:
        with lock(out / ledger.LOCK):
            _write(out)
    except OSError as error:
        raise RunError(f"{out / PAGE} cannot be written: {error.strerror}") from error
    return True


def _write(out: Path) -> None:
    """Enter runs into the ledger, and write the page; unmarked, if they could not be entered."""
    sweep_parts(out)
    begun, names, mark = time.time_ns(), _names(_folders(out)), ""
    records = [runs.read(each) for each in runs.scenarios(out)]
    compared = [runs.read(each) for each in runs.comparisons(out)]
    try:
        ledger.enter(out, [run for each in [*records, *compared] for run in each.runs])
        mark = _mark(out, names)
    finally:
        write_whole(out / PAGE, _marked(_page(out, records, compared), mark), when=begun)


def _folders(out: Path) -> list[Path]:
    return [*runs.scenarios(out), *runs.comparisons(out)]


def _names(folders: Sequence[Path]) -> list[str]:
    """Return the runs there are."""
    found = []
    for folder in folders:
        with suppress(FileNotFoundError):
            names = os.listdir(folder / "runs")  # noqa: PTH208 (in no time)
            found += [f"{folder.name}/{name}" for name in names if name[0] != "."]
    return sorted(found)


def _mark(out: Path, names: Sequence[str]) -> str:
    """Return what stands for runs and the state of the ledger."""
    path = out / ledger.FILE
    size = path.stat().st_size if path.exists() else 0
    return f"<!-- {digest(json.dumps([size, *names]).encode())} -->"


def _marked(text: str, mark: str) -> str:
    """Put a mark into a page, below its first line."""
    return text.replace("\n", f"\n{mark}\n", 1)


def failing(name: str) -> str:
    """Return what the page holds where it says that the last attempt at a scenario failed."""
    return f'data-failing="{quote(name, safe="")}"'


def _page(out: Path, records: list[runs.Record], compared: list[runs.Record]) -> str:
    from escalation.reporting.overview import page

    links = {name: called for name, called in LINKS.items() if (out / name).is_file()}
    return page(records, compared, links=links, now=datetime.now(UTC))


def _stale(out: Path, folders: Sequence[Path]) -> bool:
    """Whether anything that the page speaks of is newer than it."""
    try:
        written = (out / PAGE).stat().st_mtime_ns
        with (out / PAGE).open("rb") as page:
            listed = page.read(_TOP)
        if written > time.time_ns() or _mark(out, _names(folders)).encode() not in listed:
            return True
        return any(each > written for each in _times(out, folders, written))
    except FileNotFoundError:  # no page yet, or something was removed while we looked
        return True


def _times(out: Path, folders: Sequence[Path], written: int) -> Iterator[int]:
    """Times, in nanoseconds, of what the page speaks of."""
    yield from (path.stat().st_mtime_ns for name in LINKS if (path := out / name).exists())
    for folder in folders:
        for inner in (folder / "runs", folder / "failed"):
            if inner.is_dir():
                yield inner.stat().st_mtime_ns
        if folder.stat().st_mtime_ns > written:  # perhaps a link was replaced
            yield from (each.lstat().st_mtime_ns for each in folder.iterdir() if each.is_symlink())
        tried = folder / runs.LAST
        if tried.exists() and tried.stat().st_mtime_ns > written and _says_else(out, folder):
            yield tried.stat().st_mtime_ns


def _says_else(out: Path, folder: Path) -> bool:
    """Whether the page should say something else of the last attempt than it does."""
    failed = runs.read_last(folder).get("status") == "failed"
    return failed or failing(folder.name) in (out / PAGE).read_text(encoding="utf-8")
