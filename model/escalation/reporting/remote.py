"""Makes reports on the workers of a Dask cluster.

    here: read, find ── files, notebook, earlier run ──▸ worker: `escalation report`, in a folder
          check, publish ◂── the run's files ────────────        of its own that goes afterwards

Workers share no disk with this machine: what a report is made from is sent, and its files come
back. They are published here, under the locks and links of this machine, and only if the worker
made them from the very same inputs (package, libraries and Python among them).
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.engine.runners import runner
from escalation.errors import EscalationError
from escalation.reporting.faults import ReportError, in_words, kind_of
from escalation.reporting.outcomes import LAST, Outcome
from escalation.reporting.provenance import relative
from escalation.reporting.report import RESULT, Job, ReportRun, check_place, there
from escalation.reporting.requests import NOTEBOOK
from escalation.reporting.shelf import intact
from escalation.reporting.summary import raised_alerts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from escalation.reporting.requests import Request

REPORTS = "reports"
GRACE = 120.0  # seconds that a worker needs to start, beyond what a report may take


@dataclass(frozen=True)
class Task:
    """One report, as a worker gets it.

    Attributes
    ----------
    options : tuple of str
        Of `escalation report`, in the unpacked folder.
    name, folder : str
        Of the scenario, and of its workspace.
    files : bytes
        A zip archive: the scenario's files, the notebook, and the run before.
    seconds : float
        After which the worker gives up.
    """

    options: tuple[str, ...]
    name: str
    folder: str
    files: bytes
    seconds: float


def make_all(requests: Sequence[Request], address: str, minutes: float) -> Iterator[Outcome]:
    """Make reports on a cluster, and yield what came of each.

    Parameters
    ----------
    requests : sequence of Request
    address : str
        Of a Dask scheduler, such as `tcp://10.0.0.5:8786`.
    minutes : float
        What one report may take at most.
    """
    jobs: list[Job] = []
    tasks: list[Task] = []
    for request in requests:
        try:
            job = Job.of(request)
            shelf = job.shelf
            with shelf.locked():
                run = there(request, shelf)
                if run is None:
                    check_place(request, shelf)
                    tasks.append(_task(job, shelf.before(), minutes))
                    jobs.append(job)
                    continue
            yield _outcome(request, run)
        except (EscalationError, OSError) as error:
            yield _failed(request, kind_of(error), in_words(error))
    yield from _sent(jobs, tasks, address)


def _sent(jobs: Sequence[Job], tasks: Sequence[Task], address: str) -> Iterator[Outcome]:
    """Have tasks done, and yield what came of each; what cannot be sent has failed."""
    waiting = dict(enumerate(jobs))
    if not tasks:
        return
    try:
        with runner(address) as run:
            for number, (last, files) in run.map(do, None, tasks):
                job = waiting.pop(number)
                try:
                    yield _published(job, last, files)
                except (EscalationError, OSError) as error:
                    yield _failed(job.request, kind_of(error), in_words(error))
    except EscalationError as error:
        for job in waiting.values():
            yield _failed(job.request, "remote", in_words(error))


def _task(job: Job, before: Path | None, minutes: float) -> Task:
    """Pack what a report is made from."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted({job.case.path, *job.case.files}):
            archive.write(path, relative(path, job.root))
        archive.write(job.notebook, NOTEBOOK.as_posix())
        if before is not None:
            for path in before.iterdir():
                archive.write(path, f"{REPORTS}/{job.case.name}/runs/{before.name}/{path.name}")
    options = [
        relative(job.case.path, job.root),
        *("--out", REPORTS, "--jobs", "1", "--timeout", f"{minutes:g}"),
        *("--as-of", str(job.case.as_of), "--draws", str(job.draws), "--seed", str(job.seed)),
        *("--format", ",".join(job.request.formats)),
    ]
    folder = job.root.name or "desk"
    return Task(tuple(options), job.case.name, folder, packed.getvalue(), minutes * 60 + GRACE)


def do(_: None, task: Task) -> tuple[dict[str, Any], bytes]:
    """Make one report, on a worker: return what came of it, and its files."""
    with tempfile.TemporaryDirectory(prefix="escalation-") as place:
        folder = Path(place) / task.folder
        with zipfile.ZipFile(io.BytesIO(task.files)) as archive:
            archive.extractall(folder)
        command = [sys.executable, "-m", "escalation", "report", *task.options]
        said = _run(command, folder, task.seconds)
        scenario = folder / REPORTS / task.name
        try:
            last = json.loads((scenario / LAST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"fault": "killed", "error": f"the worker's process left no word: {said}"}, b""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted((scenario / (last["run"] or "none")).glob("*")):
                archive.write(path, path.name)
        return last, packed.getvalue()


def _run(command: list[str], folder: Path, seconds: float) -> str:
    """Run a command in a group of its own, and return the end of what it said."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            said = process.communicate()[0]
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


def _published(job: Job, last: dict[str, Any], files: bytes) -> Outcome:
    """Put what a worker made where it belongs."""
    shelf = job.shelf
    with shelf.locked():
        building = shelf.build()
        with zipfile.ZipFile(io.BytesIO(files or _empty())) as archive:
            archive.extractall(building)
        if last["fault"]:
            kept = shelf.keep_failed(building)
            error = f"{last['error']}; here: {kept}"
            return _failed(job.request, last["fault"], error)
        manifest = intact(building, job.key)
        if manifest is None:
            shelf.keep_failed(building)
            said = "the worker made it from other inputs: package, libraries or Python differ there"
            raise ReportError("remote", said)
        result = json.loads((building / RESULT).read_text(encoding="utf-8"))
        run = shelf.publish(building)
        shelf.forget_failed()
    alerts = raised_alerts(manifest, result)
    place = Path(shelf.place)
    return _outcome(
        job.request, ReportRun(place, fresh=True, manifest=manifest, run=run, alerts=alerts)
    )


def _empty() -> bytes:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    return empty.getvalue()


def _outcome(request: Request, run: ReportRun) -> Outcome:
    return Outcome(
        request.name,
        request.file,
        "made" if run.fresh else "unchanged",
        run.manifest["as_of"],
        f"runs/{run.run}",
        alerts=run.alerts,
        warning=run.warning,
        title=run.manifest.get("summary", {}).get("title", ""),
        seconds=run.manifest["seconds"]["total"] if run.fresh else 0.0,
    )


def _failed(request: Request, fault: str, error: str) -> Outcome:
    return Outcome(request.name, request.file, "failed", fault=fault, error=error)
