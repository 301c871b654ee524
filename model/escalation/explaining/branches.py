r"""Two branches of a future: an indicator is seen within a window, or it is not.

For each draw, from the state probabilities v on the as-of day, with κ = λ the intensity of the
indicator in each state, W days of window, H of horizon, and Q̄ the generator with no way out of
the target's states:

    S = Σ_k (v exp((Q − diag κ) W))_k                              not seen
    U = Σ_{k outside} (v exp((Q̄ − diag κ) W) exp(Q̄ (H − W)))_k     not seen, not reached
    N = Σ_{k outside} (v exp(Q̄ H))_k                               not reached

so that the target is reached and the indicator not seen with probability S − U, and reached and
seen with (1 − N) − (S − U), were it only a sign. Where it has an effect, the mass that is first
seen on day s, and outside until its end,

    u_{s+1} = u_s exp(Q̄ − diag κ),      f_s = u_s exp(Q̄) − u_{s+1}      (outside the target)

goes on from day s + 1 with the rates Q̄ then in force.

Shapes: K states, B draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.engine.layout import Occurrence
from escalation.explaining.backward import lump, lumped, reach
from escalation.explaining.replay import bare
from escalation.explaining.weighing import later, silent
from escalation.maths.filtering import log_likelihood
from escalation.reading.case import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.maths.ctmc import Chain
    from escalation.reading.case import Indicator

    Array = NDArray[np.float64]

WATCHED = "\0watched"  # id of the report that has not come
CERTAIN = "\0certain"
NEVER = 2.0  # no belief is above it


@dataclass(frozen=True)
class Branches:
    """Probabilities of each draw, shapes (B,).

    Attributes
    ----------
    seen : float64
        The indicator is seen within the window.
    reached_unseen, reached_seen : float64
        The target is reached, and the indicator not seen, or seen.
    reached_sign : float64
        The latter without the indicator's effect.
    """

    seen: Array
    reached_unseen: Array
    reached_seen: Array
    reached_sign: Array

    @property
    def rows(self) -> Array:
        """All four, in order: shape (4, B)."""
        return np.stack([self.seen, self.reached_unseen, self.reached_seen, self.reached_sign])


@dataclass(frozen=True)
class Future:
    """Where the draws stand on the as-of day, and how they go on.

    Attributes
    ----------
    layout : Plan
    values : Mapping[str, Array (B,)]
    chain : Chain
        From the as-of day to the horizon.
    vector : float64, shape (K, B)
    inside : bool, shape (K,)
        The target.
    """

    layout: Plan
    values: Mapping[str, Array]
    chain: Chain
    vector: Array
    inside: NDArray[np.bool_]

    @cached_property
    def absorbing(self) -> Chain:
        """The chain with no way out of the target."""
        return self.chain.absorbing(self.inside)

    def unreached(self, day: int) -> Array:
        """P(target not reached from a day to the horizon | state on the day): shape (K, B)."""
        left = self.layout.horizon - day
        return 1 - reach(later(self.chain, day), self.inside, left)


def start(layout: Plan, values: Mapping[str, Array], target: str) -> Future:
    """Filter draws to the as-of day."""
    made = batch(layout, values)
    vector = log_likelihood(made).filtered
    return Future(layout, values, later(made.chain, layout.history), vector, layout.reached(target))


def branches(
    future: Future, indicators: Mapping[str, tuple[Indicator, Array]], window: int
) -> dict[str, Branches]:
    """Both branches for each indicator, with its intensities (K, B), over so many days.

    The rates of the chain must be those without a further report of it. All indicators go through
    the engine together, side by side in one batch.
    """
    rates = [each for _, each in indicators.values()]
    if not rates:
        return {}
    outer = ~future.inside[:, None]
    killed = np.concatenate([each * outer for each in rates], axis=1)
    silence = silent(*_abreast(future, future.chain, len(rates)), window, np.concatenate(rates, 1))
    silent_log = np.split(log_likelihood(silence).loglik, len(rates))
    kept = log_likelihood(silent(*_abreast(future, future.absorbing, len(rates)), window, killed))
    close = np.tile(future.unreached(window), len(rates))
    neither = np.split((kept.filtered * close).sum(axis=0) * np.exp(kept.loglik), len(rates))
    reached = 1 - (future.vector * future.unreached(0)).sum(axis=0)
    found = {}
    for name, log, none in zip(indicators, silent_log, neither, strict=True):
        reached_unseen = np.clip(np.exp(log) - none, 0.0, None)
        sign = np.clip(reached - reached_unseen, 0.0, None)
        found[name] = Branches(-np.expm1(log), reached_unseen, sign, sign)
    return found | _with_effects(future, indicators, found, window)


def _abreast(future: Future, chain: Chain, times: int) -> tuple[Array, Chain]:
    """Start vectors and chains, so many times side by side."""
    return np.tile(future.vector, times), _repeated(chain, times)


def _repeated(chain: Chain, times: int) -> Chain:
    """Return the same chains, so many times side by side."""
    multipliers = chain.multipliers
    if multipliers.shape[2] > 1:
        multipliers = np.tile(multipliers, (1, 1, times))
    return replace(chain, rates=np.tile(chain.rates, (1, times)), multipliers=multipliers)


def _with_effects(
    future: Future,
    indicators: Mapping[str, tuple[Indicator, Array]],
    signs: Mapping[str, Branches],
    window: int,
) -> dict[str, Branches]:
    """Branches of the indicators that have an effect, with it."""
    chosen = {name: each for name, each in indicators.items() if each[0].effect is not None}
    if not chosen:
        return {}
    firsts = _first_seen(future, [rates for _, rates in chosen.values()], window)
    found = {}
    for (name, (indicator, _)), mass in zip(chosen.items(), firsts, strict=True):
        unreached = _Effect.of(future, indicator).unreached(mass)
        reached = np.clip(signs[name].seen - unreached, 0.0, None)
        found[name] = replace(signs[name], reached_seen=reached)
    return found


def _first_seen(future: Future, rates: list[Array], window: int) -> list[Array]:
    """f_s for each indicator and day of the window: (W, K, B), outside the target."""
    outer = ~future.inside[:, None]
    killing = np.concatenate([each * outer for each in rates], axis=1)
    chain = _repeated(future.absorbing, 2 * len(rates))
    both = np.concatenate([killing, np.zeros_like(killing)], axis=1)
    left, firsts = np.tile(future.vector * outer, len(rates)), []
    for day in range(window):
        gone = _passed(np.tile(left, 2), later(chain, day), both) * outer
        unseen, every = np.split(gone, 2, axis=1)
        firsts.append(np.clip(every - unseen, 0.0, None))
        left = unseen
    return np.split(np.array(firsts), len(rates), axis=2)


def _shares(mass: Array, size: Array) -> Array:
    return np.asarray(mass / np.where(size > 0, size, 1.0), dtype=float)


def _passed(mass: Array, chain: Chain, killing: Array | None = None) -> Array:
    """Mass after one day, less what is killed."""
    size = mass.sum(axis=0)
    found = log_likelihood(silent(_shares(mass, size), chain, 1, killing))
    return np.asarray(found.filtered * np.exp(found.loglik) * size, dtype=float)


@dataclass(frozen=True)
class _Effect:
    """Rates once an effect has begun, on whichever day.

    Attributes
    ----------
    future : Future
    chain : Chain
        From the as-of day; its `multipliers` do not matter.
    without, old, full : float64, shape (C, H, B)
        ln of the multipliers of each day with no occurrence of the indicator; what earlier
        occurrences add; and (C, 1, B) what one adds in full.
    half_life : float64, shape (B,), or None
    """

    future: Future
    chain: Chain
    without: Array
    old: Array
    full: Array
    half_life: Array | None

    @classmethod
    def of(cls, future: Future, indicator: Indicator) -> _Effect:
        """Take an effect apart, by compiling the plan with and without it."""
        layout, fades = future.layout, indicator.effect and indicator.effect.fades
        earlier = layout.occurrences.get(indicator.name, ())
        none = _compiled(future, indicator, believed=False)
        now = future.chain if earlier else none
        full = _compiled(future, indicator, believed=True)
        without = _daily(none)
        return cls(
            future,
            none,
            without,
            _daily(now) - without,
            _daily(full)[:, :1] - without[:, :1],
            future.values[fades] if fades else None,
        )

    def unreached(self, firsts: Array) -> Array:
        """P(target not reached by the horizon), of mass (W, K, B) first seen on each day: (B,)."""
        inside, horizon = self.future.inside, self.without.shape[1]
        if self.half_life is None:
            return self._held(firsts)
        days = np.arange(1, len(firsts) + 1)
        mass = np.concatenate([lump(each, inside) for each in firsts], axis=1)
        size = mass.sum(axis=0)
        chain = lumped(self.begun(days), inside)
        made = silent(_shares(mass, size), chain, horizon - 1)
        left = np.repeat(horizon - days, firsts.shape[2]).astype(np.int32)
        ended = log_likelihood(replace(made, days=left)).filtered[:-1].sum(axis=0)
        return np.asarray((ended * size).reshape(len(firsts), -1).sum(axis=0), dtype=float)

    def _held(self, firsts: Array) -> Array:
        """The same for an effect that holds, so that all mass goes on alike."""
        held = self.begun(np.array([1]))
        closed = held.absorbing(self.future.inside)
        running = firsts[0]
        for day, mass in enumerate(firsts[1:]):
            running = _passed(running, later(closed, day)) + mass
        window, horizon = len(firsts), self.without.shape[1]
        rest = later(held, window - 1)
        return np.asarray(
            (running * (1 - reach(rest, self.future.inside, horizon - window))).sum(axis=0),
            dtype=float,
        )

    def begun(self, days: NDArray[np.int64]) -> Chain:
        """Chains from each of some days on, on which the effect begins, side by side.

        Their day 0 is the day of the beginning; those that begin late end with a copy of their
        last day.
        """
        horizon = self.without.shape[1]
        age = np.arange(horizon - days.min())
        day = np.minimum(age[:, None] + days, horizon - 1)  # (ages, beginnings)
        fade: Array | float = 1.0
        if self.half_life is not None:
            fade = np.exp2(-age[:, None] / self.half_life)[:, None, :]
        new = self.full[:, :, None, :] * fade
        old = self.old[:, day]
        stronger = np.where(
            self.full[:, :, None, :] > 0, np.maximum(new, old), np.minimum(new, old)
        )
        multipliers = np.exp(self.without[:, day] + stronger)
        every = (*multipliers.shape[:2], len(days) * self.chain.size)
        return replace(
            self.chain,
            rates=np.tile(self.chain.rates, len(days)),
            multipliers=np.ascontiguousarray(multipliers).reshape(every),
            segment=np.arange(len(age), dtype=np.int32),
        )


def _daily(chain: Chain) -> Array:
    """ln of the multipliers of each day."""
    return np.asarray(np.log(chain.multipliers[:, chain.segment]), dtype=float)


def _compiled(future: Future, indicator: Indicator, *, believed: bool) -> Chain:
    """The chain from the as-of day with one occurrence now, or none, and no earlier ones."""
    layout = future.layout
    before = layout.occurrences.get(indicator.name, ())
    more = Occurrence(_hypothetical(layout, indicator), layout.history, layout.history)
    every = {**layout.occurrences, indicator.name: (*before, more)}
    count = future.vector.shape[1]
    never = np.full(count, NEVER)
    values = dict(future.values)
    values |= {CERTAIN: np.ones(count), more.in_force: np.zeros(count) if believed else never}
    values |= {each.in_force: never for each in before}
    return later(batch(bare(layout, every), values).chain, layout.history)


def _hypothetical(layout: Plan, indicator: Indicator) -> Observation:
    """A report that is certain to be true."""
    return Observation(
        WATCHED,
        indicator.name,
        layout.as_of,
        layout.as_of,
        None,
        1,
        CERTAIN,
        "A",
        "1",
        "",
        None,
        "",
        "",
        indicator.location,
    )
