"""Promises of the workbench in a real browser, on a real JupyterLab, with nothing from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
TOKEN = "workbench-test"  # noqa: S105 (of a server on this machine, for the time of the test)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
LATER = 30_000  # milliseconds; how long a busy machine may take

pytest.importorskip("jupyterlab", reason="no JupyterLab: install 'escalation[lab]'")
pytest.importorskip("playwright", reason="no Playwright for Python")
pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="no Chromium on this machine"),
    # Playwright and the server leave sockets to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Lab:
    """A JupyterLab on a workspace of its own."""

    folder: Path
    url: str
    outside: list[str] = field(default_factory=list)


@pytest.fixture
def lab(tmp_path: Path, workspace: Path) -> Iterator[Lab]:
    """JupyterLab on loopback, on a copy of the tiny case and the notebook."""
    folder = tmp_path / "desk"
    shutil.copytree(workspace / "tests/data/tiny", folder / "scenarios/tiny")
    (folder / "notebooks").mkdir()
    shutil.copy(workspace / "notebooks/workbench.ipynb", folder / "notebooks")
    homes = {f"JUPYTER_{each}_DIR": str(tmp_path / each) for each in ("CONFIG", "DATA", "RUNTIME")}
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--port=0",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
    ]
    log = (tmp_path / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=folder,
        env={**os.environ, **homes, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Lab(folder, _address(tmp_path / "RUNTIME", server))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
        log.close()


def _address(runtime: Path, server: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it is."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        for found in runtime.glob("jpserver-*.json"):
            if text := found.read_text():
                return str(json.loads(text)["url"])
        assert server.poll() is None, "JupyterLab ended"
        time.sleep(0.1)
    raise AssertionError("JupyterLab did not start")


@pytest.fixture
def page(lab: Lab) -> Iterator[Page]:
    """A page of a fresh Chromium; what it asks of other hosts is refused and noted."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 950})
        page.set_default_timeout(LATER)

        page.on("request", lambda request: _note(request.url, lab.outside))
        yield page
        if picture := os.environ.get("ESCALATION_SCREENSHOT"):
            page.screenshot(path=picture)
        browser.close()


def _note(url: str, outside: list[str]) -> None:
    """Note an address of another host."""
    parts = urlsplit(url)
    if parts.scheme not in {"data", "blob"} and parts.hostname not in {"127.0.0.1", "localhost"}:
        outside.append(url)


def _open(page: Page, lab: Lab) -> None:
    """Open the notebook and run it all."""
    from playwright.sync_api import TimeoutError  # noqa: A004 (Playwright's own)

    page.goto(f"{lab.url}lab/tree/notebooks/workbench.ipynb?token={TOKEN}&reset")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    headline = page.locator(".workbench-headline b").first
    until = time.monotonic() + LATER / 1000
    while not headline.is_visible():  # what is asked of a kernel that is still coming up is lost
        assert time.monotonic() < until
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(TimeoutError):
            headline.wait_for(timeout=LATER / 4)


def _until(page: Page, true: Callable[[], bool]) -> None:
    until = time.monotonic() + LATER / 1000
    while not true():
        assert time.monotonic() < until
        page.wait_for_timeout(30)


def _headline(page: Page) -> str:
    return str(page.locator(".workbench-headline").inner_text())


def _drag(page: Page, pixels: int, row: int = 0) -> None:
    """Drag the upper handle of a range, as a hand does."""
    handle = page.locator(".workbench-range .noUi-handle-upper").nth(row)
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 6):
        page.mouse.move(x + pixels * step / 5, y)
    page.mouse.up()


def test_a_session_at_the_workbench(page: Page, lab: Lab) -> None:
    """A session loses nothing and asks nobody outside.

    A drag moves the answer; nonsense is refused beside its control; a reload keeps the edits; a
    variant is saved after its diff was seen; no request leaves the machine.
    """
    _open(page, lab)
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
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    _open(page, lab)
    _until(page, lambda: "points from the file" in _headline(page))
    assert page.locator(".workbench-text input").first.input_value() == value

    page.get_by_text("Edits and saving").click()
    page.locator(".workbench-name input").fill("doubted")
    page.get_by_role("button", name="Show variant").click()
    page.locator(".workbench-diff", has_text=f"+        rate: {value}").wait_for()
    assert not (lab.folder / "scenarios/tiny/doubted.yaml").exists()
    page.get_by_role("button", name="Save this").click()
    page.locator(".workbench-message", has_text="Saved: doubted.yaml").wait_for()
    saved = (lab.folder / "scenarios/tiny/doubted.yaml").read_text()
    assert saved.startswith("extends: baseline.yaml")
    assert f"rate: {value}" in saved
    assert lab.outside == []
