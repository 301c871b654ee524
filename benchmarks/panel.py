"""The panel of heart-transplant patients (CAV) that comes with R's msm: likelihood and hidden fit.

622 patients in states 1 to 3, seen at visits, and 4, death, whose time is exact. In the plain
model what is seen is the state, so that each interval between visits is a chain of its own: a
batch of timelines, each of one day as long as the interval. In the hidden model states 1 to 3 are
misread as their neighbours, each patient is a timeline, and its days are the intervals.

The data are read from the folder that ESCALATION_REFERENCE names (or ../shared/reference), msm is
timed where Rscript and msm are installed.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.engine import Rows
from benchmarks.page import table
from benchmarks.timing import interleaved, processor
from scipy.linalg import expm
from scipy.optimize import minimize

from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence, log_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("ESCALATION_REFERENCE", ROOT.parent / "shared" / "reference"))
DATA = FOLDER / "msm" / "cav.csv"
ALIVE = 3
OFTEN = 50  # likelihoods timed together
DEATH = 4
# Moves among the living, then death from each of them: rates per year.
SOURCE, TARGET = (0, 1, 1, 2), (1, 0, 2, 1)
FIRST = (0.25, 0.166, 0.166, 0.25, 0.25, 0.166, 0.25)
FITTED = (
    0.127874268579138, 0.225101598647954, 0.342595503852791, 0.130623856401625,
    0.0424853518820235, 0.0402661956772244, 0.306459396086990,
)  # fmt: skip
# −2 log L that msm 1.7 gives for these, the living moves and then the deaths.
PUBLISHED = {FIRST: 4908.81676837903, FITTED: 3968.797881202}
MISREAD = ((0, 1), (1, 0), (1, 2), (2, 1))  # true, seen
THETA = np.log(np.array([*FIRST, 0.1 / 0.9, 0.1 / 0.8, 0.1 / 0.8, 0.1 / 0.9]))
# Processor seconds: of the likelihood alone at its start values, of the whole call, of the fit.
SCRIPT = """
library(msm)
options(digits=15)
q <- rbind(c(0,.25,0,.25), c(.166,0,.166,.166), c(0,.25,0,.25), c(0,0,0,0))
e <- rbind(c(0,.1,0,0), c(.1,0,.1,0), c(0,.1,0,0), c(0,0,0,0))
d <- read.csv(commandArgs(TRUE)[1])
spent <- function(run) sum(system.time(run())[1:2])
call <- function() msm(state ~ years, subject=PTNUM, data=d, qmatrix=q, deathexact=4,
                        fixedpars=TRUE)
m <- call()
p <- m$paramdata
once <- function() msm:::lik.msm(p$inits, msmdata=m$data, qmodel=m$qmodel, qcmodel=m$qcmodel,
                                 cmodel=m$cmodel, hmodel=m$hmodel, paramdata=p)
many <- function() for (i in 1:50) value <<- once()
alone <- median(replicate(5, spent(many) / 50))
whole <- median(replicate(5, spent(call)))
fit <- function() found <<- msm(state ~ years, subject=PTNUM, data=d, qmatrix=q, ematrix=e,
                                deathexact=4, obstrue=firstobs,
                                control=list(fnscale=4000, maxit=10000))
taken <- spent(fit)
cat(value, alone, whole, found$minus2loglik, taken, "\\n")
"""


class Panel:
    """The data, as arrays by interval and by patient."""

    def __init__(self) -> None:
        with DATA.open(newline="", encoding="utf-8") as file:
            rows = [(r["PTNUM"], float(r["years"]), int(r["state"])) for r in csv.DictReader(file)]
        self.visits: dict[str, list[tuple[float, int]]] = {}
        for patient, years, state in rows:
            self.visits.setdefault(patient, []).append((years, state))

    @cached_property
    def intervals(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
        """State before, state after and years of each kind of interval, and how many there are.

        msm, too, works out equal ones once.
        """
        found = [
            (before[1] - 1, after[1] - 1, after[0] - before[0])
            for visits in self.visits.values()
            for before, after in pairwise(visits)
        ]
        kinds, times = np.unique(np.array(found), axis=0, return_counts=True)
        first, last, years = kinds.T
        return first.astype(np.intp), last.astype(np.intp), years, times.astype(float)

    @cached_property
    def patients(self) -> tuple[Array, NDArray[np.intp], NDArray[np.int32]]:
        """Years (n, T) and state seen after (n, T) of each patient's intervals, and how many."""
        many = np.array([len(visits) - 1 for visits in self.visits.values()], np.int32)
        years = np.zeros((len(many), many.max()))
        seen = np.zeros((len(many), many.max()), dtype=np.intp)
        for row, visits in enumerate(self.visits.values()):
            times, states = np.array(visits).T
            years[row, : many[row]] = np.diff(times)
            seen[row, : many[row]] = states[1:] - 1
        return years, seen, many

    def plain(self, rates: Array) -> float:
        """−2 log L where what is seen is the state."""
        first, last, years, times = self.intervals
        moves, death = rates[: len(SOURCE)], rates[len(SOURCE) :]
        chain = Chain.constant(SOURCE, TARGET, moves[:, None] * years, ALIVE)
        tables = np.vstack([np.eye(ALIVE), death / death.max()])
        size = len(years)
        evidence = Evidence(
            (death[:, None] * years)[None],
            np.zeros(1, np.int32),
            np.ones((1, 1), np.int32),
            last[None].astype(np.int32),
            np.arange(tables.size, dtype=np.int32).reshape(tables.shape),
            tables.reshape(-1, 1),
            np.append(np.zeros(ALIVE), np.log(death.max()))[:, None],
        )
        batch = Batch(np.eye(ALIVE)[:, first], chain, evidence, np.ones(size, np.int32))
        return float(-2 * (log_likelihood(batch).loglik @ times))

    def hidden(self, theta: Array) -> Array:
        """−2 log L of the hidden model for each row of logarithms of rates and odds, (P, 11)."""
        years, seen, many = self.patients
        points, patients, visits = len(theta), len(many), years.shape[1]
        rates = np.exp(theta[:, :7]).T  # (7, P)
        odds = np.zeros((ALIVE, ALIVE, points))
        odds[np.arange(ALIVE), np.arange(ALIVE)] = 1.0
        for index, (true, read) in enumerate(MISREAD):
            odds[true, read] = np.exp(theta[:, 7 + index])
        reading = odds / odds.sum(axis=1, keepdims=True)  # [true, seen]
        death = rates[len(SOURCE) :]
        tables = np.concatenate([reading.transpose(1, 0, 2), death[None]])  # (4, true, P)
        largest = tables.max(axis=1)
        likelihood = (tables / largest[:, None]).reshape(-1, points)
        size = points * patients
        span = np.tile(years.T, (1, points))  # (T, B), the patients fastest
        own = [np.repeat(each, patients, axis=1) for each in (rates, likelihood, np.log(largest))]
        chain = Chain(
            ALIVE,
            np.array(SOURCE, np.int32),
            np.array(TARGET, np.int32),
            np.arange(len(SOURCE), dtype=np.int32),
            np.ascontiguousarray(own[0][: len(SOURCE)]),
            np.zeros(len(SOURCE), np.int32),
            np.maximum(span, 1e-12)[None],
            np.arange(visits, dtype=np.int32),
        )
        evidence = Evidence(
            own[0][len(SOURCE) :] * span[:, None],
            np.arange(visits, dtype=np.int32),
            np.arange(1, visits + 1, dtype=np.int32)[:, None],
            np.tile(seen.T, (1, points)).astype(np.int32),
            np.arange(4 * ALIVE, dtype=np.int32).reshape(4, ALIVE),
            own[1],
            own[2],
        )
        start = np.zeros((ALIVE, size))
        start[0] = 1.0  # every patient begins without the disease, as msm's own example has it
        batch = Batch(start, chain, evidence, np.tile(many, points))
        loglik = log_likelihood(batch).loglik.reshape(points, patients)
        return np.asarray(-2 * loglik.sum(axis=1))

    def dense(self, theta: Array) -> float:
        """−2 log L of the hidden model, an interval at a time by `scipy.linalg.expm`."""
        rates = np.exp(theta[:7])
        generator = np.zeros((DEATH, DEATH))
        generator[SOURCE, TARGET] = rates[: len(SOURCE)]
        generator[:ALIVE, ALIVE] = rates[len(SOURCE) :]
        generator -= np.diag(generator.sum(axis=1))
        reading = np.eye(ALIVE)
        for index, (true, read) in enumerate(MISREAD):
            reading[true, read] = np.exp(theta[7 + index])
        reading /= reading.sum(axis=1, keepdims=True)
        total = 0.0
        for years, seen, many in zip(*self.patients, strict=True):
            vector = np.array([1.0, 0.0, 0.0])
            for span, state in zip(years[:many], seen[:many], strict=True):
                vector = vector @ expm(generator * span)[:ALIVE, :ALIVE]
                dies = state == ALIVE
                vector = vector * (generator[:ALIVE, ALIVE] if dies else reading[:, state])
            total += float(np.log(vector.sum()))
        return -2 * total

    def fit(self) -> tuple[float, Array]:
        """Least −2 log L of the hidden model, from msm's usual start: BFGS, central differences."""
        theta = THETA
        step = 1e-5

        def both(at: Array) -> tuple[float, Array]:
            shifts = step * np.eye(len(at))
            values = self.hidden(np.vstack([at[None], at + shifts, at - shifts]))
            up, down = values[1 : len(at) + 1], values[len(at) + 1 :]
            return float(values[0]), (up - down) / (2 * step)

        found = minimize(both, theta, jac=True, method="BFGS", options={"gtol": 0.05})
        return float(found.fun), np.asarray(found.x)


def msm() -> tuple[float, ...] | str:
    """Run msm: −2 log L, seconds of it alone and of the call, −2 log L of the fit, its seconds.

    Where there is no msm, say why.
    """
    program = shutil.which("Rscript")
    if program is None:
        return "there is no R here (Debian: `apt-get install r-cran-msm`)"
    run = subprocess.run(
        [program, "-e", SCRIPT, str(DATA)], capture_output=True, text=True, check=False
    )
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or ["no message"]
        return f"R says: {last[0]}"
    return tuple(float(each) for each in run.stdout.split()[-5:])


def _often(panel: Panel) -> None:
    for _ in range(OFTEN):
        panel.plain(np.array(FIRST))


def compare(*, quick: bool) -> Rows:
    """Time the engine on the panel, and msm where it is."""
    if not DATA.exists():
        return Rows("Not measured: ESCALATION_REFERENCE does not lead to `msm/cav.csv`.", {})
    panel = Panel()
    for rates, published in PUBLISHED.items():
        found = panel.plain(np.array(rates))
        assert abs(found - published) < 1e-6, f"-2 log L is {found}, msm says {published}"
    assert abs(float(panel.hidden(THETA[None])[0]) - panel.dense(THETA)) < 1e-8
    least, _ = panel.fit()
    taken = interleaved(
        {
            "likelihood": lambda: processor(lambda: _often(panel)) / OFTEN,
            "fit": lambda: processor(panel.fit),
        },
        2 if quick else 5,
    )
    theirs = msm()
    once, fit = taken["likelihood"], taken["fit"]
    numbers: dict[str, float] = {}
    rows = [("the engine", f"{once.median * 1e3:.2f} ({once.least * 1e3:.2f})",
             f"{fit.median:.2f} ({fit.least:.2f})", f"{least:,.3f}")]  # fmt: skip
    if isinstance(theirs, str):
        rows.append(("R msm", f"not measured: {theirs}", "", ""))
    else:
        value, alone, whole, fitted, taken_by_fit = theirs
        assert abs(value - PUBLISHED[FIRST]) < 1e-6
        numbers = {"likelihood": alone / once.median, "fit": taken_by_fit / fit.median}
        rows += [
            ("R msm", f"{alone * 1e3:,.2f} (a whole call: {whole * 1e3:,.0f})",
             f"{taken_by_fit:,.1f}", f"{fitted:,.3f}"),
            ("times the engine", f"{numbers['likelihood']:.1f}", f"{numbers['fit']:.1f}", ""),
        ]  # fmt: skip
    text = (
        "2,846 visits of 622 patients, death times exact. −2 log L at the start values and at "
        "the maximum of the plain model is what msm 1.7 gives, to 1e-6; that of the "
        "hidden model is what dense matrix exponentials give, to 1e-8. The hidden fit has 7 "
        "rates and 4 misreadings. Processor time, medians.\n\n"
        + table(
            ("", "likelihood, ms (least)", "hidden fit, s (least)", "−2 log L of the fit"), rows
        )
    )
    return Rows(text, numbers)
