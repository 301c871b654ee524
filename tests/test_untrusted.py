"""Whatever a file holds, it is read or refused, in bounded time: nothing else ever happens."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from escalation.errors import InvalidInputError
from escalation.reading import scenario
from escalation.reading.case import Scenario
from escalation.reading.documents import read
from escalation.reading.tree import Findings, plain
from tiny_case import TINY, copy_of_tiny, wrong


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the tiny case, made the current folder."""
    return copy_of_tiny(tmp_path, monkeypatch)


def outcome(path: Path) -> Scenario | None:
    """Return the scenario, or None if it is refused as it should be."""
    try:
        return scenario.load(path)
    except InvalidInputError as error:
        problems = error.problems
    assert all(each.line >= 1 and each.column >= 1 for each in problems)
    assert any(not each.warning for each in problems)
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_any_bytes_are_a_scenario_or_a_refusal(tiny: Path, data: bytes) -> None:
    """Whatever a file holds, it is read or refused; never is there another exception."""
    (tiny / "any.yaml").write_bytes(data)
    outcome(tiny / "any.yaml")
    scenario.check(tiny / "any.yaml")


PIECES = [
    "",
    "x",
    "0",
    "-1",
    "null",
    "[]",
    "{}",
    "[1]",
    "a: b",
    ": ",
    "- ",
    "'",
    "x2",
    "1 to 0",
    "~",
    "{value: 1}",
    "{dist: beta}",
    "why",
    "rung",
    "intent",
    "fight",
    "1e400",
    "\n",
    "  ",
    "\t",
]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_a_file_is_a_scenario_or_a_refusal(tiny: Path, data: st.DataObject) -> None:
    """A valid case with pieces cut out and put in is read or refused, never worse."""
    name = data.draw(st.sampled_from(["baseline.yaml", "catalogue.yaml", "observations.csv"]))
    text = (TINY / name).read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(len(text), begin + data.draw(st.sampled_from([0, 1, 3, 10, 40])))
        text = text[:begin] + data.draw(st.sampled_from(PIECES)) + text[end:]
    shutil.copytree(TINY, tiny, dirs_exist_ok=True)
    (tiny / name).write_text(text)
    outcome(tiny / "baseline.yaml")


def values(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths of all values in a tree of plain objects."""
    below: list[tuple[str | int, object]] = []
    if isinstance(node, dict):
        below = list(node.items())
    elif isinstance(node, list):
        below = list(enumerate(node))
    return [path, *(each for key, inner in below for each in values(inner, (*path, key)))]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_setting_may_be_anything(tiny: Path, data: st.DataObject) -> None:
    """Each setting in turn replaced by something else is read or refused, never worse."""
    tree = read(TINY / "baseline.yaml", Findings())
    assert tree is not None
    whole = plain(tree)
    path = data.draw(st.sampled_from(values(whole)[1:]))
    node = whole
    for key in path[:-1]:
        node = node[key]  # type: ignore[index]
    strange = [None, 0, -1, 1e308, "", "a", "a -> b", "x2", "30d", [], {}, [None], {"why": "x"},
               {"value": None}, {"value": {"value": 1}}, {"dist": "beta"}, {"rung": {"words": 1}},
               {"rate": None}, True, ["shots"], {"fight": 1}, {"reference": "x"}]  # fmt: skip
    node[path[-1]] = data.draw(st.sampled_from(strange))  # type: ignore[index]
    (tiny / "baseline.yaml").write_text(json.dumps(whole))
    outcome(tiny / "baseline.yaml")


def test_hostile_scenarios_are_refused_in_bounded_time(tiny: Path) -> None:
    """Thousands of faults, states or moves take seconds, not hours."""
    text = (tiny / "baseline.yaml").read_text()
    states = "".join(f"      s{number}: x\n" for number in range(9_000))
    moves = "".join(f"      a{number} -> b{number}: 0.1\n" for number in range(9_000))
    names = "".join(f"  w{number}: {{category: q}}\n" for number in range(5_000))
    hostile = {
        "states": text.replace("      bargain: Wants", states + "      bargain: Wants"),
        "moves": text.replace("      bargain -> fight", moves + "      bargain -> fight"),
        "indicators": text + "indicators:\n" + names,
        "targets": text.replace("[shots, treaty]", "[" + "zz,\n " * 15_000 + "]"),
        "keys": "".join(f"horizn{number}: 1\n" for number in range(9_000)),
    }
    for name, each in hostile.items():
        (tiny / "hostile.yaml").write_text(each)
        begun = time.process_time()
        assert outcome(tiny / "hostile.yaml") is None, name
        assert time.process_time() - begun < 20, name
    rows = "".join(f"r{number},ships_gathr,2030-01-01\n" for number in range(19_000))
    (tiny / "observations.csv").write_text("id,indicator,reported_on\n" + rows)
    begun = time.process_time()
    assert len(wrong(tiny / "baseline.yaml")) < 1_100
    assert time.process_time() - begun < 20
