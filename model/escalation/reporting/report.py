"""Makes a report: from a scenario's file to a folder that holds everything it says.

    scenario ── digest of the inputs ── known? ──▸ nothing to do
             ── papermill ──▸ report.ipynb, result.json, forecast.csv
             ── nbconvert ──▸ report.html ── WeasyPrint ──▸ report.pdf
             ── manifest.json ── rename ── link ──▸ reports/<scenario>/<as-of>/

The same inputs are a no-op. Whatever stops a run, the report that was there stays
(`escalation.reporting.shelf`), and a run whose inputs changed meanwhile is not published.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.engine.assessment import DRAWS, SEED
from escalation.errors import EscalationError, RunError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.earlier import keep
from escalation.reporting.execution import KERNEL_LOG, Progress, execute, read
from escalation.reporting.notebook import EARLIER, OUT, WORKSPACE, find
from escalation.reporting.page import to_html
from escalation.reporting.pdf import to_pdf
from escalation.reporting.provenance import file_digest, git_state, inputs, inputs_digest, relative
from escalation.reporting.record import to_json
from escalation.reporting.shelf import COMPLETE, MANIFEST, Shelf, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from nbformat import NotebookNode

    from escalation.reading.case import Scenario

NOTEBOOK = Path("notebooks/scenario_report.ipynb")
FORMATS = ("html",)
PDF = "report.pdf"
SCHEMA = 1


@dataclass(frozen=True)
class ReportRun:
    """A finished report.

    Attributes
    ----------
    folder : Path
        `reports/<scenario>/<as-of>`, with `report.html` in it.
    fresh : bool
        False: it was there already, made from the same inputs.
    manifest : Mapping
        What it was made from, and when (`docs/result.md`).
    warning : str
        Why a format that was asked for is missing; empty if none is.
    """

    folder: Path
    fresh: bool
    manifest: Mapping[str, Any]
    warning: str = ""


@dataclass(frozen=True)
class _Job:
    """What a run is made from."""

    case: Scenario
    draws: int
    seed: int
    notebook: Path
    made_from: Mapping[str, object]
    formats: tuple[str, ...]

    @property
    def root(self) -> Path:
        return Workspace.of(self.case.path).root

    @property
    def parameters(self) -> dict[str, object]:
        return {
            "scenario": relative(self.case.path, self.root),
            "as_of": str(self.case.as_of),
            "draws": self.draws,
            "seed": self.seed,
        }


def run_report(  # noqa: PLR0913 (all but one by name)
    scenario_path: Path | str,
    *,
    as_of: date | None = None,
    out: Path | str = Path("reports"),
    draws: int | None = None,
    seed: int | None = None,
    progress: bool = True,
    force: bool = False,
    notebook: Path | str | None = None,
    formats: Sequence[str] = FORMATS,
) -> ReportRun:
    """Make the report of a scenario, unless it is there already.

    Parameters
    ----------
    scenario_path : path
    as_of : date, optional
        By default the scenario's own.
    out : path
        Folder of all reports.
    draws, seed : int, optional
        As for `assess`.
    progress : bool
        Show a bar on standard error, if that is a terminal.
    force : bool
        Make it again even from the same inputs.
    notebook : path, optional
        Another one than `notebooks/scenario_report.ipynb` of the workspace.
    formats : sequence of str
        "pdf" asks for `report.pdf` too; the page is always made. Where a PDF cannot be made, the
        run says so in `warning` and is otherwise whole.

    Raises
    ------
    InvalidInputError, ImpossibleEvidenceError, RunError
        If the scenario cannot be used, its reports cannot be explained by any draw, or the
        report cannot be made; what there is of it is kept.
    """
    case = load(scenario_path, as_of=as_of)
    parameters = (DRAWS if draws is None else draws, SEED if seed is None else seed)
    job = _job(case, *parameters, notebook, tuple(formats))
    shelf = Shelf(Path(out).resolve() / case.name, str(case.as_of), inputs_digest(job.made_from))
    place = Path(out) / case.name / str(case.as_of)
    with shelf.locked():
        manifest = None if force else shelf.find()
        if manifest is not None and _serves(manifest, job):
            return ReportRun(place, fresh=False, manifest=manifest)
        with Progress(f"{case.name} {case.as_of}", quiet=not progress) as bar:
            manifest = _make(job, shelf, bar)
        return ReportRun(place, fresh=True, manifest=manifest, warning=manifest["warning"])


def _serves(manifest: Mapping[str, Any], job: _Job) -> bool:
    """Whether a finished run has every format that is asked for."""
    return "pdf" not in job.formats or PDF in manifest["outputs"]


def _job(
    case: Scenario, draws: int, seed: int, notebook: Path | str | None, formats: tuple[str, ...]
) -> _Job:
    path = _notebook(case, notebook)
    return _Job(case, draws, seed, path, _made_from(case, draws, seed, path), formats)


def _notebook(case: Scenario, given: Path | str | None) -> Path:
    if given is not None:
        return Path(given)
    own = Workspace.of(case.path).root / NOTEBOOK
    return own if own.is_file() else find(NOTEBOOK)


def _made_from(case: Scenario, draws: int, seed: int, notebook: Path) -> dict[str, object]:
    try:
        digest = file_digest(notebook)
    except OSError as error:
        raise RunError(f"{notebook} cannot be read: {error.strerror}") from error
    data = inputs(case, case.as_of, draws, seed)
    return {**data, "notebook": {"file": notebook.name, "sha256": digest}}


def _make(job: _Job, shelf: Shelf, progress: Progress) -> dict[str, Any]:
    """Build a run aside, and publish it or keep its remains."""
    building = shelf.build()
    begun, clock = datetime.now(UTC), time.monotonic()
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "failed",
        "scenario": job.case.name,
        "as_of": str(job.case.as_of),
        "inputs_digest": shelf.key,
        "inputs": dict(job.made_from),
        "git": git_state(job.root),
        "started": begun.isoformat(timespec="seconds"),
    }
    earlier = shelf.before()
    manifest["earlier"] = None if earlier is None else earlier.name
    try:
        manifest["seconds"] = _fill(job, building, earlier, progress)
        manifest["warning"] = _print(job, building, manifest["seconds"], progress)
    except (EscalationError, OSError, KeyboardInterrupt) as error:
        raise _explained(error, manifest, shelf, building) from error
    manifest |= {
        "status": COMPLETE,
        "seconds": manifest["seconds"] | {"total": round(time.monotonic() - clock, 3)},
        "outputs": outputs(building),
    }
    (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
    shelf.publish(building)
    shelf.forget_failed()
    return manifest


def _print(job: _Job, building: Path, seconds: dict[str, float], progress: Progress) -> str:
    """Write the PDF, if it is asked for; return why there is none, if it cannot be."""
    if "pdf" not in job.formats:
        return ""
    clock = time.monotonic()
    progress.step("printing")
    try:
        data = to_pdf((building / "report.html").read_text(encoding="utf-8"))
    except RunError as error:
        return str(error)
    (building / PDF).write_bytes(data)
    seconds["print"] = round(time.monotonic() - clock, 3)
    return ""


def _fill(job: _Job, building: Path, earlier: Path | None, progress: Progress) -> dict[str, float]:
    """Write the files of a run but its manifest and PDF, and return how long each step took."""
    source = read(job.notebook, job.parameters)
    before = "" if earlier is None else str(earlier.resolve())
    environment = {WORKSPACE: str(job.root), OUT: str(building), EARLIER: before}
    clock = time.monotonic()
    progress.step("starting")
    notebook = execute(source, job.parameters, environment, building, progress)
    (building / KERNEL_LOG).unlink(missing_ok=True)
    executed = time.monotonic()
    _scrub(notebook, building, job.notebook.name)
    html = to_html(notebook, f"{job.case.title}, {job.case.as_of}")
    (building / "report.html").write_text(html, encoding="utf-8")
    keep(job.case, building)
    _check(job, building)
    exported = time.monotonic()
    return {"execute": round(executed - clock, 3), "export": round(exported - executed, 3)}


def _scrub(notebook: NotebookNode, building: Path, name: str) -> None:
    """Take this machine's folders out of the executed notebook."""
    import nbformat

    notebook.metadata.papermill.update(
        {"input_path": name, "output_path": "report.ipynb", "environment_variables": {}}
    )
    nbformat.write(notebook, building / "report.ipynb")  # type: ignore[no-untyped-call]


def _check(job: _Job, building: Path) -> None:
    """Make sure that the inputs are still those that the run was to be made from."""
    now = _made_from(job.case, job.draws, job.seed, job.notebook)
    used = json.loads((building / "result.json").read_text(encoding="utf-8"))["provenance"]
    seen = {"notebook": job.made_from["notebook"], **used}
    changed = [key for key, made in job.made_from.items() if not made == now[key] == seen[key]]
    if changed:
        raise RunError(
            f"changed while the report was made: {', '.join(changed)}; run the command again"
        )


def _explained(
    error: BaseException, manifest: dict[str, Any], shelf: Shelf, building: Path
) -> BaseException:
    """Keep what there is of a failed run, and return the error with the place of it."""
    manifest["error"] = str(error) or type(error).__name__
    try:
        (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        kept = shelf.keep_failed(building)
    except OSError as worse:
        return RunError(f"{manifest['error']}; and {shelf.folder}: {worse.strerror}")
    if isinstance(error, KeyboardInterrupt):
        return error
    message = f"{manifest['scenario']} as of {manifest['as_of']}: {manifest['error']}"
    told = type(error) if isinstance(error, EscalationError) else RunError
    return told(f"{message} (what there is of it: {kept})")
