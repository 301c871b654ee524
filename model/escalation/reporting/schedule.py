"""Ready units for schedulers: the reports of a workspace every morning, by cron, systemd or GitHub.

Each unit runs

    escalation report scenarios --as-of today --jobs N

with whatever other options of `escalation report` are given, in the workspace, with the very
interpreter that wrote the unit. Nothing has to keep two of them apart: runs lock what they write,
and the same inputs are a no-op. What they say goes into a log in the folder of reports; if one
fails, its end goes to whoever reads the scheduler's messages, the reports of the other scenarios
stand, and the next run tries the failed ones again.

>>> clock("06:30")
(6, 30)
>>> job = Job(Path("/desk"), Path("/desk/.venv/bin/escalation"), clock("06:30"), 2)
>>> cron(job).splitlines()[-1][:31]
'30 6 * * * cd /desk && mkdir -p'
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from escalation.errors import InvalidValueError
from escalation.reporting.provenance import digest

_KEY = 6  # hexadecimal digits that tell workspaces of one name apart
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
LOG = "reports/schedule.log"


@dataclass(frozen=True)
class Job:
    """What is to be run when.

    Attributes
    ----------
    root : Path
        The workspace: the folder that holds `scenarios/`.
    command : Path
        The `escalation` of the environment.
    at : tuple of int
        Hour and minute.
    jobs : int
        Reports made at a time.
    more : tuple of str
        Other options of `escalation report`, and their values.
    """

    root: Path
    command: Path
    at: tuple[int, int]
    jobs: int
    more: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """What follows the command."""
        return ["report", "scenarios", "--as-of", "today", "--jobs", str(self.jobs), *self.more]

    @property
    def name(self) -> str:
        """Of the unit: the workspace's, and what tells it from another one of that name."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.root.name) or "reports"
        return f"escalation-{name}-{digest(str(self.root).encode())[:_KEY]}"

    @property
    def out(self) -> str:
        """Where the reports go."""
        return self.more[self.more.index("--out") + 1] if "--out" in self.more else "reports"

    def again(self, kind: str) -> str:
        """Return the command that prints the units once more, on one line."""
        hour, minute = self.at
        more = ["--reports" if each == "--out" else each for each in self.more]
        words = ["--at", f"{hour:02}:{minute:02}", "--jobs", str(self.jobs), *more]
        return shlex.join(["escalation", "schedule", kind, *words])


def single_line(text: str) -> str:
    """Take the value of an option that can stand in a unit.

    Raises
    ------
    InvalidValueError
        If it holds a line break, or another control character.
    """
    if not text.isprintable():
        raise InvalidValueError(f"{text!r} cannot stand on one line of a unit; put it in a script")
    return text


def clock(text: str) -> tuple[int, int]:
    """Read a time of day.

    Raises
    ------
    InvalidValueError
        If it is none.
    """
    match = _CLOCK.fullmatch(text.strip())
    if not match:
        raise InvalidValueError(f"'{text}' is no time of day; write it as 06:30")
    return int(match[1]), int(match[2])


def cron(job: Job) -> str:
    """Return a crontab's line, commented."""
    hour, minute = job.at
    said = shlex.quote(f"escalation: not every report could be made, see {job.root}/{LOG}")
    line = (
        f"cd {shlex.quote(str(job.root))} && mkdir -p reports "
        f"&& {{ date -u; {shlex.join([str(job.command), *job.arguments])}; }} >>{LOG} 2>&1 "
        f"|| {{ echo {said}; tail -n 30 {LOG}; }}"
    )
    return f"""\
# Reports of {job.root}, every day at {hour:02}:{minute:02} by this machine's clock.
# `today` is the day in UTC: choose a time at which it is the day you mean.
# To install:  (crontab -l; {job.again("cron")}) | crontab -
# It writes to {LOG}. If a report fails, cron mails the end of the log to MAILTO;
# the other reports stand, and the next run tries again. Two at once are safe: runs lock what they
# write.
{minute} {hour} * * * {line.replace("%", chr(92) + "%")}
"""


def systemd(job: Job) -> dict[str, str]:
    """Return a service and its timer: file name → text."""
    hour, minute = job.at
    run = " ".join(_systemd_quoted(each) for each in [str(job.command), *job.arguments])
    root = str(job.root).replace("%", "%%")
    service = f"""\
# Reports of a workspace. To install, as yourself:
#   {job.again("systemd")} --out ~/.config/systemd/user
#   systemctl --user daemon-reload && systemctl --user enable --now {job.name}.timer
#   loginctl enable-linger          (so that it runs while you are logged out)
# If it fails: systemctl --user status {job.name}, and the log below. The other reports
# stand, and the next run tries again. Two at once are safe: runs lock what they write.
# The folder of the log has to be there; the command that wrote this has made it.
[Unit]
Description=Escalation reports of {root}

[Service]
Type=oneshot
WorkingDirectory={root}
ExecStart={run}
StandardOutput=append:{root}/{LOG}
StandardError=inherit
Nice=10
# A stopped run leaves the last good reports linked; the next one repairs.
TimeoutStartSec=12h
"""
    timer = f"""\
# When {job.name}.service runs. `today` is the day in UTC.
[Unit]
Description=Escalation reports of {root}, daily

[Timer]
OnCalendar=*-*-* {hour:02}:{minute:02}:00
# A run that was missed while the machine was off is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{job.name}.service": service, f"{job.name}.timer": timer}


def _systemd_quoted(text: str) -> str:
    """Quote an argument of a command line in a unit."""
    told = text.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\")
    if re.fullmatch(r"[\w@%+=:,./-]+", told):
        return told
    return '"' + told.replace('"', '\\"') + '"'


def github(job: Job) -> str:
    """Return a workflow for a repository that holds the workspace and the package."""
    hour, minute = job.at
    asked = shlex.quote(shlex.join(job.arguments[1:]).replace("$", "$$"))  # make's own dollar
    run, path = json.dumps(f"make report REPORT={asked}"), json.dumps(job.out)
    return f"""\
# Reports every day at {hour:02}:{minute:02} UTC. Save it as .github/workflows/reports.yml of the
# repository that holds this workspace. GitHub may start it some minutes late, and stops schedules
# of repositories that nobody has touched for 60 days.
# If a report fails, the run is marked as failed and GitHub tells you; the other reports are kept.
name: reports
on:
  schedule:
    - cron: "{minute} {hour} * * *"
  workflow_dispatch: {{}}
permissions:
  contents: read
# One at a time: the next run waits for this one, and finds its reports.
concurrency:
  group: reports
  cancel-in-progress: false
jobs:
  reports:
    runs-on: ubuntu-latest
    timeout-minutes: 350
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      # The reports before, so that the same inputs are a no-op and each report says what changed.
      - uses: actions/cache@v4
        with:
          path: {path}
          key: reports-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          restore-keys: reports-
      - name: Libraries for report.pdf
        run: >-
          sudo apt-get install --yes --no-install-recommends
          libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
      - name: Make the reports
        run: {run}
      - name: Keep them
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: reports-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}
          path: {path}
          include-hidden-files: true
"""
