"""Simulation-based calibration at full size, on each way of drawing: ranks and their p-values.

What the test suite checks in seconds on few cases and draws, here on many cases at the draws a
user gets: `python benchmarks/calibration.py [--cases 1000] [--seed 1] [--path numpy]
[--ways prior amis]`.
Each way's result goes to `docs/performance.md` when it is done, a section for each path.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from benchmarks.page import table, write

from calibration import CHANGES, NAMES, Calibration, calibrate, excess, uniformity
from cases import load_case
from escalation.engine import posterior
from escalation.maths import filtering

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 20251122
KEPT = 99
BINS = 10
BLOCK = 25  # cases of one task; each block has its own seed
SECTION = {"kernel": "calibration", "numpy": "calibration_numpy"}
# What makes the engine take a way whether or not it has to.
WAYS: dict[str, dict[str, float]] = {
    "prior": {"ENOUGH": 0.0, "TRUSTED": float("inf")},
    "amis": {"TRUSTED": -9.0, "SCARCE": 0.0, "HEAVY": 1.0, "ROUNDS": 2},
    "smc+amis": {"TRUSTED": -9.0, "SCARCE": 2.0, "ROUNDS": 2},
}


@dataclass(frozen=True)
class Task:
    """A block of cases, inferred in one way on one path."""

    way: str
    path: str
    block: int
    draws: int
    seed: int


def run(task: Task) -> Calibration:
    """Simulate and infer a block of cases."""
    filtering.PATH = task.path
    for name, value in WAYS[task.way].items():
        setattr(posterior, name, value)
    with tempfile.TemporaryDirectory() as folder:
        return calibrate(
            load_case(Path(folder), changes=CHANGES),
            NAMES,
            cases=BLOCK,
            draws=task.draws,
            seed=task.seed + 2 * task.block,  # calibrate uses a seed and the one after it
            posterior=KEPT,
        )


def together(found: list[Calibration]) -> Calibration:
    """All blocks as one."""
    return Calibration(
        found[0].names,
        np.concatenate([each.ranks for each in found]),
        found[0].posterior,
        np.concatenate([each.forecast for each in found]),
        np.concatenate([each.held for each in found]),
        tuple(method for each in found for method in each.methods),
    )


def histogram(ranks: NDArray[np.intp]) -> str:
    """Counts of ranks in equal bins."""
    return " ".join(str(n) for n in np.histogram(ranks, BINS, (0, KEPT + 1))[0])


def section(results: dict[str, tuple[Calibration, float]], path: str, draws: int, seed: int) -> str:
    """Say what was run and what came of it."""
    rows = []
    for way, (found, seconds) in results.items():
        gap = float(np.abs(excess(found)).max())
        for column, name in enumerate(found.names):
            ranks = found.ranks[:, column]
            p = uniformity(ranks, KEPT, BINS)
            rows.append((way, f"`{name}`", f"{p:.3f}", histogram(ranks)))
        rows.append((
            way, "states held against forecast", f"{gap:.2f} standard errors at most",
            f"{len(found.methods):,} cases, {found.methods.count(way):,} so, {seconds:,.0f} s",
        ))  # fmt: skip
    return (
        "Truths drawn from the prior, a case with reports and silences simulated from each, the "
        f"whole inference run on it with {draws:,} draws on the {path} path, and the truth ranked "
        f"among {KEPT} posterior draws. If the inference is right, ranks are uniform: each p-value "
        f"is of a chi-square test over {BINS} bins, whose counts follow. A p-value below "
        f"{0.01 / max(1, len(results) * len(NAMES)):.4f} would be an alarm, at a false-alarm rate "
        f"of 1 % over the table. `python benchmarks/calibration.py --seed {seed}` makes it "
        "again.\n\n" + table(("way", "assumption", "p", "ranks in bins"), rows)
    )


def main() -> None:
    """Run the ways asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="cases per way")
    parser.add_argument("--draws", type=int, default=4096, help="draws per case")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first block of cases")
    parser.add_argument("--path", choices=filtering.PATHS, default=filtering.PATH)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    results: dict[str, tuple[Calibration, float]] = {}
    with ProcessPoolExecutor(asked.workers) as pool:
        for way in asked.ways:
            begun = time.perf_counter()
            blocks = range(-(-asked.cases // BLOCK))
            tasks = [Task(way, asked.path, block, asked.draws, asked.seed) for block in blocks]
            found = together(list(pool.map(run, tasks)))
            results[way] = found, time.perf_counter() - begun
            text = section(results, asked.path, asked.draws, asked.seed)
            write({SECTION[asked.path]: text})
            print(text, flush=True)


if __name__ == "__main__":
    main()
