"""Workspaces with the tiny case, notebooks of few cells, and ways to wait for processes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

T = TypeVar("T")
DRAWS = 96
BASELINE = "scenarios/tiny/baseline.yaml"
RUN = "from escalation.reporting import notebook\n"
ASSESS = "run = notebook.begin(scenario, as_of=as_of, draws=draws, seed=seed)\nnotebook.save(run)"
PARAMETERS = 'scenario = ""\nas_of = ""\ndraws = 96\nseed = 1\nout = ""'


def desk_in(folder: Path, workspace: Path) -> Path:
    """Make a workspace with the tiny case and the report notebook."""
    shutil.copytree(workspace / "tests/data/tiny", folder / "scenarios/tiny")
    shutil.copytree(workspace / "notebooks", folder / "notebooks")
    return folder


def small(desk: Path, *cells: str, parameters: str = PARAMETERS, name: str = "small.ipynb") -> Path:
    """Write a notebook of few cells, which is quicker than the report's."""
    first = new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="parameters")  # type: ignore[no-untyped-call]
    rest = [
        new_code_cell(cell, id=f"cell-{index}")  # type: ignore[no-untyped-call]
        for index, cell in enumerate(cells)
    ]
    path = desk / "notebooks" / name
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    notebook = new_notebook(cells=[first, *rest], metadata=kernel)  # type: ignore[no-untyped-call]
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def wait_for(condition: Callable[[], T], seconds: float = 240) -> T:
    """Return what the condition returns as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def alive(process: int) -> bool:
    """Whether a process runs, and is not merely waiting to be buried."""
    try:
        os.kill(process, 0)
        return not Path(f"/proc/{process}/stat").read_text().split(") ")[1].startswith("Z")
    except (ProcessLookupError, FileNotFoundError):
        return False
