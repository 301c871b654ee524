"""Hands the alerts of a report to a command of the user's, as JSON on its standard input.

    {"schema": 1, "scenario": …, "title": …, "file": …, "as_of": …, "report": …,
     "alerts": [{"text": …, …}, …]}

The command is started once for each report with alerts, without a shell. That it took them (it
ended well, within a minute) is remembered beside the scenario's reports:

    reports/venezuela-baseline/.handed-over.json     a mark for each run and command

What is not remembered is handed over by the next run that asks for the same report, be it made or
unchanged: a command that fails, an interruption or a kill cost no alert. A lock keeps two runners
from handing over the same: one waits for the other. An object store has no such memory: there only
fresh reports are handed over.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.errors import InvalidValueError
from escalation.reporting.disk import lock, write_whole
from escalation.reporting.faults import FAULTS, UNHEARD, in_words
from escalation.reporting.provenance import inputs_digest
from escalation.reporting.summary import raised_alerts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from escalation.reporting.outcomes import Outcome

SECONDS = 60.0
SCHEMA = 1
MEMORY = ".handed-over.json"
LOCK = ".handing-over"
KEPT = 100  # marks for each scenario
AT_ONCE = 4  # commands that run side by side


def command(text: str) -> list[str]:
    """Return the words of a command.

    Raises
    ------
    InvalidValueError
        If there are none, or a quotation does not end.

    >>> command("echo --to 'the desk'")
    ['echo', '--to', 'the desk']
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidValueError(f"{text}: {error}") from error
    if not words:
        raise InvalidValueError("name a command, such as ./tell-the-desk")
    return words


def not_taken(scenario: str, what: str, *, remembered: bool) -> str:
    """Return what is said of alerts that were not taken, and what to do."""
    advice = FAULTS[UNHEARD].advice if remembered else "Make the report again with --force."
    return f"the command of --on-alert did not take the alerts of {scenario}: {what}. {advice}"


@dataclass
class Receipt:
    """That a command took the alerts of a run.

    Attributes
    ----------
    folder : Path or None
        Of the scenario's reports; None if nothing can be remembered.
    mark : str
        What stands for run and command.
    """

    folder: Path | None
    mark: str
    _locked: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def of(cls, text: str, outcome: Outcome, folder: Path | None) -> Receipt:
        """Return that of a command and a report."""
        return cls(folder, inputs_digest({"run": outcome.run, "command": text}))

    def due(self) -> bool:
        """Whether the alerts are to be handed over here and now; then others are kept out.

        Raises
        ------
        BlockingIOError
            If another runner is handing over alerts of the scenario: ask again.
        """
        if self.folder is None:
            return True
        try:
            self._locked.enter_context(lock(self.folder / LOCK, seconds=0))
        except BlockingIOError:
            raise
        except OSError:  # better twice than never
            return True
        if self.mark not in self._kept():
            return True
        self.release()
        return False

    def keep(self) -> None:
        """Remember it; if that fails, the alerts are handed over twice."""
        if self.folder is not None:
            with suppress(OSError):
                marks = [*self._kept(), self.mark][-KEPT:]
                write_whole(self.folder / MEMORY, json.dumps(marks, indent=1) + "\n")

    def release(self) -> None:
        """Let others in."""
        self._locked.close()

    def _kept(self) -> list[str]:
        try:
            found = _data(Path(self.folder or ".", MEMORY))
        except (OSError, ValueError):
            return []
        return found if isinstance(found, list) else []


@dataclass
class Handover:
    """A command that is taking alerts.

    Attributes
    ----------
    scenario : str
    receipt : Receipt
    process : subprocess.Popen or None
        None if it could not be started.
    deadline : float
    trouble : str
        Why it could not be started.
    """

    scenario: str
    receipt: Receipt
    process: subprocess.Popen[bytes] | None = None
    deadline: float = 0.0
    trouble: str = ""

    @classmethod
    def start(cls, text: str, outcome: Outcome, out: str) -> Handover | None:
        """Start the command with the alerts of a report; None if it has them, or need not.

        Parameters
        ----------
        text : str
            The command.
        outcome : Outcome
        out : str
            Folder of all reports, or the address of an object store.

        Raises
        ------
        BlockingIOError
            If another runner is handing over alerts of the scenario: it has a minute for each.
        """
        folder = None if "://" in out else Path(out) / outcome.scenario
        receipt = Receipt.of(text, outcome, folder)
        if not receipt.due():
            return None
        found = cls(outcome.scenario, receipt, deadline=time.monotonic() + SECONDS)
        try:
            with tempfile.TemporaryFile() as file:  # a pipe might fill up, and nobody would read
                file.write(_message(outcome, out, folder))
                file.seek(0)
                found.process = subprocess.Popen(
                    command(text), stdin=file, stdout=subprocess.DEVNULL, start_new_session=True
                )
        except (OSError, ValueError, KeyError, TypeError) as error:
            found.trouble = in_words(error)
        return found

    def poll(self) -> str | None:
        """Return None while it runs, then what went wrong; empty if nothing did."""
        said = self._came_to()
        if said is None:
            return None
        if not said:
            self.receipt.keep()
        self.receipt.release()
        return said and self.told(said)

    def _came_to(self) -> str | None:
        if self.process is None:
            return self.trouble
        code = self.process.poll()
        if code is None and time.monotonic() < self.deadline:
            return None
        if code is None:
            self.stop()
            return f"it took longer than {SECONDS:g} seconds"
        return f"it ended with exit code {code}" if code else ""

    def stop(self) -> None:
        """End it, with all that it started."""
        if self.process is not None and self.process.poll() is None:
            with suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.receipt.release()

    def told(self, what: str) -> str:
        """Return what is said of alerts that were not taken."""
        return not_taken(self.scenario, what, remembered=self.receipt.folder is not None)


def _message(outcome: Outcome, out: str, folder: Path | None) -> bytes:
    data = {
        "schema": SCHEMA,
        "scenario": outcome.scenario,
        "title": outcome.title,
        "file": outcome.file,
        "as_of": outcome.as_of,
        "report": outcome.page(out),
        "alerts": [dict(each) for each in _alerts(outcome, folder)],
    }
    return json.dumps(data, ensure_ascii=False).encode(errors="backslashreplace")


def _alerts(outcome: Outcome, folder: Path | None) -> Sequence[Mapping[str, Any]]:
    """Return all that is said of the alerts: of an unchanged report an outcome has the texts."""
    if folder is None:
        return outcome.alerts
    run = folder / outcome.run
    return raised_alerts(_data(run / "manifest.json"), _data(run / "result.json"))


def _data(path: Path) -> Any:  # noqa: ANN401 (plain data)
    return json.loads(path.read_text(encoding="utf-8"))
