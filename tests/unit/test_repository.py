"""What holds for the files of this repository as such: sizes, borders, places, dependencies."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import reduce
from importlib import metadata
from operator import or_
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
OPTIONAL = PROJECT["project"]["optional-dependencies"]
EXTRAS = [Requirement(line) for lines in OPTIONAL.values() for line in lines]
TRAY = [Requirement(line) for line in OPTIONAL["tray"]]
TESTING = [Requirement(line) for line in PROJECT["dependency-groups"]["test"]]
BENCHING = [Requirement(line) for line in PROJECT["dependency-groups"]["bench"]]
BUNDLED = [*TRAY, *(Requirement(line) for line in OPTIONAL["app"])]
BUNDLING = [Requirement(line) for line in PROJECT["dependency-groups"]["bundle"]]
RELEASING = [Requirement(line) for line in PROJECT["dependency-groups"]["release"]]
BUILDING = [Requirement(line) for line in PROJECT["build-system"]["requires"]]
PINS = ("run.txt", "test.txt", "bench.txt", "bundle.txt", "release.txt", "build.txt")

MODULE_LINES = 500
FUNCTION_LINES = 80
COMPONENT_LINES = 300

# The last resorts: a fault in one request, event or answer must not end what serves the others.
BORDERS = {
    "src/mlx_gui/__main__.py",
    "src/mlx_gui/api/border.py",
    "src/mlx_gui/control/residency/run_loop.py",
    "src/mlx_gui/worker/__main__.py",
    "src/mlx_gui/worker/guard.py",
}
REGISTRY_ADDRESS = re.compile(r"\b(pypi|pythonhosted|npmjs|debian)\.(org|com)\b|file:/{3}")
MACHINE_PATH = re.compile(r"(?<![\w.~:-])/(home|Users|root|work)/\w")


def git(*arguments: str) -> list[str]:
    listing = subprocess.run(
        ["git", *arguments, "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listing.stdout.split("\0") if name]


def own_files(*suffixes: str) -> list[str]:
    names = git("ls-files", "--cached", "--others", "--exclude-standard")
    return sorted(n for n in names if n.endswith(suffixes or "") and (ROOT / n).is_file())


SOURCES = [name for name in own_files(".py") if name.startswith("src/")]


def syntax(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text())


def lines(name: str) -> int:
    return len((ROOT / name).read_text().splitlines())


def test_modules_stay_short() -> None:
    assert SOURCES
    assert {n: lines(n) for n in SOURCES if lines(n) > MODULE_LINES} == {}


def test_functions_stay_short() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for name in SOURCES
        for node in ast.walk(syntax(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.end_lineno is not None and node.end_lineno - node.lineno >= FUNCTION_LINES
    }
    assert long == {}


def test_components_stay_short() -> None:
    components = own_files(".svelte")
    assert components
    assert {n: lines(n) for n in components if lines(n) > COMPONENT_LINES} == {}


def test_only_the_borders_catch_every_exception() -> None:
    found = {name for name in SOURCES if any(map(catches_everything, ast.walk(syntax(name))))}
    assert found == BORDERS


def catches_everything(node: ast.AST) -> bool:
    """True for `except:`, `except Exception:` and `suppress(Exception)`."""
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as caught):
            return names_exception(caught)
        case ast.Call(func=ast.Name("suppress") | ast.Attribute(attr="suppress"), args=caught):
            return any(names_exception(each) for each in caught)
        case _:
            return False


def names_exception(caught: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "Exception" for n in ast.walk(caught))


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    here = re.compile("|".join(re.escape(f"{place}/") for place in (ROOT, Path.home())))
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in own_files()
        for number, line in enumerate(text_lines(name), 1)
        if REGISTRY_ADDRESS.search(line) or MACHINE_PATH.search(line) or here.search(line)
    ]
    assert found == []


def text_lines(name: str) -> list[str]:
    try:
        return (ROOT / name).read_text().splitlines()
    except UnicodeDecodeError:
        return []


def test_nothing_generated_is_tracked() -> None:
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []


@pytest.mark.parametrize(
    "generated",
    [
        ".venv/pyvenv.cfg",
        ".venv-bench/pyvenv.cfg",
        ".venv-bundle/pyvenv.cfg",
        "dist/mlx_gui-0.1.0-py3-none-any.whl",
        "src/mlx_gui/__pycache__/app.cpython-311.pyc",
        "src/mlx_gui/web/static/index.html",
        "web/node_modules/vite/package.json",
    ],
)
def test_generated_files_are_ignored(generated: str) -> None:
    check = ["git", "check-ignore", "--quiet", "--no-index", generated]
    assert subprocess.run(check, cwd=ROOT).returncode == 0


@pytest.mark.parametrize("script", [".ci/run", *own_files(".sh")])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


def test_the_source_imports_only_declared_dependencies() -> None:
    providers = metadata.packages_distributions()
    declared = {canonicalize_name(r.name) for r in RUNTIME + EXTRAS}
    declared |= {"pydantic-core"}  # half of pydantic
    undeclared = {
        f"{name}: {package}"
        for name in SOURCES
        for package in imported_packages(syntax(name))
        if package not in sys.stdlib_module_names and package != "mlx_gui"
        if declared.isdisjoint(map(canonicalize_name, providers.get(package, [package])))
    }
    assert undeclared == set()


def imported_packages(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name.partition(".")[0] for alias in aliases)
            case ast.ImportFrom(module=str(name), level=0):
                yield name.partition(".")[0]
            case _:
                pass


def test_every_dependency_has_its_line_in_the_document_and_no_other_has() -> None:
    rows = re.findall(r"^\| `([\w./@-]+)`", (ROOT / "docs/dependencies.md").read_text(), re.M)
    declared = (*RUNTIME, *EXTRAS, *TESTING, *BENCHING, *BUNDLING, *RELEASING, *BUILDING)
    agents = json.loads((ROOT / "tests/agents/package.json").read_text())["dependencies"]
    assert sorted(set(rows)) == sorted({r.name for r in declared} | set(agents))


@pytest.mark.parametrize(
    ("file", "declared"),
    [
        ("run.txt", RUNTIME),
        # It is tried by the tests; that of the window has no wheel, and is tried by `make soak`.
        ("test.txt", TRAY),
        ("test.txt", TESTING),
        ("bench.txt", BENCHING),
        ("bundle.txt", RUNTIME),
        ("bundle.txt", BUNDLED),
        ("bundle.txt", BUNDLING),
        ("release.txt", RELEASING),
        ("build.txt", BUILDING),
    ],
)
def test_the_pins_are_those_of_the_declared_dependencies(
    file: str, declared: list[Requirement]
) -> None:
    pinned = pins(file)
    assert [r for r in declared if pinned[canonicalize_name(r.name)] not in r.specifier] == []


def test_a_package_has_the_same_pin_in_every_file() -> None:
    each = [pins(file) for file in PINS]
    assert reduce(or_, each) == reduce(or_, reversed(each))


def test_every_pin_has_a_hash() -> None:
    for file in PINS:
        blocks = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements" / file).read_text(), flags=re.M)
        assert [b for b in blocks[1:] if "--hash=sha256:" not in b] == []


def test_make_lock_makes_every_file_of_pins() -> None:
    script = (ROOT / "scripts" / "lock.sh").read_text()
    there = {path.name for path in (ROOT / "requirements").iterdir()}
    assert set(re.findall(r"--output-file requirements/(\S+)", script)) == there == set(PINS)
    # uv takes no extra without the project that has it, and ends there.
    commands = re.findall(r"^(?:.*\| )?compile .*", script, re.MULTILINE)
    assert [each for each in commands if "--extra" in each and "pyproject.toml" not in each] == []
    said = "This file was autogenerated by uv via the following command:\n#    make lock\n"
    heads = {name: (ROOT / "requirements" / name).read_text()[:200] for name in there}
    assert [name for name, head in heads.items() if said not in head] == []


def pins(file: str) -> dict[str, str]:
    text = (ROOT / "requirements" / file).read_text()
    return {canonicalize_name(n): v for n, v in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)}
