r"""Codes an article: from its paragraphs to dated observation rows that cite their passage.

An article is cut at blank lines into numbered paragraphs, and a paragraph into numbered sentences:
after a full stop, question or exclamation mark that a capital, a digit or a quotation follows, but
for initials and titles. Which indicator a passage may speak of is suggested by keywords, and by
nothing else:

    keywords(indicator) = words of its label and name, four letters or more, without stop
                          words, each shortened to its first five letters
    score               = share of an indicator's keywords that begin a word of the passage

The keywords that were found are shown with each suggestion. It is the coder who decides; a row is
valid if the reader of observations (`escalation.reading.observations`) takes it.

>>> rules = {"carrier_arrival": keywords("carrier_arrival", "Carrier strike group arrives")}
>>> suggest("The carrier Ford arrived on Sunday.", rules)[0]
Suggestion(indicator='carrier_arrival', found=('arriv', 'carri'), score=0.5)
>>> sentences("Gen. Vance flew in from the U.S. on Monday. “We talked.” Nobody else did.")
('Gen. Vance flew in from the U.S. on Monday.', '“We talked.”', 'Nobody else did.')
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.lab import rows
from escalation.reading import observations
from escalation.reading.tree import Findings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from escalation.reading.tree import Branch

LETTERS, STEM = 4, 5
_STOP = frozenset({
    "about", "after", "against", "also", "been", "before", "being", "between", "both", "could",
    "does", "during", "from", "have", "held", "into", "more", "most", "much", "near", "only",
    "other", "over", "said", "same", "says", "some", "such", "than", "that", "their", "them",
    "then", "there", "these", "they", "this", "those", "through", "under", "upon", "very",
    "were", "what", "when", "where", "which", "while", "will", "with", "within", "would",
})  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"\n\s*\n")
_END = re.compile(r"(?<=[.!?…])([\"'”’)\]]*)\s+(?=[\"'“‘(\[]?[A-Z0-9À-Þ])")
_NO_END = re.compile(
    r"(?:\b[A-Z]\.|\b(?:Mr|Mrs|Ms|Dr|Prof|Gen|Adm|Col|Lt|Maj|Capt|Sgt|Sen|Rep|Gov|Pres|St|No|vs|"
    r"Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec)\.)$"
)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of an article, numbered from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class Suggestion:
    """An indicator that a paragraph may speak of, and the keywords that say so."""

    indicator: str
    found: tuple[str, ...]
    score: float


def paragraphs(text: str) -> tuple[Paragraph, ...]:
    """Cut a text into its paragraphs, white space evened out."""
    parts = (" ".join(part.split()) for part in _GAP.split(text.replace("\r\n", "\n")))
    return tuple(Paragraph(i, part) for i, part in enumerate(filter(None, parts), start=1))


def sentences(paragraph: str) -> tuple[str, ...]:
    """Cut a paragraph into its sentences."""
    found, begin = [], 0
    for gap in _END.finditer(paragraph):
        if not _NO_END.search(paragraph[begin : gap.start()]):
            found.append(paragraph[begin : gap.end()].strip())
            begin = gap.end()
    return (*found, paragraph[begin:].strip())


def keywords(name: str, label: str) -> tuple[str, ...]:
    """Return the keywords of an indicator, sorted."""
    return tuple(sorted(_stems(f"{name.replace('_', ' ')} {label}")))


def rules(indicators: Branch) -> dict[str, tuple[str, ...]]:
    """Return the keywords of every indicator of a catalogue."""
    return {
        name: keywords(name, indicators.branch(name).text("label")) for name in indicators.entries
    }


def suggest(
    paragraph: str, known: Mapping[str, Sequence[str]], most: int = 5
) -> tuple[Suggestion, ...]:
    """Return the indicators that a paragraph may speak of, the best first."""
    stems = _stems(paragraph)
    found = []
    for name, words in known.items():
        met = tuple(word for word in words if word in stems)
        if met:
            found.append(Suggestion(name, met, len(met) / len(words)))
    return tuple(sorted(found, key=lambda each: (-each.score, each.indicator))[:most])


def search(word: str, indicators: Branch) -> tuple[str, ...]:
    """Return the indicators whose name, label or reason holds a word."""
    wanted = word.casefold().strip()

    def text(name: str) -> str:
        branch = indicators.branch(name)
        return " ".join([name, branch.text("label"), branch.text("why")]).casefold()

    return tuple(name for name in indicators.entries if wanted in text(name))


def cited(publisher: str, day: str, paragraph: int, marked: Sequence[int] = ()) -> str:
    """Return the `source` of a row: publisher, date, paragraph, and the sentences marked in it.

    >>> cited("Harbour Chronicle", "2030-01-20", 2, (1, 2, 4))
    'Harbour Chronicle, 2030-01-20, para 2, sentences 1, 2 and 4'
    """
    numbers = [str(each) for each in sorted(marked)]
    listed = " and ".join(filter(None, [", ".join(numbers[:-1]), *numbers[-1:]]))
    which = f"sentence{'s' if len(numbers) > 1 else ''} {listed}" if numbers else ""
    return ", ".join(filter(None, [publisher.strip(), day.strip(), f"para {paragraph}", which]))


def check_row(
    row: Mapping[str, str], text: str, indicators: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return what is wrong with a new row of a file of observations; empty if it can be added.

    Parameters
    ----------
    row : Mapping[str, str]
        Column → text, `id` included.
    text : str
        The file's text as it is.
    indicators : collection of str, optional
        The types of the catalogue.
    """
    identity = row.get("id", "").strip()
    if identity in {each.get("id") for each in rows.table(text)[1]}:
        return (f"id: there is a report '{identity}' already",)
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer, observations.COLUMNS, lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerow(dict(row))
    findings = Findings()
    observations.parse(buffer.getvalue(), Path("row.csv"), findings, indicators)
    return tuple(f"{each.where}: {each.message}" for each in findings.listed() if not each.warning)


def next_id(indicator: str, text: str) -> str:
    """Return an id that no row of a file has."""
    taken = {each.get("id") for each in rows.table(text)[1]}
    stem = indicator.replace("_", "-") or "report"
    return next(each for n in range(1, len(taken) + 2) if (each := f"{stem}-{n}") not in taken)


def _stems(text: str) -> frozenset[str]:
    words = (each.casefold() for each in _WORD.findall(text))
    return frozenset(each[:STEM] for each in words if len(each) >= LETTERS and each not in _STOP)
