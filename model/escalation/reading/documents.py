r"""Reads files that nobody vouches for, in bounded time and memory.

A file is opened only if it is a regular file inside the workspace and not larger than a stated
size; it is refused before it is read otherwise. YAML 1.2 is then taken event by event, so that
nothing is ever constructed from it but texts, numbers, lists and maps, each with its line and
column (`escalation.reading.tree`). Refused are

    tags, anchors and aliases, directives     a second document, keys that are no plain words
    a key given twice                         more than so many values, or levels
    bytes that are not UTF-8                  lines longer than so many characters

`yes` and `2025-08-07` are texts, as YAML 1.2 has them: what a text means is for its reader.
Reference: YAML 1.2.2, https://yaml.org/spec/1.2.2/, section 10.3 (core schema).

>>> from escalation.reading.tree import Findings, plain
>>> tree = parse("start: 2025-08-07\nwatched: yes\nhorizon: 90", Path("a.yaml"), Findings())
>>> plain(tree), tree.entries["watched"].node.location.line
({'start': '2025-08-07', 'watched': 'yes', 'horizon': 90}, 2)
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml import events as yaml_events
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from escalation.errors import InvalidValueError
from escalation.reading.case import Location
from escalation.reading.tree import Branch, Entry, Items, Leaf, Node, quoted
from escalation.reading.workspace import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from escalation.reading.tree import Findings, Value

MAX_YAML_BYTES = 500_000
MAX_LINE = 10_000  # characters; the scanner needs time that is quadratic in some of them
MAX_NODES = 20_000
MAX_DEPTH = 24

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE
)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {
    each: each.lower() == "true"
    for word in ("true", "false")
    for each in (word, word.capitalize(), word.upper())
}
_LONGEST_INTEGER = 18  # digits; longer ones are read as floats


@dataclass(frozen=True)
class Workspace:
    """The folder that the files of a scenario may not leave: the one with `scenarios/` in it.

    `root` is the nearest folder, at or above the file's own, that holds a folder `scenarios`;
    the file's own folder if there is none.
    """

    root: Path

    @classmethod
    def of(cls, path: Path) -> Workspace:
        """Return the workspace of a file."""
        return cls(root_of(absolute(path).parent))

    def resolve(self, text: str, beside: Path) -> Path:
        """Return the file that a path written in the file `beside` means.

        Raises
        ------
        InvalidValueError
            If it is absolute, or leaves the workspace, be it by a symbolic link.
        """
        try:
            found = (beside.parent / text).resolve()
        except (ValueError, OSError, RuntimeError) as error:
            raise InvalidValueError(f"{quoted(text)} is not a usable path") from error
        if Path(text).is_absolute():
            raise InvalidValueError(
                f"{quoted(text)} is absolute; write a path relative to this file"
            )
        if not found.is_relative_to(self.root):
            raise InvalidValueError(f"{quoted(text)} leaves the workspace ({self.root.name}/)")
        return found


def absolute(path: Path) -> Path:
    """Return a path with its folder resolved, itself not.

    Raises
    ------
    InvalidValueError
        If it cannot be a path.
    """
    try:
        return path.parent.resolve() / path.name
    except (ValueError, OSError, RuntimeError) as error:
        raise InvalidValueError(f"{quoted(str(path))} is not a usable path") from error


def read_text(path: Path, limit: int) -> str:
    """Return the text of a regular UTF-8 file (a byte order mark is dropped).

    Raises
    ------
    InvalidValueError
        If it is missing, not a regular file, larger than `limit` bytes, or not UTF-8.
    """
    data = _read_bytes(path, limit)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidValueError(f"not UTF-8 (line {line}); save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidValueError(f"holds a NUL character (line {line}); this is not a text file")
    return text


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        # A symbolic link was resolved before; a pipe must not block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InvalidValueError("no such file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise InvalidValueError(f"cannot be opened: {reason}") from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise InvalidValueError("is a folder; name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise InvalidValueError("not a regular file")
        if status.st_size > limit:
            raise InvalidValueError(f"larger than {limit / 1e6:g} MB")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:  # it has grown meanwhile
        raise InvalidValueError(f"larger than {limit / 1e6:g} MB")
    return data


def read(path: Path, findings: Findings, at: Leaf | None = None, where: str = "") -> Branch | None:
    """Return the tree of a YAML file; None, with the reason among the findings, if it has none.

    Parameters
    ----------
    path : Path
        As resolved, symbolic links and all.
    findings : Findings
    at, where : Leaf, str
        The setting that names the file, which is where it is reported that it cannot be opened.
    """
    try:
        text = read_text(path, MAX_YAML_BYTES)
    except InvalidValueError as error:
        if at is None:
            findings.error(Location(path, 1, 1), "", str(error))
        else:
            findings.error(at.location, where, f"{quoted(at.text)}: {error}")
        return None
    return parse(text, path, findings)


def parse(text: str, path: Path, findings: Findings) -> Branch | None:
    """Return the tree of a YAML text; None, with the reason among the findings, if it has none."""
    builder = _Builder(path, findings)
    try:
        _check_lines(text, path)
        root = builder.build(_events(text))
    except _RefusedError as refusal:
        findings.error(refusal.location, "", str(refusal))
        return None
    except _STUMBLES as error:
        findings.error(_where(error, text, builder), "", f"not valid YAML{_reason(error)}")
        return None
    if not isinstance(root, Branch):
        findings.error(Location(path, 1, 1), "", "the file must be a map of settings (key: value)")
        return None
    return root


# The parser itself may stumble over hostile text, by others than its own errors.
_STUMBLES = (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError)


def _check_lines(text: str, path: Path) -> None:
    for number, line in enumerate(_LINE_BREAK.split(text), start=1):
        if len(line) > MAX_LINE:
            place = Location(path, number, 1)
            raise _RefusedError(place, f"this line is longer than {MAX_LINE:,} characters")


def _where(error: Exception, text: str, builder: _Builder) -> Location:
    """Return where the parser stumbled; as far as it had come where it does not say."""
    if isinstance(error, ReaderError):
        return _position(text, error.position, builder.path)
    mark = None
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
    return builder.last if mark is None else Location(builder.path, mark.line + 1, mark.column + 1)


def _reason(error: Exception) -> str:
    if isinstance(error, ReaderError):
        return ": a character that is not text"
    if isinstance(error, MarkedYAMLError):
        problem = str(error.problem or error.context)
        return ": a tab; indent with spaces" if r"'\t'" in problem else f": {problem}"
    return " from here on"


def _position(text: str, index: int, path: Path) -> Location:
    lines = _LINE_BREAK.split(text[:index])
    return Location(path, len(lines), len(lines[-1]) + 1)


def _events(text: str) -> Iterator[yaml_events.Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


class _RefusedError(Exception):
    """The file goes beyond a limit, and is not read further."""

    def __init__(self, location: Location, message: str) -> None:
        self.location = location
        super().__init__(message)


@dataclass
class _Open:
    """A list or map that is not complete yet."""

    location: Location
    is_map: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Node | None = None


class _Builder:
    """Builds the tree from events, without recursion."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self.stack: list[_Open] = []
        self.root: Node | None = None
        self.nodes = 0
        self.documents = 0
        self.last = Location(path, 1, 1)

    def build(self, events: Iterator[yaml_events.Event]) -> Node | None:
        for event in events:
            mark = event.start_mark
            self.last = Location(self.path, mark.line + 1, mark.column + 1)
            match event:
                case yaml_events.DocumentStartEvent():
                    self._document(event)
                case yaml_events.AliasEvent():
                    self._wrong("aliases (*) are not allowed; write the value out")
                    self._add(Leaf(None, "", self.last))
                case yaml_events.ScalarEvent():
                    self._check(event)
                    self._add(self._leaf(event))
                case yaml_events.SequenceStartEvent() | yaml_events.MappingStartEvent():
                    self._check(event)
                    self._open(is_map=isinstance(event, yaml_events.MappingStartEvent))
                case yaml_events.SequenceEndEvent() | yaml_events.MappingEndEvent():
                    self._add(self._close())
        return self.root

    def _wrong(self, message: str) -> None:
        self.findings.error(self.last, "", message)

    def _document(self, event: yaml_events.DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _RefusedError(
                self.last, "a second document begins here (---); only one is allowed"
            )
        if event.version or event.tags:
            self._wrong("directives (%) are not allowed")

    def _check(self, event: yaml_events.NodeEvent) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _RefusedError(self.last, f"more than {MAX_NODES:,} values")
        if event.anchor is not None:
            self._wrong("anchors (&) are not allowed")
        if getattr(event, "tag", None) is not None:
            self._wrong("tags (!) are not allowed")

    def _leaf(self, event: yaml_events.ScalarEvent) -> Leaf:
        text = event.value
        if any("\ud800" <= c <= "\udfff" or c == "\0" for c in text):
            self._wrong("this text holds characters that are not text")
            text = ""
        return Leaf(_scalar(text) if event.implicit[0] else text, text, self.last)

    def _open(self, *, is_map: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _RefusedError(self.last, f"more than {MAX_DEPTH} levels")
        self.stack.append(_Open(self.last, is_map))

    def _close(self) -> Node:
        done = self.stack.pop()
        if done.is_map:
            return Branch(done.entries, done.location)
        return Items(tuple(done.items), done.location)

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if not top.is_map:
            top.items.append(node)
        elif top.key is None:
            top.key = node
        else:
            self._put(top, top.key, node)
            top.key = None

    def _put(self, top: _Open, key: Node, node: Node) -> None:
        if not isinstance(key, Leaf):
            self.findings.error(key.location, "", "a key must be a word, not a list or a map")
        elif key.text in top.entries:
            first = top.entries[key.text].key.line
            self.findings.error(
                key.location,
                "",
                f"the key {quoted(key.text)} is given twice (first in line {first})",
            )
        else:
            top.entries[key.text] = Entry(key.location, node)


def _scalar(text: str) -> Value:
    """Return the value of an unquoted scalar by YAML 1.2's core schema."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) <= _LONGEST_INTEGER and _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
