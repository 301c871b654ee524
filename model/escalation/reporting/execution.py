"""Runs a notebook with papermill, in a kernel of this very Python.

papermill is kept strict: the notebook has exactly one cell of parameters, which knows every
parameter that is passed; the kernel is the interpreter that runs this, whatever kernels are
installed (`escalation.reporting.kernels`); the notebook is written once, at the end, or when
it fails, with the error on top.
"""

from __future__ import annotations

import ast
import importlib
import shutil
import sys
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from escalation.errors import EscalationError, ImpossibleEvidenceError
from escalation.reporting import kernels
from escalation.reporting.faults import FAULTS, ReportError, Stopped, in_words, kind_of
from escalation.reporting.shelf import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from nbformat import NotebookNode

    from escalation.reporting.kernels import Stub
    from escalation.reporting.progress import Progress

EXECUTED = "report.ipynb"
CELL_SECONDS = 3600
START_SECONDS = 120
# What papermill looks for when it is imported, and no report needs: grammars for formats that no
# notebook uses (python-jsonschema/jsonschema#1428), and writers to other places. They take seconds,
# and threads that may not be there when a process forks.
_NEEDLESS = ("rfc3987_syntax", "boto3", "pyarrow", "gcsfs", "azure", "github")


def read(path: Path, parameters: Mapping[str, object]) -> NotebookNode:
    """Return a notebook that can be run with these parameters.

    Raises
    ------
    ReportError
        If it is no notebook, has not exactly one cell of parameters, or that cell does not
        know one of them.
    """
    import nbformat

    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ReportError(
            "notebook", f"{path}: no notebook can be read from it ({error})"
        ) from error
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ReportError(
            "notebook", f"{path}: exactly one cell must have the tag 'parameters', not {len(cells)}"
        )
    known = _assigned(cells[0].source)
    for name in parameters:
        if name not in known:
            there = ", ".join(sorted(known))
            raise ReportError(
                "notebook", f"{path}: its cell of parameters has no '{name}' (it has {there})"
            )
    return notebook


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns."""
    try:
        nodes = ast.walk(ast.parse(source))
    except SyntaxError as error:
        raise ReportError("notebook", f"the cell of parameters cannot be read: {error}") from error
    stores = (node for node in nodes if isinstance(node, ast.Name))
    return {node.id for node in stores if isinstance(node.ctx, ast.Store)}


def execute(
    notebook: NotebookNode,
    parameters: Mapping[str, object],
    environment: Mapping[str, str],
    folder: Path,
    progress: Progress,
    stub: Stub | None = None,
) -> NotebookNode:
    """Return the executed notebook, and write it as `report.ipynb`.

    Parameters
    ----------
    notebook : NotebookNode
    parameters : Mapping
    environment : Mapping
        Variables for the kernel, besides those of this process.
    folder : Path
        Where the kernel runs and the notebook is written, also if it fails.
    progress : Progress
    stub : Stub, optional
        A forked process that becomes the kernel; by default a new one does.

    Raises
    ------
    ImpossibleEvidenceError, ReportError
        If a cell fails, takes too long, or the kernel dies. What was run of the notebook is
        there, with the error on top.
    """
    papermill = import_papermill()
    path = str(folder / EXECUTED).replace("{", "{{").replace("}", "}}")  # it is formatted
    done: list[NotebookNode] = []

    def count(cell: NotebookNode, **_: object) -> None:
        done.append(cell)
        progress.cell(len(notebook.cells))

    try:
        with _told(papermill.PapermillExecutionError):
            ready: NotebookNode = papermill.execute_notebook(
                notebook,
                path,
                parameters=dict(parameters),
                progress_bar=False,
                request_save_on_cell_execute=False,
                autosave_cell_every=0,
                start_timeout=START_SECONDS,
                execution_timeout=CELL_SECONDS,
                kernel_manager_class=kernels.manager(environment, folder, stub),
                resources={"metadata": {"path": str(folder)}},
                stdout_file=progress,
                on_cell_complete=count,
            )
    except (EscalationError, OSError, KeyboardInterrupt, Stopped) as error:
        keep_unfinished(notebook, done, folder, kind_of(error), in_words(error))
        raise
    finally:
        shutil.rmtree(folder / PRIVATE, ignore_errors=True)
    (folder / kernels.LOG).unlink(missing_ok=True)
    return ready


def keep_unfinished(
    notebook: NotebookNode, done: list[NotebookNode], folder: Path, fault: str, words: str
) -> None:
    """Write what was run of a notebook that was not finished, with the error on top.

    Parameters
    ----------
    notebook : NotebookNode
        As it was to be run.
    done : list of NotebookNode
        Cells that were run.
    folder : Path
    fault, words : str
        Kind of failure, and what was wrong.
    """
    import nbformat
    from nbformat.v4 import new_markdown_cell

    try:
        partial = nbformat.read(folder / EXECUTED, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError):  # papermill writes it only if a cell fails
        ran = {cell.id: cell for cell in done}
        partial = copy(notebook)
        partial.cells = [ran.get(cell.id, cell) for cell in notebook.cells]
    said = f"**This report was not made.** {words}\n\n{FAULTS[fault].advice}"
    partial.cells.insert(0, new_markdown_cell(said))  # type: ignore[no-untyped-call]
    try:
        nbformat.write(partial, folder / EXECUTED)  # type: ignore[no-untyped-call]
    except OSError:  # no space left: the error itself matters more
        (folder / EXECUTED).unlink(missing_ok=True)


@contextmanager
def _told(failed: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong in a kernel into the package's own errors."""
    from nbclient.exceptions import CellTimeoutError

    try:
        yield
    except failed as error:
        raise _of_cell(error) from error
    except CellTimeoutError as error:
        raise ReportError(
            "overtime", f"a cell took longer than {CELL_SECONDS / 60:g} minutes"
        ) from error
    except (RuntimeError, TimeoutError) as error:  # a dead kernel, or one that never started
        if isinstance(error, EscalationError):
            raise
        raise ReportError("kernel", f"the notebook's kernel: {in_words(error)}") from error


def _of_cell(error: Any) -> EscalationError:  # noqa: ANN401 (papermill has no types)
    """Return what a failed cell means."""
    name, message = getattr(error, "ename", ""), getattr(error, "evalue", "")
    if name == ImpossibleEvidenceError.__name__:
        return ImpossibleEvidenceError(message)
    place = f"cell {getattr(error, 'exec_count', '')} of the notebook: {name}: {message}"
    number = message.removeprefix("[Errno ").partition("]")[0]
    if message.startswith("[Errno ") and number.isdigit():
        kind = kind_of(OSError(int(number), message))
        if kind == "disk":
            return ReportError(kind, place)
    return ReportError("notebook", place)


def import_papermill() -> ModuleType:
    """Import papermill without what it can do without."""
    return import_without("papermill", _NEEDLESS)


def import_without(module: str, needless: Sequence[str]) -> ModuleType:
    """Import a module as if others, which it asks for but can do without, were not installed."""
    absent = [name for name in needless if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        return importlib.import_module(module)
    finally:
        for name in absent:
            del sys.modules[name]
