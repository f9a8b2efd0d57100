"""What makes a release: the script, the changelog's section, formula and cask, the workflows."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlx_gui.version import __version__
from scripts.homebrew import cask, formula
from scripts.releasing import Refused, check, is_version, listed, notes, prepare, same, sums

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PLACES = {
    "address": "https://example.org/releases/download/v1.2",
    "homepage": "https://example.org",
}
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.2.0] - 2026-01-01

- What was before.
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that has released 0.2.0 and added a thing since."""
    (tmp_path / "src" / "mlx_gui").mkdir(parents=True)
    (tmp_path / "src" / "mlx_gui" / "version.py").write_text(
        '"""One."""\n\n__version__ = "0.2.0"\n'
    )
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_what_was_unreleased_gets_its_version_and_the_version_its_place(tree: Path) -> None:
    prepare("0.3.0", root=tree, today="2026-02-03")
    is_version("0.3.0", root=tree)
    assert (tree / "CHANGELOG.md").read_text() == CHANGELOG.replace(
        "## [Unreleased]\n", "## [Unreleased]\n\n## [0.3.0] - 2026-02-03\n"
    )
    assert notes("0.3.0", root=tree) == "### Added\n\n- A thing.\n"
    assert notes("0.2.0", root=tree) == "- What was before.\n"
    with pytest.raises(Refused, match="nothing below Unreleased"):
        check("0.4.0", root=tree)


@pytest.mark.parametrize(
    ("version", "because"),
    [
        ("next", "is no version"),
        ("v0.3.0", "is not how a release is written"),
        ("0.3.0+mine", "is not how a release is written"),
        ("0.3.dev1", "is not how a release is written"),
        ("0.2.0", "has a section of 0.2.0 already"),
        ("0.0.1", "comes before"),
        ("0.3.0; rm -rf .", "is no version"),
    ],
)
def test_what_cannot_be_the_next_version_is_refused(tree: Path, version: str, because: str) -> None:
    with pytest.raises(Refused, match=because):
        prepare(version, root=tree)
    assert (tree / "CHANGELOG.md").read_text() == CHANGELOG


def test_the_first_changelog_section_needs_none_before_it(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGELOG.partition("\n## [0.2.0]")[0])
    prepare("0.3.0", root=tree, today="2026-02-03")
    assert notes("0.3.0", root=tree) == "### Added\n\n- A thing.\n"


def test_builds_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    for name, content in (("one", b"1"), ("two", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.whl").write_bytes(content)
    with pytest.raises(Refused, match=r"differ in a\.whl"):
        same(tmp_path / "one", tmp_path / "two")
    with pytest.raises(Refused, match="nothing in"):
        same(tmp_path / "none", tmp_path / "none")


def package(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "purl": f"pkg:pypi/{name}@1.0", **fields}


def write_list(
    tree: Path, *components: dict[str, Any], form: str = "CycloneDX", version: str = "0.2.0"
) -> Path:
    """A list of contents, in a tree that pins two packages, one of them for another system."""
    (tree / "requirements").mkdir()
    pins = "some-thing==1.0 \\\n    --hash=sha256:0\nother==2 ; sys_platform == 'none' \\\n"
    (tree / "requirements" / "run.txt").write_text(pins)
    file = tree / "list.json"
    about = {"component": {"name": "mlx-gui", "version": version}}
    content = {"bomFormat": form, "metadata": about, "components": components}
    file.write_text(json.dumps(content, indent=1))
    return file


def test_a_list_of_all_that_is_inside_passes(tree: Path) -> None:
    listed(write_list(tree, package("Some_Thing"), package("more")), root=tree)


@pytest.mark.parametrize(
    ("components", "because"),
    [
        ([], "should have some-thing 1.0, which is not there"),
        ([package("some-thing", version="1.1")], "should have some-thing 1.0, which is 1.1"),
        ([package("some-thing", purl="")], "has no address of some-thing"),
        ([package("some-thing"), package("a", url="file:/x")], "names a place of this machine"),
        ([package("some-thing"), package("a", path="/tmp/me")], "names a place of this machine"),
    ],
)
def test_a_list_that_lacks_something_or_says_too_much_is_refused(
    tree: Path, components: list[dict[str, Any]], because: str
) -> None:
    with pytest.raises(Refused, match=because):
        listed(write_list(tree, *components), root=tree)


def test_what_is_no_such_list_is_refused(tree: Path) -> None:
    file = write_list(tree, form="SPDX")
    with pytest.raises(Refused, match="no list of CycloneDX"):
        listed(file, root=tree)
    file.write_text("{")
    with pytest.raises(Refused, match="no JSON"):
        listed(file, root=tree)


def test_a_list_of_another_version_is_refused(tree: Path) -> None:
    with pytest.raises(Refused, match=r"should be about mlx-gui 0\.2\.0"):
        listed(write_list(tree, package("some-thing"), version="0.1.0"), root=tree)


def test_checksums_are_read_by_the_tool_for_them(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"1")
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "b").write_bytes(b"2")
    assert sums(tmp_path) == f"{hashlib.sha256(b'1').hexdigest()}  a.whl\n"


def test_a_dry_run_prints_every_command_and_runs_none(tmp_path: Path) -> None:
    before = state()
    told = release(__version__, "--dry-run")
    assert told.returncode == 0
    for command in ("make test", "-m build", "same", "cyclonedx-py", "scripts.smoke", "git tag"):
        assert command in told.stderr
    assert state() == before


@pytest.mark.parametrize("arguments", [[], ["1.0", "--wet-run"], ["1.0", "--dry-run", "more"]])
def test_a_release_that_was_asked_for_wrongly_does_nothing(arguments: list[str]) -> None:
    before = state()
    assert release(*arguments).returncode == 1
    assert state() == before


def release(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = [ROOT / "scripts" / "release.sh", *arguments]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True)


def state() -> tuple[str, bool]:
    """What git sees of the tree, and whether there is a folder of a release."""
    seen = ["git", "status", "--porcelain", "--branch"]
    told = subprocess.run(seen, cwd=ROOT, check=True, capture_output=True, text=True)
    return told.stdout, (ROOT / "build" / "release").exists()


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    for name in ("mlx_gui-1.2-py3-none-any.whl", "mlx_gui-1.2.requirements.txt", "mlx-gui-1.2.dmg"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_formula_and_cask_have_version_and_digests_of_the_artefacts(artefacts: Path) -> None:
    written = {
        "formula": formula("1.2", artefacts, **PLACES),
        "cask": cask("1.2", artefacts, **PLACES),
    }
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in artefacts.iterdir()
    }
    assert f'sha256 "{digests["mlx_gui-1.2-py3-none-any.whl"]}"' in written["formula"]
    assert f'sha256 "{digests["mlx_gui-1.2.requirements.txt"]}"' in written["formula"]
    assert f'sha256 "{digests["mlx-gui-1.2.dmg"]}"' in written["cask"]
    for text in written.values():
        assert 'version "1.2"' in text
        assert f'"{PLACES["address"]}/' in text
        assert not re.search(r"@[A-Z]", text)
        assert ruby_blocks(text) == 0


@pytest.mark.skipif(shutil.which("ruby") is None, reason="there is no Ruby")
@pytest.mark.parametrize("write", [formula, cask])
def test_ruby_reads_them(write: Any, artefacts: Path) -> None:
    text = write("1.2", artefacts, **PLACES)
    subprocess.run(["ruby", "-wc"], input=text, text=True, check=True, capture_output=True)


def ruby_blocks(text: str) -> int:
    """How many more blocks are begun than ended."""
    begun = re.findall(r"^\s*(?:class|def)\b|\bdo$", text, re.MULTILINE)
    return len(begun) - len(re.findall(r"^\s*end$", text, re.MULTILINE))


@pytest.mark.parametrize("address", ['https://x/"; system("id")', "https://x/#{1}", ""])
def test_an_address_that_ruby_would_run_is_refused(address: str, artefacts: Path) -> None:
    with pytest.raises(SystemExit, match="ADDRESS cannot stand in a formula"):
        formula("1.2", artefacts, address=address, homepage="https://example.org")


def test_without_its_artefact_there_is_no_formula(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There should be one"):
        formula("1.2", tmp_path, **PLACES)


def jobs(workflow: Path) -> dict[str, Any]:
    return yaml.safe_load(workflow.read_text())["jobs"]


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(workflow).values() for step in job.get("steps", [])]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_what_it_uses_and_may_only_read(workflow: Path) -> None:
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", each)] == []
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}
    for job in jobs(workflow).values():
        if called := job.get("uses"):
            assert (ROOT / called).exists()
        else:
            assert job["timeout-minutes"] > 0
            assert job["runs-on"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_what_is_there_and_puts_nothing_of_strangers_into_a_shell(
    workflow: Path,
) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(workflow):
        command = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= targets
        assert [s for s in re.findall(r"scripts/[\w.]+", command) if not (ROOT / s).exists()] == []
        # What stands in a command is read by the shell; variables of the environment are not.
        assert "${{" not in command


def test_the_wheel_is_tried_on_every_python_that_it_names() -> None:
    (check_workflow,) = (path for path in WORKFLOWS if path.name == "check.yml")
    matrix = jobs(check_workflow)["wheel"]["strategy"]["matrix"]
    assert set(matrix["python"]) >= {"3.11", "3.12", "3.13"}
    systems = jobs(check_workflow)["test"]["strategy"]["matrix"]["runner"]
    assert {name.partition("-")[0] for name in systems} == {"macos", "ubuntu"}
    assert any(name.endswith("-arm") for name in systems)
