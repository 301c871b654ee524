r"""The ledger of finished runs: a chain in which no past entry can be changed unseen.

A manifest holds the digest of every file of its run. The ledger holds the digest of every
manifest, each entry chained to the one before it:

    chain_i = SHA-256(chain_{i-1} "\n" run_i "\n" manifest_i),    chain_0 = SHA-256("")

So a run that was edited together with its manifest no longer fits its entry; an entry that was
edited no longer fits those after it; and whoever rewrites the whole ledger gets another last
value, the **head**. Keep heads where the ledger is not (a commit, a mail): `escalation archive
--head` says whether the chain still goes through one of them. (Haber & Stornetta 1991, How to
time-stamp a digital document.)

    {"run": "venezuela-baseline/runs/2025-11-22-3f9c0a51d2e4", "manifest": "…", "chain": "…"}

>>> from dataclasses import replace
>>> one = chained([], "case/runs/2025-11-22-3f9c0a51d2e4", "ab" * 32)
>>> two = chained([one], "case/runs/2025-11-23-0a51d2e43f9c", "cd" * 32)
>>> broken([one, two]), broken([replace(one, manifest="ef" * 32), two])
(None, 0)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, Problem
from escalation.reporting.disk import write_whole
from escalation.reporting.provenance import digest, file_digest
from escalation.reporting.shelf import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from escalation.reporting.runs import Run

FILE = "ledger.jsonl"
LOCK = ".index.lock"  # of what stands beside it, too
START = digest(b"")
WRONG = "is no entry of the ledger; restore the file, or move it away to begin a new chain"


@dataclass(frozen=True)
class Entry:
    """A run in the ledger.

    Attributes
    ----------
    run : str
        Its folder, from the folder of all reports.
    manifest : str
        SHA-256 of its manifest.
    chain : str
        SHA-256 of the chain up to here.
    """

    run: str
    manifest: str
    chain: str


def _link(before: str, run: str, manifest: str) -> str:
    return digest(f"{before}\n{run}\n{manifest}".encode())


def chained(entries: Sequence[Entry], run: str, manifest: str) -> Entry:
    """Return the entry of a run that follows these."""
    return Entry(run, manifest, _link(entries[-1].chain if entries else START, run, manifest))


def broken(entries: Sequence[Entry]) -> int | None:
    """Return the first entry that does not follow from those before it; None if all do."""
    before = START
    for number, each in enumerate(entries):
        if each.chain != _link(before, each.run, each.manifest):
            return number
        before = each.chain
    return None


def read(out: Path) -> list[Entry]:
    """Read the ledger of a folder of reports; empty if there is none yet.

    Raises
    ------
    InvalidInputError
        If a line is no entry.
    """
    path = out / FILE
    if not path.exists():
        return []
    entries = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(Entry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            problem = Problem(path, number, 1, "", WRONG)
            raise InvalidInputError([problem]) from error
    return entries


def enter(out: Path, runs: Sequence[Run]) -> list[Entry]:
    """Enter the finished runs that the ledger does not have, and return all entries.

    The caller holds a lock. A run whose numbers do not stand any more is not entered.
    """
    entries = read(out)
    there = {each.run for each in entries}
    fresh = [each for each in runs if each.counts and _name(out, each) not in there]
    for each in sorted(fresh, key=lambda run: (run.made, run.folder)):
        manifest = file_digest(each.folder / MANIFEST)
        entries.append(chained(entries, _name(out, each), manifest))
    if fresh:
        lines = (json.dumps(asdict(each)) + "\n" for each in entries)
        write_whole(out / FILE, "".join(lines))
    return entries


def _name(out: Path, run: Run) -> str:
    return run.folder.relative_to(out).as_posix()
