"""What is asked for: one report of one scenario; and where it belongs.

A scenario's reports have the name of its folder and file, so that where they stand is known
before the scenario is read. This module imports nothing slow (see `escalation.reporting.known`).

>>> request = Request(Path("scenarios/venezuela/talks.yaml"))
>>> request.name, request.shelf("2025-11-22", "3f9c0a51d2e4").place
('venezuela-talks', 'reports/venezuela-talks/2025-11-22')
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from escalation.reading.workspace import name_of, root_of
from escalation.reporting import known
from escalation.reporting.faults import as_error
from escalation.reporting.provenance import file_digest, inputs_digest, made_with, relative
from escalation.reporting.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

NOTEBOOK = Path("notebooks/scenario_report.ipynb")
FORMATS = ("html",)
PDF = "report.pdf"


class Shelves(Protocol):
    """Where the runs of one scenario stand: in a folder, or in an object store."""

    @property
    def as_of(self) -> str:
        """ISO date of the run at hand."""

    @property
    def key(self) -> str:
        """Digest of its inputs."""

    @property
    def linked(self) -> str:
        """Name of the run that is shown for this day; only if there is one."""

    @property
    def place(self) -> str:
        """Where people find the run: a folder or an address."""

    @property
    def memory(self) -> Path | None:
        """The folder that remembers what was asked; None if nothing is remembered."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runners of this scenario out."""

    def find(self) -> dict[str, Any] | None:
        """Return the manifest of a finished run of these inputs, and link it."""

    def before(self) -> Path | None:
        """Return a folder with the last finished run of other inputs."""

    def last_started(self) -> datetime | None:
        """Return when the last finished run was begun."""

    def owner(self) -> str:
        """Return the scenario's file of the last finished run; empty if there is none."""

    def build(self) -> Path:
        """Return a new folder to build a run in."""

    def publish(self, building: Path) -> str:
        """Make a built run a finished one, link it, and return its name."""

    def keep_failed(self, building: Path) -> Path | str:
        """Keep the remains of a failed run, and return where."""

    def forget_failed(self) -> None:
        """Remove the remains of a failed run of the same inputs."""


@dataclass(frozen=True)
class Request:
    """One report that is asked for.

    Attributes
    ----------
    scenario : Path
    out : str
        Folder of all reports, or the address of an object store.
    as_of : date, optional
        By default the scenario's own.
    today : bool
        Whether `as_of` is today, by this machine's clock.
    draws, seed : int, optional
        As for `assess`.
    formats : tuple of str
    notebook : Path, optional
        Another one than `notebooks/scenario_report.ipynb` of the workspace.
    force : bool
        Make it again even from the same inputs.
    """

    scenario: Path
    out: str = "reports"
    as_of: date | None = None
    today: bool = False
    draws: int | None = None
    seed: int | None = None
    formats: tuple[str, ...] = FORMATS
    notebook: Path | None = None
    force: bool = False

    @property
    def name(self) -> str:
        """The scenario's name, which is that of the folder of its reports."""
        return name_of(self.scenario.parent.resolve() / self.scenario.name)

    @property
    def root(self) -> Path:
        """The scenario's workspace."""
        return root_of(self.scenario.parent.resolve())

    @property
    def file(self) -> str:
        """The scenario as it is written from its workspace."""
        return relative(self.scenario.parent.resolve() / self.scenario.name, self.root)

    def shelf(self, as_of: str, key: str) -> Shelves:
        """Return where a run of it belongs."""
        if "://" in self.out:
            from escalation.reporting.bucket import Bucket

            return Bucket.at(self.out, self.name, as_of, key)
        out = Path(self.out)
        return Shelf(out.resolve() / self.name, as_of, key, out)

    def served(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a finished run has every format that is asked for, or says why it has not."""
        tried = PDF in manifest["outputs"] or bool(manifest.get("warning"))
        return "pdf" not in self.formats or tried

    def report_notebook(self) -> Path:
        """Return the notebook to run."""
        if self.notebook is not None:
            return self.notebook
        own = self.root / NOTEBOOK
        if own.is_file():
            return own
        from escalation.reporting.notebook import find

        return find(NOTEBOOK)

    def question(self) -> str:
        """Return what stands for this request among those of its scenario."""
        return known.asked(
            Path(self.file),
            as_of="" if self.as_of is None else str(self.as_of),
            draws=self.draws,
            seed=self.seed,
        )


def notebook_digest(notebook: Path) -> dict[str, object]:
    """Return what a manifest says of the notebook.

    Raises
    ------
    ReportError
        If it cannot be read.
    """
    try:
        return {"notebook": {"file": notebook.name, "sha256": file_digest(notebook)}}
    except OSError as error:
        raise as_error(error, "the notebook cannot be read") from error


def made_with_digest(notebook: Path) -> str:
    """Return one digest of all that a run is made with: notebook, package, libraries."""
    return inputs_digest({**made_with(), **notebook_digest(notebook)})
