"""Promises of `reading.shape`, `parts`, `rates`, `settings` and `cautions`: what they find."""

from __future__ import annotations

from pathlib import Path

import pytest

from escalation.errors import InvalidInputError
from escalation.reading import scenario
from tiny_case import copy_of_tiny, edit, place_of_fault, wrong


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the tiny case, made the current folder."""
    return copy_of_tiny(tmp_path, monkeypatch)


# What is replaced, by what, where the fault then is (the text at that place), what is said.
FAULTS = [
    # settings
    (
        "start: 2030-01-01",
        "start: 2030-04-01",
        "2030-03-01",
        "as_of: 2030-03-01 is before the start",
    ),
    ("as_of: 2030-03-01", "as_of: soon", "soon", "as_of: expected a date such as 2025-11-16"),
    ("start: 2030-01-01", "start: 1900-01-01", "2030-03-01", "as_of: more than 18,250 days after"),
    ("horizon: 60d", "horizon: 60", "60\n", "horizon: expected a duration with its unit"),
    ("horizon: 60d", "horizon: 0d", "0d\n", "horizon: must be from 1d to 3650d (got 0d)"),
    ("horizon: 60d", "horizon: 11y", "11y", "horizon: must be from 1d to 3650d (got 4015d)"),
    ("horizon: 60d\n", "", "schema", "horizon: is missing"),
    ("horizon: 60d", "horizn: 60d", "horizn", "unknown key 'horizn' (did you mean 'horizon'?)"),
    (
        "title: Harbour dispute",
        "title: 3",
        "3\n",
        "title: expected text (got '3'); put it in quotes",
    ),
    ("schema: 1", "schema: 2", "2\n", "schema: expected 1 (got '2')"),
    ("horizon: 60d", "horizon: 60d\nwords: icd", "icd", "words: expected 'icd203' or 'phia'"),
    (
        "horizon: 60d",
        "horizon: 60d\nwithout: [row-9]",
        "row-9",
        "without.0: no observation 'row-9'",
    ),
    ("[shots, treaty]", "[shot]", "shot]", "targets.0: no rung 'shot' (did you mean 'shots'?)"),
    ("[shots, treaty]", "[words]", "words]", "targets.0: 'words' is the lowest rung"),
    ("[shots, treaty]", "[]", "[]", "targets: needs at least 1"),
    ("reach: shots", "reach: shooting", "shooting", "alerts.0.reach: no rung 'shooting'"),
    ("within: 30d", "within: 0d", "within", "alerts.0.within: must be above 0"),
    ("above: 0.3", "above: 30", "30}", "alerts.0.above: must be at most 1 (got '30')"),
    # factors
    (
        "bargain: Wants",
        "Bargain: Wants",
        "Bargain",
        "latent.intent.states.Bargain: 'Bargain' is no",
    ),
    ("fight: Means", "rate: Means", "rate: Means", "latent.intent.states.rate: 'rate' is reserved"),
    ("calm: Quiet at", "fight: Quiet at", "fight: Quiet", "latent.mood: the id 'fight' is"),
    (
        "id: treaty",
        "id: words",
        "words, label: Treaty",
        "ladder: the id 'words' is taken by ladder",
    ),
    (
        "fight: 0.2\n",
        "figth: 0.2\n",
        "figth",
        "latent.intent.start.figth: no state 'figth' (did yo",
    ),
    (
        "start: calm",
        "start: clam",
        "clam",
        "latent.mood.start: no state 'clam' (did you mean 'calm'",
    ),
    ("bargain: 0.8", "bargain: 1.8", "1.8", "latent.intent.start.bargain: a probability lies"),
    ("    start: calm\n", "", "mood:", "latent.mood.start: is missing"),
    (", resolves: Both sides sign.", "", "{id: treaty", "ladder.off_ramps.0.resolves: is missing"),
    (
        "calm -> angry:",
        "calm -> angri:",
        "calm -> angri",
        "calm -> angri: no state 'angri' (did you",
    ),
    ("calm -> angry:", "calm->angry:", "calm->angry", "one space each side: write 'calm -> angry'"),
    ("calm -> angry:", "calm -> calm:", "calm -> calm", "leads from a state to itself"),
    ("calm -> angry:", "calm -> fight:", "calm -> fight", "calm -> fight: no state 'fight'"),
    # numbers
    (
        "0.1 to 0.3",
        "0.3 to 0.1",
        "0.3 to 0.1",
        "fight -> bargain: the low end 0.3 is above the high",
    ),
    ("0.1 to 0.3", "-1", "-1", "fight -> bargain: a rate cannot be negative (got -1)"),
    ("0.1 to 0.3", "0 to 1", "0 to 1", "fight -> bargain: an interval for a rate must lie above 0"),
    ("0.1 to 0.3", "x2", "x2\n", "expected a rate, for instance 0.1 to 0.4 or 3 per 7d (got 'x2')"),
    ("0.1 to 0.3", "likely", "likely", "expected a rate, for instance 0.1 to 0.4 or 3 per 7d"),
    ("0.1 to 0.3", "1e9", "1e9", "this rate is too large"),
    ("0.1 to 0.3", "1e999", "1e999", "'1e999' is too large a number"),
    ("0.1 to 0.3", ".nan", ".nan", "expected a rate"),
    ("0.1 to 0.3", "[1]", "[1]", "expected a number"),
    ("0.1 to 0.3", "true", "true", "expected a number"),
    ("0.1 to 0.3", "1 per 0d", "1 per 0d", "'1 per 0d' is a rate per no time at all"),
    ("dist: gamma", "dist: gama", "gama", "no distribution 'gama' (did you mean 'gamma'?)"),
    ("a: 2, scale", "a: 2, scael", "scael", "'gamma' takes no 'scael'; it takes a, loc, scale"),
    ("a: 2, ", "", "{dist", "distribution 'gamma' lacks a"),
    ("a: 2, ", "a: two, ", "{dist", "the parameter 'a' must be a plain number"),
    ("a: 2, ", "a: -2, ", "{dist", "these parameters make no 'gamma' distribution"),
    ("dist: gamma, a: 2", "dist: normal", "{dist", "cannot be negative (this one reaches -0.794)"),
    (
        "{value: 1 to 3 per 90d, ",
        "{value: {value: 1}, ",
        "{value: 1}",
        "a 'value' within a 'value'",
    ),
    # rates
    ("rung: {shots: x2 to 4}", "rung: {shot: x2}", "shot: x2", "rung.shot: no state 'shot'"),
    (
        "rung: {shots: x2 to 4}",
        "rung: {shots: 2}",
        "rung: {",
        "'rate' is the base already, so that",
    ),
    ("rung: {shots: x2 to 4}", "intent: {fight: x2}", "intent: {f", "no table by its own factor"),
    (
        "rung: {shots: x2 to 4}",
        "rang: {shots: x2}",
        "rang",
        "no factor 'rang' (did you mean 'rung'?)",
    ),
    (
        "rung: {shots: x2 to 4}",
        "rang: 2",
        "rang",
        "'rang' is no key, and no table by a factor eith",
    ),
    (
        "intent: {bargain: 0.01, ",
        "intent: {",
        "intent: {fight: 0.2",
        "intent: no value for bargain",
    ),
    (
        "mood: {angry: x1.5}",
        "mood: {angry: 1, calm: 2}",
        "mood: {a",
        "two tables of values, 'intent'",
    ),
    ("bargain: 0.01", "bargain: x0.1", "x0.1", "an x marks a multiplier, and none can stand here"),
    (
        "intent: {bargain: 0.01, fight: 0.2 to 0.8}",
        "source: x",
        "blockade -> shots",
        "nothing to mul",
    ),
    ("bargain: x0.5", "bargain: 0.5", "0.5, fight", "this multiplies a rate; write x0.5"),
    (
        "reference: dispute",
        "reference: disput",
        "disput_",
        "no reference class 'disput_to_blockade'",
    ),
    (
        "reference: d",
        "rate: 1\n      reference: d",
        "reference: d",
        "there is 'rate' too; keep one",
    ),
]


@pytest.mark.parametrize(("old", "new", "at", "said"), FAULTS)
def test_a_fault_is_named_with_its_place(
    tiny: Path, old: str, new: str, at: str, said: str
) -> None:
    """Each fault of a scenario is named, at its line and column, with what to write instead."""
    place = place_of_fault(tiny / "baseline.yaml", old, new, at)
    found = wrong(tiny / "baseline.yaml")
    assert any(each.startswith(place) and said in each for each in found), (place, found)


CATALOGUE_FAULTS = [
    ("window: 30d", "window: 0d", "window: 0d", "ships_gather.seen.window: must be above 0"),
    ("window: 30d", "per: 30d", "unlikely", "ships_gather.seen.intent.bargain: expected a rate"),
    ("window: 30d", "window: 30d\n      per: 3d", "per: 3d", "there is a 'window' too"),
    (
        "fight: very likely",
        "fight: 1",
        "1}",
        "a probability within a window must be below 1 (got 1)",
    ),
    ("fight: very likely", "fight: 90%", "90%", "(got '90%'); write 0.9"),
    ("fight: very likely", "fight: vrey likely", "vrey", "expected a probability"),
    ("window: 30d", "window: 30d\n      rate: 1", "rate: 1", "with a window the base is a 'probab"),
    (
        "seen:\n      rate: 1",
        "seen:\n      probability: 0.5",
        "probability: 0.5",
        "needs a 'window'",
    ),
    ("lag: 3d", "lag: 1.5d", "lag", "indicators.ships_gather.lag: '1.5d' is not a whole number"),
    ("watched: true", "watched: yes", "yes", "indicators.ships_gather.watched: expected true or"),
    ("climb: 0.4", "clmb: 0.4", "clmb", "no move 'clmb' (did you mean 'climb'?); and 'talks_plan"),
    ("into fight", "into war", "into war", "no move 'into war'"),
    ("blockade -> treaty: 2", "words -> treaty: 2", "words ->", "no move 'words -> treaty'"),
    ("climb: 0.4 to 0.9", "climb: 0", "0\n", "a multiplier must be above 0 (got 0)"),
    ("fades: 30d to 60d", "fades: 30", "30\n", "expected a duration with its unit"),
    ("intent: {fight: x0.3", "intnt: {fight: x0.3", "intnt", "no factor 'intnt' (did you mean 'in"),
    ("A: 0.95 to 0.99, B", "A: 2, B", "2, B", "admiralty.source.A: a probability lies between 0"),
    ("A: 0.95 to 0.99, B", "B", "source: {", "admiralty.source.A: is missing"),
    (
        "category: force_posture",
        "category: force_postures",
        "force_postures",
        "did you mean 'force_p",
    ),
    ("    label: Shots reported\n", "", "shots_reported", "shots_reported.label: is missing"),
]


@pytest.mark.parametrize(("old", "new", "at", "said"), CATALOGUE_FAULTS)
def test_a_fault_of_the_catalogue_is_named(
    tiny: Path, old: str, new: str, at: str, said: str
) -> None:
    """A scenario brings the faults of its catalogue to light, at their place there."""
    place = place_of_fault(tiny / "catalogue.yaml", old, new, at)
    found = wrong(tiny / "baseline.yaml")
    assert any(each.startswith(place) and said in each for each in found), (place, found)
    assert all(each.startswith("catalogue.yaml:") for each in found), found


def test_ten_planted_faults_are_all_found(tiny: Path) -> None:
    """Every one of ten faults of a file, and nothing else, with exact line and column."""
    edit(
        tiny / "baseline.yaml",
        ("title: Harbour dispute", "title: 12"),
        ("horizon: 60d", "horizon: sixty"),
        ("bargain: 0.8", "bargain: 1.8"),
        ("rate: 0.05 to 0.2", "rate: 0.2 to 0.05"),
        ("0.1 to 0.3", "much"),
        ("start: calm", "start: clam"),
        ("label: Blockade, ", ""),
        ("words -> blockade:", "words -> blokade:"),
        ("fight: 0.2 to 0.8", "fihgt: 0.2 to 0.8"),
        ("within: 30d, above: 0.3", "within: 30d, abov: 0.3"),
    )
    found = wrong(tiny / "baseline.yaml")
    expected = [
        "3:8: title: ",
        "7:10: horizon: ",
        "19:16: latent.intent.start.bargain: ",
        "23:32: latent.intent.moves.bargain -> fight.rate: ",
        "24:25: latent.intent.moves.fight -> bargain: ",
        "28:12: latent.mood.start: no state 'clam'",
        "40:7: ladder.rungs.1.label: is missing",
        "46:5: ladder.moves.words -> blokade: no state 'blokade' (did you mean 'blockade'?)",
        "51:31: ladder.moves.blockade -> shots.intent.fihgt: no state 'fihgt' (did you mean 'fight",
        "60:5: alerts.0.above: is missing",
        "60:33: alerts.0: unknown key 'abov' (did you mean 'above'?)",
    ]
    assert len(found) == len(expected), "\n".join(found)
    for each, start in zip(found, expected, strict=True):
        assert each.startswith(f"baseline.yaml:{start}"), each


def test_a_fault_of_the_observations_is_named_in_the_scenario(tiny: Path) -> None:
    """The CSV is read with the scenario: indicators and probabilities are checked."""
    edit(
        tiny / "observations.csv",
        ("row-2,ships_gather", "row-2,ships_gathr"),
        ("0.6 to 0.9", "0.6 to 1.9"),
    )
    unknown, beyond = wrong(tiny / "baseline.yaml")
    assert unknown.startswith("observations.csv:3:2: indicator: no indicator 'ships_gathr'")
    assert beyond.startswith("observations.csv:7:7: observations.row-5.probability: an interval")


def test_an_indicator_that_does_not_fit_may_not_be_observed(tiny: Path) -> None:
    """Left out with a warning as long as nobody has seen it, an error otherwise."""
    edit(tiny / "observations.csv", ("row-4,harsh_speech", "row-4,volcano_erupts"))
    (found,) = wrong(tiny / "baseline.yaml")
    assert found == (
        "catalogue.yaml:50:23: indicators.volcano_erupts.seen.mountain: no factor 'mountain'; "
        "and 'volcano_erupts' is observed"
    )


def test_joint_states_are_limited(tiny: Path) -> None:
    """A product of factors beyond what the engine serves is refused."""
    states = ", ".join(f"s{number}: x" for number in range(60))
    edit(tiny / "baseline.yaml", ("{calm:", f"{{{states}, calm:"))
    assert "496 joint states" in wrong(tiny / "baseline.yaml")[0]


def test_paths_are_shown_from_the_current_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A problem can be clicked on wherever the command was given."""
    edit(tiny / "baseline.yaml", ("title: Harbour dispute", "title: 3"))
    monkeypatch.chdir(tiny.parent)
    assert wrong(Path("tiny/baseline.yaml"))[0].startswith("tiny/baseline.yaml:3:8: ")
    (tiny.parent / "elsewhere").mkdir()
    monkeypatch.chdir(tiny.parent / "elsewhere")
    assert wrong(tiny / "baseline.yaml")[0].startswith(f"{tiny.resolve()}/baseline.yaml:3:8: ")


@pytest.mark.parametrize("name", ["none.yaml", "", "a\0b", "x" * 5000, "/dev/null", "."])
def test_a_path_that_is_no_file_is_a_problem(tiny: Path, name: str) -> None:
    """Whatever path is given, what is wrong with it is said."""
    assert tiny.is_dir()
    with pytest.raises(InvalidInputError):
        scenario.load(name)


# ---------------------------------------------------------------------- what is unwise


def warnings(path: Path) -> list[str]:
    """Return the warnings of a scenario but those that the tiny case has anyway."""
    known = ("indicators.volcano_erupts", "indicators.shots_reported: a single report")
    texts = (str(each) for each in scenario.load(path).warnings)
    return [each for each in texts if not any(some in each for some in known)]


UNWISE = [
    (
        "baseline.yaml",
        "fight: 0.2\n",
        "fight: 0.3\n",
        "start:\n",
        "the probabilities add up to 1.1",
    ),
    (
        "baseline.yaml",
        "    why: Taken from the made-up history of the harbour.\n",
        "",
        "0.1 to 0.3",
        "latent.intent.moves.fight -> bargain: no reason: give a 'why'",
    ),
    ("baseline.yaml", "within: 30d", "within: 90d", "within", "is beyond the horizon (60d)"),
    (
        "baseline.yaml",
        "alerts:\n  - {reach: shots, within: 30d, above: 0.3}",
        "alerts: null",
        "alerts",
        "null (or blank) deletes a key, and there is none",
    ),
    (
        "catalogue.yaml",
        "lag: 3d",
        "lag: 31d",
        "ships_gather",
        "its window (30d) is shorter than the",
    ),
    (
        "catalogue.yaml",
        "mood: {angry: x1 to 2}",
        "mood: {angry: x1}",
        "harsh_speech",
        "is equally likely in every state",
    ),
    (
        "observations.csv",
        "row-4,harsh_speech,,2030-02-05",
        "row-4,harsh_speech,,2029-12-31",
        "row-4",
        "occurred_on: 'row-4' is from before the start",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "at", "said"), UNWISE)
def test_what_is_unwise_is_a_warning(
    tiny: Path, file: str, old: str, new: str, at: str, said: str
) -> None:
    """A valid scenario loads, and says where it is doubtful."""
    place = place_of_fault(tiny / file, old, new, at)
    found = warnings(tiny / "baseline.yaml")
    assert any(each.startswith(f"{place}warning: ") and said in each for each in found), (
        place,
        found,
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [
        ("5", None),
        ("30", "warning: count: 30 in 13 days, where the scenario expects "),
        ("5000", "count: 5,000 in 13 days, where the scenario expects "),
    ],
)
def test_a_count_beyond_all_that_is_expected(tiny: Path, count: str, said: str | None) -> None:
    """A count that the rates hardly allow is doubtful; one that they rule out is a fault."""
    edit(tiny / "observations.csv", (",3,,A1,", f",{count},,A1,"))
    found = [str(each) for each in scenario.check(tiny / "baseline.yaml") if each.where == "count"]
    assert [each.split(": ", 1)[1][: len(said or "")] for each in found] == ([said] if said else [])


def test_a_single_report_that_decides_is_a_warning(tiny: Path) -> None:
    """A likelihood ratio over 100 is doubtful; a weak grade bounds it."""
    said = "shots_reported: a single report of it is a likelihood ratio of 105 between states"
    assert any(said in str(each) for each in scenario.check(tiny / "baseline.yaml"))
    edit(tiny / "observations.csv", (",3,,A1,", ",3,,B3,"))
    assert not any(
        "likelihood ratio" in str(each) for each in scenario.check(tiny / "baseline.yaml")
    )


def test_a_target_that_no_moves_lead_to_is_a_warning(tiny: Path) -> None:
    """So is a latent state that cannot be reached."""
    edit(
        tiny / "baseline.yaml",
        ("    blockade -> treaty: {rate: 0.02", "    shots -> words: {rate: 0.02"),
        ("      calm -> angry:\n        rate: {dist: gamma, a: 2, scale: 0.1}\n", ""),
        ("        why: Crowds gather slowly.\n        source: Harbour Chronicle\n", ""),
    )  # fmt: skip
    edit(tiny / "catalogue.yaml", ("blockade -> treaty: 2 to 5\n", "settle: 2 to 5\n"))
    found = warnings(tiny / "baseline.yaml")
    assert any("no moves lead to 'treaty': it is never reached" in each for each in found), found
    assert any("latent.mood: 'angry' has no start probability" in each for each in found), found


def test_a_distribution_left_over_from_a_merge_is_an_error(tiny: Path) -> None:
    """Merging one distribution over another may not keep a parameter of the first, silently."""
    (tiny / "mixed.yaml").write_text(
        "extends: baseline.yaml\n"
        "latent: {mood: {moves: {calm -> angry: {rate: {dist: lognormal, s: 1, a: null}}}}}\n"
    )
    (found,) = wrong(tiny / "mixed.yaml")
    assert "'scale' is left over from the distribution that this one replaces" in found
    (tiny / "wider.yaml").write_text(
        "extends: baseline.yaml\nlatent: {mood: {moves: {calm -> angry: {rate: {scale: 0.2}}}}}\n"
    )
    number = scenario.load(tiny / "wider.yaml").assumptions["latent.mood.moves.calm -> angry.rate"]
    assert number.text == "{dist: gamma, a: 2, scale: 0.2}"
