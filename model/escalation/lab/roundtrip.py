r"""Changes a YAML text and keeps the rest of it: comments, blank lines, quotes and layout.

A change is a JSON Merge Patch (RFC 7396) of plain values. It is made in the lightest way:

1. a scalar that is there is replaced where it stands, character by character;
2. otherwise ruamel.yaml reads the text with its comments, is changed, and writes it. What ruamel
   would lay out differently is not touched: with A the text, A' what ruamel writes of it unchanged
   and B' changed, only the lines that differ from A' to B' are carried over to A.

Whatever the way, the result is read again and must mean exactly the patched settings.

>>> print(patched("# why\nhorizon: 90d   # days\nwords: phia\n", {"horizon": "60d"}), end="")
# why
horizon: 60d   # days
words: phia
"""

from __future__ import annotations

import io
import re
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import MappingNode, ScalarNode

from escalation.errors import InvalidValueError
from escalation.reading.documents import parse
from escalation.reading.tree import Findings, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDE = 1_000_000  # columns: no line is ever folded
_PLAIN = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_. >]*")
_INSET = re.compile(r"^( *)[^#\s-][^#\n]*:[ ]*\n\1  - ", re.MULTILINE)

Patch = dict[str, Any]


def patched(text: str, patch: Mapping[str, object]) -> str:
    """Return a YAML text with a patch applied; null deletes where there is something to delete.

    Raises
    ------
    InvalidValueError
        If the text is no map of settings, or could not be changed without changing more.
    """
    wanted = merged(settings(text), patch)
    for made in _attempts(text, patch):
        if settings(made) == wanted:
            return made
    raise InvalidValueError("this file cannot be changed safely; change it by hand")


def settings(text: str) -> Patch:
    """Return the plain values of a YAML text.

    Raises
    ------
    InvalidValueError
        If it cannot be read.
    """
    findings = Findings()
    tree = parse(text, Path(), findings) if text.strip() else None
    if findings.failed or (tree is None and text.strip()):
        raise InvalidValueError(str(findings.listed()[0]))
    values = {} if tree is None else plain(tree)
    return values if isinstance(values, dict) else {}


def merged(target: object, patch: object) -> Patch:
    """Apply a merge patch to plain values; a null that finds nothing stays, to delete elsewhere."""
    result: Patch = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items() if isinstance(patch, dict) else ():
        if value is None and key in result and result[key] is not None:
            del result[key]
        elif isinstance(value, dict):
            result[key] = merged(result.get(key), value)
        else:
            result[key] = _value(value)
    return result


def written(patch: Mapping[str, object]) -> str:
    """Return plain settings as YAML text, for a new file."""
    return _dumped(_round_trip(""), _commented(patch))


def _value(value: object) -> object:
    """Return a value as it is read: `0.30` is a number."""
    return settings(f"v: {value}")["v"] if isinstance(value, str) and _is_plain(value) else value


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text == text.strip()


def _attempts(text: str, patch: Mapping[str, object]) -> Iterator[str]:
    """Yield the ways to change a text, the lightest first."""
    spliced = _spliced(text, patch)
    if spliced is not None:
        yield spliced
    yaml = _round_trip(text)
    before = _dumped(yaml, yaml.load(text) or CommentedMap())
    tree = yaml.load(text) or CommentedMap()
    _apply(tree, patch)
    after = _dumped(yaml, tree)
    carried = _carried(text, before, after)
    if carried is not None:
        yield carried
    yield after


# ---------------------------------------------------------------------- in place


def _spliced(text: str, patch: Mapping[str, object]) -> str | None:
    """Replace scalars where they stand; None where the patch does more than that."""
    root = YAML(pure=True).compose(text) if text.strip() else None
    pieces = list(_pieces(root, patch))
    if any(piece is None for piece in pieces):
        return None
    for begin, end, value in sorted((p for p in pieces if p is not None), reverse=True):
        text = text[:begin] + value + text[end:]
    return text


def _pieces(node: object, patch: Mapping[str, object]) -> Iterator[tuple[int, int, str] | None]:
    for key, value in patch.items():
        child = _child(node, key)
        if isinstance(value, dict) and isinstance(child, MappingNode):
            yield from _pieces(child, value)
        elif isinstance(child, ScalarNode) and child.style is None and _fits(value):
            yield child.start_mark.index, child.end_mark.index, str(value)
        else:
            yield None


def _fits(value: object) -> bool:
    """Whether a value can stand unquoted wherever a scalar stands."""
    return isinstance(value, str | int | float) and _is_plain(str(value))


def _child(node: object, key: str) -> object:
    if isinstance(node, MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


# ---------------------------------------------------------------------- round trip


def _round_trip(text: str) -> Any:  # noqa: ANN401 (ruamel's own class has no useful types)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDE
    inset = _INSET.search(text) is not None or "\n- " not in text
    yaml.indent(mapping=2, sequence=4 if inset else 2, offset=2 if inset else 0)
    return yaml


def _dumped(yaml: Any, tree: object) -> str:  # noqa: ANN401 (as above)
    buffer = io.StringIO()
    yaml.dump(tree, buffer)
    return buffer.getvalue()


def _apply(tree: CommentedMap, patch: Mapping[str, object]) -> None:
    for name, value in patch.items():
        key = next((each for each in tree if str(each) == name), name)
        if value is None and tree.get(key) is not None:
            del tree[key]
        elif isinstance(value, dict) and isinstance(tree.get(key), CommentedMap):
            _apply(tree[key], value)
        else:
            tree[key] = _commented(value)


def _commented(value: object) -> object:
    """Return a value as ruamel writes it; a small map of scalars goes on one line."""
    if isinstance(value, dict):
        tree = CommentedMap({key: _commented(each) for key, each in value.items()})
        if "dist" in value:
            tree.fa.set_flow_style()
        return tree
    if isinstance(value, str) and _is_plain(value):
        return YAML().load(f"v: {value}")["v"]  # so that 0.30 stays 0.30
    return value


def _carried(text: str, before: str, after: str) -> str | None:
    """Carry the lines that differ from `before` to `after` over to the text; None if unclear."""
    lines, old, new = (each.splitlines(keepends=True) for each in (text, before, after))
    at = {}
    for block in SequenceMatcher(None, old, lines, autojunk=False).get_matching_blocks():
        at.update({block.a + i: block.b + i for i in range(block.size)})
    result = list(lines)
    for kind, i, j, k, m in reversed(SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if kind == "equal":
            continue
        touched = [at.get(each) for each in range(i, j)]
        begin = at.get(i) if touched else at.get(i - 1, -1) + 1
        if None in touched or begin is None or (not touched and i and i - 1 not in at):
            return None
        result[begin : begin + len(touched)] = new[k:m]
    return "".join(result)
