"""From a layout and draws of its assumptions to the arrays the engine runs on.

With k the joint state, d a day, and every symbol's value that of one draw:

    rate of a move           b(k) · exp(Σ_effects in force ln m · 2^(−(d − t₀)/h))
    likelihood of a report   L(k) = ρ λ_j(k) + (1 − ρ) mean_k λ_j,    ρ from its Admiralty grade
    c reports over D days    L(k)^(c/D) on each of them
    the i-th echo            (L(k)/mean_k L)^(e(i) − e(i−1)),          e(i) = i/(1 + (i − 1) ε)
    an unwatched type        L(k)/mean_k L
    silence                  κ(k) = Σ_{watched j} λ_j(k)

A further occurrence renews an effect (d − t₀ counts from the latest); it does not stack. What no
draw changes is in the layout, made ready once; reports that say the same share one likelihood.
(`docs/model.md`, sections 2 and 3.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.layout import Conditioning, Occurrence, Plan
    from escalation.reading.case import Effect, Observation

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]
    Draws = Mapping[str, Array]
    Pairs = tuple[tuple[str, str], ...]  # indicator and key of each effect on some rates


def batch(layout: Plan, draws: Draws) -> Batch:
    """Arrays for these draws: a mapping of every assumption's name to its N values."""
    count = len(next(iter(draws.values())))
    return Batch(
        _start(layout, draws, count),
        _chain(layout, draws, count),
        _evidence(layout, draws, count),
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
    moves = layout.space.moves
    classes: dict[Pairs, int] = {}
    of_move = np.array([_class(layout, keys, classes) for keys in moves.keys], dtype=np.int32)
    segment, multipliers = _multipliers(layout, list(classes), draws, count)
    return Chain(
        layout.space.size,
        moves.source,
        moves.target,
        moves.row,
        moves.recipe.rates(draws, layout.assumptions),
        of_move[moves.of_rate],
        multipliers,
        segment,
    )


def _class(layout: Plan, keys: frozenset[str], classes: dict[Pairs, int]) -> int:
    """Number of the effects that touch a move, all of them together; −1: none."""
    pairs = tuple(
        (name, key)
        for name in layout.occurrences
        for key in _effect(layout, name).multipliers
        if key in keys
    )
    return classes.setdefault(pairs, len(classes)) if pairs else -1


def _effect(layout: Plan, indicator: str) -> Effect:
    effect = layout.scenario.indicators[indicator].effect
    if effect is None:  # occurrences are kept for indicators with an effect only
        raise KeyError(indicator)
    return effect


def _multipliers(
    layout: Plan, classes: Sequence[Pairs], draws: Draws, count: int
) -> tuple[Index, Array]:
    """Segments (D,) and multipliers (C, S, N) of each class of effects."""
    segment, days = _segments(layout)
    logs = np.zeros((len(classes), len(days), count))
    strength, change = np.empty((2, len(days), count))
    for name, occurrences in layout.occurrences.items():
        effect = _effect(layout, name)
        kept = np.ones(1) if effect.fades is None else np.exp2(-1 / draws[effect.fades])  # a day
        believed = [
            draws[each.in_force] < _belief(layout, each.observation, draws) for each in occurrences
        ]
        _fill_strength(strength, occurrences, believed, days, kept)
        for index, pairs in enumerate(classes):
            for key in (key for indicator, key in pairs if indicator == name):
                np.multiply(np.log(draws[effect.multipliers[key]]), strength, out=change)
                logs[index] += change
    return segment, np.exp(logs, out=logs)


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
    days = sorted(day for day in changes if 0 <= day < total) or [0]
    segment = np.searchsorted(days, np.arange(total), side="right") - 1
    return segment.astype(np.int32), days


def _fill_strength(
    strength: Array,
    occurrences: Sequence[Occurrence],
    believed: Sequence[NDArray[np.bool_]],
    days: Sequence[int],
    kept: Array,
) -> None:
    """Put in the share of the log-multiplier in force, by segment and draw: (S, N)."""
    strength[0] = 0.0
    for each, held in zip(occurrences, believed, strict=True):
        if each.last < 0:
            np.maximum(strength[0], held * kept**-each.last, out=strength[0])
    renewed: dict[int, list[NDArray[np.bool_]]] = {}
    for each, held in zip(occurrences, believed, strict=True):
        for index in _renewed(each, days):
            renewed.setdefault(index, []).append(held)
    for index, now in enumerate(strength):
        if index:
            gap = days[index] - days[index - 1]
            np.multiply(strength[index - 1], kept if gap == 1 else kept**gap, out=now)
        for held in renewed.get(index, ()):
            np.maximum(now, held, out=now)


def _renewed(each: Occurrence, days: Sequence[int]) -> range:
    """Segments that begin on a day of an occurrence."""
    return range(bisect_left(days, each.first), bisect_right(days, each.last))


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


def _evidence(layout: Plan, draws: Draws, count: int) -> Evidence:
    intensity = _intensities(layout, draws)
    segment, killing = _killing(layout, intensity, count)
    said: dict[tuple[object, ...], tuple[int, Conditioning]] = {}
    of_conditioning = np.array(
        [said.setdefault(_saying(each), (len(said), each))[0] for each in layout.conditioning],
        dtype=np.int32,
    )
    seen = [layout.seen[each.observation.indicator] for _, each in said.values()]
    ends = np.cumsum([0, *(len(each.rows) for each in seen)])
    likelihood, log_scale = np.empty((ends[-1], count)), np.empty((len(said), count))
    for index, each in said.values():
        values = likelihood[ends[index] : ends[index + 1]]
        _fill_likelihood(layout, each, intensity, draws, values, log_scale[index])
    tables = [each.of_state + end for each, end in zip(seen, ends[:-1], strict=True)]
    return Evidence(
        killing,
        segment,
        layout.event_day[:, None],
        of_conditioning[layout.event_of][:, None],
        np.array(tables, dtype=np.int32).reshape(-1, layout.space.size),
        likelihood,
        log_scale,
    )


def _intensities(layout: Plan, draws: Draws) -> dict[str, Array]:
    """Intensity of each indicator per day, shape (rows, N)."""
    ends = np.cumsum([len(seen.rows) for seen in layout.seen.values()])[:-1]
    every = layout.intensities.rates(draws, layout.assumptions)
    return dict(zip(layout.seen, np.split(every, ends), strict=False))


def _saying(each: Conditioning) -> tuple[object, ...]:
    """All that the likelihood of an observation depends on."""
    seen = each.observation
    grade = seen.source_grade, seen.information_grade
    return seen.indicator, grade, seen.count / len(each.days), each.echo, each.ratio_only


def _fill_likelihood(
    layout: Plan,
    each: Conditioning,
    intensity: Mapping[str, Array],
    draws: Draws,
    value: Array,
    scale: Array,
) -> None:
    """Put in what one event multiplies by, (rows, N), the largest 1, and the ln of its scale, (N,).

    Zero throughout where the indicator's intensity is.
    """
    seen, rates = layout.seen[each.observation.indicator], intensity[each.observation.indicator]
    mean = (seen.share[:, None] * rates).sum(axis=0)
    genuine = _genuine(layout, each.observation, draws)
    np.multiply(genuine, rates, out=value)
    value += (1 - genuine) * mean
    largest = value.max(axis=0)
    some = largest > 0
    np.divide(value, largest, out=value, where=some)
    scale[:] = 1.0
    np.divide(largest, mean if each.ratio_only else 1.0, out=scale, where=some)
    np.log(scale, out=scale)
    power: Array | float = each.observation.count / len(each.days)
    if each.echo > 1:
        correlation = draws[layout.scenario.reliability.echo_correlation]
        power = power * (worth(each.echo, correlation) - worth(each.echo - 1, correlation))
    if each.echo > 1 or power != 1:
        np.power(value, power, out=value)
        scale *= power


def _killing(layout: Plan, intensity: Mapping[str, Array], count: int) -> tuple[Index, Array]:
    """Stretches of equal watching: segment (T,) and rates (S, K, N)."""
    ends = sorted({days for days in layout.watch.values() if days > 0})
    after = np.searchsorted(ends, np.arange(layout.history), side="right")
    segment = np.where(after < len(ends), after, -1).astype(np.int32)
    if not ends:
        return segment, np.zeros((0, layout.space.size, 1))
    total = np.zeros((layout.space.size, count))
    killing = np.empty((len(ends), *total.shape))
    for stretch in reversed(range(len(ends))):  # those watched longest first
        for name in (name for name, days in layout.watch.items() if days == ends[stretch]):
            total += intensity[name][layout.seen[name].of_state]
        killing[stretch] = total
    return segment, killing


def worth(echoes: int, correlation: Array | float) -> Array | float:
    """How many independent reports so many echoes are worth."""
    return echoes / (1 + (echoes - 1) * correlation)
