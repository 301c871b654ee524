"""The commands `escalation compare` and `escalation sweep`.

    escalation compare A.yaml B.yaml … [--report]         scenarios side by side
    escalation sweep SCENARIO --vary NAME=LOW:HIGH:N …    thousands of variants of one

`add_commands` puts them into a parser; whatever is slow is imported when a command runs.

>>> parser = argparse.ArgumentParser()
>>> add_commands(parser.add_subparsers())
>>> parser.parse_args(["compare", "a.yaml", "b.yaml", "--plausibility", "a=2"]).plausibility
[('a', 2.0)]
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.cli import values
from escalation.errors import EscalationError, InvalidInputError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from escalation.comparing.compare import Comparison, Distribute
    from escalation.engine.runners import Runner
    from escalation.errors import Problem
    from escalation.reading.case import Scenario
    from escalation.sweeping.designs import Design
    from escalation.sweeping.store import Sweep

NO_SCENARIOS = frozenset({"catalogue.yaml", "reference_classes.yaml", "resolutions.yaml"})


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command of this module to a parser's subcommands."""
    _add_compare(commands)
    _add_sweep(commands)


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("compare", help="put scenarios side by side on shared draws")
    command.add_argument(
        "scenarios", nargs="+", type=Path, metavar="SCENARIO", help="the first is the yardstick"
    )
    _add_run_options(command)
    command.add_argument(
        "--plausibility",
        action="append",
        default=[],
        type=_weight,
        metavar="NAME=WEIGHT",
        help="weight of a scenario in the blend, all evidence considered; may be given for each",
    )
    command.add_argument(
        "--no-explain", action="store_true", help="do not split the gaps over what differs"
    )
    command.add_argument("--json", action="store_true", help="print data instead of a table")
    command.add_argument("--report", action="store_true", help="run the comparison notebook")
    _add_format(command)
    command.add_argument("--name", help="of the report's folder; by default that of the case")
    command.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR")
    command.set_defaults(run=_compare)


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("sweep", help="run thousands of variants of a scenario")
    command.add_argument("scenario", type=Path, metavar="SCENARIO")
    command.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="NAME=LOW:HIGH:N",
        help="an assumption by its dotted name, and N values from LOW to HIGH (a grid)",
    )
    command.add_argument(
        "--variants",
        type=values.positive,
        metavar="N",
        help="a Latin hypercube of so many, not a grid",
    )
    command.add_argument(
        "--samples",
        type=values.positive,
        metavar="M",
        help="draws of what is not varied, per variant",
    )
    _add_run_options(command)
    command.add_argument(
        "--workers", type=values.positive, metavar="N", help="processes; default: all"
    )
    command.add_argument("--target", help="rung or off-ramp whose regions are looked for")
    command.add_argument(
        "--above", type=_share, default=0.5, metavar="P", help="and its probability (0.5)"
    )
    command.add_argument("--report", action="store_true", help="run the sweep notebook")
    _add_format(command)
    command.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR")
    command.set_defaults(run=_sweep)


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--as-of", type=values.iso_date, metavar="DATE", help="such as 2025-11-22")
    command.add_argument("--horizon", type=values.days, metavar="DAYS", help="such as 90d or 12w")
    command.add_argument("--draws", type=values.draws, metavar="N", help="prior draws")
    command.add_argument("--seed", type=int, metavar="N", help="keys every random number")
    command.add_argument(
        "--cluster", metavar="ADDRESS", help="Dask scheduler to work on, such as tcp://host:8786"
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format",
        type=values.formats,
        default=("html", "pdf"),
        metavar="FORMATS",
        help="of a report: html or html,pdf (the default)",
    )


def _share(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < 1:
        message = f"'{text}' is not a probability between 0 and 1; write it as 0.5"
        raise argparse.ArgumentTypeError(message)
    return found


def _weight(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition("=")
    try:
        return name.strip(), float(weight)
    except ValueError:
        message = f"'{text}' is no weight; write NAME=WEIGHT, such as venezuela-talks=0.4"
        raise argparse.ArgumentTypeError(message) from None


def _compare(options: argparse.Namespace) -> int:
    from escalation.comparing import record as compare_record

    if options.report:
        return _compare_report(options)
    comparison = _compared(options)
    if options.json:
        data = compare_record.record(comparison)
        print(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(compare_record.table(comparison)))
    return 0


def _compared(options: argparse.Namespace) -> Comparison:
    from escalation.comparing.compare import compare
    from escalation.comparing.notebook import by_scenario
    from escalation.engine.assessment import DRAWS, SEED
    from escalation.engine.runners import runner

    cases = _load(options.scenarios, options.as_of)

    def run(distribute: Distribute | None) -> Comparison:
        return compare(
            cases,
            horizon=options.horizon,
            draws=options.draws or DRAWS,
            seed=SEED if options.seed is None else options.seed,
            plausibility=by_scenario(dict(options.plausibility), cases),
            explain=not options.no_explain,
            distribute=distribute,
        )

    if options.cluster is None:
        return run(None)
    with runner(options.cluster) as workers:
        return run(_distributed(workers))


def _distributed(workers: Runner) -> Distribute:
    from escalation.engine.shared_draws import on_runner

    return partial(on_runner, workers)


def _load(paths: Sequence[Path], as_of: date | None) -> list[Scenario]:
    """Read all scenarios, and raise what is wrong with any of them at once."""
    from escalation.reading import scenario

    found: list[Scenario] = []
    problems: list[Problem] = []
    for path in [path for path in paths if path.name not in NO_SCENARIOS]:
        try:
            found.append(scenario.load(path, as_of=as_of))
        except InvalidInputError as error:
            problems += error.problems
    if problems:
        raise InvalidInputError(sorted(set(problems)))
    for warning in sorted({each for case in found for each in case.warnings}):
        print(warning, file=sys.stderr)
    return found


def _compare_report(options: argparse.Namespace) -> int:
    from escalation.comparing import report as compare_report

    run = compare_report.run_comparison(
        [path for path in options.scenarios if path.name not in NO_SCENARIOS],
        as_of=options.as_of,
        horizon=options.horizon,
        draws=options.draws,
        seed=options.seed,
        plausibility=dict(options.plausibility),
        cluster=options.cluster or "",
        name=options.name,
        out=options.out,
        formats=options.format,
    )
    _told(run.folder / "report.html", run.warning)
    _list(options.out)
    return 0


def _list(out: Path) -> None:
    """Enter a finished report into the page of all reports."""
    from escalation.reporting.index import refresh

    try:
        refresh(out)
    except (EscalationError, OSError) as error:
        print(f"escalation: warning: {out / 'index.html'} is as it was: {error}", file=sys.stderr)


def _sweep(options: argparse.Namespace) -> int:
    from escalation.engine.assessment import DRAWS, SEED
    from escalation.engine.runners import runner
    from escalation.sweeping.store import run_sweep
    from escalation.sweeping.sweep import SAMPLES, prepare

    (case,) = _load([options.scenario], options.as_of)
    seed = SEED if options.seed is None else options.seed
    design = _design(options, case, seed)
    with runner(options.cluster, options.workers) as workers:
        job = prepare(
            case,
            design,
            targets=dict.fromkeys([*case.targets, *([options.target] if options.target else [])]),
            samples=options.samples or (case.sweep and case.sweep.samples) or SAMPLES,
            horizon=options.horizon,
            draws=options.draws or DRAWS,
            seed=seed,
        )
        with _bar(f"{case.name}, {design.size:,} variants") as progress:
            found = run_sweep(job, options.out / "sweep", workers, progress)
    print("\n".join(_summary(found, options.target or case.targets[0], options.above)))
    print(found.path)
    if options.report:
        from escalation.sweeping.report import run_sweep_report

        page, warning = run_sweep_report(
            found.path, options.target or "", options.above, formats=options.format
        )
        _told(page, warning)
    return 0


def _told(page: Path, warning: str) -> None:
    print(page)
    if warning:
        print(f"escalation: warning: {warning}", file=sys.stderr)


def _design(options: argparse.Namespace, case: Scenario, seed: int) -> Design:
    from escalation.reading.ranges import read_range
    from escalation.sweeping.designs import grid, latin

    ranges = []
    given = case.sweep if not options.vary else None
    texts = [f"{name}={text}" for name, text in given.vary.items()] if given else options.vary
    for text in texts:
        name, equals, ends = text.rpartition("=")
        if not equals:
            raise InvalidValueError(f"--vary {text}: write NAME=LOW:HIGH:N")
        ranges.append(read_range(name.strip(), ends, case.assumptions))
    variants = options.variants or (given.variants if given else None)
    return latin(ranges, variants, seed) if variants else grid(ranges)


class _bar:  # noqa: N801 (used as a function)
    """Progress and time left, on standard error if that is a terminal."""

    def __init__(self, label: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(desc=label, unit="", disable=not sys.stderr.isatty(), leave=False)
        self._first: int | None = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._to

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _to(self, done: int, total: int) -> None:
        if self._first is None:  # what an earlier run left does not count for the time left
            self._first = self._bar.initial = done
            self._bar.reset(total)
        self._bar.n = done
        self._bar.refresh()


def _summary(found: Sweep, target: str, above: float) -> list[str]:
    """Lines on a sweep: how likely the target is over the variants, and where it is likely."""
    from escalation.sweeping.words import effective, regions, spread

    return [*spread(found, target), *effective(found), "", *regions(found, target, above)]
