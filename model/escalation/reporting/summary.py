"""What a manifest says of the answer: enough for lists of runs, so that none reads `result.json`.

A result holds half a megabyte, its summary a page. Lists of runs (`escalation history`, the index
of all reports) show headlines, alerts, and how far and why the first headline moved since the run
before. The causes are those of `explanations.since.split`; each is told in points of probability,
after the ones before it, so that they add up to the whole change.

>>> parts = [
...     {"kind": "time", "what": ["7 days"], "before": 0.30, "after": 0.29},
...     {"kind": "reports", "what": ["a", "b"], "before": 0.29, "after": 0.34},
... ]
>>> cause(parts)
'2 new reports +5, 7 days passing −1'
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Data = Mapping[str, Any]

MINUS = "\N{MINUS SIGN}"
_CHANCE = {"draws": "another number of draws", "seed": "another seed"}
_ONE = {"reports": "new report", "retractions": "retraction", "edits": "edit"}


def summary(result: Data) -> dict[str, Any]:
    """Return what lists of runs show of a result.

    Parameters
    ----------
    result : Mapping
        As in `result.json`.

    Returns
    -------
    dict
        `title`, `question`, `horizon_days`; `headline`, for each target what it comes to by the
        horizon; `since`, the first headline's change, or None; `alerts`, each with a `text` and
        whether it is `raised`; `warnings`, how many.
    """
    scenario = result["scenario"]
    return {
        "title": scenario["title"],
        "question": scenario["question"],
        "horizon_days": result["horizon_days"],
        "headline": [_headline(each) for each in result["headline"]],
        "since": _since(result.get("explanations", {}).get("since")),
        "alerts": [{name: each[name] for name in ("text", "raised")} for each in result["alerts"]],
        "warnings": len(result["warnings"]),
    }


def readable(said: Data) -> bool:
    """Whether lists of runs can show a summary: it is one, or there is none."""
    try:
        return not said or all(_told(said))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _told(said: Data) -> Iterator[bool]:
    """Say of each part of a summary whether it is of its kind."""
    yield isinstance(said["title"], str)
    for each in said["headline"]:
        yield all(isinstance(each[name], str) for name in ("target", "label", "words"))
        yield isinstance(each["off_ramp"], bool) and isinstance(each["days"], int)
        yield 0 <= each["low"] <= each["high"] <= 1 and 0 <= each["probability"] <= 1
    for each in said["alerts"]:
        yield isinstance(each["text"], str) and isinstance(each["raised"], bool)
    if since := said["since"]:
        date.fromisoformat(since["as_of"])
        yield isinstance(since["cause"], str) and isinstance(since["obstacle"], str)
        for before, after in since["shifts"].values():
            yield 0 <= before <= 1 and 0 <= after <= 1


def _headline(each: Data) -> dict[str, Any]:
    last = each["within"][-1]
    said = {name: last[name] for name in ("days", "probability", "low", "high", "words")}
    return {name: each[name] for name in ("target", "label", "off_ramp")} | said


def _since(since: Data | None) -> dict[str, Any] | None:
    if since is None:
        return None
    split = since["split"]
    return {
        "as_of": since["as_of"],
        "shifts": {each["target"]: [each["before"], each["after"]] for each in since["shifts"]},
        "cause": cause(split["parts"]) if split else "",
        "obstacle": since["obstacle"],
    }


def raised_alerts(manifest: Data, result: Data) -> tuple[dict[str, Any], ...]:
    """Return the alerts that are raised, each with its text.

    Parameters
    ----------
    manifest : Mapping
        With the summary of the result.
    result : Mapping
        As in `result.json`.
    """
    pairs = zip(manifest["summary"]["alerts"], result["alerts"], strict=True)
    return tuple({**data, "text": said["text"]} for said, data in pairs if said["raised"])


def cause(parts: Sequence[Data]) -> str:
    """Say what moved a probability, in points, the furthest first.

    Parameters
    ----------
    parts : sequence of Mapping
        `kind`, `what`, and the probability `before` and `after` it.
    """
    moved = [(round(100 * (each["after"] - each["before"])), each) for each in parts]
    told = [
        f"{_named(each)} {_signed(points)}"
        for points, each in sorted(moved, key=lambda pair: -abs(pair[0]))
        if points
    ]
    happened = [_named(each) for each in parts if each["what"]]
    if told:
        return ", ".join(told)
    return f"{', '.join(happened)}: less than a point" if happened else "nothing changed"


def _named(part: Data) -> str:
    if part["kind"] == "time":
        days = int(part["what"][0].split()[0])
        return f"{_plural(days, 'day')} passing"
    rest = [each for each in part["what"] if part["kind"] != "edits" or each not in _CHANCE]
    told = [_CHANCE[each] for each in part["what"] if each not in rest]
    if rest:
        told.insert(0, _plural(len(rest), _ONE[part["kind"]]))
    return " and ".join(told)


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _signed(points: int) -> str:
    return f"+{points}" if points > 0 else f"{MINUS}{-points}"
