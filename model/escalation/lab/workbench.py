r"""The workbench: doubt a number, change it, look, and keep or drop the change.

In a notebook

    from escalation.lab.workbench import Workbench
    bench = Workbench("scenarios/venezuela/baseline.yaml")
    bench

shows the scenario's assumptions on the left and the answer on the right. While a slider moves,
quick answers at few draws follow it as fast as they come; when the hand rests for `REST` seconds
the files are read again with the edits in place, and a refined answer takes over. At most one
answer of each kind is computed at a time, in a thread; changes made meanwhile are answered
together, the last one counting. All of it can be done in code as well: `bench.desk` is the desk
that the widgets act on, `bench.answer` the answer shown.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from markupsafe import Markup

from escalation.errors import EscalationError
from escalation.lab.curves import curves
from escalation.lab.desk import QUICK, REFINED, Answer, Desk, said
from escalation.lab.offering import offered_scenarios
from escalation.lab.panels import SOFT, TIGHT, WRONG, Assumptions, Reports, WhatIf, headline
from escalation.lab.saving import Saving
from escalation.reading.documents import Workspace
from escalation.reading.naming import day, state_of
from escalation.reporting.markup import EMPTY, tag, text

if TYPE_CHECKING:
    from collections.abc import Callable

REPORTS, SAVING = 1, 3  # places of panels
REST = 0.4  # seconds without a change after which the answer is refined
_LEFT = widgets.Layout(width="62%", max_height="max(480px, calc(100vh - 290px))", overflow="auto")
_RIGHT = widgets.Layout(width="38%", padding="0 0 0 12px")


class Refresher:
    """Answers changes: quickly while they come, and well when they rest.

    Quick answers never wait for a refined one: the two are made in threads of their own, at most
    one of each kind, and a refined answer that a hand has overtaken is not shown. (Threads, as
    Jupyter's kernel takes what widgets say in another event loop than what cells say.)

    Parameters
    ----------
    work : callable
        Makes an answer, given whether it is the quick one; runs in a thread.
    show : callable
        Shows an answer.
    fail : callable
        Says that making one failed in a way that nobody foresaw.
    """

    def __init__(
        self,
        work: Callable[[bool], Any],
        show: Callable[[Any], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.work, self.show, self.fail = work, show, fail
        self.wanted = 0
        self.running = False
        self.news = threading.Condition()
        self.refined: Future[Any] | None = None
        self.pool = ThreadPoolExecutor(1, "refined")

    def request(self) -> None:
        """Ask for an answer; outside a notebook, without an event loop, it is made at once."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._try(lambda: self.show(self.work(False)))  # noqa: FBT003 (not the quick answer)
            return
        with self.news:
            self.wanted += 1
            self.news.notify_all()
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="answers", daemon=True).start()

    def rest(self) -> None:
        """Wait until nothing is left to answer."""
        with self.news:
            self.news.wait_for(lambda: not self.running)

    def _run(self) -> None:
        while True:
            seen = self.wanted
            self._try(lambda: self.show(self.work(True)))  # noqa: FBT003 (the quick answer)
            if self._moves(seen, REST) or self._moves_before_refined(seen):
                continue  # what was still being refined is of before, and outdated
            refined = self.refined = self.pool.submit(self.work, False)  # noqa: FBT003 (not quick)
            refined.add_done_callback(lambda _: self._tell())
            if self._moves_before_refined(seen):
                continue
            self._try(lambda done=refined: self.show(done.result()))  # type: ignore[misc]
            with self.news:
                if self.wanted == seen:
                    self.running = False
                    self.news.notify_all()
                    return

    def _moves(self, seen: int, seconds: float) -> bool:
        """Wait, and say whether the hand has moved meanwhile."""
        with self.news:
            return self.news.wait_for(lambda: self.wanted != seen, seconds)

    def _moves_before_refined(self, seen: int) -> bool:
        """Wait until nothing is being refined; say whether the hand has moved meanwhile."""
        with self.news:
            self.news.wait_for(
                lambda: self.wanted != seen or self.refined is None or self.refined.done()
            )
            return self.wanted != seen

    def _tell(self) -> None:
        with self.news:
            self.news.notify_all()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 (whatever it is, it has to be seen)
            self.fail(error)


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
        self.refresher = Refresher(self._work, self._show, self._fail)
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
        self.notice, self.status, self.said, self.picture = (widgets.HTML() for _ in range(4))
        self.said.add_class("workbench-headline")
        self.picture.add_class("workbench-picture")
        self.status.add_class("workbench-status")
        self.assumptions = Assumptions(self.desk, self._changed)
        self.reports = Reports(self.desk, self._changed)
        self.what_if = WhatIf(self.desk, lambda: str(self.target.value), self._changed)
        self.saving = Saving(self.desk, self._saved, self._again)
        self._lay_out()
        self._changed()
        if self.desk.notice:
            self.notice.value = tag("p", text(self.desk.notice), style=WRONG)

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
        lowest = case.rungs[0].id
        labels = [(each.label, each.id) for each in case.ladder.states if each.id != lowest]
        self.target = widgets.Dropdown(options=labels, value=case.targets[0], description="Target")
        self.as_of.observe(lambda change: self._set("as_of", change["new"]), "value")
        self.horizon.observe(lambda change: self._set("horizon", change["new"]), "value")
        self.target.observe(lambda _: self._redraw(), "value")
        narrow = widgets.Layout(width="90px")
        self.undo = widgets.Button(description="Undo", icon="undo", layout=narrow)
        self.reset = widgets.Button(description="Reset", icon="refresh", layout=narrow)
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
        answer = widgets.VBox([self.notice, self.status, self.said, self.picture], layout=_RIGHT)
        self.box.children = (widgets.HBox(head, layout=wrap), widgets.HBox([self.tabs, answer]))

    def _turn(self, panel: int) -> None:
        """Make the rows of reports when they are first looked at."""
        if panel == REPORTS:
            self.reports.show()

    # ------------------------------------------------------------------ what the hand does

    def _set(self, name: str, value: date | int) -> None:
        """Take what the sliders at the top say, unless the desk said it."""
        if getattr(self.desk.valid, name) != value:
            self.desk.drag_setting(name, value)
            self._changed()

    def _back(self, go: Callable[[], None]) -> None:
        """Undo or reset, and show everything as it is then."""
        try:
            go()
        except EscalationError as error:  # a file was changed or broken meanwhile
            self.status.value = tag("span", text(said(error)), style=WRONG)
            return
        self.assumptions.show()
        if self.tabs.selected_index == REPORTS:
            self.reports.show()
        self._changed()

    def _changed(self, _dragging: bool = False) -> None:  # noqa: FBT001, FBT002 (a panel's word)
        """Answer anew, and list the edits."""
        case = self.desk.valid
        self.saving.show()
        self.assumptions.name_parts()
        if case.as_of in dict(self.as_of.options).values():
            self.as_of.value = case.as_of
        self.horizon.value = case.horizon
        self.refresher.request()

    def _again(self) -> None:
        """Read the files again, as somebody changed them, and put the edits on top."""
        self.open(self.desk.path)
        self.tabs.selected_index = SAVING

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

    @property
    def targets(self) -> tuple[str, ...]:
        """What headlines and curves speak of, the chosen target first."""
        return tuple(dict.fromkeys([str(self.target.value), *self.desk.valid.targets]))

    def _work(self, quick: bool) -> Answer | str | None:  # noqa: FBT001 (one of two speeds)
        """Compute an answer, or say why there is none; runs in a thread."""
        try:
            if quick:
                return self.desk.glance(self.targets)
            return self.desk.settle() or self.desk.answer(self.draws[1])
        except EscalationError as error:
            return said(error)

    def _show(self, found: Answer | str | None) -> None:
        """Show an answer; or what is wrong, or that there is none yet, beside the last one."""
        if found is None:
            self.status.value = tag("span", "too far for a quick answer; refining …", style=SOFT)
            return
        if isinstance(found, str):
            self.status.value = tag("span", text(found), style=WRONG)
            self.assumptions.show()
            return
        self.answer = found
        kind = "quick answer" if found.quick else "refined answer"
        line = f"{kind}, {found.draws} draws, {found.seconds:.2g} s; "
        line += f"as of {day(found.edited.as_of)}"
        self.status.value = tag("span", line, style=SOFT, data_seconds=f"{found.seconds:.6f}")
        self._redraw()

    def _fail(self, error: Exception) -> None:
        """Say that the answer could not be made: a fault of the program, not of the analyst."""
        what = "The answer could not be computed; below is the last one that could. "
        what += "Your edits are kept. Undo the last one, or report this: "
        trace = "".join(traceback.format_exception(error))
        self.status.value = tag(
            "div",
            tag("span", what + f"{type(error).__name__}: {error}", style=WRONG),
            tag("details", tag("summary", "Details"), tag("pre", trace)),
        )

    def _redraw(self) -> None:
        """Show the answer at hand; ask for another where it does not speak of the target."""
        if self.answer is None:
            return
        if set(self.targets) - set(self.answer.edited.reach.names):
            self.refresher.request()
            return
        self.said.value = _headlines(self.answer, self.targets)
        self.picture.value = curves(self.answer, self.targets)


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
        lines += tag("div", line, tag("div", change, style=SOFT), data_target=target)
    return tag("div", Markup("Within {} days:").format(edited.horizon), lines, style=TIGHT)
