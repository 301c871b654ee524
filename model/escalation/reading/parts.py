"""From the merged tree to the parts of a case: factors, indicators, reliability of reports.

The tree has been through `reading.schema`, so that what stands in it has the right shape.
Found here is whether it makes sense: states and moves exist, ids are unique, tables are complete.

An indicator *fits* a scenario if every factor, state and move that it speaks of is there. One
that does not fit is left out with a warning, for a catalogue serves many cases; if it was
observed, that is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.reading import grammar
from escalation.reading.case import Effect, Factor, Indicator, Move, Reliability, State
from escalation.reading.grammar import REASONS
from escalation.reading.tree import Branch, Leaf, dotted, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from escalation.maths.priors import Prior
    from escalation.reading.case import Location
    from escalation.reading.rates import Rates

LADDER = "rung"
DIRECTIONS = ("climb", "descend", "settle")
MAX_JOINT_STATES = 400
_RATE_KEYS = REASONS | {"rate", "probability", "reference", "window", "per"}
_ROUNDING = 0.01
_ROUNDING_OF_MEDIANS = 0.1

Keys = tuple[str, ...]


def median(prior: Prior) -> float:
    """Return the median of a prior."""
    return float(prior.quantile(np.array([0.5]))[0])


# ---------------------------------------------------------------------- factors


def factors(rates: Rates) -> tuple[tuple[Factor, ...], Factor] | None:
    """Return the latent factors and the ladder; `rates` learns of their states.

    None if there are too many states to go on.
    """
    tree = rates.register.tree
    latent, ladder = tree.branch("latent"), tree.branch("ladder")
    states = {name: _latent_states(latent.branch(name)) for name in latent.entries}
    states[LADDER] = tuple(state for state, _ in _rungs(ladder))
    rates.states = {name: tuple(each.id for each in some) for name, some in states.items()}
    _check_unique(rates)
    size = prod(max(len(each), 1) for each in states.values())
    if size > MAX_JOINT_STATES:
        rates.register.findings.error(
            tree.place("latent"),
            "latent",
            f"{size:,} joint states (the product over all factors); at most {MAX_JOINT_STATES}",
        )
        return None
    built = [
        _Reader(rates, ("latent", name), latent.branch(name), name).factor(states[name])
        for name in latent.entries
    ]
    return tuple(built), _Reader(rates, ("ladder",), ladder, LADDER).factor(states[LADDER])


def _latent_states(node: Branch) -> tuple[State, ...]:
    states = node.branch("states").entries
    return tuple(
        State(key, each.node.text)
        for key, each in states.items()
        if isinstance(each.node, Leaf) and key not in REASONS
    )


def _rungs(ladder: Branch) -> Iterator[tuple[State, Location]]:
    """Yield rungs, then off-ramps, each with the place of its id."""
    for key in ("rungs", "off_ramps"):
        for node in ladder.items(key):
            if isinstance(node, Branch) and node.text("id"):
                name = node.text("id")
                state = State(name, node.text("label"), node.text("resolves"), key == "off_ramps")
                yield state, node.entries["id"].node.location


def _check_unique(rates: Rates) -> None:
    tree = rates.register.tree
    latent = tree.branch("latent")
    places = [
        (state.id, f"latent.{name}", latent.branch(name).branch("states").place(state.id))
        for name in latent.entries
        for state in _latent_states(latent.branch(name))
    ]
    places += [(state.id, "ladder", place) for state, place in _rungs(tree.branch("ladder"))]
    owner: dict[str, str] = {}
    for state, where, place in places:
        if state in owner:
            rates.register.findings.error(
                place, where,
                f"the id {quoted(state)} is taken by {owner[state]}; ids are unique over all "
                "factors and the ladder",
            )  # fmt: skip
        owner.setdefault(state, where)


@dataclass
class _Reader:
    """Reads one factor."""

    rates: Rates
    path: Keys
    node: Branch
    name: str

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.rates.states or {})[self.name]

    def factor(self, states: tuple[State, ...]) -> Factor:
        unnamed = "Ladder" if self.name == LADDER else self.name.replace("_", " ").capitalize()
        label = self.node.text("label") or unnamed
        moves = self.node.branch("moves").entries
        read = [self._move(key) for key in moves]
        return Factor(
            self.name,
            label,
            states,
            self._start(),
            tuple(each for each in read if each is not None),
        )

    def _start(self) -> dict[str, str]:
        start, path = self.node.get("start"), (*self.path, "start")
        if isinstance(start, Branch):
            weights = self.rates.row(path, start, self.ids, "weight")
            self._check_weights(path, weights)
            return weights
        if not isinstance(start, Leaf) or start.value is None:
            return {}
        if start.text not in self.ids:
            self.rates.unknown_state(start.location, path, start.text, self.ids)
        name = self.rates.register.certain(path, start.text, 1.0, "weight", start.location)
        return {start.text: name}

    def _check_weights(self, path: Keys, weights: Mapping[str, str]) -> None:
        register = self.rates.register
        if any(name not in register.assumptions for name in weights.values()):
            return
        priors = [register.assumptions[name].prior for name in weights.values()]
        total = sum(median(prior) for prior in priors)
        tolerance = _ROUNDING if all(prior.fixed for prior in priors) else _ROUNDING_OF_MEDIANS
        place = self.node.place("start")
        if total <= 0:
            register.findings.error(place, dotted("", *path), "gives no state a probability")
        elif abs(total - 1) > tolerance + 1e-9:
            register.findings.warn(
                place,
                dotted("", *path),
                f"the probabilities add up to {total:.3g}, not 1; they are scaled to do so",
            )

    def _move(self, key: str) -> Move | None:
        entry = self.node.branch("moves").entries[key]
        path, pair = (*self.path, "moves", key), grammar.move(key)
        if pair is None:
            return None
        for state in pair:
            if state not in self.ids:
                self.rates.unknown_state(entry.key, path, state, self.ids)
        if pair[0] == pair[1]:
            self.rates.register.findings.error(
                entry.key, dotted("", *path), "leads from a state to itself"
            )
        rate = self.rates.move(path, entry, self.name)
        if rate is None or pair[0] == pair[1] or not set(pair) <= set(self.ids):
            return None
        return Move(pair[0], pair[1], rate, key)


# ---------------------------------------------------------------------- indicators


def indicators(
    rates: Rates, moves: Collection[str] | None, observed: Collection[str]
) -> dict[str, Indicator]:
    """Return the indicators that fit and are watched or observed.

    Parameters
    ----------
    rates : Rates
    moves : collection of str | None
        Names of the scenario's moves; None where there is no scenario to speak of.
    observed : collection of str
        Names of the indicators of which there are observations.
    """
    tree, findings = rates.register.tree.branch("indicators"), rates.register.findings
    kept = {}
    for name, entry in tree.entries.items():
        node = tree.branch(name)
        strangers = list(_strangers(node, rates, moves))
        for place, where, what in strangers:
            path = dotted("indicators", name, where)
            if name in observed:
                findings.error(place, path, f"{what}; and {quoted(name)} is observed")
            else:
                findings.warn(place, path, f"{what}: {quoted(name)} is left out of this scenario")
        if not strangers:
            read = _indicator(rates, name, node, entry.key)
            if read is not None and (read.watched or name in observed):
                kept[name] = read
    return kept


def _strangers(
    node: Branch, rates: Rates, moves: Collection[str] | None
) -> Iterator[tuple[Location, str, str]]:
    """Yield (place, where, message) of what an indicator speaks of that is not there."""
    if rates.states is None or moves is None:
        return
    hints = rates.register.findings.hint
    for factor, entry in node.branch("seen").entries.items():
        if factor in _RATE_KEYS:
            continue
        if factor not in rates.states:
            hint = hints(factor, [*rates.states, *_RATE_KEYS])
            yield entry.key, f"seen.{factor}", f"no factor {quoted(factor)}{hint}"
        elif isinstance(entry.node, Branch):
            for state, below in entry.node.entries.items():
                if state not in (*rates.states[factor], *REASONS):
                    hint = hints(state, rates.states[factor])
                    yield below.key, f"seen.{factor}.{state}", f"no state {quoted(state)}{hint}"
    latent = [state for name, ids in rates.states.items() if name != LADDER for state in ids]
    known = {*DIRECTIONS, *moves, *(f"into {state}" for state in latent), "fades", *REASONS}
    for key, entry in node.branch("effect").entries.items():
        if key not in known:
            yield entry.key, f"effect.{key}", f"no move {quoted(key)}{hints(key, known)}"


def _indicator(rates: Rates, name: str, node: Branch, place: Location) -> Indicator | None:
    path = ("indicators", name)
    found = node.get("seen")
    if not isinstance(found, Branch):
        return None
    seen = rates.seen((*path, "seen"), found, node.place("seen"))
    effect = _effect(rates, (*path, "effect"), node)
    lag = _lag(rates, path, node)
    if seen is None:
        return None
    return Indicator(
        name, node.text("category"), node.text("label"), seen, _flag(node, "watched"),
        _flag(node, "once"), lag, effect, node.text("why"), node.text("source"), place,
    )  # fmt: skip


def _flag(node: Branch, key: str) -> bool:
    found = node.get(key)
    return isinstance(found, Leaf) and found.value is True


def _lag(rates: Rates, path: Keys, node: Branch) -> int:
    try:
        return grammar.whole_days(node.text("lag", "0d"))
    except InvalidValueError as error:
        rates.register.findings.error(node.place("lag"), dotted("", *path, "lag"), str(error))
        return 0


def _effect(rates: Rates, path: Keys, node: Branch) -> Effect | None:
    found = node.get("effect")
    if not isinstance(found, Branch):
        return None
    register, fades = rates.register, found.get("fades")
    multipliers = {}
    for key, entry in found.entries.items():
        if key in (*REASONS, "fades"):
            continue
        if key not in DIRECTIONS and not _names_moves(key):
            register.findings.error(
                entry.key,
                dotted("", *path, key),
                "an effect multiplies "
                "climb, descend, settle, a move ('a -> b') or 'into STATE'"
                + register.findings.hint(key, [*DIRECTIONS, "fades"]),
            )
        else:
            multipliers[key] = register.add((*path, key), entry.node, "multiplier", strict=True)
    if not multipliers:
        register.findings.error(node.place("effect"), dotted("", *path), "multiplies nothing")
    faded = None if fades is None else register.add((*path, "fades"), fades, "duration")
    return Effect(multipliers, faded)


def _names_moves(key: str) -> bool:
    return grammar.move(key) is not None or grammar.into(key) is not None


# ---------------------------------------------------------------------- reliability


def reliability(rates: Rates, *, needed: bool) -> Reliability:
    """Return the Admiralty table and echo correlation."""
    register = rates.register
    tree = register.tree
    admiralty = tree.branch("admiralty")
    axes = {
        axis: rates.row(("admiralty", axis), admiralty.branch(axis), None, "probability")
        for axis in ("source", "information")
    }
    names = {}
    for path, node in (
        (("admiralty", "unknown"), admiralty.get("unknown")),
        (("echo_correlation",), tree.get("echo_correlation")),
    ):
        if node is not None:
            names[path[0]] = register.add(path, node, "probability")
            continue
        if needed and path[0] not in tree.entries:
            register.findings.error(
                tree.location,
                path[0],
                "is missing; there are observations, "
                "so a catalogue (or the scenario) has to give it",
            )
        # With no observations nothing depends on it, and reports count as they are.
        value = 1.0 if path[0] == "admiralty" else 0.0
        names[path[0]] = register.certain(path, f"{value:g}", value, "probability", tree.location)
    return Reliability(
        axes["source"], axes["information"], names["admiralty"], names["echo_correlation"]
    )
