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
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.engine.assessment import DRAWS, SEED
from escalation.errors import EscalationError, ImpossibleEvidenceError
from escalation.reading.scenario import load
from escalation.reporting import known
from escalation.reporting.earlier import keep
from escalation.reporting.execution import EXECUTED, execute, read
from escalation.reporting.faults import FAULTS, ReportError, Stopped, as_error, in_words, kind_of
from escalation.reporting.notebook import EARLIER, OUT, WORKSPACE
from escalation.reporting.page import to_html
from escalation.reporting.pdf import print_page
from escalation.reporting.progress import Progress, bar
from escalation.reporting.provenance import git_state, inputs, inputs_digest, relative
from escalation.reporting.record import to_json
from escalation.reporting.requests import FORMATS, Request, made_with_digest, notebook_digest
from escalation.reporting.shelf import COMPLETE, MANIFEST, outputs
from escalation.reporting.summary import raised_alerts, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from nbformat import NotebookNode

    from escalation.reading.case import Scenario
    from escalation.reporting.kernels import Stub
    from escalation.reporting.requests import Shelves

RESULT = "result.json"
SCHEMA = 1
CLOCK_SLACK = timedelta(minutes=5)  # clocks of machines that share a folder may differ so much


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
    run : str
        Name of the run's own folder.
    alerts : tuple of Mapping
        Those of the scenario's alerts that are raised: each has a `text`, and if the report is
        fresh all that `result.json` says of it.
    """

    folder: Path
    fresh: bool
    manifest: Mapping[str, Any]
    run: str = ""
    alerts: tuple[Mapping[str, Any], ...] = ()

    @property
    def warning(self) -> str:
        """Why a format that was asked for is missing; empty if none is."""
        return str(self.manifest.get("warning", ""))


@dataclass(frozen=True)
class Making:
    """What a report is made with, besides what it is made from.

    Attributes
    ----------
    progress : Progress
    stub : Stub, optional
        A forked process that becomes the kernel; by default a new one does.
    tell : callable
        Told where the run is built and what its manifest is so far, as soon as that is known.
    clock : callable
        Told "stop" before the report waits for another runner, and "begin" when its time begins.
    """

    progress: Progress
    stub: Stub | None = None
    tell: Callable[[Mapping[str, Any]], None] = field(default=lambda _: None)
    clock: Callable[[str], None] = field(default=lambda _: None)


@dataclass(frozen=True)
class Job:
    """What a run is made from."""

    request: Request
    case: Scenario
    draws: int
    seed: int
    notebook: Path
    made_from: Mapping[str, object]

    @classmethod
    def of(cls, request: Request) -> Job:
        """Read what a request is about.

        Raises
        ------
        InvalidInputError, ReportError
            If the scenario or the notebook cannot be used.
        """
        case = load(request.scenario, as_of=request.as_of)
        draws = DRAWS if request.draws is None else request.draws
        seed = SEED if request.seed is None else request.seed
        path = request.report_notebook()
        return cls(request, case, draws, seed, path, _made_from(case, draws, seed, path))

    @property
    def key(self) -> str:
        """Digest of all inputs."""
        return inputs_digest(self.made_from)

    @property
    def shelf(self) -> Shelves:
        """Where the run belongs."""
        return self.request.shelf(str(self.case.as_of), self.key)

    @property
    def root(self) -> Path:
        """The scenario's workspace."""
        return self.request.root

    @property
    def parameters(self) -> dict[str, object]:
        """Of the notebook."""
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
    """Make the report of a scenario in this process, unless it is there already.

    Parameters
    ----------
    scenario_path : path
    as_of : date, optional
        By default the scenario's own.
    out : path
        Folder of all reports, or the address of an object store (`s3://bucket/prefix`).
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
    InvalidInputError, ImpossibleEvidenceError, ReportError
        If the scenario cannot be used, its reports cannot be explained by any draw, or the
        report cannot be made; what there is of it is kept.
    """
    request = Request(
        Path(scenario_path),
        out=str(out),
        as_of=as_of,
        draws=draws,
        seed=seed,
        force=force,
        notebook=None if notebook is None else Path(notebook),
        formats=tuple(formats),
    )
    with bar(request.name, quiet=not progress) as shown:
        return make(request, Making(shown))


def make(request: Request, making: Making) -> ReportRun:
    """Make the report that is asked for, unless it is there already (see `run_report`)."""
    begun = time.time()
    job = Job.of(request)
    shelf = job.shelf
    making.tell({"as_of": str(job.case.as_of)})
    making.clock("stop")
    making.progress.step("waiting for another runner")
    with shelf.locked():
        making.clock("begin")
        making.progress.step("looking")
        run = there(request, shelf)
        if run is None:
            check_place(request, shelf)
            run = _make(job, shelf, making)
        _remember(job, shelf, begun)
    return run


def there(request: Request, shelf: Shelves) -> ReportRun | None:
    """Return the report if it has been made already, and is asked for no more than that."""
    manifest = None if request.force else shelf.find()
    if manifest is None or not request.served(manifest):
        return None
    said = manifest.get("summary", {}).get("alerts", [])
    raised = tuple(each for each in said if each["raised"])
    place = Path(shelf.place)
    return ReportRun(place, fresh=False, manifest=manifest, run=shelf.linked, alerts=raised)


def _made_from(case: Scenario, draws: int, seed: int, notebook: Path) -> dict[str, object]:
    data = inputs(case, case.as_of, draws, seed)
    return {**data, **notebook_digest(notebook)}


def _remember(job: Job, shelf: Shelves, begun: float) -> None:
    """Make the next time that the same is asked for quick; it does not matter if that fails."""
    if shelf.memory is None:
        return
    try:
        files = known.digests(job.case.files, job.root, begun)
        if files is None:
            return
        answer = {
            "as_of": shelf.as_of,
            "key": shelf.key,
            "made_with": made_with_digest(job.notebook),
            "files": files,
        }
        known.remember(shelf.memory, job.request.question(), answer)
    except OSError:
        return


def check_place(request: Request, shelf: Shelves) -> None:
    """Refuse to add a run to those of another scenario, or before the last one.

    Raises
    ------
    ReportError
        If the last run is of another file, which is still there; or today is asked for, and the
        clock has gone backwards.
    """
    owner = shelf.owner()
    if owner not in {"", request.file} and (request.root / owner).is_file():
        raise ReportError(
            "invalid",
            f"{shelf.place} would stand among the reports of {owner}, not of {request.file}: both "
            f"are called {request.name}. Rename one of the files or its folder, or give --out",
        )
    _check_clock(request, shelf)


def _check_clock(request: Request, shelf: Shelves) -> None:
    """Refuse to say what is known today, if the last run was begun after today.

    Raises
    ------
    ReportError
        If today is asked for, and the clock has gone backwards.
    """
    last, now = shelf.last_started() if request.today else None, datetime.now(UTC)
    if last is not None and last > now + CLOCK_SLACK:
        raise ReportError(
            "clock",
            f"the clock of this machine says {now:%Y-%m-%d %H:%M} UTC, but the last report was "
            f"begun at {last:%Y-%m-%d %H:%M} UTC: it is not known which day today is",
        )


def _make(job: Job, shelf: Shelves, making: Making) -> ReportRun:
    """Build a run aside, and publish it or keep its remains."""
    clock = time.monotonic()
    try:
        building, earlier = shelf.build(), shelf.before()
    except OSError as error:
        raise as_error(error, f"{shelf.place} cannot be written") from error
    manifest = _begun(job, shelf, earlier)
    making.tell({"building": str(building), "manifest": manifest})
    try:
        manifest["seconds"] = _fill(job, building, earlier, making)
        manifest["warning"] = _print(job, building, manifest["seconds"], making.progress)
        result = _result(building)
        manifest["summary"] = summary(result)
        manifest |= {
            "status": COMPLETE,
            "seconds": manifest["seconds"] | {"total": round(time.monotonic() - clock, 3)},
            "outputs": outputs(building),
        }
        making.progress.step("keeping")
        (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        name = shelf.publish(building)
    except (Exception, KeyboardInterrupt, Stopped) as error:
        raise _explained(error, manifest, shelf, building, making) from error
    shelf.forget_failed()
    alerts = raised_alerts(manifest, result)
    return ReportRun(Path(shelf.place), fresh=True, manifest=manifest, run=name, alerts=alerts)


def _begun(job: Job, shelf: Shelves, earlier: Path | None) -> dict[str, Any]:
    """Return what a manifest says before anything is made."""
    return {
        "schema": SCHEMA,
        "status": "failed",
        "scenario": job.case.name,
        "file": relative(job.case.path, job.root),
        "as_of": str(job.case.as_of),
        "inputs_digest": shelf.key,
        "inputs": dict(job.made_from),
        "git": git_state(job.root),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "earlier": None if earlier is None else earlier.name,
    }


def _print(job: Job, building: Path, seconds: dict[str, float], progress: Progress) -> str:
    """Write the PDF, if it is asked for; return why there is none, if it cannot be."""
    if "pdf" not in job.request.formats:
        return ""
    clock = time.monotonic()
    progress.step("printing")
    warning = print_page(building / "report.html")
    seconds["print"] = round(time.monotonic() - clock, 3)
    return warning


def _fill(job: Job, building: Path, earlier: Path | None, making: Making) -> dict[str, float]:
    """Write the files of a run but its manifest and PDF, and return how long each step took."""
    source = read(job.notebook, job.parameters)
    before = "" if earlier is None else str(earlier.resolve())
    environment = {WORKSPACE: str(job.root), OUT: str(building), EARLIER: before}
    clock = time.monotonic()
    making.progress.step("starting")
    notebook = execute(source, job.parameters, environment, building, making.progress, making.stub)
    executed = time.monotonic()
    making.progress.step("exporting")
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
        {"input_path": name, "output_path": EXECUTED, "environment_variables": {}}
    )
    nbformat.write(notebook, building / EXECUTED)  # type: ignore[no-untyped-call]


def _result(building: Path) -> Any:  # noqa: ANN401 (plain data)
    """Return what the notebook wrote down."""
    try:
        return json.loads((building / RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        said = f"the notebook wrote no {RESULT}: its last cell has to call notebook.save"
        raise ReportError("notebook", said) from error


def _check(job: Job, building: Path) -> None:
    """Make sure that the inputs are still those that the run was to be made from."""
    now = _made_from(job.case, job.draws, job.seed, job.notebook)
    used = _result(building)["provenance"]
    seen = {"notebook": job.made_from["notebook"], **used}
    changed = [key for key, made in job.made_from.items() if not made == now[key] == seen.get(key)]
    if changed:
        raise ReportError("changed", f"changed while the report was made: {', '.join(changed)}")


def _explained(
    error: BaseException,
    manifest: dict[str, Any],
    shelf: Shelves,
    building: Path,
    making: Making,
) -> BaseException:
    """Keep what there is of a failed run, and return the error with the place of it."""
    kind = kind_of(error)
    manifest |= failure(error)
    try:
        if not isinstance(error, (EscalationError, OSError, KeyboardInterrupt, Stopped)):
            told = "".join(traceback.format_exception(error))  # a fault of the package's own
            (building / "error.log").write_text(told, encoding="utf-8")
        (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        remains = shelf.keep_failed(building)
        making.tell({"kept": str(remains)})
        kept = f"what there is of it: {remains}"
    except OSError as worse:
        kept = f"nothing of it could be kept: {in_words(worse)}"
    if isinstance(error, KeyboardInterrupt):
        return error
    message = f"{manifest['scenario']} as of {manifest['as_of']}: {manifest['error']} ({kept})"
    if isinstance(error, ImpossibleEvidenceError):
        return ImpossibleEvidenceError(message)
    return ReportError(kind, message)


def failure(error: BaseException) -> dict[str, object]:
    """Return what a manifest says of why there is no report."""
    fault = FAULTS[kind_of(error)]
    return {
        "error": in_words(error),
        "fault": kind_of(error),
        "advice": fault.advice,
        "exit_code": fault.exit_code,
    }
