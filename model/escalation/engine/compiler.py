"""From a layout and draws of its assumptions to the arrays the engine runs on.

With k the joint state, d a day, and every symbol's value that of one draw:

    rate of a move           b(k) · exp(Σ_effects in force ln m · 2^(−(d − t₀)/h))
    likelihood of a report   L(k) = ρ λ_j(k) + (1 − ρ) mean_k λ_j,    ρ from its Admiralty grade
    c reports over D days    L(k)^(c/D) on each of them
    the i-th echo            (L(k)/mean_k L)^(e(i) − e(i−1)),          e(i) = i/(1 + (i − 1) ε)
    an unwatched type        L(k)/mean_k L
    silence                  κ(k) = Σ_{watched j} λ_j(k)

A further occurrence renews an effect (d − t₀ counts from the latest); it does not stack.
(`docs/model.md`, sections 2 and 3.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Conditioning, Occurrence, Plan, Seen
    from escalation.reading.case import Assumption, Effect, Factor, Move, Observation, RateSpec

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]
    Draws = Mapping[str, Array]


def batch(layout: Plan, draws: Draws) -> Batch:
    """Arrays for these draws: a mapping of every assumption's name to its N values."""
    count = len(next(iter(draws.values())))
    return Batch(
        _start(layout, draws, count),
        _chain(layout, draws, count),
        _evidence(layout, draws),
        np.full(count, layout.history, dtype=np.int32),
    )


def _start(layout: Plan, draws: Draws, count: int) -> Array:
    start = np.ones((1, count))
    for factor in layout.space.factors:
        weights = np.zeros((len(factor.states), count))
        for index, state in enumerate(factor.states):
            if state.id in factor.start:
                weights[index] = draws[factor.start[state.id]]
        weights /= weights.sum(axis=0)
        start = (start[:, None, :] * weights[None, :, :]).reshape(-1, count)
    return np.ascontiguousarray(start)


def _chain(layout: Plan, draws: Draws, count: int) -> Chain:
    source, target, row = [], [], []
    rows: list[Array] = []
    classes: list[int] = []
    modulators: dict[tuple[tuple[str, str], ...], int] = {}
    for factor, move in layout.move_specs:
        effects = _effects_on(layout, factor, move)
        modulator = modulators.setdefault(effects, len(modulators)) if effects else -1
        of_state, choices = layout.space.combinations(tuple(move.rate.tables))
        states, moved = _joint_moves(layout, factor, move)
        source.append(states)
        target.append(moved)
        row.append(of_state[states] + len(rows))
        rows += [rate(move.rate, at, draws, layout.assumptions) for at in choices]
        classes += [modulator] * len(choices)
    segment, multipliers = _multipliers(layout, list(modulators), draws, count)
    return Chain(
        layout.space.size,
        np.concatenate(source).astype(np.int32),
        np.concatenate(target).astype(np.int32),
        np.concatenate(row).astype(np.int32),
        np.array(rows),
        np.array(classes, dtype=np.int32),
        multipliers,
        segment,
    )


def _joint_moves(layout: Plan, factor: Factor, move: Move) -> tuple[Index, Index]:
    """Joint states from which the move is possible, and where it leads."""
    ids = layout.space.ids(factor.name)
    place = [each.name for each in layout.space.factors].index(factor.name)
    stride = int(np.prod(layout.space.shape[place + 1 :]))
    here, there = ids.index(move.source), ids.index(move.target)
    states = np.flatnonzero(layout.space.values(factor.name) == here).astype(np.int32)
    return states, (states + (there - here) * stride).astype(np.int32)


def _effects_on(layout: Plan, factor: Factor, move: Move) -> tuple[tuple[str, str], ...]:
    """(indicator, key) of every effect that touches a move."""
    keys = {move.name, f"into {move.target}"} | _direction(layout, factor, move)
    return tuple(
        (name, key)
        for name in layout.occurrences
        for key in _effect(layout, name).multipliers
        if key in keys
    )


def _effect(layout: Plan, indicator: str) -> Effect:
    effect = layout.scenario.indicators[indicator].effect
    if effect is None:  # occurrences are kept for indicators with an effect only
        raise KeyError(indicator)
    return effect


def _direction(layout: Plan, factor: Factor, move: Move) -> set[str]:
    if factor is not layout.scenario.ladder:
        return set()
    ids = layout.space.ids(factor.name)
    here, there = ids.index(move.source), ids.index(move.target)
    rungs = len(layout.scenario.rungs)
    if there >= rungs:
        return {"settle"}
    return {"climb" if there > here or here >= rungs else "descend"}


def _multipliers(
    layout: Plan, classes: list[tuple[tuple[str, str], ...]], draws: Draws, count: int
) -> tuple[Index, Array]:
    """Segments (D,) and multipliers (C, S, N) of each class of effects."""
    segment, days = _segments(layout)
    logs = np.zeros((len(classes), len(days), count))
    for name, occurrences in layout.occurrences.items():
        effect = _effect(layout, name)
        if any(name == indicator for pairs in classes for indicator, _ in pairs):
            strength = _strength(layout, name, occurrences, days, draws)
            for index, pairs in enumerate(classes):
                for indicator, key in pairs:
                    if indicator == name:
                        logs[index] += np.log(draws[effect.multipliers[key]]) * strength
    return segment, np.exp(logs)


def _segments(layout: Plan) -> tuple[Index, list[int]]:
    """Segments of equal rates: for each day its segment, for each segment its first day."""
    changes = {0}
    total = layout.history + layout.horizon
    for name, occurrences in layout.occurrences.items():
        effect = _effect(layout, name)
        for each in occurrences:
            first, last = max(each.first, 0), min(each.last, total)
            fading = range(last, total) if effect.fades else range(0)
            changes |= {first, *fading}
    days = sorted(day for day in changes if day < total) or [0]
    segment = np.searchsorted(days, np.arange(total), side="right") - 1
    return segment.astype(np.int32), days


def _strength(
    layout: Plan, name: str, occurrences: tuple[Occurrence, ...], days: list[int], draws: Draws
) -> Array:
    """Share of the log-multiplier in force, by segment and draw: (S, N)."""
    fades = _effect(layout, name).fades
    kept = np.ones(1) if fades is None else np.exp2(-1 / draws[fades])  # per day
    believed = [
        draws[each.in_force] < _belief(layout, each.observation, draws) for each in occurrences
    ]
    now: Array = np.zeros(len(believed[0]))
    for each, held in zip(occurrences, believed, strict=True):
        if each.last < 0:
            now = np.maximum(now, held * kept**-each.last)
    strength = np.empty((len(days), len(now)))
    for index, day in enumerate(days):
        if index:
            now = now * kept ** (day - days[index - 1])
        for each, held in zip(occurrences, believed, strict=True):
            if each.first <= day <= each.last:
                now = np.maximum(now, held)
        strength[index] = now
    return strength


def _belief(layout: Plan, observation: Observation, draws: Draws) -> Array:
    """Probability that the thing took place, or will."""
    if observation.probability is not None:
        return draws[observation.probability]
    return _genuine(layout, observation, draws)


def _genuine(layout: Plan, observation: Observation, draws: Draws) -> Array:
    """ρ: the lower of the two axes of the grade; an unknown axis does not count."""
    table = layout.scenario.reliability
    axes = [
        table.source.get(observation.source_grade),
        table.information.get(observation.information_grade),
    ]
    known = [draws[name] for name in axes if name is not None]
    return np.minimum.reduce(known) if known else draws[table.unknown]


def _evidence(layout: Plan, draws: Draws) -> Evidence:
    intensity = {name: _intensity(layout, seen, draws) for name, seen in layout.seen.items()}
    segment, killing = _killing(layout, intensity)
    tables, likelihoods, scales = [], [], []
    offset = 0
    for each in layout.conditioning:
        seen = layout.seen[each.observation.indicator]
        values = _log_likelihood(layout, each, intensity[each.observation.indicator], draws)
        largest = values.max(axis=0)
        usable = np.isfinite(largest)
        likelihoods.append(np.exp(values - np.where(usable, largest, 0.0)))
        scales.append(np.where(usable, largest, 0.0))
        tables.append(seen.of_state + offset)
        offset += len(values)
    size = len(next(iter(draws.values())))
    return Evidence(
        killing,
        segment,
        layout.event_day[:, None],
        layout.event_of[:, None],
        np.array(tables, dtype=np.int32).reshape(-1, layout.space.size),
        np.concatenate(likelihoods) if likelihoods else np.zeros((0, size)),
        np.array(scales).reshape(-1, size),
    )


def _intensity(layout: Plan, seen: Seen, draws: Draws) -> Array:
    """Intensity per day, shape (rows, N)."""
    return np.stack([rate(seen.spec, at, draws, layout.assumptions) for at in seen.rows])


def _mean(seen: Seen, intensity: Array) -> Array:
    """Mean intensity over the joint states, shape (N,)."""
    share = np.bincount(seen.of_state, minlength=len(seen.rows)) / len(seen.of_state)
    return np.asarray(share @ intensity, dtype=float)


def _log_likelihood(layout: Plan, each: Conditioning, intensity: Array, draws: Draws) -> Array:
    """ln of what one event of this observation multiplies by: (rows, N)."""
    seen = layout.seen[each.observation.indicator]
    genuine, mean = _genuine(layout, each.observation, draws), _mean(seen, intensity)
    power: Array | float = each.observation.count / len(each.days)
    if each.echo > 1:
        correlation = draws[layout.scenario.reliability.echo_correlation]
        power = power * (worth(each.echo, correlation) - worth(each.echo - 1, correlation))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(genuine * intensity + (1 - genuine) * mean)
        if each.ratio_only:
            value = np.where(mean > 0, value - np.log(mean), -np.inf)
        return np.where(power == 0, 0.0, power * value)


def _killing(layout: Plan, intensity: Mapping[str, Array]) -> tuple[Index, Array]:
    """Stretches of equal watching: segment (T,) and rates (S, K, N)."""
    ends = sorted({days for days in layout.watch.values() if days > 0})
    segment = np.searchsorted(ends, np.arange(layout.history), side="right")
    segment = np.where(segment < len(ends), segment, -1).astype(np.int32)
    if not ends:
        return segment.astype(np.int32), np.zeros((0, layout.space.size, 1))
    total: Array = np.zeros(())
    stretches = []
    for end in reversed(ends):  # those watched longest first
        for name in (name for name, days in layout.watch.items() if days == end):
            total = total + intensity[name][layout.seen[name].of_state]
        stretches.append(total)
    return segment.astype(np.int32), np.array(stretches[::-1])


def worth(echoes: int, correlation: Array | float) -> Array | float:
    """How many independent reports so many echoes are worth."""
    return echoes / (1 + (echoes - 1) * correlation)


def rate(
    spec: RateSpec, at: Mapping[str, str], draws: Draws, assumptions: Mapping[str, Assumption]
) -> Array:
    """Rate per day in a combination of states: base times multipliers; shape (N,)."""
    value = None if spec.base is None else _per_day(spec.base, spec, draws, assumptions)
    factors = []
    for factor, table in spec.tables.items():
        name = table.get(at[factor])
        if factor == spec.values:
            if name is None:
                message = f"no value for {factor} '{at[factor]}'"
                raise InvalidValueError(message)
            value = _per_day(name, spec, draws, assumptions)
        elif name is not None:
            factors.append(draws[name])
    if value is None:
        message = "a rate needs a base or a table of values"
        raise InvalidValueError(message)
    for factor_value in factors:
        value = value * factor_value
    return value


def _per_day(
    name: str, spec: RateSpec, draws: Draws, assumptions: Mapping[str, Assumption]
) -> Array:
    if spec.window is not None:
        return -np.log1p(-draws[name]) / spec.window
    return draws[name] / assumptions[name].days
