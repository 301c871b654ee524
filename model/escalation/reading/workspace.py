"""Which folder is the workspace that files may not leave, and what a scenario is called.

This module imports nothing slow, so that asking where a file stands takes no time.

>>> root_of(Path("/nowhere/desk/scenarios/case"))
PosixPath('/nowhere/desk/scenarios/case')
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILES = 10_000
_LOOKED_AT = 1_000_000  # bytes of a file; a longer one is no scenario (`documents.MAX_YAML_BYTES`)
_AT_TOP = re.compile(rb"^(extends|latent|ladder)[ \t]*:", re.MULTILINE)
_SHARED = re.compile(
    rb"^(indicators|admiralty|echo_correlation|reference_classes|classes|rules|reached|horizons)"
    rb"[ \t]*:",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"^[ \t]*#.*$", re.MULTILINE)
_ANYWHERE = re.compile(rb"(extends|latent|ladder)[\"']?[ \t\r\n]*:|\\")


def root_of(folder: Path) -> Path:
    """Return the nearest folder, at or above an absolute one, with a folder `scenarios` in it.

    The folder itself if there is none.
    """
    holding = (each for each in (folder, *folder.parents) if (each / "scenarios").is_dir())
    return next(holding, folder)


def name_of(path: Path) -> str:
    """Return the folder and file stem, fit for a file name."""
    name = re.sub(r"[^\w.-]+", "_", f"{path.parent.name}-{path.stem}").strip(".-")
    return name or "scenario"


def yaml_files(folder: Path) -> Iterator[Path]:
    """Yield the YAML files below a folder, sorted.

    Hidden folders, symbolic links, and what is no regular file (a pipe) are left aside.

    Raises
    ------
    InvalidInputError
        If there are too many files.
    """
    count = 0
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(files):
            count += 1
            if count > MAX_FILES:
                message = f"more than {MAX_FILES:,} files; name a folder with fewer"
                raise InvalidInputError([Problem(folder, 1, 1, "", message)])
            path = Path(here, name)
            if path.suffix.lower() not in {".yaml", ".yml"} or path.is_symlink():
                continue
            if path.is_file():
                yield path


def at_first_sight(path: Path) -> bool | None:
    """Whether a YAML file is a scenario, by its text alone; None if that does not tell.

    A scenario has `extends`, `latent` or `ladder` at the top, and at the beginning of a line these
    stand nowhere else. What begins a line with a key of another kind of file, and has those words
    nowhere before a colon, is none. Reading the YAML, to be sure, takes a hundred times as long.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LOOKED_AT)
    except OSError:
        return None
    if _AT_TOP.search(text):
        return True
    if _SHARED.search(text) and not _ANYWHERE.search(_COMMENT.sub(b"", text)):
        return False
    return None
