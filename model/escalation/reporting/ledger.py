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

A run that was lost or edited can be **acknowledged**: another entry of it says so, in the chain
like any other (`ACKNOWLEDGED` in place of the digest). The last entry of a run counts.

>>> from dataclasses import replace
>>> one = chained([], "case/runs/2025-11-22-3f9c0a51d2e4", "ab" * 32)
>>> two = chained([one], "case/runs/2025-11-23-0a51d2e43f9c", "cd" * 32)
>>> broken([one, two]), broken([replace(one, manifest="ef" * 32), two])
(None, 0)
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from escalation.errors import InvalidInputError, Problem
from escalation.reporting.disk import write_whole
from escalation.reporting.provenance import digest, file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

FILE = "ledger.jsonl"
LOCK = ".index.lock"  # of what stands beside it, too
MANIFEST = "manifest.json"
START = digest(b"")
ACKNOWLEDGED = "acknowledged"
KNOWN = "it was acknowledged as lost or edited"
EDITED = f"{MANIFEST} is not as it was entered into the ledger"
WRONG = "is no entry of the ledger; restore the file, or move it away to begin a new chain"


@dataclass(frozen=True)
class Entry:
    """A run in the ledger.

    Attributes
    ----------
    run : str
        Its folder, from the folder of all reports.
    manifest : str
        SHA-256 of its manifest, or `ACKNOWLEDGED`: it counts no more.
    chain : str
        SHA-256 of the chain up to here.
    """

    run: str
    manifest: str
    chain: str


class Listed(Protocol):
    """A run as a list of runs has it (`escalation.reporting.runs`)."""

    @property
    def folder(self) -> Path:
        """Where it stands."""

    @property
    def made(self) -> str:
        """When it began."""

    @property
    def counts(self) -> bool:
        """Whether its numbers stand."""


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


def enter(out: Path, runs: Sequence[Listed]) -> list[Entry]:
    """Enter the finished runs that the ledger does not have, and return all entries.

    The caller holds a lock. A run whose numbers do not stand any more is not entered.
    """
    entries = read(out)
    there = {each.run for each in entries}
    fresh = [each for each in runs if each.counts and name(out, each.folder) not in there]
    for each in sorted(fresh, key=lambda run: (run.made, run.folder)):
        manifest = file_digest(each.folder / MANIFEST)
        entries.append(chained(entries, name(out, each.folder), manifest))
    if fresh:
        _write(out, entries)
    return entries


def acknowledge(out: Path, run: str) -> None:
    """Enter that a run is lost or was edited, so that it counts no more.

    The caller holds a lock.
    """
    entries = read(out)
    _write(out, [*entries, chained(entries, run, ACKNOWLEDGED)])


def acknowledged(entries: Sequence[Entry]) -> frozenset[str]:
    """Names of the runs that count no more."""
    return frozenset(each.run for each in entries if each.manifest == ACKNOWLEDGED)


def name(out: Path, folder: Path) -> str:
    """Return what the ledger calls a run."""
    return folder.relative_to(out).as_posix()


def _write(out: Path, entries: Sequence[Entry]) -> None:
    lines = (json.dumps(asdict(each)) + "\n" for each in entries)
    write_whole(out / FILE, "".join(lines))


def entered(run: Path) -> str | None:
    """Return the digest of a run's manifest that the ledger has; None if it has no such run.

    A ledger that is torn says what can be read of it: only `read` is strict.
    """
    place = run.absolute()
    if place.is_symlink():  # of an as-of day
        place = place.parent / place.readlink()
    for out in place.parents[2:4]:  # reports/SCENARIO/runs/RUN, reports/compare/NAME/runs/RUN
        found = _digests(out / FILE).get(name(out, place))
        if found is not None:
            return found
    return None


def objection(run: Path, manifest: bytes) -> str:
    """Say why the ledger does not agree to a run with such a manifest; empty if it does."""
    found = entered(run)
    if found == ACKNOWLEDGED:
        return KNOWN
    return EDITED if found not in {None, digest(manifest)} else ""


def _digests(path: Path) -> Mapping[str, str]:
    try:
        about = path.stat()
    except OSError:
        return {}
    return _parsed(path, about.st_ino, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4)
def _parsed(path: Path, *_state: int) -> Mapping[str, str]:
    """Return the last digest of each run in a ledger, read once for each state of it."""
    return dict(_readable(path))


def _readable(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            data = json.loads(line)
            yield data["run"], data["manifest"]
        except (ValueError, KeyError, TypeError):
            continue
