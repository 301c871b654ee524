"""Commands about what runs left, and about running every day.

    escalation history SCENARIO            each run of a scenario: headline, change, cause, status
    escalation index                       reports/index.html, anew
    escalation prune --keep 30             make room; numbers, links and the latest pages stay
    escalation archive [REPORTS]           is every forecast there, valid, and as it was made?
    escalation schedule cron               a unit that makes the reports every morning

`add_commands` puts them into a parser; whatever is slow is imported when a command runs.

>>> parser = argparse.ArgumentParser()
>>> add_commands(parser.add_subparsers())
>>> parser.parse_args(["prune", "--keep", "90d"]).yes
False
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.cli import values
from escalation.errors import InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from escalation.reporting.runs import Run

REPORTS = Path("reports")
ABSENT = "\N{EN DASH}"
HEADINGS: tuple[str, ...] = ("as of", "made", "headline", "moved", "status", "why")
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command of this module to a parser's subcommands."""
    _add_history(commands)
    _add_index(commands)
    _add_prune(commands)
    _add_archive(commands)
    _add_schedule(commands)


def _add_history(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("history", help="list the runs of a scenario")
    command.add_argument("scenario", metavar="SCENARIO", help="its file, or its reports' name")
    command.add_argument("--json", action="store_true", help="print data instead of a table")
    _add_reports(command)
    command.set_defaults(run=_history)


def _add_index(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("index", help="write the page of all reports anew")
    _add_reports(command)
    command.set_defaults(run=_index)


def _add_prune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("prune", help="remove old pages; numbers and links stay")
    command.add_argument(
        "--keep",
        required=True,
        metavar="HOW_MUCH",
        help="30: the latest as-of days of each scenario; 90d, 12w, 1y: those within that time",
    )
    command.add_argument("--yes", action="store_true", help="remove; without it only say what goes")
    _add_reports(command)
    command.set_defaults(run=_prune)


def _add_archive(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("archive", help="check that forecasts are all there and unedited")
    command.add_argument(
        "reports", type=values.folder, nargs="?", default=REPORTS, metavar="REPORTS"
    )
    command.add_argument(
        "--head",
        default="",
        metavar="DIGEST",
        help="a head that you kept, or its first digits: does it still hold?",
    )
    command.add_argument(
        "--acknowledge",
        action="append",
        default=[],
        metavar="RUN",
        help="enter into the ledger that this run is lost or was edited, and counts no more",
    )
    command.add_argument(
        "--export", type=Path, metavar="DIR", help="write the forecasts as a hub of the hubverse"
    )
    command.add_argument("--team", default="escalation", help="whose models the hub has")
    command.set_defaults(run=_archive)


def _add_schedule(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("schedule", help="print a unit that makes the reports every day")
    command.add_argument("kind", choices=("cron", "systemd", "github"))
    command.add_argument("--at", default="06:30", metavar="HH:MM", help="by default 06:30")
    command.add_argument(
        "--jobs", type=values.positive, default=1, metavar="N", help="reports at a time"
    )
    command.add_argument("--out", type=Path, metavar="DIR", help="write the units into a folder")
    command.add_argument(
        "--reports", metavar="PLACE", help="where the reports go: --out of escalation report"
    )
    command.add_argument("--format", type=_checked(values.formats), metavar="FORMATS")
    command.add_argument("--timeout", type=_checked(values.minutes), metavar="MINUTES")
    command.add_argument(
        "--on-alert", type=values.command, metavar="COMMAND", help="as of escalation report"
    )
    command.set_defaults(run=_schedule)


def _checked(read: Callable[[str], object]) -> Callable[[str], str]:
    """Return what takes an option's value as it was written, if it can be read."""

    def check(text: str) -> str:
        read(text)
        return text

    return check


def _add_reports(command: argparse.ArgumentParser) -> None:
    command.add_argument("--reports", type=values.folder, default=REPORTS, metavar="DIR")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _history(options: argparse.Namespace) -> int:
    from escalation.reporting import runs

    record = runs.read(_folder(options.reports, options.scenario))
    if options.json:
        print(json.dumps([_data(each) for each in record.runs], indent=2, ensure_ascii=False))
    else:
        print("\n".join(_table(record.runs)))
    if record.failing:
        _say(f"The last attempt failed: {record.failing}")
    return 0


def _folder(reports: Path, scenario: str) -> Path:
    """Return the folder of a scenario's reports."""
    from escalation.reading.workspace import name_of
    from escalation.reporting import runs

    there = {each.name: each for each in runs.scenarios(reports)}
    for name in (scenario, name_of(Path(scenario).resolve())):
        if name in there:
            return there[name]
    known = f"; there are those of {', '.join(there)}" if there else ""
    raise RunError(f"no reports of '{scenario}' in {reports}{known}")


def _first(run: Run) -> tuple[dict[str, object], Sequence[float] | None, str]:
    """Return a run's first headline, how it moved since the run before, and why."""
    headline = run.answer.get("headline", [])[:1]
    since = run.answer.get("since") or {}
    if not headline:
        return {}, None, ""
    shift = since.get("shifts", {}).get(headline[0]["target"])
    return headline[0], shift, since.get("cause") or since.get("obstacle", "")


def _data(run: Run) -> dict[str, object]:
    headline, shift, cause = _first(run)
    return {
        "as_of": run.as_of,
        "made": run.made,
        "status": run.status,
        "reason": run.reason,
        "current": run.linked,
        "headline": headline or None,
        "before": shift[0] if shift else None,
        "cause": cause,
        "alerts": [each["text"] for each in run.answer.get("alerts", []) if each["raised"]],
        "folder": str(run.folder),
    }


def _table(runs: Sequence[Run]) -> list[str]:
    rows = [HEADINGS, *(_row(each) for each in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(run: Run) -> tuple[str, ...]:
    from escalation.maths.words import percent, percent_range
    from escalation.reporting.overview import points

    headline, shift, cause = _first(run)
    said = ABSENT
    if headline:
        low, high = float(str(headline["low"])), float(str(headline["high"]))
        said = f"{percent(float(str(headline['probability'])))} ({percent_range(low, high)})"
    status = run.status if run.linked or not run.counts else f"{run.status}, replaced"
    moved = points(shift) if shift else ABSENT
    return run.as_of, run.made[:16].replace("T", " "), said, moved, status, run.reason or cause


def _index(options: argparse.Namespace) -> int:
    from escalation.reporting import index

    if not index.refresh(options.reports, force=True):
        raise RunError(f"no folder {options.reports}: make a report first")
    print(options.reports / index.PAGE)
    return 0


def _prune(options: argparse.Namespace) -> int:
    from escalation.reporting import index, retention

    rule = retention.keep(options.keep)
    if not options.reports.is_dir():
        raise RunError(f"no folder {options.reports}")
    gone = retention.prune(options.reports, rule, remove=options.yes)
    for each in gone:
        place = each.run.folder.relative_to(options.reports)
        what = "all of it" if each.run.status == "failed" else ", ".join(each.names)
        print(f"{place}: {what} ({_size(each.size)})")
    total = f"{len(gone)} runs, {_size(sum(each.size for each in gone))}"
    if options.yes:
        index.refresh(options.reports, force=True)
        _say(f"removed from {total}; their numbers are kept")
    else:
        _say(f"would go: {total}; nothing was removed, add --yes to do it")
    return 0


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < _THOUSAND:
            return f"{count:.3g} {unit}"
        count /= _THOUSAND
    return f"{count:.3g} {_UNITS[-1]}"


def _archive(options: argparse.Namespace) -> int:
    from escalation.reporting import archive, hub

    if not options.reports.is_dir():
        raise RunError(f"no folder {options.reports}")
    for run in options.acknowledge:
        archive.acknowledge(options.reports, run)
    found = archive.check(options.reports, head=options.head)
    print(f"{found.forecasts} forecasts ({found.rows} rows) are valid and as they were made")
    for run in found.acknowledged:
        print(f"acknowledged as lost or edited: {run}")
    print(f"{found.entries} runs in the ledger; head {found.head or ABSENT}")
    if not found.written:
        _say(f"{options.reports} cannot be written: no new run was entered into the ledger")
    for run in sorted(found.faulty):
        _say(f"restore {run} from a backup, or, if it is lost: --acknowledge {run}")
    if found.problems:
        raise InvalidInputError(sorted(found.problems))
    if options.export:
        count = hub.export(options.reports, options.export, options.team)
        _say(f"wrote {count} forecasts to {options.export}")
    return 0


def _schedule(options: argparse.Namespace) -> int:
    from escalation.reporting import schedule

    command = Path(sys.executable).with_name("escalation")
    given = {
        "--out": options.reports,
        "--format": options.format,
        "--timeout": options.timeout,
        "--on-alert": options.on_alert,
    }
    more = [schedule.single_line(word) for pair in given.items() if pair[1] for word in pair]
    at = schedule.clock(options.at)
    job = schedule.Job(_workspace(), command, at, options.jobs, tuple(more))
    units = {
        "cron": lambda: {f"{job.name}.cron": schedule.cron(job)},
        "systemd": lambda: schedule.systemd(job),
        "github": lambda: {"reports.yml": schedule.github(job)},
    }[options.kind]()
    if options.kind == "systemd":  # which opens the log before it runs anything
        (job.root / schedule.LOG).parent.mkdir(exist_ok=True)
    for name, text in units.items():
        if options.out is None:
            print(f"# --- {name} ---\n{text}" if len(units) > 1 else text, end="")
        else:
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / name).write_text(text, encoding="utf-8")
            print(options.out / name)
    return 0


def _workspace() -> Path:
    """Return the folder, here or above, that holds `scenarios/`."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "scenarios").is_dir():
            return folder
    raise RunError(f"no folder scenarios/ in {here} or above it: go to your workspace first")
