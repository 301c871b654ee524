"""The coding sheet: an article on the left, its observation rows on the right.

    from escalation.lab.coding_sheet import CodingSheet
    CodingSheet("scenarios/harbour/baseline.yaml")

Paste the text or point to a file, choose a paragraph, tick the sentences that say it (none: all
of it), and take or change what the keywords of that passage suggest: indicator, day, grade, echo
group. Rows collect, each checked by the reader of observations; they
are written to the case's `observations.csv` only after their diff was shown. A type that is
missing can be added to the catalogue from here, where the same rules hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from escalation.errors import EscalationError, InvalidValueError
from escalation.lab import coding, editing, roundtrip, rows
from escalation.lab.coding import Paragraph
from escalation.lab.desk import said
from escalation.lab.offering import offered_scenarios
from escalation.lab.panels import GRADES, SOFT, TIGHT, WRONG
from escalation.maths.words import grade_meaning
from escalation.reading import documents
from escalation.reporting.markup import EMPTY, clean, tag, text
from escalation.reporting.notebook import find

if TYPE_CHECKING:
    from escalation.lab.editing import Draft

MAX_ARTICLE = 1_000_000  # bytes
SHOWN = 90  # characters of a passage in the list
ENTRY = """\
category: rhetoric
label: What is reported
seen: {{per: 30d, {factor}: {{{values}}}}}
why: Its reason.
"""
_WIDE = widgets.Layout(width="98%")
_TICK = widgets.Layout(width="24px", flex="0 0 24px")


class CodingSheet:
    """Rows of one article, for one case.

    Parameters
    ----------
    path : Path or str
        A scenario of the case: its catalogue is offered, its observations are added to.
    """

    def __init__(self, path: Path | str = "scenarios") -> None:
        self.path = offered_scenarios(Path(path))[0]
        self.rows: dict[str, dict[str, str]] = {}
        self.drafts: tuple[Draft, ...] = ()
        self.passages: tuple[Paragraph, ...] = ()
        self._read()
        self._make()
        self.box = self._lay_out()

    def _repr_mimebundle_(self, **options: Any) -> Any:  # noqa: ANN401 (as IPython has it)
        return self.box._repr_mimebundle_(**options)

    def _read(self) -> None:
        """Read the case: its catalogue and its observations."""
        self.whole = editing.read_whole(self.path)
        self.indicators = self.whole.tree.branch("indicators")
        self.rules = coding.rules(self.indicators)
        file = editing.observations_file(self.whole)
        if file is None:
            raise InvalidValueError("this scenario names no file of observations")
        self.file = file
        self.before = documents.read_text(file, editing.MAX_BYTES)

    # ------------------------------------------------------------------ widgets

    def _make(self) -> None:
        self.article = widgets.Textarea(placeholder="Paste the article here", rows=10, layout=_WIDE)
        self.from_file = widgets.Text(placeholder="or the path of a text file, then Enter")
        self.from_file.continuous_update = False
        self.passage = widgets.Select(options=[], rows=8, layout=_WIDE)
        self.shown, self.suggested = widgets.VBox(), widgets.HTML()
        self.shown.add_class("coding-sentences")
        self.ticks: tuple[widgets.Checkbox, ...] = ()
        self.search = widgets.Text(placeholder="search the catalogue by a word")
        self.indicator = widgets.Dropdown(options=self._options(), description="Indicator")
        self.publisher = widgets.Text(description="Publisher")
        self.published = widgets.Text(description="Reported", placeholder="2030-01-31")
        self.occurred = widgets.Text(description="Happened", placeholder="blank: the same day")
        self.grade = widgets.Dropdown(options=GRADES, value="F6", description="Grade")
        self.meaning = widgets.HTML(grade_meaning("F6"))
        self.echo = widgets.Text(description="Echo group", placeholder="same origin, same name")
        self.note = widgets.Text(description="Fact", layout=_WIDE)
        self.wrong, self.listed, self.diff = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.article.observe(lambda _: self._cut(), "value")
        self.from_file.observe(lambda change: self._load(change["new"]), "value")
        self.passage.observe(lambda _: self._choose(), "value")
        self.search.observe(lambda change: self._search(change["new"]), "value")
        self.grade.observe(lambda change: self._mean(change["new"]), "value")

    def _lay_out(self) -> widgets.Widget:
        add = widgets.Button(description="Add row", button_style="primary")
        show = widgets.Button(description="Show change")
        self.write = widgets.Button(description="Save this", disabled=True)
        add.on_click(lambda _: self.add())
        show.on_click(lambda _: self.draft())
        self.write.on_click(lambda _: self.save())
        half = widgets.Layout(width="50%")
        left = [self.from_file, self.article, self.passage, self.shown, self.suggested]
        right = [
            self.search, self.indicator, self.publisher, self.published, self.occurred,
            widgets.HBox([self.grade, self.meaning]), self.echo, self.note,
            widgets.HBox([add, show, self.write]), self.wrong, self.listed, self.diff,
            self._new_type(),
        ]  # fmt: skip
        return widgets.HBox([widgets.VBox(left, layout=half), widgets.VBox(right, layout=half)])

    def _new_type(self) -> widgets.Widget:
        """Return the form for an indicator that the catalogue lacks."""
        self.type_name = widgets.Text(placeholder="name_of_the_indicator")
        factor, branch = next(
            (name, self.whole.tree.branch("latent").branch(name).branch("states"))
            for name in self.whole.tree.branch("latent").entries
        )
        values = ", ".join(f"{state}: 1" for state in branch.entries)
        entry = ENTRY.format(factor=factor, values=values)
        self.type_entry = widgets.Textarea(value=entry, rows=5, layout=_WIDE)
        make = widgets.Button(description="Add to the catalogue")
        make.on_click(lambda _: self.add_type(self.type_name.value, self.type_entry.value))
        form = widgets.VBox([self.type_name, self.type_entry, make])
        return widgets.Accordion([form], titles=["A type that the catalogue lacks"])

    def _options(self, names: tuple[str, ...] | None = None) -> list[tuple[str, str]]:
        chosen = self.indicators.entries if names is None else names
        return [(self.indicators.branch(each).text("label", each), each) for each in chosen]

    # ------------------------------------------------------------------ what the hand does

    def _load(self, path: str) -> None:
        try:
            self.article.value = documents.read_text(find(path).resolve(), MAX_ARTICLE)
        except EscalationError as error:
            self._say(str(error))

    def _cut(self) -> None:
        self.passages = coding.paragraphs(self.article.value)
        self.passage.options = [(f"{p.number}  {clean(p.text)[:SHOWN]}", p) for p in self.passages]
        self._choose()

    def _choose(self) -> None:
        """Show a paragraph's sentences, each to be ticked."""
        passage = self.passage.value
        if passage is None:
            self.ticks, self.shown.children, self.suggested.value = (), (), ""
            return
        parts = coding.sentences(passage.text)
        self.ticks = tuple(widgets.Checkbox(indent=False, layout=_TICK) for _ in parts)
        for tick in self.ticks:
            tick.observe(lambda _: self._suggest(), "value")
        self.shown.children = tuple(
            widgets.HBox([tick, widgets.HTML(tag("div", text(part), style=TIGHT))])
            for tick, part in zip(self.ticks, parts, strict=True)
        )
        self._suggest()

    @property
    def marked(self) -> tuple[int, ...]:
        """The sentences ticked, from 1; empty: the whole paragraph."""
        return tuple(i for i, tick in enumerate(self.ticks, start=1) if tick.value)

    def _suggest(self) -> None:
        """Show what the keywords of the passage suggest, and why."""
        parts = coding.sentences(self.passage.value.text)
        marked = " ".join(parts[i - 1] for i in self.marked) or self.passage.value.text
        found = coding.suggest(marked, self.rules)
        lines = (
            tag("li", text(each.indicator), tag("span", f" by {', '.join(each.found)}", style=SOFT))
            for each in found
        )
        shown = tag("ol", EMPTY.join(lines), style=TIGHT)
        self.suggested.value = shown if found else "No keyword is met."
        if found:
            self.search.value = ""
            self.indicator.options = self._options()
            self.indicator.value = found[0].indicator

    def _search(self, word: str) -> None:
        self.indicator.options = self._options(coding.search(word, self.indicators))

    def _mean(self, grade: str) -> None:
        self.meaning.value = grade_meaning(grade)

    def _say(self, problem: str) -> None:
        self.wrong.value = tag("span", text(problem), style=WRONG) if problem else ""

    # ------------------------------------------------------------------ rows

    def add(self) -> tuple[str, ...]:
        """Add a row for the chosen passage, if it is valid; return what is wrong with it."""
        indicator, passage = self.indicator.value or "", self.passage.value
        so_far = rows.changed(self.before, self.rows)
        identity = coding.next_id(indicator, so_far)
        day = self.published.value.strip()
        row = {
            "indicator": indicator,
            "occurred_on": self.occurred.value.strip(),
            "reported_on": day,
            "grade": self.grade.value,
            "echo_group": self.echo.value.strip(),
            "source": coding.cited(
                self.publisher.value, day, passage.number if passage else 1, self.marked
            ),
            "note": self.note.value.strip(),
        }
        given = {"id": identity, **row}
        problems = coding.check_row(given, so_far, self.indicators.entries.keys())
        self._say("; ".join(problems))
        if not problems:
            self.rows[identity] = {column: each for column, each in row.items() if each}
            items = (
                tag("li", tag("b", text(name)), ": ", text("; ".join(row.values())))
                for name, row in self.rows.items()
            )
            self.listed.value = tag("ul", EMPTY.join(items), style=TIGHT)
        return problems

    def draft(self) -> tuple[Draft, ...]:
        """Show what the file of observations would be with the rows."""
        after = rows.changed(self.before, self.rows)
        self.drafts = (editing.Draft(self.file, self.before, after),) if self.rows else ()
        self.diff.value = tag("pre", clean("".join(each.diff for each in self.drafts)))
        self.write.disabled = not self.drafts
        return self.drafts

    def save(self) -> str:
        """Write what was shown, if the file is still the same; return what is wrong."""
        try:
            editing.write(self.drafts)
        except (EscalationError, OSError) as error:
            self._say(str(error))
            return str(error)
        self.rows, self.drafts = {}, ()
        self.write.disabled = True
        self.listed.value, self.diff.value = "", ""
        self._say("")
        self._read()
        return ""

    def add_type(self, name: str, entry: str) -> str:
        """Add a type to the catalogue of the case, if it fits; return what is wrong."""
        try:
            editing.write([self._type_draft(name.strip(), entry)])
        except (EscalationError, OSError) as error:
            self._say(said(error))
            return said(error)
        self._say("")
        self._read()
        self.indicator.options = self._options()
        self.indicator.value = name.strip()
        return ""

    def _type_draft(self, name: str, entry: str) -> Draft:
        """Draft a type into the file that holds the catalogue, and check the case with it."""
        if name in self.indicators.entries:
            raise InvalidValueError(f"there is an indicator {name} already")
        places = [each.key.path for each in self.indicators.entries.values()]
        target = places[0] if places else self.path
        before = documents.read_text(target, editing.MAX_BYTES)
        after = roundtrip.patched(before, {"indicators": {name: roundtrip.settings(entry)}})
        draft = editing.Draft(target, before, after)
        editing.loaded([draft], self.path)
        return draft
