"""Makes the report of a finished sweep, beside its Parquet file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from escalation.reporting.execution import KERNEL_LOG, Progress, execute, read
from escalation.reporting.notebook import find
from escalation.reporting.page import to_html

NOTEBOOK = Path("notebooks/sweep.ipynb")


def run_sweep_report(
    path: Path, target: str = "", above: float = 0.5, *, progress: bool = True
) -> Path:
    """Run the notebook of a sweep, and return the page; whatever stops it leaves nothing.

    Parameters
    ----------
    path : Path
        `sweep.parquet`.
    target : str
        By default the sweep's first.
    above : float
        Probability from which regions are looked for.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Raises
    ------
    RunError
        If a cell fails.
    """
    import nbformat

    file = path.resolve()
    parameters = {"sweep": str(file), "target": target, "above": above}
    source = read(find(NOTEBOOK), parameters)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=file.parent))
    try:
        with Progress(file.parent.name, quiet=not progress) as bar:
            done = execute(source, parameters, {}, building, bar)
        (building / KERNEL_LOG).unlink(missing_ok=True)
        hidden = {"input_path": NOTEBOOK.name, "output_path": "report.ipynb"}
        done.metadata.papermill.update(hidden | {"environment_variables": {}, "parameters": {}})
        nbformat.write(done, building / "report.ipynb")  # type: ignore[no-untyped-call]
        page = to_html(done, f"A sweep: {file.parent.parent.name}")
        (building / "report.html").write_text(page, encoding="utf-8")
        for made in sorted(building.iterdir()):
            made.replace(file.parent / made.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return path.parent / "report.html"
