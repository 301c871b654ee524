"""One process for each report, forked from one that has imported everything.

    this process ── imports once ── forks ──▸ a report's process ── forks ──▸ its kernel
                                              its own process group, deadline, log

The process that forks has one thread and no sockets, so that its forks are sound; what it has
imported is shared, page by page, until somebody writes to it. A report's process makes one report
and ends. It ends at its deadline by itself; it is killed, with its kernel and whatever that
started, if it does not, or if the process that watches it ends, however that ends: a **reaper**, a
process that does nothing else, waits for either end, and kills what is left of the group. Where
processes cannot be forked soundly (all systems but Linux), each is started anew and imports for
itself; its kernel is then no member of the group, and ends by itself a little later. That it waits
for another runner is not counted.
"""

from __future__ import annotations

import gc
import importlib
import math
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from escalation.errors import EscalationError
from escalation.reporting.faults import Stopped, in_words, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import FrameType

    from escalation.reporting.kernels import Stub
    from escalation.reporting.requests import Request

FORKS = sys.platform == "linux"
GRACE = 20.0  # seconds that a report has to put its remains away, after its time is up
_WARM = (
    "escalation.reporting.report",
    "escalation.reporting.notebook",
    "escalation.reporting.reasons_record",
    "escalation.reporting.reasons_tables",
    "escalation.reporting.tables",
    "escalation.plots",
    "matplotlib.pyplot",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "psutil",
    "tornado.platform.asyncio",
    "nbconvert.exporters",
    "nbclient",
)
_GARBAGE = 50_000  # new objects between searches for cycles: a report's process is short
_PARENTS = [signal.SIGINT]  # what a terminal sends to all its processes: the parent takes it
if sys.platform != "win32":
    _PARENTS.append(signal.SIGHUP)
_SINGLE = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> None:
    """Keep libraries from starting threads; it has to be said before they are imported.

    Processes are what runs side by side here, and a fork must find one thread.
    """
    for name in _SINGLE:
        os.environ.setdefault(name, "1")


def warm(*, pdf: bool) -> None:
    """Import and prepare all that a report needs, and share it with every fork."""
    one_thread()
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    from escalation.reporting.execution import import_papermill, import_without

    import_papermill()
    for name in _WARM:
        importlib.import_module(name)
    import_without("ipykernel.debugger", ("debugpy",))  # nobody debugs a report
    if pdf:
        with suppress(ImportError, OSError):  # the report itself says what is missing
            importlib.import_module("weasyprint")
    _rehearse()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


def _rehearse() -> None:
    """Make a picture and a page that nobody sees: what all need is found, read and compiled."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    from escalation.reporting.page import to_html

    importlib.import_module("escalation.plots").rehearse()  # it stands above this package
    cells = [new_markdown_cell("# A heading"), new_code_cell("1 + 1")]  # type: ignore[no-untyped-call]
    to_html(new_notebook(cells=cells), "A title")  # type: ignore[no-untyped-call]


@dataclass
class Child:
    """A report's process, as its parent sees it.

    Attributes
    ----------
    request : Request
    process : multiprocessing.Process
    said : Connection
        What it tells: `at` (share, step), `known` (fields of its manifest), `may take`
        (seconds from now), `done`, `failed`.
    deadline : float
        Monotonic time at which it is killed.
    known : dict
        What it has told of itself.
    ended : dict or None
        What came of it.
    """

    request: Request
    process: SpawnProcess
    said: Connection
    deadline: float
    begun: float
    known: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] | None = None
    share: float = 0.0
    step: str = "waiting"

    @classmethod
    def start(cls, request: Request, seconds: float) -> Child:
        """Start a process for a report, that may take so many seconds."""
        context: Any = get_context("fork" if FORKS else "spawn")
        mine, its = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(request, its, mine, seconds))
        process.start()
        its.close()
        with suppress(OSError):  # it does so itself, but perhaps not yet
            os.setpgid(process.pid, process.pid)
        now = time.monotonic()
        return cls(request, process, mine, now + seconds + GRACE, now)

    def listen(self) -> bool:
        """Take what it has to say; return False when it has nothing more to say."""
        try:
            while self.said.poll():
                kind, data = self.said.recv()
                if kind == "at":
                    self.share, self.step = data
                elif kind == "known":
                    self.known |= data
                elif kind == "may take":
                    self.deadline = time.monotonic() + data + GRACE
                else:
                    self.ended = data
        except (EOFError, OSError):
            return False
        return True

    def interrupt(self) -> None:
        """Ask it to put its remains away and end."""
        with suppress(OSError):
            os.kill(self.process.pid or 0, signal.SIGTERM)

    def finish(self, seconds: float) -> int | None:
        """Wait so long for its end, kill what is left of its group, and return how it ended."""
        self.process.join(seconds)
        with suppress(OSError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.join(seconds + GRACE)
        self.said.close()
        return self.process.exitcode


def _work(request: Request, said: Connection, theirs: Connection, seconds: float) -> NoReturn:
    """Make one report, tell what came of it, and end this process."""
    with suppress(OSError):
        os.setpgid(0, 0)
    theirs.close()
    stub = None
    try:
        _log()
        held = _reaper()
        for number in _PARENTS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stopper(seconds))
        if FORKS:
            from escalation.reporting.kernels import Stub, die_with_parent

            die_with_parent()
            stub = Stub.fork(said.fileno(), held)
        signal.signal(signal.SIGALRM, _stopper(seconds))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        word = _make(request, said, stub, seconds)
    except BaseException as error:  # noqa: BLE001 (whatever it is, the parent hears of it)
        word = "failed", _why(error)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        said.send(word)
    finally:
        if stub is not None:
            stub.close()
        said.close()
        os._exit(0)


def _why(error: BaseException) -> dict[str, str]:
    """Return what is told of a report that was not made."""
    meant = isinstance(error, (EscalationError, OSError, KeyboardInterrupt, Stopped))
    words = in_words(error) if meant else f"{type(error).__name__}: {error}"
    return {"fault": kind_of(error), "error": words}


def _reaper() -> int:
    """Have this process group killed when this process or its parent ends, however that ends.

    Returns
    -------
    int
        A descriptor that ends with this process, if no other one holds it.
    """
    group = os.getpid()
    parent = parent_process()
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return writing
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        ends = [reading] if parent is None else [reading, int(parent.sentinel)]
        _close_all_but(ends)
        wait(ends)
        os.killpg(group, signal.SIGKILL)
    finally:
        os._exit(0)


def _close_all_but(kept: Iterable[int]) -> None:
    """Close every descriptor but some, and those of the log."""
    first = 3
    for each in sorted(kept):
        os.closerange(first, each)
        first = each + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _make(
    request: Request, said: Connection, stub: Stub | None, seconds: float
) -> tuple[str, object]:
    """Make the report; return what came of it."""
    from escalation.reporting.progress import Progress
    from escalation.reporting.report import Making, make

    def clock(what: str) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds if what == "begin" else 0)
        said.send(("may take", seconds if what == "begin" else math.inf))

    progress = Progress(lambda share, step: said.send(("at", (share, step))))
    making = Making(progress, stub, lambda data: said.send(("known", data)), clock)
    run = make(request, making)
    return "done", {
        "fresh": run.fresh,
        "run": run.run,
        "as_of": run.manifest["as_of"],
        "seconds": run.manifest["seconds"]["total"],
        "warning": run.warning,
        "alerts": list(run.alerts),
        "title": run.manifest.get("summary", {}).get("title", ""),
    }


def _stopper(seconds: float) -> Callable[[int, FrameType | None], NoReturn]:
    """Return what ends a report, once: its time is up, or somebody ended it."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if number == signal.SIGALRM:
            raise Stopped("overtime", f"it took longer than {seconds / 60:g} minutes")
        raise Stopped("terminated", "it was stopped")

    return stop


def _log() -> None:
    """Keep what libraries say to themselves away from the terminal, which has one writer."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (as long as the process)
