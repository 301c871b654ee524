"""What comparisons promise (see `escalation.comparing.compare`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import load_case, row
from escalation.comparing.compare import EXPLAINED_DRAWS, Comparison, compare
from escalation.comparing.differences import NOTHING, between, changes, differences
from escalation.comparing.switching import coalitions, explain_gap, shapley
from escalation.engine.assessment import assess
from escalation.engine.layout import plan
from escalation.engine.outcomes import outcomes, weighted_quantile
from escalation.engine.posterior import Scores
from escalation.engine.shared_draws import SharedDraws, couple, here, influence, share, union
from escalation.errors import ImpossibleEvidenceError, InvalidValueError
from escalation.maths.priors import Fixed, hypercube, normal_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from escalation.reading.case import Scenario

    Array = NDArray[np.float64]


class Make(Protocol):
    """Makes a variant of the small case."""

    def __call__(
        self, name: str, changes: dict[str, Any] | None = None, rows: tuple[str, ...] = ...
    ) -> Scenario:
        """Return it."""


ROWS = (
    row("fleet-1", "fleet", "2025-01-20"),
    row("threat-1", "threat", "2025-01-10", grade="B2"),
    row("threat-2", "threat", "2025-02-10", grade="C3"),
    row("shots-1", "shots", "2025-02-20", grade="B2"),
)
FIERCE = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": "0.4 to 0.9", "why": "angry"}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"fight": "0.5 to 2"}}}},
}
DRAWS = 512


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of variants of the small case, each in its own folder."""

    def variant(
        name: str, changes: dict[str, Any] | None = None, rows: tuple[str, ...] = ROWS
    ) -> Scenario:
        folder = tmp_path_factory.mktemp(name)
        return replace(load_case(folder, rows, changes), name=name)

    return variant


@pytest.fixture(scope="module")
def base(make: Make) -> Scenario:
    """The small case as it is."""
    return make("base")


@pytest.fixture(scope="module")
def fierce(make: Make) -> Scenario:
    """A case whose initiator means it."""
    return make("fierce", FIERCE)


@pytest.fixture(scope="module")
def pair(base: Scenario, fierce: Scenario) -> Comparison:
    """The two compared."""
    return compare([base, fierce], draws=DRAWS)


def test_identical(base: Scenario, make: Make) -> None:
    """Scenarios with the same assumptions and evidence differ by exactly zero."""
    same = compare([base, make("twin")], draws=256)
    for target in same.targets:
        for days in (1, 30, None):
            gap = same.gap("base", "twin", target, days)
            assert (gap.difference, gap.low, gap.high, gap.error) == (0, 0, 0, 0)
            assert gap.overlap == 1
    assert same.support["twin"].bayes_factor == 1
    assert same.support["twin"].log_error == 0
    assert same.differences == ()
    assert same.explanations == ()


HARD = {"indicators": {"shots": {"seen": {"rung": {"high": "0.05 to 40"}}}}}
BUSY = tuple(row(f"s{i}", "shots", f"2025-02-{i:02d}") for i in range(1, 25, 3))


@pytest.fixture(scope="module")
def adapted(make: Make) -> Comparison:
    """Two equal scenarios and another one that prior draws do not serve."""
    cases = [make(name, HARD, BUSY) for name in ("first", "second")]
    found = compare(
        [*cases, make("other", {**HARD, **FIERCE}, BUSY)], horizon=5, draws=256, explain=False
    )
    assert found.shared.method == "amis"
    return found


def test_identical_when_adapted(adapted: Comparison) -> None:
    """Also where prior draws do not serve and proposals are added, the difference is zero."""
    gap = adapted.gap("first", "second", "high")
    assert (gap.difference, gap.low, gap.high, gap.error) == (0, 0, 0, 0)
    assert adapted.gap("first", "other", "high").difference != 0


def test_adapted_draws_are_right(adapted: Comparison) -> None:
    """Shared adapted draws give what many prior draws give, within their errors."""
    count = 1024
    scores = Scores(union(adapted.plans), 77)
    plain = SharedDraws(scores.uncertain, scores.prior(count), np.zeros(count), "prior")
    for name, layout in zip(adapted.names[1:], adapted.plans[1:], strict=True):
        found = outcomes(layout, plain.values(layout.assumptions), ("high",))
        slow = plain.weigh(layout, found)
        reached = slow.outcomes.reached[-1, 0]
        apart = adapted.reach(name, "high").probability - slow.weights @ reached
        error = plain.error(influence(slow.weights, reached))
        assert abs(apart) < 5 * (adapted.error(name, "high") + error)
        mine = adapted.of(name).fit
        assert mine.log_marginal_likelihood == pytest.approx(
            slow.fit.log_marginal_likelihood, abs=5 * (mine.ess**-0.5 + slow.fit.ess**-0.5)
        )


def test_agrees_with_assess(base: Scenario, pair: Comparison) -> None:
    """A scenario's probability here is that of its own report, but for resampling."""
    alone = assess(base, draws=DRAWS)
    for target in pair.targets:
        mine, its = pair.reach("base", target), alone.reach_by(target)
        weights, reached = pair.of("base").weights, pair.draws("base", target)
        spread = np.sqrt(weights @ np.square(reached - mine.probability))
        resampled = spread / np.sqrt(len(alone.posterior.index))  # if it were done at random
        assert mine.probability == pytest.approx(its.probability, abs=2 * resampled)
        assert mine.low == pytest.approx(its.low, abs=0.03)
        assert mine.high == pytest.approx(its.high, abs=0.03)
    quality = alone.diagnostics
    assert pair.of("base").fit.ess == pytest.approx(quality.ess)
    assert pair.support["base"].log_marginal_likelihood == pytest.approx(
        quality.log_marginal_likelihood
    )


def test_assessments_are_taken_as_they_are(base: Scenario, fierce: Scenario) -> None:
    """An assessment stands for its scenario as of its day and horizon."""
    early = assess(base, as_of=date(2025, 2, 1), horizon=20, draws=64)
    late = assess(fierce, horizon=20, draws=64)
    found = compare([early, late], draws=64, explain=False)
    assert found.horizon == 20
    assert found.plans[0].as_of == date(2025, 2, 1)
    assert "other days" in found.support["fierce"].why_not


def test_common_numbers_cancel_noise(base: Scenario, make: Make) -> None:
    """The error of a difference covers its spread over seeds, and is far below that of one run."""
    mild = make("mild", {"ladder": {"moves": {"low -> high": {"intent": {"fight": "0.3 to 1.1"}}}}})
    runs = [compare([base, mild], draws=128, seed=seed, explain=False) for seed in range(8)]
    gaps = np.array([run.gap("base", "mild", "high").difference for run in runs])
    stated = np.mean([run.gap("base", "mild", "high").error for run in runs])
    assert gaps.std(ddof=1) < 1.2 * stated
    single = np.mean([run.error("base", "high") for run in runs])
    assert stated < 0.25 * single


def test_gap_adds_up(pair: Comparison) -> None:
    """A difference is the difference of the probabilities, and its interval holds it."""
    for target in pair.targets:
        gap = pair.gap("base", "fierce", target)
        reach = [pair.reach(name, target).probability for name in pair.names]
        assert gap.difference == pytest.approx(reach[1] - reach[0], abs=1e-12)
        assert gap.low <= gap.difference <= gap.high
        back = pair.gap("fierce", "base", target)
        assert back.difference == -gap.difference
        mean, low, high = pair.divergence("base", "fierce", target)
        assert mean[-1] == pytest.approx(gap.difference)
        assert (low[-1], high[-1]) == pytest.approx((gap.low, gap.high))


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_coupling_keeps_margins(seed: int, count: int) -> None:
    """Pairs have both posteriors as margins, and no pairing lets more draws meet themselves."""
    rng = np.random.default_rng(seed)
    a, b = (rng.gamma(0.5, size=count) * (rng.random(count) < 0.8) + 1e-9 for _ in range(2))
    a, b = a / a.sum(), b / b.sum()
    pairs = couple(a, b, rng)
    for index, weights in ((pairs.first, a), (pairs.second, b)):
        margin = np.bincount(index, weights=pairs.weight, minlength=count)
        np.testing.assert_allclose(margin, weights, atol=1e-12)
    met = pairs.weight[pairs.first == pairs.second].sum()
    assert met == pytest.approx(pairs.overlap)
    assert pairs.overlap == pytest.approx(np.minimum(a, b).sum())


def test_weighted_quantile_counts_weights() -> None:
    """A weight of k counts as k equal values."""
    rng = np.random.default_rng(5)
    values, times = rng.normal(size=30), rng.integers(1, 6, size=30)
    repeated = np.sort(np.repeat(values, times))
    for share_ in (0.05, 0.5, 0.95):
        plain = repeated[int(np.ceil(share_ * len(repeated))) - 1]
        assert weighted_quantile(values, times / times.sum(), share_) == plain


def test_differences_name_value_and_reason(base: Scenario, fierce: Scenario) -> None:
    """What differs is listed with both values as written and both reasons, and nothing else."""
    found = {each.name: each for each in differences([base, fierce])}
    assert set(found) == {
        "latent.intent.moves.bluff -> fight.rate",
        "ladder.moves.low -> high.intent.fight",
    }
    rate = found["latent.intent.moves.bluff -> fight.rate"]
    assert rate.values == ("0.1 to 0.3 per 30d", "0.4 to 0.9 per 30d")
    assert rate.whys == ("reasoning", "angry")


def test_differences_in_evidence_and_structure(base: Scenario, make: Make) -> None:
    """Reports and settings that only one scenario has are listed as such."""
    changed = {"indicators": {"shots": {"watched": False}, "fleet": {"effect": None}}}
    other = make("other", changed, ROWS[1:])
    found = {each.name: each for each in differences([base, other])}
    assert found["observations.fleet-1"].values[1] == NOTHING
    assert found["observations.fleet-1"].kind == "evidence"
    assert found["indicators.shots.watched"].values == ("yes", "no")
    assert found["indicators.fleet.effect.climb"].values == ("x1.5 to 3", NOTHING)
    support = compare([base, other], draws=64, explain=False).support["other"]
    assert support.bayes_factor is None
    assert support.why_not == "other reports: fleet-1"


def test_silence_is_evidence(base: Scenario, make: Make) -> None:
    """No Bayes factor where one scenario takes silence for evidence and the other does not."""
    deaf = make("deaf", {"indicators": {"shots": {"watched": False}}})
    support = compare([base, deaf], draws=64, explain=False).support["deaf"]
    assert support.why_not == "other silence counts: shots"


def test_bayes_factor(base: Scenario, fierce: Scenario, pair: Comparison) -> None:
    """The Bayes factor is the ratio of the evidence's probabilities over all prior draws."""
    logs = []
    for scenario in (base, fierce):
        layout = plan(scenario)
        values = pair.shared.values(layout.assumptions)
        loglik = outcomes(layout, values, ()).loglik
        logs.append(np.log(np.mean(np.exp(loglik))))
    assert pair.support["fierce"].bayes_factor == pytest.approx(np.exp(logs[1] - logs[0]))
    assert pair.support["base"].bayes_factor == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ladder": {"off_ramps": None, "moves": {"low -> deal": None}}, "targets": ["high"]},
        {"ladder": {"rungs": [{"id": "low", "label": "L", "resolves": "x"},
                              {"id": "high", "label": "H", "resolves": "x"},
                              {"id": "top", "label": "T", "resolves": "x"}],
                    "moves": {"high -> top": {"rate": 0.1, "why": "x"}}},
         "indicators": {"shots": {"seen": {"rung": {"top": 1}}}}},
    ],
)  # fmt: skip
def test_other_ladders_are_refused(base: Scenario, make: Make, change: dict[str, Any]) -> None:
    """Scenarios on other ladders cannot be compared, and the error says what differs."""
    if change["ladder"].get("off_ramps", "") is None:
        change = {**change, "indicators": {"shots": {"seen": {"rung": {"deal": None}}}}}
    other = make("other", change)
    with pytest.raises(InvalidValueError, match=r"base and other cannot be compared.*ladders"):
        compare([base, other], draws=16)


def test_wrong_use(base: Scenario, fierce: Scenario) -> None:
    """One scenario, other horizons and unknown or negative plausibilities are refused."""
    with pytest.raises(InvalidValueError, match="at least two"):
        compare([base], draws=16)
    with pytest.raises(InvalidValueError, match=r"horizons differ \(60d, 61d\)"):
        compare([base, replace(fierce, horizon=61)], draws=16)
    for wrong in ({"nobody": 1.0}, {"base": -1.0, "fierce": 2.0}, {"base": 0.0}):
        with pytest.raises(InvalidValueError):
            compare([base, fierce], draws=16, plausibility=wrong, explain=False)


def test_impossible_evidence_is_named(base: Scenario, make: Make) -> None:
    """A scenario under which the evidence cannot be is an error that names it."""
    wall = {"indicators": {"fleet": {"seen": {"intent": {"bluff": 0, "fight": 0}}}}}
    with pytest.raises(ImpossibleEvidenceError, match="wall"):
        compare([base, make("wall", wall)], draws=16)


def test_same_name_twice(base: Scenario) -> None:
    """The same scenario may be compared with itself; its names are told apart."""
    found = compare([base, base], draws=16)
    assert len(set(found.names)) == 2


# --- switching


def test_changes_lead_all_the_way(base: Scenario, make: Make) -> None:
    """With every change made, a scenario computes what the other computes; with none, itself."""
    other = make(
        "other",
        {
            **FIERCE,
            "latent": {"intent": {"start": {"bluff": 0.5, "fight": 0.5}}},
            "indicators": {
                "fleet": {"effect": None, "lag": "2d"},
                "rumour": {
                    "category": "rhetoric",
                    "label": "Rumour",
                    "seen": {"per": "30d", "intent": {"bluff": 1, "fight": "1 to 2"}},
                    "why": "x",
                },
            },
            "without": ["threat-1"],
        },
        (*ROWS, row("rumour-1", "rumour", "2025-02-01")),
    )
    steps = changes(base, other)
    names = {step.name for step in steps}
    assert {"latent.intent.start", "indicators.fleet", "indicators.rumour"} <= names
    assert "observations.threat-1" in names
    assert "observations.rumour-1" not in names, "it is switched with its type"
    for made, like in ((), base), (steps, other):
        mixed = between(base, other, made)
        shared, weighed = share(
            [plan(mixed), plan(like)], 64, 3, lambda tasks: here(tasks, ("high",))
        )
        np.testing.assert_allclose(
            weighed[0].outcomes.reached, weighed[1].outcomes.reached, rtol=1e-12, atol=1e-15
        )
        np.testing.assert_allclose(weighed[0].outcomes.loglik, weighed[1].outcomes.loglik)
        assert shared.method in {"prior", "amis"}


def test_every_single_change_is_a_scenario(base: Scenario, make: Make) -> None:
    """Whatever is switched by itself, the engine runs, and not to the same numbers."""
    other = make("other", FIERCE, ROWS[:-1])
    steps = changes(base, other)
    assert len(steps) == 3
    shared, _ = share([plan(base), plan(other)], 64, 3, lambda tasks: here(tasks, ("high",)))
    for step in steps:
        layout = plan(between(base, other, [step]))
        found = outcomes(layout, shared.values(layout.assumptions), ("high",))
        assert np.isfinite(found.loglik).any()


def test_shapley_adds_up_to_the_gap(pair: Comparison) -> None:
    """Shapley's values add up to the gap; alone and withheld of a single change are the gap."""
    assert {each.target for each in pair.explanations} == set(pair.targets)
    for each in pair.explanations:
        assert sum(part.shapley or 0.0 for part in each.parts) == pytest.approx(each.gap, abs=1e-12)
        assert each.draws == min(EXPLAINED_DRAWS, DRAWS)
        full = pair.gap(each.first, each.other, each.target).difference
        assert each.gap == pytest.approx(full, abs=1e-12), "here all draws are used"


def test_one_change_explains_all(base: Scenario, make: Make) -> None:
    """Where one thing differs, it explains the whole gap, alone and withheld."""
    other = make("other", {"ladder": {"moves": {"low -> high": {"intent": {"fight": "1 to 2"}}}}})
    (found,) = [
        each for each in compare([base, other], draws=64).explanations if each.target == "high"
    ]
    (part,) = found.parts
    assert part.alone == part.withheld == pytest.approx(found.gap)
    assert part.change.name == "ladder.moves.low -> high.intent.fight"


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_shapley_is_the_mean_over_orders(seed: int, count: int) -> None:
    """Shapley's value is what a change adds, averaged over every order of making them."""
    rng = np.random.default_rng(seed)
    names = [f"c{i}" for i in range(count)]
    values = {each: float(rng.random()) for each in coalitions(names)}
    gained = dict.fromkeys(names, 0.0)
    orders = list(permutations(names))
    for order in orders:
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            gained[name] += (values[before | {name}] - values[before]) / len(orders)
    assert shapley(values) == pytest.approx(gained, abs=1e-9)


def test_many_changes_are_switched_one_by_one() -> None:
    """Beyond a few changes only the singles and all but one are tried."""
    assert len(coalitions([f"c{i}" for i in range(9)])) == 1 + 9 + 9 + 1
    assert len(coalitions(["a", "b"])) == 4


def test_other_factors_are_not_split(base: Scenario, make: Make) -> None:
    """Scenarios with other latent factors are compared, and it says why no gap is split."""
    third = {"latent": {"intent": {"states": {"mad": "Mad"}, "start": {"mad": 0.1}}}}
    third |= {"indicators": {"fleet": {"seen": {"intent": {"mad": 0.5}}},
                             "threat": {"seen": {"intent": {"mad": 1}}}},
              "ladder": {"moves": {"low -> high": {"intent": {"mad": 0.1}}}}}  # fmt: skip
    other = make("other", third)
    found = compare([base, other], draws=64)
    assert "latent factors" in found.unexplained["other"]
    assert found.explanations == ()
    with pytest.raises(InvalidValueError):
        explain_gap(base, other, ("high",), 60, found.shared, lambda tasks: here(tasks, ("high",)))


# --- swaps


def held(case: Scenario, name: str, value: float) -> Scenario:
    """Return the case with an assumption held at a value."""
    fixed = replace(case.assumptions[name], prior=Fixed(value))
    return replace(case, assumptions={**case.assumptions, name: fixed})


def test_gap_closes_at_the_first_value(base: Scenario, make: Make) -> None:
    """Where one plain number is all that differs, the gap closes at the first's value of it."""
    other = make("other", {"ladder": {"moves": {"high -> low": {"rate": 0.5}}}})
    found = compare([base, other], draws=64)
    (swap,) = [each for each in found.swaps if each.name == "ladder.moves.high -> low.rate"]
    assert not swap.alike
    assert (swap.low, swap.high) == (0.2, 0.5)
    assert swap.value == pytest.approx(0.2)
    assert swap.probability == pytest.approx(found.reach("base", "high").probability)
    assert swap.at_high == pytest.approx(found.gap("base", "other", "high").difference)


def test_swaps_are_where_a_new_comparison_finds_no_gap(make: Make) -> None:
    """With the assumption held at its value, the two scenarios compared anew are as likely."""
    meek = {
        "latent": {"intent": {"moves": {"bluff -> fight": {"rate": "0.02 to 0.1"}}}},
        "ladder": {"moves": {"low -> high": {"intent": {"fight": "0.5 to 3"}}}},
    }
    cases = make("base"), make("meek", meek)
    found = compare(cases, draws=256)
    assert len(found.swaps) == 3
    closing = [each for each in found.swaps if each.value is not None]
    assert {each.alike for each in closing} == {True, False}
    for each in closing:
        first = held(cases[0], each.name, each.value or 0) if each.alike else cases[0]
        again = compare([first, held(cases[1], each.name, each.value or 0)], draws=256)
        assert again.gap("base", "meek", "high").difference == pytest.approx(0, abs=2e-5)
        assert again.reach("meek", "high").probability == pytest.approx(each.probability, abs=1e-6)


def test_no_swap(base: Scenario, make: Make) -> None:
    """Where nothing closes the gap it says so, with the gap at both ends; twins have no swap."""
    climbs = {"fight": "5 to 9", "bluff": "0.5 to 0.9"}
    harsh = make("harsh", {"ladder": {"moves": {"low -> high": {"intent": climbs}}}})
    found = compare([base, harsh], draws=64)
    for each in found.swaps:
        if each.value is None:
            assert each.at_low * each.at_high > 0
            assert each.probability is None
    assert any(each.value is None for each in found.swaps)
    assert compare([base, make("twin")], draws=64).swaps == ()


# --- blends


def test_blend_is_the_weighted_mean(base: Scenario, fierce: Scenario) -> None:
    """A blend's probability is the plausibility-weighted mean, whatever the weights add up to."""
    found = compare([base, fierce], draws=128, plausibility={"base": 3, "fierce": 1}, explain=False)
    assert found.blend is not None
    for target, estimate in found.blend.targets.items():
        each = [found.reach(name, target).probability for name in found.names]
        assert estimate.probability == pytest.approx(0.75 * each[0] + 0.25 * each[1])
        assert estimate.low <= estimate.probability <= estimate.high
        assert found.blend.errors[target] > 0


def test_blend_of_one_is_that_one(base: Scenario, fierce: Scenario) -> None:
    """All plausibility on one scenario gives that scenario, its interval and its error."""
    found = compare([base, fierce], draws=128, plausibility={"fierce": 2}, explain=False)
    assert found.blend is not None
    assert found.blend.targets["high"] == found.reach("fierce", "high")
    assert found.blend.errors["high"] == pytest.approx(found.error("fierce", "high"))


def drawn(n: int, seed: int, method: str = "prior") -> tuple[SharedDraws, Array]:
    """Latin-hypercube draws of three assumptions, and their places in the prior."""
    u = np.stack([hypercube(name, n, seed) for name in "abc"])
    return SharedDraws(tuple("abc"), normal_score(u), np.zeros(n), method), u


def test_error_of_independent_draws() -> None:
    """Where proposals were added, the error of a mean is that of independent draws."""
    shared, _ = drawn(400, 8, "amis")
    values = np.random.default_rng(8).random(400)
    stated = shared.error(influence(np.full(400, 1 / 400), values))
    assert stated == pytest.approx(values.std(ddof=1) / np.sqrt(400))


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        (lambda a, b, c: np.exp(a) * b + np.sin(c), 0.85, 1.15),  # an interaction, and a curve
        (lambda a, b, c: (a > 0.3) * b * c, 0.85, 1.5),  # a step, which no polynomial meets
        (lambda a, b, c: np.sin(5 * (a + b)) + c**9, 0.85, 1.3),
    ],
)
def test_error_is_what_repeating_shows(
    shape: Callable[[Array, Array, Array], Array], least: float, most: float
) -> None:
    """The stated error is the spread of means over repeated hypercubes, or a little more."""
    n = 256
    means, stated, plain = [], [], []
    for seed in range(400):
        shared, u = drawn(n, seed)
        values = shape(*u)
        pulls = influence(np.full(n, 1 / n), values)
        means.append(values.mean())
        stated.append(shared.error(pulls))
        plain.append(np.sqrt(np.square(pulls).sum()))
    spread = np.std(means, ddof=1)
    assert least * spread < np.mean(stated) < most * spread
    assert np.mean(stated) < np.mean(plain)


def test_error_of_a_difference_is_what_repeating_shows(base: Scenario, fierce: Scenario) -> None:
    """The error of a gap is the spread of gaps over seeds, at most twice that."""
    found = [
        compare([base, fierce], draws=256, seed=seed, explain=False).gap("base", "fierce", "high")
        for seed in range(30)
    ]
    spread = np.std([each.difference for each in found], ddof=1)
    assert 0.75 * spread < np.mean([each.error for each in found]) < 2 * spread


def test_small_multiples_add_up(pair: Comparison) -> None:
    """On every day, the states of the ladder share all the probability."""
    for name in pair.names:
        rungs = pair.rungs(name)
        assert rungs.shape == (61, 3)
        np.testing.assert_allclose(rungs.sum(axis=1), 1.0)
