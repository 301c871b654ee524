"""Promises of the workbench in a real browser, on a real JupyterLab, with nothing from outside."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

import lab_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from lab_page import Lab

pytestmark = [
    pytest.mark.skipif(bool(lab_page.absent()), reason=lab_page.absent()),
    # Playwright and the server leave sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def lab(tmp_path: Path, workspace: Path) -> Iterator[Lab]:
    """JupyterLab on loopback, on a copy of the tiny case and the notebooks."""
    folder = tmp_path / "desk"
    shutil.copytree(workspace / "tests/data/tiny", folder / "scenarios/tiny")
    (folder / "notebooks").mkdir()
    for name in ("workbench", "code_an_article"):
        shutil.copy(workspace / f"notebooks/{name}.ipynb", folder / "notebooks")
    with lab_page.jupyter_lab(folder, tmp_path) as lab:
        yield lab


@pytest.fixture
def page(lab: Lab) -> Iterator[Page]:
    """A page of a fresh Chromium; what it asks of other hosts is refused and noted."""
    with lab_page.chromium_page(lab) as page:
        yield page


def _until(page: Page, true: Callable[[], bool]) -> None:
    until = time.monotonic() + lab_page.LATER / 1000
    while not true():
        assert time.monotonic() < until
        page.wait_for_timeout(30)


def _headline(page: Page) -> str:
    return str(page.locator(".workbench-headline").inner_text())


def _drag(page: Page, pixels: int) -> None:
    """Drag the upper handle of the first range, as a hand does."""
    x, y = lab_page.grip(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x + pixels * step / 5, y)
    page.mouse.up()


def test_a_session_at_the_workbench(page: Page, lab: Lab) -> None:
    """A session loses nothing, asks nobody outside, and needs no code and no Run button.

    The page opens with its answer; a drag moves it; nonsense is refused beside its control; a
    reload keeps edits and widgets; a variant is saved after its diff was seen; a file that was
    changed meanwhile is not overwritten; no request leaves the machine.
    """
    lab_page.open_workbench(page, lab)
    row = page.locator(".workbench-row").first
    before = _headline(page)
    assert "as in the file" in before

    _drag(page, 60)
    _until(page, lambda: "points from the file" in _headline(page))
    page.get_by_text("refined answer").wait_for()
    moved = _headline(page)
    assert moved != before
    value = row.locator(".workbench-text input").input_value()
    assert value != "0.05 to 0.2"

    row.locator(".workbench-text input").fill("0.4 to")
    page.locator(".workbench-wrong", has_text="expected a rate").first.wait_for()
    assert _headline(page) == moved

    page.reload()
    page.locator(".workbench-headline b").first.wait_for()
    assert "points from the file" in _headline(page)
    assert page.locator(".workbench-wrong", has_text="expected a rate").count() == 1
    row.locator(".workbench-text input").fill(value)
    page.get_by_text("refined answer").wait_for()

    page.get_by_text("Edits and saving").click()
    page.locator(".workbench-name input").fill("doubted")
    page.get_by_role("button", name="Show variant").click()
    page.locator(".workbench-diff", has_text=f"+        rate: {value}").wait_for()
    file = lab.folder / "scenarios/tiny/doubted.yaml"
    assert not file.exists()
    page.get_by_role("button", name="Save this").click()
    page.locator(".workbench-message", has_text="Saved: doubted.yaml").wait_for()
    modeline, extends, *_ = file.read_text().splitlines()
    assert modeline == "# yaml-language-server: $schema=../scenario.schema.json"
    assert extends == "extends: baseline.yaml"
    assert f"rate: {value}" in file.read_text()

    file.write_text(file.read_text() + "# somebody else was here\n")
    page.get_by_text("Assumptions", exact=True).click()
    _drag(page, -40)
    page.get_by_text("refined answer").wait_for()
    page.get_by_text("Edits and saving").click()
    page.get_by_role("button", name="Show change of the file").click()
    page.locator(".workbench-message", has_text="changed on disk meanwhile").wait_for()
    assert file.read_text().endswith("# somebody else was here\n")
    assert lab.outside == []


def test_outputs_live_as_long_as_the_server(tmp_path: Path, workspace: Path) -> None:
    """The notebook holds its widgets while the server runs, and is clean when it has stopped."""
    folder = tmp_path / "desk"
    shutil.copytree(workspace / "tests/data/tiny", folder / "scenarios/tiny")
    (folder / "notebooks").mkdir()
    notebook = folder / "notebooks/workbench.ipynb"
    shutil.copy(workspace / "notebooks/workbench.ipynb", notebook)

    def outputs() -> list[object]:
        cells = json.loads(notebook.read_text())["cells"]
        return [shown for cell in cells for shown in cell.get("outputs", [])]

    with lab_page.jupyter_lab(folder, tmp_path):
        (shown,) = outputs()
        assert "application/vnd.jupyter.widget-view+json" in json.dumps(shown)
    assert outputs() == []
