"""Reports in an object store: a real S3 server on loopback, and whatever may be found there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desks import ASSESS, RUN, desk_in, small
from escalation.reporting.faults import ReportError
from escalation.reporting.report import ReportRun, run_report

pytest.importorskip("s3fs", reason="needs the extra s3")
moto = pytest.importorskip("moto.server", reason="needs a local S3 server")
OUT = "s3://desk/reports"
NAME = "tiny-baseline"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server with an empty bucket; everything of this process that speaks S3 finds it."""
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    settings = {
        "AWS_ENDPOINT_URL": address,
        "BOTO3_ENDPOINT_URL": address,  # as papermill calls it
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        client().create_bucket(Bucket="desk")
        yield address
    running.stop()


def client() -> Any:  # noqa: ANN401 (boto3 has no types)
    """Return a client that knows nothing of ours."""
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def objects(prefix: str = "") -> dict[str, bytes]:
    """Return everything in the bucket below a prefix."""
    found = client().list_objects_v2(Bucket="desk", Prefix=f"reports/{NAME}/{prefix}")
    keys = [each["Key"] for each in found.get("Contents", [])]
    return {key: client().get_object(Bucket="desk", Key=key)["Body"].read() for key in keys}


def pointer() -> dict[str, Any]:
    """Return the pointer of the day."""
    (data,) = objects("2030-03-01.json").values()
    found: dict[str, Any] = json.loads(data)
    return found


@pytest.fixture
def desk(tmp_path: Path, workspace: Path, server: str) -> Path:
    """A workspace with a small notebook, and a bucket with one report in it."""
    assert server
    for key in objects():
        client().delete_object(Bucket="desk", Key=key)
    folder = desk_in(tmp_path / "desk", workspace)
    small(folder, RUN + ASSESS, name="scenario_report.ipynb")
    assert make(folder).fresh
    return folder


def make(desk: Path) -> ReportRun:
    """Make the report, straight into the bucket."""
    return run_report(desk / "scenarios/tiny/baseline.yaml", out=OUT, draws=32, progress=False)


def edit(desk: Path) -> None:
    """Change an assumption."""
    path = desk / "scenarios/tiny/baseline.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("fight: 0.2", "fight: 0.3"), encoding="utf-8")


def test_run_is_whole_and_found_again(desk: Path) -> None:
    """All files and a pointer to them; the same again makes nothing."""
    run = pointer()["run"]
    names = {key.rpartition("/")[2] for key in objects(f"runs/{run}/")}
    assert names >= {"report.html", "report.ipynb", "result.json", "forecast.csv", "manifest.json"}
    assert set(pointer()["objects"]) == names
    before = objects()
    assert not make(desk).fresh
    assert objects() == before


def test_changed_inputs_keep_the_old_run_and_compare_with_it(desk: Path) -> None:
    """The pointer leads to the new run, which names the one before; the old one stays."""
    old = pointer()["run"]
    edit(desk)
    run = make(desk)
    assert run.fresh
    assert pointer()["run"] != old
    assert objects(f"runs/{old}/manifest.json")
    assert run.manifest["earlier"] is not None


@pytest.mark.parametrize("harm", ["edited", "removed"])
def test_harmed_run_is_made_again(desk: Path, harm: str) -> None:
    """One listing tells that an object is not as it was sent."""
    page = f"reports/{NAME}/runs/{pointer()['run']}/report.html"
    if harm == "edited":
        size = len(objects()[page])
        client().put_object(Bucket="desk", Key=page, Body=b"x" * size)
    else:
        client().delete_object(Bucket="desk", Key=page)
    assert make(desk).fresh
    assert not make(desk).fresh


@pytest.mark.parametrize("stage", ["page", "manifest", "pointer"])
def test_broken_off_at_any_stage_the_pointer_leads_to_a_whole_run(
    desk: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Cut off while sending: the old run is shown; the next run makes or adopts the new one."""
    import s3fs

    old = pointer()["run"]
    edit(desk)
    send = s3fs.S3FileSystem.pipe_file
    names = {"page": "report.html", "manifest": "manifest.json", "pointer": "2030-03-01.json"}

    def cut(self: object, path: str, value: bytes, **options: object) -> object:
        if path.endswith(names[stage]):
            raise ConnectionResetError("cut off")
        return send(self, path, value, **options)

    with monkeypatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "pipe_file", cut)
        with pytest.raises(ReportError, match="cut off") as error:
            make(desk)
    assert error.value.exit_code == 12
    assert pointer()["run"] == old
    run = make(desk)
    assert run.fresh == (stage != "pointer")
    assert pointer()["run"] != old


def test_failed_run_leaves_its_notebook_in_the_store(desk: Path) -> None:
    """The remains are sent too, and go when the report is made."""
    small(desk, "raise ValueError('no luck')", name="scenario_report.ipynb")
    with pytest.raises(ReportError, match="no luck") as error:
        make(desk)
    assert f"{OUT}/{NAME}/failed/" in str(error.value)
    (notebook,) = (data for key, data in objects("failed/").items() if key.endswith(".ipynb"))
    assert b"no luck" in notebook


def test_reports_of_another_scenario_are_left_alone(desk: Path) -> None:
    """A second scenario of that name in the workspace is refused, with the file of the first."""
    shutil.copytree(desk / "scenarios/tiny", desk / "scenarios/more/tiny")
    path = desk / "scenarios/more/tiny/baseline.yaml"
    before = pointer()
    with pytest.raises(ReportError, match=r"reports of scenarios/tiny/baseline\.yaml") as error:
        run_report(path, out=OUT, draws=32, progress=False)
    assert error.value.exit_code == 1
    assert pointer() == before


def test_no_such_bucket(desk: Path) -> None:
    """Code 12, and the address."""
    with pytest.raises(ReportError, match="s3://nobody/tiny-baseline") as error:
        run_report(desk / "scenarios/tiny/baseline.yaml", out="s3://nobody", draws=32)
    assert error.value.exit_code == 12


def test_command_writes_to_the_store(desk: Path) -> None:
    """`escalation report --out s3://…`, each report in its own process, as on a disk."""
    words = ["scenarios/tiny", "--out", OUT, "--draws", "32", "--format", "html", "--jobs", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "escalation", "report", *words],
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{OUT}/{NAME}/runs/{pointer()['run']}/report.html" in done.stdout
    assert "1 made, 1 unchanged" in done.stderr
    assert not (desk / "reports").exists()


def test_plain_papermill_writes_to_the_store(desk: Path) -> None:
    """papermill's own handler: the notebook goes from a file to an object."""
    words = ["notebooks/scenario_report.ipynb", f"{OUT}/{NAME}/plain.ipynb"]
    parameters = ["-p", "scenario", "scenarios/tiny/baseline.yaml", "-p", "draws", "32"]
    done = subprocess.run(
        [sys.executable, "-m", "papermill", *words, *parameters, "-k", "python3"],
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (data,) = objects("plain.ipynb").values()
    assert json.loads(data)["metadata"]["papermill"]["exception"] is None
