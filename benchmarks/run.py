"""One command for all benchmarks: `python benchmarks/run.py [--quick] [--only PART …]`.

Every part checks that contestants agree before it times them, and times them in turn within each
round. A part is written to `docs/performance.md` when it is done, with the table of goals as the
latest measurements have it; with `--only` the other parts stay as they were. `--quick` takes few
rounds and a few minutes, and the page says of which parts.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["JAX_ENABLE_X64"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import accuracy, engine, imports, inference, load, many, page, panel, peers

from escalation.maths import filtering
from escalation.maths.compiled import AVAILABLE, VARIANTS

Part = tuple[str, dict[str, float]]
PACKAGES = (
    "numpy", "scipy", "hmmlearn", "pyagrum", "dynamax", "jax", "numba", "emcee", "numpyro",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """A goal: what a part measured must reach a bound from above or below.

    Attributes
    ----------
    number : int
        Its number in the design.
    what : str
    part, key : str
        Where the number is.
    bound : float
    most : bool
        Whether the number may be at most the bound, or has to be at least.
    note : str
        What stands in the way where it is missed.
    """

    number: int
    what: str
    part: str
    key: str
    bound: float
    most: bool = False
    note: str = ""

    def verdict(self, numbers: dict[str, dict[str, float]]) -> tuple[str, str, str]:
        """What was measured, met or missed, and what stands in the way."""
        found = numbers.get(self.part, {}).get(self.key)
        if found is None:
            return "–", "not measured", ""
        shown = f"{found:.1e}" if abs(found) < 1e-4 else f"{found:,.3g}"
        if found >= 1000:
            shown = f"{found:,.0f}"
        factor = found / self.bound if self.most else self.bound / found
        if factor <= 1:
            return shown, "met", ""
        return shown, f"missed by a factor of {factor:.2f}", self.note


BUSY = (
    "The second thread needs a processor of its own: where the load below is above 1, other "
    "programs had it, and this says little about the kernel."
)
GOALS = (
    Goal(1, "kernel, all outputs, one thread ÷ the limit of its own operations", "engine",
         "limit", 3, most=True,
         note="What is left is bound by loads: a multiplication with an addition takes a rate "
         "and a probability from the first cache, unless rows share the rate (decision 0013)."),
    Goal(1, "the same ÷ the limit of the standard algorithm's operations", "engine",
         "limit standard", 3, most=True),
    Goal(1, "two threads ÷ one, speed", "engine", "threads", 1.7, note=BUSY),
    Goal(1, "effects that fade daily ÷ constant ones", "engine", "fading", 2, most=True,
         note="Constant stretches are taken in steps of many days, which rates that change "
         "daily do not allow: fading needs over twice the operations, though no more than the "
         "standard algorithm needs for constant rates (see the table of operations)."),
    Goal(2, "batched expm ÷ kernel, one thread", "engine", "kernel to twin", 10),
    Goal(2, "batched expm ÷ NumPy path", "engine", "numpy to twin", 1.5),
    Goal(3, "hmmlearn ÷ kernel", "peers", "hmmlearn (scaling)", 4),
    Goal(3, "dynamax ÷ kernel, the standard workload", "peers", "dynamax, standard workload", 10,
         note="Its dense products run near the limit of the machine; where rates never change and "
         "the matrix of a day is given, nothing else is left (see the table of peers)."),
    Goal(3, "pyAgrum ÷ kernel", "peers", "pyAgrum, unrolled", 100),
    Goal(3, "100,000 paths with numba ÷ kernel", "peers", "100,000 paths with numba", 1000),
    Goal(4, "CAV: likelihood, R msm ÷ engine", "panel", "likelihood", 8),
    Goal(4, "CAV: hidden fit, R msm ÷ engine", "panel", "fit", 8),
    Goal(5, "65,536 draws end to end ÷ the log-likelihood pass", "many", "ratio", 3, most=True),
    Goal(5, "its peak memory, MB", "many", "peak", 1024, most=True),
    Goal(6, "AMIS ÷ emcee, effective draws per second", "inference", "emcee", 100),
    Goal(6, "AMIS ÷ NUTS, effective draws per second", "inference", "NUTS (numpyro)", 200),
    Goal(7, "loading the kernel ÷ `import numpy`", "imports", "kernel", 0.25, most=True),
    Goal(7, "imports of `escalation assess` ÷ `import numpy`", "imports", "assess", 3.5,
         most=True, note="Pydantic, which reads the scenario files with line and column, is a good "
         "third of it; NumPy itself, the YAML reader and the package's own modules are the rest."),
    Goal(8, "largest error of a probability", "accuracy", "probability", 1e-9, most=True),
    Goal(8, "largest error of a log-likelihood", "accuracy", "loglik", 1e-8, most=True),
    Goal(9, "200 reports, a shell loop ÷ `escalation report`, cold", "load", "cold", 5,
         note="What a report computes and draws is the same in both, and most of what is left; "
         "the loop pays imports, a kernel's start and nbconvert on top."),
    Goal(9, "the same when one in fifty changed", "load", "warm", 100),
)  # fmt: skip


def _sweep(*, quick: bool) -> Part:
    """Tabulate what `benchmarks/sweep.py` measures, where it and what it needs are here."""
    try:
        from benchmarks import sweep
    except ImportError as error:
        return f"Not measured: {error}.", {}
    if quick:
        return "Left out of a quick run.", {}
    rows = [*sweep.alone(), *sweep.workbench(), *sweep.dask(), *sweep.rate()]
    shown = [(what, f"{value:,.3g}", unit) for what, value, unit in rows]
    return page.table(("", "measured", ""), shown), {}


def _drag(*, quick: bool) -> Part:
    """Tabulate what `benchmarks/drag.py` measures, where there is a browser."""
    from benchmarks import drag

    if missing := drag.absent():
        return f"Not measured: {missing}.", {}
    rows = drag.rows(drag.DRAGS // 3 if quick else drag.DRAGS)
    shown = [(what, f"{value:,.0f}", unit) for what, value, unit in rows]
    return f"{drag.SETTING}\n\n{page.table(('', 'measured', ''), shown)}", {}


def _contest(*, quick: bool) -> Part:
    found = engine.contest(quick=quick)
    return found.text, found.numbers


def _growth(*, quick: bool) -> Part:
    return engine.growth(quick=quick).text, {}


def _peers(*, quick: bool) -> Part:
    found = peers.compare(quick=quick)
    return found.text, found.numbers


def _panel(*, quick: bool) -> Part:
    found = panel.compare(quick=quick)
    return found.text, found.numbers


def _inference(*, quick: bool) -> Part:
    found = inference.compare(quick=quick)
    return found.text, found.numbers


PARTS: dict[str, Callable[..., Part]] = {
    "engine": _contest,
    "growth": _growth,
    "accuracy": accuracy.measure,
    "peers": _peers,
    "panel": _panel,
    "inference": _inference,
    "many": many.measure,
    "imports": imports.measure,
    "sweep": _sweep,
    "load": load.measure,
    "drag": _drag,
}


def machine(numbers: dict[str, dict[str, Any]]) -> str:
    """Name the machine, and say how each part was measured."""
    model, memory = platform.processor() or platform.machine(), 0.0
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} absent")
    rows = [
        (
            page.SECTIONS[name],
            each["day"],
            "few" if each["quick"] else "all",
            f"{each['seconds']:,.0f}",
            f"{each['busy']:.1f}",
        )
        for name, each in numbers.items()
    ]
    heads = ("part", "day", "rounds", "seconds", "processes waiting when it began")
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}; {', '.join(versions)}. "
        f"Engine paths: {', '.join(filtering.PATHS)}; instruction sets of the kernel: "
        f"{', '.join(VARIANTS) or 'none'}, the first in use.\n\n"
        "All contestants run once in every round, one after the other, after a round that "
        "does not count; a ratio is the median over rounds of the ratio within a round. Where "
        "processes waited (load average), other programs ran at the same time: ratios within "
        "rounds then say more than times.\n\n" + page.table(heads, rows)
    )


def goals(numbers: dict[str, dict[str, float]]) -> str:
    """Tabulate the goals: met, missed by how much, or not measured."""
    rows = []
    for goal in GOALS:
        shown, verdict, note = goal.verdict(numbers)
        sign = "≤" if goal.most else "≥"
        rows.append((goal.number, goal.what, f"{sign} {goal.bound:g}", shown, verdict, note))
    return page.table(("goal", "", "bound", "measured", "", "what stands in the way"), rows)


def main() -> None:
    """Run what is asked for, print it and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; the page says so")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    asked = parser.parse_args()
    if not AVAILABLE:
        sys.exit("the kernel was not built: there is nothing to time without a C compiler")
    for name in asked.only:
        print(f"… {name}", file=sys.stderr, flush=True)
        begun, busy = time.perf_counter(), os.getloadavg()[0]
        text, found = PARTS[name](quick=asked.quick)
        how = {"day": f"{datetime.now(UTC):%Y-%m-%d}", "quick": asked.quick, "busy": busy}
        how["seconds"] = time.perf_counter() - begun
        print(f"## {page.SECTIONS[name]}\n\n{text}\n", flush=True)
        kept = page.numbers(page.read() | {name: page.with_numbers(text, found | how)})
        page.write(
            {
                name: page.with_numbers(text, found | how),
                "goals": goals(kept),
                "machine": machine(kept),
            }
        )
    print(f"## Goals\n\n{goals(page.numbers(page.read()))}\n")


if __name__ == "__main__":
    main()
