"""Makes the report of a comparison, into `reports/compare/<name>/<as-of>/`.

As `report` does for one scenario: the same inputs are a no-op, a run is built aside and linked
when it is whole, and whatever stops it, the report that was there stays.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.comparing.notebook import by_scenario, latest, provenance
from escalation.engine.assessment import DRAWS, SEED
from escalation.errors import EscalationError, InvalidValueError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.execution import execute, read
from escalation.reporting.faults import ReportError, Stopped, kind_of
from escalation.reporting.notebook import OUT, WORKSPACE, find
from escalation.reporting.page import to_html
from escalation.reporting.pdf import print_page
from escalation.reporting.progress import Progress, bar
from escalation.reporting.provenance import file_digest, inputs_digest, relative
from escalation.reporting.record import to_json
from escalation.reporting.report import failure
from escalation.reporting.shelf import COMPLETE, MANIFEST, Shelf, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from escalation.reading.case import Scenario

NOTEBOOK = Path("notebooks/compare_scenarios.ipynb")
FORMATS = ("html",)
FOLDER = "compare"
PDF = "report.pdf"
SCHEMA = 1


@dataclass(frozen=True)
class ComparisonRun:
    """A finished report of a comparison.

    Attributes
    ----------
    folder : Path
        `reports/compare/<name>/<as-of>`, with `report.html` in it.
    fresh : bool
        False: it was there already, made from the same inputs.
    manifest : Mapping
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

    name: str
    cases: Sequence[Scenario]
    notebook: Path
    parameters: Mapping[str, object]
    made_from: Mapping[str, object]
    formats: Sequence[str]

    @property
    def title(self) -> str:
        return f"{len(self.cases)} scenarios side by side: {self.name}"

    @property
    def root(self) -> Path:
        return Workspace.of(self.cases[0].path).root


def run_comparison(  # noqa: PLR0913 (options of a command, all by name)
    paths: Sequence[Path],
    *,
    as_of: date | None = None,
    horizon: int | None = None,
    draws: int | None = None,
    seed: int | None = None,
    plausibility: Mapping[str, float] | None = None,
    cluster: str = "",
    name: str | None = None,
    out: Path = Path("reports"),
    formats: Sequence[str] = FORMATS,
    progress: bool = True,
) -> ComparisonRun:
    """Make the report of a comparison, unless it is there already.

    Parameters
    ----------
    paths : sequence of Path
        Scenario files; the first is what the others are measured against.
    as_of, horizon, draws, seed, plausibility
        As for `compare`.
    cluster : str
        Dask scheduler to work on; blank: here.
    name : str, optional
        Of the folder; by default that of the folder of the first scenario.
    out : Path
        Folder of all reports.
    formats : sequence of str
        "pdf" asks for `report.pdf` too, as in `report.run_report`.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Raises
    ------
    EscalationError
        If a scenario cannot be used, or the report cannot be made.
    """
    cases = [load(path, as_of=as_of) for path in paths]
    if not cases:
        raise InvalidValueError("no scenario to compare")
    root = Workspace.of(cases[0].path).root
    own = root / NOTEBOOK
    notebook = own if own.is_file() else find(NOTEBOOK)
    count, key = draws or DRAWS, SEED if seed is None else seed
    given = by_scenario(plausibility, cases) or {}
    parameters = {
        "scenarios": " ".join(relative(case.path, root) for case in cases),
        "as_of": "" if as_of is None else str(as_of),
        "horizon": "" if horizon is None else str(horizon),
        "draws": count,
        "seed": key,
        "plausibility": " ".join(f"{each}={weight!r}" for each, weight in given.items()),
        "cluster": cluster,
    }
    made_from = {
        **provenance(cases, horizon=horizon, draws=count, seed=key, plausibility=given or None),
        "notebook": {"file": notebook.name, "sha256": file_digest(notebook)},
    }
    job = _Job(name or _name(cases), cases, notebook, parameters, made_from, formats)
    return _run(job, out, quiet=not progress)


def _name(cases: Sequence[Scenario]) -> str:
    """Return the name of the folder that the scenarios stand in, or of the first of them."""
    folders = {case.path.parent.name for case in cases}
    return folders.pop() if len(folders) == 1 else cases[0].name


def _run(job: _Job, out: Path, *, quiet: bool) -> ComparisonRun:
    when = str(latest(job.cases))
    place = out / FOLDER / job.name
    shelf = Shelf(place.resolve(), when, inputs_digest(job.made_from))
    with shelf.locked():
        manifest = shelf.find()
        if manifest is not None and ("pdf" not in job.formats or PDF in manifest["outputs"]):
            return ComparisonRun(place / when, fresh=False, manifest=manifest)
        with bar(f"{job.name} {when}", quiet=quiet) as shown:
            manifest = _make(job, shelf, shown)
        return ComparisonRun(
            place / when, fresh=True, manifest=manifest, warning=manifest["warning"]
        )


def _make(job: _Job, shelf: Shelf, shown: Progress) -> dict[str, Any]:
    """Build a run aside, and publish it or keep its remains."""
    building = shelf.build()
    begun, clock = datetime.now(UTC), time.monotonic()
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "comparison",
        "status": "failed",
        "name": job.name,
        "title": job.title,
        "comparison": [case.name for case in job.cases],
        "as_of": shelf.as_of,
        "inputs_digest": shelf.key,
        "inputs": dict(job.made_from),
        "started": begun.isoformat(timespec="seconds"),
    }
    try:
        _fill(job, building, shown)
        manifest["warning"] = ""
        if "pdf" in job.formats:
            shown.step("printing")
            manifest["warning"] = print_page(building / "report.html")
    except (EscalationError, OSError, KeyboardInterrupt, Stopped) as error:
        manifest |= failure(error)
        (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        kept = shelf.keep_failed(building)
        if isinstance(error, KeyboardInterrupt | Stopped):
            raise
        message = f"{job.name}: {manifest['error']} (what there is of it: {kept})"
        raise ReportError(kind_of(error), message) from error
    manifest |= {
        "status": COMPLETE,
        **_headline(building),
        "seconds": {"total": round(time.monotonic() - clock, 3)},
        "outputs": outputs(building),
    }
    (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
    shelf.publish(building)
    shelf.forget_failed()
    return manifest


def _fill(job: _Job, building: Path, shown: Progress) -> None:
    """Write every file of a run but its manifest."""
    import nbformat

    source = read(job.notebook, job.parameters)
    shown.step("starting")
    environment = {WORKSPACE: str(job.root), OUT: str(building)}
    done = execute(source, job.parameters, environment, building, shown)
    done.metadata.papermill.update(
        {"input_path": job.notebook.name, "output_path": "report.ipynb"}
        | {"environment_variables": {}}
    )
    nbformat.write(done, building / "report.ipynb")  # type: ignore[no-untyped-call]
    (building / "report.html").write_text(to_html(done, job.title), encoding="utf-8")
    _check(job, building)


def _headline(building: Path) -> dict[str, object]:
    """Return what lists of runs show: each target in each scenario, at the horizon."""
    data = json.loads((building / "result.json").read_text(encoding="utf-8"))
    days = data["horizon_days"]
    reach = {each["name"]: each["reach"] for each in data["scenarios"]}
    titles = {each["name"]: each["title"] for each in data["scenarios"]}
    headline = []
    for target in data["targets"]:
        gaps = [each for each in data["gaps"] if (each["target"], each["days"]) == (target, days)]
        differences = [
            {
                "name": gap["other"],
                "title": titles[gap["other"]],
                "probability": reach[gap["other"]][target][str(days)]["probability"],
                **{key: gap[key] for key in ("difference", "low", "high", "error")},
            }
            for gap in gaps
        ]
        headline.append(
            {
                "target": target,
                "label": data["labels"][target],
                "days": days,
                "first": data["first"],
                "probability": reach[data["first"]][target][str(days)]["probability"],
                "differences": differences,
            }
        )
    return {"horizon_days": days, "headline": headline}


def _check(job: _Job, building: Path) -> None:
    """Make sure that the inputs the notebook read are those that the run was to be made from."""
    used = json.loads((building / "result.json").read_text(encoding="utf-8"))["provenance"]
    told = json.loads(to_json(job.made_from))
    notebook = {"notebook": {"file": job.notebook.name, "sha256": file_digest(job.notebook)}}
    seen = {**used, **notebook}
    changed = [key for key, made in told.items() if made != seen.get(key)]
    if changed:
        raise ReportError("changed", f"changed while the report was made: {', '.join(changed)}")
