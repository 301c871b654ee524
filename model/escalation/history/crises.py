"""Replays coded historical crises without hindsight, and learns from all of them but one.

Each case below `scenarios/history/` is a scenario on the shared catalogue, with its observations
and, read by scoring alone, its resolutions. `replay.yaml` says as of which days it is replayed.
Draws θ_n of the assumptions are keyed by name, so that the same n means the same assumptions in
every case. With ℓ_c the log-likelihood of case c up to the replay day, and L_o that of
another case up to the end of its coding, the forecast is Σ_n w_n P(target | θ_n), where

    alone             w_n ∝ exp ℓ_c(θ_n)
    leave one out     w_n ∝ exp(ℓ_c(θ_n) + Σ_{o≠c} L_o(θ_n))

and the base rate 1 − exp(−rate · h), from the cited reference class, knows nothing of the case.

**Choosing famous cases selects for drama.** They are known because they climbed, or because it
seemed that they would. Scores over them say whether the model is sane, not how good it is.

>>> CLASSES["strikes"]
'major_late_display_to_force'
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from escalation.engine.compiler import batch
from escalation.engine.layout import plan
from escalation.engine.posterior import Scores, chunks, evaluate
from escalation.history.forecasts import Forecast
from escalation.history.outcomes import read_resolutions
from escalation.history.scoring import score
from escalation.maths.filtering import infer
from escalation.maths.priors import keyed_generator
from escalation.maths.sampling import Sample, adapt, effective_sample_size, normalise
from escalation.reading import scenario
from escalation.reading.schema import Day, Strict, Text
from escalation.reading.shape import read_as

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.history.outcomes import ResolutionFile
    from escalation.history.scoring import Record
    from escalation.reading.case import Assumption, Scenario

    Array = NDArray[np.float64]

ALONE, OTHERS, BASE = "alone", "leave one out", "base rate"
FORECASTERS = (ALONE, OTHERS, BASE)
CLASSES = {"strikes": "major_late_display_to_force", "settlement": "us_crisis_to_agreement"}
CHUNK = 256
ROUNDS = 5


class Replay(Strict):
    """When each case is replayed."""

    schema_: Literal[1] = Field(alias="schema")
    horizons: list[int]
    as_of: dict[Text, list[Day]]


@dataclass(frozen=True)
class Asked:
    """One case as of one day.

    Attributes
    ----------
    case : str
    as_of : date
    horizon : int
    probability : Mapping[(forecaster, target), float]
    ess_alone, ess_others : float
        Effective draws behind the two forecasts of the model.
    """

    case: str
    as_of: date
    horizon: int
    probability: dict[tuple[str, str], float]
    ess_alone: float
    ess_others: float


@dataclass(frozen=True)
class Crises:
    """All cases, replayed and scored.

    Attributes
    ----------
    asked : tuple of Asked
    records : Mapping[str, Record]
        Forecaster → its record, scored after everything had closed.
    titles : Mapping[str, str]
        Case → title.
    grades : Mapping[str, Counter[str]]
        Case → how many of its reports have each grade.
    """

    asked: tuple[Asked, ...]
    records: dict[str, Record]
    titles: dict[str, str]
    grades: dict[str, Counter[str]]


def read_replay(path: Path) -> Replay:
    """Read when cases are replayed.

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    return read_as(path, Replay, "names no case")


def replay(folder: Path, *, draws: int, seed: int) -> Crises:
    """Replay every case named in `replay.yaml` of a folder.

    Parameters
    ----------
    folder : Path
    draws : int
        Draws of the assumptions, the same in every case.
    seed : int
        Keys them.
    """
    when = read_replay(folder / "replay.yaml")
    cases = {name: scenario.load(folder / name / "baseline.yaml") for name in when.as_of}
    what = {name: read_resolutions(folder / name / "resolutions.yaml") for name in cases}
    whole = {
        name: plan(case, max(each.reported_on for each in case.observations))
        for name, case in cases.items()
    }
    asked: list[Asked] = []
    for name, case in cases.items():
        others = {other: each for other, each in whole.items() if other != name}
        learned = _learn(whole[name], others, draws, seed)
        for day in when.as_of[name]:
            asked += _ask(name, case, date.fromisoformat(day), when.horizons, learned)
    records = {each: _record(asked, each, what) for each in FORECASTERS}
    titles = {name: case.title for name, case in cases.items()}
    grades = {
        name: Counter(each.source_grade + each.information_grade for each in case.observations)
        for name, case in cases.items()
    }
    return Crises(tuple(asked), records, titles, grades)


@dataclass(frozen=True)
class _Learned:
    """Draws of all assumptions: from the prior, and weighed by the other cases.

    Attributes
    ----------
    prior : Mapping[str, Array (n,)]
    values : Mapping[str, Array (m,)]
    log_weights : Array, shape (m,)
        Of `values`, given the other cases.
    """

    prior: dict[str, Array]
    values: dict[str, Array]
    log_weights: Array


def _learn(own: Plan, others: Mapping[str, Plan], draws: int, seed: int) -> _Learned:
    """Adaptive importance sampling of the assumptions, given all cases but one's own."""
    union: dict[str, Assumption] = dict(own.assumptions)
    for each in others.values():
        union |= each.assumptions
    scores = Scores(union, seed)

    def loglik(z: Array) -> Array:
        values = scores.values(z)
        return np.asarray(np.sum([evaluate(each, values) for each in others.values()], axis=0))

    def fresh(number: int) -> Array:
        return scores.prior(draws, f" round {number}")

    def enough(weights: Array) -> bool:
        return effective_sample_size(weights) >= draws / 2

    first = scores.prior(draws)
    sample = Sample(first, loglik(first), (draws,))
    rng = keyed_generator(seed, "crises")
    sample = adapt(sample, loglik, fresh, rng, rounds=ROUNDS, enough=enough)
    return _Learned(scores.values(first), scores.values(sample.z), sample.log_weights)


def _ask(
    name: str, case: Scenario, day: date, horizons: Sequence[int], learned: _Learned
) -> list[Asked]:
    layout = plan(case, day, max(horizons))
    loglik, alone = _passages(layout, learned.prior)
    more, others = _passages(layout, learned.values)
    weights = {ALONE: normalise(loglik)[0], OTHERS: normalise(more + learned.log_weights)[0]}
    found = []
    for horizon in horizons:
        probability = {
            (forecaster, target): float(passage[horizon, layout.reach.index(target)] @ weight)
            for (forecaster, weight), passage in zip(weights.items(), (alone, others), strict=True)
            for target in case.targets
        }
        for target in case.targets:
            probability[BASE, target] = _base(case, target, horizon)
        sizes = [effective_sample_size(weights[each]) for each in (ALONE, OTHERS)]
        found.append(Asked(name, day, horizon, probability, sizes[0], sizes[1]))
    return found


def _passages(layout: Plan, values: dict[str, Array]) -> tuple[Array, Array]:
    """Log-likelihood (n,) and first passages (H+1, P, n) of each draw."""
    parts = [infer(batch(layout, part), layout.questions) for part in chunks(values, CHUNK)]
    loglik = np.concatenate([part.likelihood.loglik for part in parts])
    return loglik, np.concatenate([part.passage for part in parts], axis=2)


def _base(case: Scenario, target: str, horizon: int) -> float:
    """Probability by the base rate of the class that the target's moves cite."""
    cited = case.reference_classes[CLASSES[target]]
    assumption = case.assumptions[cited.rate]
    rate = float(assumption.prior.quantile(np.array([0.5]))[0]) / assumption.days
    return float(-np.expm1(-rate * horizon))


def _record(asked: Sequence[Asked], forecaster: str, what: dict[str, ResolutionFile]) -> Record:
    forecasts = [
        Forecast(
            each.case, each.as_of, f"reach {target}", each.horizon,
            each.as_of + timedelta(days=each.horizon), {"yes": value}, Path("replay"),
        )
        for each in asked
        for (name, target), value in each.probability.items()
        if name == forecaster
    ]  # fmt: skip
    return score(forecasts, what, date.max)
