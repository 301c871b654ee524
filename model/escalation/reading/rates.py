"""Rates of moves and intensities of indicators, as they are written: a base and tables.

    rate(k) = base · Π_f table_f[k_f]                   the base from rate, probability, reference
    rate(k) = values_g[k_g] · Π_{f≠g} table_f[k_f]      no base; g is the one table without an x

A state left out of a table of multipliers counts as 1; a table of values has every state.
(`docs/formats.md`, "Rates: a base and what multiplies it".)

>>> from escalation.reading.tree import Findings, branch
>>> tree = branch({"moves": {"a -> b": {"rate": "0.1 to 0.4", "mood": {"calm": "x0.5"}}}})
>>> rates = Rates(Register(tree, Findings()), {"mood": ("calm", "angry")})
>>> path = ("moves", "a -> b")
>>> rates.move(path, tree.branch("moves").entries["a -> b"], own="rung").tables
{'mood': {'calm': 'moves.a -> b.mood.calm'}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.reading import grammar
from escalation.reading.case import RateSpec, ReferenceClass, Role
from escalation.reading.grammar import REASONS
from escalation.reading.register import Register
from escalation.reading.tree import Branch, Leaf, dotted, few, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from escalation.reading.case import Location
    from escalation.reading.tree import Entry, Node

Keys = tuple[str, ...]
_BASES = ("rate", "probability", "reference")
_NO_TABLES = REASONS | {*_BASES, "window", "per"}


@dataclass
class Rates:
    """Reads rates of one scenario.

    Attributes
    ----------
    register : Register
    states : Mapping[str, tuple of str] | None
        Factor name → its state ids; None where there is no scenario to speak of (a catalogue
        checked by itself), and any factor and state goes.
    cited : dict
        The reference classes that were met, by name.
    """

    register: Register
    states: Mapping[str, tuple[str, ...]] | None = None
    cited: dict[str, ReferenceClass] = field(default_factory=dict)

    def move(self, path: Keys, entry: Entry, own: str) -> RateSpec | None:
        """Read the rate of a move of the factor `own`; None if it cannot be used."""
        node = entry.node
        if not isinstance(node, Branch) or {"dist", "value"} & node.entries.keys():
            return RateSpec(self.register.add(path, node, "rate"), {}, None, None)
        return self._spec(path, node, entry.key, own, windowed=False)

    def seen(self, path: Keys, node: Branch, place: Location) -> RateSpec | None:
        """Read the intensity of an indicator; None if it cannot be used."""
        if "window" in node.entries and "per" in node.entries:
            self._error(
                node.place("per"),
                (*path, "per"),
                "there is a 'window' too: values are "
                "either probabilities in a window or rates; keep one of the two",
            )
        return self._spec(path, node, place, "", windowed="window" in node.entries)

    def row(
        self,
        path: Keys,
        table: Branch,
        ids: tuple[str, ...] | None,
        role: Role,
        *,
        strict: bool = False,
        cross: bool = False,
        days: float = grammar.RATE_DAYS,
    ) -> dict[str, str]:
        """Read the numbers of a table by state: state id → name of the assumption."""
        names = {}
        for key, entry in table.entries.items():
            if key in REASONS:
                continue
            if ids is not None and key not in ids:
                self.unknown_state(entry.key, (*path, key), key, ids)
            else:
                names[key] = self.register.add(
                    (*path, key), entry.node, role, strict=strict, cross=cross, days=days
                )
        return names

    def cite(self, name: str) -> str:
        """Read a reference class, and return the name of its rate."""
        node = self.register.tree.branch("reference_classes").branch(name)
        rate = node.get("rate")
        path = ("reference_classes", name)
        if rate is None:
            return dotted("", *path, "rate")
        why = node.text("why") or node.text("rule")
        self.register.reasons[dotted("", *path, "rate")] = (why, node.text("source"))
        rate_name = self.register.add((*path, "rate"), rate, "rate")
        events = node.get("events")
        count = events.value if isinstance(events, Leaf) else None
        self.cited[name] = ReferenceClass(
            name, node.text("label") or name, rate_name, count if isinstance(count, int) else None,
            self._exposure(path, node), node.text("source"), node.text("rule"),
        )  # fmt: skip
        return rate_name

    def unknown_state(
        self, place: Location, path: Keys, state: str, known: tuple[str, ...]
    ) -> None:
        """Report a state that does not exist."""
        self.register.findings.unknown(
            place, dotted("", *path), f"no state {quoted(state)}", state, known
        )

    def _error(self, place: Location, path: Keys, message: str) -> None:
        self.register.findings.error(place, dotted("", *path), message)

    def _exposure(self, path: Keys, node: Branch) -> int | None:
        if node.get("exposure") is None:
            return None
        try:
            return grammar.whole_days(node.text("exposure"))
        except InvalidValueError as error:
            place = node.place("exposure")
            self._error(place, (*path, "exposure"), str(error))
            return None

    def _spec(
        self, path: Keys, node: Branch, place: Location, own: str, *, windowed: bool
    ) -> RateSpec | None:
        window = self._days(path, node, "window") if windowed else None
        per = self._days(path, node, "per") or grammar.RATE_DAYS
        base, base_key = self._base(path, node, per, windowed=windowed)
        tables = self._tables(path, node, own)
        values = None if base_key else self._values(path, tables, node, place)
        if not base_key and values is None:
            return None
        read = {}
        for factor, table in tables.items():
            where = (*path, factor)
            ids = None if self.states is None else self.states[factor]
            if factor == values:
                role: Role = "probability" if windowed else "rate"
                read[factor] = self.row(where, table, ids, role, strict=windowed, days=per)
                self._complete(where, node.place(factor), table, ids)
            else:
                read[factor] = self._multipliers(where, table, ids, node.place(factor), base_key)
        return RateSpec(base, read, window, values)

    def _days(self, path: Keys, node: Branch, key: str) -> float | None:
        """Return a plain duration above 0, None if there is none."""
        if not node.text(key):
            return None
        days = grammar.duration_days(node.text(key))
        if days <= 0:
            self._error(node.place(key), (*path, key), "must be above 0")
            return None
        return days

    def _base(
        self, path: Keys, node: Branch, per: float, *, windowed: bool
    ) -> tuple[str | None, str]:
        """Return the base's name, and the key that gives it (empty: there is no base)."""
        given = [key for key in _BASES if key in node.entries]
        if not given:
            return None, ""
        key, where = given[0], (*path, given[0])
        for other in given[1:]:
            self._error(
                node.place(other),
                (*path, other),
                f"there is {quoted(key)} too; keep one of them (null deletes an inherited one)",
            )
        if windowed != (key == "probability"):
            self._error(node.place(key), where, "with a window the base is a 'probability'"
                        if windowed else "needs a 'window'; or give a 'rate'")  # fmt: skip
        if key == "reference":
            return self._reference(where, node), key
        role: Role = "probability" if key == "probability" else "rate"
        inner = node.entries[key].node
        strict = role == "probability"
        return self.register.add(where, inner, role, strict=strict, days=per), key

    def _reference(self, path: Keys, node: Branch) -> str:
        name = node.text("reference")
        known = self.register.tree.branch("reference_classes").entries
        if name not in known and self.states is not None:
            self.register.findings.unknown(
                node.entries["reference"].node.location,
                dotted("", *path),
                f"no reference class {quoted(name)}",
                name,
                known,
            )
        return self.cite(name)

    def _tables(self, path: Keys, node: Branch, own: str) -> dict[str, Branch]:
        """Return the tables by factors that there are."""
        tables = {}
        for key, entry in node.entries.items():
            if key in _NO_TABLES or not isinstance(entry.node, Branch):
                continue
            if key == own:
                self._error(entry.key, (*path, key), "a move has no table by its own factor")
            elif self.states is not None and key not in self.states:
                known = [*self.states, *_BASES, "window", "per"]
                self.register.findings.unknown(
                    entry.key, dotted("", *path, key), f"no factor {quoted(key)}", key, known
                )
            else:
                tables[key] = entry.node
        return tables

    def _values(
        self, path: Keys, tables: Mapping[str, Branch], node: Branch, place: Location
    ) -> str | None:
        """Return the factor whose table holds the values: the one that is written without x."""
        marks = {factor: _marks(table) for factor, table in tables.items()}
        plain = [factor for factor in tables if True not in marks[factor]]
        mixed = [factor for factor in tables if {True, False} <= marks[factor]]
        if len(plain) > 1:
            self._error(
                node.place(plain[1]),
                (*path, plain[1]),
                f"two tables of values, {quoted(plain[0])} and {quoted(plain[1])}: write "
                "the entries of one with an x (x2), as multipliers",
            )
        if plain or mixed:
            return (plain or mixed)[0]
        if len(tables) < len(node.entries.keys() - _NO_TABLES):
            return None  # a table was refused; what it was meant for is not known
        self._error(
            place,
            path,
            "there is nothing to multiply: give a 'rate', a 'reference' (with "
            "a window, a 'probability'), or one table with a value for every state",
        )
        return None

    def _complete(
        self,
        path: Keys,
        place: Location,
        table: Branch,
        ids: tuple[str, ...] | None,
    ) -> None:
        missing = [each for each in ids or () if each not in table.entries]
        misspelt = table.entries.keys() - REASONS - set(ids or ())
        if missing and not misspelt:  # which have been reported already
            what = few(missing)
            self._error(place, path, f"no value for {what}; a table of values has every state")

    def _multipliers(
        self, path: Keys, table: Branch, ids: tuple[str, ...] | None, place: Location, base_key: str
    ) -> dict[str, str]:
        if base_key and _marks(table) == {False}:
            self._error(
                place,
                path,
                f"{quoted(base_key)} is the base already, so that this table "
                "multiplies it: write its entries with an x (x2)",
            )
            return {}
        return self.row(path, table, ids, "multiplier", cross=True)


def _marks(table: Branch) -> set[bool]:
    """Return whether the entries of a table are written with an x; distributions do not say."""
    marks = {_mark(entry.node) for key, entry in table.entries.items() if key not in REASONS}
    return {each for each in marks if each is not None}


def _mark(node: Node) -> bool | None:
    if isinstance(node, Branch):
        inner = node.get("value")
        return None if inner is None else _mark(inner)
    if not isinstance(node, Leaf) or node.value is None:
        return None
    return grammar.is_crossed(node.text.strip())
