"""What can go wrong, said so that a person can act on it.

Every error the package raises on purpose is an `EscalationError`; the command line prints it
without a traceback and ends with its exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class EscalationError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong, or unwise, at one place of one file.

    Attributes
    ----------
    path : Path
        The file.
    line, column : int
        Where, from 1. In a CSV file the line is that of the row and the column counts fields.
    where : str
        Dotted name of the setting, or the CSV column; may be empty.
    message : str
        What is wrong and what to write instead.
    warning : bool
        True for a thing that is valid but unwise.
    """

    path: Path
    line: int
    column: int
    where: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}: "
        kind = "warning: " if self.warning else ""
        return f"{place}{kind}{self.where + ': ' if self.where else ''}{self.message}"


class InvalidInputError(EscalationError):
    """Files or settings that cannot be used; carries every problem found."""

    def __init__(self, problems: list[Problem] | tuple[Problem, ...]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidValueError(EscalationError, ValueError):
    """A single value that cannot be read; the reader adds the place."""


class ImpossibleEvidenceError(EscalationError):
    """Reports that no state of the model could have produced, under any draw to be believed."""

    exit_code = 3


class RunError(EscalationError):
    """A report could not be made; says at which step, and what to do."""

    exit_code = 4
