"""Two things that writers of shared files need: a lock, and a file replaced in one step.

A lock is a file that a process holds (flock): it ends with its process, so that nothing stays
locked after a kill. A reader of a file that is written whole sees the old or the new one, never a
part: it is written beside, with a name of its own, and renamed.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as place:
...     write_whole(Path(place, "page.html"), "all of it")
...     Path(place, "page.html").read_text(), len(list(Path(place).iterdir()))
('all of it', 1)
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

try:
    import fcntl
except ImportError:  # no such locks on Windows: two writers at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PART = re.compile(r"\..+\.[a-z]+-[a-z0-9_]{8}")  # what a file is called while it is written
_DEAD_SECONDS = 3600  # nobody takes so long to write a file
_AGAIN = 0.05  # seconds until a lock is tried again


@contextmanager
def lock(path: Path, *, seconds: float | None = None) -> Iterator[None]:
    """Keep out every other process that takes the same lock, and wait for one that has it.

    Parameters
    ----------
    path : Path
        Of the lock file; it is made, and stays.
    seconds : float, optional
        How long to wait at most; by default until the other one ends.

    Raises
    ------
    OSError
        If the file cannot be written; a BlockingIOError if another one has it for so long.
    """
    with path.open("w") as file:
        if fcntl is not None:
            _take(file, seconds)
        try:
            yield
        finally:
            if fcntl is not None:  # a fork may have the file open for longer
                fcntl.flock(file, fcntl.LOCK_UN)


def _take(file: TextIO, seconds: float | None) -> None:
    if seconds is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_AGAIN)
        else:
            return


def write_whole(path: Path, text: str, *, when: int | None = None) -> None:
    """Replace a file in one step; what is no text (a file's name may be none) is escaped.

    Parameters
    ----------
    path : Path
    text : str
    when : int, optional
        Time of the file in nanoseconds; by default that of writing.

    Raises
    ------
    OSError
        If it cannot be written; the old file is still there.
    """
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with fresh.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        if when is not None:
            os.utime(fresh, ns=(when, when))
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def hidden(folder: Path) -> list[str]:
    """Return the names in a folder that begin with a dot; none if there is no such folder."""
    try:
        return [name for name in os.listdir(folder) if name[0] == "."]  # noqa: PTH208 (in no time)
    except OSError:
        return []


def sweep_parts(folder: Path) -> None:
    """Remove what `write_whole` left in a folder when it was killed, once nobody can be at it."""
    for path in (folder / name for name in hidden(folder) if _PART.fullmatch(name)):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _DEAD_SECONDS:
                path.unlink()
