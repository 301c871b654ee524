"""Makes the report of a finished sweep, beside its Parquet file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.reporting.execution import execute, read
from escalation.reporting.notebook import find
from escalation.reporting.page import to_html
from escalation.reporting.pdf import print_page
from escalation.reporting.progress import bar

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTEBOOK = Path("notebooks/sweep.ipynb")


def run_sweep_report(
    path: Path,
    target: str = "",
    above: float = 0.5,
    *,
    formats: Sequence[str] = ("html",),
    progress: bool = True,
) -> tuple[Path, str]:
    """Run the notebook of a sweep; whatever stops it leaves nothing.

    Parameters
    ----------
    path : Path
        `sweep.parquet`.
    target : str
        By default the sweep's first.
    above : float
        Probability from which regions are looked for.
    formats : sequence of str
        "pdf" asks for `report.pdf` too.
    progress : bool
        Show a bar on standard error, if that is a terminal.

    Returns
    -------
    page : Path
    warning : str
        Why there is no PDF though one was asked for; empty otherwise.

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
        with bar(file.parent.name, quiet=not progress) as shown:
            done = execute(source, parameters, {}, building, shown)
        hidden = {"input_path": NOTEBOOK.name, "output_path": "report.ipynb"}
        done.metadata.papermill.update(hidden | {"environment_variables": {}, "parameters": {}})
        nbformat.write(done, building / "report.ipynb")  # type: ignore[no-untyped-call]
        page = to_html(done, f"A sweep: {file.parent.parent.name}")
        (building / "report.html").write_text(page, encoding="utf-8")
        warning = print_page(building / "report.html") if "pdf" in formats else ""
        for made in sorted(building.iterdir()):
            made.replace(file.parent / made.name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return path.parent / "report.html", warning
