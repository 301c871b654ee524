"""Makes any number of reports: each in a process of its own, none in the way of another.

    requests ── known and whole? ──▸ unchanged, in milliseconds
             ── at most `jobs` at once ──▸ a process each (`escalation.reporting.nursery`)
                                             made, unchanged or failed
             ── alerts of fresh reports ──▸ a command of the user's

What nobody has to make costs no imports: those come with the first report that has to be made.
Whoever ends the batch ends its reports with it; what is finished is kept, and the next batch goes
on from there.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from escalation.errors import EscalationError
from escalation.reporting import known
from escalation.reporting.faults import FAULTS, UNHEARD, Stopped, exit_code, in_words, kind_of
from escalation.reporting.handover import AT_ONCE, Handover, not_taken
from escalation.reporting.outcomes import LAST, Outcome
from escalation.reporting.requests import made_with_digest
from escalation.reporting.shelf import intact, rescue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from escalation.reporting.nursery import Child
    from escalation.reporting.requests import Request

MINUTES = 30.0
_TURN_SECONDS = 0.5
_ENDS = tuple(
    getattr(signal, each) for each in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, each)
)
_END_SECONDS = 5.0  # for a process to end once it has said what came of it


@dataclass(frozen=True)
class Settings:
    """How a batch is run.

    Attributes
    ----------
    jobs : int
        Reports that are made at once.
    minutes : float
        What one report may take at most.
    on_alert : str
        Command that gets the alerts of each report, once; empty: none.
    cluster : str
        Address of a Dask scheduler whose workers make them; empty: this machine does.
    """

    jobs: int = 1
    minutes: float = MINUTES
    on_alert: str = ""
    cluster: str = ""


class Screen(Protocol):
    """Who watches a batch."""

    def begin(self, total: int) -> None:
        """Take how many reports have to be made."""

    def over(self, outcome: Outcome) -> None:
        """Take what came of a request."""

    def at(self, shares: Sequence[tuple[str, float, str]]) -> None:
        """Take how far each report under way is: name, per cent, step."""


class Nobody:
    """Nobody watches."""

    def begin(self, total: int) -> None:
        """Do nothing."""

    def over(self, outcome: Outcome) -> None:
        """Do nothing."""

    def at(self, shares: Sequence[tuple[str, float, str]]) -> None:
        """Do nothing."""


@dataclass
class Batch:
    """Reports that are asked for together.

    Attributes
    ----------
    requests : sequence of Request
        All with the same `out`.
    settings : Settings
    screen : Screen
    refused : sequence of Outcome
        What was asked for besides, and cannot be requested.
    outcomes : list of Outcome
        In the order in which they were over.
    troubles : list of str
        What went wrong besides: a command that did not take its alerts, a list not written.
    """

    requests: Sequence[Request]
    settings: Settings = field(default_factory=Settings)
    screen: Screen = field(default_factory=Nobody)
    refused: Sequence[Outcome] = ()
    outcomes: list[Outcome] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    _running: list[Child] = field(default_factory=list)
    _raised: deque[Outcome] = field(default_factory=deque)
    _handovers: list[Handover] = field(default_factory=list)
    _unheard: set[str] = field(default_factory=set)

    @property
    def _out(self) -> str:
        """Where all reports stand; nowhere, if none is asked for."""
        return self.requests[0].out if self.requests else "://"

    @property
    def _remote(self) -> bool:
        """Whether they stand where nothing is remembered."""
        return "://" in self._out

    def run(self) -> int:
        """Make them all, and return the exit code."""
        waiting: deque[Request] = deque()
        ended = ""
        memory = _Memory()
        with _terminable() as deaf:
            try:
                for each in self.refused:
                    self._over(each)
                for request in self.requests:
                    outcome = memory.settled(request)
                    if outcome is None:
                        waiting.append(request)
                    else:
                        self._over(outcome)
                self._make(waiting)
                self._deliver()
                deaf()
            except (KeyboardInterrupt, Stopped) as error:
                ended = kind_of(error)
                self._abandon(waiting, ended)
            self._refresh()
        if ended:
            return FAULTS[ended].exit_code
        return exit_code({each.fault for each in self.outcomes if each.fault} | self._unheard)

    def _make(self, waiting: deque[Request]) -> None:
        """Make those that are not there, at most so many at once."""
        if not waiting:
            return
        self._show(lambda screen: screen.begin(len(waiting)))
        if self.settings.cluster:
            from escalation.reporting.remote import make_all

            requests = {each.name: each for each in waiting}
            for outcome in make_all([*waiting], self.settings.cluster, self.settings.minutes):
                waiting.remove(requests[outcome.scenario])
                self._over(outcome)
                self._tend()
            return
        from escalation.reporting import nursery

        if nursery.FORKS:
            nursery.warm(pdf=any("pdf" in each.formats for each in waiting))
        while waiting or self._running:
            while waiting and len(self._running) < self.settings.jobs:
                child = nursery.Child.start(waiting.popleft(), self.settings.minutes * 60)
                self._running.append(child)
            self._turn()
            self._tend()

    def _turn(self) -> None:
        """Listen to those under way, and see to those that are over or late."""
        now = time.monotonic()
        soon = min(each.deadline for each in self._running) - now
        said = [each.said for each in self._running]
        wait(said, timeout=max(0.0, min(soon, _TURN_SECONDS)))
        for child in [*self._running]:
            speaks = child.listen()
            if child.ended is not None or not speaks or time.monotonic() > child.deadline:
                self._finish(child)
        shares = [(each.request.name, each.share, each.step) for each in self._running]
        self._show(lambda screen: screen.at(shares))

    def _finish(self, child: Child) -> None:
        """See a report's process out, and take down what came of it."""
        late = child.ended is None and time.monotonic() > child.deadline
        code = child.finish(0 if late else _END_SECONDS)
        if child.ended is None:
            child.ended = _died(child, code, self.settings.minutes, late=late)
        elif "fresh" not in child.ended:
            _rescued(child, child.ended)  # if it could not do so itself
        self._running.remove(child)  # not before: who ends the batch meanwhile sees it out again
        self._over(_outcome(child))

    def _over(self, outcome: Outcome) -> None:
        """Take down what came of a request, and only then show it."""
        self.outcomes.append(outcome)
        if outcome.begun and not self._remote:
            try:
                outcome.keep(Path(self._out))
            except (OSError, ValueError) as error:
                self.troubles.append(f"{outcome.scenario}: {LAST} not written: {in_words(error)}")
        if self.settings.on_alert and outcome.alerts:
            self._raised.append(outcome)
        self._show(lambda screen: screen.over(outcome))

    def _show(self, show: Callable[[Screen], None]) -> None:
        """Show something; a screen that cannot be written to is given up, and no report is."""
        try:
            show(self.screen)
        except (OSError, ValueError):
            self.screen = Nobody()

    def _tend(self) -> None:
        """See to the commands that take alerts: hear those that are over, and start the next."""
        self._handovers = [each for each in self._handovers if not self._heard(each)]
        for _ in range(min(len(self._raised), AT_ONCE - len(self._handovers))):
            outcome = self._raised.popleft()
            if self._remote and outcome.status != "made":
                continue
            try:
                begun = Handover.start(self.settings.on_alert, outcome, self._out)
            except BlockingIOError:  # another runner is at it: until that ends
                self._raised.append(outcome)
                continue
            self._handovers += [] if begun is None else [begun]

    def _heard(self, handover: Handover) -> bool:
        """Whether a command has ended, well or not."""
        trouble = handover.poll()
        if trouble:
            self.troubles.append(trouble)
            self._unheard.add(UNHEARD)
        return trouble is not None

    def _deliver(self) -> None:
        """Wait for the commands that take alerts."""
        while self._raised or self._handovers:
            self._tend()
            time.sleep(0.02)

    def _abandon(self, waiting: Sequence[Request], kind: str) -> None:
        """End all that is under way, and say what was not begun."""
        from escalation.reporting.nursery import GRACE

        for child in self._running:
            child.interrupt()
        end = time.monotonic() + GRACE
        for child in [*self._running]:
            child.deadline = end
            while child.ended is None and child.listen() and time.monotonic() < end:
                wait([child.said], timeout=_TURN_SECONDS)
            child.ended = child.ended or {}
            if "fresh" not in child.ended:
                child.ended = {"fault": kind, "error": "it was stopped before it was made"}
            self._finish(child)
        for request in waiting:
            self._over(_failed(request, kind, "it was not begun", begun=False))
        for each in self._handovers:
            if not self._heard(each):
                each.stop()
                self.troubles.append(each.told("it was stopped"))
        for outcome in self._raised:
            said = not_taken(outcome.scenario, "it was not started", remembered=not self._remote)
            self.troubles.append(said)

    def _refresh(self) -> None:
        """Bring the page of all reports up to date."""
        if self._remote:
            return
        from escalation.reporting.index import refresh

        try:
            refresh(Path(self._out))
        except (EscalationError, OSError) as error:
            self.troubles.append(f"the page of all reports: {in_words(error)}")


class _Memory:
    """Knows which reports are there already, without reading a scenario."""

    def __init__(self) -> None:
        self._made_with: dict[Path, str] = {}  # the same for all reports of a batch

    def settled(self, request: Request) -> Outcome | None:
        """Return what came of a request if its report is known and whole; None if it is not."""
        if request.force or "://" in request.out:
            return None
        folder = Path(request.out) / request.name
        try:
            notebook = request.report_notebook()
            if notebook not in self._made_with:
                self._made_with[notebook] = made_with_digest(notebook)
        except EscalationError:
            return None  # the report's own process says it better
        made_with = self._made_with[notebook]
        found = known.recall(folder, request.question(), request.root, made_with)
        if found is None or (request.today and _clock_is_behind(folder)):
            return None
        manifest = intact(folder / found["as_of"], found["key"])
        if manifest is None or not request.served(manifest):
            return None
        run = (folder / found["as_of"]).resolve().name
        said = manifest.get("summary", {})
        return Outcome(
            request.name,
            request.file,
            "unchanged",
            found["as_of"],
            f"runs/{run}",
            alerts=tuple(each for each in said.get("alerts", []) if each["raised"]),
            title=said.get("title", ""),
        )


def _clock_is_behind(folder: Path) -> bool:
    """Whether the last attempt lies in the future: then the slower way looks closer."""
    try:
        last = json.loads((folder / LAST).read_text(encoding="utf-8"))
        return bool(datetime.fromisoformat(last["tried"]) > datetime.now(UTC))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _outcome(child: Child) -> Outcome:
    """Return what came of a report's process."""
    data: dict[str, Any] = child.ended or {}
    if "fresh" not in data:
        failed = _failed(child.request, data["fault"], data["error"])
        kept = Path(child.known.get("kept", "")).name
        return replace(
            failed,
            as_of=child.known.get("as_of", ""),
            run=f"failed/{kept}" if kept else "",
            seconds=time.monotonic() - child.begun,
        )
    return Outcome(
        child.request.name,
        child.request.file,
        "made" if data["fresh"] else "unchanged",
        data["as_of"],
        f"runs/{data['run']}",
        alerts=tuple(data["alerts"]),
        warning=data["warning"],
        title=data["title"],
        seconds=data["seconds"] if data["fresh"] else 0.0,
    )


def _failed(request: Request, fault: str, error: str, *, begun: bool = True) -> Outcome:
    return Outcome(request.name, request.file, "failed", fault=fault, error=error, begun=begun)


def _died(child: Child, code: int | None, minutes: float, *, late: bool) -> dict[str, Any]:
    """Put the remains of a report away whose process did not, and return why it has none."""
    fault = "overtime" if late else "killed"
    error = f"it took longer than {minutes:g} minutes and did not end when it was told to"
    if not late:
        error = f"its process ended without a word (exit code {code})"
    kept = _rescued(child, {"fault": fault, "error": error})
    if kept is not None:
        error += f" (what there is of it: {kept})"
    return {"fault": fault, "error": f"{child.request.name}: {error}"}


def _rescued(child: Child, why: dict[str, str]) -> Path | None:
    """Keep what a killed process left, if it had begun to build and the disk allows."""
    if "building" not in child.known or "://" in child.request.out:
        return None
    fault = FAULTS[why["fault"]]
    manifest = child.known["manifest"] | why
    manifest |= {"advice": fault.advice, "exit_code": fault.exit_code}
    folder = Path(child.request.out).resolve() / child.request.name
    building = Path(child.known["building"])
    try:
        with suppress(EscalationError, ValueError):  # what is left is kept in any case
            _explain(child.request, building, **why)
        kept = rescue(folder, building, manifest)
    except (OSError, ValueError, EscalationError):
        return None
    if kept is not None:
        child.known["kept"] = str(kept)
    return kept


def _explain(request: Request, building: Path, fault: str, error: str) -> None:
    """Write the notebook that a killed process could not, with the error on top."""
    from escalation.reporting.execution import keep_unfinished, read

    if building.is_dir():
        said = f"{error[0].upper()}{error[1:]}. What it had run is lost with its process."
        keep_unfinished(read(request.report_notebook(), {}), [], building, fault, said)


@contextmanager
def _terminable() -> Iterator[Callable[[], None]]:
    """Take Ctrl-C, SIGTERM and a terminal that is gone as a wish to end in good order.

    It is heard once: whoever asks again, while that order is made, has been heard already. What is
    yielded makes deaf at once. A signal that was to be ignored (nohup) still is.
    """
    heard = [each for each in _ENDS if signal.getsignal(each) is not signal.SIG_IGN]

    def deaf() -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)

    def stop(number: int, _: object) -> NoReturn:
        deaf()
        raise Stopped("interrupted" if number == signal.SIGINT else "terminated", "stopped")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # whoever runs us sees to signals
        return
    before = {each: signal.signal(each, stop) for each in heard}
    try:
        yield deaf
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
