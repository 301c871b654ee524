"""Promises of `escalation.reading.documents` and `escalation.reading.tree`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.errors import InvalidValueError
from escalation.reading.case import Location
from escalation.reading.documents import Workspace, parse, read, read_text
from escalation.reading.tree import (
    MAX_PROBLEMS,
    NOWHERE,
    Branch,
    Findings,
    branch,
    did_you_mean,
    merge,
    plain,
    quoted,
)

FILE = Path("file.yaml")


def parsed(text: str) -> tuple[object, list[str]]:
    """Return the values of a text, and what is wrong with it."""
    findings = Findings()
    tree = parse(text, FILE, findings)
    return None if tree is None else plain(tree), [str(each) for each in findings.listed()]


def problems(text: str) -> list[str]:
    """Return what is wrong with a text."""
    return parsed(text)[1]


# ---------------------------------------------------------------------- values and places


def test_every_key_and_value_has_its_line_and_column() -> None:
    """Keys and values know where they stand, in block and in flow style."""
    tree = parse("a: 1\nb:\n  c: {d: 2,\n      e: x}\n", FILE, Findings())
    assert tree is not None
    inner = tree.branch("b").branch("c")
    places = [
        tree.entries["a"].key,
        tree.entries["a"].node.location,
        tree.place("b"),
        inner.place("d"),
        inner.entries["d"].node.location,
        inner.place("e"),
        inner.entries["e"].node.location,
    ]
    assert [(each.line, each.column) for each in places] == [
        (1, 1), (1, 4), (2, 1), (3, 7), (3, 10), (4, 7), (4, 10),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("true", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("90d", "90d"), ("2025-08-07", "2025-08-07"),
        ("0.1 to 0.4", "0.1 to 0.4"), ("1", 1), ("-2.5e3", -2500.0), (".5", 0.5), ("'1'", "1"),
        ("1_000", "1_000"), ("0o7", "0o7"), ("12:30", "12:30"), ("x2", "x2"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """`yes`, dates and times are texts; numbers, booleans and null are what YAML 1.2 says."""
    assert parsed(f"a: {text}") == ({"a": value}, [])


def test_huge_integers_are_read_in_bounded_time() -> None:
    """A number of thousands of digits is no reason to stumble."""
    value, wrong = parsed(f"a: {'9' * 9000}")
    assert value == {"a": float("inf")}
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "file.yaml:3:1: the key 'a' is given twice (first in line 1)"),
        ("a: !!python/object:os.system x", "file.yaml:1:4: tags (!) are not allowed"),
        ("a: &b 1", "file.yaml:1:4: anchors (&) are not allowed"),
        ("a: *b", "file.yaml:1:4: aliases (*) are not allowed; write the value out"),
        ("a: 1\n---\nb: 2", "file.yaml:2:1: a second document begins here (---); only one is"),
        ("? [a, b]\n: 1", "file.yaml:1:3: a key must be a word, not a list or a map"),
        ("%YAML 1.1\n---\na: yes", "file.yaml:2:1: directives (%) are not allowed"),
        ("- a\n- b", "file.yaml:1:1: the file must be a map of settings (key: value)"),
        ("", "file.yaml:1:1: the file must be a map of settings (key: value)"),
        ("a: b: c", "file.yaml:1:5: not valid YAML: mapping values are not allowed here"),
        ("a: 'b\nc: d", "file.yaml:2:5: not valid YAML: found unexpected end of stream"),
        ("a: 1\nb: \x07", "file.yaml:2:4: not valid YAML: a character that is not text"),
        ('a: "\\ud800"', "file.yaml:1:4: this text holds characters that are not text"),
        ('a: "\\U00110000"', "file.yaml:1:1: not valid YAML from here on"),
        ("\ta: 1", "file.yaml:1:1: not valid YAML: a tab; indent with spaces"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str, expected: str) -> None:
    """Tags, aliases, duplicate keys and the like are errors with line and column."""
    assert any(each.startswith(expected) for each in problems(text)), problems(text)


def test_several_faults_are_found_in_one_reading() -> None:
    """A refused tag does not hide the duplicate key after it."""
    found = problems("a: !x 1\nb: &c 2\nb: 3\n")
    assert [each.split(": ")[0] for each in found] == [
        "file.yaml:1:4", "file.yaml:2:4", "file.yaml:3:1",
    ]  # fmt: skip


def test_depth_and_number_of_values_are_limited() -> None:
    """Too many levels, values or characters in a line are refused where they begin to be."""
    assert "more than 24 levels" in problems("a: " + "[" * 200)[0]
    assert "more than 20,000 values" in problems("a:\n" + "- 1\n" * 20_100)[0]
    assert "file.yaml:2:1: this line is longer" in problems("a: 1\nb: " + "x" * 10_001)[0]


@given(st.text())
def test_any_text_is_a_tree_or_a_problem(text: str) -> None:
    """Whatever the text, it is read or refused; never is there an exception."""
    value, wrong = parsed(text)
    assert isinstance(value, dict) or wrong


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?, \n\t\\~0.1", max_size=60))
def test_any_punctuation_is_a_tree_or_a_problem(text: str) -> None:
    """YAML's own signs in any order are read or refused; never is there an exception."""
    value, wrong = parsed(text)
    assert isinstance(value, dict) or wrong


# ---------------------------------------------------------------------- files


def test_a_file_is_read_as_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    """A byte order mark and Windows line ends make no difference."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: \xc3\xa9\r\n")
    tree = read(path, Findings())
    assert tree is not None
    assert plain(tree) == {"a": 1, "b": "é"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: \xff", "not UTF-8 (line 2); save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "not UTF-8 (line 1); save the file as UTF-8"),
        (b"a: 1\nb: \0", "holds a NUL character (line 2); this is not a text file"),
        (b"#" * 1001, "larger than 0.001 MB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    """Other encodings, NUL and too large a size are refused."""
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(InvalidValueError) as error:
        read_text(path, 1000)
    assert str(error.value) == expected


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A folder, a pipe, a device, a symbolic link and nothing at all are refused at once."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text("a: 1")
    for path, expected in [
        (tmp_path, "is a folder; name a file in it"),
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (link, "cannot be opened"),
        (tmp_path / "none", "no such file"),
        (tmp_path / ("x" * 5000), "cannot be opened"),
        (Path("a\0b"), "cannot be opened"),
    ]:
        with pytest.raises(InvalidValueError, match=expected):
            read_text(path, 1000)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte is refused by its size."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)
    findings = Findings()
    assert read(path, findings) is None
    assert [each.message for each in findings.listed()] == ["larger than 0.5 MB"]


# ---------------------------------------------------------------------- the workspace


def test_the_workspace_holds_scenarios(tmp_path: Path) -> None:
    """It is the nearest folder with `scenarios/` in it, else the file's own."""
    case = tmp_path / "home" / "scenarios" / "case"
    case.mkdir(parents=True)
    assert Workspace.of(case / "a.yaml").root == (tmp_path / "home").resolve()
    assert Workspace.of(tmp_path / "a.yaml").root == tmp_path.resolve()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("../../../outside.yaml", "leaves the workspace"),
        ("/etc/passwd", "is absolute"),
        ("leaving.yaml", "leaves the workspace"),
        ("loop.yaml", "is not a usable path"),
        ("a\0b", "is not a usable path"),
    ],
)
def test_a_path_may_not_leave_the_workspace(tmp_path: Path, text: str, expected: str) -> None:
    """Neither by dots, nor as an absolute path, nor by a symbolic link."""
    case = tmp_path / "home" / "scenarios" / "case"
    case.mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text("a: 1")
    (case / "leaving.yaml").symlink_to(tmp_path / "outside.yaml")
    (case / "loop.yaml").symlink_to("loop.yaml")
    workspace = Workspace.of(case / "a.yaml")
    with pytest.raises(InvalidValueError, match=expected):
        workspace.resolve(text, case / "a.yaml")
    assert workspace.resolve("../b.yaml", case / "a.yaml") == case.parent.resolve() / "b.yaml"


# ---------------------------------------------------------------------- merging

JSON = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
MAPS = st.dictionaries(st.text("abc", max_size=1), JSON, max_size=3)


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401
    """Return the pseudocode of RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    target = dict(target)
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge_patch(target.get(name), value)
    return target


@given(MAPS, MAPS)
def test_merging_is_rfc_7396(target: dict[str, object], patch: dict[str, object]) -> None:
    """Merged trees have the values that the RFC's own pseudocode gives."""
    merged = merge(branch(target), branch(patch), Findings())
    assert json.dumps(plain(merged)) == json.dumps(merge_patch(target, patch))


def test_merging_keeps_the_places_of_its_parts() -> None:
    """What is inherited points at the base, what is changed at the patch."""
    base = parse("a: 1\nb: {c: 2, d: 3}\n", Path("base.yaml"), Findings())
    patch = parse("\nb: {d: 4}\n", Path("patch.yaml"), Findings())
    assert base is not None
    assert patch is not None
    merged = merge(base, patch, Findings())
    inner = merged.branch("b")
    places = [(e.key.path.name, e.key.line) for e in (merged.entries["a"], inner.entries["c"])]
    assert places == [("base.yaml", 1), ("base.yaml", 2)]
    assert inner.place("d").path.name == "patch.yaml"
    assert inner.place("d").line == 2


def test_a_null_that_deletes_nothing_is_a_warning() -> None:
    """A misspelt key with null would do nothing, silently."""
    findings = Findings()
    merge(branch({"moves": {"a -> b": 1}}), branch({"moves": {"a -> c": None}}), findings)
    (warning,) = findings.listed()
    assert warning.warning
    assert warning.where == "moves.a -> c"
    assert "did you mean 'a -> b'?" in warning.message


# ---------------------------------------------------------------------- messages


def test_text_of_a_file_is_harmless_in_a_message() -> None:
    """Control characters are made visible, and long texts cut."""
    assert quoted("a\x1b[31m\n\u202e") == "'a\\x1b[31m\\n\\u202e'"
    assert len(quoted("x" * 10_000)) < 70
    assert did_you_mean("x" * 10_000, ["x" * 10_001]) == ""


def test_problems_are_counted_beyond_a_limit() -> None:
    """A file with a million faults gives a thousand problems and a count of the rest."""
    findings = Findings()
    for line in range(MAX_PROBLEMS + 5):
        findings.error(Location(FILE, line + 1, 1), "", "wrong")
    listed = findings.listed()
    assert len(listed) == MAX_PROBLEMS + 1
    assert listed[-1].message == "and 5 more problems, not listed"


def test_errors_count_where_warnings_have_filled_the_list() -> None:
    """However many warnings come first, an error makes reading fail."""
    findings = Findings()
    for line in range(MAX_PROBLEMS):
        findings.warn(Location(FILE, line + 1, 1), "", "unwise")
    findings.error(NOWHERE, "", "wrong")
    assert findings.failed
    assert not findings.listed()[-1].warning


def test_an_empty_branch_answers_for_what_is_not_there() -> None:
    """Asking for what is missing gives empty things, never an exception."""
    empty = Branch({}, NOWHERE)
    assert empty.branch("a").branch("b").items("c") == ()
    assert empty.text("a", "default") == "default"
    assert empty.place("a") == NOWHERE


HOSTILE = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (1_500_000_000, 1_500_000_000))
from pathlib import Path
from escalation.reading.documents import read
from escalation.reading.tree import Findings
for path in sorted(Path(sys.argv[1]).iterdir()):
    findings = Findings()
    begun = time.process_time()
    read(path, findings)
    print(path.name, findings.failed, time.process_time() - begun)
"""

LARGEST = 490_000
HOSTILE_FILES = {
    "alias bomb": "a: &a [1,1,1]\n"
    + "".join(f"{b}: &{b} [*{a},*{a},*{a},*{a}]\n" for a, b in pairwise("abcdefghi")),
    "brackets": ("[" * 9_000 + "\n") * 100,
    "indents": "a:\n" + "".join(" " * i + "- \n" for i in range(1_000)),
    "keys": "".join(f"k{i}: 1\n" for i in range(40_000)),
    "long tag": "a: !<" + "x" * LARGEST + "> 1",
    "many tags": "".join(f"k{i}: !<{'x' * 9_000}> 1\n" for i in range(50)),
    "duplicates": "a: 1\n" * 30_000,
    "open quote": "'a\n" * (LARGEST // 3),
    "line ends": "\n" * LARGEST + "[",
    "question marks": "? " * 4_000 + "\n",
    "documents": "---\n" * (LARGEST // 4),
}  # fmt: skip


def test_hostile_files_are_refused_in_bounded_time_and_memory(tmp_path: Path) -> None:
    """Bombs of every kind are refused within seconds, under a limit of memory."""
    for name, text in HOSTILE_FILES.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    assert {name for name, _, _ in results} == HOSTILE_FILES.keys()
    assert all(failed == "True" for _, failed, _ in results)
    assert max(float(seconds) for _, _, seconds in results) < 20
