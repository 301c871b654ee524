"""A real Dask scheduler and its workers on loopback, each a process that a test may kill."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import escalation

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60


@dataclass
class Machines:
    """A scheduler and its workers, each a process of its own."""

    address: str
    folder: Path
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a Dask process that runs this very package."""
        package = str(Path(escalation.__file__).parents[1])
        paths = os.pathsep.join([package, str(Path(__file__).parent)])
        log = (self.folder / f"{len(self.workers)}-{arguments[0]}.log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
                env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def worker(self) -> subprocess.Popen[bytes]:
        """Start one worker of one thread, with no nanny to bring it back."""
        made = self.start(
            "worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
            "--death-timeout", "30",
        )  # fmt: skip
        self.workers.append(made)
        return made

    def wait(self) -> None:
        """Wait until every worker that runs has joined."""
        from distributed import Client

        alive = sum(process.poll() is None for process in self.workers)
        connected: Any = Client(self.address, timeout=SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
        with connected as client:
            client.wait_for_workers(alive, timeout=SECONDS)

    def stop(self) -> None:
        """End every process."""
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.kill()
            if process is not None:
                process.wait(SECONDS)


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """Start a scheduler and two workers on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Machines(f"tcp://127.0.0.1:{port}", folder)
    made.scheduler = made.start(
        "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"
    )
    try:
        made.worker()
        made.worker()
        made.wait()
        yield made
    finally:
        made.stop()
