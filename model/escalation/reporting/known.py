"""What was asked before and what came of it, so that asking again takes milliseconds.

To know that a report is there already, its scenario has to be read and checked, which takes
longer than all else. But a scenario is read from files, and if every file has the bytes it had
when the same was asked before, then so has the answer. So each scenario's folder remembers

    .known.json    what was asked → digests of all files read, and the run that they made

This is a memory and no record: without it the scenario is read again. It says only that a run
has these inputs, never that it is whole: `shelf.intact` sees to that each time.

>>> asked(Path("scenarios/a/b.yaml"), as_of="", draws=8, seed=1) == asked(
...     Path("scenarios/a/b.yaml"), as_of="2030-01-01", draws=8, seed=1
... )
False
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.reporting.disk import write_whole
from escalation.reporting.provenance import digest, file_digest, inputs_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MEMORY = ".known.json"
KEPT = 40  # questions for each scenario; one of `--as-of today` is new every day


def asked(file: Path, *, as_of: str, draws: int | None, seed: int | None) -> str:
    """Return what stands for a question.

    Parameters
    ----------
    file : Path
        The scenario, from the workspace.
    as_of : str
        ISO date; empty: the scenario's own.
    draws, seed : int, optional
    """
    return inputs_digest({"file": file.as_posix(), "as_of": as_of, "draws": draws, "seed": seed})


def recall(folder: Path, question: str, root: Path, made_with: str) -> dict[str, str] | None:
    """Return the `as_of` and `key` of the run that answers a question; None if that is not known.

    Parameters
    ----------
    folder : Path
        Of the scenario's reports.
    question : str
        As `asked` returns it.
    root : Path
        The workspace.
    made_with : str
        Digest of what every run of now is made with: notebook, package, libraries.
    """
    answer = _read(folder).get(question)
    try:
        if answer is None or answer["made_with"] != made_with:
            return None
        same = all(file_digest(root / name) == sha for name, sha in answer["files"].items())
    except (OSError, KeyError, TypeError, AttributeError):
        return None
    return {"as_of": answer["as_of"], "key": answer["key"]} if same else None


def remember(folder: Path, question: str, answer: Mapping[str, object]) -> None:
    """Keep the answer to a question, and forget the oldest ones.

    Parameters
    ----------
    folder : Path
    question : str
    answer : Mapping
        `as_of`, `key`, `made_with`, and `files`, as `digests` returns them.
    """
    known = _read(folder)
    known.pop(question, None)
    kept = dict([*known.items()][-(KEPT - 1) :]) | {question: dict(answer)}
    write_whole(folder / MEMORY, json.dumps(kept))


def digests(files: Iterable[Path], root: Path, begun: float) -> dict[str, str] | None:
    """Return the digest of each file by its path from the workspace.

    None if one of them was written after reading began, so that it may not be what was read, or
    stands outside the workspace.

    Parameters
    ----------
    files : iterable of Path
    root : Path
    begun : float
        When reading began, by the clock of the files' times.
    """
    found = {}
    for each in files:
        data = each.read_bytes()
        if each.stat().st_mtime >= begun or not each.is_relative_to(root):
            return None
        found[each.relative_to(root).as_posix()] = digest(data)
    return found


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
