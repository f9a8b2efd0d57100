"""Pictures of the interface differ where it was changed, and nowhere else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from scripts.scenes import SCENES, SIZES, at_work
from scripts.showroom import showroom
from scripts.visual.__main__ import TOLERANCE
from scripts.visual.builds import WEB, take_packages
from scripts.visual.comparing import changes
from scripts.visual.drawing import Easel
from scripts.visual.tape import Tape
from tests.browser.kit import kit_of

pytestmark = pytest.mark.soak

FEW = {name: SCENES[name] for name in ("api", "downloads")}


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tape]:
    with showroom(tmp_path_factory.mktemp("house")) as server, at_work(server):
        yield Tape(server)


@pytest.fixture(scope="module")
def easel(browser: Browser, tape: Tape, tmp_path_factory: pytest.TempPathFactory) -> Easel:
    """With the pictures of all scenes as they are."""
    easel = Easel(browser, tape, kit_of(WEB), tmp_path_factory.mktemp("before"))
    easel.draw(SCENES)
    easel.draw_kit()
    return easel


def differing(before: Path, after: Path) -> set[str]:
    """The names of the pictures in `after` that are other than those of before."""
    found = {name: difference for name, difference in changes(before, after)}
    return {
        name.removesuffix(".png")
        for name, difference in found.items()
        if (after / name).exists() and (difference is None or difference.share > TOLERANCE)
    }


def changed(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """The interface, built with something else in one of its sources."""
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules", ".*"))
    take_packages(web)
    source = (web / file).read_text(encoding="utf-8")
    assert old in source
    (web / file).write_text(source.replace(old, new), encoding="utf-8")
    return kit_of(web)


def test_the_same_interface_looks_the_same_again(
    browser: Browser, tape: Tape, easel: Easel, tmp_path: Path
) -> None:
    again = Easel(browser, tape, easel.built, tmp_path)
    again.draw(SCENES)
    again.draw_kit()
    assert {path.name for path in tmp_path.glob("*.png")} == {
        path.name for path in easel.folder.glob("*.png")
    }
    assert all(any(tmp_path.glob(f"{name}-desktop-dark.png")) for name in SCENES)
    assert differing(easel.folder, tmp_path) == set()


def test_a_changed_colour_is_found_in_the_theme_and_the_parts_that_have_it(
    browser: Browser, tape: Tape, easel: Easel, tmp_path: Path
) -> None:
    built = changed(
        tmp_path,
        "src/styles/tokens.css",
        "--ok-soft: light-dark(#e3f3ea",
        "--ok-soft: light-dark(#d9efe3",
    )
    Easel(browser, tape, built, tmp_path).draw_kit()
    assert differing(easel.folder, tmp_path) == {
        f"kit-{part}-{size}-light" for part in ("chip", "diff") for size in SIZES
    }


def test_a_moved_button_is_found_on_its_page_alone(
    browser: Browser, tape: Tape, easel: Easel, tmp_path: Path
) -> None:
    page = "src/pages/downloads/DownloadsPage.svelte"
    built = changed(tmp_path, page, "justify-content: space-between", "justify-content: flex-start")
    Easel(browser, tape, built, tmp_path).draw(FEW)
    found = differing(easel.folder, tmp_path)
    assert "downloads-desktop-dark" in found
    assert all(name.startswith("downloads-") for name in found)
