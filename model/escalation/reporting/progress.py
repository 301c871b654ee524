"""How far a report is: counted in the process that makes it, shown wherever it is watched.

Assessing is most of a run. The notebook prints how far it is (`escalation.reporting.notebook`),
and papermill hands what the kernel prints to `Progress.write`; after that cells are counted.

>>> seen = []
>>> progress = Progress(lambda share, step: seen.append((share, step)))
>>> progress.step("starting")
>>> progress.write("assessed 50%")
>>> progress.cell(10)
>>> seen
[(0.0, 'starting'), (40.0, 'assessing')]
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "assessed"  # what a line of progress of the notebook begins with
_ASSESSING = 80  # per cent of a run's time
_DRAWN = 99


class Progress:
    """Per cent of a report that are done, told to whoever shows them.

    It is handed to papermill as the file of the kernel's output.
    """

    def __init__(self, show: Callable[[float, str], None]) -> None:
        self._show = show
        self._share = 0.0
        self._cells = 0

    def write(self, output: str) -> None:
        """Take what the kernel printed."""
        for word in output.split(MARK)[1:]:
            share = word.strip().partition("%")[0]
            if share.isdigit():
                self._to(_ASSESSING * int(share) / 100, "assessing")

    def flush(self) -> None:
        """Do nothing: a file can be flushed."""

    def cell(self, total: int) -> None:
        """Count a cell as done."""
        self._cells += 1
        if self._share >= _ASSESSING:
            share = self._cells / total
            self._to(_ASSESSING + share * (_DRAWN - _ASSESSING), "drawing")

    def step(self, name: str) -> None:
        """Name what is being done."""
        self._show(self._share, name)

    def _to(self, share: float, name: str) -> None:
        self._share = max(self._share, share)
        self._show(self._share, name)


@contextmanager
def bar(label: str, *, stream: TextIO | None = None, quiet: bool = False) -> Iterator[Progress]:
    """Show a bar for one report on standard error, if that is a terminal."""
    from tqdm import tqdm

    shown = stream or sys.stderr
    with tqdm(
        total=100,
        desc=label,
        file=shown,
        disable=quiet or not shown.isatty(),
        leave=False,
        bar_format="{desc} {percentage:3.0f}% |{bar}| {elapsed}{postfix}",
    ) as line:

        def show(share: float, step: str) -> None:
            line.set_postfix_str(step, refresh=False)
            line.update(max(0.0, share - line.n))
            line.refresh()

        yield Progress(show)
