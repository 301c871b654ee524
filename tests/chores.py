"""Tasks for the tests of runners, in a module that worker processes can import."""

from __future__ import annotations

import os
import time
from pathlib import Path


def pause(folder: str, number: int) -> tuple[int, int]:
    """Take a while, and say who did it."""
    Path(folder, f"{number}-{os.getpid()}").touch()
    time.sleep(0.4)
    return number, os.getpid()


def divide(numerator: int, task: int) -> float:
    """Fail for 0."""
    return numerator / task


def die(_: None, task: int) -> int:
    """Kill the process that does task 1."""
    if task == 1:
        os._exit(9)
    return task
