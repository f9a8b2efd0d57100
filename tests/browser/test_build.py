"""The build hook: when it builds, and when no Node is needed."""

from pathlib import Path

import pytest

from hatch_build import NODE_REQUIREMENT, SKIP_VARIABLE, WebBuildHook, sources_digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone that has been built."""
    (tmp_path / "web/src").mkdir(parents=True)
    (tmp_path / "web/src/main.ts").write_text("start()")
    static = tmp_path / "src/mlx_gui/web/static"
    static.mkdir(parents=True)
    (static / "build.txt").write_text(sources_digest(tmp_path / "web"))
    return tmp_path


def needed(root: Path) -> list[str]:
    return WebBuildHook(str(root), {}, None, None, str(root), "wheel").dependencies()


def test_current_output_needs_no_node(root: Path) -> None:
    assert needed(root) == []


def test_changed_sources_are_built(root: Path) -> None:
    (root / "web/src/main.ts").write_text("start(now)")
    assert needed(root) == [NODE_REQUIREMENT]


def test_a_renamed_source_is_a_change(root: Path) -> None:
    (root / "web/src/main.ts").rename(root / "web/src/index.ts")
    assert needed(root) == [NODE_REQUIREMENT]


def test_a_clone_without_output_is_built(root: Path) -> None:
    (root / "src/mlx_gui/web/static/build.txt").unlink()
    assert needed(root) == [NODE_REQUIREMENT]


def test_installed_packages_and_tests_are_no_sources(root: Path) -> None:
    for name in ("node_modules/package/index.js", "tests/main.test.ts", ".cache/file"):
        (root / "web" / name).parent.mkdir(parents=True)
        (root / "web" / name).write_text("anything")
    assert needed(root) == []


def test_the_variable_skips_the_build(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "src/mlx_gui/web/static/build.txt").unlink()
    monkeypatch.setenv(SKIP_VARIABLE, "1")
    assert needed(root) == []


def test_without_sources_the_shipped_output_is_used(root: Path) -> None:
    (root / "web").rename(root / "elsewhere")
    assert needed(root) == []
