"""Both paths against dense matrix exponentials, member by member, up to 60 states and stiff rates.

The answers are those of `tests/oracles.py`, which shares no arithmetic with the package.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from benchmarks.page import table

from escalation.maths import filtering


def measure(*, quick: bool) -> tuple[str, dict[str, float]]:
    """Largest errors over random cases."""
    from oracles import Size, dense_answer, every_state, infer, random_batch

    sizes = {
        "3 states": Size(3, 4, 40, 20),
        "24 states": Size(24, 3, 60, 30, segments=5, events=12),
        "60 states": Size(60, 2, 30, 20, segments=4, events=8),
        "12 states, rates from 1e-6 to 50 a day": Size(12, 3, 30, 15, slowest=1e-6, fastest=50.0),
        "60 states, rates from 1e-6 to 50 a day": Size(60, 2, 20, 10, slowest=1e-6, fastest=50.0),
        "8 states, 5 years ahead": Size(8, 2, 30, 1826, segments=4),
    }
    rows, worst = [], {"probability": 0.0, "loglik": 0.0}
    for label, size in sizes.items():
        for path in filtering.PATHS:
            probability = loglik = 0.0
            for seed in range(1 if quick else 3):
                batch = random_batch(seed, size)
                asked = every_state(batch, size.horizon, [0], [1, 2])
                found = infer(batch, asked, path)
                for member in range(batch.size):
                    answer = dense_answer(batch, asked, member)
                    errors = (
                        found.filtered[:, :, member] - answer.filtered,
                        found.smoothed[:, :, member] - answer.smoothed,
                        found.forecast[:, :, member] - answer.forecast,
                        found.passage[:, :, member] - answer.passage,
                    )
                    probability = max(probability, *(float(np.abs(e).max()) for e in errors))
                    error = abs(float(found.likelihood.loglik[member]) - answer.loglik)
                    loglik = max(loglik, error)
            rows.append((label, path, f"{probability:.0e}", f"{loglik:.0e}"))
            worst["probability"] = max(worst["probability"], probability)
            worst["loglik"] = max(worst["loglik"], loglik)
    text = (
        "Largest absolute errors against `scipy.linalg.expm`, one dense matrix for each day.\n\n"
        + table(("random cases", "path", "of a probability", "of a log-likelihood"), rows)
    )
    return text, worst
