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
from escalation.errors import EscalationError, RunError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.execution import KERNEL_LOG, Progress, execute, read
from escalation.reporting.notebook import OUT, WORKSPACE, find
from escalation.reporting.page import to_html
from escalation.reporting.provenance import file_digest, inputs_digest, relative
from escalation.reporting.record import to_json
from escalation.reporting.shelf import COMPLETE, MANIFEST, Shelf, outputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from escalation.reading.case import Scenario

NOTEBOOK = Path("notebooks/compare_scenarios.ipynb")
FOLDER = "compare"
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
    """

    folder: Path
    fresh: bool
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class _Job:
    """What a run is made from."""

    name: str
    cases: Sequence[Scenario]
    notebook: Path
    parameters: Mapping[str, object]
    made_from: Mapping[str, object]

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
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Raises
    ------
    EscalationError
        If a scenario cannot be used, or the report cannot be made.
    """
    cases = [load(path, as_of=as_of) for path in paths]
    if not cases:
        raise RunError("no scenario to compare")
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
    job = _Job(name or _name(cases), cases, notebook, parameters, made_from)
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
        if manifest is not None:
            return ComparisonRun(place / when, fresh=False, manifest=manifest)
        with Progress(f"{job.name} {when}", quiet=quiet) as bar:
            return ComparisonRun(place / when, fresh=True, manifest=_make(job, shelf, bar))


def _make(job: _Job, shelf: Shelf, bar: Progress) -> dict[str, Any]:
    """Build a run aside, and publish it or keep its remains."""
    building = shelf.build()
    begun, clock = datetime.now(UTC), time.monotonic()
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "failed",
        "comparison": [case.name for case in job.cases],
        "as_of": shelf.as_of,
        "inputs_digest": shelf.key,
        "inputs": dict(job.made_from),
        "started": begun.isoformat(timespec="seconds"),
    }
    try:
        _fill(job, building, bar)
    except (EscalationError, OSError, KeyboardInterrupt) as error:
        manifest["error"] = str(error) or type(error).__name__
        (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
        kept = shelf.keep_failed(building)
        if isinstance(error, KeyboardInterrupt):
            raise
        told = type(error) if isinstance(error, EscalationError) else RunError
        raise told(f"{job.name}: {manifest['error']} (what there is of it: {kept})") from error
    manifest |= {
        "status": COMPLETE,
        "seconds": {"total": round(time.monotonic() - clock, 3)},
        "outputs": outputs(building),
    }
    (building / MANIFEST).write_text(to_json(manifest), encoding="utf-8")
    shelf.publish(building)
    shelf.forget_failed()
    return manifest


def _fill(job: _Job, building: Path, bar: Progress) -> None:
    """Write every file of a run but its manifest."""
    import nbformat

    source = read(job.notebook, job.parameters)
    bar.step("starting")
    environment = {WORKSPACE: str(job.root), OUT: str(building)}
    done = execute(source, job.parameters, environment, building, bar)
    (building / KERNEL_LOG).unlink(missing_ok=True)
    done.metadata.papermill.update(
        {"input_path": job.notebook.name, "output_path": "report.ipynb"}
        | {"environment_variables": {}}
    )
    nbformat.write(done, building / "report.ipynb")  # type: ignore[no-untyped-call]
    title = f"{len(job.cases)} scenarios side by side: {job.name}"
    (building / "report.html").write_text(to_html(done, title), encoding="utf-8")
    _check(job, building)


def _check(job: _Job, building: Path) -> None:
    """Make sure that the inputs the notebook read are those that the run was to be made from."""
    used = json.loads((building / "result.json").read_text(encoding="utf-8"))["provenance"]
    told = json.loads(to_json(job.made_from))
    notebook = {"notebook": {"file": job.notebook.name, "sha256": file_digest(job.notebook)}}
    seen = {**used, **notebook}
    changed = [key for key, made in told.items() if made != seen.get(key)]
    if changed:
        raise RunError(
            f"changed while the report was made: {', '.join(changed)}; run the command again"
        )
