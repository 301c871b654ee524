"""What a run was made from: digests of every input, versions, and the state of the repository.

Two runs with equal `inputs` say the same thing, so the second need not be made. The reports
count as they were known on the as-of day: a row added later for a later day changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from escalation import __version__
from escalation.reading.workspace import root_of
from escalation.reporting.environment import installed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from escalation.reading.case import Observation, Scenario

LIBRARIES = ("numpy", "scipy", "matplotlib", "papermill", "nbconvert")
GIT_SECONDS = 20


def digest(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inputs(scenario: Scenario, as_of: date, draws: int, seed: int) -> dict[str, object]:
    """Return everything that decides what a report says, by digest or by value."""
    rows = {each.location.path for each in scenario.observations}
    root = root_of(scenario.path.parent)
    return {
        "parameters": {"as_of": str(as_of), "draws": draws, "seed": seed},
        "files": {
            relative(path, root): file_digest(path) for path in scenario.files if path not in rows
        },
        "observations": {
            "files": sorted(relative(path, root) for path in rows),
            "known": sum(each.known(as_of) for each in scenario.observations),
            "sha256": _observations_digest(scenario, as_of),
        },
        **made_with(),
    }


def made_with() -> dict[str, object]:
    """Return what is the same for every run of this installation."""
    return {
        "package": {"version": __version__, "sha256": package_digest()},
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
        "environment": environment_digest(),
    }


def inputs_digest(data: object) -> str:
    """SHA-256 of plain data, whatever the order of its keys."""
    return digest(json.dumps(data, sort_keys=True, ensure_ascii=True).encode())


def relative(path: Path, root: Path) -> str:
    """Return a path as it is written from the workspace, so that no machine's folders show."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _observations_digest(scenario: Scenario, as_of: date) -> str:
    known = (each for each in scenario.observations if each.known(as_of))
    return inputs_digest([_row(scenario, each) for each in known])


def _row(scenario: Scenario, each: Observation) -> dict[str, str]:
    """Return a report as it was known: not where its row stands, nor a later retraction."""
    row = {key: str(value) for key, value in asdict(each).items()}
    del row["location"], row["retracted_on"]
    if each.probability is not None:
        row["probability"] = scenario.assumptions[each.probability].text
    return row


def package_digest() -> str:
    """SHA-256 over the names and contents of the package's files."""
    folder = Path(__file__).parents[1]
    parts = hashlib.sha256()
    for path in _sources(folder):
        parts.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    return parts.hexdigest()


def environment_digest() -> dict[str, object]:
    """Return how many distributions the package rests on, and the SHA-256 of their versions."""
    found = installed("escalation")
    return {"packages": len(found), "sha256": inputs_digest(found)}


def _sources(folder: Path) -> Iterable[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if "__pycache__" not in path.parts)


def git_state(folder: Path) -> dict[str, object] | None:
    """Return the commit of the repository a folder is in, and whether tracked files differ.

    Returns
    -------
    dict or None
        None without git, or outside a repository, or before its first commit.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "modified": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
