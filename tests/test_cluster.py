"""What working on a cluster promises (`engine.runners`): a real scheduler, two workers."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cases import load_case, row
from chores import attempt, die, divide, pause
from escalation.comparing.compare import compare
from escalation.engine import runners
from escalation.engine.runners import Cluster, runner
from escalation.engine.shared_draws import on_runner
from escalation.errors import RunError
from escalation.reading.ranges import read_range
from escalation.sweeping.designs import grid
from escalation.sweeping.store import run_sweep
from escalation.sweeping.sweep import Job, prepare
from machines import Machines, machines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from escalation.reading.case import Scenario

pytest.importorskip("distributed")

ROWS = (row("fleet-1", "fleet", "2025-01-20"), row("shots-1", "shots", "2025-02-20", grade="B2"))


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


def test_sweep_outlives_a_worker_and_a_scheduler(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep goes on without a dead worker, and after a dead scheduler from what is finished."""
    monkeypatch.setattr("escalation.sweeping.sweep.BLOCK_DRAWS", 256)
    monkeypatch.setattr(runners, "SECONDS", 3)
    out = tmp_path / "out"
    told: list[int] = []

    def killing(made: Machines) -> Callable[[int, int], None]:
        def progress(done: int, _all: int) -> None:
            told.append(done)
            if done == 6:
                made.workers[0].kill()
            if done == 20 and made.scheduler is not None:
                made.scheduler.kill()

        return progress

    def run(made: Machines) -> None:
        with runner(made.address) as workers:
            run_sweep(job, out, workers, killing(made))

    with machines(tmp_path) as made, pytest.raises(RunError, match="was lost"):
        run(made)
    assert told[-1] >= 20, "the worker's death cost nothing"
    with runner(workers=1) as here:
        found = run_sweep(job, out, here, lambda done, _all: told.append(done))
        whole = run_sweep(job, tmp_path / "whole", here)
    assert told[told.index(64) - 1] > 20
    assert found.path.read_bytes() == whole.path.read_bytes()


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


def test_failures_are_not_tried_again(cluster: Machines, tmp_path: Path) -> None:
    """A pure function that failed would fail again: it is not asked a second time."""
    with runner(cluster.address) as run, pytest.raises(RunError, match="attempt"):
        list(run.map(attempt, str(tmp_path), [0]))
    assert len(list(tmp_path.iterdir())) == 1


def test_every_first_worker_dies(tmp_path: Path) -> None:
    """What the tasks share is made again when every worker that held it has died."""
    with machines(tmp_path) as made, runner(made.address) as run:
        (tmp_path / "done").mkdir()
        found = []
        for number, _ in run.map(pause, str(tmp_path / "done"), list(range(8))):
            found.append(number)
            if len(found) == 2:
                made.worker()
                made.wait()
                for first in made.workers[:2]:
                    first.send_signal(signal.SIGKILL)
        assert sorted(found) == list(range(8))


def test_deadly_task_is_named(tmp_path: Path) -> None:
    """A task that kills every worker given to it is an error that says so, and no endless loop."""
    with machines(tmp_path) as made:
        for _ in range(2):
            made.worker()
        made.wait()
        with (
            runner(made.address) as run,
            pytest.raises(RunError, match="4 workers died one after the other"),
        ):
            list(run.map(die, None, [1]))


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


@pytest.mark.parametrize("address", ["nonsense", "10.0.0.5:8786", "tcp://10.0.0.5", ""])
def test_no_address(address: str) -> None:
    """What is no address is told at once, with how to write one."""
    with pytest.raises(RunError, match="is no address; write it as tcp://"):
        runner(address).__enter__()


def test_other_versions_are_refused(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of other versions, whose numbers may differ in the last bits, are refused."""
    monkeypatch.setattr("escalation.maths.filtering.PATH", "other")
    with (
        pytest.raises(RunError, match=r"worker tcp://.* install the same"),
        runner(cluster.address),
    ):
        pass
