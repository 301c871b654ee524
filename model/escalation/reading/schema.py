"""The shape of the files: which keys stand where, and what kind of value each takes.

The pydantic models below describe the merged tree of a scenario (`Scenario`), and a file that
cases share (`Shared`). They are strict (nothing is converted), know every key, and say nothing
about meaning: whether a state exists, or a number is a probability, is for the modules above.
`reading.shape` holds a tree against them, `reading.editors` gives them to editors.

Numbers may be written in several ways (`docs/formats.md`), so their places accept a number, a
text or a map, and are read by `escalation.reading.grammar` once it is known what they stand for.

>>> Alert.model_validate({"reach": "sea", "within": "30d", "above": 0.5}).above
0.5
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from escalation.errors import InvalidValueError
from escalation.reading import grammar

CATEGORIES = (
    "force_posture", "designation", "covert_authorisation", "diplomatic_contact",
    "airspace_warning", "use_of_force", "legal", "economic", "rhetoric", "target_posture",
    "third_party",
)  # fmt: skip
MAX_TEXT = 5_000


def _number_shape(value: object) -> object:
    if isinstance(value, dict):
        if not {"dist", "value"} & value.keys():
            raise InvalidValueError("expected a number, or a map with 'dist' or 'value'")
    elif isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValueError("expected a number, for instance 0.1 to 0.4")
    return value


def _word_or_reason(text: str) -> str:
    return text if text in grammar.REASONS else grammar.word(text)


def _date_shape(text: str) -> str:
    grammar.iso_date(text)
    return text


def _days_shape(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValueError("expected a duration with its unit, such as 90d")
    grammar.duration_days(str(value))
    return value


def _move_shape(text: str) -> str:
    if grammar.move(text) is None:
        words = re.fullmatch(
            rf"\s*({grammar.WORD_PATTERN})\s*->\s*({grammar.WORD_PATTERN})\s*", text
        )
        hint = f": write '{words[1]} -> {words[2]}'" if words else ""
        raise InvalidValueError(f"a move is named 'state -> state', one space each side{hint}")
    return text


NUMBER_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "object"}]
}
_DAYS_SCHEMA = {"type": "string", "pattern": rf"^\s*{grammar.DURATION_PATTERN}\s*$"}
_DATE_SCHEMA = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Word = Annotated[str, AfterValidator(grammar.word), Field(pattern=f"^{grammar.WORD_PATTERN}$")]
StateWord = Annotated[str, AfterValidator(_word_or_reason)]
MoveName = Annotated[str, AfterValidator(_move_shape)]
Day = Annotated[str, AfterValidator(_date_shape), WithJsonSchema(_DATE_SCHEMA)]
Days = Annotated[Any, BeforeValidator(_days_shape), WithJsonSchema(_DAYS_SCHEMA)]
Uncertain = Annotated[Any, BeforeValidator(_number_shape), WithJsonSchema(NUMBER_SCHEMA)]


class Strict(BaseModel):
    """Nothing is converted, and no key is unknown."""

    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class Reasoned(Strict):
    """A part of the model, which may say why it is so, and from where that is known."""

    why: Text = ""
    source: Text = ""


class Table(Reasoned):
    """A number for each state."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Uncertain] = Field(init=False)


class Rate(Reasoned):
    """A base, and tables by factor."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Table] = Field(init=False)
    rate: Uncertain = None
    reference: Text = ""


def _number_or_map(value: object) -> str:
    is_map = isinstance(value, dict) and not {"dist", "value"} & value.keys()
    return "(map)" if is_map else "(number)"


def _text_or_map(value: object) -> str:
    return "(map)" if isinstance(value, dict) else "(text)"


MoveRate = Annotated[
    Union[Annotated[Uncertain, Tag("(number)")], Annotated[Rate, Tag("(map)")]],  # noqa: UP007
    Discriminator(_number_or_map),
]
Start = Annotated[
    Union[Annotated[Text, Tag("(text)")], Annotated[Table, Tag("(map)")]],  # noqa: UP007
    Discriminator(_text_or_map),
]


class Seen(Rate):
    """Intensity of an indicator."""

    window: Days = None
    per: Days = None
    probability: Uncertain = None


class Effect(Reasoned):
    """Multipliers of rates."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Uncertain] = Field(init=False)
    fades: Uncertain = None


class Indicator(Reasoned):
    """A type of thing that is reported."""

    category: Literal[CATEGORIES]  # type: ignore[valid-type]
    label: Text
    seen: Seen
    watched: bool = False
    once: bool = False
    lag: Days = "0d"
    effect: Effect | None = None


class SourceGrades(Reasoned):
    """Probability that a report is genuine, by its source."""

    A: Uncertain
    B: Uncertain
    C: Uncertain
    D: Uncertain
    E: Uncertain


class InformationGrades(Reasoned):
    """Probability that a report is genuine, by its information."""

    one: Uncertain = Field(alias="1")
    two: Uncertain = Field(alias="2")
    three: Uncertain = Field(alias="3")
    four: Uncertain = Field(alias="4")
    five: Uncertain = Field(alias="5")


class Admiralty(Strict):
    """Reliability of reports."""

    why: Text = ""
    source: SourceGrades
    information: InformationGrades
    unknown: Uncertain


class ReferenceClass(Reasoned):
    """A base rate, and what it was counted from."""

    label: Text
    rate: Uncertain
    events: Annotated[int, Field(ge=0)] | None = None
    exposure: Days = None
    rule: Text = ""


class LatentFactor(Reasoned):
    """What cannot be observed."""

    label: Text = ""
    states: Annotated[dict[StateWord, Text], Field(min_length=1)]
    start: Start
    moves: dict[MoveName, MoveRate] = {}


class Rung(Reasoned):
    """A rung, or an off-ramp."""

    id: Word
    label: Text
    resolves: Annotated[Text, Field(min_length=1)]


class Ladder(Reasoned):
    """The rungs, lowest first, and what stands outside their order."""

    label: Text = ""
    rungs: Annotated[list[Rung], Field(min_length=2)]
    off_ramps: list[Rung] = []
    start: Start
    moves: dict[MoveName, MoveRate] = {}


class Alert(Strict):
    """A condition to be told of: a rung or off-ramp is likely enough to be reached."""

    reach: Text
    within: Days
    above: Annotated[float, Field(ge=0, le=1)]


class MoveAlert(Strict):
    """A condition to be told of: a headline moved far since the report before."""

    moved: Text
    by: Annotated[float, Field(gt=0, le=1)]


class SurpriseAlert(Strict):
    """A condition to be told of: a new report was hardly expected."""

    surprise_below: Annotated[float, Field(gt=0, le=1)]


def _kind_of_alert(value: object) -> str:
    """Return the kind of an alert by the key that only it has."""
    keys = value.keys() if isinstance(value, dict) else set[str]()
    if "surprise_below" in keys:
        return "(surprise)"
    return "(moved)" if "moved" in keys else "(reach)"


AnyAlert = Annotated[
    Union[  # noqa: UP007
        Annotated[Alert, Tag("(reach)")],
        Annotated[MoveAlert, Tag("(moved)")],
        Annotated[SurpriseAlert, Tag("(surprise)")],
    ],
    Discriminator(_kind_of_alert),
]


class Sweep(Strict):
    """What `escalation sweep` varies, unless the command says it."""

    vary: Annotated[dict[Text, Text], Field(min_length=1)]
    variants: Annotated[int, Field(ge=1)] | None = None
    samples: Annotated[int, Field(ge=1)] | None = None


class Shared(Strict):
    """A file that cases share: a catalogue, or reference classes."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    title: Text = ""
    indicators: dict[Word, Indicator] = {}
    admiralty: Admiralty | None = None
    echo_correlation: Uncertain = None
    reference_classes: dict[Word, ReferenceClass] = {}


class Scenario(Strict):
    """A scenario, merged from its files."""

    schema_: Literal[1] = Field(alias="schema")
    title: Annotated[Text, Field(min_length=1)]
    question: Text = ""
    start: Day
    as_of: Day
    horizon: Days
    extends: Text = ""
    catalogue: Text = ""
    observations: Text = ""
    without: list[Text] = []
    words: Literal["icd203", "phia"] = "icd203"
    latent: Annotated[dict[Word, LatentFactor], Field(min_length=1)]
    ladder: Ladder
    targets: Annotated[list[Text], Field(min_length=1)]
    alerts: list[AnyAlert] = []
    sweep: Sweep | None = None
    indicators: dict[Word, Indicator] = {}
    admiralty: Admiralty | None = None
    echo_correlation: Uncertain = None
    reference_classes: dict[Word, ReferenceClass] = {}
