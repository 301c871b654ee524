r"""Saves edits: as a variant with only the differences, or into the scenario file itself.

    edits → drafts (what each file was, and would be) → a diff to look at → written, or refused

A number is changed in the scenario file alone: what it inherits, from the catalogue or from the
scenario that it extends, is overridden there and stays as it is for everybody else. Reports are
changed in the CSV file itself, or for a variant in a copy beside it. A supposed report is not
evidence, and goes into variants only.

Every draft is read back before it is written: it must load, and say of each edited number
exactly what the edit says. Files change all at once (a new file is renamed into place), and not
at all if what is there is no longer what the draft was made from.
"""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.lab import roundtrip, rows
from escalation.lab.edits import SUPPOSED, Edits
from escalation.reading import assembly, documents, scenario
from escalation.reading.tree import Branch, Findings, Leaf, Node, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from escalation.lab.roundtrip import Patch
    from escalation.reading.assembly import Assembled
    from escalation.reading.case import Scenario

MAX_BYTES = 4_000_000
SCHEMA = "scenario.schema.json"  # beside the scenarios of a workspace


@dataclass(frozen=True)
class Draft:
    """What a file would be; `before` is what it was when the draft was made, None: no file."""

    path: Path
    before: str | None
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        name = self.path.name
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            name if self.before is not None else "(no file)",
            name,
        )
        return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def into_file(path: Path, edits: Edits) -> tuple[Draft, ...]:
    """Draft the edits into the scenario file itself, and into its observations.

    Raises
    ------
    InvalidValueError
        If an edit fits nothing, or a report is only supposed.
    """
    if any(identity.startswith(SUPPOSED) for identity in edits.rows):
        raise InvalidValueError("a supposed report is no evidence: save a variant instead")
    whole = read_whole(path)
    reports = _row_draft(whole, edits, None)
    patch = scenario_patch(whole, path, edits)
    drafts = [reports] if reports else []
    if patch:
        text = _text(path)
        if "reference_classes" in patch:
            _refuse_path(text)
        drafts.append(Draft(path, text, _same_ends(text, roundtrip.patched(text, patch))))
    return tuple(drafts)


def _refuse_path(text: str) -> None:
    """Refuse to put a base rate into a file that names the file of base rates in its place."""
    if isinstance(roundtrip.settings(text).get("reference_classes"), str):
        raise InvalidValueError(
            "this file names a file of reference classes, and cannot hold one itself: "
            "save a variant instead"
        )


def as_variant(
    path: Path, name: str, edits: Edits, title: str = "", why: str = ""
) -> tuple[Draft, ...]:
    """Draft a scenario beside the file that extends it and holds only the differences.

    Parameters
    ----------
    path : Path
        The scenario that was edited.
    name : str
        Of the new file, without its ending.
    edits : Edits
    title, why : str, optional
        The variant's title; and its reason, put as a comment at its top.

    Raises
    ------
    InvalidValueError
        If the name is none, there is a file of that name, or an edit fits nothing.
    """
    if not name.replace("-", "_").isidentifier() or not name.isascii():
        raise InvalidValueError(f"'{name}' is no name; write letters, digits, - and _")
    target = path.with_name(f"{name}.yaml")
    if target.exists():
        raise InvalidValueError(f"there is a file {target.name} already; choose another name")
    whole = read_whole(path)
    copy = target.with_name(f"{name}.observations.csv")
    reports = _row_draft(whole, edits, copy)
    patch: Patch = {"extends": path.name}
    if title:
        patch["title"] = title
    if reports:
        patch["observations"] = copy.name
    patch |= scenario_patch(whole, path, edits, inherited=True)
    comment = _modeline(target) + "".join(f"# {line}\n" for line in why.splitlines())
    variant = Draft(target, None, comment + roundtrip.written(patch))
    return (reports, variant) if reports else (variant,)


def _modeline(target: Path) -> str:
    """Return the line that names the schema of scenarios to an editor; empty where none is."""
    root = documents.Workspace.of(target).root
    schema = root / "scenarios" / SCHEMA
    if not schema.exists():
        return ""
    place = Path(os.path.relpath(schema, target.parent)).as_posix()
    return f"# yaml-language-server: $schema={place}\n"


def write(drafts: Sequence[Draft], edits: Edits | None = None) -> None:
    """Write drafts, all at once each, if nothing on disk has changed since.

    Parameters
    ----------
    drafts : sequence of Draft
        The scenario last.
    edits : Edits, optional
        What the scenario must say once it is written.

    Raises
    ------
    InvalidInputError
        If a draft would not load, or would not say what the edits say.
    InvalidValueError
        If a file was changed or made by somebody else meanwhile.
    """
    for draft in drafts:
        refuse_if_changed(draft.path, draft.before)
    if edits is not None and drafts:
        _verify(drafts, edits)
    for draft in drafts:
        _replace(draft)


def refuse_if_changed(path: Path, before: str | None) -> None:
    """Do nothing if a file still holds this text (None: if there is no file).

    Raises
    ------
    InvalidValueError
        If it does not.
    """
    if before is None and path.exists():
        raise InvalidValueError(f"{path.name} has been made by somebody else meanwhile")
    if before is not None and (not path.exists() or _text(path) != before):
        raise InvalidValueError(
            f"{path.name} has changed on disk meanwhile; nothing was written: read it again first"
        )


def read_whole(path: Path) -> Assembled:
    """Read a scenario file and all that it builds on, as one tree.

    Raises
    ------
    InvalidInputError
        If one of the files cannot be used.
    """
    findings = Findings()
    whole = assembly.assemble(documents.absolute(path), findings)
    findings.raise_errors()
    if whole is None:
        raise InvalidInputError([Problem(path, 1, 1, "", "cannot be read")])
    return whole


def observations_file(whole: Assembled) -> Path | None:
    """Return the file of observations that a scenario names; None if it names none."""
    named = whole.tree.get("observations")
    if not isinstance(named, Leaf) or named.value is None:
        return None
    return assembly.follow(named, "observations", whole.workspace, Findings())


def scratch_copy(
    files: Iterable[Path], root: Path, texts: Mapping[Path, str], folder: Path
) -> None:
    """Copy files of a workspace to a folder, some with other texts."""
    (folder / "scenarios").mkdir(exist_ok=True)  # what marks the root of a workspace
    for file in {*files, *texts}:
        copy = folder / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file in texts:
            copy.write_text(texts[file], encoding="utf-8", newline="")
        else:
            shutil.copyfile(file, copy)


def loaded(drafts: Sequence[Draft], path: Path) -> Scenario:
    """Return a scenario as it would be with the drafts written; nothing is.

    Raises
    ------
    InvalidInputError
        If it would not load.
    """
    target = documents.absolute(path)
    root = documents.Workspace.of(target).root
    texts = {documents.absolute(draft.path): draft.after for draft in drafts}
    with tempfile.TemporaryDirectory(prefix="escalation-") as name:
        folder = Path(name).resolve()
        scratch_copy(_beside(root), root, texts, folder)
        return scenario.load(folder / target.relative_to(root))


# ---------------------------------------------------------------------- drafting


def scenario_patch(whole: Assembled, path: Path, edits: Edits, *, inherited: bool = False) -> Patch:
    """Return the edits of numbers, settings and used observations as a merge patch of the file.

    Parameters
    ----------
    whole : Assembled
    path : Path
        The scenario file.
    edits : Edits
    inherited : bool
        Whether the patch is for a variant of the file, which inherits everything.
    """
    patch: Patch = dict(edits.settings)
    file = None if inherited else documents.absolute(path)
    for name, text in edits.numbers.items():
        if not name.startswith("observations."):
            _put(patch, name, whole.tree, text, file)
    if edits.switched:
        now = [str(plain(each)) for each in whole.tree.items("without")]
        off = [each for each in now if not edits.switched.get(each, False)]
        off += [each for each, used in edits.switched.items() if not used and each not in now]
        patch["without"] = off
    return patch


def _put(patch: Patch, name: str, tree: Branch, text: str, file: Path | None) -> None:
    """Put what an assumption is to be into a patch, at the place that its name says."""
    *above, last = name.split(".")
    node: Node | None = tree
    for key in above:
        node = node.get(key) if isinstance(node, Branch) else None
        patch = patch.setdefault(key, {})
    found = node.get(last) if isinstance(node, Branch) else None
    if found is None:
        raise InvalidValueError(f"{name} is not written in the files; change it there by hand")
    value = roundtrip.settings(f"value: {text}")["value"] if text.lstrip().startswith("{") else text
    patch[last] = _instead(found, value.strip() if isinstance(value, str) else value, file)


def _instead(node: Node, value: object, file: Path | None) -> object:
    """Return the patch that makes a node this number and keeps the reasons in it."""
    if not isinstance(node, Branch):
        return value
    inner = node.get("value")
    if inner is not None:
        return {"value": _instead(inner, value, file)}
    gone = {
        key: None
        for key in node.entries
        if key not in {"why", "source"} and not (isinstance(value, dict) and key in value)
    }
    if isinstance(value, dict):
        return {**gone, **value}
    reasons = node.entries.keys() & {"why", "source"}
    return {**gone, "value": value} if reasons else value


def _row_draft(whole: Assembled, edits: Edits, copy: Path | None) -> Draft | None:
    """Draft the observations, into their file or a copy; None where no row changes."""
    changed = {identity: dict(columns) for identity, columns in edits.rows.items()}
    for name, text in edits.numbers.items():
        if name.startswith("observations."):
            changed.setdefault(name.split(".")[1], {})["probability"] = text
    if not changed:
        return None
    file = observations_file(whole)
    if file is None:
        raise InvalidValueError("this scenario has no file of observations to put reports into")
    text = _text(file)
    after = _same_ends(text, rows.changed(text, changed))
    return Draft(file, text, after) if copy is None else Draft(copy, None, after)


def _same_ends(before: str, after: str) -> str:
    """Return a text with the line ends that it had before."""
    if "\r\n" not in before:
        return after
    return after.replace("\r\n", "\n").replace("\n", "\r\n")


# ---------------------------------------------------------------------- writing


def _text(path: Path) -> str:
    return documents.read_text(path, MAX_BYTES)


def _verify(drafts: Sequence[Draft], edits: Edits) -> None:
    """Load what would be written and compare it with the edits."""
    target = drafts[-1].path if drafts[-1].path.suffix != ".csv" else None
    if target is None:
        return
    found = loaded(drafts, target)
    for wanted, text in edits.numbers.items():
        given = found.assumptions.get(wanted)
        if given is not None and given.prior != scenario.parse_number(_plain(text), given.role):
            raise InvalidValueError(f"{wanted} would become {given.text}; nothing was written")


def _plain(text: str) -> str | dict[str, object]:
    if text.lstrip().startswith("{"):
        value: dict[str, object] = roundtrip.settings(f"value: {text}")["value"]
        return value
    return text


def _beside(root: Path) -> list[Path]:
    """Return the files of a workspace that a scenario may build on."""
    under = root / "scenarios" if (root / "scenarios").is_dir() else root
    kinds = {".yaml", ".yml", ".csv"}
    return [each for each in under.rglob("*") if each.suffix in kinds and each.is_file()]


def _replace(draft: Draft) -> None:
    """Put a draft in the place of its file, or as a new one, in one step."""
    mode = draft.path.stat().st_mode & 0o777 if draft.before is not None else 0o644
    handle, name = tempfile.mkstemp(prefix=f".{draft.path.name}.", dir=draft.path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(draft.after)
            file.flush()
            os.fsync(file.fileno())
        made.chmod(mode)
        refuse_if_changed(draft.path, draft.before)
        if draft.before is None:
            os.link(made, draft.path)  # fails if there is one by now
        else:
            made.replace(draft.path)
    except FileExistsError:
        refuse_if_changed(draft.path, None)
    finally:
        made.unlink(missing_ok=True)
