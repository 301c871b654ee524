"""From the drag to the changed picture: a hand on a slider, in a browser, on a real JupyterLab.

Chromium opens the workbench of the venezuela baseline on a JupyterLab on loopback, and Playwright
drags the upper handle of the first range. The page itself keeps the times: the last `pointermove`
before a picture, and the frame in which the changed curves are on the screen. The desk says what of
it went into computing the answer. Two ways to drag:

    from rest     one move when everything is still
    dragging      the next move as soon as the picture of the last one is there

`rows` gives what `docs/performance.md` shows; alone, the script prints it:
`python benchmarks/drag.py [DRAGS]`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the helper that the browser tests use, too

import lab_page  # noqa: E402 (found only now)
from lab_page import absent  # noqa: E402 (as above)

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["DRAGS", "SETTING", "absent", "rows"]

Row = tuple[str, float, str]
Drag = tuple[float, float]  # milliseconds to the picture, and of the engine

DRAGS = 60
SETTING = (
    "A slider of the workbench on the venezuela baseline, dragged in Chromium on a JupyterLab on "
    "loopback; from the pointer's move to the frame that shows the changed curves. Computing the "
    "answer is what the desk says it took: 32 draws of the last refined answer, weighed anew."
)
UNCHANGED = 3000  # milliseconds after which a move has changed nothing
REACH = 72  # pixels that the hand moves to and fro
# Times are the page's own. After a change of the curves the second frame is the one on the screen.
WATCH = """() => {
  window.drags = []; window.moved = null;
  document.addEventListener('pointermove', e => { window.moved = e.timeStamp; }, true);
  const status = document.querySelector('.workbench-status');
  const picture = document.querySelector('.workbench-picture');
  new MutationObserver(() => {
    const begun = window.moved;
    if (begun === null) return;
    window.moved = null;
    const engine = status.querySelector('[data-seconds]');
    requestAnimationFrame(() => requestAnimationFrame(now => window.drags.push(
      [now - begun, engine ? 1000 * parseFloat(engine.dataset.seconds) : NaN])));
  }).observe(picture, {childList: true, subtree: true, characterData: true});
}"""


def drags(page: Page, count: int, *, rest: bool) -> list[Drag]:
    """Drag a handle so many times to another value, and return what each took.

    A move that does not reach another stop of the slider changes nothing and is not counted.
    """
    from playwright.sync_api import TimeoutError  # noqa: A004 (Playwright's own)

    x, y = lab_page.grip(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("() => { window.drags = []; window.moved = null; }")
    place, step, done = 0, 12, 0
    while done < count:
        if rest:
            page.get_by_text("refined answer").wait_for()
            page.wait_for_timeout(100)
        place += step
        step = -step if abs(place) >= REACH else step
        page.mouse.move(x + place, y)
        with suppress(TimeoutError):
            page.wait_for_function("n => window.drags.length > n", arg=done, timeout=UNCHANGED)
        done = page.evaluate("() => window.drags.length")
    page.mouse.up()
    page.get_by_text("refined answer").wait_for()
    return [(whole, engine) for whole, engine in page.evaluate("() => window.drags")]


def measure(count: int = DRAGS) -> dict[str, list[Drag]]:
    """Open the workbench and drag, in both ways."""
    with tempfile.TemporaryDirectory() as name:
        around, folder = Path(name), Path(name) / "desk"
        shutil.copytree(ROOT / "scenarios", folder / "scenarios")
        (folder / "notebooks").mkdir()
        shutil.copy(ROOT / "notebooks/workbench.ipynb", folder / "notebooks")
        with lab_page.jupyter_lab(folder, around) as lab, lab_page.chromium_page(lab) as page:
            lab_page.open_workbench(page, lab)
            page.get_by_text("refined answer").wait_for()
            page.evaluate(WATCH)
            drags(page, 3, rest=False)  # the first ones also pay for what is loaded late
            found = {
                "while dragging": drags(page, count, rest=False),
                "from rest": drags(page, count, rest=True),
            }
            assert not lab.outside, lab.outside
    return found


def rows(count: int = DRAGS) -> list[Row]:
    """Tabulate medians and 95th percentiles, and the engine's share of the median drag."""
    table: list[Row] = []
    for how, taken in measure(count).items():
        whole, engine = np.array(taken).T
        table += [
            (f"drag to picture {how}, median of {len(whole)}", float(np.median(whole)), "ms"),
            ("its 95th percentile", float(np.quantile(whole, 0.95)), "ms"),
            ("of it computing the answer, median", float(np.median(engine)), "ms"),
            ("the engine's share", 100 * float(np.median(engine / whole)), "%"),
        ]
    return table


if __name__ == "__main__":
    if missing := absent():
        sys.exit(f"Not measured: {missing}.")
    for what, value, unit in rows(int(sys.argv[1]) if len(sys.argv) > 1 else DRAGS):
        print(f"{what:55} {value:10.1f} {unit}")
