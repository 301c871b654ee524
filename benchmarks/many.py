"""65,536 draws end to end beside the log-likelihood pass alone, in a process of its own.

End to end is: log-likelihoods of all draws in chunks, resampling to as many equally weighted
draws, and all outputs for the distinct survivors, kept as means and as the 5–95 % quantiles of
the first passages. The problem is that of `inference`. Alone, the script prints its numbers.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from benchmarks.inference import CHUNK, Problem
from benchmarks.workload import SEED

from escalation.maths.filtering import infer
from escalation.maths.sampling import normalise, systematic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DRAWS = 65_536


def end_to_end(draws: int) -> dict[str, float]:
    """Seconds of both passes, survivors, and peak memory."""
    problem = Problem()
    z = problem.prior(draws, "prior")
    problem.loglik(z[:, :CHUNK])
    before = _peak()
    begun = time.perf_counter()
    loglik = problem.loglik(z)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    weights = normalise(loglik)[0]
    index = systematic(weights, np.random.default_rng(SEED))
    kept, times = np.unique(index, return_counts=True)
    means, passages = [], []
    for at in range(0, len(kept), CHUNK):
        part, often = kept[at : at + CHUNK], times[at : at + CHUNK]
        found = infer(problem.batch(z[:, part]), problem.questions)
        means += [found.filtered @ often, found.smoothed @ often, found.forecast @ often]
        passages.append(found.passage)
    passage = np.concatenate(passages, axis=-1)
    quantiles = _quantiles(passage, times)
    assert np.isfinite(quantiles).all()
    second = time.perf_counter() - begun
    return {
        "first": first,
        "second": second,
        "survivors": float(len(kept)),
        "before": before,
        "peak": _peak(),
    }


def _peak() -> float:
    """Most memory that this process has held, in MB.

    Not getrusage's on Linux: that begins at what the process that started this one held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _quantiles(values: Array, times: NDArray[np.intp]) -> Array:
    """5 and 95 % quantiles of values that each count so many times."""
    every = np.repeat(np.arange(values.shape[-1]), times)[:: max(1, int(times.sum()) // 4096)]
    return np.asarray(np.quantile(values[..., every], (0.05, 0.95), axis=-1))


def measure(*, quick: bool) -> tuple[str, dict[str, float]]:
    """Median of several fresh processes."""
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, str(Path(__file__)), str(DRAWS)],
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for _ in range(1 if quick else 3)
    ]  # fmt: skip
    ratios = [(each["first"] + each["second"]) / each["first"] for each in found]
    middle = {name: float(np.median([each[name] for each in found])) for name in found[0]}
    numbers = {"ratio": float(np.median(ratios)), "peak": middle["peak"]}
    text = (
        f"{DRAWS:,} draws of the 15 assumptions below: log-likelihoods {middle['first']:.2f} s "
        f"({middle['first'] / DRAWS * 1e6:.0f} µs per draw, arrays built from the assumptions "
        f"included), then resampling, all outputs of the {middle['survivors']:,.0f} distinct "
        f"survivors and their quantiles {middle['second']:.2f} s. Together "
        f"{numbers['ratio']:.2f} times the first pass; peak memory {middle['peak']:,.0f} MB, of "
        f"which {middle['before']:,.0f} MB before it began. Medians of {len(found)} fresh "
        "processes."
    )
    return text, numbers


if __name__ == "__main__":
    print(json.dumps(end_to_end(int(sys.argv[1]) if sys.argv[1:] else DRAWS)))
