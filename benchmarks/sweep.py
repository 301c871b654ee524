"""Sweeps: their rate on all processors, Dask's share, and two other ways to the same numbers.

Each function returns rows (what, value, unit) for `docs/performance.md`; alone, the script prints
them: `python benchmarks/sweep.py [VARIANTS] [SAMPLES]`. The case is the venezuela baseline with
four assumptions varied. All ways evaluate the same model at the same draws, and their answers are
checked against each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.runners import runner
from escalation.reading.ranges import read_range
from escalation.reading.scenario import load
from escalation.sweeping.designs import latin
from escalation.sweeping.store import run_sweep
from escalation.sweeping.sweep import evaluate, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from escalation.sweeping.sweep import Job

Row = tuple[str, float, str]

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "scenarios" / "venezuela" / "baseline.yaml"
VARIED = {
    "latent.intent.moves.coerce -> strike.rate": "0.02:0.4",
    "latent.intent.start.strike": "0.02:0.4",
    "indicators.designation.effect.climb": "1:4",
    "ladder.moves.strikes -> campaign.rate": "0.1:3",
}
SEED = 20251122


def job_of(variants: int, samples: int) -> Job:
    """Return a sweep of the baseline, a Latin hypercube."""
    case = load(CASE)
    ranges = [read_range(name, text, case.assumptions) for name, text in VARIED.items()]
    return prepare(case, latin(ranges, variants, SEED), samples=samples, draws=2048)


def rate(variants: int = 10_000, samples: int = 32) -> list[Row]:
    """Time a whole sweep on all processors, on disk at the end."""
    job = job_of(variants, samples)
    with tempfile.TemporaryDirectory() as out, runner() as run:
        begun = time.perf_counter()
        found = run_sweep(job, Path(out), run)
        seconds = time.perf_counter() - begun
        size = found.path.stat().st_size / 1e6
        return [
            (f"sweep of {variants:,} variants, {samples} draws each, {run.workers} workers",
             seconds, "s"),
            ("variants per second", variants / seconds, "1/s"),
            ("its Parquet file", size, "MB"),
        ]  # fmt: skip


def alone(variants: int = 512, samples: int = 32, some: int = 8) -> list[Row]:
    """Compare blocks with each variant by itself: shared draws, and from its own prior."""
    from dataclasses import replace

    from escalation.engine.assessment import assess
    from escalation.maths.priors import Fixed

    job = job_of(variants, samples)
    begun = time.perf_counter()
    block = evaluate(job, job.blocks()[0])
    each = (time.perf_counter() - begun) / len(block.variants)
    begun = time.perf_counter()
    for variant in range(some):
        one = evaluate(job, range(variant, variant + 1))
        np.testing.assert_allclose(one.probability[0], block.probability[variant], rtol=1e-9)
    single = (time.perf_counter() - begun) / some
    case = job.plan.scenario
    begun = time.perf_counter()
    for variant in range(2):
        pins = dict(zip(job.design.names, job.design.values[variant], strict=True))
        held = {n: replace(case.assumptions[n], prior=Fixed(float(v))) for n, v in pins.items()}
        answer = assess(replace(case, assumptions={**case.assumptions, **held}))
        mine = block.probability[variant, -1, 0]
        assert abs(answer.reach_by(job.targets[0]).probability - mine) < 0.1
    whole = (time.perf_counter() - begun) / 2
    return [
        ("a variant in a block", 1e3 * each, "ms"),
        ("the same evaluated by itself, times that", single / each, "x"),
        ("`escalation assess` of it, 4,096 draws of its own, times that", whole / each, "x"),
    ]


def dask(tasks: int = 400, variants: int = 2048, samples: int = 32) -> list[Row]:
    """Measure Dask's overhead per task, and a sweep on one and on two workers on loopback."""
    job = job_of(variants, samples)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            with _machines(workers) as address, runner(address) as run:
                list(run.map(pow, 2, list(range(8))))  # a first task pays for the connections
                begun = time.perf_counter()
                list(run.map(pow, 2, list(range(tasks))))
                empty = (time.perf_counter() - begun) / tasks
                begun = time.perf_counter()
                run_sweep(job, Path(folder, str(workers)), run)
                seconds[workers] = time.perf_counter() - begun
    return [
        ("overhead of a task on Dask", 1e3 * empty, "ms"),
        (f"sweep of {variants:,} variants on 1 Dask worker of 1 thread", seconds[1], "s"),
        ("speed-up on 2 Dask workers", seconds[1] / seconds[2], "x"),
    ]


@contextmanager
def _machines(workers: int) -> Iterator[str]:
    """Start a scheduler and workers, each with one thread of one process."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "distributed.cli.dask_"]
    options = ["--no-dashboard"]
    started = [["scheduler", "--host", "127.0.0.1", "--port", port, "--no-show"]]
    started += [["worker", address, "--no-nanny", "--nthreads", "1"]] * workers
    running = [
        subprocess.Popen(
            [*command[:2], command[2] + arguments[0], *arguments[1:], *options],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for arguments in started
    ]
    try:
        from distributed import Client

        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


def workbench(variants: int = 64, samples: int = 32) -> list[Row]:
    """Let the EMA workbench evaluate the same model at the same variants, one after another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ema_workbench import (
                Model,
                RealParameter,
                ScalarOutcome,
                Scenario,
                SequentialEvaluator,
            )
        except ImportError:
            return []
        job = job_of(variants, samples)
        begun = time.perf_counter()
        blocks = [evaluate(job, each) for each in job.blocks()]
        ours = time.perf_counter() - begun
        found = np.concatenate([block.probability[:, -1, 0] for block in blocks])

        place = {tuple(values): number for number, values in enumerate(job.design.values)}

        def function(**values: float) -> dict[str, float]:
            number = place[tuple(values[f"x{i}"] for i in range(len(VARIED)))]
            return {"p": float(evaluate(job, range(number, number + 1)).probability[0, -1, 0])}

        model = Model("baseline", function=function)
        model.uncertainties = [
            RealParameter(f"x{i}", each.low, each.high) for i, each in enumerate(job.design.ranges)
        ]
        model.outcomes = [ScalarOutcome("p")]
        rows = [Scenario(str(n), **{f"x{i}": v for i, v in enumerate(values)})
                for n, values in enumerate(job.design.values)]  # fmt: skip
        begun = time.perf_counter()
        with SequentialEvaluator(model) as evaluator:
            _, outcomes = evaluator.perform_experiments(scenarios=rows)
        theirs = time.perf_counter() - begun
    np.testing.assert_allclose(np.sort(outcomes["p"]), np.sort(found), rtol=1e-9)
    return [
        (f"blocks, {variants} variants", ours, "s"),
        ("EMA workbench evaluating the same, times that", theirs / ours, "x"),
    ]


if __name__ == "__main__":
    sizes = [int(each) for each in sys.argv[1:]] or [10_000, 32]
    measured = [*alone(), *workbench(), *dask(), *rate(*sizes)]
    for what, value, unit in measured:
        print(f"{what:<72}{value:>12.3g} {unit}")
