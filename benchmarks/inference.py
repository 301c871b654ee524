"""Adaptive importance sampling beside emcee and NUTS: effective draws per second.

15 assumptions, standard normal a priori, move the rates and intensities of the standard workload's
chain; about 40 reports are simulated from a truth that lies off the prior's middle. All three see
the same log-likelihood: the first two from the engine, NUTS from a twin in JAX that it can
differentiate. Burn-in and compilation of emcee and NUTS are not counted.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np
from benchmarks.engine import Rows
from benchmarks.page import table
from benchmarks.peers import exponential
from benchmarks.workload import SEED, Size, moves

from escalation.maths.ctmc import Chain
from escalation.maths.filtering import Batch, Evidence, Questions, log_likelihood
from escalation.maths.priors import hypercube, normal_score
from escalation.maths.sampling import Sample, adapt, effective_sample_size, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COUNT = 15
TYPES = 6
DAYS = 120
HORIZON = 90
SEGMENTS = 10
ROUND = 4096
ROUNDS = 5
CHUNK = 1024
WALKERS = 64


@dataclass(frozen=True)
class Found:
    """What a sampler came to."""

    effective: float
    least: float  # effective draws of the slowest assumption
    seconds: float
    mean: Array

    @property
    def rate(self) -> float:
        """Effective draws per second."""
        return self.effective / self.seconds


class Problem:
    """What is inferred: assumptions as normal scores, and the model that they move."""

    def __init__(self) -> None:
        size = Size()
        rng = np.random.default_rng(SEED)
        source, target, row = moves(size)
        self.source, self.target = np.array(source, np.int32), np.array(target, np.int32)
        self.row = np.array(row, np.int32)
        self.states, self.rungs = size.intents * size.rungs, size.rungs
        count = int(self.row.max()) + 1
        first = np.array([np.flatnonzero(self.row == each)[0] for each in range(count)])
        intent = self.source[first] // size.rungs
        changes = self.target[first] // size.rungs
        climbs = (intent == changes) & (self.target[first] > self.source[first])
        # Which assumption scales each distinct rate: of intents by target, climbs by intent.
        self.scaled = np.where(intent != changes, changes, np.where(climbs, 4 + intent, 8))
        self.median = np.where(intent != changes, 0.006, 0.03)
        self.spread = np.where(self.scaled == 8, 0.5, 0.8)
        self.modulator = np.where(intent != changes, 0, np.arange(count) % 4 + 1).astype(np.int32)
        self.multipliers = rng.lognormal(0.0, 0.3, (5, SEGMENTS, 1))
        past = np.minimum(np.arange(DAYS + HORIZON) * SEGMENTS // DAYS, SEGMENTS - 1)
        self.segment = past.astype(np.int32)
        self.start = rng.dirichlet(np.ones(self.states))
        self.intensity = 0.055 * rng.lognormal(0.0, 0.8, (TYPES, size.intents))
        self.of_intent = np.repeat(np.arange(size.intents), size.rungs)
        self.truth = rng.normal(0.0, 1.0, COUNT)
        self.truth[4:8] = 1.0
        self.events = self.simulated(rng)

    def simulated(self, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Day and type of each report from the truth, in steps of a hundredth of a day."""
        batch = self.batch(self.truth[:, None], ((), ()))
        state = int(rng.choice(self.states, p=self.start))
        seen = self.intensity * np.exp(0.7 * self.truth[9:, None])
        day_of, kind = [], []
        for day in range(1, DAYS + 1):
            rates = batch.chain.rates_in(int(self.segment[day - 1]))[self.row, 0]
            for _ in range(100):
                out = np.flatnonzero(self.source == state)
                if rng.random() < rates[out].sum() / 100:
                    p = rates[out] / rates[out].sum()
                    state = int(self.target[out[rng.choice(len(out), p=p)]])
            for each in range(TYPES):
                many = rng.poisson(seen[each, self.of_intent[state]])
                day_of += [day] * many
                kind += [each] * many
        return np.array(day_of, np.int32), np.array(kind, np.int32)

    def batch(self, z: Array, events: Any = None) -> Batch:  # noqa: ANN401 (day and type)
        """Arrays for these assumptions, shape (15, N)."""
        count = z.shape[1]
        day, kind = self.events if events is None else events
        rates = self.median[:, None] * np.exp(self.spread[:, None] * z[self.scaled])
        chain = Chain(
            self.states, self.source, self.target, self.row, rates, self.modulator,
            self.multipliers, self.segment,
        )  # fmt: skip
        intensity = self.intensity[:, :, None] * np.exp(0.7 * z[9:, None])
        largest = intensity.max(axis=1)
        rows = np.arange(TYPES)[:, None] * self.intensity.shape[1] + self.of_intent
        evidence = Evidence(
            intensity.sum(axis=0)[self.of_intent][None],
            np.zeros(DAYS, np.int32),
            np.asarray(day, np.int32).reshape(-1, 1),
            np.asarray(kind, np.int32).reshape(-1, 1),
            rows.astype(np.int32),
            (intensity / largest[:, None]).reshape(-1, count),
            np.log(largest),
        )
        start = np.repeat(self.start[:, None], count, axis=1)
        return Batch(start, chain, evidence, np.full(count, DAYS, np.int32))

    @cached_property
    def questions(self) -> Questions:
        """Both factors, and the first passage of each rung but the lowest."""
        rung = np.tile(np.arange(self.rungs), self.states // self.rungs)
        marginal = np.array([self.of_intent, self.of_intent.max() + 1 + rung], np.int32)
        return Questions(HORIZON, marginal, rung >= np.arange(1, self.rungs)[:, None])

    def loglik(self, z: Array) -> Array:
        """Log-likelihood of each column, in chunks."""
        parts = range(0, z.shape[1], CHUNK)
        return np.concatenate([
            log_likelihood(self.batch(z[:, at : at + CHUNK])).loglik for at in parts
        ])  # fmt: skip

    def prior(self, count: int, name: str) -> Array:
        """Latin-hypercube normal scores."""
        rows = [hypercube(f"{each} {name}", count, SEED) for each in range(COUNT)]
        return normal_score(np.array(rows))


def importance(problem: Problem) -> tuple[Found, float]:
    """Prior draws and all rounds of AMIS; and effective prior draws per second."""
    begun = time.perf_counter()
    z = problem.prior(ROUND, "prior")
    sample = Sample(z, problem.loglik(z), (ROUND,))
    prior = effective_sample_size(normalise(sample.log_weights)[0])
    prior_rate = prior / (time.perf_counter() - begun)
    rng = np.random.default_rng(SEED)
    sample = adapt(
        sample,
        problem.loglik,
        lambda number: problem.prior(ROUND, f"round {number}"),
        rng,
        rounds=ROUNDS,
        enough=lambda _: False,
    )
    weights = normalise(sample.log_weights)[0]
    seconds = time.perf_counter() - begun
    effective = effective_sample_size(weights)
    return Found(effective, effective, seconds, sample.z @ weights), prior_rate


def ensemble(problem: Problem, steps: int) -> Found:
    """emcee: 64 walkers, all of a half ensemble in one call of the engine."""
    import emcee

    def log_posterior(z: Array) -> Array:
        return np.asarray(problem.loglik(z.T) - 0.5 * (z**2).sum(axis=1), dtype=float)

    sampler = emcee.EnsembleSampler(WALKERS, COUNT, log_posterior, vectorize=True)
    sampler.random_state = np.random.RandomState(SEED % 2**31).get_state()
    first = np.random.default_rng(SEED).standard_normal((WALKERS, COUNT))
    state = sampler.run_mcmc(first, steps // 2)
    sampler.reset()
    begun = time.perf_counter()
    sampler.run_mcmc(state, steps)
    seconds = time.perf_counter() - begun
    times = sampler.get_autocorr_time(tol=0)
    effective = WALKERS * steps / times
    mean = sampler.get_chain(flat=True).mean(axis=0)
    return Found(float(np.median(effective)), float(effective.min()), seconds, mean)


def jax_loglik(problem: Problem) -> Callable[[Any], Any]:
    """Write the same log-likelihood in JAX, a draw at a time, to be differentiated."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003 (jax's own signature)
    day, kind = problem.events
    counts = np.zeros((DAYS, TYPES))
    np.add.at(counts, (day - 1, kind), 1)
    states, own = problem.states, np.arange(problem.states)
    factor = problem.multipliers[problem.modulator, :, 0]  # (G, S)
    segment = jnp.asarray(problem.segment[:DAYS])

    def loglik(z: Any) -> Any:  # noqa: ANN401 (arrays of jax)
        rates = problem.median * jnp.exp(problem.spread * z[problem.scaled])
        intensity = jnp.asarray(problem.intensity) * jnp.exp(0.7 * z[9:, None])
        seen = intensity[:, problem.of_intent]
        moving = (rates[:, None] * factor)[problem.row]  # (M, S)
        matrix = jnp.zeros((SEGMENTS, states, states))
        matrix = matrix.at[:, problem.source, problem.target].add(moving.T)
        out = matrix.sum(axis=2) + seen.sum(axis=0)
        matrix = matrix.at[:, own, own].add(-out)
        steps = jax.vmap(exponential)(matrix)
        daily = jnp.exp(jnp.asarray(counts) @ jnp.log(seen))

        def one(carry: Any, today: Any) -> Any:  # noqa: ANN401
            vector, total = carry
            which, seen_today = today
            vector = (vector @ steps[which]) * seen_today
            size = vector.sum()
            return (vector / size, total + jnp.log(size)), None

        (_, total), _ = jax.lax.scan(one, (jnp.asarray(problem.start), 0.0), (segment, daily))
        return total

    return loglik


def gradient(problem: Problem, draws: int) -> Found:
    """NUTS by numpyro over the same log-likelihood in JAX."""
    import jax
    from numpyro.diagnostics import effective_sample_size as effective
    from numpyro.infer import MCMC, NUTS

    loglik = jax.jit(jax_loglik(problem))
    z = problem.prior(8, "check")
    theirs = np.array([float(loglik(column)) for column in z.T])
    worst = float(np.abs(problem.loglik(z) - theirs).max())
    assert worst < 1e-8, f"the log-likelihoods differ by {worst}"
    sampler = MCMC(
        NUTS(potential_fn=lambda at: 0.5 * (at**2).sum() - loglik(at)),
        num_warmup=draws // 2,
        num_samples=draws,
        progress_bar=False,
    )
    key = jax.random.PRNGKey(SEED)
    sampler.warmup(key, init_params=jax.numpy.zeros(COUNT), collect_warmup=False)
    adapted = sampler.post_warmup_state
    sampler.run(adapted.rng_key)  # compiles
    sampler.post_warmup_state = sampler.last_state
    begun = time.perf_counter()
    sampler.run(sampler.last_state.rng_key)
    chain = np.asarray(sampler.get_samples(group_by_chain=True))
    seconds = time.perf_counter() - begun
    each = effective(chain)
    return Found(float(np.median(each)), float(each.min()), seconds, chain[0].mean(axis=0))


def compare(*, quick: bool) -> Rows:
    """Run the samplers in turn, and check that they agree."""
    problem = Problem()
    found: dict[str, list[Found]] = {}
    missing: dict[str, str] = {}
    prior = []
    samplers: dict[str, tuple[str, Callable[[], Found]]] = {
        "emcee": ("emcee", lambda: ensemble(problem, 1000 if quick else 3000)),
        "NUTS (numpyro)": ("numpyro", lambda: gradient(problem, 40 if quick else 300)),
    }
    for _ in range(2 if quick else 5):
        amis, prior_rate = importance(problem)
        found.setdefault("AMIS", []).append(amis)
        prior.append(prior_rate)
    for name, (package, run) in samplers.items():
        try:
            found[name] = [run()]
        except ImportError:
            missing[name] = f"not measured: `pip install {package}`"
    for _ in range(2 if quick else 5):  # before and after the others
        amis, prior_rate = importance(problem)
        found["AMIS"].append(amis)
        prior.append(prior_rate)
    mine = found["AMIS"]
    rate = float(np.median([each.rate for each in mine]))
    lines: list[tuple[str, ...]] = []
    numbers = {"AMIS": rate}
    for name, runs in found.items():
        effective = float(np.median([each.effective for each in runs]))
        own = float(np.median([each.rate for each in runs]))
        seconds = float(np.median([each.seconds for each in runs]))
        # Differences of means in standard errors: posterior deviations are at most about 1.
        gap = np.abs(runs[0].mean - mine[0].mean).max() * np.sqrt(runs[0].least)
        assert gap < 6, f"{name} and AMIS disagree by {gap} standard errors"
        numbers[name] = rate / own
        lines.append((
            name, f"{effective:,.0f}", f"{seconds:.2f}", f"{own:,.0f}", f"{rate / own:,.0f}",
        ))  # fmt: skip
    lines.append(("prior draws weighed", "", "", f"{np.median(prior):,.0f}", ""))
    lines += [(name, why, "", "", "") for name, why in missing.items()]
    text = (
        f"{COUNT} assumptions, {len(problem.events[0])} reports in {DAYS} days, 24 states. "
        f"AMIS: {ROUND:,} prior draws and {ROUNDS} rounds of {ROUND:,}, the prior ones counted in "
        "its time; effective draws 1/Σw². For emcee and NUTS, draws over the median "
        "autocorrelation time of the assumptions; neither burn-in nor compilation counts. Their "
        "posterior means agree within 6 standard errors, the JAX log-likelihood with the "
        "engine's to 1e-8.\n\n"
        + table(("sampler", "effective draws", "seconds", "effective draws/s", "AMIS ÷ it"), lines)
    )
    return Rows(text, numbers)
