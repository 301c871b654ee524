"""Holds a tree against the models of `escalation.reading.schema`, and says where they differ.

Every difference is reported at its line and column, in words of this package and not of the
validator. What differs is blanked out in the tree, so that the rest can be read and checked.

>>> from escalation.reading.schema import Shared
>>> from escalation.reading.tree import Findings, branch
>>> findings = Findings()
>>> _ = shape(branch({"indicators": {}, "echo_corelation": 0.5}), Shared, findings)
>>> findings.listed()[0].message
"unknown key 'echo_corelation' (did you mean 'echo_correlation'?)"
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from escalation.errors import InvalidInputError, Problem
from escalation.reading import documents
from escalation.reading.tree import (
    Branch,
    Entry,
    Findings,
    Items,
    Leaf,
    Node,
    did_you_mean,
    dotted,
    plain,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from escalation.reading.case import Location

Model = TypeVar("Model", bound=BaseModel)
Keys = tuple[str | int, ...]

_TAGS = {"(map)", "(number)", "(text)", "(reach)", "(moved)", "(surprise)", "[key]"}
_NOT_A_MAP = {"dict_type", "model_type", "model_attributes_type"}
_MESSAGES = {
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "float_type": "expected a plain number",
    "list_type": "expected a list",
    **dict.fromkeys(_NOT_A_MAP, "expected a map"),
    "too_short": "needs at least {min_length}",
    "string_too_short": "must not be empty",
    "string_too_long": "longer than {max_length:,} characters",
    "string_pattern_mismatch": "expected a lower-case word (a-z, digits, _)",
    "less_than_equal": "must be at most {le:g}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "finite_number": "must be finite",
}


def read_as(path: Path, model: type[Model], empty: str) -> Model:
    """Read a YAML file as one of a model.

    Parameters
    ----------
    path : Path
    model : type of BaseModel
    empty : str
        What is wrong with a file that holds nothing, such as "names no case".

    Raises
    ------
    InvalidInputError
        With every problem of the file.
    """
    findings = Findings()
    tree = documents.read(documents.absolute(path), findings)
    if tree is not None:
        shape(tree, model, findings)
    findings.raise_errors()
    if tree is None:
        raise InvalidInputError([Problem(path, 1, 1, "", empty)])
    return model.model_validate(plain(tree))


def shape(tree: Branch, model: type[BaseModel], findings: Findings) -> Branch:
    """Check a tree against a model.

    Returns
    -------
    Branch
        The tree with null in place of every value that was refused (a merged tree has no other
        nulls), and without the keys that were, so that the rest can be read and checked further.
    """
    try:
        model.model_validate(plain(tree))
    except ValidationError as error:
        values: set[Keys] = set()
        keys: set[Keys] = set()
        for each in error.errors(include_url=False):
            path = tuple(part for part in each["loc"] if part not in _TAGS)
            _report(tree, path, each, findings, model)
            if path and each["type"] != "missing":
                (keys if _is_key(each) else values).add(path)
        blanked = _blanked(tree, values)
        return _without(blanked, keys) if isinstance(blanked, Branch) else tree
    return tree


def _is_key(error: Mapping[str, Any]) -> bool:
    """Whether the key is wrong, rather than what stands under it."""
    return bool(error["type"] == "extra_forbidden" or error["loc"][-1:] == ("[key]",))


def _report(
    tree: Branch, path: Keys, error: Mapping[str, Any], findings: Findings, model: type[BaseModel]
) -> None:
    where = dotted("", *path)
    if error["type"] == "missing":
        findings.error(_place(tree, path[:-1], is_key=True), where, "is missing")
    elif error["type"] == "extra_forbidden":
        name = str(path[-1])
        place = _place(tree, path, is_key=True)
        findings.unknown(
            place,
            dotted("", *path[:-1]),
            f"unknown key {quoted(name)}",
            name,
            _keys_at(model, path[:-1]),
        )
    elif (
        error["type"] in _NOT_A_MAP
        and str(path[-1]) not in _keys_at(model, path[:-1])
        and path[:-1]
    ):
        name = str(path[-1])
        findings.unknown(
            _place(tree, path, is_key=True),
            dotted("", *path[:-1]),
            f"{quoted(name)} is no key, and no table by a factor either",
            name,
            _keys_at(model, path[:-1]),
        )
    else:
        findings.error(_place(tree, path, is_key=_is_key(error)), where, _message(error))


def _message(error: Mapping[str, Any]) -> str:
    """Return what a person should read, for pydantic's error."""
    context, given = error.get("ctx", {}), error["input"]
    is_scalar = isinstance(given, str | int | float)
    got = f" (got {quoted(str(given))})" if is_scalar else ""
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "string_type" if is_scalar:
            return f"expected text{got}; put it in quotes"
        case "literal_error":
            known = re.findall("'([^']*)'", context["expected"])
            return f"expected {context['expected']}{got}{did_you_mean(str(given), known)}"
        case kind if kind in _MESSAGES:
            return _MESSAGES[kind].format(**context) + got
        case _:
            return f"{error['msg']}{got}"


@cache
def _json_schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema(by_alias=True)


def _keys_at(model: type[BaseModel], path: Keys) -> list[str]:
    """Return the keys that a model knows at a path, by its JSON Schema."""
    root = _json_schema(model)
    level = _options(root, root)
    for part in path:
        below = [_child(each, part) for each in level]
        level = [option for each in below if each for option in _options(each, root)]
    return sorted({key for each in level for key in each.get("properties", {})})


def _options(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a schema may stand for: references followed, alternatives listed."""
    if "$ref" in schema:
        return _options(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    several = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [option for each in several for option in _options(each, root)] or [schema]


def _child(schema: Mapping[str, Any], part: str | int) -> Mapping[str, Any] | None:
    """Return the schema of what stands under a key, or at a place of a list."""
    if isinstance(part, int):
        found = schema.get("items")
    else:
        found = schema.get("properties", {}).get(part) or schema.get("additionalProperties")
    return found if isinstance(found, dict) else None


def _place(tree: Branch, path: Keys, *, is_key: bool) -> Location:
    """Where a path stands: its key, or its value; the nearest part of it that exists."""
    node: Node = tree
    place = tree.location
    for part in path:
        if isinstance(node, Branch) and part in node.entries:
            entry = node.entries[str(part)]
            node, place = entry.node, entry.key
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            place = node.location
        else:
            return place
    return place if is_key else node.location


def _blanked(node: Node, bad: set[Keys]) -> Node:
    """Return a node with null in place of the nodes at some paths."""
    if () in bad:
        return Leaf(None, "", node.location)
    if not bad:
        return node
    below: dict[str | int, set[Keys]] = {}
    for path in bad:
        below.setdefault(path[0], set()).add(path[1:])
    if isinstance(node, Items):
        each = (_blanked(item, below.get(i, set())) for i, item in enumerate(node.items))
        return Items(tuple(each), node.location)
    if isinstance(node, Branch):
        entries = {
            key: Entry(entry.key, _blanked(entry.node, below.get(key, set())))
            for key, entry in node.entries.items()
        }
        return Branch(entries, node.location)
    return node


def _without(node: Branch, keys: set[Keys]) -> Branch:
    """Return a branch without the keys at some paths."""
    below: dict[str | int, set[Keys]] = {}
    for path in keys:
        below.setdefault(path[0], set()).add(path[1:])
    entries = {}
    for key, entry in node.entries.items():
        gone = below.get(key, set())
        if () in gone:
            continue
        inner = (
            _without(entry.node, gone) if gone and isinstance(entry.node, Branch) else entry.node
        )
        entries[key] = Entry(entry.key, inner)
    return Branch(entries, node.location)
