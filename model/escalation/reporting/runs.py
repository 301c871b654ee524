"""Reads what runs left: each scenario's reports, whole, thinned, failed or torn.

    reports/venezuela-baseline/last.json          what came of the last attempt
    reports/venezuela-baseline/runs/*/            finished runs, see `escalation.reporting.shelf`
    reports/venezuela-baseline/failed/*/          what there is of failed ones

A run is **torn** if a file of it is missing, or differs from its digest in the manifest, or if the
manifest is not the one that was entered into the ledger (`escalation.reporting.ledger`). To hash
every file of thousands of runs takes minutes, and the manifest is written last, so here only
files that are newer than their manifest are hashed: whoever sets a file's time back is found by
`escalation archive`, which hashes all. A run is **thinned** if `escalation prune` took its page
away (`PRUNED` says what) and left its numbers.

>>> [each.status for each in read(Path("no/such/folder")).runs]
[]
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from escalation.reading.workspace import root_of
from escalation.reporting import ledger
from escalation.reporting.provenance import file_digest
from escalation.reporting.shelf import COMPLETE, MANIFEST, PAGE
from escalation.reporting.summary import readable, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Data = Mapping[str, Any]

Status = Literal["complete", "thinned", "failed", "torn"]
COMPARISONS, SWEEPS = "compare", "sweep"  # folders of reports/ that are no scenario's
LAST = "last.json"
PRUNED = "pruned.json"
RESULT = "result.json"


@dataclass(frozen=True)
class Run:
    """A run that is over.

    Attributes
    ----------
    folder : Path
    as_of : str
        ISO date.
    made : str
        When it began, in UTC and ISO form; empty if that cannot be read.
    status : str
        "complete", "thinned", "failed" or "torn".
    reason : str
        Why it failed, or what is torn.
    linked : bool
        Whether it is the current report of its as-of day.
    manifest : Mapping
        Empty if it cannot be read.
    files : frozenset of str
        Names of what is there.
    """

    folder: Path
    as_of: str
    made: str
    status: Status
    reason: str
    linked: bool
    manifest: Data
    files: frozenset[str]

    @property
    def name(self) -> str:
        """Where it stands, from the folder of its scenario."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def counts(self) -> bool:
        """Whether its numbers are to be shown."""
        return self.status in {"complete", "thinned"}

    @property
    def answer(self) -> Data:
        """What it says, as `escalation.reporting.summary` puts it; empty if that does not stand."""
        found: Data = self.manifest.get("summary", {}) if self.counts else {}
        if found or not self.counts:
            return found
        try:
            said = summary(_data(self.folder / RESULT))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return {}
        return said if readable(said) else {}


@dataclass(frozen=True)
class Record:
    """All runs of a scenario, or of a comparison.

    Attributes
    ----------
    folder : Path
    runs : tuple of Run
        By as-of day, then by when they were made.
    last : Mapping
        What came of the last attempt (`last.json`); empty if that is not known.
    """

    folder: Path
    runs: tuple[Run, ...]
    last: Data

    @property
    def name(self) -> str:
        """Name of the scenario, or of the comparison."""
        return self.folder.name

    @property
    def remains(self) -> Run | None:
        """What there is of the last attempt, if it failed and left anything."""
        failed = (each for each in self.runs if each.status == "failed")
        return next((each for each in failed if each.name == self.last.get("run")), None)

    @property
    def failing(self) -> str:
        """Why the last attempt failed, and what to do; empty if it did not."""
        if self.last.get("status") != "failed":
            return ""
        said = self.remains.reason if self.remains else str(self.last.get("error") or "")
        advice = self._gone or self.last.get("advice") or ""
        return f"{said.rstrip('.')}. {advice}".strip()

    @property
    def _gone(self) -> str:
        """What to do if the scenario is no longer in the workspace that its reports stand in."""
        root, file = root_of(self.folder.absolute()), str(self.last.get("file") or "")
        if not file or not (root / "scenarios").is_dir() or (root / file).exists():
            return ""
        place = f"{self.folder.parent.name}/{self.name}"
        return f"Its file {file} is gone; remove {place} if you no longer want it."

    @property
    def series(self) -> tuple[Run, ...]:
        """The current run of each as-of day."""
        return tuple(each for each in self.runs if each.linked and each.counts)


def scenarios(out: Path) -> list[Path]:
    """Folders of scenarios in the folder of all reports, by name."""
    return [each for each in _folders(out) if each.name not in {COMPARISONS, SWEEPS}]


def comparisons(out: Path) -> list[Path]:
    """Folders of comparisons, by name."""
    return _folders(out / COMPARISONS)


def _folders(place: Path) -> list[Path]:
    return sorted(
        each for each in _listed(place) if (each / "runs").is_dir() or (each / LAST).is_file()
    )


def read(folder: Path) -> Record:
    """Read the runs of a scenario or a comparison."""
    current = {_target(each) for each in _listed(folder) if each.is_symlink()}
    finished = [_finished(each, current) for each in _dated(folder / "runs")]
    failed = [_failed(each) for each in _dated(folder / "failed")]
    runs = sorted([*finished, *failed], key=lambda each: (each.as_of, each.made, each.folder.name))
    return Record(folder, tuple(runs), read_last(folder))


def read_last(folder: Path) -> Data:
    """Read what came of the last attempt; nothing, if that cannot be read."""
    try:
        return _data(folder / LAST)
    except (OSError, ValueError):
        return {}


def _listed(folder: Path) -> list[Path]:
    """Entries of a folder that are not hidden; none if there is no such folder (any more)."""
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _dated(folder: Path) -> list[Path]:
    """Folders that are named by a day, as those of runs are."""
    return [each for each in _listed(folder) if each.is_dir() and _is_day(each.name[:10])]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _target(link: Path) -> str:
    return link.readlink().name


def _data(path: Path) -> dict[str, Any]:
    return _object(path.read_bytes(), path)


def _object(text: bytes, path: Path) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError(f"{path} holds no object")  # noqa: TRY004 (a file's content, as JSON's)
    return data


def _finished(folder: Path, current: Iterable[str]) -> Run:
    times = _times(folder)
    files, linked = frozenset(times), folder.name in current
    try:
        text = (folder / MANIFEST).read_bytes()
        manifest = _object(text, folder / MANIFEST)
        as_of, made = manifest["as_of"], manifest["started"]
        datetime.fromisoformat(made)
        if not (_is_day(as_of) and readable(manifest.get("summary", {}))):
            raise ValueError(as_of)  # noqa: TRY301 (told below, with all that cannot be read)
        reason = "" if manifest["status"] == COMPLETE else "its manifest says that it failed"
        gone = removed(folder) if PRUNED in times else frozenset()
        reason = reason or torn(folder, manifest, gone, times=times)
        reason = reason or ledger.objection(folder, text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        reason = f"{MANIFEST} cannot be read"
        return Run(folder, folder.name[:10], "", "torn", reason, linked, {}, files)
    status: Status = "torn" if reason else "thinned" if gone else "complete"
    return Run(folder, as_of, made, status, reason, linked, manifest, files)


def removed(folder: Path) -> frozenset[str]:
    """Names of the files that were taken out of a run to save space.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If the list of them cannot be read.
    """
    path = folder / PRUNED
    return frozenset(_data(path)["removed"]) if path.exists() else frozenset()


def torn(
    folder: Path, manifest: Data, gone: frozenset[str], *, times: Mapping[str, int] | None = None
) -> str:
    """Say what is missing in a run, or was changed after it; empty if nothing is.

    Parameters
    ----------
    folder : Path
    manifest : Mapping
    gone : frozenset of str
        Names that need not be there.
    times : Mapping[str, int], optional
        When each file was last changed: only those that are newer than the manifest are hashed. By
        default all are.
    """
    there = _times(folder) if times is None else times
    if PAGE not in manifest["outputs"]:
        return f"{MANIFEST} does not name {PAGE}"
    for name, digest in manifest["outputs"].items():
        if name in gone:
            continue
        if name not in there:
            return f"{name} is missing"
        hashed = times is None or there[name] > there[MANIFEST]
        if hashed and file_digest(folder / name) != digest:
            return f"{name} is not as it was made"
    return ""


def _times(folder: Path) -> dict[str, int]:
    """Return what is in a folder and not hidden, and when it was last changed, in nanoseconds."""
    try:
        with os.scandir(folder) as entries:
            shown = [each for each in entries if not each.name.startswith(".")]
            return {each.name: each.stat().st_mtime_ns for each in shown}
    except FileNotFoundError:  # it was removed while we looked
        return {}


def _failed(folder: Path) -> Run:
    files = frozenset(each.name for each in _listed(folder))
    try:
        manifest = _data(folder / MANIFEST)
    except (OSError, ValueError):
        manifest = {}
    reason = str(manifest.get("error") or "it was stopped before it could say why")
    as_of, made = folder.name[:10], str(manifest.get("started") or "")
    return Run(folder, as_of, made, "failed", reason, linked=False, manifest=manifest, files=files)
