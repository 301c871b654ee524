"""The panels of the workbench: assumptions, reports, what-if, and saving.

Each panel is built from a desk and a function to call when something was edited. Panels show what
the desk holds and hand to it what the hand does; they decide nothing. Rows are made only when they
are first looked at, as a case has hundreds of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from markupsafe import Markup

from escalation.errors import EscalationError
from escalation.lab.controls import control, converted, form_of, forms
from escalation.lab.desk import said
from escalation.maths.words import INFORMATION_MEANING, SOURCE_MEANING, percent, say
from escalation.reading.naming import in_words, words
from escalation.reporting.markup import EMPTY, clean, tag, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from escalation.explaining.watchlist import Watch
    from escalation.lab.desk import Desk
    from escalation.reading.case import Assumption

    # True while a hand is moving.
    Changed = Callable[[bool], None]

GRADES = [source + info for source in SOURCE_MEANING for info in INFORMATION_MEANING]
WRONG = "color:var(--jp-error-color1,#c0392b);font-weight:600"
TIGHT = "line-height:1.4"
MOST = 20  # assumptions that a search shows
SOFT = "color:var(--jp-ui-font-color2,#59616b);font-size:90%"
WIDE = widgets.Layout(width="98%")
# Each layout and each style is a thing of its own to the page: rows, of which there are hundreds,
# share them.
_LINE = widgets.Layout()
_LOOK = {
    kind: kind().style
    for kind in (widgets.HTML, widgets.Text, widgets.Dropdown, widgets.Button, widgets.Checkbox)
}
_WIDTHS = {
    width: widgets.Layout(width=width)
    for width in ("24px", "34px", "62px", "105px", "112px", "200px", "300px")
}


def small(kind: type, width: str = "", **traits: object) -> Any:  # noqa: ANN401 (no useful types)
    """Return a widget of a row."""
    layout = _WIDTHS[width] if width else _LINE
    return kind(layout=layout, style=_LOOK[kind], **traits)


def group_of(name: str) -> str:
    """Return the part of the file in which an assumption stands."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in {"latent", "indicators"} else parts[0]


class Row:
    """One assumption: its control, its text, its form, what the file says, and what is wrong."""

    def __init__(self, desk: Desk, given: Assumption, changed: Changed) -> None:
        self.desk, self.given, self.changed = desk, given, changed
        self.quiet = False
        self.text = small(widgets.Text, "200px")
        self.text.add_class("workbench-text")
        self.form = small(widgets.Dropdown, "112px", tooltip="how to say it")
        self.form.add_class("workbench-form")
        self.back = small(widgets.Button, "34px", icon="undo", tooltip="as in the file")
        self.wrong, self.fitting = small(widgets.HTML), widgets.HBox(layout=_LINE)
        self.wrong.add_class("workbench-wrong")
        self._put(desk.valid.assumptions.get(given.name, given).text)
        self.text.observe(self._typed, "value")
        self.form.observe(self._formed, "value")
        self.back.on_click(lambda _: self._to_file())
        hands = widgets.HBox([self.fitting, self.text, self.form, self.back], layout=_LINE)
        about = small(widgets.HTML, value=self._about())
        self.box = widgets.VBox([about, hands, self.wrong], layout=_LINE)
        self.box.add_class("workbench-row")

    def _about(self) -> str:
        why = self.given.why or "No reason is given."
        source = f" Source: {self.given.source}" if self.given.source else ""
        label = tag("b", text(in_words(self.desk.filed, self.given.name)), title=self.given.name)
        filed = Markup(" file: <code>{}</code>").format(clean(self.given.text))
        reason = tag("div", text(why + source), style=SOFT)
        return tag("div", label, filed, reason, style=TIGHT)

    def _put(self, now: str, *, fit: bool = True) -> None:
        """Show a text, the control that fits it and the forms that it can have."""
        self.quiet = True
        self.text.value = now
        if fit:
            made = control(self.given, now, self._moved)
            self.fitting.children = () if made is None else (made,)
            prior = self.desk.valid.assumptions.get(self.given.name, self.given).prior
            self.form.options = forms(now, prior, self.given.role)
            form = form_of(now)
            self.form.value = form if form in self.form.options else None
        self.back.disabled = now == self.given.text
        self.quiet = False

    def _moved(self, new: str, dragging: bool) -> None:  # noqa: FBT001 (one of two ways)
        """Take what the control says."""
        if self.quiet:
            return
        desk, name = self.desk, self.given.name
        problem = desk.drag(name, new) if dragging else desk.number(name, new)
        self._say(problem)
        if not problem:
            self._put(new, fit=False)
            self.changed(dragging)

    def _typed(self, change: dict[str, str]) -> None:
        """Take what was typed, as far as it is valid."""
        if not self.quiet:
            self._take(change["new"])

    def _formed(self, change: dict[str, str | None]) -> None:
        """Say the number in another form."""
        form, now = change["new"], self.desk.valid.assumptions.get(self.given.name, self.given)
        if not self.quiet and form is not None:
            self._take(converted(now.text, now.prior, self.given.role, form))

    def _to_file(self) -> None:
        """Go back to what the file says."""
        self._take(self.given.text)

    def _take(self, new: str) -> None:
        problem = self.desk.number(self.given.name, new)
        self._say(problem)
        if not problem:
            self._put(new)
            self.changed(False)  # noqa: FBT003 (typed or picked)

    def _say(self, problem: str) -> None:
        self.wrong.value = tag("span", text(problem), style=WRONG) if problem else ""

    def show(self) -> None:
        """Show what the desk holds, after an undo or a reset."""
        now = self.desk.valid.assumptions.get(self.given.name, self.given).text
        self._say("")
        if now != self.text.value:
            self._put(now)


class Assumptions:
    """The assumptions by the part of the file in which they stand, and a search by word."""

    def __init__(self, desk: Desk, changed: Changed) -> None:
        self.desk, self.changed = desk, changed
        self.rows: dict[str, Row] = {}
        self.groups: dict[str, list[str]] = {}
        for name, each in desk.filed.assumptions.items():
            if desk.editable(each):
                self.groups.setdefault(group_of(name), []).append(name)
        self.search = widgets.Text(placeholder="find an assumption by a word", layout=WIDE)
        self.search.add_class("workbench-search")
        self.parts = widgets.Accordion([widgets.VBox() for _ in self.groups], selected_index=0)
        self.found = widgets.VBox()
        self.search.observe(lambda change: self._find(change["new"]), "value")
        self.parts.observe(lambda _: self._open(), "selected_index")
        self._open()
        self.name_parts()
        self.box = widgets.VBox([self.search, self.found, self.parts])

    def name_parts(self) -> None:
        """Say of each part how much is in it, and how much of that is changed."""
        changed = self.desk.edits.numbers
        titles = []
        for group, names in self.groups.items():
            count = sum(name in changed for name in names)
            edited = f" · {count} changed" if count else ""
            titles.append(f"{self._title(group)} ({len(names)}){edited}")
        if tuple(titles) != self.parts.titles:
            self.parts.titles = tuple(titles)

    def _title(self, group: str) -> str:
        first, _, rest = group.partition(".")
        indicator = self.desk.filed.indicators.get(rest)
        if first == "indicators" and indicator is not None:
            return f"Indicator: {indicator.label}"
        return f"Latent: {words(rest)}" if first == "latent" else words(first)

    def row(self, name: str) -> Row:
        """Return the row of an assumption, made when it is first asked for."""
        if name not in self.rows:
            self.rows[name] = Row(self.desk, self.desk.filed.assumptions[name], self.changed)
        return self.rows[name]

    def _open(self) -> None:
        """Fill a part when it is first opened."""
        at = self.parts.selected_index
        if at is not None and not self.parts.children[at].children:
            names = [*self.groups.values()][at]
            self.parts.children[at].children = tuple(self.row(name).box for name in names)
        self.show()

    def _find(self, word: str) -> None:
        """Show the assumptions whose name, reason or source holds a word, in place of the parts."""
        wanted = word.casefold().strip()
        self.parts.layout.display = "none" if wanted else None
        names = [each for group in self.groups.values() for each in group]
        met = [name for name in names if wanted and wanted in self._words(name)]
        more = f"{len(met) - MOST} more: write more of the word." if len(met) > MOST else ""
        note = more or ("" if met or not wanted else "No assumption holds this word.")
        rows = [self.row(name) for name in met[:MOST]]
        for row in rows:
            row.show()
        notes = (widgets.HTML(tag("span", note, style=SOFT)),) if note else ()
        self.found.children = (*(row.box for row in rows), *notes)

    def _words(self, name: str) -> str:
        given = self.desk.filed.assumptions[name]
        return f"{in_words(self.desk.filed, name)} {name} {given.why} {given.source}".casefold()

    def show(self) -> None:
        """Show what the desk holds."""
        for row in self.rows.values():
            row.show()


class Reports:
    """The observations as a table, and a form for one more."""

    def __init__(self, desk: Desk, changed: Changed) -> None:
        self.desk, self.changed = desk, changed
        self.wrong = widgets.HTML()
        self.list = widgets.VBox()
        heads = ("", "24px"), ("report", "300px"), ("grade", "62px"), ("happened on", "105px")
        head = widgets.HBox([
            small(widgets.HTML, width, value=tag("span", word, style=SOFT))
            for word, width in (*heads, ("reported on", "105px"))
        ])  # fmt: skip
        self.box = widgets.VBox([self.wrong, head, self.list, self._form()])

    def show(self) -> None:
        """Show the rows as the desk has them."""
        self.list.children = tuple(self._row(each) for each in self.desk.table())

    def _row(self, row: dict[str, str]) -> widgets.Widget:
        identity = row["id"]
        used = small(widgets.Checkbox, "24px", value=self.desk.used(identity), indent=False)
        used.observe(lambda change: self._switch(identity, change["new"]), "value")
        said = f"{identity}: {row.get('note') or row['indicator']}"
        says = tag("div", text(said), title=row.get("source", ""), style=TIGHT)
        about = small(widgets.HTML, "300px", value=says)
        given = (row.get("grade") or "F6").upper()
        grade = small(widgets.Dropdown, "62px", options=GRADES, value=given)
        grade.observe(lambda change: self._set(identity, "grade", change["new"]), "value")
        days = [self._day(identity, row, column) for column in ("occurred_on", "reported_on")]
        return widgets.HBox([used, about, grade, *days], layout=_LINE)

    def _day(self, identity: str, row: dict[str, str], column: str) -> widgets.Widget:
        box = small(
            widgets.Text,
            "105px",
            value=row.get(column, ""),
            placeholder=column,
            tooltip=column,
            continuous_update=False,
        )
        box.observe(lambda change: self._set(identity, column, change["new"]), "value")
        return box

    def _switch(self, identity: str, used: bool) -> None:  # noqa: FBT001 (a checkbox)
        self._change(self.desk.change(self.desk.edits.switch(identity, used)))

    def _set(self, identity: str, column: str, value: str) -> None:
        self._change(self.desk.change(self.desk.edits.row(identity, {column: value.strip()})))

    def _change(self, problem: str) -> None:
        self.wrong.value = tag("span", text(problem), style=WRONG) if problem else ""
        if not problem:
            self.changed(False)  # noqa: FBT003 (typed or picked)

    def _form(self) -> widgets.Widget:
        """Return the fields of a new row."""
        identity = widgets.Text(placeholder="id", layout=widgets.Layout(width="120px"))
        indicator = widgets.Combobox(
            options=[*self.desk.whole.tree.branch("indicators").entries], placeholder="indicator"
        )
        when = widgets.Text(value=str(self.desk.valid.as_of), layout=widgets.Layout(width="105px"))
        grade = widgets.Dropdown(options=GRADES, value="F6", layout=widgets.Layout(width="62px"))
        note = widgets.Text(placeholder="the fact, in your words")
        add = widgets.Button(description="Add report", icon="plus")

        def added(_: object) -> None:
            row = {"indicator": indicator.value, "reported_on": when.value.strip()}
            row |= {"grade": grade.value, "note": note.value}
            known = {each["id"] for each in self.desk.table()}
            if identity.value in known:
                self._change(f"there is a report {identity.value} already")
                return
            self._change(self.desk.change(self.desk.edits.row(identity.value.strip(), row)))
            self.show()

        add.on_click(added)
        fields = [identity, indicator, when, grade, note, add]
        return widgets.HBox(fields, layout=widgets.Layout(flex_flow="row wrap"))


class WhatIf:
    """Suppose that something of the catalogue were reported, best what tells most."""

    def __init__(self, desk: Desk, target: Callable[[], str], changed: Changed) -> None:
        self.desk, self.target, self.changed = desk, target, changed
        self.task: asyncio.Task[None] | None = None
        branches = desk.whole.tree.branch("indicators")
        options = [(branches.branch(each).text("label", each), each) for each in branches.entries]
        self.indicator = widgets.Dropdown(options=options, description="Suppose", layout=WIDE)
        self.day = widgets.Text(value=str(desk.valid.as_of), description="on")
        self.grade = widgets.Dropdown(options=GRADES, value="A1", description="graded")
        self.go = widgets.Button(description="Suppose it", button_style="primary")
        self.rank = widgets.Button(
            description="Rank by what tells most", layout=widgets.Layout(width="200px")
        )
        self.wrong, self.table = widgets.HTML(), widgets.HTML()
        self.go.on_click(self._suppose)
        self.rank.on_click(self._rank)
        buttons = widgets.HBox([self.go, self.rank])
        self.box = widgets.VBox(
            [self.indicator, self.day, self.grade, buttons, self.wrong, self.table]
        )

    def _suppose(self, _: object) -> None:
        from escalation.reporting.notebook import as_day

        try:
            day = as_day(self.day.value) or self.desk.valid.as_of
            problem = self.desk.suppose(self.indicator.value, day, self.grade.value)
        except EscalationError as error:
            problem = str(error)
        self.wrong.value = tag("span", text(problem), style=WRONG) if problem else ""
        if not problem:
            self.changed(False)  # noqa: FBT003 (pressed)

    def _rank(self, _: object) -> None:
        """Rank in a thread, so that everything else stays at hand; at once where no loop runs."""
        self.table.value = "ranking …"
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._show(self._find())
        else:
            self.task = loop.create_task(self._ranked())

    async def _ranked(self) -> None:
        self._show(await asyncio.to_thread(self._find))

    def _find(self) -> tuple[Watch, ...] | str:
        try:
            return self.desk.ranking(self.target())
        except EscalationError as error:
            return said(error)

    def _show(self, ranked: tuple[Watch, ...] | str) -> None:
        """List what tells most, and offer it first."""
        if isinstance(ranked, str):
            self.table.value = tag("span", text(ranked), style=WRONG)
            return
        order = [each.indicator for each in ranked]
        places = {name: place for place, name in enumerate(order)}
        options = sorted(self.indicator.options, key=lambda each: places.get(each[1], len(order)))
        self.indicator.options = options
        lines = (
            tag("li", text(each.label), f": {percent(each.now)} → {percent(each.if_seen)} if seen")
            for each in ranked[:12]
        )
        note = (
            "“If seen”: at some time ahead, which leaves it time to happen. What is supposed above "
            "was reported on one day, and is believed as far as its grade goes."
        )
        self.table.value = tag("div", note, style=SOFT) + tag("ol", EMPTY.join(lines), style=TIGHT)


def headline(target: str, probability: float, low: float, high: float, table: str) -> Markup:
    """Return a target's probability with its interval and its word."""
    ends = f"{percent(low)} to {percent(high)}"
    word = say(probability, "phia" if table == "phia" else "icd203")
    return tag("b", text(target), ": ", percent(probability)) + Markup(" ({}), {}").format(
        ends, word
    )
