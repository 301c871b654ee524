"""Promises of `escalation.reading.scenario`, `assembly` and `register`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from escalation.errors import InvalidInputError
from escalation.maths.priors import Distribution, Fixed, LogitNormal, LogNormal, Prior
from escalation.reading import scenario
from escalation.reading.case import Alert
from tiny_case import TINY, copy_of_tiny, edit, wrong


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the tiny case, made the current folder."""
    return copy_of_tiny(tmp_path, monkeypatch)


def median(prior: Prior) -> float:
    """Return the median of a prior."""
    return float(prior.quantile(np.array([0.5]))[0])


# ---------------------------------------------------------------------- what is read


def test_a_scenario_is_read_whole() -> None:
    """Settings, factors and observations of the tiny case arrive where they belong."""
    case = scenario.load(TINY / "baseline.yaml")
    assert (case.name, case.title) == ("tiny-baseline", "Harbour dispute")
    assert (case.start, case.as_of, case.horizon) == (date(2030, 1, 1), date(2030, 3, 1), 60)
    assert [factor.name for factor in case.factors] == ["intent", "mood", "rung"]
    assert [state.id for state in case.rungs] == ["words", "blockade", "shots"]
    assert [state.id for state in case.off_ramps] == ["treaty"]
    assert [move.name for move in case.latent[0].moves] == ["bargain -> fight", "fight -> bargain"]
    assert case.targets == ("shots", "treaty")
    assert case.alerts == (Alert("shots", 30, 0.3),)
    assert [each.id for each in case.observations] == [f"row-{n}" for n in range(1, 7)]
    assert case.words == "icd203"
    assert [path.name for path in case.files] == [
        "reference_classes.yaml", "catalogue.yaml", "baseline.yaml", "observations.csv",
    ]  # fmt: skip


def test_start_is_a_table_of_weights_or_one_state() -> None:
    """One state is a weight of 1, named by the place where it is written."""
    case = scenario.load(TINY / "baseline.yaml")
    assert case.latent[0].start == {
        "bargain": "latent.intent.start.bargain",
        "fight": "latent.intent.start.fight",
    }
    assert case.latent[1].start == {"calm": "latent.mood.start"}
    assert case.assumptions["latent.mood.start"].prior == Fixed(1.0)
    assert case.assumptions["latent.intent.start.fight"].role == "weight"


def test_a_rate_is_a_base_and_tables() -> None:
    """A base is named, tables of multipliers and of values are told apart by the x."""
    case = scenario.load(TINY / "baseline.yaml")
    ladder = {move.name: move.rate for move in case.ladder.moves}
    cited, valued = ladder["words -> blockade"], ladder["blockade -> shots"]
    assert (cited.base, cited.values) == ("reference_classes.dispute_to_blockade.rate", None)
    assert (valued.base, valued.values) == (None, "intent")
    assert valued.tables["mood"] == {"angry": "ladder.moves.blockade -> shots.mood.angry"}
    roles = {name: each.role for name, each in case.assumptions.items()}
    assert roles["ladder.moves.blockade -> shots.intent.fight"] == "rate"
    assert roles["ladder.moves.blockade -> shots.mood.angry"] == "multiplier"
    assert roles["ladder.moves.words -> blockade.intent.fight"] == "multiplier"
    direct = case.latent[0].moves[1].rate
    assert (direct.base, dict(direct.tables)) == ("latent.intent.moves.fight -> bargain", {})


def test_an_indicator_has_rates_or_probabilities_in_a_window() -> None:
    """With `window` the values are probabilities, with `per` or neither they are rates."""
    case = scenario.load(TINY / "baseline.yaml")
    ships, shots = case.indicators["ships_gather"], case.indicators["shots_reported"]
    assert (ships.seen.window, ships.seen.values) == (30.0, "intent")
    assert (ships.watched, ships.once, ships.lag) == (True, True, 3)
    assert (shots.seen.window, shots.seen.values, shots.lag) == (None, "rung", 0)
    speech = case.indicators["harsh_speech"].seen
    assert (speech.window, speech.base) == (14.0, "indicators.harsh_speech.seen.probability")
    effect = case.indicators["talks_planned"].effect
    assert effect is not None
    assert effect.fades == "indicators.talks_planned.effect.fades"
    assert list(effect.multipliers) == ["climb", "into fight", "blockade -> treaty"]


def test_numbers_have_priors_in_the_unit_of_their_place() -> None:
    """Rates per 30 days unless said otherwise; words are bands; distributions are SciPy's."""
    numbers = scenario.load(TINY / "baseline.yaml").assumptions
    assert isinstance(numbers["latent.intent.moves.fight -> bargain"].prior, LogNormal)
    assert numbers["latent.intent.moves.fight -> bargain"].days == 30
    assert numbers["latent.mood.moves.angry -> calm.rate"].days == 90
    assert numbers["latent.mood.moves.angry -> calm.rate"].text == "1 to 3 per 90d"
    gamma = numbers["latent.mood.moves.calm -> angry.rate"]
    assert isinstance(gamma.prior, Distribution)
    assert gamma.text == "{dist: gamma, a: 2, scale: 0.1}"
    word = numbers["indicators.ships_gather.seen.intent.fight"]
    assert isinstance(word.prior, LogitNormal)
    assert word.prior.quantile(np.array([0.05, 0.95])) == pytest.approx([0.8, 0.95])
    assert numbers["indicators.talks_planned.effect.fades"].role == "duration"
    assert median(numbers["indicators.talks_planned.effect.fades"].prior) == pytest.approx(
        1800**0.5
    )
    assert numbers["observations.row-5.probability"].role == "probability"


def test_every_number_knows_its_reason_and_place() -> None:
    """The reason is the nearest above; the place is that of the value in its own file."""
    numbers = scenario.load(TINY / "baseline.yaml").assumptions
    near = numbers["latent.intent.moves.bargain -> fight.rung.shots"]
    far = numbers["latent.intent.moves.fight -> bargain"]
    inner = numbers["latent.mood.moves.angry -> calm.rate"]
    sourced = numbers["latent.mood.moves.calm -> angry.rate"]
    assert near.why == "Shots harden minds."
    assert far.why == "Taken from the made-up history of the harbour."
    assert inner.why == "Crowds go home within weeks."
    assert sourced.source == "Harbour Chronicle"
    assert (near.location.line, near.location.column) == (23, 59)
    assert far.location.path.name == "baseline.yaml"
    assert numbers["admiralty.unknown"].location.path.name == "catalogue.yaml"
    assert numbers["reference_classes.dispute_to_blockade.rate"].why.startswith("First blockade")
    assert numbers["observations.row-5.probability"].why == "Talks in ten days"


def test_only_what_the_scenario_uses_is_an_assumption() -> None:
    """Indicators that do not fit and classes that are not cited leave no numbers behind."""
    case = scenario.load(TINY / "baseline.yaml")
    assert "volcano_erupts" not in case.indicators
    assert not any("volcano" in name or "never_cited" in name for name in case.assumptions)
    assert list(case.reference_classes) == ["dispute_to_blockade"]
    cited = case.reference_classes["dispute_to_blockade"]
    assert (cited.events, cited.exposure) == (12, 3750)
    unseen = scenario.load(TINY / "variant.yaml")
    assert "harsh_speech" not in unseen.indicators
    assert not any("harsh_speech" in name for name in unseen.assumptions)


def test_every_name_that_a_part_refers_to_is_an_assumption() -> None:
    """No part of a scenario names a number that is not there."""
    case = scenario.load(TINY / "baseline.yaml")
    names = [name for factor in case.factors for name in factor.start.values()]
    specs = [move.rate for factor in case.factors for move in factor.moves]
    specs += [indicator.seen for indicator in case.indicators.values()]
    for spec in specs:
        names += [spec.base] if spec.base else []
        names += [name for table in spec.tables.values() for name in table.values()]
    table = case.reliability
    names += [*table.source.values(), *table.information.values()]
    names += [table.unknown, table.echo_correlation]
    assert set(names) <= case.assumptions.keys()


def test_the_project_s_own_scenarios_are_valid(workspace: Path) -> None:
    """Every scenario that the project comes with can be read."""
    for path in scenario.find_scenarios([workspace / "scenarios"]):
        assert not [each for each in scenario.check(path) if not each.warning]


# ---------------------------------------------------------------------- variants


def test_a_variant_is_a_patch_of_another_scenario() -> None:
    """Maps merge, null deletes, `without` leaves observations out; the rest is inherited."""
    base, case = (scenario.load(TINY / f"{name}.yaml") for name in ("baseline", "variant"))
    assert case.title == "Harbour dispute, crowds stay home"
    assert case.question == base.question
    assert case.alerts == ()
    assert [each.id for each in case.observations if each.id == "row-4"] == []
    changed = case.assumptions["latent.mood.moves.calm -> angry.rate"]
    assert (changed.text, changed.why) == ("0.01 to 0.05", "Winter.")
    assert changed.location.path.name == "variant.yaml"
    assert len(case.files) == len(base.files) + 1


def test_a_variant_can_change_the_catalogue_and_reference_classes(tiny: Path) -> None:
    """Indicators can be deleted or changed, and a class widened, without touching the files."""
    (tiny / "wide.yaml").write_text(
        "extends: variant.yaml\n"
        "indicators: {volcano_erupts: null, ships_gather: {lag: 5d}}\n"
        "reference_classes: {dispute_to_blockade: {rate: 0.01 to 1}}\n"
    )
    case = scenario.load(tiny / "wide.yaml")
    assert case.indicators["ships_gather"].lag == 5
    assert case.assumptions["reference_classes.dispute_to_blockade.rate"].text == "0.01 to 1"
    assert not any("volcano" in str(each) for each in case.warnings)


def test_all_can_stand_in_one_file(tiny: Path) -> None:
    """A catalogue is needed only if the scenario does not bring its own."""
    text = (tiny / "baseline.yaml").read_text().replace("catalogue: catalogue.yaml\n", "")
    text = text.replace("reference_classes: reference_classes.yaml\n", "")
    text += (tiny / "catalogue.yaml").read_text() + (tiny / "reference_classes.yaml").read_text()
    (tiny / "whole.yaml").write_text(text)
    whole, base = scenario.load(tiny / "whole.yaml"), scenario.load(tiny / "baseline.yaml")
    assert whole.assumptions.keys() == base.assumptions.keys()
    assert whole.ladder == base.ladder


def test_no_observations_need_no_catalogue(tiny: Path) -> None:
    """A scenario without evidence needs neither indicators nor an Admiralty table."""
    edit(
        tiny / "baseline.yaml",
        ("catalogue: catalogue.yaml\n", ""),
        ("observations: observations.csv\n", ""),
    )
    case = scenario.load(tiny / "baseline.yaml")
    assert case.indicators == {}
    assert case.assumptions[case.reliability.unknown].prior == Fixed(1.0)
    edit(tiny / "baseline.yaml", ("horizon: 60d", "horizon: 60d\nobservations: observations.csv"))
    assert any(
        "echo_correlation: is missing; there are observations" in each
        for each in wrong(tiny / "baseline.yaml")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: circle.yaml", "circle.yaml:1:10: extends: a cycle: circle.yaml → circle.yaml"),
        ("extends: back.yaml", "back.yaml:1:10: extends: a cycle: circle.yaml → back.yaml → c"),
        ("extends: none.yaml", "circle.yaml:1:10: extends: 'none.yaml': no such file"),
        ("extends: ../out.yaml", "circle.yaml:1:10: extends: '../out.yaml' leaves the workspace"),
        ("extends: /etc/passwd", "circle.yaml:1:10: extends: '/etc/passwd' is absolute"),
        ("extends: [a]", "circle.yaml:1:10: extends: expected the path of a file"),
        ("extends: .", "circle.yaml:1:10: extends: '.': is a folder; name a file in it"),
        (
            "extends: baseline.yaml\ncatalogue: 3",
            "circle.yaml:2:12: catalogue: expected the path of a file",
        ),
    ],
)
def test_files_that_cannot_be_followed_are_named_where_they_are_named(
    tiny: Path, text: str, expected: str
) -> None:
    """Cycles, missing files and paths out of the workspace are errors of the line that says so."""
    (tiny / "circle.yaml").write_text(text)
    (tiny / "back.yaml").write_text("extends: circle.yaml")
    (tiny.parent / "out.yaml").write_text("a: 1")
    assert wrong(tiny / "circle.yaml")[0].startswith(expected)


def test_a_chain_of_extends_is_limited(tiny: Path) -> None:
    """A long chain is refused where it becomes too long."""
    for number in range(20):
        (tiny / f"v{number}.yaml").write_text(f"extends: v{number + 1}.yaml")
    assert wrong(tiny / "v0.yaml") == ["v7.yaml:1:10: extends: a chain of more than 8 files"]


def test_a_catalogue_supplies_nothing_but_what_a_catalogue_has(tiny: Path) -> None:
    """A catalogue cannot change the ladder behind the scenario's back."""
    edit(tiny / "catalogue.yaml", ("indicators:\n", "ladder: {}\nindicators:\n"))
    assert wrong(tiny / "baseline.yaml")[0].startswith("catalogue.yaml:8:1: unknown key 'ladder'")


# ---------------------------------------------------------------------- things given instead


def test_numbers_can_be_given_on_the_command_line() -> None:
    """Any assumption can be set, in the grammar of the files, and its reason is kept."""
    case = scenario.load(
        TINY / "baseline.yaml",
        overrides={
            "latent.intent.moves.fight -> bargain": "0.5 to 0.6",
            "latent.mood.moves.angry -> calm.rate": "{dist: gamma, a: 3, scale: 0.2}",
            "ladder.moves.blockade -> shots.mood.angry": "x3",
            "reference_classes.dispute_to_blockade.rate": "0.2",
            "observations.row-5.probability": "likely",
            "echo_correlation": "1",
        },
    )
    assert case.assumptions["latent.intent.moves.fight -> bargain"].text == "0.5 to 0.6"
    assert isinstance(case.assumptions["latent.mood.moves.angry -> calm.rate"].prior, Distribution)
    assert median(case.assumptions["ladder.moves.blockade -> shots.mood.angry"].prior) == 3
    assert case.assumptions["reference_classes.dispute_to_blockade.rate"].prior == Fixed(0.2)
    assert case.assumptions["echo_correlation"].why == "Papers copy each other."
    assert 0.6 < median(case.assumptions["observations.row-5.probability"].prior) < 0.75


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "latent.intent.moves.fight -> bargian",
            "1",
            "(did you mean 'latent.intent.moves.fight -> bargain'?)",
        ),
        ("horizon", "30d", "no assumption 'horizon'"),
        ("latent.mood.start", "0.5", "no assumption 'latent.mood.start'"),
        ("echo_correlation", "1.5", "a probability lies between 0 and 1 (got 1.5)"),
        ("echo_correlation", "", "expected a probability"),
        ("echo_correlation", "{dist: beta, a: 1}", "distribution 'beta' lacks b"),
        ("echo_correlation", "{dist: [", "not valid YAML"),
        ("ladder.moves.blockade -> shots.mood.angry", "3", "this multiplies a rate; write x3"),
    ],
)
def test_what_is_wrongly_given_is_named(name: str, value: str, expected: str) -> None:
    """A name that does not exist and a number that cannot be read are errors."""
    with pytest.raises(InvalidInputError) as error:
        scenario.load(TINY / "baseline.yaml", overrides={name: value})
    (text,) = [str(each) for each in error.value.problems if not each.warning]
    assert text.startswith(f"--set {name}:1:")
    assert expected in text


def test_as_of_and_horizon_can_be_given() -> None:
    """They take the place of the file's, and are held to the same bounds."""
    path = TINY / "baseline.yaml"
    case = scenario.load(path, as_of=date(2030, 2, 1), horizon=10)
    assert (case.as_of, case.horizon) == (date(2030, 2, 1), 10)
    for instead, expected in [
        ({"as_of": date(2029, 1, 1)}, "--as-of:1:1: as_of: 2029-01-01 is before the start"),
        ({"horizon": 0}, "--horizon:1:1: horizon: must be from 1d to 3650d (got 0d)"),
        ({"horizon": 9999}, "--horizon:1:1: horizon: must be from 1d to 3650d (got 9999d)"),
    ]:
        with pytest.raises(InvalidInputError, match="--") as error:
            scenario.load(path, **instead)  # type: ignore[arg-type]
        assert any(str(each).startswith(expected) for each in error.value.problems)


# ---------------------------------------------------------------------- checking and finding


def test_check_finds_errors_and_warnings_of_any_file(tiny: Path) -> None:
    """Scenarios, catalogues, reference classes and observations can be checked by themselves."""
    assert scenario.check(tiny / "catalogue.yaml") == ()
    assert scenario.check(tiny / "reference_classes.yaml") == ()
    assert scenario.check(tiny / "observations.csv") == ()
    assert [each.warning for each in scenario.check(tiny / "baseline.yaml")] == [True, True]
    edit(tiny / "catalogue.yaml", ("fight: very likely", "fight: 3"))
    edit(tiny / "reference_classes.yaml", ("rate: 0.1", "rate: -0.1"))
    edit(tiny / "observations.csv", ("row-2", "row-1"))
    assert [str(each).split(":")[1] for each in scenario.check(tiny / "catalogue.yaml")] == ["14"]
    assert len(scenario.check(tiny / "reference_classes.yaml")) == 1
    assert len(scenario.check(tiny / "observations.csv")) == 1


def test_check_of_a_folder_checks_what_is_in_it(tiny: Path) -> None:
    """Each problem is listed once, though several scenarios share the file that has it."""
    edit(tiny / "catalogue.yaml", ("fight: very likely", "fight: 3"))
    (tiny / "resolutions.yaml").write_text("schema: 1\nresolutions: []")
    errors = [each for each in scenario.check(tiny) if not each.warning]
    assert len(errors) == 1


def test_scenarios_are_found_in_folders(tiny: Path) -> None:
    """Catalogues and the like are no scenarios; what cannot be read is one, to be told of."""
    (tiny / "resolutions.yaml").write_text("schema: 1\nresolutions: []")
    (tiny / "broken.yml").write_text("a: [")
    (tiny / "notes.txt").write_text("latent: {}")
    (tiny / "other.yaml").write_text("a: 1")
    (tiny / ".hidden").mkdir()
    (tiny / ".hidden" / "a.yaml").write_text("latent: {}")
    (tiny / "sub").mkdir()
    (tiny / "sub" / "b.yaml").write_text("extends: ../baseline.yaml")
    (tiny / "link.yaml").symlink_to("baseline.yaml")
    found = scenario.find_scenarios([tiny, tiny / "other.yaml"])
    assert [path.relative_to(tiny).as_posix() for path in found] == [
        "baseline.yaml", "broken.yml", "variant.yaml", "sub/b.yaml", "other.yaml",
    ]  # fmt: skip
    with pytest.raises(InvalidInputError, match="no such file or folder"):
        scenario.find_scenarios([tiny / "none"])


def test_a_link_out_of_the_workspace_is_not_followed(tiny: Path) -> None:
    """A scenario that is a symbolic link to a file elsewhere is refused unread."""
    (tiny.parent / "secret.yaml").write_text("secret: 1")
    (tiny / "link.yaml").symlink_to(tiny.parent / "secret.yaml")
    (found,) = wrong(tiny / "link.yaml")
    assert found == "link.yaml:1:1: 'link.yaml' leaves the workspace (tiny/)"
