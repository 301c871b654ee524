"""The JSON Schema of the files, for editors that complete and check while one types.

It is made from the models of `escalation.reading.schema` and serves scenarios, variants,
catalogues and reference classes alike. A file may be no more than a patch of others, so that
in maps

    nothing is required, and null (which deletes) may stand anywhere

except in lists, which are replaced whole, and at the top of a scenario that extends nothing.
What it accepts may still be wrong: whether a state exists, only `escalation check` knows.

>>> sorted(json_schema())[:3]
['$defs', '$schema', 'additionalProperties']
"""

from __future__ import annotations

from typing import Any

from escalation.maths.priors import PARAMETERS
from escalation.reading import grammar
from escalation.reading.schema import NUMBER_SCHEMA, Scenario

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = {"$ref": "#/$defs/Number"}
_NULL = {"type": "null"}
_TEXT = {"type": "string"}
_DROPPED = {"title", "default"}

_ALERTS = ("Alert", "MoveAlert", "SurpriseAlert")
_HELP = {
    "as_of": "What had been reported by this day is used",
    "start": "First day of the model; or the probability of each state at first",
    "horizon": "How far ahead the forecast goes, for instance 90d",
    "extends": "The scenario that this one changes, by JSON Merge Patch",
    "without": "Ids of observations that are left out of this scenario",
    "targets": "Rungs and off-ramps that headlines, drivers and the watch list speak of",
    "rungs": "Lowest first",
    "resolves": "What counts as reached",
    "seen": "How often it is reported, by state",
    "window": "Values are probabilities of at least one within this time",
    "per": "Values are rates per this time",
    "watched": "Silence counts",
    "once": "No longer watched after its first report",
    "lag": "Silence in the last so many days is not evidence yet",
    "fades": "Half-life of the effect",
    "why": "The reason for the numbers here and below",
    "source": "Where that is known from",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenarios, variants and what they share."""
    raw = Scenario.model_json_schema(by_alias=True)
    required = raw["required"]
    definitions = raw.pop("$defs")
    listed = {name for name in ("Rung", *_ALERTS) if name in definitions}
    schema: dict[str, Any] = {
        "$schema": _DIALECT,
        **_patch(raw),
        "title": "Scenario, catalogue or reference classes",
        "if": {
            "anyOf": [{"required": ["latent"]}, {"required": ["ladder"]}],
            "not": {"required": ["extends"]},
        },
        "then": {"required": required},
    }
    schema["properties"]["reference_classes"]["type"].append("string")
    schema["properties"]["alerts"]["items"] = _alert()
    schema["$defs"] = {
        name: _tidy(each) if name in listed else _patch(each) for name, each in definitions.items()
    } | {"Number": _number()}
    return schema


def _alert() -> dict[str, Any]:
    """Return the schema of an alert: its kind follows from a key, so that faults have a place."""
    reach, moved, surprise = ({"$ref": f"#/$defs/{name}"} for name in _ALERTS)
    return {
        "type": "object",
        "if": {"required": ["surprise_below"]},
        "then": surprise,
        "else": {"if": {"required": ["moved"]}, "then": moved, "else": reach},
    }


def _number() -> dict[str, Any]:
    """Return the schema of an uncertain number."""
    reasons = {"why": _TEXT, "source": _TEXT}
    distribution = {
        "type": "object",
        "required": ["dist"],
        "properties": {"dist": {"enum": list(PARAMETERS)}, **reasons},
        "additionalProperties": {"type": ["number", "null"]},
    }
    explained = {
        "type": "object",
        "required": ["value"],
        "properties": {"value": _NUMBER, **reasons},
        "additionalProperties": False,
    }
    interval = rf"{grammar.NUMBER_PATTERN}( ?[dwy])?(\s+to\s+{grammar.NUMBER_PATTERN}( ?[dwy])?)?"
    written = rf"^\s*(x ?)?{interval}(\s+per\s+[0-9.]* ?[dwy])?\s*$"
    words = r"^\s*[A-Za-z]+( +[A-Za-z]+){0,2}\s*$"
    return {
        "description": "0.3, 0.1 to 0.4, x2 to 4, 3 per 7d, 60d to 120d, very likely, "
        "{dist: gamma, a: 2, scale: 0.1} or {value: …, why: …}",
        "anyOf": [
            {"type": ["number", "null"]},
            {"type": "string", "pattern": f"{written}|{words}"},
            distribution,
            explained,
        ],
    }


def _patch(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a patch of a map: nothing is required, and null deletes."""
    tidy = _tidy(schema)
    tidy.pop("required", None)
    tidy.pop("minProperties", None)
    if "properties" in tidy:
        tidy["properties"] = {
            name: _nullable(_patch(each)) for name, each in tidy["properties"].items()
        }
    for key in ("additionalProperties", "patternProperties"):
        if key == "patternProperties" and key in tidy:
            tidy[key] = {name: _nullable(_patch(each)) for name, each in tidy[key].items()}
        elif isinstance(tidy.get(key), dict):
            tidy[key] = _nullable(_patch(tidy[key]))
    return tidy


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without noise, its numbers by reference, with help for its keys."""
    if schema.get("anyOf") == NUMBER_SCHEMA["anyOf"]:
        return dict(_NUMBER)
    tidy = {key: each for key, each in schema.items() if key not in _DROPPED}
    for key in ("anyOf", "oneOf"):
        if key in tidy:
            tidy["anyOf"] = [_tidy(each) for each in tidy.pop(key)]
    if "properties" in tidy:
        tidy["properties"] = {
            name: _tidy(each) | ({"description": _HELP[name]} if name in _HELP else {})
            for name, each in tidy["properties"].items()
        }
    if isinstance(tidy.get("additionalProperties"), dict):
        tidy["additionalProperties"] = _tidy(tidy["additionalProperties"])
    return tidy


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that takes null too; a definition that it refers to does so itself."""
    if "anyOf" in schema:
        options = [each for each in schema["anyOf"] if each != _NULL]
        return {**schema, "anyOf": [*options, _NULL]}
    if isinstance(schema.get("type"), str):
        nullable = {**schema, "type": [schema["type"], "null"]}
        return nullable | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})
    return schema
