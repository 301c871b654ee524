"""Tasks for the tests of runners, in a module that worker processes can import."""

from __future__ import annotations

import os
import time
from pathlib import Path

from escalation.engine.runners import Here
from escalation.errors import RunError
from escalation.sweeping import store, sweep


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


def attempt(folder: str, task: int) -> int:
    """Note that it was tried, and fail."""
    Path(folder, f"{time.monotonic_ns()}").touch()
    message = f"attempt at {task}"
    raise RunError(message)


def sweep_slowly(job: sweep.Job, out: str, size: int) -> None:
    """Sweep in blocks of so many variants, with time to be killed between them."""
    sweep.BLOCK_DRAWS = size * job.samples
    store.run_sweep(job, Path(out), Here(), lambda _done, _all: time.sleep(0.2))
