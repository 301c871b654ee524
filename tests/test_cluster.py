"""What working on a cluster promises (`engine.runners`): a real scheduler, two workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import escalation
from cases import load_case, row
from chores import die, divide, pause
from escalation.comparing.compare import compare
from escalation.engine import runners
from escalation.engine.runners import Cluster, runner
from escalation.engine.shared_draws import on_runner
from escalation.errors import RunError
from escalation.sweeping.designs import grid, read_range
from escalation.sweeping.store import run_sweep
from escalation.sweeping.sweep import Job, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from escalation.reading.case import Scenario

pytest.importorskip("distributed")

ROWS = (row("fleet-1", "fleet", "2025-01-20"), row("shots-1", "shots", "2025-02-20", grade="B2"))
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
        _wait(made)
        yield made
    finally:
        made.stop()


def _wait(made: Machines) -> None:
    from distributed import Client

    connected: Any = Client(made.address, timeout=SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
    with connected as client:
        client.wait_for_workers(len(made.workers), timeout=SECONDS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler and two workers that stay well."""
    with machines(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """The small case."""
    return load_case(tmp_path_factory.mktemp("case"), ROWS)


@pytest.fixture(scope="module")
def job(case: Scenario) -> Job:
    """A sweep of 64 variants."""
    names = ("ladder.moves.low -> high.intent.fight", "latent.intent.moves.bluff -> fight.rate")
    ranges = [read_range(name, "0.1:0.8:8", case.assumptions) for name in names]
    return prepare(case, grid(ranges), samples=128, draws=128, horizon=30)


def test_same_bits(cluster: Machines, job: Job, tmp_path: Path) -> None:
    """A sweep on a cluster gives the same numbers as here, to the bit."""
    with runner(cluster.address) as run:
        assert isinstance(run, Cluster)
        assert run.workers == 2
        there = run_sweep(job, tmp_path / "there", run)
    with runner(workers=1) as run:
        here = run_sweep(job, tmp_path / "here", run)
    for name in ("probability", "low", "high", "ess", "log_evidence"):
        mine, its = getattr(here.block, name), getattr(there.block, name)
        np.testing.assert_array_equal(mine, its)


def test_comparison_on_a_cluster(cluster: Machines, case: Scenario, tmp_path: Path) -> None:
    """A comparison on a cluster gives the same numbers as here, to the bit."""
    change = {"ladder": {"moves": {"high -> low": {"rate": 0.4}}}}
    cases = [case, load_case(tmp_path, ROWS, change)]
    local = compare(cases, draws=600, horizon=20)
    with runner(cluster.address) as run:
        remote = compare(cases, draws=600, horizon=20, distribute=partial(on_runner, run))
    for mine, its in zip(local.weighed, remote.weighed, strict=True):
        np.testing.assert_array_equal(mine.weights, its.weights)
        np.testing.assert_array_equal(mine.outcomes.reached, its.outcomes.reached)
    assert [e.parts for e in local.explanations] == [e.parts for e in remote.explanations]


def test_errors_come_back(cluster: Machines) -> None:
    """What goes wrong in a task is raised here, as it was there."""
    with runner(cluster.address) as run, pytest.raises(ZeroDivisionError):
        list(run.map(divide, 1, [1, 0]))


def test_killed_worker_loses_nothing(tmp_path: Path) -> None:
    """A worker killed in the middle costs time only: every task is done, by the other."""
    with machines(tmp_path) as made, runner(made.address) as run:
        (tmp_path / "done").mkdir()
        found: dict[int, tuple[int, int]] = {}
        for number, result in run.map(pause, str(tmp_path / "done"), list(range(12))):
            found[number] = result
            if len(found) == 3:
                made.workers[0].send_signal(signal.SIGKILL)
        assert sorted(found) == list(range(12))
        assert [found[number][0] for number in range(12)] == list(range(12))
        survivor = made.workers[1].pid
        assert {pid for _, pid in list(found.values())[-4:]} == {survivor}


def test_scheduler_lost_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that is killed in the middle is an error within seconds, and no hang."""
    monkeypatch.setattr(runners, "SECONDS", 3)
    with machines(tmp_path) as made:
        (tmp_path / "done").mkdir()
        begun: list[float] = []

        def work() -> None:
            with runner(made.address) as run:
                for _ in run.map(pause, str(tmp_path / "done"), list(range(40))):
                    if not begun:
                        begun.append(time.monotonic())
                        assert made.scheduler is not None
                        made.scheduler.kill()

        with pytest.raises(RunError, match=r"scheduler at tcp://127.* was lost.*kept"):
            work()
        assert time.monotonic() - begun[0] < 30


def test_dead_process_is_an_error() -> None:
    """Without a cluster too, a process that dies is an error that says what to do, and no hang."""
    with runner(workers=2) as run, pytest.raises(RunError, match="fewer --workers"):
        list(run.map(die, None, [0, 1, 2, 3]))


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nothing answers is an error that names it."""
    monkeypatch.setattr(runners, "SECONDS", 1)
    with pytest.raises(RunError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        runner("tcp://127.0.0.1:9").__enter__()


def test_other_versions_are_refused(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of other versions, whose numbers may differ in the last bits, are refused."""
    monkeypatch.setattr("escalation.maths.filtering.PATH", "other")
    with (
        pytest.raises(RunError, match=r"worker tcp://.* install the same"),
        runner(cluster.address),
    ):
        pass
