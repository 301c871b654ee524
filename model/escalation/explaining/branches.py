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
from escalation.explaining.replay import bare
from escalation.explaining.weighing import later, silent
from escalation.maths.filtering import Questions, infer, log_likelihood
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
    def unreached(self) -> Array:
        """N, the probability that the target is not reached."""
        return outside(self, self.vector, self.absorbing, self.layout.horizon)

    @cached_property
    def absorbing(self) -> Chain:
        """The chain with no way out of the target."""
        return self.chain.absorbing(self.inside)


def start(layout: Plan, values: Mapping[str, Array], target: str) -> Future:
    """Filter draws to the as-of day."""
    made = batch(layout, values)
    vector = log_likelihood(made).filtered
    return Future(layout, values, later(made.chain, layout.history), vector, layout.reached(target))


def branches(future: Future, indicator: Indicator, rates: Array, window: int) -> Branches:
    """Both branches for an indicator of these intensities (K, B), over so many days.

    The rates of the chain must be those without a further report of it.
    """
    silence = log_likelihood(silent(future.vector, future.chain, window, rates)).loglik
    seen, unseen = -np.expm1(silence), np.exp(silence)
    killed = rates * ~future.inside[:, None]
    kept = log_likelihood(silent(future.vector, future.absorbing, window, killed))
    rest = later(future.absorbing, window), future.layout.horizon - window
    neither = outside(future, kept.filtered * np.exp(kept.loglik), *rest)
    reached_unseen = np.clip(unseen - neither, 0.0, None)
    reached_sign = np.clip((1 - future.unreached) - reached_unseen, 0.0, None)
    reached_seen = reached_sign
    if indicator.effect is not None:
        firsts = _first_seen(future, killed, window)
        reached_seen = np.clip(seen - _Effect.of(future, indicator).unreached(firsts), 0.0, None)
    return Branches(seen, reached_unseen, reached_seen, reached_sign)


def outside(future: Future, mass: Array, chain: Chain, days: int) -> Array:
    """Of mass (K, B) by state, what is outside the target so many days on: shape (B,)."""
    size = mass.sum(axis=0)
    nothing = np.zeros((0, len(future.inside)), dtype=bool)
    questions = Questions(days, future.inside.astype(np.int32)[None], nothing)
    found = infer(silent(_shares(mass, size), chain), questions)
    return np.asarray(found.forecast[-1, 0] * size, dtype=float)


def _shares(mass: Array, size: Array) -> Array:
    return np.asarray(mass / np.where(size > 0, size, 1.0), dtype=float)


def _passed(mass: Array, chain: Chain, killing: Array | None = None) -> Array:
    """Mass after one day, less what is killed."""
    size = mass.sum(axis=0)
    found = log_likelihood(silent(_shares(mass, size), chain, 1, killing))
    return np.asarray(found.filtered * np.exp(found.loglik) * size, dtype=float)


def _first_seen(future: Future, killed: Array, window: int) -> list[Array]:
    """f_s for each day of the window: (K, B), outside the target."""
    outer = ~future.inside[:, None]
    left, firsts = future.vector * outer, []
    for day in range(window):
        chain = later(future.absorbing, day)
        unseen = _passed(left, chain, killed) * outer
        firsts.append(np.clip(_passed(left, chain) * outer - unseen, 0.0, None))
        left = unseen
    return firsts


@dataclass(frozen=True)
class _Effect:
    """Rates once an effect has begun, on whichever day.

    Attributes
    ----------
    future : Future
    chain : Chain
        From the as-of day, with no way out of the target; its `multipliers` do not matter.
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
        none = _compiled(future, indicator, believed=False, earlier=False)
        now = _compiled(future, indicator, believed=False, earlier=True) if earlier else none
        full = _compiled(future, indicator, believed=True, earlier=False)
        without = _daily(none)
        return cls(
            future,
            none.absorbing(future.inside),
            without,
            _daily(now) - without,
            _daily(full)[:, :1] - without[:, :1],
            future.values[fades] if fades else None,
        )

    def unreached(self, firsts: list[Array]) -> Array:
        """P(target not reached by the horizon), of mass first seen on each day: shape (B,)."""
        horizon, window = self.without.shape[1], len(firsts)
        if self.half_life is not None:
            each = [
                outside(self.future, mass, self.begun(day), horizon - day)
                for day, mass in enumerate(firsts, 1)
            ]
            return np.asarray(np.sum(each, axis=0), dtype=float)
        held, running = self.begun(1), firsts[0]
        for day, mass in enumerate(firsts[1:]):
            running = _passed(running, later(held, day)) + mass
        return outside(self.future, running, later(held, window - 1), horizon - window)

    def begun(self, day: int) -> Chain:
        """Return the chain from a day on, on which the effect begins."""
        age = np.arange(self.without.shape[1] - day, dtype=float)[:, None]
        fade = np.ones_like(age) if self.half_life is None else np.exp2(-age / self.half_life)
        new, old = self.full * fade, self.old[:, day:]
        stronger = np.where(self.full > 0, np.maximum(new, old), np.minimum(new, old))
        multipliers = np.exp(self.without[:, day:] + stronger)
        return replace(
            self.chain, multipliers=multipliers, segment=np.arange(len(age), dtype=np.int32)
        )


def _daily(chain: Chain) -> Array:
    """ln of the multipliers of each day."""
    return np.asarray(np.log(chain.multipliers[:, chain.segment]), dtype=float)


def _compiled(future: Future, indicator: Indicator, *, believed: bool, earlier: bool) -> Chain:
    """The chain from the as-of day with one more occurrence, and the earlier ones, or not."""
    layout = future.layout
    before = layout.occurrences.get(indicator.name, ())
    more = Occurrence(_hypothetical(layout, indicator), layout.history, layout.history)
    every = {**layout.occurrences, indicator.name: (*before, more)}
    count = future.vector.shape[1]
    never = np.full(count, NEVER)
    values = dict(future.values)
    values |= {CERTAIN: np.ones(count), more.in_force: np.zeros(count) if believed else never}
    if not earlier:
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
