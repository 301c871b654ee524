"""Units for schedulers: read, and where they are there run, by the schedulers themselves."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cases import row, write_case
from escalation.cli import main
from escalation.errors import InvalidValueError
from escalation.reporting.schedule import LOG, Job, clock, cron, github, systemd

ODD = 'it\'s 100 % "mine" $HOME'
UNSHARE = shutil.which("unshare") or "/usr/bin/unshare"
ANALYZE = shutil.which("systemd-analyze") or "/usr/bin/systemd-analyze"
LATER = 480  # seconds; how long a busy machine may take
COMMAND = Path(sys.executable).with_name("escalation")


def job(root: Path, command: Path = COMMAND, at: str = "06:30") -> Job:
    """Return a job in a folder."""
    return Job(root, command, clock(at), 2)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A workspace with a name that everything could stumble over."""
    (tmp_path / ODD / "scenarios").mkdir(parents=True)
    return tmp_path / ODD


@pytest.mark.parametrize(
    ("text", "at"), [("06:30", (6, 30)), ("0:05", (0, 5)), (" 23:59 ", (23, 59))]
)
def test_clock_is_read(text: str, at: tuple[int, int]) -> None:
    """Hours and minutes."""
    assert clock(text) == at


@pytest.mark.parametrize("text", ["24:00", "6:5", "630", "", "06:60", "6.30"])
def test_no_time_of_day_is_refused(text: str) -> None:
    """What is no time is said to be none."""
    with pytest.raises(InvalidValueError, match="is no time of day; write it as 06:30"):
        clock(text)


def line_of(text: str) -> str:
    """Return the one line of a crontab that is no comment."""
    (line,) = [each for each in text.splitlines() if not each.startswith("#")]
    return line


def run_line(line: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a crontab's command as cron does: without `%` escapes, by sh, with hardly a variable."""
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=root.parent,
        env={"HOME": "/", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def script(root: Path, code: int) -> Path:
    """Write a command that says what it was called with, and where."""
    path = root / "escalation"
    path.write_text(f'#!/bin/sh\necho "$(pwd)|$*"\necho oh >&2\nexit {code}\n')
    path.chmod(0o755)
    return path


def test_cron_line_works_in_any_folder(odd: Path) -> None:
    """Quotes, blanks, a percent sign: the command runs in the workspace, and says nothing."""
    done = run_line(line_of(cron(job(odd, script(odd, 0)))), odd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    said = (odd / LOG).read_text().splitlines()
    assert said[1:] == [f"{odd}|report scenarios --as-of today --jobs 2", "oh"]


def test_cron_says_the_end_of_the_log_when_reports_fail(odd: Path) -> None:
    """What cron mails: where to look, and what was said last."""
    done = run_line(line_of(cron(job(odd, script(odd, 4)))), odd)
    assert f"not every report could be made, see {odd}/{LOG}" in done.stdout
    assert done.stdout.endswith("oh\n")


def test_comments_of_a_crontab_are_comments(odd: Path) -> None:
    """All but one line begins with #, and the line's time is the one that was asked for."""
    text = cron(job(odd, at="06:05"))
    assert line_of(text).startswith("5 6 * * * cd ")
    assert text.endswith("\n")


@contextmanager
def crond(crontab: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run cron with one crontab, in a place where it sees no other and nobody sees it."""
    spool = folder / "spool"
    spool.mkdir()
    (folder / "empty").mkdir()
    (folder / "none").touch()
    (spool / "root").write_text(crontab)
    (spool / "root").chmod(0o600)
    spool.chmod(0o700)
    own = (
        f"mount --bind {spool} /var/spool/cron/crontabs && mount --bind {folder}/empty /etc/cron.d "
        f"&& mount --bind {folder}/none /etc/crontab && mount -t tmpfs own /run && exec cron -f"
    )
    daemon = subprocess.Popen([UNSHARE, "--mount", "sh", "-c", own], stderr=subprocess.PIPE)
    try:
        yield daemon
    finally:
        daemon.terminate()
        daemon.wait(10)
        assert daemon.stderr is not None
        daemon.stderr.close()


def namespaces() -> bool:
    """Whether this process may make a place of its own for mounts."""
    if os.geteuid() != 0 or not Path(UNSHARE).exists() or not Path("/etc/crontab").exists():
        return False
    done = subprocess.run(
        [UNSHARE, "--mount", "sh", "-c", "mount -t tmpfs own /mnt"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.mark.skipif(not shutil.which("cron"), reason="no cron on this machine")
def test_cron_makes_the_reports(tmp_path: Path, workspace: Path) -> None:
    """A real cron runs the printed line: the report of today stands, the log says so."""
    if not namespaces():
        pytest.skip("a cron of our own needs root and mount namespaces")
    desk = tmp_path / "de sk 100%"
    (desk / "scenarios/small").mkdir(parents=True)
    write_case(desk / "scenarios/small", [row("r1", "fleet", "2025-02-01")])
    shutil.copytree(workspace / "notebooks", desk / "notebooks")
    now = datetime.now().astimezone()
    at = (now + timedelta(seconds=66)).replace(second=0)  # the next minute, if there is time
    printed = cron(job(desk, at=f"{at:%H:%M}"))
    with crond(f"OPENBLAS_NUM_THREADS=1\n{printed}", tmp_path) as daemon:
        page = desk / "reports/index.html"
        until = time.monotonic() + LATER
        while not page.exists():
            assert daemon.poll() is None, daemon.stderr and daemon.stderr.read()
            log = (desk / LOG).read_text() if (desk / LOG).exists() else "(no log)"
            assert time.monotonic() < until, log
            time.sleep(0.2)
    days = {str((now + timedelta(days)).astimezone(UTC).date()) for days in (0, 1)}
    (report,) = (desk / "reports/small-case").glob("2*/report.html")
    assert report.parent.name in days
    assert "A small case" in report.read_text(encoding="utf-8")


def values(unit: str) -> dict[str, str]:
    """Return the settings of a unit."""
    lines = (each for each in unit.splitlines() if not each.startswith(("#", "[")))
    return dict(each.split("=", 1) for each in lines if each)


def test_systemd_unit_says_what_runs_where(odd: Path) -> None:
    """Percent and dollar signs are doubled, an argument with a blank is quoted."""
    units = systemd(job(odd, odd / "escalation"))
    service, timer = (values(text) for text in units.values())
    assert [each.rpartition(".")[2] for each in units] == ["service", "timer"]
    root = str(odd).replace("%", "%%")
    assert service["WorkingDirectory"] == root
    command = service["ExecStart"].replace("%%", "%").replace("$$", "$")
    assert shlex.split(command) == [
        f"{odd}/escalation", "report", "scenarios", "--as-of", "today", "--jobs", "2",
    ]  # fmt: skip
    assert service["StandardOutput"] == f"append:{root}/{LOG}"
    assert timer["OnCalendar"] == "*-*-* 06:30:00"
    assert timer["Persistent"] == "true"


@pytest.mark.skipif(not Path(ANALYZE).exists(), reason="no systemd on this machine")
@pytest.mark.parametrize("name", ["desk", "a desk 100% mine"])
def test_systemd_takes_the_units(tmp_path: Path, name: str) -> None:
    """systemd itself finds nothing wrong with the service and the timer."""
    root = tmp_path / name
    root.mkdir()
    units = tmp_path / "units"
    units.mkdir()
    for file, text in systemd(job(root)).items():
        (units / file).write_text(text)
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", *map(str, units.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_workflow_is_one_by_its_schema(tmp_path: Path) -> None:
    """The schema of GitHub's workflows, as check-jsonschema carries it, is kept."""
    pytest.importorskip("check_jsonschema", reason="no check-jsonschema")
    path = tmp_path / "reports.yml"
    path.write_text(github(job(tmp_path)))
    check = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, *check, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    path.write_text(path.read_text().replace("runs-on", "runs_on"))
    done = subprocess.run(
        [sys.executable, *check, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0, "the check would see a fault"


def test_workflow_makes_what_the_others_make(tmp_path: Path, workspace: Path) -> None:
    """The same command at the same time, through `make report`, which the repository has."""
    flow = YAML(typ="safe").load(github(job(tmp_path, at="05:07")))
    assert flow["on"]["schedule"] == [{"cron": "7 5 * * *"}]
    (made,) = [
        each["run"] for each in flow["jobs"]["reports"]["steps"] if "make" in each.get("run", "")
    ]
    asked = shlex.split(made)
    assert asked == ["make", "report", "REPORT=scenarios --as-of today --jobs 2"]
    done = subprocess.run(
        [*asked, "--dry-run"], cwd=workspace, capture_output=True, text=True, check=True
    )
    assert "escalation report scenarios --as-of today --jobs 2" in done.stdout


def test_command_prints_units_for_the_workspace(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Called anywhere in a workspace, with the environment that it runs in."""
    monkeypatch.chdir(odd / "scenarios")
    for kind in ("cron", "systemd", "github"):
        assert main.main(["schedule", kind, "--at", "07:15", "--jobs", "3"]) == 0
        printed = capsys.readouterr().out
        assert "--as-of today --jobs 3" in printed
        if kind != "github":
            assert str(COMMAND) in printed
            assert ODD.replace("%", {"cron": "%", "systemd": "%%"}[kind]) in printed
    assert main.main(["schedule", "systemd", "--out", str(odd / "units")]) == 0
    assert len(list((odd / "units").iterdir())) == 2


def test_folder_of_the_log_is_there_for_systemd(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """systemd opens the log before anything runs: the command makes its folder."""
    monkeypatch.chdir(odd)
    assert main.main(["schedule", "systemd"]) == 0
    printed = values(capsys.readouterr().out)["StandardOutput"].removeprefix("append:")
    assert Path(printed.replace("%%", "%")).parent.is_dir()


def test_workspaces_of_one_name_have_units_of_their_own(tmp_path: Path) -> None:
    """Two folders called desk: the units of one never replace those of the other."""
    here, there = (systemd(job(tmp_path / each / "desk")) for each in ("here", "there"))
    assert not here.keys() & there.keys()
    assert all(name.startswith("escalation-desk-") for name in here)
    assert here.keys() == systemd(job(tmp_path / "here/desk")).keys()


MORE = ("--format", "html", "--timeout", "7.5", "--on-alert", "notify 'it is 100 %' $HOME")
GIVEN = ["--reports", "other place", *MORE]


def test_units_pass_the_options_of_reports_on(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where, how long, in which format, and whom to tell: in each unit word for word."""
    monkeypatch.chdir(odd)
    asked = ["report", "scenarios", "--as-of", "today", "--jobs", "1", "--out", "other place"]
    said = {}
    for kind in ("cron", "systemd", "github"):
        assert main.main(["schedule", kind, *GIVEN]) == 0
        said[kind] = capsys.readouterr().out
        again = f"escalation schedule {kind} --at 06:30 --jobs 1 {shlex.join(GIVEN)}"
        assert kind == "github" or again in said[kind], "how to print it once more"
    seen = odd / "seen"
    show = f"printf '\\%s\\n' >{shlex.quote(str(seen))}"
    line = line_of(said["cron"]).replace(shlex.quote(str(COMMAND)), show)
    assert run_line(line, odd).returncode == 0
    assert seen.read_text().splitlines() == [*asked, *MORE]
    unit = values(said["systemd"])["ExecStart"].replace("%%", "%").replace("$$", "$")
    assert shlex.split(unit)[1:] == [*asked, *MORE]
    flow = YAML(typ="safe").load(said["github"])["jobs"]["reports"]["steps"]
    (made,) = [each["run"] for each in flow if "make report" in each.get("run", "")]
    assert shlex.split(made)[2] == f"REPORT={shlex.join([*asked[1:], *MORE])}".replace("$", "$$")
    assert [each["with"]["path"] for each in flow if "path" in each.get("with", {})] == [
        "other place"
    ] * 2


def test_options_that_reports_would_refuse_are_refused_at_once(
    odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every morning in a log."""
    monkeypatch.chdir(odd)
    for option, value in (("--format", "docx"), ("--timeout", "soon"), ("--on-alert", "a 'b")):
        with pytest.raises(SystemExit, match="2"):
            main.main(["schedule", "cron", option, value])
    assert main.main(["schedule", "cron", "--on-alert", "one\ntwo"]) == 1


def test_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No workspace, no time, no jobs: a sentence and an exit code, no unit."""
    monkeypatch.chdir(tmp_path)
    assert main.main(["schedule", "cron"]) == 4
    (tmp_path / "scenarios").mkdir()
    assert main.main(["schedule", "cron", "--at", "25:00"]) == 1
    with pytest.raises(SystemExit, match="2"):
        main.main(["schedule", "cron", "--jobs", "0"])
    told = capsys.readouterr()
    assert told.out == ""
    assert "go to your workspace first" in told.err
    assert json.dumps("25:00")[1:-1] in told.err
