r"""Whether the fit finds known parameters again, and is as sure as it may be.

Histories are simulated from stated parameters θ₀ (`truth`), fitted, and the posterior held against
θ₀, over M data sets. Where the data rule (contraction above `RULED`), the posterior is close to
normal around the truth (Bernstein–von Mises), and with posterior mean m and deviation s

    e = (m − θ₀)/s ~ N(0, 1):       √M · mean(e) ~ N(0, 1),   Σ e² ~ χ²_M

for each parameter on its own, however the parameters hang together. The first finds a fit that is
off, the second one that is too sure or not sure enough. Each of the K ruled parameters has three
tails (one mean, two ends of χ²) at a level of `FALSE_ALARM`/(3K), so that a sound fit fails with at
most that probability in all (Bonferroni). What the data do not rule is named and not tested: there
the prior answers. In θ₀ it stands in the middle of its prior, or else the pull of the prior on it
would move what hangs together with it.

Simulation is by Gillespie's algorithm in continuous time; what `timelines` does to two acts of
one day (the most hostile counts) is done to these too, so θ₀ has few such days.

>>> len(simulate(truth(), 3, watch=60, seed=1)), truth().size == len(NAMES)
(3, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri, ndtri

from escalation.history import learning
from escalation.history.histories import Event, group
from escalation.history.learning import NAMES, values
from escalation.history.timelines import LEVEL, MARKS, timelines
from escalation.maths.priors import keyed_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from escalation.history.histories import History

    Array = NDArray[np.float64]

DAY = date(1900, 1, 1)
END = date(2000, 1, 1)
WATCH = 120
HISTORIES = 200  # the posterior of a ruled parameter is then at most half as wide as its prior
RULED = 0.75
FALSE_ALARM = 0.01


STATED = {
    "start.over": 0.5, "start.threat": -0.5, "start.display": -0.5, "start.war": -0.5,
    "seen.threat": -0.3, "seen.display_opener": -0.6, "seen.display_other": -0.9,
    "seen.force_opener": -0.3, "seen.force_other": -0.9, "seen.rest": -0.5, "seen.push": -1.0,
    "force -> display": 0.5, "push -> press": -0.5, "press -> rest": 0.3,
}  # fmt: skip


def truth() -> Array:
    """θ₀ as normal scores: `STATED`, and the prior's middle for what few data tell of."""
    return np.array([STATED.get(name, 0.0) for name in NAMES])


def simulate(z: Array, count: int, *, watch: int, seed: int) -> tuple[History, ...]:
    """Draw histories of the model, each watched for so many days."""
    rng, at = np.random.default_rng(seed), learning.model(z)
    return tuple(_history(at, str(number), watch, rng) for number in range(count))


def _history(at: learning.Model, name: str, watch: int, rng: np.random.Generator) -> History:
    state = int(rng.choice(len(at.start), p=at.start))
    opening = at.intensity[:, state] / at.intensity[:, state].sum()
    acts = [(0, int(rng.choice(len(MARKS), p=opening)))]
    clock = 0.0
    while True:
        moves = np.maximum(at.generator[state], 0.0)
        rates = np.concatenate([moves, at.intensity[:, state]])
        clock += rng.exponential(1 / rates.sum())
        if clock > watch:
            break
        what = int(rng.choice(len(rates), p=rates / rates.sum()))
        if what < len(moves):
            state = what
        else:
            acts.append((int(clock), what - len(moves)))
    return group(
        Event(name, n, DAY + timedelta(days=day), level=int(LEVEL[mark]),
              side="B" if MARKS[mark].endswith("other") else "A")
        for n, (day, mark) in enumerate(acts)
    )[0]  # fmt: skip


@dataclass(frozen=True)
class Recovery:
    """Fits to M simulated data sets.

    Attributes
    ----------
    truth : Array, shape (P,)
    mean, deviation : Array, shape (M, P)
        Of the posterior, as normal scores.
    histories : int
        In each data set.
    """

    truth: Array
    mean: Array
    deviation: Array
    histories: int

    @property
    def error(self) -> Array:
        """(posterior mean − truth)/posterior deviation, shape (M, P)."""
        return np.asarray((self.mean - self.truth) / self.deviation)

    @property
    def contraction(self) -> Array:
        """1 − posterior ÷ prior variance, mean over data sets, shape (P,)."""
        return np.asarray(1 - np.square(self.deviation).mean(axis=0))

    @property
    def ruled(self) -> NDArray[np.bool_]:
        """Parameters that the data rule, shape (P,)."""
        return np.asarray(self.contraction > RULED)

    def bounds(self) -> tuple[float, float, float]:
        """Bounds of |√M mean(e)| and, below and above, of Σ e²."""
        sets = len(self.mean)
        tail = FALSE_ALARM / (3 * max(int(self.ruled.sum()), 1))
        return (
            float(-ndtri(tail / 2)), float(chdtri(sets, 1 - tail)), float(chdtri(sets, tail))
        )  # fmt: skip

    def failing(self) -> tuple[str, ...]:
        """Ruled parameters that break a bound."""
        off, least, most = self.bounds()
        shift = np.abs(self.error.mean(axis=0)) * np.sqrt(len(self.error))
        spread = np.square(self.error).sum(axis=0)
        bad = self.ruled & ((shift > off) | (spread < least) | (spread > most))
        return tuple(name for name, each in zip(NAMES, bad, strict=True) if each)


def recover(
    sets: int, *, seed: int, histories: int = HISTORIES, say: Callable[[str], None] | None = None
) -> Recovery:
    """Simulate, and fit, so many data sets."""
    mean, deviation = [], []
    for number in range(sets):
        drawn = int(keyed_generator(seed, f"recovery {number}").integers(2**31))
        made = simulate(truth(), histories, watch=WATCH, seed=drawn)
        lines = timelines(made, watch=WATCH, until=END)
        fit = learning.fit(lines, seed=drawn, starts=1, draws=200, keep=200)
        mean.append(fit.draws.mean(axis=0))
        deviation.append(fit.draws.std(axis=0, ddof=1))
        if say is not None:
            say(f"{number + 1} of {sets} simulated data sets fitted ({fit.method})")
    return Recovery(truth(), np.array(mean), np.array(deviation), histories)


def page(result: Recovery) -> str:
    """Return the study in Markdown."""
    sets = len(result.mean)
    off, least, most = result.bounds()
    stated, error, contraction = values(result.truth), result.error, result.contraction
    inside = np.abs(error) < -ndtri(0.05)
    rows = [
        f"| {name} | {stated[name]:.3g} | {contraction[i]:.2f} | "
        f"{error[:, i].mean() * np.sqrt(sets):+.2f} | {np.square(error[:, i]).sum():.1f} | "
        f"{inside[:, i].sum()} | {'' if result.ruled[i] else 'not tested'} |"
        for i, name in enumerate(NAMES)
    ]
    weak = [name for name, ruled in zip(NAMES, result.ruled, strict=True) if not ruled]
    tested, held = int(result.ruled.sum()), int(inside[:, result.ruled].sum())
    lines = [
        "# Known parameters, found again",
        "",
        "Written by `escalation learn --check`; nothing in it is chosen by hand.",
        "",
        f"{sets} data sets of {result.histories} histories, each watched for {WATCH} days, were",
        "simulated from the stated parameters and fitted. e is the posterior mean minus the truth,",
        f"in posterior deviations. Tested are the {tested} parameters that the data rule",
        f"(contraction above {RULED:g}): |√M mean e| < {off:.2f}, {least:.2f} < Σe² < {most:.1f}.",
        f"A sound fit breaks any of these bounds with probability {FALSE_ALARM:g} at most.",
        "",
        f"Bounds broken by: {', '.join(result.failing()) or 'none'}.",
        "",
        f"Of the {tested * sets} central 90 % intervals of the tested parameters, {held} hold the",
        f"truth ({held / max(tested * sets, 1):.0%}).",
        "",
        f"Not identified by so many histories (the prior answers): {', '.join(weak) or 'none'}.",
        "",
        f"| parameter | truth | contraction | √M mean e | Σe² | 90 % holds it, of {sets} | |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
