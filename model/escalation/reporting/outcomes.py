"""What came of a request for a report: told on a line, and kept as the scenario's last attempt.

    reports/venezuela-baseline/last.json     replaced after each attempt, whatever came of it

>>> done = Outcome("venezuela-talks", "scenarios/venezuela/talks.yaml", "made", as_of="2025-11-22")
>>> done.line("reports")
'made       venezuela-talks  2025-11-22  reports/venezuela-talks/2025-11-22/report.html'
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from escalation.reporting.disk import write_whole
from escalation.reporting.faults import ENDED, FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = Literal["made", "unchanged", "failed"]
LAST = "last.json"
SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """What came of one request.

    Attributes
    ----------
    scenario : str
        Name of the scenario.
    file : str
        Its file, from the workspace.
    status : str
        "made", "unchanged" or "failed".
    as_of : str
        ISO date; empty if it was never known.
    run : str
        Folder of the run, or of what there is of it, in that of the scenario; may be empty.
    fault, error : str
        Kind of failure (`escalation.reporting.faults`), and what was wrong.
    begun : bool
        Whether anything was tried at all; if not, there is no attempt to be kept.
    alerts : tuple of Mapping
        Those that are raised, each with its `text`.
    warning, title : str
    seconds : float
    """

    scenario: str
    file: str
    status: Status
    as_of: str = ""
    run: str = ""
    fault: str = ""
    error: str = ""
    begun: bool = True
    alerts: tuple[Mapping[str, Any], ...] = ()
    warning: str = ""
    title: str = ""
    seconds: float = field(default=0.0, compare=False)

    def page(self, out: str) -> str:
        """Where people find the report."""
        if "://" in out:
            return f"{out.rstrip('/')}/{self.scenario}/{self.run}/report.html"
        return str(Path(out) / self.scenario / self.as_of / "report.html")

    def line(self, out: str) -> str:
        """Return what is said as soon as it is over."""
        words = [f"{self.status:<9}", self.scenario]
        if self.status == "failed":
            return "  ".join([*words, f"({self.fault})"])
        words += [self.as_of, self.page(out)]
        return "  ".join([*words, f"{self.seconds:.1f} s"] if self.seconds else words)

    def data(self) -> dict[str, object]:
        """Return it as plain data."""
        fault = FAULTS.get(self.fault)
        return {
            "schema": SCHEMA,
            "scenario": self.scenario,
            "file": self.file,
            "as_of": self.as_of or None,
            "tried": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": self.status,
            "run": self.run or None,
            "fault": self.fault or None,
            "error": self.error or None,
            "advice": fault.advice if fault else None,
            "exit_code": fault.exit_code if fault else None,
            "alerts": [dict(each) for each in self.alerts],
            "warning": self.warning,
        }

    def keep(self, out: Path) -> None:
        """Write it down as the scenario's last attempt.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        folder = out / self.scenario
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / LAST, json.dumps(self.data(), indent=1, ensure_ascii=False) + "\n")


def told(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Return the lines that end a batch: counts, failures and what to do, alerts, warnings."""
    count = Counter(each.status for each in outcomes)
    counts = [f"{count[status]} {status}" for status in ("made", "unchanged", "failed")]
    lines = [f"{', '.join(each for each in counts if each[0] != '0')} in {_time(seconds)}"]
    failures = [each for each in outcomes if each.status == "failed"]
    idle = [each for each in failures if not each.begun and each.fault in ENDED]
    for each in failures:
        if each not in idle:
            lines += ["", f"{each.scenario} failed:", *_indented(each.error)]
            lines += _indented(FAULTS[each.fault].advice)
    if idle:
        lines += ["", f"{len(idle)} of them were not begun."]
    alerts = [(each.scenario, alert) for each in outcomes for alert in each.alerts]
    if alerts:
        lines += ["", "Alerts:"]
        lines += [f"  {scenario}: {alert['text']}" for scenario, alert in alerts]
    for warning in dict.fromkeys(each.warning for each in outcomes if each.warning):
        lines += ["", f"warning: {warning}"]
    return lines


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _time(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
