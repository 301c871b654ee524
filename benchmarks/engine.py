"""Both paths of the engine against the arithmetic limit, the plainest program, and themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.page import table
from benchmarks.timing import Taken, interleaved, operation, processor, ratio, wall
from benchmarks.workload import Size, operations, twin, workload

from escalation.maths import compiled, recursions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from escalation.maths.filtering import Batch, Inference, Questions

    Array = NDArray[np.float64]

STANDARD = Size()


@dataclass(frozen=True)
class Rows:
    """What came of a part: text for the page, numbers for the goals."""

    text: str
    numbers: dict[str, float]


def same(batch: Batch, asked: Questions) -> float:
    """Largest difference between the three contestants' answers, which must be below 1e-9."""
    kernel, plain = compiled.infer(batch, asked), recursions.infer(batch, asked)
    answers = twin(batch, asked)
    worst = max(_apart(kernel, answers), _apart(plain, answers))
    assert worst < 1e-9, f"contestants disagree by {worst}"
    return worst


def _apart(found: Inference, answers: dict[str, Array]) -> float:
    mine = {
        "filtered": found.filtered,
        "smoothed": found.smoothed,
        "forecast": found.forecast,
        "passage": found.passage[1:],
    }
    order = {"filtered": (0, 2, 1), "smoothed": (0, 2, 1), "forecast": (0, 2, 1)}
    worst = float(
        np.abs(found.likelihood.loglik / answers["loglik"] - 1).max()  # relative: it is −200
    )
    for name, value in mine.items():
        theirs = answers[name]
        theirs = theirs.transpose(order.get(name, (1, 0, 2)))
        worst = max(worst, float(np.abs(value - theirs).max()))
    return worst


def kernel_works(
    name: str, batch: Batch, asked: Questions | None
) -> dict[str, Callable[[], float]]:
    """The kernel on one and on two threads, and on one by processor time."""
    ready = compiled.prepare(batch, asked)
    return {
        f"{name} kernel": partial(wall, partial(ready.run, threads=1)),
        f"{name} kernel, processor": partial(processor, partial(ready.run, threads=1)),
        f"{name} kernel, 2 threads": partial(wall, partial(ready.run, threads=2)),
    }


def contest(*, quick: bool) -> Rows:
    """Time the standard workload and its variants, all contestants in turn in every round."""
    draws = 1024 if quick else 4096
    sizes = {
        "24 states": replace(STANDARD, draws=draws),
        "24 states, fading daily": replace(STANDARD, draws=1024, fading=True),
        "8 states": replace(STANDARD, intents=2, rungs=4, draws=draws),
        "60 states": replace(STANDARD, intents=6, rungs=10, draws=256),
    }
    works: dict[str, Callable[[], float]] = {"operation": operation}
    reported, counted, worst = {}, {}, 0.0
    for name, size in sizes.items():
        batch, asked = workload(size)
        worst = max(worst, same(batch.part(slice(0, 64)), asked))
        reported[name] = compiled.prepare(batch, asked).run(threads=1) / size.draws
        counted[name] = operations(batch, asked)
        works |= kernel_works(name, batch, asked)
        part = batch.part(slice(0, 256)) if size.fading else batch
        few = batch.part(slice(0, 64)) if size.fading else batch
        works[f"{name} numpy"] = partial(_each, recursions.infer, part, size.draws, asked)
        works[f"{name} twin"] = partial(_each, twin, few, size.draws, asked)
    batch, asked = workload(sizes["24 states"])
    reported["log-likelihood"] = compiled.prepare(batch, None).run(threads=1) / draws
    works |= kernel_works("log-likelihood", batch, None)
    ready = compiled.prepare(batch, asked)
    works["log-likelihood numpy"] = partial(wall, partial(recursions.log_likelihood, batch))
    taken = interleaved(works, 2 if quick else 4)
    pair = {name: works[name] for name in ("24 states kernel", "24 states kernel, 2 threads")}
    pair["both"] = partial(processor, partial(ready.run, threads=2))
    pair["one"] = partial(processor, partial(ready.run, threads=1))
    threads = interleaved(pair, 5 if quick else 15)
    lines = [
        (name, f"{size.draws:,}", *(_micro(taken.get(f"{name} {who}"), size.draws)
         for who in ("kernel", "kernel, 2 threads", "numpy", "twin")))
        for name, size in {**sizes, "log-likelihood": sizes["24 states"]}.items()
    ]  # fmt: skip
    head = ("", "draws", "kernel, 1 thread", "kernel, 2 threads", "NumPy path", "batched expm")
    limits = [
        (name, f"{flop / 1e6:.2f}", f"{_over(taken, name, flop, sizes):.2f}",
         f"{counted[name] / 1e6:.2f}" if name in counted else "",
         f"{_over(taken, name, counted[name], sizes):.2f}" if name in counted else "")
        for name, flop in reported.items()
    ]  # fmt: skip
    gigaflops = 1e-9 / taken["operation"].median
    text = (
        "Microseconds per draw by the wall clock, median (least) of rounds; all outputs unless "
        f"said. Contestants agreed to {worst:.0e} before they were timed.\n\n"
        + table(head, lines)
        + "\n\nThe arithmetic limit is the floating-point operations over the rate of a matrix "
        f"product on one thread in the same rounds, {gigaflops:.1f} GFLOP/s "
        f"({1e-9 / taken['operation'].least:.1f} at best). Operations are what the kernel reports "
        "that it needed, and those of the standard algorithm as counted (uniformisation day by "
        "day, see `benchmarks/workload.py`). Times over the limit are by processor time.\n\n"
        + table(
            ("", "MFLOP per draw, kernel", "kernel ÷ its limit", "MFLOP per draw, standard",
             "kernel ÷ the standard limit"),
            limits,
        )
    )  # fmt: skip
    fading, constant = "24 states, fading daily", "24 states"
    numbers = {
        "limit": _over(taken, constant, reported[constant], sizes),
        "limit standard": _over(taken, constant, counted[constant], sizes),
        "threads": ratio(threads["24 states kernel"], threads["24 states kernel, 2 threads"]),
        "fading": ratio(
            taken[f"{fading} kernel, processor"], taken[f"{constant} kernel, processor"]
        )
        * draws
        / sizes[fading].draws,
        "kernel to twin": ratio(taken[f"{constant} twin"], taken[f"{constant} kernel"]),
        "kernel 2 to twin": ratio(
            taken[f"{constant} twin"], taken[f"{constant} kernel, 2 threads"]
        ),
        "numpy to twin": ratio(taken[f"{constant} twin"], taken[f"{constant} numpy"]),
        "gigaflops": gigaflops,
        "agreement": worst,
    }
    best = threads["24 states kernel"].least / threads["24 states kernel, 2 threads"].least
    text += (
        f"\n\nTwo threads against one, over {len(threads['one'].rounds)} rounds of their own: "
        f"{numbers['threads']:.2f} times as fast by the median of the rounds, {best:.2f} by the "
        f"least times; they take {ratio(threads['both'], threads['one']):.2f} times the processor "
        "time of one. Fading effects are timed on 256 draws for the NumPy path and on 64 for the "
        "matrix exponentials, and scaled up."
    )
    return Rows(text, numbers)


def _each(
    program: Callable[[Batch, Questions], object], batch: Batch, draws: int, asked: Questions
) -> float:
    """Seconds of a program for so many draws, measured on those of the batch."""
    return wall(partial(program, batch, asked)) * draws / batch.size


def _micro(taken: Taken | None, draws: int) -> str:
    if taken is None:
        return ""
    return f"{taken.median / draws * 1e6:,.1f} ({taken.least / draws * 1e6:,.1f})"


def _over(taken: dict[str, Taken], name: str, flop: float, sizes: dict[str, Size]) -> float:
    """Kernel's processor time over the time its operations take in a matrix product."""
    draws = sizes.get(name, sizes["24 states"]).draws
    rounds = np.array(taken[f"{name} kernel, processor"].rounds) / draws
    return float(np.median(rounds / (np.array(taken["operation"].rounds) * flop)))


def growth(*, quick: bool) -> Rows:
    """Time the kernel, all outputs on one thread, as one thing at a time grows."""
    base = replace(STANDARD, draws=512)
    grown = {
        "draws": [(f"{n:,}", replace(base, draws=n)) for n in (64, 256, 1024, 4096, 16384)],
        "states": [
            (f"{i * r}", replace(base, intents=i, rungs=r))
            for i, r in ((2, 4), (3, 5), (4, 6), (4, 9), (6, 10))
        ],
        "moves": [("", replace(base, jumps=jumps)) for jumps in (1, 2, 3, 5)],
        "days": [(f"{n}", replace(base, days=n, horizon=90)) for n in (30, 60, 120, 240, 480)],
        "reports": [(f"{n}", replace(base, reports=n)) for n in (0, 10, 40, 80, 160)],
    }
    works: dict[str, Callable[[], float]] = {}
    labels = {}
    for what, sizes in grown.items():
        for number, (label, size) in enumerate(sizes):
            batch, asked = workload(size)
            ready = compiled.prepare(batch, asked)
            labels[what, number] = label or str(len(batch.chain.source)), size.draws
            works[f"{what} {number}"] = partial(processor, partial(ready.run, threads=1))
    taken = interleaved(works, 2 if quick else 5)
    lines = []
    for what, sizes in grown.items():
        cells = []
        for number in range(len(sizes)):
            label, draws = labels[what, number]
            cells.append(f"{label}: {taken[f'{what} {number}'].median / draws * 1e6:.1f}")
        lines.append((what, " · ".join(cells)))
    text = (
        "The kernel, all outputs, one thread, 512 draws unless said: processor microseconds per "
        "draw, medians of interleaved rounds, as one thing at a time differs from the standard "
        "workload.\n\n" + table(("what grows", "its size: microseconds per draw"), lines)
    )
    return Rows(text, {})
