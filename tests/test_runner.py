"""`escalation report` on many scenarios: real processes, and what is left behind by each fault."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from desks import ASSESS, RUN, alive, desk_in, small, wait_for
from escalation.reporting.disk import lock
from escalation.reporting.environment import installed
from escalation.reporting.faults import FAULTS, exit_code
from escalation.reporting.shelf import LOCK, Shelf

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reports are forked on Linux only")
NAME = "scenario_report.ipynb"  # the workspace's own, which the runner takes by itself
# Does what a file beside the scenario says, if there is one.
ACT = (
    "import os\nfrom pathlib import Path\n"
    "act = Path(os.environ['ESCALATION_WORKSPACE'], scenario).with_suffix('.py')\n"
    "if act.exists(): exec(act.read_text())"
)
SECONDS = 240


@dataclass(frozen=True)
class Said:
    """What a command left on its way out."""

    code: int
    out: str
    err: str


def report(desk: Path, *arguments: str, **environment: str) -> Said:
    """Run `escalation report` in a workspace."""
    done = subprocess.run(
        command(*arguments),
        cwd=desk,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def command(*arguments: str) -> list[str]:
    """Return the words of the command, with few draws and no paper."""
    quick = ("--draws", "32", "--format", "html")
    return [sys.executable, "-m", "escalation", "report", *arguments, *quick]


def scenario(desk: Path, name: str, act: str = "", text: str = "extends: baseline.yaml\n") -> str:
    """Write a variant of the tiny case, and what happens in its kernel."""
    path = desk / "scenarios/tiny" / f"{name}.yaml"
    path.write_text(f"{text}title: The case of {name}\n", encoding="utf-8")
    if act:
        path.with_suffix(".py").write_text(act, encoding="utf-8")
    return str(path.relative_to(desk))


def last(desk: Path, name: str) -> dict[str, Any]:
    """Return what came of the last attempt at a scenario."""
    path = desk / "reports" / f"tiny-{name}" / "last.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, workspace: Path) -> Path:
    """A workspace whose report notebook is short, and does what a scenario's `.py` file says."""
    desk = desk_in(tmp_path_factory.mktemp("plain"), workspace)
    (desk / "scenarios/tiny/variant.yaml").unlink()
    small(desk, ACT, RUN + ASSESS, name=NAME)
    return desk


@pytest.fixture
def desk(plain: Path, tmp_path: Path) -> Path:
    """A copy of it, without reports."""
    return shutil.copytree(plain, tmp_path / "desk")


@pytest.fixture(scope="module")
def made(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A folder of scenarios, one of each fault, reported once."""
    desk = shutil.copytree(plain, tmp_path_factory.mktemp("made") / "desk")
    scenario(desk, "fine")
    scenario(desk, "raises", "raise ValueError('no luck')")
    scenario(desk, "dies", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    scenario(
        desk,
        "impossible",
        "from escalation.errors import ImpossibleEvidenceError\n"
        "raise ImpossibleEvidenceError('row-3 cannot be')",
    )
    scenario(desk, "full", "raise OSError(28, 'No space left on device')")
    scenario(desk, "hungry", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    scenario(desk, "broken", text="extends: baseline.yaml\nnonsense: 1\n")
    return desk, report(desk, "scenarios", "--jobs", "2")


@pytest.fixture
def used(made: tuple[Path, Said], tmp_path: Path) -> Path:
    """A copy of that workspace, with its reports."""
    return shutil.copytree(made[0], tmp_path / "used", symlinks=True)


def test_one_failure_never_stops_the_others(made: tuple[Path, Said]) -> None:
    """Every scenario is tried; the good ones are made; different failures end with code 4."""
    desk, said = made
    assert said.code == 4, said
    status = {name: last(desk, name)["status"] for name in ("fine", "baseline", "raises", "dies")}
    assert status == {"fine": "made", "baseline": "made", "raises": "failed", "dies": "failed"}
    assert (desk / "reports/tiny-fine/2030-03-01/report.html").is_file()
    assert "2 made, 6 failed in" in said.err
    assert "tiny-raises  (notebook)" in said.out


CODES = [
    ("raises", "notebook", 5, "ValueError: no luck"),
    ("dies", "kernel", 6, "Kernel died"),
    ("impossible", "evidence", 3, "row-3 cannot be"),
    ("full", "disk", 8, "No space left on device"),
    ("hungry", "killed", 13, "ended without a word"),
    ("broken", "invalid", 1, "unknown key 'nonsense'"),
]


@pytest.mark.parametrize(("name", "fault", "code", "words"), CODES)
def test_each_fault_has_its_code_and_says_what_to_do(
    made: tuple[Path, Said], name: str, fault: str, code: int, words: str
) -> None:
    """The last attempt names the fault; the summary says what was wrong and what to do."""
    desk, said = made
    found = last(desk, name)
    assert (found["fault"], found["exit_code"]) == (fault, code)
    assert words in found["error"]
    assert found["advice"] == FAULTS[fault].advice
    part = said.err.partition(f"tiny-{name} failed:\n")[2].partition("\n\n")[0]
    assert words in part
    assert part.splitlines()[-1].strip() == FAULTS[fault].advice


def test_codes_are_distinct() -> None:
    """No two faults share an exit code, and none is that of success or wrong usage."""
    codes = [each.exit_code for each in FAULTS.values()]
    assert len(codes) == len(set(codes))
    assert not {0, 2} & set(codes)
    assert exit_code(["disk"]) == 8


def test_codes_are_documented(workspace: Path) -> None:
    """The table of exit codes has a row for each."""
    text = (workspace / "docs/runs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)
    told = {int(code) for row in rows for code in row.split(",")}
    assert told == {0, 2, *(each.exit_code for each in FAULTS.values())}


@pytest.mark.parametrize("name", ["raises", "dies", "full", "hungry"])
def test_failed_run_keeps_its_notebook_with_the_error_on_top(
    made: tuple[Path, Said], name: str
) -> None:
    """What was run is there, its first cell says what was wrong; no folder is half built."""
    found = last(made[0], name)
    folder = made[0] / "reports" / f"tiny-{name}" / found["run"]
    notebook = nbformat.read(folder / "report.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("**This report was not made.**")
    assert FAULTS[found["fault"]].advice in notebook.cells[0].source
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["fault"]) == ("failed", found["fault"])
    assert not list(made[0].glob("reports/*/runs/.building-*"))


def test_nothing_to_do_takes_no_imports(used: Path) -> None:
    """Reports that are there are known without reading a scenario, or loading NumPy."""
    code = (
        "import sys; from escalation.cli.main import main; "
        "code = main(sys.argv[1:]); "
        "assert not {'numpy', 'ruamel.yaml', 'matplotlib', 'papermill'} & set(sys.modules); "
        "sys.exit(code)"
    )
    words = command("scenarios/tiny/baseline.yaml", "scenarios/tiny/fine.yaml")[4:]
    done = subprocess.run(
        [sys.executable, "-c", code, "report", *words],
        cwd=used,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("unchanged") == 2
    assert last(used, "fine")["status"] == "unchanged"


def test_known_report_that_was_edited_is_made_again(used: Path) -> None:
    """To be known is not to be whole."""
    page = used / "reports/tiny-fine/2030-03-01/report.html"
    page.write_text("edited", encoding="utf-8")
    said = report(used, "scenarios/tiny/fine.yaml")
    assert said.code == 0, said
    assert "made" in said.out
    assert page.read_text(encoding="utf-8") != "edited"


def test_what_counts_as_the_same(used: Path) -> None:
    """A row of a later day changes nothing, an edit of what is extended does."""
    rows = used / "scenarios/tiny/observations.csv"
    with rows.open("a", encoding="utf-8") as file:
        file.write("row-9,harsh_speech,,2030-04-01,,,,,,,Radio,Later\n")
    assert report(used, "scenarios/tiny/fine.yaml").out.startswith("unchanged")
    path = used / "scenarios/tiny/baseline.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("fight: 0.2", "fight: 0.3"), encoding="utf-8")
    said = report(used, "scenarios/tiny/fine.yaml")
    assert said.out.startswith("made"), said
    path.write_text(text, encoding="utf-8")
    assert report(used, "scenarios/tiny/fine.yaml").out.startswith("unchanged")


def test_kernels_are_strangers_to_each_other(desk: Path) -> None:
    """Forked from one process: yet folder, variables, random numbers and names are their own."""
    look = (
        "import json, os, sys, random, numpy\n"
        "import matplotlib.pyplot as plt\n"
        "from ipykernel.connect import get_connection_file\n"
        "seen = {'cwd': os.getcwd(), 'pid': os.getpid(), 'mark': os.environ.get('MARK'),\n"
        "  'attribute': hasattr(numpy, 'marked'), 'name': 'marked' in globals(),\n"
        "  'drawn': [random.random(), numpy.random.random()],\n"
        "  'curve': 'curve_publickey' in json.load(open(get_connection_file())),\n"
        "  'dotted': os.path.exists(os.environ['IPYTHONDIR'])}\n"
        "marked = 1; numpy.marked = 1; os.environ['MARK'] = 'x'\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + f'/{scenario[-8:-5]}.seen', 'w')"
        ".write(json.dumps(seen))\n"
        "plt.plot([1, 2]); plt.show()"
    )
    paths = [scenario(desk, name, look) for name in ("one", "two")]
    said = report(desk, *paths, "--jobs", "1")
    assert said.code == 0, said
    one, two = (json.loads((desk / f"{name}.seen").read_text()) for name in ("one", "two"))
    assert one["cwd"] != two["cwd"]
    assert one["pid"] != two["pid"]
    assert one["drawn"][0] != two["drawn"][0]
    assert one["drawn"][1] != two["drawn"][1]
    for seen in (one, two):
        assert ".building-" in seen["cwd"]
        assert (seen["mark"], seen["attribute"], seen["name"]) == (None, False, False)
        assert seen["curve"]
        assert seen["dotted"]
    notebook = (desk / "reports/tiny-one/2030-03-01/report.ipynb").read_text(encoding="utf-8")
    assert "image/png" in notebook  # a figure of pyplot's shows inline, as in any kernel


def test_what_forks_has_one_thread() -> None:
    """After all imports: a lock that another thread held would never be opened in a fork."""
    code = (
        "import os; from escalation.reporting import nursery; nursery.warm(pdf=True); "
        "assert len(os.listdir('/proc/self/task')) == 1"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_more_at_once_than_asked_for(desk: Path) -> None:
    """Four reports with two jobs: two side by side, never three."""
    note = (
        "import os, time\n"
        "place = os.environ['ESCALATION_WORKSPACE']\n"
        "begun = time.time(); time.sleep(2)\n"
        "open(f'{place}/{os.getpid()}.times', 'w').write(f'{begun} {time.time()}')"
    )
    paths = [scenario(desk, f"v{number}", note) for number in range(4)]
    assert report(desk, *paths, "--jobs", "2").code == 0
    times = [tuple(map(float, path.read_text().split())) for path in desk.glob("*.times")]
    most = max(sum(begin <= moment < end for begin, end in times) for moment, _ in times)
    assert len(times) == 4
    assert most == 2


def test_hung_cell_is_stopped_by_the_watchdog(desk: Path) -> None:
    """Code 7; the notebook shows how far it came; nothing of it runs on."""
    hang = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/pids', 'w')"
        ".write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(1000)"
    )
    said = report(desk, scenario(desk, "hangs", hang), "--timeout", "0.5")
    assert said.code == 7, said
    found = last(desk, "hangs")
    assert "it took longer than 0.5 minutes" in found["error"]
    text = (desk / "reports/tiny-hangs" / found["run"] / "report.ipynb").read_text()
    assert "This report was not made" in text
    pids = [int(each) for each in (desk / "pids").read_text().split()]
    wait_for(lambda: not any(alive(pid) for pid in pids))


@contextmanager
def disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a small disk, if this user may."""
    folder.mkdir()
    if not mounted("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)):
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        mounted("umount", "--lazy", str(folder))


def mounted(name: str, *arguments: str) -> bool:
    """Mount something, or take it away, and return whether that went well."""
    tool = shutil.which(name)
    if tool is None:
        return False
    return not subprocess.run([tool, *arguments], capture_output=True, check=False).returncode


def test_full_disk(desk: Path, tmp_path: Path) -> None:
    """Code 8 and what to do; when there is room again, the next run makes the report."""
    with disk(tmp_path / "disk", 600) as out:
        filler = out / "filler"
        path = scenario(desk, "fine")
        filler.write_bytes(b"x" * 570_000)
        said = report(desk, path, "--out", str(out))
        assert said.code == 8, said
        assert FAULTS["disk"].advice in said.err
        filler.unlink()
        assert report(desk, path, "--out", str(out)).code == 0
        assert (out / "tiny-fine/2030-03-01/report.html").is_file()
        assert not list(out.glob("tiny-fine/runs/.building-*"))


def test_unwritable_folder(desk: Path, tmp_path: Path) -> None:
    """Code 9 and what to do, be it a file in the way or a disk that is read-only."""
    path = scenario(desk, "fine")
    (desk / "reports").write_text("a file where a folder should be", encoding="utf-8")
    said = report(desk, path)
    assert said.code == 9, said
    assert "tiny-fine cannot be written: Not a directory" in said.err
    assert FAULTS["folder"].advice in said.err
    with disk(tmp_path / "disk", 600) as out:
        assert mounted("mount", "-o", "remount,ro", str(out))
        said = report(desk, path, "--out", str(out))
        assert said.code == 9, said
        assert "Read-only file system" in said.err


def test_clock_that_went_backwards(used: Path) -> None:
    """Today is refused if the last run was begun after it; a day that is given is not."""
    run = (used / "reports/tiny-fine/2030-03-01").resolve()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    later = datetime.now(UTC) + timedelta(days=2)
    manifest["started"] = later.isoformat(timespec="seconds")
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for path in (used / "scenarios/tiny").glob("*.*"):  # today has to be after the start
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("2030-", "2020-"), encoding="utf-8")
    said = report(used, "scenarios/tiny/fine.yaml", "--as-of", "today")
    assert said.code == 11, said
    assert f"the last report was begun at {later:%Y-%m-%d %H:%M} UTC" in said.err
    assert FAULTS["clock"].advice in said.err
    assert report(used, "scenarios/tiny/fine.yaml", "--as-of", "2020-03-01").code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_batch_ends_in_good_order(used: Path, number: int, code: int) -> None:
    """Nothing runs on, what was there is still linked, and the summary says what was not begun."""
    old = (used / "reports/tiny-fine/2030-03-01").resolve()
    slow = (
        "import os, time\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/begun', 'w').write(str(os.getpid()))\n"
        "time.sleep(1000)"
    )
    paths = [scenario(used, "slow", slow), scenario(used, "other", slow)]
    words = command(*paths, "scenarios/tiny/fine.yaml", "--jobs", "1")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=used, start_new_session=True, **pipes) as runner:  # type: ignore[call-overload]
        kernel = int(wait_for(lambda: (used / "begun").exists() and (used / "begun").read_text()))
        runner.send_signal(number)
        out, err = runner.communicate(timeout=SECONDS)
    assert runner.returncode == code, err
    assert "tiny-slow failed:" in err
    assert "1 of them were not begun" in err
    assert "unchanged  tiny-fine" in out
    assert not alive(kernel)
    assert (used / "reports/tiny-fine/2030-03-01").resolve() == old
    assert not (used / "reports/tiny-other").exists()
    assert not list(used.glob("reports/*/runs/.building-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_asks_again_for_the_end_has_been_heard(used: Path, number: int) -> None:
    """A second signal, be it of another kind, neither hurries nor tears the end in good order."""
    slow = (
        "import os, time\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/begun', 'w').write(str(os.getpid()))\n"
        "time.sleep(1000)"
    )
    path = scenario(used, "slow", slow)
    index = used / "reports/index.html"
    index.unlink()
    words = command(path, "scenarios/tiny/fine.yaml", "--jobs", "1")
    with subprocess.Popen(words, cwd=used, stderr=subprocess.PIPE, text=True) as runner:
        wait_for((used / "begun").exists)
        for each in (number, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            runner.send_signal(each)
            time.sleep(0.02)
        err = runner.communicate(timeout=SECONDS)[1]
    assert runner.returncode == 143, err
    assert "Traceback" not in err
    assert last(used, "slow")["fault"] == "terminated"
    assert index.is_file()


def test_report_that_does_not_answer_is_put_away_all_the_same(desk: Path) -> None:
    """The end in good order does not hang on a report's process: its remains are no half run."""
    hang = (
        "import os, signal, time\n"
        "os.kill(os.getppid(), signal.SIGSTOP)\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/begun', 'w').write('1')\n"
        "time.sleep(1000)"
    )
    path = scenario(desk, "hangs", hang)
    with subprocess.Popen(command(path), cwd=desk, stderr=subprocess.PIPE, text=True) as runner:
        wait_for((desk / "begun").exists)
        runner.send_signal(signal.SIGTERM)
        err = runner.communicate(timeout=SECONDS)[1]
    assert runner.returncode == 143, err
    assert not list(desk.glob("reports/*/runs/.building-*"))
    kept = desk / "reports/tiny-hangs" / last(desk, "hangs")["run"]
    assert "What it had run is lost" in (kept / "report.ipynb").read_text(encoding="utf-8")


def test_nohup_is_respected(used: Path) -> None:
    """A runner that is to outlive its terminal does."""
    slow = "import time\ntime.sleep(2)"
    path = scenario(used, "slow", slow)
    words = ["nohup", *command(path)]
    with subprocess.Popen(words, cwd=used, stderr=subprocess.PIPE, text=True) as runner:
        wait_for(lambda: [*used.glob("reports/tiny-slow/runs/.building-*")])
        runner.send_signal(signal.SIGHUP)
        err = runner.communicate(timeout=SECONDS)[1]
    assert runner.returncode == 0, err


def test_killed_runner_takes_its_reports_with_it(used: Path) -> None:
    """kill -9 of the runner alone: no report goes on unwatched, and no lock stays."""
    slow = (
        "import os, time\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/begun', 'w').write("
        "f'{os.getpid()} {os.getppid()}')\n"
        "time.sleep(1000)"
    )
    path = scenario(used, "slow", slow)
    with subprocess.Popen(command(path), cwd=used, stderr=subprocess.DEVNULL) as runner:
        begun = wait_for(lambda: (used / "begun").exists() and (used / "begun").read_text())
        runner.kill()
    wait_for(lambda: not any(alive(int(pid)) for pid in str(begun).split()))
    (used / "scenarios/tiny/slow.py").unlink()
    assert report(used, path).code == 0
    assert not list(used.glob("reports/tiny-slow/runs/.building-*"))


def sleeper(desk: Path) -> str:
    """Write a scenario whose kernel starts a process, says its own and that one's, and hangs."""
    act = (
        "import os, subprocess, time\n"
        "asleep = subprocess.Popen(['sleep', '733'])\n"
        "open(os.environ['ESCALATION_WORKSPACE'] + '/begun', 'w').write("
        "f'{os.getpid()} {os.getppid()} {asleep.pid}')\n"
        "time.sleep(1000)"
    )
    return scenario(desk, "sleeper", act)


def test_killed_runner_takes_what_a_cell_started_with_it(used: Path) -> None:
    """kill -9 of the runner alone, and a process that a cell started is gone as well."""
    path = sleeper(used)
    with subprocess.Popen(command(path), cwd=used, stderr=subprocess.DEVNULL) as runner:
        begun = wait_for(lambda: (used / "begun").exists() and (used / "begun").read_text())
        runner.kill()
    wait_for(lambda: not any(alive(int(pid)) for pid in str(begun).split()))


def spawning(desk: Path, *paths: str) -> list[str]:
    """Return the words of the command that makes reports without forks."""
    script = str(Path(__file__).with_name("spawning.py"))
    return [sys.executable, script, str(desk / "reports"), *paths]


def test_reports_are_made_without_forks(desk: Path) -> None:
    """As on every system but Linux: two reports at once, then there is nothing to do."""
    words = spawning(desk, scenario(desk, "one"), scenario(desk, "two"))
    for said in ("made", "unchanged"):
        done = subprocess.run(
            words, cwd=desk, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(re.findall(rf"^{said} +tiny-(one|two) ", done.stdout, re.MULTILINE)) == 2


def test_killed_runner_takes_its_reports_with_it_without_forks(desk: Path) -> None:
    """kill -9 of the runner alone: report and kernel end soon, and no lock stays."""
    path = sleeper(desk)
    with subprocess.Popen(spawning(desk, path), cwd=desk, stderr=subprocess.DEVNULL) as runner:
        begun = wait_for(lambda: (desk / "begun").exists() and (desk / "begun").read_text())
        runner.kill()
    kernel, made, asleep = (int(pid) for pid in str(begun).split())
    try:
        wait_for(lambda: not alive(kernel) and not alive(made))
        with Shelf(desk / "reports/tiny-sleeper", "", "").locked():
            pass
    finally:
        with suppress(ProcessLookupError):
            os.kill(asleep, signal.SIGKILL)


def test_two_runners_at_once_make_each_report_once(desk: Path) -> None:
    """Whoever comes second to a scenario waits, and finds it made."""
    paths = [scenario(desk, name) for name in ("one", "two")]
    pipes = {"stdout": subprocess.PIPE, "text": True}
    runners = [
        subprocess.Popen(command(*order, "--jobs", "2"), cwd=desk, **pipes)  # type: ignore[call-overload]
        for order in (paths, paths[::-1])
    ]
    said = "".join(runner.communicate(timeout=SECONDS)[0] for runner in runners)
    assert [runner.returncode for runner in runners] == [0, 0]
    for name in ("one", "two"):
        assert len(re.findall(rf"made +tiny-{name} ", said)) == 1
        assert len(re.findall(rf"unchanged +tiny-{name} ", said)) == 1
        assert len([*(desk / f"reports/tiny-{name}/runs").iterdir()]) == 1
    assert "tiny-one" in (desk / "reports/index.html").read_text(encoding="utf-8")


ALERTING = "\nalerts:\n  - {reach: shots, within: 30d, above: 0.000001}\n"


def test_alerts_are_handed_over_once(desk: Path) -> None:
    """Alerts of a fresh report go to the command as JSON; those of a known one are only told."""
    take = desk / "take.py"
    take.write_text("import sys\nopen('taken', 'a').write(sys.stdin.read() + '\\n')")
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    quiet = scenario(desk, "quiet", text="extends: baseline.yaml\nalerts: null\n")
    words = [path, quiet, "--on-alert", f"{sys.executable} take.py"]
    said = report(desk, *words)
    assert said.code == 0, said
    (line,) = (desk / "taken").read_text(encoding="utf-8").splitlines()
    taken = json.loads(line)
    assert (taken["scenario"], taken["as_of"]) == ("tiny-loud", "2030-03-01")
    assert taken["report"] == "reports/tiny-loud/2030-03-01/report.html"
    (alert,) = taken["alerts"]
    assert alert["raised"]
    assert f"  tiny-loud: {alert['text']}" in said.err
    assert [each["text"] for each in last(desk, "loud")["alerts"]] == [alert["text"]]
    again = report(desk, *words)
    assert f"  tiny-loud: {alert['text']}" in again.err
    assert len((desk / "taken").read_text(encoding="utf-8").splitlines()) == 1


TAKE = "import sys\nopen('taken', 'a').write(sys.stdin.read() + '\\n')\n"


def taken(desk: Path) -> list[dict[str, Any]]:
    """Return what the command of TAKE took."""
    lines = (desk / "taken").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_alert_that_was_not_taken_is_handed_over_by_the_next_run(desk: Path) -> None:
    """A command that fails has an exit code of its own; the report stands and is not made again."""
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    take = desk / "take.py"
    take.write_text("raise SystemExit(3)")
    words = [path, "--on-alert", f"{sys.executable} take.py"]
    said = report(desk, *words)
    assert said.code == FAULTS["alerts"].exit_code, said
    assert "did not take the alerts of tiny-loud: it ended with exit code 3" in said.err
    assert said.out.startswith("made")
    assert report(desk, *words).code == FAULTS["alerts"].exit_code
    take.write_text(TAKE)
    for _ in range(2):
        said = report(desk, *words)
        assert said.code == 0, said
        assert said.out.startswith("unchanged")
    (one,) = taken(desk)
    assert one["title"] == "The case of loud"
    assert one["report"] == "reports/tiny-loud/2030-03-01/report.html"
    assert one["alerts"][0]["probability"] > 0


def test_waiting_for_another_runner_is_not_counted(desk: Path) -> None:
    """A report's time begins when it is its turn, however long another one was at it."""
    path = scenario(desk, "fine")
    folder = desk / "reports/tiny-fine"
    folder.mkdir(parents=True)
    words = command(path, "--timeout", "0.25")
    with lock(folder / LOCK):  # as of somebody who makes this report
        runner = subprocess.Popen(words, cwd=desk)
        time.sleep(20)
        assert runner.poll() is None
    assert runner.wait(SECONDS) == 0


def test_alert_survives_an_interruption(desk: Path) -> None:
    """Ctrl-C while the command runs ends it; the next run starts it again."""
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    take = desk / "take.py"
    take.write_text("import time\nopen('begun', 'w')\ntime.sleep(1000)")
    words = [path, "--on-alert", f"{sys.executable} take.py"]
    with subprocess.Popen(
        command(*words), cwd=desk, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as runner:
        wait_for((desk / "begun").exists)
        runner.send_signal(signal.SIGINT)
        err = runner.communicate(timeout=SECONDS)[1]
    assert runner.returncode == 130, err
    assert "did not take the alerts of tiny-loud: it was stopped" in err
    take.write_text(TAKE)
    assert report(desk, *words).code == 0
    assert len(taken(desk)) == 1


def test_two_runners_hand_an_alert_over_once(desk: Path) -> None:
    """While one hands it over, the other waits, and leaves alone what was taken."""
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    assert report(desk, path).code == 0
    (desk / "take.py").write_text(f"import time\ntime.sleep(3)\n{TAKE}")
    words = command(path, "--on-alert", f"{sys.executable} take.py")
    runners = [subprocess.Popen(words, cwd=desk) for _ in range(2)]
    assert [runner.wait(SECONDS) for runner in runners] == [0, 0]
    assert len(taken(desk)) == 1


def test_another_command_waits_for_its_turn(desk: Path) -> None:
    """Alerts of which one command is busy reach another one all the same."""
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    assert report(desk, path).code == 0
    slow = desk / "slow.py"
    slow.write_text("import time\nopen('begun', 'w')\ntime.sleep(3)\nraise SystemExit(1)")
    (desk / "take.py").write_text(TAKE)
    with subprocess.Popen(
        command(path, "--on-alert", f"{sys.executable} slow.py"), cwd=desk
    ) as busy:
        wait_for((desk / "begun").exists)
        assert report(desk, path, "--on-alert", f"{sys.executable} take.py").code == 0
        assert busy.wait(SECONDS) == FAULTS["alerts"].exit_code
    assert len(taken(desk)) == 1


def test_command_that_is_not_there_costs_no_report(desk: Path) -> None:
    """A schedule may know another PATH: reports are made, and untaken alerts are told."""
    path = scenario(desk, "loud", text=f"extends: baseline.yaml{ALERTING}")
    said = report(desk, path, "--on-alert", "no-such-command-here --to me")
    assert said.code == FAULTS["alerts"].exit_code, said
    assert said.out.startswith("made")
    assert "no-such-command-here" in said.err


@pytest.mark.parametrize("words", ["'", "", "  "])
def test_command_that_is_none_is_refused_at_once(desk: Path, words: str) -> None:
    """It is wrong usage, said before anything is made."""
    said = report(desk, scenario(desk, "loud"), "--on-alert", words)
    assert said.code == 2
    assert "argument --on-alert: " in said.err
    assert not (desk / "reports").exists()


def test_what_cannot_be_requested_stops_no_other(desk: Path) -> None:
    """A path that is not there, two scenarios of one name: told as failures; the rest is made."""
    shutil.copytree(desk / "scenarios/tiny", desk / "elsewhere/tiny")
    fine = scenario(desk, "fine")
    pair = ("scenarios/tiny/baseline.yaml", "elsewhere/tiny/baseline.yaml")
    (desk / "empty").mkdir()
    said = report(desk, "gone.yaml", *pair, "empty", fine)
    assert said.code == 1, said
    assert "1 made, 4 failed in" in said.err
    assert "gone.yaml:1:1: no such file or folder" in said.err
    assert "empty:1:1: no scenario in this folder" in said.err
    for one, other in (pair, pair[::-1]):
        assert f"{one}:1:1: its reports would stand where those of {other} do" in said.err
    assert [each.name for each in (desk / "reports").glob("*/last.json")] == ["last.json"]
    assert last(desk, "fine")["status"] == "made"
    alone = report(desk, "gone.yaml")
    assert (alone.code, "1 failed in" in alone.err) == (1, True)


def test_day_before_the_start_is_told_as_an_option(desk: Path) -> None:
    """Not the scenario is wrong: another day is asked for."""
    said = report(desk, "scenarios/tiny/baseline.yaml", "--as-of", "1980-01-01")
    assert said.code == 1
    assert "1980-01-01 is before the start (2030-01-01); give another --as-of" in said.err


def test_what_is_no_file_is_no_scenario(desk: Path) -> None:
    """A pipe with a scenario's name holds nobody up."""
    os.mkfifo(desk / "scenarios/tiny/pipe.yaml")
    said = report(desk, "scenarios")
    assert said.code == 0, said
    assert said.out.count("\n") == 1
    said = report(desk, "scenarios/tiny/pipe.yaml")
    assert said.code == 1
    assert "pipe.yaml:1:1: no file" in said.err


def test_reports_of_another_scenario_of_that_name_are_left_alone(used: Path) -> None:
    """One after the other: what changed would be told between two cases. Moved, it is the same."""
    shutil.copytree(used / "scenarios/tiny", used / "scenarios/more/tiny")
    link = used / "reports/tiny-fine/2030-03-01"
    before = link.readlink()
    said = report(used, "scenarios/more/tiny/fine.yaml", "--force")
    assert said.code == 1
    assert "among the reports of scenarios/tiny/fine.yaml, not of scenarios/more" in said.err
    assert "Rename one of the files or its folder" in said.err
    assert link.readlink() == before
    assert report(used, "scenarios/tiny/fine.yaml").code == 0
    shutil.rmtree(used / "scenarios/tiny")
    said = report(used, "scenarios/more/tiny/fine.yaml")
    assert said.code == 0, said
    assert link.readlink() != before


def test_terminal_shows_how_far_it_is(desk: Path) -> None:
    """Counts, steps and the time left; a log gets plain lines instead."""
    path = scenario(desk, "fine")
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 140, 0, 0))
    with subprocess.Popen(command(path), cwd=desk, stdout=its, stderr=its, stdin=its) as runner:
        os.close(its)
        seen = b""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if select.select([mine], [], [], 1)[0]:
                    seen += os.read(mine, 4096)
            except OSError:  # the other side is closed
                break
    os.close(mine)
    text = seen.decode()
    assert runner.returncode == 0, text
    assert "0 of 1" in text
    assert "left" in text
    assert "tiny-fine assessing" in text
    assert "1 made in" in text
    again = report(desk, path, "--force")
    assert "\r" not in again.out + again.err


@pytest.mark.parametrize("streams", ["| true", ">/dev/full", ">/dev/full 2>&1", ">&- 2>&-"])
def test_all_reports_are_made_whoever_reads(desk: Path, streams: str) -> None:
    """A closed pipe, a full disk under the log, no terminal at all: the work is the same."""
    names = ("one", "two")
    paths = [scenario(desk, name) for name in names]
    script = f"{shlex.join(command(*paths, '--jobs', '1'))} {streams}; echo ${{PIPESTATUS[0]}} >&3"
    with (desk / "code").open("w") as code:
        done = subprocess.run(
            ["/bin/bash", "-c", f"exec 3>&1; {{ {script}; }} >/dev/null"],
            cwd=desk, stdout=code, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (desk / "code").read_text() == "0\n", done.stderr
    assert "Traceback" not in done.stderr
    assert [last(desk, name)["status"] for name in names] == ["made", "made"]
    assert "tiny-two" in (desk / "reports/index.html").read_text(encoding="utf-8")


def test_names_that_the_terminal_does_not_know(desk: Path) -> None:
    """They are escaped in what is printed and written; the reports are made."""
    folder = desk / "scenarios/ñandú"
    shutil.copytree(desk / "scenarios/tiny", folder)
    (folder / os.fsdecode(b"a\xff.yaml")).write_text("extends: baseline.yaml\n", encoding="utf-8")
    said = report(desk, "scenarios/ñandú", PYTHONIOENCODING="ascii")
    assert "Traceback" not in said.err
    assert "made       \\u00f1and\\u00fa-baseline" in said.out
    assert (desk / "reports/ñandú-baseline/last.json").is_file()
    found = json.loads((desk / "reports/ñandú-a_/last.json").read_text(encoding="utf-8"))
    assert found["file"] == "scenarios/ñandú/a\udcff.yaml"


def test_lock_is_what_is_installed() -> None:
    """Versions of everything the package rests on, and of nothing else."""
    found = installed("escalation")
    assert {"numpy", "scipy", "papermill", "nbclient", "pyzmq", "jinja2"} <= set(found)
    assert "pytest" not in found
    assert "escalation" not in found
