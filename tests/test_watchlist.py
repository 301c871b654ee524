"""Promises of the watch list: both branches of the future are what simulated futures do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import oracles
from cases import load_case, row
from escalation.engine.assessment import Assessment, assess
from escalation.engine.compiler import batch
from escalation.errors import InvalidValueError
from escalation.explaining.watchlist import Watch, information, watchlist
from escalation.explaining.weighing import intensity
from escalation.maths.filtering import log_likelihood

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Flags = NDArray[np.bool_]

ROWS = (row("threat-1", "threat", "2025-02-01", grade="B2"), row("shots-1", "shots", "2025-02-10"))
FUTURES, WINDOW, HORIZON, HALF_LIFE = 60_000, 8, 20, 10.0
CLIMBS = [(0, 1), (3, 4)]  # joint states: intent bluff, fight; ladder low, high, deal fastest
FIXED: dict[str, Any] = {
    "as_of": "2025-03-20",
    "horizon": f"{HORIZON}d",
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": 0.5}}}},
    "ladder": {
        "moves": {
            "low -> high": {"intent": {"bluff": 0.1, "fight": 1.5}},
            "high -> low": {"rate": 3},
        }
    },
    "indicators": {
        "fleet": {"once": False, "effect": {"climb": "x5", "fades": f"{HALF_LIFE:g}d"}},
        "shots": {"seen": {"rung": {"low": 0.3, "high": 3}}},
    },
}
# The same without an effect that fades, and with one that holds.
PLAIN = {"indicators": {"fleet": {"effect": None}}}
HELD = {"indicators": {"fleet": {"effect": {"fades": None}}}}


def fixed_case(
    folder: Path, changes: dict[str, Any] | None = None, rows: tuple[str, ...] = ROWS
) -> Assessment:
    """Assess the small case with plain numbers only: all draws are alike."""
    return assess(load_case(folder, rows, over(FIXED, changes or {})), draws=4)


def over(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge changes into a patch, in which None still says that a key is to be deleted."""
    both = {**tree, **changes}
    for key in tree.keys() & changes.keys():
        if isinstance(tree[key], dict) and isinstance(changes[key], dict):
            both[key] = over(tree[key], changes[key])
    return both


def simulated(found: Assessment, name: str, multipliers: Array) -> tuple[Flags, Flags]:
    """Of simulated futures, whether each has seen the indicator, and reached "high".

    `multipliers` (H + 1, H) are of the climbing rates on each day, by the day after which the
    indicator was first seen; the last row is for those that have not.
    """
    values = {key: each[:1] for key, each in found.posterior.draws.items()}
    made = batch(found.plan, values)
    start = log_likelihood(made).filtered[:, 0]
    base = made.chain.at(0).dense()[0]
    np.fill_diagonal(base, 0.0)
    mark = intensity(found.plan, name, values)[:, 0]
    rng = np.random.default_rng(11)
    state = rng.choice(len(start), FUTURES, p=start)
    since = np.full(FUTURES, HORIZON)  # row of `multipliers`
    reached = np.isin(state, (1, 4))
    for day in range(HORIZON):
        rates = np.repeat(np.hstack([base, mark[:, None]])[None], HORIZON + 1, axis=0)
        for source, target in CLIMBS:
            rates[:, source, target] *= multipliers[:, day]
        seen = one_day(rng, state, since, rates, reached)
        if day < WINDOW:
            since[seen & (since == HORIZON)] = day
    return since < HORIZON, reached


def one_day(
    rng: np.random.Generator, state: Counts, kind: Counts, rates: Array, reached: Flags
) -> Flags:
    """Gillespie's direct method over one day, in place; whether a report came in it."""
    seen = np.zeros(len(state), dtype=bool)
    cumulated = rates.cumsum(axis=2)
    total, marked = cumulated[:, :, -1], rates.shape[1]
    going, clock = np.arange(len(state)), np.zeros(len(state))
    while len(going):
        here = kind[going], state[going]
        clock = clock + rng.standard_exponential(len(going)) / total[here]
        going, clock = going[clock < 1], clock[clock < 1]
        here = kind[going], state[going]
        event = ((rng.random(len(going)) * total[here])[:, None] >= cumulated[here]).sum(axis=1)
        seen[going[event == marked]] = True
        moved = event < marked
        state[going[moved]] = event[moved]
        reached[going] |= np.isin(state[going], (1, 4))
    return seen


def check(watch: Watch, seen: Flags, reached: Flags) -> None:
    """Every probability of a watch agrees with the shares of simulated futures."""
    assert watch.seen is not None
    assert watch.if_unseen is not None
    assert oracles.within_noise(seen.mean(), watch.seen, FUTURES)
    assert oracles.within_noise(reached[seen].mean(), watch.if_seen, int(seen.sum()))
    assert oracles.within_noise(reached[~seen].mean(), watch.if_unseen, int((~seen).sum()))


def of(found: Assessment, name: str, window: int = WINDOW) -> Watch:
    """Return one indicator's entry of the watch list for "high"."""
    watches = watchlist(found, "high", window=window, draws=4)
    (watch,) = [each for each in watches if each.indicator == name]
    return watch


@pytest.mark.parametrize("name", ["fleet", "shots"])
def test_a_sign_without_effect_is_what_simulated_futures_show(tmp_path: Path, name: str) -> None:
    """P(seen), and the target's probability if seen and if not, within Monte Carlo noise."""
    found = fixed_case(tmp_path, PLAIN)
    watch = of(found, name)
    check(watch, *simulated(found, name, np.ones((HORIZON + 1, HORIZON))))
    assert watch.if_seen == watch.if_seen_sign


def test_an_effect_that_fades_is_what_simulated_futures_show(tmp_path: Path) -> None:
    """Seen on a day, it multiplies the rates from the next day on, and fades from then."""
    found = fixed_case(tmp_path)
    days = np.arange(HORIZON)
    age = days - (days[:, None] + 1)
    rows = np.where(age >= 0, 5.0 ** np.exp2(-np.maximum(age, 0) / HALF_LIFE), 1.0)
    watch = of(found, "fleet")
    check(watch, *simulated(found, "fleet", np.vstack([rows, np.ones(HORIZON)])))
    assert watch.if_seen > watch.if_seen_sign + 0.05


def test_an_effect_that_holds_is_what_simulated_futures_show(tmp_path: Path) -> None:
    """Seen on a day, it multiplies the rates from the next day on, for good."""
    found = fixed_case(tmp_path, HELD)
    days = np.arange(HORIZON)
    rows = np.where(days > days[:, None], 5.0, 1.0)
    watch = of(found, "fleet")
    check(watch, *simulated(found, "fleet", np.vstack([rows, np.ones(HORIZON)])))


def test_an_effect_in_force_is_renewed_and_does_not_stack(tmp_path: Path) -> None:
    """Where it has happened before, what is left of it counts until it is seen again."""
    earlier = row("fleet-1", "fleet", "2025-03-08")
    found = fixed_case(tmp_path, None, (*ROWS, earlier))
    days = np.arange(HORIZON)
    old = np.exp2(-(days + 12) / HALF_LIFE)
    age = days - (days[:, None] + 1)
    new = np.where(age >= 0, np.exp2(-np.maximum(age, 0) / HALF_LIFE), 0.0)
    rows = 5.0 ** np.vstack([np.maximum(new, old), old])
    check(of(found, "fleet"), *simulated(found, "fleet", rows))


def test_both_branches_make_up_the_headline(tmp_path: Path) -> None:
    """Without effects, P(seen)·P(T | seen) + P(not seen)·P(T | not seen) is the headline."""
    changes = {"indicators": {"fleet": {"effect": None}}}
    found = assess(load_case(tmp_path, ROWS, changes), draws=128)
    for watch in watchlist(found, "deal", draws=64):
        if watch.seen is None or watch.if_unseen is None:
            continue
        whole = watch.seen * watch.if_seen + (1 - watch.seen) * watch.if_unseen
        assert whole == pytest.approx(watch.now, abs=1e-9)
        assert watch.now == pytest.approx(found.reach_by("deal").probability, abs=1e-9)


def test_a_type_that_is_not_watched_is_the_limit_of_a_rare_one(tmp_path: Path) -> None:
    """Its branch "seen" is that of a watched type with the same ratios and next to no rate."""
    rare = {"seen": {"intent": {"bluff": 1e-4, "fight": 3e-4}}, "watched": True}
    watched = of(fixed_case(tmp_path, {"indicators": {"threat": rare}}), "threat")
    found = of(fixed_case(tmp_path), "threat")
    assert (found.seen, found.if_unseen, found.bits) == (None, None, None)
    assert watched.seen is not None
    assert watched.seen < 1e-4
    assert found.if_seen == pytest.approx(watched.if_seen, abs=1e-4)
    assert found.if_seen > found.now + 0.01


def test_what_can_no_longer_be_seen_is_left_out(tmp_path: Path) -> None:
    """A type seen once and for all is not on the list, nor one that no state allows."""
    never = {"rung": {"low": 0, "high": 0, "deal": 0}}
    changes = {"indicators": {"fleet": {"once": True}, "shots": {"seen": never}}}
    threat, fleet = ROWS[0], row("fleet-1", "fleet", "2025-02-01")
    found = fixed_case(tmp_path, changes, (threat, fleet))
    assert [each.indicator for each in watchlist(found, "high", draws=4)] == ["threat"]
    before = fixed_case(tmp_path, changes, (threat,))
    assert {each.indicator for each in watchlist(before, "high", draws=4)} == {"fleet", "threat"}


def test_the_most_informative_comes_first(tmp_path: Path) -> None:
    """Watched types by bits, then the others by how far they would move the probability."""
    quiet = {"threat": {"watched": True}}
    found = assess(load_case(tmp_path, ROWS, {"indicators": quiet}), draws=64)
    bits = [each.bits or 0.0 for each in watchlist(found, "high", draws=32)]
    assert len(bits) == 3
    assert bits == sorted(bits, reverse=True)
    names = [each.indicator for each in watchlist(fixed_case(tmp_path), "high", draws=4)]
    assert names[-1] == "threat"


def test_information_is_that_of_the_two_by_two_table() -> None:
    """No bits if independent, all if the one decides the other, and never below zero."""
    assert information(0.3, 0.3 * 0.2, 0.7 * 0.2) == pytest.approx(0, abs=1e-12)
    assert information(0.25, 0.25, 0.0) == pytest.approx(0.8112781, abs=1e-7)
    assert information(0.5, 0.25, 0.1) == pytest.approx(information(0.35, 0.25, 0.25), abs=1e-12)
    assert information(0.0, 0.0, 0.4) == 0


def test_the_window_lies_within_the_horizon(tmp_path: Path) -> None:
    """By default 30 days or the horizon; anything longer, or no day at all, is refused."""
    found = fixed_case(tmp_path)
    assert {each.window for each in watchlist(found, "high", draws=4)} == {HORIZON}
    whole = of(found, "fleet", window=HORIZON)
    assert whole.if_seen_sign < whole.if_seen < 1
    for window in (0, HORIZON + 1):
        with pytest.raises(InvalidValueError, match="1 to 20 days"):
            watchlist(found, "high", window=window)
