"""Filtering, smoothing, forecasting and first passage in Markov-modulated Poisson models.

The one numerical seam: arrays in, arrays out, nothing known of scenarios. A hidden chain (see
`ctmc`) is seen through marked Poisson processes. While a mark j is watched it is *silent* with
the killing rate λ_j(k), and a report multiplies the state vector by its likelihood L(k):

    predict     v ← v exp(Q − diag κ)         over one day, κ(k) = Σ_{watched j} λ_j(k)
    condition   v ← v · L                     for each event of the day, in the order given
    normalise   c = Σ_k v(k),  v ← v / c,  ℓ ← ℓ + ln c

ℓ is the marginal log-likelihood (Rydén 1996; for the discrete case Rabiner 1989). The smoother
runs β ← exp(Q − diag κ) (L · β) backward; smoothed ∝ filtered · β. The forecast has no killing:
the future is not yet watched. The first passage into a set of states is the mass in it where
there is no way out of it.

Two paths stand behind the functions below, the compiled kernel (`compiled`) and NumPy
(`recursions`); they agree to rounding. `PATHS` lists those that are here and `PATH` names the one
in use: the kernel where it was built, or what the environment variable ESCALATION_PATH says.

The shapes of what goes in and comes out stand in `batches`.
"""

from __future__ import annotations

import os

from escalation.errors import EscalationError
from escalation.maths import compiled, recursions
from escalation.maths.batches import Batch, Evidence, Inference, Likelihood, Questions

__all__ = [
    "PATH",
    "PATHS",
    "Batch",
    "Evidence",
    "Inference",
    "Likelihood",
    "Questions",
    "infer",
    "log_likelihood",
]

PATHS: tuple[str, ...] = ("kernel", "numpy") if compiled.AVAILABLE else ("numpy",)
PATH = os.environ.get("ESCALATION_PATH", PATHS[0])


def log_likelihood(batch: Batch, *, path: str | None = None) -> Likelihood:
    """Forward filter only: marginal log-likelihoods and the last filtered probabilities."""
    batch.check()
    if _path(path) == "kernel":
        return compiled.log_likelihood(batch)
    return recursions.log_likelihood(batch)


def infer(batch: Batch, questions: Questions, *, path: str | None = None) -> Inference:
    """Filter, smooth, forecast and first passages."""
    batch.check(questions)
    if _path(path) == "kernel":
        return compiled.infer(batch, questions)
    return recursions.infer(batch, questions)


def _path(asked: str | None) -> str:
    path = PATH if asked is None else asked
    if path not in PATHS:
        message = (
            f"no engine '{path}' here, only {' and '.join(PATHS)}: unset ESCALATION_PATH, or "
            "install again with a C compiler for the kernel"
        )
        raise EscalationError(message)
    return path
