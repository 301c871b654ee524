"""A tree of settings in which every key and every value knows its place in the files.

A document is a `Branch` of named nodes; a node is a `Leaf` (one value), `Items` (a list) or
another `Branch`. Trees are put together by JSON Merge Patch (RFC 7396):

    merge(target, patch) = patch                               where either is no branch
    merge(target, patch)[k] = merge(target[k], patch[k])       k in both
                            = patch[k]                         k in the patch alone
                            = target[k]                        k in the target alone
    and a key whose patch is null is left out.

What is merged keeps the places of its parts, so that an error in a variant's setting points
at the variant and one in an inherited setting at the file it was inherited from.

>>> base = branch({"horizon": "90d", "latent": {"intent": {"label": "Intent"}}})
>>> patch = branch({"horizon": None, "latent": {"mood": {}}})
>>> plain(merge(base, patch, Findings()))
{'latent': {'intent': {'label': 'Intent'}, 'mood': {}}}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, Problem
from escalation.reading.case import Location

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

Value = str | int | float | bool | None

NOWHERE = Location(Path(), 1, 1)

# Beyond these, problems are counted and no longer listed or given suggestions.
MAX_PROBLEMS = 1_000
MAX_SUGGESTIONS = 30
MAX_SUGGESTED_NAMES = 3_000
MAX_SUGGESTED_LENGTH = 80
MAX_QUOTED_LENGTH = 60
MAX_LISTED = 12
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value; `text` is as written, without the quotes."""

    value: Value
    text: str
    location: Location


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a branch, by its place, and what stands under it."""

    key: Location
    node: Node


@dataclass(frozen=True, slots=True)
class Branch:
    """Named nodes, in the order of the file."""

    entries: dict[str, Entry]
    location: Location

    def get(self, key: str) -> Node | None:
        """Return the node under a key, None if there is none."""
        entry = self.entries.get(key)
        return None if entry is None else entry.node

    def branch(self, key: str) -> Branch:
        """Return the branch under a key; an empty one if there is none, or no branch."""
        node = self.get(key)
        return node if isinstance(node, Branch) else Branch({}, self.place(key))

    def text(self, key: str, default: str = "") -> str:
        """Return the text under a key; the default if there is none, or no leaf, or null."""
        node = self.get(key)
        return node.text if isinstance(node, Leaf) and node.value is not None else default

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the list under a key; empty if there is none, or no list."""
        node = self.get(key)
        return node.items if isinstance(node, Items) else ()

    def place(self, key: str) -> Location:
        """Where a key stands; the branch itself if it has no such key."""
        entry = self.entries.get(key)
        return self.location if entry is None else entry.key


Node = Leaf | Items | Branch


def plain(node: Node) -> object:
    """Return a node's values as plain Python objects: dicts, lists and scalars."""
    match node:
        case Leaf():
            return node.value
        case Items():
            return [plain(each) for each in node.items]
        case Branch():
            return {key: plain(entry.node) for key, entry in node.entries.items()}


def branch(values: Mapping[str, object], location: Location = NOWHERE) -> Branch:
    """Return the tree of a plain mapping, all of it at one place."""
    return Branch(
        {key: Entry(location, _node(each, location)) for key, each in values.items()}, location
    )


def _node(value: object, location: Location) -> Node:
    if isinstance(value, dict):
        return branch(value, location)
    if isinstance(value, list):
        return Items(tuple(_node(each, location) for each in value), location)
    if value is None or isinstance(value, str | int | float | bool):
        return Leaf(value, "" if value is None else str(value), location)
    raise TypeError(value)


def merge(target: Branch, patch: Branch, findings: Findings, where: str = "") -> Branch:
    """Apply a JSON Merge Patch; warns of a null that deletes nothing.

    The recursion is as deep as the patch, which reading bounds.
    """
    merged = dict(target.entries)
    for key, entry in patch.entries.items():
        name = dotted(where, key)
        node = entry.node
        if isinstance(node, Leaf) and node.value is None:
            if merged.pop(key, None) is None:
                hint = findings.hint(key, target.entries)
                findings.warn(
                    entry.key, name, f"null (or blank) deletes a key, and there is none{hint}"
                )
        elif isinstance(node, Branch):
            present = target.get(key)
            # Where no branch stood, RFC 7396 merges into an empty one: nulls fall away.
            before = present if isinstance(present, Branch) else Branch({}, entry.key)
            merged[key] = Entry(entry.key, merge(before, node, findings, name))
        else:
            merged[key] = entry
    return Branch(merged, patch.location)


def dotted(where: str, *keys: str | int) -> str:
    """Return the dotted name of a key below `where`."""
    return ".".join([*([where] if where else []), *map(str, keys)])


def quoted(text: str) -> str:
    """Text of a file, fit for a message: short, on one line, without control characters."""
    short = text if len(text) <= MAX_QUOTED_LENGTH else text[: MAX_QUOTED_LENGTH - 1] + "…"
    return "'" + _visible(short) + "'"


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the known name that is nearest, or nothing."""
    if len(name) > MAX_SUGGESTED_LENGTH:
        return ""
    folded = {each.lower(): each for each in known if len(each) <= 2 * MAX_SUGGESTED_LENGTH}
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), folded, n=1)
    return f" (did you mean '{_visible(folded[near[0]])}'?)" if near else ""


def known_are(names: Sequence[str]) -> str:
    """Return `; known are …` with the first few names."""
    return f"; known are {few(names)}" if names else ""


def few(names: Sequence[str]) -> str:
    """Return the first few names, comma separated."""
    first = ", ".join(map(_visible, names[:MAX_LISTED]))
    return first + (", …" if len(names) > MAX_LISTED else "")


def shown(path: Path) -> Path:
    """Return a path relative to the current folder where it lies inside it."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


@dataclass
class Findings:
    """Collects problems, as many as there are, up to a limit that hostile files meet."""

    problems: set[Problem] = field(default_factory=set)
    failed: bool = False  # whether anything is wrong, not only unwise
    left_out: int = 0
    suggestions: int = 0

    def error(self, location: Location, where: str, message: str) -> None:
        """Add a thing that is wrong."""
        self._add(location, where, message, warning=False)

    def warn(self, location: Location, where: str, message: str) -> None:
        """Add a thing that is valid but unwise."""
        self._add(location, where, message, warning=True)

    def unknown(
        self, location: Location, where: str, message: str, name: str, known: Iterable[str]
    ) -> None:
        """Add an error about a name that is not known, with the nearest that is."""
        names = list(known)
        self.error(location, where, message + (self.hint(name, names) or known_are(names)))

    def hint(self, name: str, known: Collection[str]) -> str:
        """Return ` (did you mean 'x'?)`, or nothing; nothing also when asked too often."""
        self.suggestions += 1
        if self.suggestions > MAX_SUGGESTIONS or len(known) > MAX_SUGGESTED_NAMES:
            return ""
        return did_you_mean(name, known)

    def listed(self) -> tuple[Problem, ...]:
        """All problems, sorted by file and place."""
        problems = sorted(self.problems)
        if self.left_out and problems:
            last = problems[-1]
            message = f"and {self.left_out} more problems, not listed"
            place = (last.path, last.line, last.column)
            problems.append(Problem(*place, "", message, warning=not self.failed))
        return tuple(problems)

    def raise_errors(self) -> None:
        """Raise `InvalidInputError`, warnings included, if anything is wrong."""
        if self.failed:
            raise InvalidInputError(self.listed())

    def _add(self, location: Location, where: str, message: str, *, warning: bool) -> None:
        self.failed = self.failed or not warning
        if len(self.problems) >= MAX_PROBLEMS:
            self.left_out += 1
            return
        path = shown(location.path)
        name = where if len(where) <= MAX_NAME else where[: MAX_NAME - 1] + "…"
        self.problems.add(
            Problem(path, location.line, location.column, _visible(name), message, warning)
        )
