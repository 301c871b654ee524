"""The command line: `escalation check | assess | report | schema`.

Every command reads scenario files, says what is wrong with file and line, and never shows a
traceback for bad input. Exit codes: 0 fine, 1 invalid input, 2 wrong usage, 3 impossible
evidence, 4 to 14 a report could not be made (`docs/runs.md`), 130 interrupted, 141 nobody reads
what is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from escalation import __version__
from escalation.cli import compare as cli_compare
from escalation.cli import learning as cli_learning
from escalation.cli import report as cli_report
from escalation.cli import runs as cli_runs
from escalation.cli import streams, values
from escalation.cli import workbench as cli_workbench
from escalation.errors import EscalationError, InvalidInputError, RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from escalation.engine.assessment import Assessment, Estimate

INTERRUPTED = 130
UNREAD = 141  # as of any command that a closed pipe ends
FEW = 100  # effective draws, below which the intervals are rough
TRUSTED = 0.7  # largest Pareto k of weights to be trusted
LONG_SILENCE = 30  # days without any report, after which a caution is due


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    streams.prepare()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return UNREAD
    except OSError as error:
        streams.say(f"escalation: {error}")
        return RunError.exit_code
    else:
        return code
    finally:
        streams.settle()


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InvalidInputError as error:
        streams.say(f"{error}\n{_count(error)}")
        return error.exit_code
    except EscalationError as error:
        streams.say(f"escalation: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        streams.say("escalation: interrupted; nothing was lost, run the command again")
        return INTERRUPTED


def _count(error: InvalidInputError) -> str:
    problems = [each for each in error.problems if not each.warning]
    return _plural(len(problems), "problem")


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="escalation", description=_description())
    parser.add_argument("--version", action=_Version, nargs=0, help="version and engine in use")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_check(commands)
    _add_assess(commands)
    cli_report.add_commands(commands)
    schema = commands.add_parser("schema", help="write the JSON Schema of scenario files")
    schema.add_argument("--out", type=Path, help="file to write; by default standard output")
    schema.set_defaults(run=_schema)
    cli_compare.add_commands(commands)
    cli_learning.add_commands(commands)
    cli_runs.add_commands(commands)
    cli_workbench.add_commands(commands)
    return parser


def _description() -> str:
    return "How likely is it that a crisis climbs, how far, by when, and what does that rest on?"


class _Version(argparse.Action):
    """Print the version and which engine is in use."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from escalation.maths.filtering import PATH

        print(f"escalation {__version__} (engine: {PATH})")
        parser.exit()


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser("check", help="find every problem in scenario files")
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    check.add_argument("--strict", action="store_true", help="warnings count as problems")
    check.add_argument("--watch", action="store_true", help="check again whenever a file changes")
    check.set_defaults(run=_check)


def _add_assess(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("assess", help="print how likely each target is")
    command.add_argument("scenario", type=Path, metavar="SCENARIO")
    _add_run_options(command)
    command.add_argument("--horizon", type=values.days, metavar="DAYS", help="such as 90d or 12w")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change an assumption by its dotted name; may be given several times",
    )
    command.add_argument("--json", action="store_true", help="print data instead of a table")
    command.set_defaults(run=_assess)


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--as-of", type=values.iso_date, metavar="DATE", help="such as 2025-11-22")
    command.add_argument("--draws", type=values.draws, metavar="N", help="prior draws")
    command.add_argument("--seed", type=int, metavar="N", help="keys every random number")


def _check(options: argparse.Namespace) -> int:
    if options.watch:
        return cli_workbench.watch(options.paths, lambda: _check_once(options))
    return _check_once(options)


def _check_once(options: argparse.Namespace) -> int:
    from escalation.reading import scenario

    problems = [each for path in options.paths for each in scenario.check(path)]
    unique = sorted(set(problems))
    for problem in unique:
        print(problem)
    errors = [each for each in unique if options.strict or not each.warning]
    found = [_plural(len(errors), "problem") if errors else "no problems"]
    found += [_plural(len(unique) - len(errors), "warning")] * (len(unique) > len(errors))
    print(", ".join(found), file=sys.stderr)
    return 1 if errors else 0


def _schema(options: argparse.Namespace) -> int:
    from escalation.reading import scenario

    text = json.dumps(scenario.json_schema(), indent=2, ensure_ascii=False) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text, encoding="utf-8")
        print(f"wrote {options.out}", file=sys.stderr)
    return 0


def _assess(options: argparse.Namespace) -> int:
    from escalation.engine import assessment
    from escalation.reading import scenario

    case = scenario.load(options.scenario, overrides=_overrides(options.set))
    for warning in case.warnings:
        print(warning, file=sys.stderr)
    answer = assessment.assess(
        case,
        as_of=options.as_of,
        horizon=options.horizon,
        draws=options.draws or assessment.DRAWS,
        seed=assessment.SEED if options.seed is None else options.seed,
    )
    if options.json:
        print(json.dumps(summary(answer), indent=2, ensure_ascii=False))
    else:
        print("\n".join(table(answer)))
    return 0


def _overrides(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not equals:
            message = f"--set {name}: write NAME=VALUE, such as --set 'a.b.x -> y=0.1 to 0.3'"
            raise EscalationError(message)
    return {name.strip(): value.strip() for name, _, value in pairs}


def marks(answer: Assessment) -> list[int]:
    """Days ahead at which a table speaks of reaching a target."""
    return [*(each for each in (7, 30, 90) if each < answer.horizon), answer.horizon]


def table(answer: Assessment) -> list[str]:
    """Lines of a plain table: where it stands, and how likely each target is by when."""
    case = answer.scenario
    lines = [case.title, case.question, ""]
    lines += [f"As of {answer.as_of}: where it stands"]
    for factor in answer.plan.space.factors:
        lines.append(f"  {factor.label}")
        labels = {state.id: state.label for state in factor.states}
        width = max(len(label) for label in labels.values())
        for name, estimate in answer.now(factor.name).items():
            lines.append(f"    {labels[name]:<{width}}  {cell(estimate)}")
    lines += ["", "Probability of reaching it within"]
    at = marks(answer)
    lines.append(" " * 30 + "".join(f"{f'{each} days':>20}" for each in at) + "   even odds by")
    labels = {state.id: state.label for state in case.ladder.states}
    for target in answer.plan.reach:
        cells = "".join(f"{cell(answer.reach_by(target, each)):>20}" for each in at)
        star = "*" if target in case.targets else " "
        lines.append(f"{star} {labels[target]:<28.28}{cells}   {_when(answer, target)}")
    return [*lines, "", *_footer(answer)]


def _when(answer: Assessment, target: str) -> str:
    ahead = answer.time_to(target)
    return "not within it" if ahead is None else str(answer.as_of + timedelta(days=ahead))


def cell(estimate: Estimate) -> str:
    """`34 % (12–61)`: probability and 5–95 % interval."""
    from escalation.maths.words import percent

    low, high = (percent(each).removesuffix("%").strip() for each in (estimate.low, estimate.high))
    return f"{percent(estimate.probability)} ({low}–{high})"


def _footer(answer: Assessment) -> list[str]:
    quality = answer.diagnostics
    drawn = f"{quality.draws} draws ({quality.method}), effective sample size {quality.ess:.0f}"
    return [
        "Intervals hold the central 90 %: what the assumptions leave open. * marks a target.",
        f"{drawn}, Pareto k {quality.pareto_k:.2f}, seed {answer.seed}.",
        *(f"Caution: {each}." for each in cautions(answer)),
    ]


def cautions(answer: Assessment) -> list[str]:
    """What a reader should know before trusting the numbers: thin sampling, or long silence."""
    quality, said = answer.diagnostics, []
    if quality.ess < FEW:
        said.append(f"only {quality.ess:.0f} draws count; give more with --draws")
    if quality.pareto_k > TRUSTED:
        said.append(
            f"a few draws weigh too much (Pareto k {quality.pareto_k:.2f} is above {TRUSTED})"
        )
    reported = [
        each.reported_on for each in answer.scenario.observations if each.known(answer.as_of)
    ]
    silent = (answer.as_of - max(reported, default=answer.scenario.start)).days
    if silent > LONG_SILENCE and answer.plan.watch:
        said.append(
            f"nothing is coded for the last {silent} days, and that counts as silence of all that "
            "is watched; if it was not looked for, take an earlier --as-of"
        )
    return said


def summary(answer: Assessment) -> dict[str, object]:
    """Summarise the answer as plain data."""

    def data(estimate: Estimate) -> dict[str, float]:
        return {
            "probability": estimate.probability,
            "low": estimate.low,
            "high": estimate.high,
        }

    quality = answer.diagnostics
    return {
        "scenario": answer.scenario.name,
        "as_of": str(answer.as_of),
        "horizon_days": answer.horizon,
        "now": {
            factor.name: {name: data(each) for name, each in answer.now(factor.name).items()}
            for factor in answer.plan.space.factors
        },
        "reach": {
            target: {str(day): data(answer.reach_by(target, day)) for day in marks(answer)}
            for target in answer.plan.reach
        },
        "highest": {name: data(each) for name, each in answer.highest.items()},
        "seed": answer.seed,
        "draws": quality.draws,
        "method": quality.method,
        "effective_sample_size": quality.ess,
        "cautions": cautions(answer),
    }
