"""The latent-intent model: the fast likelihood is the filter's, and known parameters come back."""

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from escalation.errors import InvalidInputError
from escalation.history import learned, learning
from escalation.history.histories import Event, History, group
from escalation.history.learning import NAMES, PRIORS, Fit, model, values
from escalation.history.timelines import LEVEL, MARKS, Timelines, timelines
from escalation.reading import scenario

DAY = date(1900, 1, 1)
END = date(2000, 1, 1)
WATCH = 120


def simulate(z: np.ndarray, count: int, seed: int) -> tuple[History, ...]:
    """Histories drawn from the model by Gillespie's algorithm, at most one act a day kept."""
    rng, at = np.random.default_rng(seed), model(z)
    histories: list[History] = []
    for number in range(count):
        state = int(rng.choice(len(at.start), p=at.start))
        opening = at.intensity[:, state] / at.intensity[:, state].sum()
        acts = [(0, int(rng.choice(len(MARKS), p=opening)))]
        clock = 0.0
        while True:
            moves = np.maximum(at.generator[state], 0.0)
            rates = np.concatenate([moves, at.intensity[:, state]])
            clock += rng.exponential(1 / rates.sum())
            if clock > WATCH:
                break
            what = int(rng.choice(len(rates), p=rates / rates.sum()))
            if what < len(moves):
                state = what
            else:
                acts.append((int(clock), what - len(moves)))
        histories += group(_events(str(number), acts))
    return tuple(histories)


def _events(name: str, acts: list[tuple[int, int]]) -> list[Event]:
    return [
        Event(name, n, DAY + timedelta(days=day), level=int(LEVEL[mark]),
              side="B" if MARKS[mark].endswith("other") else "A")
        for n, (day, mark) in enumerate(acts)
    ]  # fmt: skip


@cache
def truth() -> np.ndarray:
    """Parameters to recover: here and there off the prior's middle, and acts seldom two a day."""
    z = np.random.default_rng(7).choice([-0.5, 0.0, 0.5], len(PRIORS))
    for name in ("start.push", "press -> push", "seen.push"):
        z[NAMES.index(name)] = -1.0
    for name in NAMES:
        if name.startswith("seen.") and name.split("_")[0][5:] in {"force", "display", "threat"}:
            z[NAMES.index(name)] = -0.3
    return np.asarray(z)


@cache
def recovered() -> tuple[Timelines, Fit]:
    """A small fit to simulated histories."""
    lines = timelines(simulate(truth(), 300, seed=3), watch=WATCH, until=END)
    return lines, learning.fit(lines, seed=5, starts=2, draws=120, keep=100)


def test_the_fast_likelihood_is_the_filter_s() -> None:
    """From event to event, or day by day through `filtering`: the same, history by history."""
    lines = timelines(simulate(truth(), 25, seed=1), watch=60, until=END)
    rng = np.random.default_rng(2)
    for z in (np.zeros(len(PRIORS)), rng.normal(size=len(PRIORS))):
        at = model(z)
        fast, _ = learning.log_likelihood(at, lines)
        np.testing.assert_allclose(fast, learning.by_filter(at, lines), rtol=1e-10, atol=1e-9)


def test_what_comes_later_does_not_change_what_was_known() -> None:
    """The state on a day depends on the events up to it alone."""
    lines = timelines(simulate(truth(), 25, seed=1), watch=60, until=END)
    shorter = timelines(simulate(truth(), 25, seed=1), watch=20, until=END)
    at = model(truth())
    states = {}
    for name, each in (("cut", lines.until(20)), ("short", shorter)):
        _, state = learning.log_likelihood(at, each)
        states[name] = dict(zip(each.ids, state, strict=True))
    for key, state in states["short"].items():
        np.testing.assert_allclose(states["cut"][key], state, atol=1e-12)


def test_scores_and_values_are_inverse() -> None:
    """A parameter in its unit and its normal score say the same."""
    z = np.random.default_rng(1).normal(size=len(PRIORS))
    np.testing.assert_allclose(learning.scores(values(z)), z, atol=1e-6)


def test_known_parameters_come_back() -> None:
    """Of the parameters that the data identify, nine in ten lie within 2.6 sd of the truth."""
    _, fit = recovered()
    off = np.abs(fit.draws.mean(axis=0) - truth()) / fit.draws.std(axis=0)
    known = np.array([fit.contraction[name] > 0.5 for name in NAMES])
    assert known.sum() >= 10
    assert (off[known] < 2.6).mean() >= 0.9


def test_the_fit_says_how_it_converged() -> None:
    """The best start is no worse than the truth; starts, draws and contraction are reported."""
    lines, fit = recovered()
    at_truth = learning.log_likelihood(model(truth()), lines)[0].sum() - 0.5 * truth() @ truth()
    assert fit.log_posterior > at_truth
    assert len(fit.starts) == 2
    assert fit.starts[0] == fit.log_posterior
    assert fit.draws.shape == (100, len(PRIORS))
    assert fit.ess > 10
    assert max(fit.contraction.values()) > 0.8


def test_learned_files_can_be_used(tmp_path: Path, workspace: Path) -> None:
    """What is written loads as a scenario without an error, and the draws read back."""
    _, fit = recovered()
    folder = tmp_path / "scenarios" / "learned"
    paths = learned.write(folder, fit, "A test.", workspace / "scenarios/catalogue.yaml")
    case = scenario.load(folder / "confrontation.yaml")
    assert {"over", "rest", "press", "push"} == {state.id for state in case.latent[0].states}
    median = fit.quantiles()["force -> war"][1]
    prior = case.assumptions["ladder.moves.force -> war.rate"].prior
    assert float(prior.quantile(np.array([0.5]))[0]) == pytest.approx(median, rel=0.2)
    np.testing.assert_allclose(learned.read_draws(folder / "draws.csv"), fit.draws, atol=1e-5)
    assert "contraction" in paths[-1].read_text(encoding="utf-8")


def test_draws_of_another_model_are_refused(tmp_path: Path) -> None:
    """A file whose columns are not this model's parameters says to learn again."""
    file = tmp_path / "draws.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInputError, match="learn again"):
        learned.read_draws(file)


def test_the_committed_model_is_one_that_this_code_reads(workspace: Path) -> None:
    """scenarios/learned loads, and its draws are of this model."""
    folder = workspace / "scenarios/learned"
    if not folder.is_dir():
        pytest.skip("nothing learned yet")
    assert learned.read_draws(folder / "draws.csv").shape[1] == len(PRIORS)
    assert scenario.load(folder / "confrontation.yaml").ladder.name == "rung"
