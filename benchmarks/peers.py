"""Other people's engines on the part of the work that each of them can do, beside the kernel.

The chain has 24 states and rates that never change, 120 days with 40 reports and no silence. The
peers are handed the matrix of one day ready made, which the kernel is not. Processor time, so
one thread's worth for each.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np
from benchmarks.engine import Rows
from benchmarks.page import table
from benchmarks.timing import interleaved, processor, ratio
from benchmarks.workload import SEED, Size, workload
from scipy.linalg import expm

from escalation.maths import compiled
from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence, Questions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Peer = Callable[[], float]

PATHS = 100_000


@dataclass(frozen=True)
class Part:
    """The part of the work: a batch, what is asked of it, and the same for peers.

    Attributes
    ----------
    step : Array, shape (B, K, K)
        Matrix of one day.
    seen : Array, shape (T+1, K, B)
        Likelihood of each day's reports, 1 where there are none.
    smoothed : Array, shape (T+1, K, B)
        The kernel's answer.
    loglik : Array, shape (B,)
    """

    batch: Batch
    asked: Questions
    step: Array
    seen: Array
    smoothed: Array
    loglik: Array


def part(draws: int) -> Part:
    """The standard workload without silence or effects, every state kept apart."""
    batch, _ = workload(Size(draws=draws, segments=1))
    days, states = int(batch.days[0]), batch.chain.states
    batch = replace(
        batch,
        evidence=replace(
            batch.evidence,
            killing=np.zeros((0, 0, 1)),
            killing_segment=np.full(days, -1, np.int32),
        ),
    )
    asked = Questions(0, np.arange(states, dtype=np.int32)[None], np.zeros((0, states), bool))
    evidence = batch.evidence
    seen = np.ones((days + 1, states, draws))
    for day, event in zip(evidence.event_day[:, 0], evidence.event_table[:, 0], strict=True):
        seen[day] *= evidence.likelihood[evidence.table[event]]
    found = compiled.infer(batch, asked)
    scale = evidence.log_scale[evidence.event_table[:, 0]].sum(axis=0)
    step = np.asarray(expm(batch.chain.at(0).dense()))
    return Part(batch, asked, step, seen, found.smoothed, found.likelihood.loglik - scale)


def agree(name: str, mine: Array, theirs: Array) -> None:
    """Answers must be the same to 1e-9 before anything is timed."""
    worst = float(np.abs(mine - theirs).max())
    assert worst < 1e-9, f"{name} disagrees by {worst}"


def hmmlearn(work: Part, implementation: str, draws: int = 4) -> Peer:
    """Forward–backward of hmmlearn's categorical model, a draw at a time."""
    from hmmlearn.hmm import CategoricalHMM

    symbols: dict[bytes, int] = {}
    column = np.array([
        symbols.setdefault(day[:, :draws].tobytes(), len(symbols)) for day in work.seen
    ])  # fmt: skip
    first = [int(np.flatnonzero(column == symbol)[0]) for symbol in range(len(symbols))]
    models = []
    for draw in range(draws):
        model = CategoricalHMM(work.step.shape[1], implementation=implementation)
        emission = work.seen[first, :, draw].T / (len(symbols) + 1)
        model.startprob_ = work.batch.start[:, draw]
        model.transmat_ = work.step[draw] / work.step[draw].sum(axis=1, keepdims=True)
        model.emissionprob_ = np.hstack([emission, 1 - emission.sum(axis=1, keepdims=True)])
        model.n_features = len(symbols) + 1
        models.append(model)
    observed = column[:, np.newaxis]

    def run() -> list[tuple[float, Array]]:
        return [model.score_samples(observed) for model in models]

    for draw, (loglik, smoothed) in enumerate(run()):
        agree("hmmlearn", work.smoothed[:, :, draw], smoothed)
        offset = len(observed) * np.log(len(symbols) + 1)
        agree("hmmlearn", work.loglik[draw], np.array(loglik + offset))
    return lambda: processor(run) / draws


def pyagrum(work: Part) -> Peer:
    """Exact inference in the network unrolled over the days, for one draw."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agrum: Any = import_module("pyagrum")

    days, states = len(work.seen), work.step.shape[1]
    network = agrum.BayesNet()
    for day in range(days):
        network.add(agrum.LabelizedVariable(f"x{day}", f"x{day}", states))
    network.cpt("x0").fillWith(work.batch.start[:, 0].tolist())
    for day in range(1, days):
        network.addArc(f"x{day - 1}", f"x{day}")
        for state in range(states):
            network.cpt(f"x{day}")[{f"x{day - 1}": state}] = work.step[0, state].tolist()
    seen = {
        f"x{day}": each[:, 0].tolist()
        for day, each in enumerate(work.seen)
        if (each[:, 0] != 1).any()
    }

    def run() -> Array:
        engine = agrum.LazyPropagation(network)
        engine.setNumberOfThreads(1)
        engine.setEvidence(seen)
        engine.makeInference()
        return np.array([engine.posterior(f"x{day}").toarray() for day in range(days)])

    agree("pyAgrum", work.smoothed[:, :, 0], run())
    return partial(processor, run)


def exponential(matrix: Any) -> Any:  # noqa: ANN401 (arrays of jax)
    """Exponential of a matrix in JAX: a Taylor polynomial and squarings, with no branches.

    Vectorised, jax.scipy.linalg.expm takes every branch for every matrix: several times slower.
    """
    import jax.numpy as jnp

    own = jnp.eye(matrix.shape[-1])
    small, power = matrix / 16, own
    for order in range(12, 0, -1):
        power = own + small @ power / order
    for _ in range(4):
        power = power @ power
    return power


def dynamax(work: Part, *, from_rates: bool) -> Peer:
    """The smoother of dynamax, compiled and vectorised over all draws.

    From the rates it takes the exponential too, as the kernel has to.
    """
    import jax
    from dynamax.hidden_markov_model import hmm_smoother

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 (jax's own signature)

    def smooth(start: Any, matrix: Any, seen: Any) -> Any:  # noqa: ANN401 (arrays of jax)
        step = exponential(matrix) if from_rates else matrix
        return hmm_smoother(start, step, seen).smoothed_probs

    smoother = jax.jit(jax.vmap(smooth))
    draws = work.batch.size
    matrix = work.batch.chain.at(0).dense() if from_rates else work.step
    arguments = [
        jax.numpy.asarray(each)
        for each in (work.batch.start.T, matrix, np.log(work.seen).transpose(2, 0, 1))
    ]

    def run() -> Any:  # noqa: ANN401 (an array of jax)
        return smoother(*arguments).block_until_ready()

    agree("dynamax", work.smoothed.transpose(2, 0, 1), np.asarray(run()))
    return lambda: processor(run) / draws


def whole(draws: int) -> Part:
    """Smoothing in the standard workload itself: rates change 9 times, and silence counts."""
    batch, _ = workload(Size(draws=draws))
    chain, evidence, days = batch.chain, batch.evidence, int(batch.days[0])
    asked = Questions(
        0, np.arange(chain.states, dtype=np.int32)[None], np.zeros((0, chain.states), bool)
    )
    seen = np.ones((days + 1, chain.states, draws))
    for day, event in zip(evidence.event_day[:, 0], evidence.event_table[:, 0], strict=True):
        seen[day] *= evidence.likelihood[evidence.table[event]]
    found = compiled.infer(batch, asked)
    scale = evidence.log_scale[evidence.event_table[:, 0]].sum(axis=0)
    return Part(batch, asked, np.zeros(0), seen, found.smoothed, found.likelihood.loglik - scale)


def dynamax_whole(work: Part) -> Peer:
    """The smoother of dynamax with a matrix for each stretch of equal days, made from its rates.

    A matrix that loses the mass of what is watched stands for silence.
    """
    import jax
    from dynamax.hidden_markov_model import hmm_smoother

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 (jax's own signature)
    chain, evidence = work.batch.chain, work.batch.evidence
    days = range(int(work.batch.days[0]))
    stretches: dict[tuple[int, int], int] = {}
    key = [(int(chain.segment[day]), int(evidence.killing_segment[day])) for day in days]
    of_day = jax.numpy.asarray([stretches.setdefault(each, len(stretches)) for each in key])
    matrices = [chain.at(key.index(each), evidence.killing[each[1]]).dense() for each in stretches]

    def smooth(start: Any, matrix: Any, seen: Any) -> Any:  # noqa: ANN401 (arrays of jax)
        steps = exponential(matrix)
        return hmm_smoother(start, None, seen, lambda day: steps[of_day[day]]).smoothed_probs

    smoother = jax.jit(jax.vmap(smooth))
    arguments = [
        jax.numpy.asarray(each)
        for each in (
            work.batch.start.T,
            np.stack(matrices, axis=1),
            np.log(work.seen).transpose(2, 0, 1),
        )
    ]

    def run() -> Any:  # noqa: ANN401 (an array of jax)
        return smoother(*arguments).block_until_ready()

    agree("dynamax", work.smoothed.transpose(2, 0, 1), np.asarray(run()))
    return lambda: processor(run) / work.batch.size


def ahead(draws: int) -> tuple[Batch, Questions]:
    """The forecast alone: no history, 90 days, first passage of 5 rungs."""
    batch, asked = workload(Size(draws=draws, segments=1))
    days = np.zeros(draws, np.int32)
    return replace(batch, evidence=Evidence.none(0), days=days), asked


def gillespie(batch: Batch, asked: Questions) -> Peer:  # noqa: C901 (numba: all in one)
    """100,000 simulated paths of one draw, compiled by numba."""
    from numba import njit

    chain: Chain = batch.chain
    rates = chain.rates_in(0)[:, 0][chain.row]
    order = np.argsort(chain.source, kind="stable")
    first = np.searchsorted(chain.source[order], np.arange(chain.states + 1))
    rate, target = rates[order], chain.target[order]
    start = np.cumsum(batch.start[:, 0])
    inside = asked.passage
    days, sets = asked.horizon, len(asked.passage)

    def paths_of(paths: int, seed: int) -> tuple[Array, Array]:
        np.random.seed(seed)  # noqa: NPY002 (numba's own generator)
        held = np.zeros((days + 1, len(start)))
        entered = np.zeros((days + 1, sets))
        for _ in range(paths):
            state: Any = np.searchsorted(start, np.random.random())  # noqa: NPY002
            state = min(state, len(start) - 1)
            clock, day = 0.0, 0
            been = np.zeros(sets, np.bool_)
            while day <= days:
                total = 0.0
                for move in range(first[state], first[state + 1]):
                    total += rate[move]
                until = np.inf
                if total > 0:
                    until = clock + np.random.exponential(1 / total)  # noqa: NPY002
                for each in range(sets):
                    if inside[each, state] and not been[each]:
                        been[each] = True
                        entered[day, each] += 1
                while day <= days and day < until:
                    held[day, state] += 1
                    day += 1
                pick = np.random.random() * total  # noqa: NPY002
                move = first[state]
                while move < first[state + 1] - 1 and pick >= rate[move]:
                    pick -= rate[move]
                    move += 1
                if total > 0:
                    state = target[move]
                clock = until
        return held, entered

    simulate: Any = njit(paths_of)
    held, entered = simulate(PATHS, SEED)
    found = compiled.infer(batch, asked)
    rows = np.zeros((asked.rows, chain.states))
    for of_state in asked.marginal:
        rows[of_state, np.arange(chain.states)] = 1
    for mine, theirs in (
        (found.forecast[:, :, 0], held @ rows.T / PATHS),
        (found.passage[:, :, 0], entered.cumsum(axis=0) / PATHS),
    ):
        noise = 6 * np.sqrt(np.clip(mine * (1 - mine), 0, None) / PATHS) + 10 / PATHS
        assert (np.abs(mine - theirs) < noise).all(), "simulated paths disagree"
    return lambda: processor(lambda: simulate(PATHS, SEED))


def compare(*, quick: bool) -> Rows:
    """Time the peers that are installed, in turn with the kernel."""
    work = part(128)
    standard = whole(128)
    batch, asked = ahead(128)
    every = compiled.prepare(standard.batch, standard.asked)
    both = compiled.prepare(work.batch, work.asked)
    forecast = compiled.prepare(batch, asked)
    works: dict[str, Peer] = {
        "smooth": lambda: processor(lambda: both.run(threads=1)) / work.batch.size,
        "smooth all": lambda: processor(lambda: every.run(threads=1)) / work.batch.size,
        "forecast": lambda: processor(lambda: forecast.run(threads=1)) / batch.size,
    }
    peers: dict[str, tuple[str, str, Callable[[], Peer]]] = {
        "hmmlearn (scaling)": ("smooth", "hmmlearn", lambda: hmmlearn(work, "scaling")),
        "hmmlearn (log)": ("smooth", "hmmlearn", lambda: hmmlearn(work, "log")),
        "dynamax": ("smooth", "dynamax", lambda: dynamax(work, from_rates=False)),
        "dynamax, from the rates": ("smooth", "dynamax", lambda: dynamax(work, from_rates=True)),
        "dynamax, standard workload": ("smooth all", "dynamax", lambda: dynamax_whole(standard)),
        "pyAgrum, unrolled": ("smooth", "pyagrum", lambda: pyagrum(work)),
        "100,000 paths with numba": ("forecast", "numba", lambda: gillespie(batch, asked)),
    }
    missing = {}
    for name, (_, package, make) in peers.items():
        try:
            works[name] = make()
        except ImportError:
            missing[name] = f"not measured: `pip install {package}`"
    taken = interleaved(works, 3 if quick else 9)
    lines: list[tuple[str, ...]] = []
    numbers: dict[str, float] = {}
    for name, (side, *_) in peers.items():
        if name in missing:
            lines.append((name, side, missing[name], ""))
            continue
        numbers[name] = ratio(taken[name], taken[side])
        best = taken[name].least / taken[side].least
        micro = f"{taken[name].median * 1e6:,.0f}"
        lines.append((name, side, micro, f"{numbers[name]:,.1f} ({best:,.1f})"))
    text = (
        "*smooth* is the log-likelihood and the smoothed probability of every state on each of "
        "121 days with 40 reports, for a chain of 24 states whose rates never change; the peers "
        "get the transition matrix of a day ready made unless said, the kernel never does. "
        "*smooth all* is the same for the standard workload itself, whose rates change 9 times and "
        "whose silence counts; of the peers only dynamax takes a matrix for each day, made from "
        "the rates of each stretch of equal days. "
        "*forecast* is 90 "
        "days ahead and the first passage of 5 rungs. Processor time for one draw; peers agreed "
        "with the kernel to 1e-9, simulated paths within their noise. The kernel took "
        f"{taken['smooth'].median * 1e6:.1f} µs to smooth, "
        f"{taken['smooth all'].median * 1e6:.1f} µs to smooth all and "
        f"{taken['forecast'].median * 1e6:.1f} µs to forecast.\n\n"
        + table(("peer", "part", "µs per draw", "÷ kernel: median (of least times)"), lines)
    )
    return Rows(text, numbers)
