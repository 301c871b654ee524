"""A morning's batch: 200 scenarios with `escalation report`, against a shell loop.

The scenarios are variants of all that the project has: those of the founding case and the baseline
of each past crisis, in turn.

The loop is what one would write without a runner: for each scenario plain `papermill`, then plain
`nbconvert`, over the same notebook. It has nothing to remember by, so that it takes as long when
nothing has changed. It is timed on a few of the scenarios, half of them before the batch and half
after it, and their mean is taken for each: this favours neither, and the page says so.

Memory is the proportional set size (PSS) of the whole tree of processes: pages that forks share
count once. It is sampled, so a short peak may be missed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np
import psutil
from benchmarks import page

HERE = Path(__file__).resolve().parents[1]
NOTEBOOK = "notebooks/scenario_report.ipynb"
DRAWS = 4096  # as the notebook's own
EVERY = 50  # one in so many scenarios is changed before the warm run
SAMPLE_SECONDS = 0.2


@dataclass(frozen=True)
class Took:
    """What a command took: seconds, and the largest memory of all its processes in bytes."""

    seconds: float
    memory: float


def desk(folder: Path, count: int) -> list[Path]:
    """Make a workspace with so many variants of the project's scenarios, in turn."""
    shutil.copytree(HERE / "scenarios", folder / "scenarios")
    shutil.copytree(HERE / "notebooks", folder / "notebooks")
    cases = folder / "scenarios"
    bases = [*sorted(cases.glob("venezuela/*.yaml")), *sorted(cases.glob("history/*/base*.yaml"))]
    paths = []
    for number in range(count):
        base = bases[number % len(bases)]
        path = base.with_name(f"{base.stem}_{number:03}.yaml")
        write(path, base.name, 0.3 + number / 1000)
        paths.append(path.relative_to(folder))
    return paths


def write(path: Path, base: str, correlation: float) -> None:
    """Write a variant, which differs from a scenario in one number."""
    path.write_text(
        f"extends: {base}\ntitle: {path.stem}\necho_correlation: {correlation}\n",
        encoding="utf-8",
    )


def run(command: list[str], folder: Path) -> Took:
    """Run a command, and measure it with all that it starts."""
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        most, over = [0.0], Event()
        watcher = Thread(target=_watch, args=(process.pid, most, over))
        watcher.start()
        code = process.wait()
        seconds = time.perf_counter() - begun
        over.set()
        watcher.join()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with code {code}")
    return Took(seconds, most[0])


def _watch(pid: int, most: list[float], over: Event) -> None:
    while not over.wait(SAMPLE_SECONDS):
        most[0] = max(most[0], _memory(pid))


def _memory(pid: int) -> float:
    """Bytes of a process and all below it; what ends meanwhile counts nothing."""
    total = 0.0
    try:
        top = psutil.Process(pid)
        for each in (top, *top.children(recursive=True)):
            try:
                total += each.memory_full_info().pss
            except psutil.Error:
                continue
    except psutil.Error:
        return 0.0
    return total


def loop(folder: Path, paths: list[Path], draws: int) -> list[Took]:
    """Make reports as a shell loop would: papermill, then nbconvert."""
    taken = []
    for path in paths:
        out = folder / "loop" / path.stem
        out.mkdir(parents=True)
        done = str(out / "report.ipynb")
        words = ["-k", "python3", "-p", "scenario", str(path), "-p", "out", str(out)]
        words += ["-p", "draws", str(draws)]
        first = run([sys.executable, "-m", "papermill", NOTEBOOK, done, *words], folder)
        second = run([sys.executable, "-m", "nbconvert", "--to", "html", done], folder)
        seconds = first.seconds + second.seconds
        taken.append(Took(seconds, max(first.memory, second.memory)))
    return taken


def batch(folder: Path, paths: list[Path], jobs: int, draws: int) -> Took:
    """Make all reports with one command."""
    words = ["--format", "html", "--jobs", str(jobs), "--draws", str(draws), *map(str, paths)]
    return run([sys.executable, "-m", "escalation", "report", *words], folder)


def measure(*, quick: bool) -> tuple[str, dict[str, float]]:
    """Return the section of the page, and the numbers that goals are about."""
    return contest(24, 2) if quick else contest(200, 3)


def contest(count: int, sample: int, draws: int = DRAWS) -> tuple[str, dict[str, float]]:
    """Make so many reports, and twice as many samples of the loop."""
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="load-") as place:
        folder = Path(place)
        paths = desk(folder, count)
        sampled = paths[:: max(1, count // (2 * sample))][: 2 * sample]
        before = loop(folder, sampled[:sample], draws)
        cold = batch(folder, paths, jobs, draws)
        after = loop(folder, sampled[sample:], draws)
        nothing = batch(folder, paths, jobs, draws)
        for path in paths[:: min(EVERY, count)]:
            write(folder / path, f"{path.stem[:-4]}.yaml", 0.9)
        warm = batch(folder, paths, jobs, draws)
    taken = [*before, *after]
    each = float(np.mean([one.seconds for one in taken]))
    numbers = {
        "cold": each * count / cold.seconds,
        "warm": each * count / warm.seconds,
        "nothing": nothing.seconds / count,
    }
    return _text(count, jobs, taken, (cold, warm, nothing)), numbers


def _text(count: int, jobs: int, taken: list[Took], ours: tuple[Took, Took, Took]) -> str:
    cold, warm, nothing = ours
    seconds = [one.seconds for one in taken]
    all_of_them = float(np.mean(seconds)) * count
    changed = len(range(0, count, min(EVERY, count)))

    def row(what: str, took: Took) -> tuple[str, str, str, str, str]:
        return (
            what,
            f"{took.seconds:,.1f} s",
            f"{took.seconds / count * 1000:,.0f} ms",
            f"{all_of_them / took.seconds:,.1f} ×",
            f"{took.memory / 2**20:,.0f} MB",
        )

    theirs = Took(all_of_them, max(one.memory for one in taken))
    rows = [
        row("a shell loop of papermill and nbconvert", theirs),
        row("`escalation report`, cold", cold),
        row(f"`escalation report`, {changed} of {count} changed", warm),
        row("`escalation report`, nothing changed", nothing),
    ]
    heads = (f"{count} scenarios", "all", "for each", "throughput ÷ loop", "peak memory")
    said = (
        f"Variants of the founding case's scenarios and of past crises, in turn, on {jobs} cores, "
        f"the page only, with {jobs} reports at once. The loop was timed on {len(taken)} of them, "
        "half before the cold batch and half after it "
        f"({min(seconds):.1f} to {max(seconds):.1f} s each), and their mean taken for all. "
        "It writes the page without our template, and no more. Memory is the proportional set "
        "size of all processes together."
    )
    return f"{page.table(heads, rows)}\n\n{said}"


if __name__ == "__main__":
    sys.stdout.write(measure(quick="--quick" in sys.argv)[0] + "\n")
