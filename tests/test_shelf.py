"""Where reports stand: whatever happens, what is linked is whole."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from escalation.errors import RunError
from escalation.reporting import ledger
from escalation.reporting.shelf import COMPLETE, MANIFEST, Shelf, intact, outputs, rescue

KEY = "0123456789abcdef"


def shelf(folder: Path, key: str = KEY) -> Shelf:
    """Return a shelf in a folder."""
    return Shelf(folder / "reports/case", "2030-01-02", key)


def build(place: Shelf, text: str = "a report") -> Path:
    """Build a run aside."""
    building = place.build()
    (building / "report.html").write_text(text)
    manifest = {"status": COMPLETE, "inputs_digest": place.key, "outputs": outputs(building)}
    (building / MANIFEST).write_text(json.dumps(manifest))
    return building


def linked(place: Shelf) -> str:
    """Return what a reader sees."""
    return (place.link / "report.html").read_text()


def test_published_run_is_found_again(tmp_path: Path) -> None:
    """A run is there for its own inputs and for no others."""
    place = shelf(tmp_path)
    with place.locked():
        assert place.find() is None
        place.publish(build(place))
        assert place.find() is not None
        assert shelf(tmp_path, "fedcba9876543210").find() is None
    assert linked(place) == "a report"
    assert not place.link.readlink().is_absolute()


@pytest.mark.parametrize("step", ["rename", "symlink_to", "replace"])
def test_stop_at_any_step_of_publishing_keeps_the_old_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Killed before the new run is linked: the old one is seen; the next run mends it."""
    old, new = shelf(tmp_path), shelf(tmp_path, "f" * 16)
    with old.locked():
        old.publish(build(old, "old"))
    with new.locked(), monkeypatch.context() as patch:
        building = build(new, "new")

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Path, step, killed)
        with pytest.raises(KeyboardInterrupt):
            new.publish(building)
    assert linked(old) == "old"
    with new.locked():
        if new.find() is None:
            new.publish(build(new, "new"))
    assert linked(new) == "new"
    assert not list(new.runs.glob(".building-*"))
    assert old.find() is not None  # kept, and linked again for its own inputs
    assert linked(old) == "old"


@pytest.mark.parametrize("harm", ["edit", "remove", "tear"])
def test_harm_is_found(tmp_path: Path, harm: str) -> None:
    """An edited or missing file, or a torn manifest, and the run does not count as there."""
    place = shelf(tmp_path)
    with place.locked():
        place.publish(build(place))
        report, manifest = place.link / "report.html", place.link / MANIFEST
        if harm == "edit":
            report.write_text("another report")
        elif harm == "remove":
            report.unlink()
        else:
            manifest.write_text(manifest.read_text()[:-9])
        assert intact(place.link, KEY) is None
        assert place.find() is None
        place.publish(build(place))
        assert place.find() is not None
        assert len(list(place.runs.iterdir())) == 2


def enter(place: Shelf) -> None:
    """Enter the run that is linked into the ledger."""
    run = SimpleNamespace(folder=place.link.resolve(), made="", counts=True)
    ledger.enter(place.folder.parent.resolve(), [run])


def test_manifest_without_its_files_is_no_proof(tmp_path: Path) -> None:
    """A manifest that names no file vouches for none: the page may have been overwritten."""
    place = shelf(tmp_path)
    with place.locked():
        place.publish(build(place))
        manifest = json.loads((place.link / MANIFEST).read_text())
        (place.link / MANIFEST).write_text(json.dumps({**manifest, "outputs": {}}))
        (place.link / "report.html").write_text("another report")
        assert intact(place.link, KEY) is None
        assert place.find() is None


def test_manifest_that_was_edited_after_it_was_entered_is_found(tmp_path: Path) -> None:
    """Every file fits the manifest, but the manifest is not the one in the ledger."""
    place = shelf(tmp_path)
    with place.locked():
        place.publish(build(place))
        enter(place)
        assert intact(place.link, KEY) is not None
        manifest = json.loads((place.link / MANIFEST).read_text())
        (place.link / MANIFEST).write_text(json.dumps({**manifest, "summary": {}}))
        assert intact(place.link, KEY) is None
        assert place.find() is None


def test_run_in_the_place_of_a_lost_one_gets_another_name(tmp_path: Path) -> None:
    """What the ledger says of a run is said of no other: one made again stands beside it."""
    place = shelf(tmp_path)
    with place.locked():
        first = place.publish(build(place))
        enter(place)
        shutil.rmtree(place.runs / first)
        assert place.publish(build(place)) == f"{first}-2"
        assert place.find() is not None


def test_folder_copied_by_hand_is_moved_aside(tmp_path: Path) -> None:
    """A real folder where the link belongs is kept among the runs."""
    place = shelf(tmp_path)
    with place.locked():
        place.publish(build(place, "first"))
        copy = shutil.copytree(place.link, tmp_path / "copy")
        place.link.unlink()
        copy.rename(place.link)
        place.publish(build(place, "second"))
    assert linked(place) == "second"
    assert [path.name for path in place.runs.iterdir() if "-copy-" in path.name]


def test_failed_run_is_kept_once(tmp_path: Path) -> None:
    """The remains of the last failure are kept, those before it are not."""
    place = shelf(tmp_path)
    with place.locked():
        place.keep_failed(build(place, "first"))
        kept = place.keep_failed(build(place, "second"))
        assert (kept / "report.html").read_text() == "second"
        place.forget_failed()
        assert not place.failed.exists()


def test_unwritable_place_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the folder and the reason."""
    (tmp_path / "reports").write_text("a file where a folder should be")
    with (
        pytest.raises(RunError, match=r"reports/case cannot be written: Not a directory"),
        shelf(tmp_path).locked(),
    ):
        pass


def test_remains_are_left_to_a_runner_that_is_at_it(tmp_path: Path) -> None:
    """A batch with other reports under way does not wait for it; the runner sweeps them up."""
    place = shelf(tmp_path)
    manifest = {"as_of": place.as_of, "inputs_digest": place.key}
    with place.locked():
        building = place.build()
        with pytest.raises(BlockingIOError):
            rescue(place.folder, building, manifest)
        assert building.is_dir()
        place.build()
        assert not building.exists()
    left = place.build()
    assert rescue(place.folder, left, manifest) == place.failed
