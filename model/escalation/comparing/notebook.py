"""What the notebook of a comparison calls: from its parameters to a comparison, and to files.

Parameters may come as texts, as in `notebook`; several scenarios are one text, with spaces or
line ends between their paths, and plausibilities are `NAME=WEIGHT` likewise.

>>> listed("a.yaml b.yaml"), weights("venezuela-talks=2 venezuela-pressure=1")
(['a.yaml', 'b.yaml'], {'venezuela-talks': 2.0, 'venezuela-pressure': 1.0})
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.comparing.compare import Comparison, compare
from escalation.comparing.record import record
from escalation.engine.assessment import DRAWS, SEED
from escalation.engine.runners import runner
from escalation.engine.shared_draws import on_runner
from escalation.errors import InvalidValueError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import load
from escalation.reporting.notebook import OUT, as_day, as_whole, find, unquoted
from escalation.reporting.provenance import git_state, inputs
from escalation.reporting.record import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from escalation.reading.case import Scenario


@dataclass(frozen=True)
class Run:
    """A comparison, and what it was made from."""

    comparison: Comparison
    provenance: Mapping[str, object]


def begin(
    scenarios: object,
    *,
    as_of: object = "",
    horizon: object = "",
    draws: object = DRAWS,
    seed: object = SEED,
    plausibility: object = "",
    cluster: object = "",
) -> Run:
    """Read and compare scenarios.

    Raises
    ------
    EscalationError
        If a parameter, a scenario or its evidence cannot be used.
    """
    cases = [load(find(path), as_of=as_day(as_of)) for path in listed(scenarios)]
    count, key = as_whole(draws, "draws"), as_whole(seed, "seed")
    days = as_whole(horizon, "horizon") if unquoted(horizon) else None
    given = by_scenario(weights(plausibility), cases)
    made_from = {
        **provenance(cases, horizon=days, draws=count, seed=key, plausibility=given),
        "git": git_state(Workspace.of(cases[0].path).root),
    }
    address = unquoted(cluster)
    if not address:
        comparison = compare(cases, horizon=days, draws=count, seed=key, plausibility=given)
        return Run(comparison, made_from)
    with runner(address) as workers:
        comparison = compare(
            cases,
            horizon=days,
            draws=count,
            seed=key,
            plausibility=given,
            distribute=partial(on_runner, workers),
        )
    return Run(comparison, made_from)


def provenance(
    cases: Sequence[Scenario],
    *,
    horizon: int | None,
    draws: int,
    seed: int,
    plausibility: Mapping[str, float] | None,
) -> dict[str, object]:
    """Return everything that decides what a comparison says; where it is computed does not."""
    each = [inputs(case, case.as_of, draws, seed) for case in cases]
    shared = {key: value for key, value in each[0].items() if key not in {"files", "observations"}}
    return {
        **shared,
        "horizon": horizon,
        "plausibility": dict(plausibility or {}),
        "scenarios": {
            f"{place} {case.name}": {
                "as_of": str(case.as_of),
                "files": its["files"],
                "observations": its["observations"],
            }
            for place, (case, its) in enumerate(zip(cases, each, strict=True), 1)
        },
    }


def by_scenario(
    given: Mapping[str, float] | None, cases: Sequence[Scenario]
) -> dict[str, float] | None:
    """Weights by scenario; the name of its file will do for the name of a scenario."""
    files = {case.path.stem: case.name for case in cases}
    return {files.get(name, name): weight for name, weight in (given or {}).items()} or None


def latest(cases: Sequence[Scenario]) -> date:
    """Day under which a comparison is kept."""
    return max(case.as_of for case in cases)


def save(run: Run, out: object = "") -> None:
    """Write `result.json` into a folder, by default that which `ESCALATION_OUT` names, if any."""
    folder = unquoted(out) or os.environ.get(OUT, "")
    if folder:
        data = {**record(run.comparison), "provenance": run.provenance}
        Path(folder, "result.json").write_text(to_json(data), encoding="utf-8")


def listed(value: object) -> list[str]:
    """Return the paths in a parameter."""
    return unquoted(value).split() if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined]


def weights(value: object) -> dict[str, float] | None:
    """Return the plausibilities in a parameter; None if it is blank.

    Raises
    ------
    InvalidValueError
        If one is not written as NAME=WEIGHT.
    """
    found = {}
    for part in listed(value):
        name, _, weight = part.rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError as error:
            raise InvalidValueError(f"plausibility: '{part}' is not NAME=WEIGHT") from error
    return found or None
