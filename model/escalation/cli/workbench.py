"""Commands about working on scenarios.

    escalation lab          JupyterLab on the workspace, with the workbench open
    escalation new CASE     a new case folder, commented, that checks and answers at once

`watch` is what `escalation check --watch` does. `add_commands` puts the commands into a parser.

>>> parser = argparse.ArgumentParser()
>>> add_commands(parser.add_subparsers())
>>> parser.parse_args(["new", "harbour"]).case
'harbour'
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import RunError
from escalation.reading.workspace import root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NOTEBOOK = Path("notebooks", "workbench.ipynb")
WORKSPACE = "ESCALATION_WORKSPACE"
OFTEN = 0.5  # seconds between two looks at the files


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command of this module to a parser's subcommands."""
    # What begins with a dash is JupyterLab's, so no option here may begin with one.
    lab = commands.add_parser(
        "lab", help="open JupyterLab with the workbench", prefix_chars="+", add_help=False
    )
    lab.add_argument("arguments", nargs=argparse.REMAINDER, help="handed to jupyter lab")
    lab.set_defaults(run=_lab)
    new = commands.add_parser("new", help="start a case folder in scenarios/")
    new.add_argument("case", metavar="CASE", help="its name: a lower-case word")
    new.add_argument("--title", default="", help="what the scenario is called")
    new.set_defaults(run=_new)


def watch(paths: Sequence[Path], check: Callable[[], int], rounds: int | None = None) -> int:
    """Check now, and again whenever a YAML or CSV file beside the paths changes.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders.
    check : callable
        Checks and prints; returns an exit code.
    rounds : int, optional
        How often to look; by default until interrupted.
    """
    seen: dict[Path, int] = {}
    code, looks = 0, 0
    while rounds is None or looks < rounds:
        now = _stamps(paths)
        if now != seen or not looks:
            seen, code = now, check()
        looks += 1
        if rounds is None or looks < rounds:
            time.sleep(OFTEN)
    return code


def _stamps(paths: Sequence[Path]) -> dict[Path, int]:
    """When each file last changed: those of a folder, and those in and above that of a file."""
    files: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files |= {each for each in path.rglob("*") if each.suffix in {".yaml", ".yml", ".csv"}}
        else:
            around = path.resolve().parent
            files |= {each for folder in (around, around.parent) for each in folder.glob("*.yaml")}
            files |= {*around.glob("*.csv"), path.resolve()}
    return {each: each.stat().st_mtime_ns for each in files if each.exists()}


def write_schema(root: Path) -> None:
    """Write the JSON Schema beside the scenarios, where their first line names it."""
    from escalation.lab.editing import SCHEMA
    from escalation.reading.scenario import json_schema

    if (root / "scenarios").is_dir():
        text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
        (root / "scenarios" / SCHEMA).write_text(text, encoding="utf-8")


def _lab(options: argparse.Namespace) -> int:
    """Become JupyterLab, with our settings after those that somebody made."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise RunError("JupyterLab is not installed: pip install 'escalation[lab]'")
    from escalation.lab.opening import RUN, SETTINGS

    root = root_of(Path.cwd())
    write_schema(root)
    opened = [str(NOTEBOOK)] if (root / NOTEBOOK).is_file() else []
    here = [f"--ServerApp.root_dir={root}"]
    command = [sys.executable, "-m", "jupyterlab", *here, *opened, *options.arguments]
    paths = [*filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")]), str(SETTINGS)]
    added = {WORKSPACE: str(root), RUN: "".join(opened)}
    added["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)
    os.chdir(root)
    sys.stdout.flush()
    os.execve(sys.executable, command, {**os.environ, **added})  # noqa: S606 (a list, no shell)


def _new(options: argparse.Namespace) -> int:
    from escalation.lab.new_case import start_case

    root = root_of(Path.cwd())
    folder = start_case(root / "scenarios", options.case, options.title)
    write_schema(root)
    print(f"wrote {folder}")
    print(f"next: escalation check {folder}; escalation assess {folder / 'baseline.yaml'}")
    return 0
