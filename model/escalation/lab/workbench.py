r"""The workbench: doubt a number, change it, look, and keep or drop the change.

In a notebook

    from escalation.lab.workbench import Workbench
    bench = Workbench("scenarios/venezuela/baseline.yaml")
    bench

shows the scenario's assumptions on the left and the answer on the right. While a slider moves,
quick answers at few draws follow it as fast as they come; when the hand rests for `REST` seconds
the files are read again with the edits in place, and a refined answer takes over. At most one
answer is computed at a time, in a thread; changes made meanwhile are answered together, the last
one counting. All of it can be done in code as well: `bench.desk` is the desk that the widgets
act on, `bench.answer` the answer shown, an `Assessment` on either side.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from markupsafe import Markup

from escalation.errors import EscalationError
from escalation.lab.curves import curves
from escalation.lab.desk import QUICK, REFINED, Answer, Desk, said
from escalation.lab.offering import offered_scenarios
from escalation.lab.panels import SOFT, WRONG, Assumptions, Reports, WhatIf, headline
from escalation.lab.saving import Saving
from escalation.reading.documents import Workspace
from escalation.reading.naming import day, state_of
from escalation.reporting.markup import EMPTY, tag, text

if TYPE_CHECKING:
    from collections.abc import Callable

REPORTS, SAVING = 1, 3  # places of panels
REST = 0.4  # seconds without a change after which the answer is refined
_LEFT = widgets.Layout(width="62%", max_height="760px", overflow="auto")
_RIGHT = widgets.Layout(width="38%", padding="0 0 0 12px")


class Refresher:
    """Answers changes: quickly while they come, and well when they rest."""

    def __init__(self, work: Callable[[bool], Any], show: Callable[[Any], None]) -> None:
        self.work, self.show = work, show
        self.wanted = 0
        self.task: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Ask for an answer; without a running event loop it is made at once."""
        self.wanted += 1
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.show(self.work(False))  # noqa: FBT003 (not the quick answer)
            return
        if self.task is None or self.task.done():
            self.task = loop.create_task(self._run())

    async def _run(self) -> None:
        while True:
            seen = self.wanted
            self.show(await asyncio.to_thread(self.work, True))  # noqa: FBT003 (the quick answer)
            if self.wanted == seen:
                await asyncio.sleep(REST)
            if self.wanted != seen:
                continue
            refined = await asyncio.to_thread(self.work, False)  # noqa: FBT003 (the refined one)
            if self.wanted == seen:
                self.show(refined)
                return


class Workbench:
    """An editor of a scenario with its answer beside it.

    Parameters
    ----------
    path : Path or str, optional
        A scenario file, or the folder in which scenarios are offered; by default the
        workspace's `scenarios/`.
    quick, refined : int
        Draws of the answer while dragging, and at rest.
    """

    def __init__(
        self, path: Path | str = "scenarios", *, quick: int = QUICK, refined: int = REFINED
    ) -> None:
        self.box = widgets.VBox()
        self.draws = (quick, refined)
        self.answer: Answer | None = None
        self.refresher = Refresher(self._work, self._show)
        chosen, offered = offered_scenarios(Path(path))
        root = Workspace.of(chosen).root
        self.scenario = widgets.Dropdown(
            options=[(str(each.relative_to(root)), each) for each in offered],
            value=chosen,
            description="Scenario",
            layout=widgets.Layout(width="420px"),
        )
        self.scenario.observe(lambda change: self.open(change["new"]), "value")
        self.open(chosen)

    def open(self, path: Path | str) -> None:
        """Put a scenario on the desk, with the edits of it that were kept."""
        try:
            self.desk = Desk(Path(path), *self.draws)
        except EscalationError as error:
            self.box.children = (self.scenario, widgets.HTML(tag("pre", str(error), style=WRONG)))
            return
        self._head()
        self.status, self.said, self.picture = (widgets.HTML() for _ in range(3))
        self.said.add_class("workbench-headline")
        self.picture.add_class("workbench-picture")
        self.status.add_class("workbench-status")
        self.assumptions = Assumptions(self.desk, self._changed)
        self.reports = Reports(self.desk, self._changed)
        self.what_if = WhatIf(self.desk, lambda: str(self.target.value), self._changed)
        self.saving = Saving(self.desk, self._saved)
        self._lay_out()
        self._changed()

    def _repr_mimebundle_(self, **options: Any) -> Any:  # noqa: ANN401 (as IPython has it)
        return self.box._repr_mimebundle_(**options)

    def _head(self) -> None:
        """Make the controls at the top."""
        case = self.desk.filed
        newest = max([case.as_of, *(each.reported_on for each in case.observations)])
        newest = max(newest, self.desk.valid.as_of)
        days = [case.start + timedelta(days=i) for i in range(1, (newest - case.start).days + 1)]
        self.as_of = widgets.SelectionSlider(
            options=[(str(each), each) for each in days or [case.as_of]],
            value=self.desk.valid.as_of,
            description="As of",
            layout=widgets.Layout(width="420px"),
        )
        self.horizon = widgets.IntSlider(
            value=self.desk.valid.horizon,
            min=1,
            max=max(365, case.horizon),
            description="Days ahead",
        )
        labels = [(state.label, state.id) for state in case.ladder.states]
        self.target = widgets.Dropdown(options=labels, value=case.targets[0], description="Target")
        self.as_of.observe(lambda change: self._setting("as_of", str(change["new"])), "value")
        self.horizon.observe(lambda change: self._setting("horizon", f"{change['new']}d"), "value")
        self.target.observe(lambda _: self._redraw(), "value")
        self.undo = widgets.Button(description="Undo", icon="undo")
        self.reset = widgets.Button(description="Reset", icon="refresh")
        self.undo.on_click(lambda _: self._back(self.desk.undo))
        self.reset.on_click(lambda _: self._back(self.desk.reset))

    def _lay_out(self) -> None:
        wrap = widgets.Layout(flex_flow="row wrap")
        head = [self.scenario, self.target, self.as_of, self.horizon, self.undo, self.reset]
        panels = {
            "Assumptions": self.assumptions.box,
            "Reports": self.reports.box,
            "What if": self.what_if.box,
            "Edits and saving": self.saving.box,
        }
        self.tabs = widgets.Tab(list(panels.values()), titles=list(panels), layout=_LEFT)
        self.tabs.observe(lambda change: self._turn(change["new"]), "selected_index")
        answer = widgets.VBox([self.status, self.said, self.picture], layout=_RIGHT)
        self.box.children = (widgets.HBox(head, layout=wrap), widgets.HBox([self.tabs, answer]))

    def _turn(self, panel: int) -> None:
        """Make the rows of reports when they are first looked at."""
        if panel == REPORTS:
            self.reports.show()

    # ------------------------------------------------------------------ what the hand does

    def _setting(self, name: str, value: str) -> None:
        filed = {"as_of": str(self.desk.filed.as_of), "horizon": f"{self.desk.filed.horizon}d"}
        edits = self.desk.edits.setting(name, None if filed[name] == value else value)
        problem = self.desk.change(edits, name)
        if problem:
            self.status.value = tag("span", text(problem), style=WRONG)
        else:
            self._changed()

    def _back(self, go: Callable[[], None]) -> None:
        """Undo or reset, and show everything as it is then."""
        go()
        self.assumptions.show()
        if self.tabs.selected_index == REPORTS:
            self.reports.show()
        self._changed()

    def _changed(self, _dragging: bool = False) -> None:  # noqa: FBT001, FBT002 (a panel's word)
        """Answer anew, and list the edits."""
        case = self.desk.valid
        self.saving.show()
        if case.as_of in dict(self.as_of.options).values():
            self.as_of.value = case.as_of
        self.horizon.value = case.horizon
        self.refresher.request()

    def _saved(self, path: Path, message: str) -> None:
        """Go on with the scenario that was saved; all edits are in the files now."""
        if path.suffix == ".yaml" and path not in dict(self.scenario.options).values():
            root = Workspace.of(path).root
            chosen = self.scenario.value
            options = (*self.scenario.options, (str(path.relative_to(root)), path))
            self.scenario.options = options
            self.scenario.value = chosen
        if path.suffix == ".yaml" and path != self.desk.path:
            self.scenario.value = path
        else:
            self._back(lambda: None)
        self.tabs.selected_index = SAVING
        self.saving.message.value = message

    # ------------------------------------------------------------------ answering

    def _work(self, quick: bool) -> Answer | str:  # noqa: FBT001 (one of two speeds)
        """Compute an answer, or say why there is none; runs in a thread."""
        try:
            if not quick and (problem := self.desk.settle()):
                return problem
            return self.desk.answer(self.draws[0] if quick else self.draws[1])
        except EscalationError as error:
            return said(error)

    def _show(self, found: Answer | str) -> None:
        """Show an answer; or what is wrong, beside the last valid one."""
        if isinstance(found, str):
            self.status.value = tag("span", text(found), style=WRONG)
            return
        self.answer = found
        kind = "quick answer" if found.draws <= self.draws[0] < self.draws[1] else "refined answer"
        self.status.value = tag(
            "span", f"{kind}, {found.draws} draws; as of {day(found.edited.as_of)}", style=SOFT
        )
        self._redraw()

    def _redraw(self) -> None:
        if self.answer is None:
            return
        case = self.answer.edited.scenario
        targets = tuple(dict.fromkeys([str(self.target.value), *case.targets]))
        self.said.value = _headlines(self.answer, targets)
        self.picture.value = curves(self.answer, targets)


def _headlines(answer: Answer, targets: tuple[str, ...]) -> Markup:
    """Return the targets in numbers and words, with the change from the file's version."""
    edited, lines = answer.edited, EMPTY
    for target in targets:
        now, then = edited.reach_by(target), answer.filed.reach_by(target)
        label = state_of(edited.scenario, target).label
        points = 100 * (now.probability - then.probability)
        change = f"{points:+.1f} points from the file" if abs(points) >= 0.05 else (  # noqa: PLR2004 (what is printed)
            "as in the file")  # fmt: skip
        line = headline(label, now.probability, now.low, now.high, edited.scenario.words)
        lines += tag("div", line, tag("span", f" · {change}", style=SOFT), data_target=target)
    return tag("div", Markup("Within {} days:").format(edited.horizon), lines)
