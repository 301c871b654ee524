"""Values of options, read from the command line; what cannot be read is wrong usage (code 2).

>>> days("12w"), positive("8"), formats("html,pdf"), iso_date("2025-11-22")
(84, 8, ('html', 'pdf'), datetime.date(2025, 11, 22))
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime
from pathlib import Path

from escalation.errors import InvalidValueError

HORIZON = re.compile(r"^\s*(\d{1,9})\s*([dwy]?)\s*$")
MAX_MINUTES = 60 * 24 * 365
MAX_DRAWS = 10_000_000
DAYS = {"": 1, "d": 1, "w": 7, "y": 365}


class Today(date):
    """Today by this machine's clock (UTC): a clock that runs behind would mean another day."""


def iso_date(text: str) -> date:
    """Read an ISO date, or `today`."""
    if text == "today":
        now = datetime.now(UTC)
        return Today(now.year, now.month, now.day)
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"'{text}' is not a date; write it as 2025-11-22, or today"
        raise argparse.ArgumentTypeError(message) from None


def days(text: str) -> int:
    """Read a number of days, such as 90d, 12w or 1y."""
    match = HORIZON.match(text)
    found = int(match[1]) * DAYS[match[2]] if match else 0
    if not found:
        message = f"'{text}' is not a duration; write it as 90d, 12w or 1y"
        raise argparse.ArgumentTypeError(message)
    return found


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        message = f"'{text}' is not a whole number above 0"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def draws(text: str) -> int:
    """Read a number of draws, above 0 and up to ten million."""
    found = positive(text)
    if found > MAX_DRAWS:
        message = f"'{text}' is more than {MAX_DRAWS:,} draws; some thousands are enough"
        raise argparse.ArgumentTypeError(message)
    return found


def minutes(text: str) -> float:
    """Read a time in minutes, above 0 and up to a year."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= MAX_MINUTES:
        message = f"'{text}' is not a time in minutes, up to a year; write 30, or 0.5"
        raise argparse.ArgumentTypeError(message)
    return found


def formats(text: str) -> tuple[str, ...]:
    """Read the formats of a report."""
    found = tuple(each.strip() for each in text.lower().split(","))
    unknown = [each for each in found if each not in {"html", "pdf"}]
    if unknown:
        message = f"'{unknown[0]}' is not a format; write html, or html,pdf"
        raise argparse.ArgumentTypeError(message)
    return found


def command(text: str) -> str:
    """Read a command that takes alerts."""
    from escalation.reporting import handover

    try:
        handover.command(text)
    except InvalidValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def place(text: str) -> str:
    """Read where reports are to stand: a folder, or an address with a bucket in it."""
    _, address, rest = text.partition("://")
    if not text or (address and not rest.partition("/")[0]):
        message = f"'{text}' is no place; write a folder, or s3://bucket/prefix"
        raise argparse.ArgumentTypeError(message)
    return text


def folder(text: str) -> Path:
    """Read a folder of reports, which an object store is not."""
    if "://" in text:
        message = f"'{text}' is an address; this needs a folder on this machine"
        raise argparse.ArgumentTypeError(message)
    return Path(text)
