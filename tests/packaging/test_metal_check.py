"""`make metal-check`: every step is taken whatever became of the others, and the report says so."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scripts.metal_check.outcome import Outcome, Step, Taken
from scripts.metal_check.report import ROOT, Report, without_places
from scripts.metal_check.running import take
from scripts.metal_check.suites import judge, suite
from tests.support.waiting import wait_until

CHECK = (sys.executable, "-m", "scripts.metal_check")


def step(name: str, limit_s: float = 60) -> Step:
    return Step(name, "It holds.", lambda: Outcome("passed"), limit_s)


def program(code: str) -> tuple[str, str]:
    """A stand-in for the program that takes a step: NAME and FILE are its arguments."""
    return "-c", f"import os, sys, time\n{code}"


def test_steps_are_taken_on_this_machine_and_reported(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*CHECK, "arithmetic", "limits", "--into", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    found = {each["name"]: each for each in report["steps"]}
    assert report["passed"] is True
    metal = found["arithmetic"]["figures"]["backend"] == "metal"
    limits = "passed" if metal else "not applicable"
    assert [each["status"] for each in report["steps"]] == ["passed", limits]
    assert {"mlx", "mlx-gui", "python"} <= report["versions"].keys()
    assert "| arithmetic | ok |" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.soak
def test_every_step_passes_here_or_does_not_apply(tmp_path: Path) -> None:
    ran = subprocess.run([*CHECK, "--into", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('Metal is gone'); os.abort()", "SIGABRT.\n\nMetal is gone"),
        ("print('no'); sys.exit(3)", "ended with code 3.\n\nno"),
        ("pass", "said nothing"),
    ],
)
def test_a_step_that_crashes_or_says_nothing_has_failed_with_its_last_words(
    code: str, said: str
) -> None:
    taken = take(step("any"), program=program(code))
    assert taken.outcome.status == "failed"
    assert said in taken.outcome.said


def test_a_step_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    begun = tmp_path / "pid"
    code = (
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(begun)!r}, 'w').write(str(child.pid))\n"
        "child.wait()"
    )
    taken = take(step("any", limit_s=3), program=program(f"import subprocess\n{code}"))
    wait_until(lambda: gone(int(begun.read_text())), what="the child of the step to end")
    assert taken.outcome.said.startswith("It took more than 3 s")


def gone(pid: int) -> bool:
    """Whether it has ended; here nobody may collect it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_report_passes_unless_a_step_failed_or_none_applied() -> None:
    def report(*outcomes: Outcome) -> Report:
        return Report("now", {}, {}, [Taken(step("any"), each, 1.0) for each in outcomes])

    passed, failed = Outcome("passed", {"rows": 4}), Outcome("failed", {}, "It | broke")
    away = Outcome("not applicable", {}, "There is no Metal.")
    assert report(passed, away).passed
    assert not report(passed, failed).passed
    assert not report(away).passed
    text = report(passed, failed, away).as_markdown()
    assert "1 passed, 1 failed, 1 not applicable" in text
    assert "| any | **FAILED** | 1.0 |" in text
    assert "It | broke" in text
    assert json.loads(report(passed).as_json())["steps"][0]["figures"] == {"rows": 4}


def test_a_report_names_neither_the_clone_nor_the_home_of_its_user() -> None:
    text = f"{ROOT}/src/a.py {Path.home()}/models {ROOT} {ROOT}beside"
    assert without_places(text) == f"./src/a.py ~/models . {ROOT}beside"


# It runs pytest; what is made of its results is tried below.
@pytest.mark.soak
def test_a_suite_that_fails_names_its_tests(tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text(
        "import pytest\ndef test_a(): pass\ndef test_b(): assert 1 == 2\n"
        "@pytest.mark.skip('no Metal')\ndef test_c(): pass\n"
    )
    found = suite(str(file))
    assert (found.status, found.figures) == ("failed", {"passed": 1, "failed": 1, "skipped": 1})
    assert "test_some::test_b" in found.said


@pytest.mark.parametrize(
    ("cases", "status", "said"),
    [
        ("", "failed", "the tail"),
        ("<testcase><error/></testcase>", "failed", "the tail"),
        ("<testcase><skipped message='no Metal'/></testcase>", "not applicable", "no Metal"),
        ("<testcase/><testcase><skipped message='no Metal'/></testcase>", "passed", ""),
    ],
)
def test_a_suite_is_judged_by_its_results(cases: str, status: str, said: str) -> None:
    outcome = judge(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "the tail")
    assert outcome.status == status
    assert said in outcome.said
