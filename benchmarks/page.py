"""Writes `docs/performance.md`: sections by name, each kept until it is measured again.

A section ends with the numbers that goals are about, and when and how they were measured, in a
comment that is not shown: so the table of goals is always that of the latest measurements.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
TITLE = "# Performance\n\nWritten by `make bench`; nothing here is typed in by hand.\n"
_NUMBERS = re.compile(r"\n*<!-- measured (\{.*?\}) -->\Z")
SECTIONS = {
    "goals": "Goals",
    "machine": "Where and how it was measured",
    "engine": "The standard workload",
    "growth": "How cost grows",
    "accuracy": "Accuracy",
    "peers": "Peers on their part of the work",
    "panel": "R msm on panel data",
    "inference": "Inference over assumptions",
    "many": "65,536 draws",
    "imports": "Cold start",
    "sweep": "Sweeps",
    "load": "A morning's batch",
    "drag": "From a drag to the changed picture",
    "calibration": "Simulation-based calibration at full size",
    "calibration_numpy": "The same on the NumPy path",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def read() -> dict[str, str]:
    """Sections of the page as it is now."""
    if not PAGE.exists():
        return {}
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"<!-- (\w+) -->\n## [^\n]*\n\n(.*?)(?=\n<!-- \w+ -->|\Z)", text, re.DOTALL)
    return {name: body.strip() for name, body in found}


def with_numbers(text: str, numbers: Mapping[str, object]) -> str:
    """Return a section that holds the numbers measured."""
    return f"{text.strip()}\n\n<!-- measured {json.dumps(numbers)} -->"


def numbers(sections: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the numbers that each section holds."""
    found = {name: _NUMBERS.search(body.strip()) for name, body in sections.items()}
    return {name: json.loads(each[1]) for name, each in found.items() if each}


def write(new: Mapping[str, str]) -> None:
    """Put these sections in the place of the old ones of the same name."""
    sections = {**read(), **new}
    parts = [
        f"<!-- {name} -->\n## {heading}\n\n{sections[name].strip()}\n"
        for name, heading in SECTIONS.items()
        if name in sections
    ]
    PAGE.write_text("\n".join([TITLE, *parts]), encoding="utf-8")
