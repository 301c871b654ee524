"""Hands the alerts of a fresh report to a command of the user's, as JSON on its standard input.

    {"schema": 1, "scenario": …, "title": …, "file": …, "as_of": …, "report": …,
     "alerts": [{"text": …, …}, …]}

The command is started once for each fresh report with alerts, without a shell. That it fails, or
takes longer than a minute, is told, and changes nothing about the report.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from escalation.errors import EscalationError
from escalation.reporting.faults import in_words

if TYPE_CHECKING:
    from escalation.reporting.outcomes import Outcome

SECONDS = 60.0
SCHEMA = 1


def command(text: str) -> list[str]:
    """Return the words of a command.

    Raises
    ------
    EscalationError
        If there are none, or a quotation does not end.

    >>> command("notify --to 'the desk'")
    ['notify', '--to', 'the desk']
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise EscalationError(f"--on-alert {text}: {error}") from error
    if not words:
        raise EscalationError("--on-alert: name a command, such as --on-alert ./tell-the-desk")
    return words


@dataclass
class Handover:
    """A command that is taking alerts.

    Attributes
    ----------
    scenario : str
    process : subprocess.Popen or None
        None if it could not be started.
    deadline : float
    trouble : str
        Why it could not be started.
    """

    scenario: str
    process: subprocess.Popen[bytes] | None
    deadline: float
    trouble: str = ""

    @classmethod
    def start(cls, text: str, outcome: Outcome, page: str) -> Handover:
        """Start the command with the alerts of a report."""
        data = {
            "schema": SCHEMA,
            "scenario": outcome.scenario,
            "title": outcome.title,
            "file": outcome.file,
            "as_of": outcome.as_of,
            "report": page,
            "alerts": [dict(each) for each in outcome.alerts],
        }
        with tempfile.TemporaryFile() as file:  # a pipe might fill up, and nobody would read
            file.write(json.dumps(data, ensure_ascii=False).encode())
            file.seek(0)
            try:
                process = subprocess.Popen(
                    command(text), stdin=file, stdout=subprocess.DEVNULL, start_new_session=True
                )
            except OSError as error:
                return cls(outcome.scenario, None, 0, in_words(error))
        return cls(outcome.scenario, process, time.monotonic() + SECONDS)

    def poll(self) -> str | None:
        """Return None while it runs, then what went wrong; empty if nothing did."""
        if self.process is None:
            return self._told(self.trouble)
        code = self.process.poll()
        if code is None and time.monotonic() < self.deadline:
            return None
        if code is None:
            self.stop()
            return self._told(f"it took longer than {SECONDS:g} seconds")
        return self._told(f"it ended with exit code {code}") if code else ""

    def stop(self) -> None:
        """End it, with all that it started."""
        if self.process is not None and self.process.poll() is None:
            with suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _told(self, what: str) -> str:
        return f"the command of --on-alert did not take the alerts of {self.scenario}: {what}"
