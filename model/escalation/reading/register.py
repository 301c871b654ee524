"""Every number of a scenario, by its dotted name, with its prior, reason and place.

Reading a part of the tree registers its numbers; what the part keeps is their names. A number
is named by its path in the merged tree, and its reason is the nearest `why` on that path:

    reason(k₁.k₂.….kₙ) = why of the longest k₁.….kᵢ that has one,   i ≤ n

Numbers given on the command line (`--set NAME=VALUE`) stand in for those of the files when
they are registered, so that both are read by the same grammar.

>>> from escalation.reading.tree import Findings, branch
>>> tree = branch({"echo_correlation": {"value": "0.5 to 0.9", "why": "They share sources."}})
>>> register = Register(tree, Findings())
>>> name = register.add(("echo_correlation",), tree.get("echo_correlation"), "probability")
>>> register.assumptions[name].text, register.assumptions[name].why
('0.5 to 0.9', 'They share sources.')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.maths.priors import PARAMETERS, Fixed
from escalation.reading import grammar
from escalation.reading.case import Assumption, Location
from escalation.reading.grammar import REASONS
from escalation.reading.tree import Branch, Leaf, Node, dotted, plain, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from escalation.reading.case import Role
    from escalation.reading.tree import Findings

Keys = tuple[str, ...]


@dataclass
class Register:
    """Reads numbers of a tree; what is wrong with them goes to the findings."""

    tree: Branch
    findings: Findings
    overrides: Mapping[str, Node] = field(default_factory=dict)
    files: tuple[Path, ...] = ()  # in the order of merging
    assumptions: dict[str, Assumption] = field(default_factory=dict)
    reasons: dict[str, tuple[str, str]] = field(default_factory=dict)  # of numbers outside the tree
    met: dict[str, None] = field(default_factory=dict)  # names of all numbers, readable or not

    def add(
        self,
        path: Keys,
        node: Node,
        role: Role,
        *,
        strict: bool = False,
        cross: bool = False,
        days: float = grammar.RATE_DAYS,
    ) -> str:
        """Register the number at a path of the tree; return its name, even if it cannot be read.

        Parameters
        ----------
        path : tuple of str
            Its keys, from the top of the tree.
        node : Node
            What stands there.
        role, strict, days
            What is allowed: see `grammar.number`.
        cross : bool
            Whether a multiplier has to be written with its x.
        """
        name = dotted("", *path)
        self.met[name] = None
        value, complete = self._inner(name, self.overrides.get(name, node))
        if not complete or (isinstance(value, Leaf) and value.value is None):
            return name  # what is null here was refused before
        try:
            number = grammar.number(_written(value), role, strict=strict, days=days)
            _check_x(value, number, required=cross and role == "multiplier")
        except InvalidValueError as error:
            self.findings.error(value.location, name, str(error))
            return name
        why, source = self._reason(path)
        self.assumptions[name] = Assumption(
            name, number.prior, role, number.days, _text(value), why, source, value.location
        )
        return name

    def certain(self, path: Keys, text: str, value: float, role: Role, location: Location) -> str:
        """Register a number that is not written in the files but follows from them."""
        name = dotted("", *path)
        why, source = self._reason(path)
        prior = Fixed(value)
        self.assumptions[name] = Assumption(name, prior, role, 1.0, text, why, source, location)
        return name

    def _inner(self, name: str, node: Node) -> tuple[Leaf | Branch, bool]:
        """Return what holds the number itself, and whether its keys are in order."""
        if not isinstance(node, Leaf | Branch):
            self.findings.error(node.location, name, "expected a number, not a list")
            return Leaf(None, "", node.location), False
        if isinstance(node, Leaf):
            return node, True
        inner = node.get("value")
        if inner is None:
            return node, self._known_parameters(name, node)
        for key in node.entries.keys() - {"value", "why", "source"}:
            self.findings.unknown(
                node.place(key), name, f"unknown key {quoted(key)}", key, ["value", "why", "source"]
            )
        if isinstance(inner, Branch) and inner.get("value") is not None:
            self.findings.error(inner.location, name, "a 'value' within a 'value'")
            return node, False
        return self._inner(name, inner)

    def _known_parameters(self, name: str, node: Branch) -> bool:
        """Check the parameters of a distribution, each at its place."""
        kind, wrong = node.text("dist"), False
        if kind not in PARAMETERS:
            place = node.entries["dist"].node.location if "dist" in node.entries else node.location
            self.findings.unknown(place, name, f"no distribution {quoted(kind)}", kind, PARAMETERS)
            return False
        for key, entry in node.entries.items():
            if key in {"dist", *REASONS}:
                continue
            if key not in (*PARAMETERS[kind][0], *PARAMETERS[kind][1]):
                wrong = True
                self.findings.error(
                    entry.key, name, f"'{kind}' takes no {quoted(key)}" + _takes(kind)
                )
            elif self._older(entry.key, node.place("dist")):
                wrong = True
                self.findings.error(
                    node.place("dist"),
                    name,
                    f"{quoted(key)} is left over from "
                    "the distribution that this one replaces; set it too, or null",
                )
        return not wrong

    def _older(self, one: Location, other: Location) -> bool:
        """Whether a place is in a file over which that of the other was merged."""
        if one.path not in self.files or other.path not in self.files:
            return False
        return self.files.index(one.path) < self.files.index(other.path)

    def _reason(self, path: Keys) -> tuple[str, str]:
        name = dotted("", *path)
        if name in self.reasons:
            return self.reasons[name]
        why, source = "", ""
        node: Node | None = self.tree
        for key in (*path, None):
            if not isinstance(node, Branch):
                break
            why, source = node.text("why") or why, node.text("source") or source
            node = None if key is None else node.get(key)
        return why, source


def _takes(kind: str) -> str:
    required, optional = PARAMETERS[kind]
    return f"; it takes {', '.join((*required, *optional))}"


def _check_x(value: Leaf | Branch, number: grammar.Number, *, required: bool) -> None:
    """Refuse a multiplier that is not marked as one; a distribution cannot be, and needs not."""
    if required and isinstance(value, Leaf) and not number.crossed:
        raise InvalidValueError(f"this multiplies a rate; write x{value.text}")


def _written(node: Node) -> object:
    """Return a scalar as written (so that nothing is lost in its conversion), a map as values."""
    if isinstance(node, Leaf):
        return (
            node.text
            if isinstance(node.value, str | int | float) and not isinstance(node.value, bool)
            else node.value
        )
    return plain(node)


def _text(node: Node) -> str:
    """Return a number as written, on one line."""
    if isinstance(node, Leaf):
        return " ".join(node.text.split())
    if isinstance(node, Branch):
        parts = (f"{key}: {_text(e.node)}" for key, e in node.entries.items() if key not in REASONS)
        return "{" + ", ".join(parts) + "}"
    return ""
