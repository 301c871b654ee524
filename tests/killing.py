"""Kills a runner and all that it started, at each stage of its work, and says what is left.

Run as `python killing.py WORKSPACE`: prints a line of JSON for each stage. One process imports
everything and forks a runner for each stage, as imports would be most of the time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from escalation.reporting import nursery, report
from escalation.reporting.batch import Batch
from escalation.reporting.progress import Progress
from escalation.reporting.requests import Request
from escalation.reporting.shelf import Shelf, intact

NAME = "tiny-stage"


def die(*_: object, **__: object) -> NoReturn:
    """Kill the runner, and this report's process with its kernel."""
    os.kill(os.getppid(), signal.SIGKILL)
    os.killpg(0, signal.SIGKILL)
    raise AssertionError("this process is dead")


def built(shelf: Shelf) -> NoReturn:
    """Die with a folder just begun."""
    (shelf.runs / ".building-killed").mkdir()
    die()


def torn(path: Path, text: str, **_: object) -> int:
    """Write a file; die with half of the manifest written."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text[: len(text) // 2] if path.name == "manifest.json" else text)
    if path.name == "manifest.json":
        die()
    return len(text)


STAGES: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "locked": (Shelf, "find", die),
    "building": (Shelf, "build", built),
    "executing": (Progress, "cell", die),
    "exporting": (report, "to_html", die),
    "writing the manifest": (Path, "write_text", torn),
    "before the rename": (Shelf, "publish", die),
    "before the link": (Shelf, "_point", die),
    "after the link": (Shelf, "forget_failed", die),
}


def forked(request: Request, stage: str = "") -> int:
    """Run a batch of one report in a process of its own, and return how it ended."""
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        if stage:
            target, name, instead = STAGES[stage]
            mock.patch.object(target, name, instead).start()
        os._exit(Batch([request]).run())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def seen(request: Request) -> str:
    """Return the folder that is linked, and that it is whole; empty if it is not."""
    link = Path(request.out) / NAME / "2030-03-01"
    manifest = json.loads((link / "manifest.json").read_text(encoding="utf-8"))
    return link.resolve().name if intact(link, manifest["inputs_digest"]) else ""


def main(desk: Path) -> None:
    """Kill a runner at each stage, and let the next one repair."""
    os.chdir(desk)
    path = Path("scenarios/tiny/stage.yaml")
    request = Request(path, out=str(desk / "reports"), draws=32)
    path.write_text("extends: baseline.yaml\ntitle: At first\n", encoding="utf-8")
    nursery.warm(pdf=False)
    assert forked(request) == 0
    for stage in STAGES:
        path.write_text(f"extends: baseline.yaml\ntitle: {stage}\n", encoding="utf-8")
        before = seen(request)
        killed = forked(request, stage)
        after = seen(request)
        repaired = forked(request)
        left = [each.name for each in (desk / "reports" / NAME / "runs").glob(".*")]
        found = {"stage": stage, "killed": killed, "before": before, "after": after}
        sys.stdout.write(
            json.dumps(found | {"repaired": repaired, "now": seen(request), "left": left}) + "\n"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
