"""`escalation report`: any number of reports, and a clear word on what came of each.

>>> commands = argparse.ArgumentParser().add_subparsers()
>>> add_commands(commands)
>>> sorted(commands.choices)
['report']
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.cli import streams, values
from escalation.errors import InvalidInputError, Problem
from escalation.reading.workspace import at_first_sight, name_of, yaml_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tqdm import tqdm

    from escalation.reporting.outcomes import Outcome
    from escalation.reporting.requests import Request

HELP = """
Every report is made in a process of its own, at most --jobs at once. What is there already, from
the same inputs, is left alone. One that fails never stops the others; the last good report stays.
Exit codes, and what to do: docs/runs.md.
"""
ALL = 100.0  # per cent of a report


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser's subcommands."""
    command = commands.add_parser("report", help="make the reports of scenarios", epilog=HELP)
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="scenario files, or folders of them"
    )
    command.add_argument(
        "--as-of", type=values.iso_date, metavar="DATE", help="such as 2025-11-22, or today"
    )
    command.add_argument("--draws", type=values.draws, metavar="N", help="prior draws")
    command.add_argument("--seed", type=int, metavar="N", help="keys every random number")
    command.add_argument(
        "--out",
        type=values.place,
        default="reports",
        metavar="PLACE",
        help="a folder, or s3://bucket/prefix",
    )
    command.add_argument(
        "--format",
        type=values.formats,
        default=("html", "pdf"),
        metavar="FORMATS",
        help="html or html,pdf (the default)",
    )
    command.add_argument("--force", action="store_true", help="make them again in any case")
    _add_running(command)
    command.set_defaults(run=_report)


def _add_running(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--jobs", type=values.positive, metavar="N", help="reports at once; default: processors"
    )
    command.add_argument(
        "--timeout",
        type=values.minutes,
        default=30.0,
        metavar="MINUTES",
        help="what one report may take at most (default: 30)",
    )
    command.add_argument(
        "--on-alert",
        type=values.command,
        metavar="COMMAND",
        help="gets the alerts of each report once, as JSON on its standard input",
    )
    command.add_argument("--cluster", metavar="ADDRESS", help="make them on Dask workers instead")


def _report(options: argparse.Namespace) -> int:
    from escalation.reporting import nursery
    from escalation.reporting.batch import Batch, Settings
    from escalation.reporting.outcomes import told

    nursery.one_thread()
    begun = time.monotonic()
    settings = Settings(
        jobs=options.jobs or _processors(),
        minutes=options.timeout,
        on_alert=options.on_alert or "",
        cluster=options.cluster or "",
    )
    watch = Watch(options.out)
    paths, wrong = _scenarios(options.paths)
    batch = Batch(_requests(options, paths), settings, watch, refused=[*map(_refused, wrong)])
    try:
        code = batch.run()
    finally:
        watch.close()
    for line in told(batch.outcomes, time.monotonic() - begun):
        streams.say(line)
    for trouble in batch.troubles:
        streams.say(f"warning: {trouble}")
    streams.settle()  # the code says what came of the reports, whoever reads
    return code


def _requests(options: argparse.Namespace, paths: Sequence[Path]) -> list[Request]:
    from escalation.reporting.requests import Request

    return [
        Request(
            path,
            out=options.out,
            as_of=options.as_of,
            today=isinstance(options.as_of, values.Today),
            draws=options.draws,
            seed=options.seed,
            formats=options.format,
            force=options.force,
        )
        for path in paths
    ]


def _scenarios(paths: Sequence[Path]) -> tuple[list[Path], list[InvalidInputError]]:
    """Return the scenarios that paths mean, and what is wrong with the rest."""
    named: dict[str, dict[Path, Path]] = {}
    wrong = []
    for path in paths:
        try:
            for each in _found(path):
                real = each.resolve()
                named.setdefault(name_of(real), {}).setdefault(real, each)
        except InvalidInputError as error:
            wrong.append(error)
    found = []
    for one in named.values():
        same = [*one.values()]
        if len(same) == 1:
            found += same
            continue
        for path, other in zip(same, [*same[1:], same[0]], strict=True):
            message = f"its reports would stand where those of {other} do; rename one of them"
            wrong.append(_wrong(path, message))
    return found, wrong


def _wrong(path: Path, message: str) -> InvalidInputError:
    return InvalidInputError([Problem(path, 1, 1, "", message)])


def _refused(error: InvalidInputError) -> Outcome:
    """Return what came of a path that means no scenario."""
    from escalation.reporting.outcomes import Outcome

    path = str(error.problems[0].path)
    return Outcome(path, path, "failed", fault="invalid", error=str(error), begun=False)


def _found(path: Path) -> Sequence[Path]:
    """Return the scenarios of a path; what reads YAML is only loaded if there is need."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise _wrong(path, "no file" if path.exists() else "no such file or folder")
    sights = {each: at_first_sight(each) for each in yaml_files(path)}
    found: Sequence[Path] = [each for each, sight in sights.items() if sight]
    if None in sights.values():
        from escalation.reading.scenario import find_scenarios

        found = find_scenarios([path])
    if not found:
        raise _wrong(path, "no scenario in this folder")
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Watch:
    """Shows a batch: a line for each report that is over, and on a terminal how far the rest is."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._bar: tqdm[Any] | None = None
        self._total = 0
        self._over = 0

    def begin(self, total: int) -> None:
        """Take how many reports have to be made."""
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # a second thread would be in the way of forks
        self._total = total
        bar: tqdm[Any] = tqdm(
            total=ALL * total,
            disable=not sys.stderr.isatty(),
            leave=False,
            smoothing=0,
            bar_format="{desc}|{bar}| {elapsed}, {remaining} left{postfix}",
        )
        self._bar = bar
        self.at(())

    def over(self, outcome: Outcome) -> None:
        """Take what came of a request."""
        line = outcome.line(self._out)
        if self._bar is None:
            print(line, flush=True)
            return
        self._over += 1
        self._bar.write(line)
        sys.stdout.flush()

    def at(self, shares: Sequence[tuple[str, float, str]]) -> None:
        """Take how far each report under way is: name, per cent, step."""
        if self._bar is None or self._bar.disable:
            return
        done = self._over * ALL + sum(share for _, share, _ in shares)
        self._bar.set_description_str(f"{self._over} of {self._total} ", refresh=False)
        steps = "; ".join(f"{name} {step}" for name, _, step in shares)
        self._bar.set_postfix_str(steps, refresh=False)
        self._bar.update(max(0.0, done - self._bar.n))
        self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            with suppress(OSError, ValueError):
                self._bar.close()
