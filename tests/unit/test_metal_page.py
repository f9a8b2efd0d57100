"""docs/metal.md against the code: whoever names the device stands on it, and so does each step."""

import ast
import re
from pathlib import Path

import pytest

from scripts.metal_check import steps

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mlx_gui"
PAGE = (ROOT / "docs" / "metal.md").read_text(encoding="utf-8")
DEVICE = re.compile(
    r"\bBackend\b|\bbackend\(\)|\.backend\b"
    r"|(?i:\bmetal\b|wired_|darwin|launchd|kernel_pressure|on_pressure|memory_pressure|macos)"
)
SUITES = {
    name: value
    for name, value in vars(steps).items()
    if name.isupper() and name not in ("STEPS",) and isinstance(value, tuple)
}


def test_every_file_that_names_the_device_or_macos_stands_on_the_page() -> None:
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if DEVICE.search(path.read_text(encoding="utf-8"))
    }
    _, _, tables = PAGE.partition("\n## Which device")
    assert naming
    assert set(re.findall(r"`([\w/]+\.py)`", tables)) == naming


def test_the_page_has_the_steps_in_their_order() -> None:
    table = PAGE.partition("| step |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == [s.name for s in steps.STEPS]


@pytest.mark.parametrize("name", SUITES)
def test_a_step_names_tests_that_are_there(name: str) -> None:
    for node in SUITES[name]:
        path, _, function = node.partition("::")
        assert (ROOT / path).exists()
        if function:
            defined = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
            assert function in {each.name for each in defined if isinstance(each, ast.FunctionDef)}
