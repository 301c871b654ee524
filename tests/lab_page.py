"""JupyterLab on loopback and a browser on it, for the tests and for `benchmarks/drag.py`.

`jupyter_lab` runs `escalation lab` on a workspace of its own; `chromium_page` opens Debian's
Chromium. What the page asks of other hosts is refused and noted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

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
LATER = 60_000  # milliseconds; how long a busy machine may take


def absent() -> str:
    """Return what is missing on this machine, or nothing."""
    import importlib.util

    for module, what in (
        ("jupyterlab", "no JupyterLab: install 'escalation[lab]'"),
        ("playwright", "no Playwright for Python"),
    ):
        if importlib.util.find_spec(module) is None:
            return what
    return "" if Path(CHROMIUM).exists() else "no Chromium on this machine"


@dataclass
class Lab:
    """A JupyterLab on a workspace of its own."""

    folder: Path
    url: str
    outside: list[str] = field(default_factory=list)


@contextmanager
def jupyter_lab(folder: Path, around: Path) -> Iterator[Lab]:
    """Run `escalation lab` on a workspace; its settings and its log are in another folder."""
    homes = {f"JUPYTER_{each}_DIR": str(around / each) for each in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    options += [f"--IdentityProvider.token={TOKEN}", "--LabApp.extension_manager=readonly"]
    with (around / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "escalation", "lab", *options],
            cwd=folder,
            env={**os.environ, **homes, "HOME": str(around), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Lab(folder, _address(around / "RUNTIME", server))
        finally:
            server.terminate()
            server.wait(30)


def _address(runtime: Path, server: subprocess.Popen[bytes]) -> str:
    """Wait until the server says where it is."""
    until = time.monotonic() + 2 * LATER / 1000
    while time.monotonic() < until:
        for found in runtime.glob("jpserver-*.json"):
            if text := found.read_text():
                return str(json.loads(text)["url"])
        if server.poll() is not None:
            log = (runtime.parent / "server.log").read_text(encoding="utf-8")
            raise RuntimeError(f"JupyterLab ended: {log[-2000:]}")
        time.sleep(0.1)
    raise TimeoutError("JupyterLab did not start")


@contextmanager
def chromium_page(lab: Lab, size: tuple[int, int] = (1500, 950)) -> Iterator[Page]:
    """Open a page of a fresh Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
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


def open_workbench(page: Page, lab: Lab) -> None:
    """Open the page that `escalation lab` opens, and wait for the answer that it shows."""
    page.goto(f"{lab.url}lab/tree/notebooks/workbench.ipynb?token={TOKEN}&reset")
    page.locator(".workbench-headline b").first.wait_for()


def grip(page: Page, handle: str = ".workbench-range .noUi-handle-upper") -> tuple[float, float]:
    """Return the middle of a slider's handle, scrolled into view."""
    first = page.locator(handle).first
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    if box is None:
        raise RuntimeError("the slider is not on the page")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
