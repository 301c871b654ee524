"""Commands about base rates, learning and the record.

    escalation fit-rates    count base rates          → scenarios/reference_classes.yaml
    escalation learn        fit the latent-intent model → scenarios/learned/
    escalation backtest     forecast and score later cases → docs/backtest.md
    escalation import       events of a data set as observation rows of a case
    escalation crises       replay and score coded crises → docs/history.md
    escalation score        score archived forecasts  → reports/scoreboard.html

`add_commands` puts them into a parser; whatever is slow is imported when a command runs.

>>> parser = argparse.ArgumentParser()
>>> add_commands(parser.add_subparsers())
>>> parser.parse_args(["score", "--day", "2026-01-01"]).day
datetime.date(2026, 1, 1)
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.cli import values
from escalation.errors import RunError

if TYPE_CHECKING:
    from escalation.history.histories import History

SPLIT = date(1990, 1, 1)
UNTIL = date(2014, 12, 31)  # end of Militarized Interstate Events 1.0
EVENTS = Path("mie_mid", "mie-1.0.csv")
SOURCE = "Militarized Interstate Events 1.0 (Gibler & Miller), 1816-2014"
RECOVERY = Path("docs/recovery.md")
SEED = 20251122
REFERENCE = "ESCALATION_REFERENCE"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add every command of this module to a parser's subcommands."""
    _add_fit_rates(commands)
    _add_learn(commands)
    _add_backtest(commands)
    _add_crises(commands)
    _add_import(commands)
    _add_score(commands)


def _add_fit_rates(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("fit-rates", help="count base rates into reference classes")
    command.add_argument(
        "rules", type=Path, nargs="?", default=Path("scenarios/reference_rules.yaml"),
        metavar="RULES",
    )  # fmt: skip
    command.add_argument("--out", type=Path, help="by default reference_classes.yaml beside RULES")
    _add_data(command)
    command.set_defaults(run=_fit_rates)


def _add_learn(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("learn", help="fit the latent-intent model to past cases")
    command.add_argument("--out", type=Path, default=Path("scenarios/learned"), metavar="DIR")
    command.add_argument(
        "--catalogue", type=Path, default=Path("scenarios/catalogue.yaml"),
        help="grades and echo correlation are copied from it",
    )  # fmt: skip
    command.add_argument("--split", type=date.fromisoformat, default=SPLIT, metavar="DATE")
    command.add_argument("--starts", type=int, default=4)
    command.add_argument("--draws", type=int, default=1024)
    command.add_argument("--seed", type=int, default=SEED)
    command.add_argument(
        "--check", type=values.positive, metavar="SETS",
        help="instead: simulate and fit so many data sets, and write docs/recovery.md",
    )  # fmt: skip
    _add_data(command)
    command.set_defaults(run=_learn)


def _add_backtest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("backtest", help="forecast and score later cases")
    command.add_argument("--learned", type=Path, default=Path("scenarios/learned"), metavar="DIR")
    command.add_argument("--out", type=Path, default=Path("docs/backtest.md"), metavar="FILE")
    command.add_argument("--split", type=date.fromisoformat, default=SPLIT, metavar="DATE")
    command.add_argument("--seed", type=int, default=SEED)
    _add_data(command)
    command.set_defaults(run=_backtest)


def _add_crises(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("crises", help="replay and score coded historical crises")
    command.add_argument(
        "folder", type=Path, nargs="?", default=Path("scenarios/history"), metavar="DIR"
    )
    command.add_argument("--out", type=Path, default=Path("docs/history.md"), metavar="FILE")
    command.add_argument("--draws", type=int, default=1024)
    command.add_argument("--seed", type=int, default=SEED)
    command.set_defaults(run=_crises)


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("import", help="turn coded events into observation rows")
    command.add_argument("format", metavar="FORMAT", help="mie, icews, gdelt, acled, keds, csv, …")
    command.add_argument("file", type=Path, metavar="FILE")
    command.add_argument("--map", type=Path, required=True, metavar="MAP.yaml")
    command.add_argument("--out", type=Path, help="by default standard output")
    command.set_defaults(run=_import)


def _add_score(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("score", help="score archived forecasts at their close")
    command.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    command.add_argument("--scenarios", type=Path, default=Path("scenarios"), metavar="DIR")
    command.add_argument(
        "--forecasts", type=Path, metavar="FILE", help="one forecast file instead of --reports"
    )
    command.add_argument(
        "--resolutions", type=Path, metavar="FILE", help="what happened, for --forecasts"
    )
    command.add_argument("--day", type=date.fromisoformat, metavar="DATE", help="by default today")
    command.add_argument(
        "--late", action="store_true", help="score what was made after its target date too"
    )
    command.add_argument("--out", type=Path, help="by default scoreboard.html in the reports")
    command.set_defaults(run=_score)


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=Path, metavar="DIR", help=f"folder of the data; by default ${REFERENCE}"
    )


def _data(options: argparse.Namespace) -> Path:
    named = options.data or os.environ.get(REFERENCE)
    if not named or not Path(named).is_dir():
        raise RunError(f"no data folder: give --data DIR or set {REFERENCE} ('{named or ''}')")
    return Path(named)


def _histories(options: argparse.Namespace) -> tuple[History, ...]:
    from escalation.history.histories import group
    from escalation.history.readers import read

    return group(read("mie", _data(options) / EVENTS))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _write(path: Path, text: str) -> None:
    from escalation.reporting.disk import write_whole

    try:
        write_whole(path, text)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error


def _fit_rates(options: argparse.Namespace) -> int:
    from escalation.history import reference_rules

    rules = reference_rules.read_rules(options.rules)
    fitted = reference_rules.fit(rules, _data(options))
    out = options.out or options.rules.with_name("reference_classes.yaml")
    _write(out, reference_rules.written(rules, fitted, options.rules.name))
    _say(f"wrote {out}: {len(fitted)} classes")
    return 0


def _learn(options: argparse.Namespace) -> int:
    from escalation.history import backtest, learned, learning

    if options.check:
        return _check(options)
    training, _ = backtest.split_cases(_histories(options), options.split, UNTIL)
    if not training.size:
        raise RunError(f"no confrontation began before {options.split}: there is nothing to learn")
    fit = learning.fit(training, seed=options.seed, starts=options.starts, draws=options.draws)
    about = f"From {SOURCE}: those that began before {options.split}."
    for path in learned.write(options.out, fit, about, options.catalogue):
        _say(f"wrote {path}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from escalation.history import recovery

    result = recovery.recover(options.check, seed=options.seed, say=_say)
    _write(RECOVERY, recovery.page(result))
    _say(f"wrote {RECOVERY}")
    return int(bool(result.failing()))


def _backtest(options: argparse.Namespace) -> int:
    from escalation.history import backtest, backtest_page, learned

    histories = _histories(options)
    draws = learned.read_draws(options.learned / "draws.csv")
    result = backtest.backtest(
        histories, draws, split=options.split, until=UNTIL, seed=options.seed
    )
    _write(options.out, backtest_page.page(result, SOURCE))
    _say(f"wrote {options.out}")
    return 0


def _crises(options: argparse.Namespace) -> int:
    from escalation.history import crises, crises_page

    result = crises.replay(options.folder, draws=options.draws, seed=options.seed)
    _write(options.out, crises_page.page(result))
    _say(f"wrote {options.out}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from escalation.history import importing

    mapping = importing.read_map(options.map)
    imported = importing.rows(importing.events(options.format, options.file, mapping), mapping)
    text = importing.written(imported)
    if options.out is None:
        sys.stdout.write(text)
    else:
        _write(options.out, text)
    _say(f"{len(imported.rows)} rows; {imported.unmapped} events had no rule")
    return 0


def _score(options: argparse.Namespace) -> int:
    from escalation.history import scoreboard
    from escalation.history.forecasts import read_forecasts
    from escalation.history.outcomes import read_resolutions
    from escalation.history.scoring import score

    if options.forecasts:
        case = options.forecasts.absolute().parent.name
        forecasts = read_forecasts(options.forecasts, case)
        known = {case: read_resolutions(options.resolutions)} if options.resolutions else {}
    else:
        forecasts = scoreboard.archived(options.reports)
        known = scoreboard.happened(options.scenarios)
    cases = {each.case for each in forecasts}
    day = options.day or datetime.now(UTC).date()
    record = score(forecasts, scoreboard.of_runs(known, cases), day, late=options.late)
    sys.stdout.write("\n".join(scoreboard.table(record)) + "\n")
    out = options.out or options.reports / scoreboard.PAGE
    if options.out or (out.parent.is_dir() and not options.forecasts):
        back = (out.parent / scoreboard.INDEX).is_file()
        _write(out, scoreboard.page(record, back=back))
        _say(f"wrote {out}")
    return 0
