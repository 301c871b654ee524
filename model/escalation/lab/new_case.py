"""Starts a case: a folder of commented files that pass `escalation check` and answer at once.

The files are a worked beginning, not a blank form: every number is there with a reason that says
it is a placeholder, so that the first assessment shows what the numbers do before any of them is
believed. What to change first stands in the comments.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from escalation.errors import InvalidValueError
from escalation.reading import grammar
from escalation.reading.observations import COLUMNS

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

SCENARIO = """\
# yaml-language-server: $schema=../scenario.schema.json
#
# {title}. Every number here is a placeholder until somebody puts a reason in its `why`.
# What may be written: docs/formats.md. To see what is wrong: escalation check

schema: 1
title: {title}
question: How far does it climb in 90 days?   # one sentence that a headline can answer
start: {start}                             # first day of the model
as_of: {as_of}                             # what had been reported by this day is used
horizon: 90d
catalogue: catalogue.yaml                     # or ../catalogue.yaml, shared by every case
observations: observations.csv

latent:                                       # what cannot be seen: who means to do what
  intent:
    label: What the stronger side means to do
    states: {{settle: Wants a deal, coerce: Pressure without attack, strike: Means to attack}}
    start:
      settle: 0.1 to 0.3
      coerce: 0.5 to 0.7
      strike: 0.1 to 0.25
      why: Placeholder; most shows of force are pressure.
    moves:                                    # rates are per 30 days
      settle -> coerce: {{rate: 0.1 to 0.3, why: Placeholder.}}
      coerce -> settle: {{rate: 0.05 to 0.2, why: Placeholder.}}
      coerce -> strike: {{rate: 0.05 to 0.2, why: Placeholder.}}
      strike -> coerce: {{rate: 0.1 to 0.3, why: Placeholder.}}

ladder:
  rungs:                                      # lowest first; say what counts as reached
    - {{id: tension, label: Tension, resolves: Nothing above is reached.}}
    - {{id: incident, label: Armed incident, resolves: Two agencies report shots fired.}}
    - {{id: attack, label: Attack on territory, resolves: Two agencies report a target hit.}}
  off_ramps:
    - {{id: agreement, label: Agreement, resolves: Both sides announce terms.}}
  start: {{tension: 1, why: Nothing has happened yet.}}
  moves:
    tension -> incident:
      intent: {{settle: 0.01 to 0.05, coerce: 0.05 to 0.2, strike: 0.2 to 0.6}}
      why: Placeholder.
    incident -> attack:
      intent: {{settle: 0.005 to 0.02, coerce: 0.02 to 0.1, strike: 0.3 to 1}}
      why: Placeholder.
    incident -> tension: {{rate: 0.5 to 1.5, why: Placeholder; incidents pass.}}
    tension -> agreement:
      intent: {{settle: 0.1 to 0.3, coerce: 0.01 to 0.05, strike: 0.002 to 0.01}}
      why: Placeholder.

targets: [attack, agreement]                  # what headlines and the watch list speak of
"""

CATALOGUE = """\
# Indicator types: what can be reported, and how likely each state makes it.

indicators:
  forces_sent:
    category: force_posture
    label: Forces sent to the region
    seen:
      window: 30d                             # probabilities of at least one in the window
      intent: {settle: very unlikely, coerce: 0.3 to 0.6, strike: very likely}
    watched: true                             # silence counts
    why: Placeholder; whoever means to attack needs them there.
  talks_held:
    category: diplomatic_contact
    label: Talks are held
    seen:
      window: 30d
      intent: {settle: very likely, coerce: 0.2 to 0.5, strike: 0.1 to 0.3}
    watched: true
    why: Placeholder.
  threat_made:
    category: rhetoric
    label: Public threat
    seen: {per: 30d, intent: {settle: 0.2 to 0.5, coerce: 1 to 3, strike: 1 to 4}}
    why: Placeholder; threats are cheap, so they tell little.

admiralty:                                    # probability that a report is genuine, by grade
  why: Placeholder, and wide.
  source: {A: 0.95 to 0.99, B: 0.85 to 0.95, C: 0.6 to 0.9, D: 0.3 to 0.7, E: 0.1 to 0.4}
  information: {1: 0.95 to 0.99, 2: 0.8 to 0.95, 3: 0.6 to 0.9, 4: 0.3 to 0.6, 5: 0.05 to 0.3}
  unknown: 0.3 to 0.9
echo_correlation: {value: 0.5 to 0.9, why: Placeholder; papers copy each other.}
"""

EXAMPLE = 'example,threat_made,,{},,,,F6,,,"Replace: publisher, date, paragraph",An example.'


def start_case(scenarios: Path, name: str, title: str = "", today: date | None = None) -> Path:
    """Write a new case folder and return it.

    Parameters
    ----------
    scenarios : Path
        The folder of all cases; made if there is none.
    name : str
        Of the case: a lower-case word.
    title : str, optional
    today : date, optional
        The as-of day; by default today (UTC).

    Raises
    ------
    InvalidValueError
        If the name is no word, or there is such a folder.
    """
    folder = scenarios / grammar.word(name)
    as_of = today or datetime.now(UTC).date()
    shown = title.strip() or name.replace("_", " ").capitalize()
    if not shown.isprintable() or set(shown) & set(":#{}[]\"'&*!|>%@`,"):
        raise InvalidValueError("a title here is letters, digits and spaces; edit it in the file")
    if folder.exists():
        raise InvalidValueError(f"there is a folder {folder} already")
    folder.mkdir(parents=True)
    begun = as_of - timedelta(days=90)
    made = {
        "baseline.yaml": SCENARIO.format(title=shown, start=begun, as_of=as_of),
        "catalogue.yaml": CATALOGUE,
        "observations.csv": f"{','.join(COLUMNS)}\n{EXAMPLE.format(as_of - timedelta(days=7))}\n",
    }
    for file, text in made.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder
