r"""Backtest: what would have been forecast, case by case, and what came.

Every confrontation is taken as it stood L days after its opening (L = 7, 30, 60, 90), knowing
only the events up to then. Asked is the hostility of what follows within h days (30, 90, 365):

    X = max level of the events in (L, L + h],       P(X ≥ 4) force,  P(X ≥ 5) war

War ends the watching, so cases at war by day L are not asked. A question counts at its close,
L + h, and only if that lies within the data: one that was answered yes early waits like the others,
or the record would be too rosy. The learned model's forecast is a mean over posterior draws,

    P(X ≥ k) = 1 − v exp((Q − diag Σ_{j: level ≥ k} λ_j) h) 1,      v the state at L,

against three baselines, each fitted to the same question on the training cases:

    base rate     share of yes
    persistence   share of yes among those with, and those without, such an event in the 30 days
                  before L: what was lately seen goes on
    logistic      ridge-penalised logistic regression on the counts of each mark so far and in the
                  last 30 days, and the days since the last event

What makes a confrontation (which acts belong together) was decided by its coders in hindsight;
all forecasters share that advantage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.special import expit

from escalation.history import learning
from escalation.history.timelines import LEVEL, MARKS, Timelines, timelines
from escalation.history.verification import (
    Bin,
    Bootstrap,
    Interval,
    brier,
    logarithmic,
    ranked,
    reliability,
)
from escalation.maths.priors import keyed_generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from escalation.history.histories import History

    Array = NDArray[np.float64]

LANDMARKS = (7, 30, 60, 90)
HORIZONS = (30, 90, 365)
LEVELS = (3, 4, 5)
TARGETS = {"force": 4, "war": 5}
WATCH = max(LANDMARKS) + max(HORIZONS)
RECENT = 30
RIDGE = 1.0
MODEL, BASE, PERSISTENCE, LOGISTIC = "learned model", "base rate", "persistence", "logistic"
FORECASTERS = (MODEL, BASE, PERSISTENCE, LOGISTIC)


@dataclass(frozen=True)
class Questions:
    """Cases at one landmark with one horizon.

    Attributes
    ----------
    ids : tuple of str
        The n cases.
    features : Array, shape (n, F)
        What a regression sees.
    recent : bool, shape (n, 3)
        Whether a level of `LEVELS` was reached in the last 30 days.
    outcome : bool, shape (n, 3)
        Whether it is reached within the horizon.
    """

    ids: tuple[str, ...]
    features: Array
    recent: NDArray[np.bool_]
    outcome: NDArray[np.bool_]


@dataclass(frozen=True)
class Forecasts:
    """All forecasts of one landmark and horizon.

    Attributes
    ----------
    landmark, horizon : int
    ids : tuple of str
    outcome : bool, shape (n, 3)
    exceedance : Mapping[str, Array (n, 3)]
        Forecaster → P(X ≥ level), for each of `LEVELS`.
    """

    landmark: int
    horizon: int
    ids: tuple[str, ...]
    outcome: NDArray[np.bool_]
    exceedance: dict[str, Array]

    def ladder(self, forecaster: str) -> Array:
        """Distribution of X over below 3, 3, 4 and 5: shape (n, 4)."""
        above = np.minimum.accumulate(self.exceedance[forecaster], axis=1)
        edges = np.concatenate([np.ones((len(above), 1)), above, np.zeros((len(above), 1))], axis=1)
        return np.asarray(-np.diff(edges, axis=1))

    @property
    def category(self) -> NDArray[np.intp]:
        """Where X fell: 0 below level 3, then 3, 4, 5."""
        return np.asarray(self.outcome.sum(axis=1), dtype=np.intp)


@dataclass(frozen=True)
class Score:
    """A forecaster's mean loss on a question, and what it gains on the base rate.

    Attributes
    ----------
    target : str
        "force", "war" or "ladder".
    horizon : int
    landmark : int
        0: all landmarks together.
    forecaster : str
    measure : str
        "Brier", "log" or "RPS".
    forecasts, cases, events : int
    loss : Interval
    gain : Interval
        Base rate's loss minus this one; above 0 is better. Over the same resamples.
    """

    target: str
    horizon: int
    landmark: int
    forecaster: str
    measure: str
    forecasts: int
    cases: int
    events: int
    loss: Interval
    gain: Interval


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Attributes
    ----------
    split, until : date
        Cases that began before `split` were learned from, with nothing after it known.
    training, tested : int
        Cases.
    forecasts : tuple of Forecasts
    in_sample : tuple of Forecasts
        The same questions asked of the training cases: where they are off, the model is.
    scores : tuple of Score
    reliability : Mapping[(target, horizon, forecaster), tuple of Bin]
        All landmarks together.
    """

    split: date
    until: date
    training: int
    tested: int
    forecasts: tuple[Forecasts, ...]
    in_sample: tuple[Forecasts, ...]
    scores: tuple[Score, ...]
    reliability: dict[tuple[str, int, str], tuple[Bin, ...]]


def split_cases(
    histories: Iterable[History], split: date, until: date
) -> tuple[Timelines, Timelines]:
    """Training cases (began before the split, known up to the day before) and later ones."""
    every = tuple(histories)
    eve = date.fromordinal(split.toordinal() - 1)
    before = [each for each in every if each.start < split]
    after = [each for each in every if each.start >= split]
    return timelines(before, watch=WATCH, until=eve), timelines(after, watch=WATCH, until=until)


def backtest(
    histories: Sequence[History], draws: Array, *, split: date, until: date, seed: int
) -> Backtest:
    """Forecast and score every question of the cases from `split` on.

    Parameters
    ----------
    histories : sequence of History
    draws : Array, shape (n, P)
        Posterior draws of `learning`, fitted to the training cases alone.
    split, until : date
        First day of the test, last day of the data.
    seed : int
        Keys the bootstrap.
    """
    training, test = split_cases(histories, split, until)
    forecasts = _asked(training, test, draws)
    return Backtest(
        split, until, training.size, test.size, forecasts, _asked(training, training, draws),
        tuple(_scores(forecasts, seed)),
        {
            (target, horizon, name): _reliability(forecasts, target, horizon, name)
            for target in TARGETS for horizon in HORIZONS for name in FORECASTERS
        },
    )  # fmt: skip


def _asked(training: Timelines, cases: Timelines, draws: Array) -> tuple[Forecasts, ...]:
    """Forecasts of some cases at every landmark and horizon."""
    found: list[Forecasts] = []
    for landmark in LANDMARKS:
        states = _states(cases.until(landmark), draws)
        found += [_forecasts(training, cases, landmark, ahead, states) for ahead in HORIZONS]
    return tuple(found)


def _states(lines: Timelines, draws: Array) -> list[tuple[learning.Model, dict[str, Array]]]:
    """For each draw its model, and the state of each case on its last day."""
    found = []
    for z in draws:
        at = learning.model(z)
        _, state = learning.log_likelihood(at, lines)
        found.append((at, dict(zip(lines.ids, state, strict=True))))
    return found


def _forecasts(
    training: Timelines,
    test: Timelines,
    landmark: int,
    horizon: int,
    states: list[tuple[learning.Model, dict[str, Array]]],
) -> Forecasts:
    learn, ask = questions(training, landmark, horizon), questions(test, landmark, horizon)
    columns: dict[str, list[Array]] = {name: [] for name in (BASE, PERSISTENCE, LOGISTIC)}
    for level in range(len(LEVELS)):
        yes = learn.outcome[:, level]
        columns[BASE].append(np.full(len(ask.ids), _share(yes)))
        lately = learn.recent[:, level]
        columns[PERSISTENCE].append(
            np.where(ask.recent[:, level], _share(yes[lately]), _share(yes[~lately]))
        )
        columns[LOGISTIC].append(_logistic(learn.features, yes, ask.features))
    exceedance = {name: np.stack(each, axis=1) for name, each in columns.items()}
    exceedance[MODEL] = _by_model(states, ask.ids, horizon)
    return Forecasts(landmark, horizon, ask.ids, ask.outcome, exceedance)


def _share(yes: NDArray[np.bool_]) -> float:
    """Share of yes, with half a case of each kind added (Jeffreys)."""
    return float((yes.sum() + 0.5) / (len(yes) + 1))


def _by_model(
    states: list[tuple[learning.Model, dict[str, Array]]], ids: Sequence[str], horizon: int
) -> Array:
    total = np.zeros((len(ids), len(LEVELS)))
    for at, state in states:
        now = np.array([state[each] for each in ids])
        for index, level in enumerate(LEVELS):
            killing = at.intensity[level <= LEVEL].sum(axis=0)
            none = expm((at.generator - np.diag(killing)) * horizon).sum(axis=1)
            total[:, index] += 1 - now @ none
    return total / len(states)


def questions(lines: Timelines, landmark: int, horizon: int) -> Questions:
    """Cases that can be asked at a landmark, with what was known and what came."""
    close = landmark + horizon
    ids, features, recent, outcome = [], [], [], []
    for i, name in enumerate(lines.ids):
        day, mark = lines.day[: lines.count[i], i], lines.mark[: lines.count[i], i]
        level = LEVEL[mark]
        before = day <= landmark
        open_still = lines.opened[i].toordinal() + close > lines.until_day.toordinal()
        if open_still or (before & (level >= LEVELS[-1])).any():
            continue
        lately = before & (day > landmark - RECENT)
        window = (day > landmark) & (day <= close)
        ids.append(name)
        features.append(_features(day, mark, before, lately, landmark))
        recent.append([bool((lately & (level >= k)).any()) for k in LEVELS])
        outcome.append([bool((window & (level >= k)).any()) for k in LEVELS])
    return Questions(
        tuple(ids), np.array(features), np.array(recent, dtype=bool), np.array(outcome, dtype=bool)
    )


def _features(
    day: NDArray[np.int32],
    mark: NDArray[np.int32],
    before: NDArray[np.bool_],
    lately: NDArray[np.bool_],
    landmark: int,
) -> list[float]:
    so_far = np.bincount(mark[before], minlength=len(MARKS))[:-1]
    last = np.bincount(mark[lately], minlength=len(MARKS))[:-1]
    quiet = landmark - int(day[before].max())
    return [*np.log1p(so_far).tolist(), *np.log1p(last).tolist(), float(np.log1p(quiet))]


def _logistic(features: Array, yes: NDArray[np.bool_], ask: Array) -> Array:
    """Ridge-penalised logistic regression on standardised features; probabilities for `ask`."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    x = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    sign = np.where(yes, 1.0, -1.0)

    def loss(beta: Array) -> tuple[float, Array]:
        margin = sign * (x @ beta)
        penalty = beta.copy()
        penalty[0] = 0.0
        value = np.logaddexp(0, -margin).sum() + 0.5 * RIDGE * float(penalty @ penalty)
        return float(value), -(x.T @ (sign * expit(-margin))) + RIDGE * penalty

    beta = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    return np.asarray(expit(np.column_stack([np.ones(len(ask)), (ask - mean) / spread]) @ beta))


def _scores(forecasts: Sequence[Forecasts], seed: int) -> Iterable[Score]:
    for horizon in HORIZONS:
        for landmark in (0, *LANDMARKS):
            chosen = [
                each for each in forecasts
                if each.horizon == horizon and landmark in {0, each.landmark}
            ]  # fmt: skip
            _, groups = np.unique(
                [name for each in chosen for name in each.ids], return_inverse=True
            )
            rng = keyed_generator(seed, f"bootstrap {horizon} {landmark}")
            resamples = Bootstrap.draw(groups, rng)
            for target in (*TARGETS, "ladder"):
                for measure in ("RPS",) if target == "ladder" else ("Brier", "log"):
                    yield from _compare(chosen, (target, horizon, landmark, measure), resamples)


def _compare(
    chosen: Sequence[Forecasts], key: tuple[str, int, int, str], resamples: Bootstrap
) -> Iterable[Score]:
    target, horizon, landmark, measure = key
    column = LEVELS.index(TARGETS.get(target, 4))
    events = int(sum(each.outcome[:, column].sum() for each in chosen))
    losses = {
        name: np.concatenate([_loss(each, name, target, measure) for each in chosen])
        for name in FORECASTERS
    }
    for name in FORECASTERS:
        yield Score(
            target, horizon, landmark, name, measure, len(losses[name]),
            resamples.times.shape[1], events, resamples.interval(losses[name]),
            resamples.interval(losses[BASE] - losses[name]),
        )  # fmt: skip


def _loss(each: Forecasts, name: str, target: str, measure: str) -> Array:
    if target == "ladder":
        return ranked(each.ladder(name), each.category)
    column = LEVELS.index(TARGETS[target])
    forecast, outcome = each.exceedance[name][:, column], each.outcome[:, column].astype(float)
    return brier(forecast, outcome) if measure == "Brier" else logarithmic(forecast, outcome)


def _reliability(
    forecasts: Sequence[Forecasts], target: str, horizon: int, name: str
) -> tuple[Bin, ...]:
    column = LEVELS.index(TARGETS[target])
    chosen = [each for each in forecasts if each.horizon == horizon]
    forecast = np.concatenate([each.exceedance[name][:, column] for each in chosen])
    outcome = np.concatenate([each.outcome[:, column] for each in chosen]).astype(float)
    return reliability(forecast, outcome)
