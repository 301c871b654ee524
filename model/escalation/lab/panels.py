"""The panels of the workbench: assumptions, reports, what-if, and saving.

Each panel is built from a desk and a function to call when something was edited. Panels show what
the desk holds and hand to it what the hand does; they decide nothing. Rows are made only when they
are first looked at, as a case has hundreds of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import ipywidgets as widgets
from markupsafe import Markup

from escalation.errors import EscalationError
from escalation.lab.controls import control
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
SOFT = "color:var(--jp-ui-font-color2,#59616b);font-size:90%"
WIDE = widgets.Layout(width="100%")


def group_of(name: str) -> str:
    """Return the part of the file in which an assumption stands."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in {"latent", "indicators"} else parts[0]


class Row:
    """One assumption: its control, its text, what the file says, and what is wrong."""

    def __init__(self, desk: Desk, given: Assumption, changed: Changed) -> None:
        self.desk, self.given, self.changed = desk, given, changed
        self.quiet = False
        now = desk.valid.assumptions.get(given.name, given).text
        self.text = widgets.Text(value=now, layout=widgets.Layout(width="220px"))
        self.text.add_class("workbench-text")
        self.text.observe(self._typed, "value")
        self.wrong = widgets.HTML()
        self.wrong.add_class("workbench-wrong")
        self.fitting = widgets.HBox()
        self._fit(now)
        self.box = widgets.VBox([
            widgets.HTML(self._about()), widgets.HBox([self.fitting, self.text]), self.wrong,
        ])  # fmt: skip
        self.box.add_class("workbench-row")

    def _about(self) -> str:
        why = self.given.why or "No reason is given."
        source = f" Source: {self.given.source}" if self.given.source else ""
        label = tag("b", text(in_words(self.desk.filed, self.given.name)), title=self.given.name)
        filed = Markup(" file: <code>{}</code>").format(clean(self.given.text))
        return label + filed + tag("div", text(why + source), style=SOFT)

    def _fit(self, now: str) -> None:
        """Put the control that fits the text, at its value."""
        made = control(self.given, now, self._moved)
        self.fitting.children = () if made is None else (made,)

    def _moved(self, new: str, dragging: bool) -> None:  # noqa: FBT001 (one of two ways)
        """Take what the control says."""
        if self.quiet:
            return
        desk, name = self.desk, self.given.name
        problem = desk.drag(name, new) if dragging else desk.number(name, new)
        self._say(problem)
        if not problem:
            self.quiet = True
            self.text.value = new
            self.quiet = False
            self.changed(dragging)

    def _typed(self, change: dict[str, str]) -> None:
        """Take what was typed, as far as it is valid."""
        if self.quiet:
            return
        problem = self.desk.number(self.given.name, change["new"])
        self._say(problem)
        if not problem:
            self.quiet = True
            self._fit(change["new"])
            self.quiet = False
            self.changed(False)  # noqa: FBT003 (typed)

    def _say(self, problem: str) -> None:
        self.wrong.value = tag("span", text(problem), style=WRONG) if problem else ""

    def show(self) -> None:
        """Show what the desk holds, after an undo or a reset."""
        now = self.desk.valid.assumptions.get(self.given.name, self.given).text
        self._say("")
        if now != self.text.value:
            self.quiet = True
            self.text.value = now
            self._fit(now)
            self.quiet = False


class Assumptions:
    """The assumptions of one part of the file at a time."""

    def __init__(self, desk: Desk, changed: Changed) -> None:
        self.desk, self.changed = desk, changed
        self.rows: dict[str, list[Row]] = {}
        names = desk.filed.assumptions
        groups = list(dict.fromkeys(group_of(name) for name in names))
        self.group = widgets.Dropdown(
            options=[(self._title(each), each) for each in groups], description="Part", layout=WIDE
        )
        self.list = widgets.VBox()
        self.group.observe(self._choose, "value")
        self._choose()
        self.box = widgets.VBox([self.group, self.list])

    def _title(self, group: str) -> str:
        first, _, rest = group.partition(".")
        indicator = self.desk.filed.indicators.get(rest)
        if first == "indicators" and indicator is not None:
            return f"Indicator: {indicator.label}"
        return f"Latent: {words(rest)}" if first == "latent" else words(first)

    def _choose(self, _: object = None) -> None:
        group = self.group.value
        if group is not None and group not in self.rows:
            given = self.desk.filed.assumptions.values()
            self.rows[group] = [
                Row(self.desk, each, self.changed)
                for each in given
                if group_of(each.name) == group and self.desk.editable(each)
            ]
        self.show()
        self.list.children = tuple(row.box for row in self.rows.get(group or "", []))

    def show(self) -> None:
        """Show what the desk holds."""
        for row in self.rows.get(self.group.value or "", []):
            row.show()


class Reports:
    """The observations as a table, and a form for one more."""

    def __init__(self, desk: Desk, changed: Changed) -> None:
        self.desk, self.changed = desk, changed
        self.wrong = widgets.HTML()
        self.list = widgets.VBox()
        self.box = widgets.VBox([self.wrong, self.list, self._form()])

    def show(self) -> None:
        """Show the rows as the desk has them."""
        self.list.children = tuple(self._row(each) for each in self.desk.table())

    def _row(self, row: dict[str, str]) -> widgets.Widget:
        identity = row["id"]
        used = widgets.Checkbox(
            value=self.desk.used(identity), indent=False, layout=widgets.Layout(width="24px")
        )
        used.observe(lambda change: self._switch(identity, change["new"]), "value")
        said = f"{identity}: {row.get('note') or row['indicator']}"
        about = widgets.HTML(tag("span", text(said), title=row.get("source", "")))
        about.layout.width = "300px"
        grade = widgets.Dropdown(
            options=GRADES,
            value=(row.get("grade") or "F6").upper(),
            layout=widgets.Layout(width="62px"),
        )
        grade.observe(lambda change: self._set(identity, "grade", change["new"]), "value")
        days = [self._day(identity, row, column) for column in ("occurred_on", "reported_on")]
        return widgets.HBox([used, about, grade, *days])

    def _day(self, identity: str, row: dict[str, str], column: str) -> widgets.Widget:
        box = widgets.Text(
            value=row.get(column, ""),
            placeholder=column,
            tooltip=column,
            continuous_update=False,
            layout=widgets.Layout(width="105px"),
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
        self.rank = widgets.Button(description="Rank by what tells most")
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
        self.table.value = tag("ol", EMPTY.join(lines))


def headline(target: str, probability: float, low: float, high: float, table: str) -> Markup:
    """Return a target's probability with its interval and its word."""
    ends = f"{percent(low)} to {percent(high)}"
    word = say(probability, "phia" if table == "phia" else "icd203")
    return tag("b", text(target), ": ", percent(probability)) + Markup(" ({}), {}").format(
        ends, word
    )
