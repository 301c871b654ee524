"""Where the work is done: in this process, in several here, or on a Dask cluster.

A job is a pure function of something shared by all tasks (sent once to each worker) and of one
task. Results come back as they are done, each with the number of its task, and do not depend on
who computed them:

    with runner("tcp://10.0.0.5:8786") as run:
        for number, result in run.map(function, shared, tasks):
            ...

What a task raises is raised here, and ends the work: a pure function would fail again. What kills
a worker of a cluster costs no more than its task, which another worker repeats, so a task may be
done twice. What was yielded before a failure is good: who writes it down goes on from there.

Dask (https://distributed.dask.org) is the extra `cluster`; the default needs nothing.

>>> with runner(workers=1) as run:
...     sorted(run.map(pow, 2, [3, 1, 2]))
[(0, 8), (1, 2), (2, 4)]
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from escalation import __version__
from escalation.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

ADDRESS = re.compile(r"\w+://[^/\s]+:\d+")
SECONDS = 10  # to reach a scheduler, and to be without it before giving up


class Runner(Protocol):
    """Does tasks."""

    @property
    def workers(self) -> int:
        """How many tasks are done at once."""

    def map(
        self,
        function: Callable[[Shared, Task], Result],
        shared: Shared,
        tasks: Sequence[Task],
    ) -> Iterator[tuple[int, Result]]:
        """Yield the number and the result of each task, as they are done."""


@contextmanager
def runner(cluster: str | None = None, workers: int | None = None) -> Iterator[Runner]:
    """Return what does the work.

    Parameters
    ----------
    cluster : str, optional
        Address of a Dask scheduler, such as `tcp://10.0.0.5:8786`.
    workers : int, optional
        Processes here, without a cluster; by default one for each processor.

    Raises
    ------
    RunError
        If there is no scheduler, or its workers run other code than this.
    """
    if cluster is not None:
        with _connected(cluster) as client:
            yield Cluster(client, cluster)
        return
    count = workers or usable_processors()
    if count == 1:
        yield Here()
        return
    yield Processes(count)


def usable_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def identity() -> tuple[str, str, str, str]:
    """What decides the last bits of a number: versions of package, NumPy, Python, and engine."""
    import numpy as np

    from escalation.maths import filtering

    return __version__, np.__version__, sys.version.split()[0], filtering.PATH


@dataclass(frozen=True)
class Here:
    """One task after another, in this process."""

    workers: int = 1

    def map(
        self,
        function: Callable[[Shared, Task], Result],
        shared: Shared,
        tasks: Sequence[Task],
    ) -> Iterator[tuple[int, Result]]:
        """Yield results in order."""
        for number, task in enumerate(tasks):
            yield number, function(shared, task)


_kept: list[Any] = []  # of a worker process: its job's function and what its tasks share


def _keep(function: object, shared: object) -> None:
    _kept[:] = [function, shared]


def _run(task: object) -> object:
    function, shared = _kept
    return function(shared, task)


@dataclass(frozen=True)
class Processes:
    """Several processes of this machine."""

    workers: int

    def map(
        self,
        function: Callable[[Shared, Task], Result],
        shared: Shared,
        tasks: Sequence[Task],
    ) -> Iterator[tuple[int, Result]]:
        """Yield results as they are done."""
        pool = ProcessPoolExecutor(
            min(self.workers, max(len(tasks), 1)),
            mp_context=get_context("spawn"),
            initializer=_keep,
            initargs=(function, shared),
        )
        try:
            numbers = {pool.submit(_run, task): number for number, task in enumerate(tasks)}
            for future in as_completed(numbers):
                result: Any = future.result()
                yield numbers.pop(future), result
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process died, perhaps for want of memory; run the command again with "
                "fewer --workers: what is finished is kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class Cluster:
    """Workers of a Dask scheduler.

    Attributes
    ----------
    client : distributed.Client
    address : str
    """

    client: Client
    address: str

    @property
    def workers(self) -> int:
        """Threads of all workers."""
        threads: Any = self.client.nthreads()  # type: ignore[no-untyped-call]
        return max(1, int(sum(threads.values())))

    def map(
        self,
        function: Callable[[Shared, Task], Result],
        shared: Shared,
        tasks: Sequence[Task],
    ) -> Iterator[tuple[int, Result]]:
        """Yield results as they are done; a task whose worker died is done by another."""
        from distributed import as_completed as completed

        with _explained(self.address):
            # A task of its own: the scheduler can have it made again, if all who held it die.
            sent = self.client.submit(_itself, shared, pure=False)
            futures = self.client.map(_apply, tasks, function=function, shared=sent, pure=False)
            numbers = {future.key: number for number, future in enumerate(futures)}
            done = completed(  # type: ignore[no-untyped-call]
                futures, loop=self.client.loop
            )
            del futures
            for future in done:
                result = future.result()
                number = numbers[future.key]
                future.release()
                yield number, result


def _itself(shared: Shared) -> Shared:
    return shared


def _apply(task: Task, function: Callable[[Shared, Task], Result], shared: Shared) -> Result:
    return function(shared, task)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Return a client of a scheduler whose workers run the same code."""
    try:
        from distributed import Client
    except ImportError as error:
        raise RunError("--cluster needs Dask: pip install 'escalation[cluster]'") from error
    import dask

    if not ADDRESS.fullmatch(address):
        raise RunError(f"--cluster: '{address}' is no address; write it as tcp://10.0.0.5:8786")
    settings = {
        "distributed.comm.timeouts.connect": f"{SECONDS}s",
        "distributed.admin.large-graph-warning-threshold": "1GiB",  # draws are sent with tasks
    }
    with dask.config.set(settings):
        try:
            client = Client(  # type: ignore[no-untyped-call]
                address, timeout=SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise RunError(f"no Dask scheduler answers at {address} ({error})") from error
        try:
            _check(client, address)
            yield client
        finally:
            client.close(timeout=SECONDS)  # type: ignore[no-untyped-call]


def _check(client: Client, address: str) -> None:
    with _explained(address):
        theirs = client.run(identity)
    if not theirs:
        raise RunError(f"the scheduler at {address} has no workers; start `dask worker {address}`")
    for worker, its in theirs.items():
        if tuple(its) != identity():
            raise RunError(
                f"worker {worker} has escalation, NumPy, Python and engine {', '.join(its)}, but "
                f"here they are {', '.join(identity())}: install the same, or numbers may differ"
            )


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say what the loss of a scheduler, or of too many workers, means."""
    from asyncio import CancelledError

    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise RunError(
            f"{error.allowed_failures + 1} workers died one after the other over the same task, "
            "perhaps for want of memory; what is finished is kept"
        ) from error
    except (CommClosedError, FutureCancelledError, CancelledError, OSError) as error:
        raise RunError(
            f"the connection to the scheduler at {address} was lost; what is finished is kept: "
            "run the command again when it is back"
        ) from error
