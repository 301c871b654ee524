"""Puts the files of a scenario together into one tree.

Later parts are merged over earlier ones, by JSON Merge Patch (`escalation.reading.tree`):

    reference classes ← catalogue ← scenario extended by … ← scenario extended ← scenario

Which catalogue and reference classes are used is said by the scenario nearest to the top of
that chain that says anything about them. Paths are relative to the file that they stand in,
and stay inside the workspace (`escalation.reading.documents.Workspace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.reading import documents
from escalation.reading.case import Location
from escalation.reading.documents import Workspace
from escalation.reading.tree import Branch, Entry, Findings, Leaf, merge, quoted

if TYPE_CHECKING:
    from pathlib import Path

MAX_CHAIN = 8
CATALOGUE_KEYS = ("indicators", "admiralty", "echo_correlation")
REFERENCE_KEYS = ("reference_classes",)
_COMMON_KEYS = ("schema", "title")


@dataclass(frozen=True)
class Assembled:
    """A tree, and the files that it comes from in the order of merging."""

    tree: Branch
    files: tuple[Path, ...]
    workspace: Workspace


def assemble(path: Path, findings: Findings) -> Assembled | None:
    """Read a scenario file and all that it builds on; None if one of the files cannot be used."""
    workspace = Workspace.of(path)
    chain = _chain(path, workspace, findings)
    if chain is None:
        return None
    shared = []
    for key, supplied in (("reference_classes", REFERENCE_KEYS), ("catalogue", CATALOGUE_KEYS)):
        named = _nearest(chain, key)
        if named is None:
            continue
        found = _shared(named, key, supplied, workspace, findings)
        if found is None:
            return None
        shared.append(found)
    tree = Branch({}, chain[0].location)
    parts = [*shared, *(_without_paths(each) for each in reversed(chain))]
    for part in parts:
        tree = merge(tree, part, findings)
    return Assembled(tree, tuple(part.location.path for part in parts), workspace)


def follow(named: Leaf, where: str, workspace: Workspace, findings: Findings) -> Path | None:
    """Return the file that a setting names; None if it may not be read."""
    if not isinstance(named.value, str) or not named.text:
        findings.error(named.location, where, "expected the path of a file")
        return None
    try:
        return workspace.resolve(named.text, named.location.path)
    except InvalidValueError as error:
        findings.error(named.location, where, str(error))
        return None


def _chain(path: Path, workspace: Workspace, findings: Findings) -> list[Branch] | None:
    """Return the trees of a scenario and those that it extends, in this order."""
    try:
        target = workspace.resolve(path.name, path)
    except InvalidValueError as error:
        findings.error(Location(path, 1, 1), "", str(error))
        return None
    chain: list[Branch] = []
    named: Leaf | None = None
    while True:
        tree = documents.read(target, findings, named, "extends")
        if tree is None:
            return None
        chain.append(tree)
        above = tree.get("extends")
        if above is None or (isinstance(above, Leaf) and above.value is None):
            return chain
        named = above if isinstance(above, Leaf) else Leaf(None, "", above.location)
        following = follow(named, "extends", workspace, findings)
        if following is None or _endless(following, chain, named, findings):
            return None
        target = following


def _endless(path: Path, chain: list[Branch], named: Leaf, findings: Findings) -> bool:
    files = [tree.location.path for tree in chain]
    if path in files:
        names = " → ".join(each.name for each in (*files[files.index(path) :], path))
        findings.error(named.location, "extends", f"a cycle: {names}")
        return True
    if len(files) >= MAX_CHAIN:
        findings.error(named.location, "extends", f"a chain of more than {MAX_CHAIN} files")
        return True
    return False


def _nearest(chain: list[Branch], key: str) -> Leaf | None:
    """Return the path that the nearest scenario gives under a key; None if it says null."""
    for tree in chain:
        found = tree.get(key)
        if isinstance(found, Leaf):
            return None if found.value is None else found
    return None


def _shared(
    named: Leaf, key: str, supplied: tuple[str, ...], workspace: Workspace, findings: Findings
) -> Branch | None:
    """Return what a shared file supplies."""
    path = follow(named, key, workspace, findings)
    tree = None if path is None else documents.read(path, findings, named, key)
    if tree is None:
        return None
    for name in tree.entries.keys() - {*supplied, *_COMMON_KEYS}:
        findings.unknown(
            tree.place(name),
            "",
            f"unknown key {quoted(name)}: the file named by '{key}' supplies {', '.join(supplied)}",
            name,
            supplied,
        )
    if "schema" in tree.entries and tree.text("schema") != "1":
        findings.error(tree.place("schema"), "schema", "expected 1")
    return Branch({k: tree.entries[k] for k in supplied if k in tree.entries}, tree.location)


def _without_paths(tree: Branch) -> Branch:
    """Drop what has been followed: a path under `reference_classes` is no map to merge."""
    entries: dict[str, Entry] = {}
    for key, entry in tree.entries.items():
        is_path = isinstance(entry.node, Leaf) and isinstance(entry.node.value, str)
        if key == "extends" or (key == "reference_classes" and is_path):
            continue
        entries[key] = entry
    return Branch(entries, tree.location)
