"""What can stop a report, each with an exit code and a sentence that says what to do.

Whatever goes wrong ends as one of these kinds, so that a scheduler can tell them apart by the
exit code, and a person knows the next step. `docs/runs.md` has the same table.

>>> import errno
>>> kind_of(OSError(errno.ENOSPC, "No space left on device")), FAULTS["disk"].exit_code
('disk', 8)
>>> exit_code(["overtime", "overtime"]), exit_code(["overtime", "disk"]), exit_code([])
(7, 4, 0)
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from escalation.errors import (
    EscalationError,
    ImpossibleEvidenceError,
    InvalidInputError,
    InvalidValueError,
    RunError,
)

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Fault:
    """A kind of failure.

    Attributes
    ----------
    exit_code : int
    advice : str
        What to do, as a sentence.
    """

    exit_code: int
    advice: str


UNHEARD = "alerts"  # the reports are there, but a command did not take their alerts
FAULTS = {
    "invalid": Fault(
        1, "Mend the files or options at the places named; `escalation check` lists all of a file."
    ),
    "evidence": Fault(
        3,
        "Look at the report that is named: change its grade or date, or the rates that rule it "
        "out, and run the command again.",
    ),
    "other": Fault(4, "Read the message; the folder named there holds what was made so far."),
    "notebook": Fault(
        5,
        "Open report.ipynb in the folder named: the error stands on top. Mend the notebook, or "
        "what it reads, and run the command again.",
    ),
    "kernel": Fault(
        6,
        "Its kernel died, mostly for want of memory: run the command again with --jobs 1 or fewer "
        "--draws; kernel.log in the folder named has the kernel's last words.",
    ),
    "overtime": Fault(
        7,
        "Open report.ipynb in the folder named: the error stands on top, and what was run has its "
        "output. Mend the cell that hung, or give more time with --timeout MINUTES.",
    ),
    "disk": Fault(
        8,
        "Free some space (`escalation prune` removes old runs) or name another folder with --out, "
        "and run the command again.",
    ),
    "folder": Fault(
        9, "Name another folder with --out, or mend its owner and permissions, and run it again."
    ),
    "changed": Fault(10, "Run the command again when nobody is writing to the files."),
    "clock": Fault(
        11, "Set the clock of this machine (timedatectl), or give the day with --as-of DATE."
    ),
    "remote": Fault(
        12,
        "Check the address, the network and your credentials, and run the command again: what is "
        "finished is kept.",
    ),
    "killed": Fault(
        13,
        "Its process was killed from outside, mostly for want of memory: run the command again "
        "with --jobs 1 or fewer --draws.",
    ),
    UNHEARD: Fault(
        14, "Mend the command; the next run with --on-alert hands the alerts over, once more."
    ),
    "interrupted": Fault(130, "Nothing was lost: run the command again."),
    "terminated": Fault(143, "Nothing was lost: run the command again."),
}
ENDED = frozenset({"interrupted", "terminated"})  # by somebody, whatever was being made
_BY_NUMBER = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "disk"),
    **dict.fromkeys(
        (
            errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
            errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG,
        ),
        "folder",
    ),
}  # fmt: skip


class ReportError(RunError):
    """A report could not be made, for a reason that has a name."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        self.exit_code = FAULTS[kind].exit_code
        super().__init__(message)


class Stopped(BaseException):
    """The report has to end now: it took too long, or somebody ended it."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def kind_of(error: BaseException) -> str:
    """Return the kind of a failure."""
    if isinstance(error, (ReportError, Stopped)):
        return error.kind
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, ImpossibleEvidenceError):
        return "evidence"
    if isinstance(error, (InvalidInputError, InvalidValueError)):
        return "invalid"
    if isinstance(error, OSError) and not isinstance(error, EscalationError):
        return _BY_NUMBER.get(error.errno or 0, "other")
    return "other"


def in_words(error: BaseException) -> str:
    """Return what a failure says, without the numbers of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}"
    return str(error) or type(error).__name__


def as_error(error: OSError, doing: str) -> ReportError:
    """Return the report's own error for one of the operating system."""
    return ReportError(kind_of(error), f"{doing}: {error.strerror or error}")


def exit_code(kinds: Collection[str]) -> int:
    """Return the exit code of a batch: that of its failures, or 4 if they differ."""
    codes = {FAULTS[kind].exit_code for kind in kinds}
    return codes.pop() if len(codes) == 1 else (FAULTS["other"].exit_code if codes else 0)
