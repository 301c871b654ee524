"""Writes a fitted model as files: a catalogue and a scenario to extend, its draws, and its report.

    catalogue.yaml      the marks as indicator types: intensity by intent and rung
    confrontation.yaml  intent, ladder and rates: a scenario that another can extend
    draws.csv           posterior draws, as normal scores: what the backtest reads
    README.md           how the fit went: prior beside posterior, starts, what is not identified

In the YAML files each number is the log-normal (for weights of a state: beta) with the mean and
variance of its posterior draws, on the log scale where log-normal. They are marginal: what the
draws know of two numbers together is in `draws.csv` alone.

>>> lognormal(np.array([1.0, np.e]))
'{dist: lognormal, s: 0.7071, scale: 1.649}'
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.history.learning import (
    HOME,
    INTENTS,
    NAMES,
    OVER,
    PRIORS,
    RUNGS,
    WAR_SEEN,
    values,
)
from escalation.history.timelines import MARKS
from escalation.reading import documents
from escalation.reading.tree import Findings, plain

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from escalation.history.learning import Fit

    Array = NDArray[np.float64]

INDICATORS = {
    "threat": ("threat_made", "rhetoric", "Either side threatens force"),
    "display_opener": ("display_by_opener", "force_posture", "The opening side displays force"),
    "display_other": ("display_by_other", "target_posture", "The other side displays force"),
    "force_opener": ("force_by_opener", "use_of_force", "The opening side uses force"),
    "force_other": ("force_by_other", "use_of_force", "The other side uses force"),
    "war": ("war_waged", "use_of_force", "War"),
}
INTENT_LABELS = {
    "over": "Done with it",
    "rest": "Would let it rest", "press": "Acts now and then", "push": "Acts at high tempo",
}  # fmt: skip
RUNG_LABELS = {
    "threat": ("Threat at most", "No act above a threat (hostility 2)."),
    "display": ("Display of force", "A display of force (hostility 3)."),
    "force": ("Use of force", "A use of force short of war (hostility 4)."),
    "war": ("War", "War (hostility 5: a thousand battle deaths)."),
}
WHY = "Learned; prior, posterior and convergence are in README.md beside this file."
STRAINED = 2.576  # normal score beyond which a prior held less than 1 %
MAX_DRAWS_BYTES = 4_000_000


def write(folder: Path, fit: Fit, about: str, shared: Path) -> tuple[Path, ...]:
    """Write all files.

    Parameters
    ----------
    folder : Path
    fit : Fit
    about : str
        What it was learned from, in one sentence: goes into every file.
    shared : Path
        Catalogue from which grades and echo correlation are copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "catalogue.yaml": catalogue(fit, about, shared),
        "confrontation.yaml": scenario(fit, about),
        "draws.csv": draws_text(fit.draws),
        "README.md": report(fit, about),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def lognormal(draws: Array) -> str:
    """Return the log-normal with the draws' mean and deviation of the logarithm."""
    logs = np.log(draws)
    return f"{{dist: lognormal, s: {logs.std(ddof=1):.4g}, scale: {np.exp(logs.mean()):.4g}}}"


def beta(draws: Array) -> str:
    """Return the beta distribution with the draws' mean and variance."""
    mean = float(draws.mean())
    total = mean * (1 - mean) / float(draws.var(ddof=1)) - 1
    return f"{{dist: beta, a: {mean * total:.4g}, b: {(1 - mean) * total:.4g}}}"


def _columns(fit: Fit) -> dict[str, Array]:
    rows = [values(z) for z in fit.draws]
    return {name: np.array([row[name] for row in rows]) for name in NAMES}


def _heading(about: str) -> list[str]:
    return ["# Written by `escalation learn`; how the fit went: README.md.", f"# {about}"]


def catalogue(fit: Fit, about: str, shared: Path) -> str:
    """Return the catalogue's text."""
    column = _columns(fit)
    elicited = f"# Grades and echo correlation: as in {shared.name}, elicited."
    lines = [*_heading(about), "#", elicited, "", *_reliability(shared), "", "indicators:"]
    for mark in MARKS:
        name, category, label = INDICATORS[mark]
        key = f"seen.{mark}"
        base = lognormal(column[key]) if key in column else f"{WAR_SEEN:g}"
        strays = {
            rung: share for rung, share in zip(RUNGS, HOME[mark.split("_")[0]], strict=True)
            if share != 1
        }  # fmt: skip
        rung = ", ".join(f"{each}: x{share:g}" for each, share in strays.items())
        lines += [
            f"  {name}:",
            f"    category: {category}",
            f"    label: {label}",
            "    seen:",
            "      per: 30d",
            f"      rate: {base}",
            *([f"      rung: {{{rung}}}"] if rung else []),
            *([] if mark == "war" else _tempo(column)),
            "    watched: true",
            f"    why: Learned; x{min(HOME[mark.split('_')[0]]):g} on other rungs is a choice.",
        ]
    return "\n".join(lines) + "\n"


def _tempo(column: dict[str, Array]) -> list[str]:
    return [
        "      intent:",
        f"        over: x{OVER:g}",
        f"        rest: {lognormal(column['seen.rest'])}",
        f"        push: {lognormal(column['seen.push'])}",
    ]


def _reliability(shared: Path) -> list[str]:
    findings = Findings()
    tree = documents.read(documents.absolute(shared), findings)
    findings.raise_errors()
    table = plain(tree) if tree is not None else {}
    if not isinstance(table, dict) or not isinstance(table.get("admiralty"), dict):
        raise InvalidInputError([Problem(shared, 1, 1, "admiralty", "is missing")])
    admiralty = table["admiralty"]
    parts = [f"  {key}: {_flow(admiralty[key])}" for key in ("source", "information", "unknown")]
    why = f"  why: Elicited, as in {shared.name}; what is learned from has no grades."
    return ["admiralty:", why, *parts, f"echo_correlation: {table['echo_correlation']}"]


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {each}" for key, each in value.items()) + "}"
    return str(value)


def scenario(fit: Fit, about: str) -> str:
    """Return the text of a scenario with the learned start, moves and ladder."""
    column = _columns(fit)
    moves = [f"      {name}: {lognormal(column[name])}" for name in NAMES
             if name.split(" -> ")[0] in INTENTS]  # fmt: skip
    lines = [
        *_heading(about),
        "# Extend it: give start, as_of, horizon, observations, and what the case itself tells.",
        "",
        "schema: 1",
        "title: A militarised confrontation, as learned",
        "question: How far does a confrontation climb within a year of its opening?",
        "start: 1990-01-01",
        "as_of: 1990-01-01",
        "horizon: 365d",
        "catalogue: catalogue.yaml",
        "",
        "latent:",
        "  intent:",
        "    label: What the sides mean to do",
        f"    why: {WHY}",
        "    states:",
        *(f"      {name}: {label}" for name, label in INTENT_LABELS.items()),
        "    start:",
        *(f"      {line}" for line in _start(column, INTENTS)),
        "    moves:",
        *moves,
        "",
        "ladder:",
        f"  why: {WHY}",
        "  rungs:",
        *(f'    - {{id: {name}, label: {label}, resolves: "{resolves}"}}'
          for name, (label, resolves) in RUNG_LABELS.items()),
        "  start:",
        *(f"    {line}" for line in _start(column, RUNGS)),
        "  moves:",
        *_ladder_moves(column),
    ]  # fmt: skip
    return "\n".join([*lines, "", "targets: [force, war]", ""])


def _start(column: dict[str, Array], states: tuple[str, ...]) -> list[str]:
    """Probability of each state on the first day, from its weight and those of the others."""
    one = np.ones(len(next(iter(column.values()))))
    weights = {name: column.get(f"start.{name}", one) for name in states}
    total = np.sum(list(weights.values()), axis=0)
    return [f"{name}: {beta(weights[name] / total)}" for name in states]


def _ladder_moves(column: dict[str, Array]) -> list[str]:
    lines = []
    for name in NAMES:
        here, _, there = name.partition(" -> ")
        if here in RUNGS and RUNGS.index(there) > RUNGS.index(here):
            lines += [
                f"    {name}:",
                f"      rate: {lognormal(column[name])}",
                "      intent:",
                "        over: x0",
                f"        rest: {lognormal(column['climb.rest'])}",
                f"        push: {lognormal(column[_push(here)])}",
            ]
        elif here in RUNGS:  # a way down
            lines.append(f"    {name}: {lognormal(column[name])}")
    return lines


def _push(rung: str) -> str:
    return "war.push" if rung == "force" else "climb.push"


def draws_text(draws: Array) -> str:
    """Return draws as CSV: a column for each parameter."""
    rows = [",".join(f"{each:.5f}" for each in row) for row in draws]
    return "\n".join([",".join(NAMES), *rows]) + "\n"


def read_draws(path: Path) -> Array:
    """Read draws, shape (n, P).

    Raises
    ------
    InvalidInputError
        If they are not draws of this model.
    """
    try:
        rows = list(csv.reader(documents.read_text(path, MAX_DRAWS_BYTES).splitlines()))
        if not rows or tuple(rows[0]) != NAMES:
            raise InvalidValueError("the columns are not this model's parameters; learn again")
        return np.array(rows[1:], dtype=float).reshape(-1, len(NAMES))
    except ValueError as error:
        raise InvalidInputError([Problem(path, 1, 1, "", str(error))]) from error


def _agreement(fit: Fit) -> str:
    """Say how many starts ended at the maximum, and how far apart."""
    same = sum(fit.log_posterior - each < 1 for each in fit.starts) - 1
    if not same:
        return "No other start came within 1 of the best: there may be a better maximum still."
    return (
        f"{same} of the other {len(fit.starts) - 1} came within 1 of the best, at most "
        f"{fit.apart:.2f} posterior standard\ndeviations from it; the rest ended at lesser maxima."
    )


def report(fit: Fit, about: str) -> str:
    """Return how the fit went, in Markdown."""
    quantiles, contraction = fit.quantiles(), fit.contraction
    at = dict(zip(NAMES, np.median(fit.draws, axis=0), strict=True))
    strained = [name for name in NAMES if abs(at[name]) > STRAINED]
    weak = [name for name in NAMES if contraction[name] < 0.5]  # noqa: PLR2004 (half is named below)
    starts = ", ".join(f"{each:.1f}" for each in fit.starts)
    table = [
        f"| {name} | {low:g} to {high:g} | {q[1]:.3g} | {q[0]:.3g} to {q[2]:.3g} "
        f"| {contraction[name]:.2f} |"
        for (name, (low, high)), q in zip(PRIORS.items(), quantiles.values(), strict=True)
    ]
    lines = [
        "# A latent-intent model, learned",
        "",
        about,
        f"{fit.histories:,} histories with {fit.events:,} days of acts.",
        "",
        "`catalogue.yaml` and `confrontation.yaml` hold what was learned, with its uncertainty; a",
        "scenario uses it by `extends: ../learned/confrontation.yaml`. Each number there is the",
        "marginal posterior: correlations between numbers are in `draws.csv` alone. The states of",
        "intent are what explains the sequence of acts, named by the nearest intent; nobody has",
        "seen them, and both sides share one.",
        "",
        "## Convergence",
        "",
        f"Log-posterior at the end of each start, best first: {starts}.",
        _agreement(fit),
        f"{fit.method}: {fit.evaluations:,} evaluations, effective sample size {fit.ess:.0f}.",
        "At the maximum the day-by-day filter, all histories in one batch, gives the same",
        f"log-likelihood to {fit.filter_gap:.0e}.",
        "",
        "## Prior and posterior",
        "",
        "Rates per 30 days; `seen` under press at home; central 90 %. Contraction is 1 −",
        "posterior ÷ prior variance on the log scale: 0 where the data say nothing, 1 where all.",
        "",
        "| parameter | prior | posterior median | posterior | contraction |",
        "|---|---|---|---|---|",
        *table,
        "",
        f"Less than half identified: {', '.join(weak) or 'none'}. Outside the prior's central",
        f"99 %, where prior and data disagree: {', '.join(strained) or 'none'}. Such a",
        "number shows that the states of intent are not what the priors took them for.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
