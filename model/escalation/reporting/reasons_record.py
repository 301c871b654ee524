"""The explanations of a report as data: what `result.json` adds to the numbers (`docs/result.md`).

Everything that the report's words, tables and pictures say of why, how sure, what would change it
and what has changed, in values that strict JSON can hold.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from escalation.reporting.reasons import FLOOR
from escalation.reporting.record import condition_data

if TYPE_CHECKING:
    from escalation.reporting.reasons import BaseRate, Judgement, Reasons, Since


def explained(why: Reasons) -> dict[str, object]:
    """Return all explanations as data, and the alerts, some of which rest on them."""
    explanations = {
        "judgements": [_judgement(each) for each in why.judgements],
        "explained": why.target,
        "moved": plain(why.moved, total=why.moved.total),
        "rests": plain(why.rests),
        "watchlist": [plain(each) for each in why.watch],
        "tornado": plain(why.tornado),
        "sobol": plain(why.sobol),
        "break_even": [plain(each) for each in why.break_even],
        "surprise": [plain(each, flagged=each.flagged) for each in why.surprises],
        "since": None if why.since is None else _since(why.since),
    }
    return {
        "explanations": explanations,
        "alerts": [condition_data(each) for each in why.conditions],
    }


def _judgement(each: Judgement) -> dict[str, object]:
    return {
        "target": each.target,
        "likelihood": each.likelihood,
        "confidence": plain(each.confidence, sentence=each.confidence.sentence),
        "base_rates": [_base_rate(rate) for rate in each.base_rates],
    }


def _base_rate(each: BaseRate) -> dict[str, object]:
    reference = each.reference
    return {
        "reference_class": reference.name,
        "label": reference.label,
        "steps": [list(step) for step in each.steps],
        "into_target": each.into,
        **_fields(each.estimate),
        "events": reference.events,
        "exposure_days": reference.exposure,
        "source": reference.source,
        "rule": reference.rule,
    }


def _since(each: Since) -> dict[str, object]:
    earlier = each.earlier
    return {
        "as_of": str(earlier.as_of),
        "made": earlier.made,
        "inputs_digest": earlier.digest,
        "horizon_days": earlier.horizon,
        "shifts": [
            {"target": target, "before": plain(before), "after": plain(after)}
            for target, before, after in each.shifts
        ],
        "split": None if each.changed is None else plain(each.changed, total=each.changed.total),
        "obstacle": each.obstacle,
    }


def plain(value: object, **more: object) -> object:
    """Return a value as JSON can hold it: records as maps, dates as texts, no NaN."""
    if is_dataclass(value):
        return _fields(value) | {name: plain(each) for name, each in more.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if isinstance(value, date):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    return value


def _fields(record: object) -> dict[str, object]:
    names = (each.name for each in fields(record))  # type: ignore[arg-type]
    return {name: plain(getattr(record, name)) for name in names}


def _number(value: float) -> float | None:
    if not np.isfinite(value):
        return None
    return 0.0 if abs(value) < FLOOR else float(f"{value:.9g}")
