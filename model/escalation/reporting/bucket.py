"""Reports in an object store: what stands in for renaming, links and locks there.

    s3://bucket/prefix/venezuela-baseline/
      2025-11-22.json                            which run is the current one of that day
      runs/2025-11-22-3f9c0a51d2e4-8c1b02/       a finished run: its manifest.json was written last
      failed/2025-11-22-3f9c0a51d2e4/            what there is of a run that failed

An object store has no renaming and no links, but it replaces one object in one step. So a run is
built in a folder of this machine, sent under a name that no other run has, its manifest last; then
the pointer of the day is replaced. Readers follow pointers, and trust no run without a manifest:
whenever a runner is killed, the pointer leads to the run before, and what it had sent so far is
never looked at. The pointer holds size and tag of every object, so that one listing tells whether
anything was edited or lost.

Runners on one machine wait for each other. Two machines that make the same report at the same
moment both make it; either pointer leads to a whole run.

Any store that fsspec has a door to will do (https://filesystem-spec.readthedocs.io); `s3://` is
tested, and comes with the extra `s3`.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from escalation.errors import EscalationError
from escalation.reporting.disk import lock
from escalation.reporting.faults import ReportError, in_words
from escalation.reporting.provenance import digest
from escalation.reporting.shelf import MANIFEST, intact

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = 12  # hexadecimal digits of a digest that stand in a run's name
_NONCE = 6


@dataclass(frozen=True)
class Bucket:
    """The reports of one scenario in an object store.

    Attributes
    ----------
    address : str
        Such as `s3://bucket/prefix/venezuela-baseline`.
    as_of : str
        ISO date of the run at hand.
    key : str
        Digest of its inputs.
    store : fsspec.AbstractFileSystem
    """

    address: str
    as_of: str
    key: str
    store: Any

    @classmethod
    def at(cls, out: str, name: str, as_of: str, key: str) -> Bucket:
        """Return that of a scenario below an address.

        Raises
        ------
        ReportError
            If there is no door to such a store.
        """
        address = f"{out.rstrip('/')}/{name}"
        with _reached(address):
            try:
                import fsspec

                options = {"use_listings_cache": False, "skip_instance_cache": True}
                store, _ = fsspec.core.url_to_fs(address, **options)
            except ImportError as error:
                said = f"{address}: {error}; for s3:// that is pip install 'escalation[s3]'"
                raise ReportError("remote", said) from error
        return cls(address, as_of, key, store)

    @property
    def place(self) -> str:
        """The pointer of the day."""
        return f"{self.address}/{self.as_of}.json"

    @property
    def memory(self) -> Path | None:
        """Nothing is remembered on this machine: others write there too."""
        return None

    @property
    def linked(self) -> str:
        """Name of the run that is shown for this day."""
        return str(self._read(self.place)["run"])

    @property
    def _stem(self) -> str:
        return f"{self.as_of}-{self.key[:_KEY]}"

    @property
    def _desk(self) -> Path:
        """A folder of this machine and user for this address."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return home / "escalation" / digest(self.address.encode())[:_KEY]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runners of this machine out."""
        try:
            self._desk.mkdir(parents=True, exist_ok=True)
            (self._desk / "lock").touch()
        except OSError as error:
            said = f"{self._desk} cannot be written: {error.strerror}"
            raise ReportError("folder", said) from error
        with lock(self._desk / "lock"):
            yield

    def find(self) -> dict[str, Any] | None:
        """Return the manifest of a finished run of these inputs, and point to it."""
        with _reached(self.address):
            pointer = self._read(self.place)
            if pointer.get("inputs_digest") == self.key and self._whole(pointer):
                return self._manifest(pointer["run"])
            for run in sorted(self._names("runs"), reverse=True):
                if run.startswith(self._stem):
                    manifest = self._adopted(run)
                    if manifest is not None:
                        return manifest
        return None

    def before(self) -> Path | None:
        """Return a copy of the last finished run of other inputs, as of this day or before."""
        with _reached(self.address):
            days = [each for each in self._days() if each <= self.as_of]
            for day in sorted(days, reverse=True):
                pointer = self._read(f"{self.address}/{day}.json")
                if pointer and pointer["inputs_digest"] != self.key:
                    copy = self._fetched(pointer["run"], "before")
                    if intact(copy, pointer["inputs_digest"]) is not None:
                        return copy
        return None

    def last_started(self) -> datetime | None:
        """Return when the last finished run was begun."""
        with _reached(self.address):
            days = sorted(self._days())
            started = [self._read(f"{self.address}/{day}.json").get("started") for day in days]
            return max((datetime.fromisoformat(each) for each in started if each), default=None)

    def owner(self) -> str:
        """Return the scenario's file of the run of the latest day; empty if there is none."""
        with _reached(self.address):
            for day in sorted(self._days(), reverse=True)[:1]:
                run = self._read(f"{self.address}/{day}.json").get("run", "")
                manifest = self._read(f"{self.address}/runs/{run}/{MANIFEST}")
                return str(manifest.get("file", ""))
        return ""

    def build(self) -> Path:
        """Return a new folder of this machine to build a run in."""
        shutil.rmtree(self._desk / "work", ignore_errors=True)
        building = self._desk / "work" / "building"
        building.mkdir(parents=True)
        return building

    def publish(self, building: Path) -> str:
        """Send a built run, its manifest last, and point to it."""
        run = f"{self._stem}-{uuid.uuid4().hex[:_NONCE]}"
        with _reached(self.address):
            self._send(building, f"runs/{run}")
            self._point(run, json.loads((building / MANIFEST).read_text(encoding="utf-8")))
        shutil.rmtree(self._desk / "work", ignore_errors=True)
        return run

    def keep_failed(self, building: Path) -> str:
        """Send the remains of a failed run, in place of those of an earlier one."""
        try:
            with _reached(self.address):
                self.forget_failed()
                self._send(building, f"failed/{self._stem}")
        except ReportError:  # it may be the very reason why the run failed
            return str(building)
        shutil.rmtree(self._desk / "work", ignore_errors=True)
        return f"{self.address}/failed/{self._stem}"

    def forget_failed(self) -> None:
        """Remove the remains of a failed run of the same inputs."""
        with _reached(self.address):
            if self.store.exists(f"{self.address}/failed/{self._stem}"):
                self.store.rm(f"{self.address}/failed/{self._stem}", recursive=True)

    def _send(self, folder: Path, where: str) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for path in sorted(files, key=lambda each: each.name == MANIFEST):
            self.store.pipe_file(f"{self.address}/{where}/{path.name}", path.read_bytes())

    def _point(self, run: str, manifest: dict[str, Any]) -> None:
        pointer = {
            "schema": 1,
            "run": run,
            "page": f"runs/{run}/report.html",
            "as_of": self.as_of,
            "inputs_digest": self.key,
            "started": manifest["started"],
            "objects": self._objects(run),
        }
        self.store.pipe_file(self.place, json.dumps(pointer, indent=1).encode())

    def _objects(self, run: str) -> dict[str, list[object]]:
        """Return size and tag of every object of a run."""
        found = self.store.ls(f"{self.address}/runs/{run}", detail=True)
        return {
            each["name"].rpartition("/")[2]: [each["size"], each.get("ETag", "")] for each in found
        }

    def _whole(self, pointer: dict[str, Any]) -> bool:
        try:
            there = self._objects(pointer["run"])
        except FileNotFoundError:
            return False
        return bool(there == pointer["objects"])

    def _adopted(self, run: str) -> dict[str, Any] | None:
        """Point to a run that was sent whole, though its pointer never was, or was replaced."""
        manifest = intact(self._fetched(run, "found"), self.key)
        if manifest is not None:
            self._point(run, manifest)
        return manifest

    def _fetched(self, run: str, name: str) -> Path:
        """Return a copy of a run in a folder of this machine."""
        folder = self._desk / "work" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for each in self._objects(run):
            data = self.store.cat_file(f"{self.address}/runs/{run}/{each}")
            (folder / Path(each).name).write_bytes(data)
        return folder

    def _manifest(self, run: str) -> dict[str, Any]:
        data = self.store.cat_file(f"{self.address}/runs/{run}/{MANIFEST}")
        found: dict[str, Any] = json.loads(data)
        return found

    def _read(self, address: str) -> dict[str, Any]:
        """Return the data of an object; empty if there is none."""
        try:
            found = json.loads(self.store.cat_file(address))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _days(self) -> list[str]:
        names = (each.removesuffix(".json") for each in self._names("") if each.endswith(".json"))
        return [each for each in names if each[:1].isdigit()]

    def _names(self, where: str) -> list[str]:
        try:
            found = self.store.ls(f"{self.address}/{where}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        return [each.rstrip("/").rpartition("/")[2] for each in found]


@contextmanager
def _reached(address: str) -> Iterator[None]:
    """Say that a store does not answer, or refuses: its libraries have no one word for it."""
    try:
        yield
    except EscalationError:
        raise
    except Exception as error:
        raise ReportError("remote", f"{address}: {in_words(error)}") from error
