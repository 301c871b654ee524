"""Reads a scenario: YAML and CSV files in, one checked `case.Scenario` out.

    files → assembly → one tree → schema → the right shape
          → parts, rates, register → factors, indicators, assumptions
          → observations → dated reports
          → cautions → warnings

Everything wrong is found at once and raised as one `InvalidInputError`, each problem with its
file, line and column; what is valid but unwise becomes a warning of the scenario. Only the
assumptions that the scenario's parts refer to are kept.

>>> parse_number("0.1 to 0.4", "rate").fixed
False
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.reading import (
    assembly,
    cautions,
    documents,
    grammar,
    observations,
    parts,
    ranges,
    schema,
    shape,
)
from escalation.reading.case import Location, Scenario
from escalation.reading.rates import Rates
from escalation.reading.register import Register
from escalation.reading.settings import Settings
from escalation.reading.tree import Branch, Findings, Leaf, quoted
from escalation.reading.workspace import at_first_sight, name_of, yaml_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from escalation.maths.priors import Prior
    from escalation.reading.assembly import Assembled
    from escalation.reading.case import Assumption, Observation, RateSpec, Role
    from escalation.reading.tree import Node

_SHARED_KEYS = frozenset({"indicators", "admiralty", "echo_correlation", "reference_classes"})
_SCENARIO_KEYS = frozenset({"extends", "latent", "ladder"})
_SHARED_FILES = frozenset({"catalogue", "reference_classes"})


def load(
    path: Path | str,
    *,
    overrides: Mapping[str, str] | None = None,
    as_of: date | None = None,
    horizon: int | None = None,
) -> Scenario:
    """Read a scenario.

    Parameters
    ----------
    path : Path or str
        A scenario file.
    overrides : Mapping[str, str], optional
        Dotted name of an assumption → what to believe of it instead, written as in the files.
    as_of : date, optional
        Instead of the date in the file.
    horizon : int, optional
        Days, instead of those in the file.

    Raises
    ------
    InvalidInputError
        With every problem of every file, sorted by file and line.
    """
    findings = Findings()
    scenario = _load(Path(path), findings, _Instead(overrides or {}, as_of, horizon))
    findings.raise_errors()
    if scenario is None:
        raise AssertionError("nothing was found wrong, and nothing was read")
    return replace(scenario, warnings=findings.listed())


def check(path: Path | str) -> tuple[Problem, ...]:
    """Find every problem, warnings included.

    Parameters
    ----------
    path : Path or str
        A scenario (checked with all that it builds on), a catalogue, reference classes, or a
        file of observations (its form alone); or a folder, which is searched for YAML files.
    """
    file = Path(path)
    if file.is_dir():
        files = [each for each in yaml_files(file) if _kind(each) != "other"]
        if not files:
            return (Problem(file, 1, 1, "", "nothing to check: no scenario in this folder"),)
        return tuple(sorted({problem for each in files for problem in check(each)}))
    findings = Findings()
    if file.suffix.lower() == ".csv":
        target = _resolved(file, findings)
        if target is not None:
            observations.read(target, findings)
    elif _kind(file) == "shared":
        _check_shared(_top(file, findings) or Branch({}, Location(file, 1, 1)), findings)
    else:
        _load(file, findings, _Instead({}, None, None))
    return findings.listed()


def parse_number(value: str | float | Mapping[str, object], role: Role) -> Prior:
    """Return the prior that an uncertain number means, written as in the files.

    Raises
    ------
    InvalidValueError
        If it cannot be read.
    """
    return grammar.number(value, role).prior


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of scenario files, for editors."""
    from escalation.reading import editors

    return editors.json_schema()


def find_scenarios(paths: Iterable[Path | str]) -> tuple[Path, ...]:
    """Find scenario files.

    A file is taken as it is. A folder is searched, hidden folders and symbolic links left
    aside, for YAML files that have `latent`, `ladder` or `extends` at the top; one that cannot
    be read is taken too, so that somebody learns of it, unless its name says that it is a
    catalogue or holds reference classes.

    Raises
    ------
    InvalidInputError
        If a path does not exist.
    """
    found: dict[Path, None] = {}
    for each in map(Path, paths):
        if each.is_dir():
            found |= dict.fromkeys(path for path in yaml_files(each) if _is_scenario(path))
        elif each.exists():
            found[each] = None
        else:
            raise InvalidInputError([Problem(each, 1, 1, "", "no such file or folder")])
    return tuple(found)


# ---------------------------------------------------------------------- loading


@dataclass(frozen=True)
class _Instead:
    """What takes the place of things in the files."""

    overrides: Mapping[str, str]
    as_of: date | None
    horizon: int | None


def _load(path: Path, findings: Findings, instead: _Instead) -> Scenario | None:
    """Read a scenario; None where something is wrong."""
    if path.suffix.lower() == ".csv":
        said = "a table of reports is no scenario; name the YAML file that uses it"
        findings.error(Location(path, 1, 1), "", said)
        return None
    numbers = _override_nodes(instead.overrides, findings)
    try:
        file = documents.absolute(path)
        assembled = assembly.assemble(file, findings)
    except InvalidValueError as error:
        findings.error(Location(path, 1, 1), "", str(error))
        return None
    if assembled is None:
        return None
    tree = shape.shape(assembled.tree, schema.Scenario, findings)
    if not (tree.branch("latent").entries and tree.branch("ladder").entries):
        return None
    scenario = _build(
        file, tree, Register(tree, findings, numbers, assembled.files), assembled, instead
    )
    if findings.failed or scenario is None:
        return None
    scenario = replace(scenario, assumptions=_used(scenario))
    ranges.check(tree, scenario.assumptions, findings)
    cautions.warn(scenario, findings)
    return scenario


def _build(
    path: Path, tree: Branch, register: Register, assembled: Assembled, instead: _Instead
) -> Scenario | None:
    """Read all parts of a tree of the right shape; None if it is too large to go on."""
    rates = Rates(register)
    factors = parts.factors(rates)
    if factors is None:
        return None
    latent, ladder = factors
    settings = Settings(tree, ladder, register.findings)
    horizon = settings.horizon(instead.horizon)
    rows, files = _rows(tree, assembled, register.findings)
    left_out = settings.without(rows.ids)
    seen = tuple(each for each in rows.observations if each.id not in left_out)
    for each in seen:
        _probability(each, rows, register)
    moves = [move.name for factor in (*latent, ladder) for move in factor.moves]
    scenario = Scenario(
        name=name_of(path),
        path=path,
        title=tree.text("title"),
        question=tree.text("question"),
        start=settings.start(),
        as_of=settings.as_of(instead.as_of),
        horizon=horizon,
        latent=latent,
        ladder=ladder,
        indicators=parts.indicators(rates, moves, {each.indicator for each in seen}),
        reliability=parts.reliability(rates, needed=bool(rows.ids)),
        reference_classes=rates.cited,
        observations=seen,
        targets=settings.targets(),
        alerts=settings.alerts(horizon),
        words="phia" if tree.text("words") == "phia" else "icd203",
        assumptions=register.assumptions,
        files=files,
        warnings=(),
        sweep=settings.sweep(),
    )
    _unused_overrides(register)
    return scenario


def _rows(
    tree: Branch, assembled: Assembled, findings: Findings
) -> tuple[observations.Rows, tuple[Path, ...]]:
    """Read the observations, if there are any; and return all files."""
    named = tree.get("observations")
    if not isinstance(named, Leaf) or named.value is None:
        return observations.Rows((), {}, frozenset()), assembled.files
    path = assembly.follow(named, "observations", assembled.workspace, findings)
    if path is None:
        return observations.Rows((), {}, frozenset()), assembled.files
    known = tree.branch("indicators").entries.keys()
    return observations.read(path, findings, known, named), (*assembled.files, path)


def _probability(observation: Observation, rows: observations.Rows, register: Register) -> None:
    """Register the probability of a scheduled thing."""
    if observation.probability is not None:
        register.reasons[observation.probability] = (observation.note, observation.source)
        path = ("observations", observation.id, "probability")
        register.add(path, rows.probabilities[observation.id], "probability")


def _used(scenario: Scenario) -> dict[str, Assumption]:
    """Return the assumptions that the scenario's parts refer to, in order of the files."""
    names = {name for factor in scenario.factors for name in factor.start.values()}
    for factor in scenario.factors:
        for move in factor.moves:
            names |= set(_names(move.rate))
    for indicator in scenario.indicators.values():
        names |= set(_names(indicator.seen))
        if indicator.effect is not None:
            names |= {*indicator.effect.multipliers.values(), indicator.effect.fades or ""}
    table = scenario.reliability
    names |= {*table.source.values(), *table.information.values()}
    names |= {table.unknown, table.echo_correlation}
    names |= {each.probability or "" for each in scenario.observations}
    return {name: each for name, each in scenario.assumptions.items() if name in names}


def _names(spec: RateSpec) -> Iterator[str]:
    """Yield the assumptions of a rate."""
    if spec.base is not None:
        yield spec.base
    for table in spec.tables.values():
        yield from table.values()


# ---------------------------------------------------------------------- numbers given instead


def _override_nodes(overrides: Mapping[str, str], findings: Findings) -> dict[str, Node]:
    """Read the values of overrides as in a file: `{dist: …}` is a map."""
    nodes: dict[str, Node] = {}
    for name, text in overrides.items():
        place = Path(f"--set {name}")
        value = text.strip()
        if value.startswith("{"):
            tree = documents.parse(f"value: {value}", place, findings)
            nodes[name] = Leaf(None, text, Location(place, 1, 1)) if tree is None else (
                tree.entries["value"].node)  # fmt: skip
        else:
            nodes[name] = Leaf(value, value, Location(place, 1, 1))
    return nodes


def _unused_overrides(register: Register) -> None:
    for name, node in register.overrides.items():
        if name not in register.met:
            register.findings.unknown(
                node.location, "", f"no assumption {quoted(name)}", name, register.met
            )


# ---------------------------------------------------------------------- checking


def _resolved(path: Path, findings: Findings) -> Path | None:
    try:
        file = documents.absolute(path)
        return documents.Workspace.of(file).resolve(file.name, file)
    except InvalidValueError as error:
        findings.error(Location(path, 1, 1), "", str(error))
        return None


def _top(path: Path, findings: Findings) -> Branch | None:
    target = _resolved(path, findings)
    return None if target is None else documents.read(target, findings)


def _check_shared(tree: Branch, findings: Findings) -> None:
    """Check a catalogue or reference classes by themselves."""
    rates = Rates(Register(shape.shape(tree, schema.Shared, findings), findings))
    shaped = rates.register.tree
    parts.indicators(rates, None, ())
    if "admiralty" in shaped.entries or "echo_correlation" in shaped.entries:
        parts.reliability(rates, needed=False)
    for name in shaped.branch("reference_classes").entries:
        rates.cite(name)


def _is_scenario(path: Path) -> bool:
    """Whether a YAML file is a scenario."""
    sight = at_first_sight(path)
    return _kind(path) == "scenario" if sight is None else sight


def _kind(path: Path) -> Literal["scenario", "shared", "other"]:
    """Return what a YAML file is, by the keys at its top; by its name if it cannot be read."""
    tree = _top(path, Findings())
    if tree is None:
        return "shared" if path.stem in _SHARED_FILES else "scenario"
    if tree.entries.keys() & _SCENARIO_KEYS:
        return "scenario"
    return "shared" if tree.entries.keys() & _SHARED_KEYS else "other"
