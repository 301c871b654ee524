r"""A scenario on the desk: its edits, whether they are valid, and what they make of the answer.

A desk holds one scenario file and the edits made to it (`edits`), and answers at two speeds:

    quick       the numbers changed in the scenario as last read, and the draws of the last refined
                answer weighed anew (`sketch`), while a hand drags
    refined     the files read again with the edits in place, fresh draws, when the hand rests

Both are compared with the file's own version as of the same day, over the same horizon and with
the same random numbers, so that the change is that of the edits alone. What cannot be read is
refused and changes nothing. Edits are kept in `.escalation/` of the workspace until they are
saved or taken back: closing a page or a kernel loses none.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.engine.assessment import SEED, Assessment, assess
from escalation.errors import EscalationError, InvalidInputError, InvalidValueError
from escalation.explaining.watchlist import watchlist
from escalation.lab import editing, roundtrip, rows
from escalation.lab.edits import SUPPOSED, Edits, History, from_json
from escalation.lab.sketch import Glance, Sketch
from escalation.reading import documents, grammar, scenario
from escalation.reading.tree import Branch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from escalation.explaining.watchlist import Watch
    from escalation.reading.case import Assumption, Scenario
    from escalation.reading.tree import Node

QUICK, REFINED = 32, 1024
KEPT = ".escalation"


@dataclass(frozen=True)
class Answer:
    """What the edited scenario says, and what the file's own version says.

    Attributes
    ----------
    edited, filed : Assessment or Glance
    draws : int
    seconds : float
        What computing it took.
    quick : bool
        Whether it is the quick one.
    """

    edited: Assessment | Glance
    filed: Assessment | Glance
    draws: int
    seconds: float
    quick: bool = False


@dataclass(frozen=True)
class _Base:
    """Draws of a refined answer, and what they say of the file's own version."""

    sketch: Sketch
    filed: dict[tuple[date, int, tuple[str, ...]], Glance | None] = field(default_factory=dict)


@dataclass
class Desk:
    """One scenario file and the edits made to it.

    Attributes
    ----------
    path : Path
    quick, refined : int
        Draws of the two answers.
    filed : Scenario
        As the file has it.
    valid : Scenario
        As last read with valid edits.
    history : History
    notice : str
        What to tell whoever opened it; empty if nothing.
    """

    path: Path
    quick: int = QUICK
    refined: int = REFINED
    history: History = field(default_factory=History)
    notice: str = ""
    _cache: dict[tuple[date, int, int], Assessment] = field(default_factory=dict)
    _base: _Base | None = None
    _keeping: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.path = documents.absolute(self.path)
        self.notice = self.reload()

    def reload(self) -> str:
        """Read the files anew and apply the edits that were kept; return what does not fit.

        Edits that no longer fit are put aside, not thrown away.
        """
        self.filed = self.valid = scenario.load(self.path)
        self.whole = editing.read_whole(self.path)
        self.opened = {file: file.read_text("utf-8-sig") for file in self.filed.files}
        self._cache.clear()
        self._base = None
        if not self._kept.exists():
            return ""
        try:
            edits = from_json(self._kept.read_text("utf-8"))
            self.valid = self.read(edits)
        except EscalationError as error:
            aside = self._kept.with_suffix(".unfit.json")
            self._kept.replace(aside)
            return (
                f"Edits kept from before no longer fit the files ({said(error)}). "
                f"They were put aside in {KEPT}/{aside.name}."
            )
        self.history.now = edits
        return ""

    # ------------------------------------------------------------------ editing

    @property
    def edits(self) -> Edits:
        """The edits as they are now."""
        return self.history.now

    def change(self, edits: Edits, stroke: str = "") -> str:
        """Make an edit if it is valid; return what is wrong with it, or nothing."""
        try:
            self.valid = self.read(edits)
        except EscalationError as error:
            return said(error)
        self.history.make(edits, stroke)
        self._keep()
        return ""

    def drag(self, name: str, text: str) -> str:
        """Change a number for now, without reading the files; return what is wrong, or nothing."""
        try:
            given = self._given(name)
            new = grammar.number(_value(text), given.role, days=given.days)
        except EscalationError as error:
            return said(error)
        changed = replace(given, prior=new.prior, days=new.days, text=text)
        self.valid = replace(self.valid, assumptions={**self.valid.assumptions, name: changed})
        self.history.make(self.edits.number(name, self._or_filed(name, text)), name)
        self._keep()
        return ""

    def drag_setting(self, name: str, value: date | int) -> None:
        """Move the as-of day or the horizon for now, without reading the files."""
        self.valid = replace(self.valid, **{name: value})  # type: ignore[arg-type]
        same = getattr(self.filed, name) == value
        written = str(value) if name == "as_of" else f"{value}d"
        self.history.make(self.edits.setting(name, None if same else written), name)
        self._keep()

    def settle(self) -> str:
        """Read the files with the edits; return what is wrong, and then take it back."""
        edits = self.edits
        try:
            found = self.read(edits)
        except EscalationError as error:
            if self.edits is edits:
                self.undo()
            return said(error)
        if self.edits is edits:  # no hand has moved on meanwhile
            self.valid = found
            self.history.rest()
        return ""

    def number(self, name: str, text: str) -> str:
        """Believe something else of an assumption; return what is wrong with it, or nothing."""
        try:
            grammar.number(_value(text), self._given(name).role)  # quicker than reading the files
        except EscalationError as error:
            return said(error)
        return self.change(self.edits.number(name, self._or_filed(name, text.strip())))

    def _given(self, name: str) -> Assumption:
        if name not in self.valid.assumptions:
            raise InvalidValueError(f"{name} is no assumption of the scenario as edited")
        return self.valid.assumptions[name]

    def undo(self) -> None:
        """Take the last edit back."""
        self.history.undo()
        self.valid = self.read(self.edits)
        self._keep()

    def reset(self) -> None:
        """Take all edits back."""
        self.history.reset()
        self.valid = self.filed
        self._keep()

    def suppose(self, indicator: str, day: date, grade: str = "A1") -> str:
        """Suppose that an indicator were reported on a day; return what is wrong, or nothing."""
        taken = [each for each in self.edits.rows if each.startswith(SUPPOSED)]
        row = {
            "indicator": indicator,
            "reported_on": str(day),
            "grade": grade,
            "source": "supposed",
            "note": "Supposed, not reported.",
        }
        edits = self.edits.row(f"{SUPPOSED}{len(taken) + 1}", row)
        if day > self.valid.as_of:
            edits = edits.setting("as_of", str(day))
        return self.change(edits)

    def _or_filed(self, name: str, text: str) -> str | None:
        """Return a number's text; None where the file says the same."""
        filed = self.filed.assumptions.get(name)
        return None if filed is not None and filed.text == text else text

    # ------------------------------------------------------------------ reading

    def read(self, edits: Edits) -> Scenario:
        """Read the scenario as the edits would have it.

        Raises
        ------
        EscalationError
            If they are not valid.
        """
        as_of = edits.settings.get("as_of")
        horizon = edits.settings.get("horizon")
        moved = {
            "as_of": grammar.iso_date(as_of) if as_of else None,
            "horizon": grammar.whole_days(horizon) if horizon else None,
        }
        if not (edits.rows or edits.switched):
            return scenario.load(self.path, overrides=edits.numbers, **moved)  # type: ignore[arg-type]
        root = documents.Workspace.of(self.path).root
        with tempfile.TemporaryDirectory(prefix="escalation-") as name:
            folder = Path(name).resolve()
            editing.scratch_copy(self.filed.files, root, self._texts(edits), folder)
            copy = folder / self.path.relative_to(root)
            found = scenario.load(copy, overrides=edits.numbers, **moved)  # type: ignore[arg-type]
        return replace(found, path=self.path)

    def _texts(self, edits: Edits) -> dict[Path, str]:
        """Return the files that edited rows change, as they would be."""
        texts = {}
        file = editing.observations_file(self.whole)
        if edits.rows and file is None:
            raise InvalidValueError("this scenario has no file of observations")
        if edits.rows and file is not None:
            texts[file] = rows.changed(self.opened[file], edits.rows)
        if edits.switched:
            patch = editing.scenario_patch(self.whole, self.path, Edits(switched=edits.switched))
            texts[self.path] = roundtrip.patched(self.opened[self.path], patch)
        return texts

    def table(self) -> list[dict[str, str]]:
        """Return the rows of observations as edited, each by column."""
        file = editing.observations_file(self.whole)
        text = self.opened.get(file, "") if file is not None else ""
        return rows.table(rows.changed(text, self.edits.rows) if text else "")[1]

    def used(self, identity: str) -> bool:
        """Whether the scenario, as edited, uses an observation."""
        off = {leaf.text for leaf in self.whole.tree.items("without") if hasattr(leaf, "text")}
        return self.edits.switched.get(identity, identity not in off)

    def editable(self, assumption: Assumption) -> bool:
        """Whether an assumption is written in the files (some follow from what is written)."""
        if assumption.name.rpartition(".")[2] == "start":
            return False  # the one state that it starts in
        node: Node | None = self.whole.tree
        for key in assumption.name.split("."):
            node = node.get(key) if isinstance(node, Branch) else None
        return node is not None or assumption.name.startswith("observations.")

    # ------------------------------------------------------------------ answering

    def answer(self, draws: int | None = None) -> Answer:
        """Assess the scenario as edited, and as the file has it on the same day."""
        begun, count, case = time.perf_counter(), draws or self.refined, self.valid
        edited = assess(case, draws=count, seed=SEED)
        key = (case.as_of, case.horizon, count)
        if key not in self._cache:
            filed = self._filed_as(case)
            same = (case.assumptions, case.observations) == (filed.assumptions, filed.observations)
            self._cache[key] = edited if same else assess(filed, draws=count, seed=SEED)
        if count == self.refined:
            self._base = _Base(Sketch.of(edited, case.targets[0], self.quick))
        return Answer(edited, self._cache[key], count, time.perf_counter() - begun)

    def glance(self, targets: Sequence[str]) -> Answer | None:
        """Answer quickly, with the draws of the last refined answer; None if too few serve."""
        begun, case, base = time.perf_counter(), self.valid, self._base
        if base is None:
            return replace(self.answer(self.quick), quick=True)
        edited = base.sketch.answer(case, targets)
        key = (case.as_of, case.horizon, tuple(targets))
        if key not in base.filed:
            base.filed[key] = base.sketch.answer(self._filed_as(case), targets)
        filed = base.filed[key]
        if edited is None or filed is None:
            return None
        return Answer(edited, filed, self.quick, time.perf_counter() - begun, quick=True)

    def _filed_as(self, case: Scenario) -> Scenario:
        """Return the file's version as of another scenario's day, over its horizon."""
        return replace(self.filed, as_of=case.as_of, horizon=case.horizon)

    def ranking(self, target: str) -> tuple[Watch, ...]:
        """Return what is worth watching for, the most informative first."""
        return watchlist(assess(self.valid, draws=256, seed=SEED), target, draws=64)

    # ------------------------------------------------------------------ keeping

    def drafts(
        self, variant: str = "", title: str = "", why: str = ""
    ) -> tuple[editing.Draft, ...]:
        """Draft the edits as a variant of that name, or into the file itself if there is none.

        Raises
        ------
        EscalationError
            If they fit nothing, or a file has changed since it was opened.
        """
        for file, text in self.opened.items():
            editing.refuse_if_changed(file, text)
        if variant:
            return editing.as_variant(self.path, variant, self.edits, title, why)
        return editing.into_file(self.path, self.edits)

    def save(self, drafts: tuple[editing.Draft, ...]) -> None:
        """Write drafts; the edits are then in the files, and the desk is clear."""
        editing.write(drafts, self.edits)
        self.history = History()
        self._keep()
        self.reload()

    @property
    def _kept(self) -> Path:
        root = documents.Workspace.of(self.path).root
        name = re.sub(r"[^\w.-]", "_", str(self.path.relative_to(root)))
        return root / KEPT / f"{name}.json"

    def _keep(self) -> None:
        """Keep the edits as they are, in one step; from whichever thread."""
        with self._keeping:
            if not self.edits:
                self._kept.unlink(missing_ok=True)
                return
            self._kept.parent.mkdir(exist_ok=True)
            (self._kept.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            made = self._kept.with_suffix(".new")
            made.write_text(self.edits.to_json(), encoding="utf-8")
            made.replace(self._kept)


def said(error: Exception) -> str:
    """Return what is wrong, without the place in a file that nobody is looking at."""
    if isinstance(error, InvalidInputError):
        wrong = [each.message for each in error.problems if not each.warning]
        return "; ".join(wrong[:3])
    return str(error)


def _value(text: str) -> str | dict[str, object]:
    if text.lstrip().startswith("{"):
        value: dict[str, object] = roundtrip.settings(f"value: {text}")["value"]
        return value
    return text
