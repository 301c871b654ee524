"""Which scenarios a notebook offers, and which it opens where none is named.

A file named is opened, and all scenarios of its workspace are offered. Where a folder is named it
is looked for from the working folder upwards, as a notebook lives in a folder beside `scenarios/`;
the first baseline is opened, the one nearest to the top.
"""

from __future__ import annotations

from pathlib import Path

from escalation.errors import EscalationError
from escalation.reading.documents import Workspace
from escalation.reading.scenario import find_scenarios
from escalation.reporting.notebook import find


def offered_scenarios(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the scenario to open, and those on offer, absolute."""
    if path.suffix in {".yaml", ".yml"}:
        chosen = find(path).resolve()
        root = Workspace.of(chosen).root
        under = root / "scenarios" if (root / "scenarios").is_dir() else chosen.parent
    else:
        candidates = [path, *(each / path for each in (Path.cwd(), *Path.cwd().parents))]
        under = next((each.resolve() for each in candidates if each.is_dir()), path.resolve())
        chosen = None
    offered = [each.resolve() for each in find_scenarios([under])]
    if chosen is None:
        if not offered:
            raise EscalationError(f"no scenario in {under}; 'escalation new CASE' starts one")
        chosen = min(offered, key=lambda each: (len(each.parts), each.stem != "baseline"))
    return chosen, tuple(dict.fromkeys([*offered, chosen]))
