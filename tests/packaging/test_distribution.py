"""A release as a user meets it: built from the repository's files alone, run outside of them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

import httpx
import pytest

from mlx_gui.version import __version__
from mlx_gui.web.static_files import STATIC_FOLDER
from scripts.releasing import digests, same

ROOT = Path(__file__).parents[2]
STATIC_FOLDER_IN_CLONE = "src/mlx_gui/web/static"
BUILT_PAGE = "mlx_gui/web/static/index.html"
ANSWER_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Distribution:
    """The two archives, and the copy of the repository that they were built from."""

    repository: Path
    names: frozenset[str]
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Of a clone that has the interface as it was built here, for that takes Node 15 seconds."""
    repository = tmp_path_factory.mktemp("build") / "a clone"
    names = clone(repository)
    shutil.copytree(STATIC_FOLDER, repository / STATIC_FOLDER_IN_CLONE)
    return built(repository, names)


@pytest.fixture(scope="module")
def from_nothing(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """Of a clone where nothing was built before."""
    repository = tmp_path_factory.mktemp("nothing") / "a clone"
    return built(repository, clone(repository))


@pytest.fixture(params=["distribution", pytest.param("from_nothing", marks=pytest.mark.soak)])
def either(request: pytest.FixtureRequest) -> Distribution:
    return request.getfixturevalue(request.param)


def clone(repository: Path) -> frozenset[str]:
    """The names of the repository's files, all of which are in `repository` then."""
    names = repository_files()
    for name in names:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, repository / name)
    return names


def built(repository: Path, names: frozenset[str]) -> Distribution:
    build(repository)
    (sdist,) = repository.glob("dist/*.tar.gz")
    (wheel,) = repository.glob("dist/*.whl")
    return Distribution(repository, names, sdist, wheel)


def build(repository: Path) -> None:
    """Both archives, in its folder `dist`."""
    # The build requirements are the pinned ones of this environment, so no second set is fetched.
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", repository],
        check=True,
        env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"},
    )


@pytest.fixture(scope="module")
def program(distribution: Distribution, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlx-gui` in an environment where the wheel is installed and Node is not on the path.

    The dependencies are this environment's own, put on the path after the wheel: installing the
    same pinned files a second time would take minutes and show nothing. A path file's entry is
    searched for modules only, so this environment's link to the clone is not followed.
    """
    environment = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    install = ["install", "--quiet", "--no-deps", "--no-index", str(distribution.wheel)]
    python = environment / "bin/python"
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin/mlx-gui"


@pytest.fixture
def server(program: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server that runs the fake engine; the server must end well afterwards."""
    port = free_port()
    process = subprocess.Popen(
        [program, "start", "--engine", "fake", "--port", str(port)],
        cwd=tmp_path,
        env=outside_environment(program) | {"MLX_GUI_DATA_DIR": str(tmp_path / "data")},
    )
    try:
        # Each retry after a refused connection waits twice as long as the one before.
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(
            transport=transport, base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_WITHIN_S
        ) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_the_sdist_carries_the_built_interface(either: Distribution) -> None:
    with tarfile.open(either.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert f"src/{BUILT_PAGE}" in names
    assert not any("node_modules" in name for name in names)


@pytest.mark.soak
def test_the_interface_has_the_same_bytes_wherever_it_is_built(from_nothing: Distribution) -> None:
    built = contents(from_nothing.repository / STATIC_FOLDER_IN_CLONE)
    here = contents(STATIC_FOLDER)
    assert built.keys() == here.keys()
    assert [name for name in built if built[name] != here[name]] == []


# `scripts/release.sh` builds everything twice, and compares.
@pytest.mark.soak
def test_a_second_build_elsewhere_and_later_has_the_same_digests(
    distribution: Distribution, tmp_path: Path
) -> None:
    # The interface is the built one: that it has the same bytes everywhere is a test of its own.
    copy = tmp_path / "another clone"
    ignored = shutil.ignore_patterns("dist", "node_modules", "__pycache__", ".git")
    shutil.copytree(distribution.repository, copy, ignore=ignored)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1_600_000_000, 1_600_000_000))
    build(copy)
    assert len(digests(copy / "dist")) == 2
    same(distribution.repository / "dist", copy / "dist")


def test_the_sdist_can_run_its_own_tests_and_set_itself_up(distribution: Distribution) -> None:
    with tarfile.open(distribution.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert distribution.names - names <= {".ci/run", ".gitignore", "CONTRIBUTING.md", "SECURITY.md"}


def test_the_wheel_carries_the_built_interface_and_no_sources_of_it(
    distribution: Distribution,
) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        names = archive.namelist()
    assert BUILT_PAGE in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"mlx_gui"}


def test_the_wheel_names_its_extras_and_nobody_gets_them_unasked(
    distribution: Distribution,
) -> None:
    with zipfile.ZipFile(distribution.wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        told = Parser().parsestr(archive.read(name).decode())
    assert set(told.get_all("Provides-Extra", [])) == {"app", "cuda", "heic", "otel", "tray"}
    for extra, package in {"cuda": "mlx[cuda12]", "otel": "opentelemetry-sdk"}.items():
        (needed,) = [each for each in told.get_all("Requires-Dist", []) if package in each]
        assert f"extra == '{extra}'" in needed


def test_a_build_changes_no_file_of_the_repository(either: Distribution) -> None:
    changed = [
        name
        for name in either.names
        if (either.repository / name).read_bytes() != (ROOT / name).read_bytes()
    ]
    assert changed == []


def test_a_build_adds_only_ignored_files(either: Distribution) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=either.repository, check=True)
    assert repository_files(either.repository) == either.names


def test_the_installed_program_tells_its_version(program: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [program, "version"],
        cwd=tmp_path,
        env=outside_environment(program),
        check=True,
        capture_output=True,
        text=True,
    )
    assert __version__ in told.stdout


def test_the_installed_server_answers_with_its_interface(server: httpx.Client) -> None:
    assert server.get("/health").status_code == 200
    page = server.get("/admin", follow_redirects=True)
    assert page.headers["content-type"].startswith("text/html")
    assets = [a for a in page.text.split('"') if a.endswith((".js", ".css"))]
    assert assets
    assert {server.get(str(page.url.join(a))).status_code for a in assets} == {200}


def repository_files(root: Path = ROOT) -> frozenset[str]:
    """What a commit of the working tree would hold."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout
    return frozenset(name for name in names.split("\0") if name and (root / name).is_file())


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def outside_environment(program: Path) -> dict[str, str]:
    """Nothing of this environment but the installed program; no Node, no compiler."""
    unwanted = ("MLX_GUI_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"PATH": str(program.parent)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
