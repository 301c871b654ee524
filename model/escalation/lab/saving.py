"""Saving from the workbench: the list of edits, the diff first, then a variant or the file itself.

Nothing is written that was not shown: a button drafts, the diff appears, and only the button below
it writes, if the files are still what the diff was made from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from escalation.errors import EscalationError
from escalation.lab.desk import said
from escalation.lab.panels import SOFT, WRONG
from escalation.reading.naming import in_words
from escalation.reporting.markup import EMPTY, clean, tag, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from escalation.lab.desk import Desk
    from escalation.lab.editing import Draft


class Saving:
    """The edits made, and the ways to keep them."""

    def __init__(
        self, desk: Desk, saved: Callable[[Path, str], None], again: Callable[[], None]
    ) -> None:
        self.desk, self.saved = desk, saved
        self.drafts: tuple[Draft, ...] = ()
        self.list, self.message, self.diff = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.diff.add_class("workbench-diff")
        self.message.add_class("workbench-message")
        self.name = widgets.Text(placeholder="name of the variant, such as harder_talks")
        self.name.add_class("workbench-name")
        self.title = widgets.Text(placeholder="its title")
        self.why = widgets.Text(placeholder="why (a comment at its top)")
        variant = widgets.Button(description="Show variant")
        into = widgets.Button(
            description="Show change of the file", layout=widgets.Layout(width="200px")
        )
        self.write = widgets.Button(description="Save this", button_style="primary", disabled=True)
        read = widgets.Button(
            description="Read files again",
            tooltip="after somebody changed them; your edits are kept",
        )
        read.on_click(lambda _: again())
        variant.on_click(lambda _: self._draft(self.name.value.strip() or "variant"))
        into.on_click(lambda _: self._draft(""))
        self.write.on_click(self._write)
        self.box = widgets.VBox([
            self.list, widgets.HBox([self.name, self.title, self.why]),
            widgets.HBox([variant, into, self.write, read]), self.message, self.diff,
        ])  # fmt: skip

    def show(self) -> None:
        """List the edits; a diff of older ones is no longer offered."""
        lines = edit_list(self.desk)
        items = EMPTY.join(tag("li", text(each)) for each in lines)
        self.list.value = tag("ul", items) if lines else tag("p", "No edits.", style=SOFT)
        self._offer(())

    def _offer(self, drafts: tuple[Draft, ...]) -> None:
        self.drafts = drafts
        self.write.disabled = not drafts
        shown = "\n".join(draft.diff for draft in drafts)
        self.diff.value = tag("pre", clean(shown)) if drafts else ""

    def _draft(self, variant: str) -> None:
        self.message.value = ""
        try:
            drafts = self.desk.drafts(variant, self.title.value.strip(), self.why.value.strip())
        except EscalationError as error:
            self._offer(())
            self.message.value = tag("span", text(said(error)), style=WRONG)
            return
        self._offer(drafts)
        if not drafts:
            self.message.value = "Nothing to save."

    def _write(self, _: object) -> None:
        drafts = self.drafts
        try:
            self.desk.save(drafts)
        except (EscalationError, OSError) as error:
            self.message.value = tag("span", text(said(error)), style=WRONG)
            return
        names = ", ".join(draft.path.name for draft in drafts)
        self.saved(drafts[-1].path, tag("b", text(f"Saved: {names}")))


def edit_list(desk: Desk) -> list[str]:
    """Return the edits made, in words: what, from what, to what."""
    edits, filed = desk.edits, desk.filed
    lines = [f"{name}: {text}" for name, text in edits.settings.items()]
    for name, new in edits.numbers.items():
        old = filed.assumptions[name].text if name in filed.assumptions else "nothing"
        lines.append(f"{in_words(filed, name)}: {old} → {new}")
    for identity, columns in edits.rows.items():
        lines.append(f"report {identity}: " + ", ".join(f"{k} = {v}" for k, v in columns.items()))
    lines += [
        f"report {each}: {'used' if on else 'left out'}" for each, on in edits.switched.items()
    ]
    return lines
