"""Runs a notebook with papermill, in a kernel of this very Python.

papermill is kept strict: the notebook has exactly one cell of parameters, which knows every
parameter that is passed; the kernel is the interpreter that runs this, whatever kernels are
installed; its channels are encrypted where they can be; the notebook is written once, at the
end, or when it fails.
"""

from __future__ import annotations

import ast
import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

from escalation.errors import ImpossibleEvidenceError, RunError
from escalation.reporting.notebook import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from nbformat import NotebookNode

KERNEL_LOG = "kernel.log"  # what the kernel itself, not a cell, has to say
CELL_SECONDS = 3600
START_SECONDS = 120
_ASSESSING = 80  # per cent of a run's time


def read(path: Path, parameters: Mapping[str, object]) -> NotebookNode:
    """Return a notebook that can be run with these parameters.

    Raises
    ------
    RunError
        If it is no notebook, has not exactly one cell of parameters, or that cell does not
        know one of them.
    """
    import nbformat

    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise RunError(f"{path}: no notebook can be read from it ({error})") from error
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise RunError(f"{path}: exactly one cell must have the tag 'parameters', not {len(cells)}")
    known = _assigned(cells[0].source)
    for name in parameters:
        if name not in known:
            there = ", ".join(sorted(known))
            raise RunError(f"{path}: its cell of parameters has no '{name}' (it has {there})")
    return notebook


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns."""
    try:
        nodes = ast.walk(ast.parse(source))
    except SyntaxError as error:
        raise RunError(f"the cell of parameters cannot be read: {error}") from error
    stores = (node for node in nodes if isinstance(node, ast.Name))
    return {node.id for node in stores if isinstance(node.ctx, ast.Store)}


def execute(
    notebook: NotebookNode,
    parameters: Mapping[str, object],
    environment: Mapping[str, str],
    folder: Path,
    progress: Progress,
) -> NotebookNode:
    """Return the executed notebook, and write it as `report.ipynb`.

    Parameters
    ----------
    notebook : NotebookNode
    parameters : Mapping
    environment : Mapping
        Variables for the kernel, besides those of this process.
    folder : Path
        Where the kernel runs and the notebook is written, also if a cell fails.
    progress : Progress

    Raises
    ------
    ImpossibleEvidenceError, RunError
        If a cell fails, takes too long, or the kernel dies.
    """
    papermill = _papermill()
    path = str(folder / "report.ipynb").replace("{", "{{").replace("}", "}}")  # it is formatted
    with _told(papermill.PapermillExecutionError):
        done: NotebookNode = papermill.execute_notebook(
            notebook,
            path,
            parameters=dict(parameters),
            progress_bar=False,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            start_timeout=START_SECONDS,
            execution_timeout=CELL_SECONDS,
            kernel_manager_class=_kernel_manager(environment, folder / KERNEL_LOG),
            resources={"metadata": {"path": str(folder)}},
            stdout_file=progress,
            on_cell_complete=lambda **_: progress.cell(len(notebook.cells)),
        )
    return done


@contextmanager
def _told(failed: type[Exception]) -> Iterator[None]:
    """Turn what can go wrong in a kernel into the package's own errors."""
    try:
        yield
    except failed as error:
        name, message = getattr(error, "ename", ""), getattr(error, "evalue", "")
        if name == ImpossibleEvidenceError.__name__:
            raise ImpossibleEvidenceError(message) from error
        place = f"cell {getattr(error, 'exec_count', '')} of the notebook"
        raise RunError(f"{place}: {name}: {message}") from error
    except (RuntimeError, TimeoutError) as error:  # a dead kernel, or one that never started
        raise RunError(f"the notebook's kernel: {str(error) or type(error).__name__}") from error


def _papermill() -> ModuleType:
    """Import papermill, without two seconds of grammars where JupyterLab is installed.

    jsonschema looks for `rfc3987_syntax`, which compiles grammars when it is imported, to check
    formats that no notebook uses (python-jsonschema/jsonschema#1428).
    """
    absent = "rfc3987_syntax" not in sys.modules
    if absent:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        papermill = importlib.import_module("papermill")
    finally:
        if absent:
            del sys.modules["rfc3987_syntax"]
    return papermill


def _kernel_manager(environment: Mapping[str, str], log: Path) -> type:
    """Return a manager of kernels of this Python, with these variables and a log of their own."""
    import zmq
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import default

    class ReportKernelManager(AsyncKernelManager):
        """Asynchronous: a synchronous manager would silently switch timeouts off."""

        @default("transport_encryption")
        def _encrypt_if_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

        async def start_kernel(self, **options: object) -> None:  # type: ignore[override]
            with log.open("w") as stderr:
                await super().start_kernel(**options, stderr=stderr)

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(
                argv=[*command, "--HistoryManager.enabled=False"],
                display_name="Python 3",
                language="python",
                metadata={"supported_encryption": "curve"},
                env=dict(environment),
            )

    return ReportKernelManager


class Progress:
    """A bar on standard error, if that is a terminal: how much of a run is done.

    It is handed to papermill as the file of the kernel's output, where the notebook prints how
    far the assessment is.
    """

    def __init__(self, label: str, *, stream: TextIO | None = None, quiet: bool = False) -> None:
        from tqdm import tqdm

        shown = stream or sys.stderr
        self._cells = 0
        self._bar = tqdm(
            total=100,
            desc=label,
            file=shown,
            disable=quiet or not shown.isatty(),
            leave=False,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}{postfix}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def write(self, output: str) -> None:
        """Take what the kernel printed."""
        for word in output.split(PROGRESS)[1:]:
            share = word.strip().partition("%")[0]
            if share.isdigit():
                self._to(_ASSESSING * int(share) / 100, "assessing")

    def flush(self) -> None:
        """Do nothing: a file can be flushed."""

    def cell(self, total: int) -> None:
        """Count a cell as done."""
        self._cells += 1
        if self._bar.n >= _ASSESSING:
            share = self._cells / total
            self._to(_ASSESSING + share * (99 - _ASSESSING), "drawing")

    def step(self, name: str) -> None:
        """Name what is being done."""
        self._bar.set_postfix_str(name)

    def _to(self, share: float, name: str) -> None:
        self._bar.set_postfix_str(name, refresh=False)
        self._bar.update(max(0.0, share - self._bar.n))
