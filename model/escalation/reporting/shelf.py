"""Where reports stand: finished runs are never touched, and what is linked is always whole.

    reports/venezuela-baseline/
      2025-11-22 -> runs/2025-11-22-3f9c0a51d2e4       a symbolic link, replaced in one step
      runs/2025-11-22-3f9c0a51d2e4/                    named by the digest of its inputs
      runs/.building-x1y2/                             a run under way, or killed
      failed/2025-11-22-3f9c0a51d2e4/                  the notebook with its error

A run is built aside, renamed, and only then linked. Whenever it is killed, the link shows the
run before it; the next command, under the lock that the killed one lost, sweeps up (`sweep`).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.reporting import ledger
from escalation.reporting.disk import hidden, lock, sweep_parts
from escalation.reporting.faults import as_error
from escalation.reporting.provenance import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = ledger.MANIFEST
PAGE = "report.html"  # every run has one
COMPLETE = "complete"
LOCK = ".lock"
PRIVATE = ".kernel"  # of a kernel while it runs
_BUILDING = ".building-"
_PATIENCE = 1.0  # seconds to wait for a lock with reports under way
_KEY = 12  # hexadecimal digits of a digest that stand in a folder's name


@dataclass(frozen=True)
class Shelf:
    """The folder of one scenario's reports.

    Attributes
    ----------
    folder : Path
    as_of : str
        ISO date of the run at hand.
    key : str
        Digest of its inputs.
    shown : Path, optional
        The folder of all reports as somebody wrote it; by default the real one.
    """

    folder: Path
    as_of: str
    key: str
    shown: Path | None = None

    @property
    def link(self) -> Path:
        """Where the run is found by people."""
        return self.folder / self.as_of

    @property
    def place(self) -> str:
        """Where the run is found, as somebody would write it."""
        return str((self.shown or self.folder.parent) / self.folder.name / self.as_of)

    @property
    def linked(self) -> str:
        """Name of the run that is shown for this day."""
        return self.link.resolve().name

    @property
    def memory(self) -> Path | None:
        """The folder that remembers what was asked."""
        return self.folder

    @property
    def name(self) -> str:
        """Name of the run's own folder."""
        return f"{self.as_of}-{self.key[:_KEY]}"

    @property
    def runs(self) -> Path:
        """Folder of all runs."""
        return self.folder / "runs"

    @property
    def failed(self) -> Path:
        """Where the remains of a failed run are kept."""
        return self.folder / "failed" / self.name

    @contextmanager
    def locked(self, *, seconds: float | None = None) -> Iterator[None]:
        """Keep other runners of this scenario out; a lock ends with its process.

        Parameters
        ----------
        seconds : float, optional
            How long to wait for one at most (then it is a BlockingIOError); by default for ever.
        """
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            (self.folder / LOCK).touch()
        except OSError as error:
            raise as_error(error, f"{self.folder} cannot be written") from error
        with lock(self.folder / LOCK, seconds=seconds):
            yield

    def find(self) -> dict[str, Any] | None:
        """Return the manifest of a finished run of these inputs, linked; None if there is none."""
        manifest = intact(self.link, self.key)
        if manifest is not None:
            return manifest
        for run in sorted(self.runs.glob(f"{self.name}*"), reverse=True):
            manifest = intact(run, self.key)
            if manifest is not None:
                self._point(run)
                return manifest
        return None

    def before(self) -> Path | None:
        """Return the last finished run of other inputs, as of this day or an earlier one."""
        found = [
            (manifest["as_of"], manifest["started"], run, manifest["inputs_digest"])
            for run, manifest in self._finished()
            if manifest["inputs_digest"] != self.key and manifest["as_of"] <= self.as_of
        ]
        whole = (run for *_, run, key in sorted(found, reverse=True) if intact(run, key))
        return next(whole, None)

    def last_started(self) -> datetime | None:
        """Return when the last finished run was begun; None if there is none."""
        started = [datetime.fromisoformat(each["started"]) for _, each in self._finished()]
        return max(started, default=None)

    def owner(self) -> str:
        """Return the scenario's file of the last finished run; empty if there is none."""
        made = [(each["started"], str(each.get("file", ""))) for _, each in self._finished()]
        return max(made)[1] if made else ""

    def _finished(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield runs whose manifest can be read."""
        for run in self.runs.glob("*"):
            try:
                manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
                datetime.fromisoformat(manifest["started"])
                if manifest["as_of"] and manifest["inputs_digest"]:
                    yield run, manifest
            except (OSError, ValueError, KeyError, TypeError):
                continue

    def build(self) -> Path:
        """Return a new folder to build a run in, and remove what killed runs left."""
        for leftover in _left(self.folder):
            _remove(leftover)
        building = self.runs / f"{_BUILDING}{secrets.token_hex(4)}"
        building.mkdir()
        return building

    def publish(self, building: Path) -> str:
        """Make a built run a finished one, link it, and return its name."""
        target = self.runs / self.name
        count = 1
        # The same inputs, made again: keep both, and what the ledger says of one that is gone.
        while target.exists() or ledger.entered(target) is not None:
            count += 1
            target = self.runs / f"{self.name}-{count}"
        building.rename(target)
        self._point(target)
        return target.name

    def keep_failed(self, building: Path) -> Path:
        """Keep the remains of a failed run in place of those of an earlier one."""
        if self.failed.exists():
            shutil.rmtree(self.failed)
        self.failed.parent.mkdir(exist_ok=True)
        building.rename(self.failed)
        return self.failed

    def forget_failed(self) -> None:
        """Remove the remains of a failed run of the same inputs."""
        shutil.rmtree(self.failed, ignore_errors=True)

    def _point(self, run: Path) -> None:
        if self.link.is_dir() and not self.link.is_symlink():  # copied here by hand
            self.link.rename(Path(tempfile.mkdtemp(prefix=f"{self.as_of}-copy-", dir=self.runs)))
        fresh = self.folder / f".{self.as_of}-{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(run.relative_to(self.folder))
        fresh.replace(self.link)


def sweep(folder: Path) -> None:
    """Remove what killed runners left in the folder of a scenario's reports.

    What somebody is at is left alone: a runner holds the lock, which ends with it.
    """
    sweep_parts(folder)
    if not _left(folder):
        return
    with suppress(OSError), lock(folder / LOCK, seconds=0):
        for leftover in _left(folder):
            _remove(leftover)


def _left(folder: Path) -> list[Path]:
    """Return runs that were never finished, and links that never came to their place."""
    runs = folder / "runs"
    found = [runs / name for name in hidden(runs) if name.startswith(_BUILDING)]
    links = (folder / name for name in hidden(folder) if name[1:2].isdigit())
    return [*found, *(each for each in links if each.is_symlink())]


def _remove(leftover: Path) -> None:
    if leftover.is_symlink():
        leftover.unlink(missing_ok=True)
    else:
        shutil.rmtree(leftover, ignore_errors=True)


def rescue(folder: Path, building: Path, manifest: dict[str, Any]) -> Path | None:
    """Keep the remains of a run whose process was killed; None if nothing is left of it.

    Parameters
    ----------
    folder : Path
        Of the scenario's reports.
    building : Path
        Where it was built.
    manifest : dict
        What it says, with why there is no report.

    Raises
    ------
    OSError
        If they cannot be kept; a BlockingIOError if another runner is at this scenario: it sweeps
        them up.
    """
    if not building.is_dir():
        return None
    shelf = Shelf(folder, manifest["as_of"], manifest["inputs_digest"])
    with shelf.locked(seconds=_PATIENCE):
        shutil.rmtree(building / PRIVATE, ignore_errors=True)
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        (building / MANIFEST).write_text(text, encoding="utf-8", errors="backslashreplace")
        return shelf.keep_failed(building)


def intact(run: Path, key: str) -> dict[str, Any] | None:
    """Return the manifest of a run if it is of these inputs and every file is as it was made.

    The manifest itself has to be as the ledger has it, if the run was entered there.
    """
    try:
        data = (run / MANIFEST).read_bytes()
        manifest = json.loads(data)
        if manifest["status"] != COMPLETE or manifest["inputs_digest"] != key:
            return None
        made = manifest["outputs"]
        same = PAGE in made and all(file_digest(run / name) == made[name] for name in made)
        same = same and not ledger.objection(run, data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if same else None


def outputs(run: Path) -> dict[str, str]:
    """Digest of every file of a run, by its name."""
    files = (path for path in run.iterdir() if path.is_file() and path.name != MANIFEST)
    return {path.name: file_digest(path) for path in sorted(files)}
