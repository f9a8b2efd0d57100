"""The built files: how they are served, how large they are, that builds are repeatable."""

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import hatch_build
from mlx_gui.web import static_files
from mlx_gui.web.static_files import ADMIN_HEADERS, DOCS_HEADERS, STATIC_FOLDER
from scripts.schema import TYPES, generated_types

ROOT = Path(__file__).parents[2]
KB = 1000
# What the first page needs before it shows; what one page may add to that.
SHELL_LIMIT, PAGE_LIMIT = 60 * KB, 25 * KB
ALL_LIMIT = 2000 * KB
ASSETS = sorted(path for path in STATIC_FOLDER.glob("assets/*") if path.suffix != ".gz")


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI(docs_url=None)
    static_files.mount(app)
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/admin/",
        "/admin/models",
        "/admin/models/org/name",
        "/admin/theme.js",
        f"/admin/assets/{ASSETS[0].name}",
        "/admin/no-such-file.js",
        "/admin/%2e%2e/pyproject.toml",
    ],
)
def test_every_answer_below_admin_carries_the_policy(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers.get(name) for name in ADMIN_HEADERS} == ADMIN_HEADERS


def test_refused_methods_carry_the_policy_too(client: TestClient) -> None:
    answer = client.post("/admin/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert answer.headers["content-security-policy"] == ADMIN_HEADERS["Content-Security-Policy"]


def test_the_api_reference_has_a_policy_of_its_own(client: TestClient) -> None:
    answer = client.get("/docs/")
    assert "swagger-ui-bundle.js" in answer.text
    assert {name: answer.headers.get(name) for name in DOCS_HEADERS} == DOCS_HEADERS
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    ("path", "target"), [("/", "/admin/"), ("/admin", "/admin/"), ("/docs", "/docs/")]
)
def test_short_addresses_lead_on(client: TestClient, path: str, target: str) -> None:
    answer = client.get(path, headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (307, target)


def test_a_program_that_is_no_browser_is_told_that_the_server_is_there(client: TestClient) -> None:
    answer = client.get("/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.text) == (200, static_files.RUNNING)
    assert client.head("/", headers={"accept": "application/json"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/models",
        "/admin/some/other/page",
        "/admin/models/org/Qwen2.5-0.5B",
        "/admin/discover/org/Qwen2.5-0.5B",
    ],
)
def test_paths_of_the_interface_answer_its_page_and_are_asked_for_again(
    client: TestClient, path: str
) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert '<div id="app">' in answer.text
    unchanged = client.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


def test_a_missing_file_is_not_the_page(client: TestClient) -> None:
    assert client.get("/admin/assets/gone.js").status_code == 404


@pytest.mark.parametrize("asset", ASSETS, ids=lambda path: path.name)
def test_hashed_files_are_kept_for_ever(client: TestClient, asset: Path) -> None:
    answer = client.get(f"/admin/assets/{asset.name}")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == asset.read_bytes()


def test_large_texts_are_sent_compressed_to_who_takes_it(client: TestClient) -> None:
    asset = next(path for path in ASSETS if path.suffix == ".js" and path.stat().st_size > 8 * 1024)
    packed = client.get(f"/admin/assets/{asset.name}", headers={"accept-encoding": "br, gzip"})
    plain = client.get(f"/admin/assets/{asset.name}", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == asset.read_bytes()
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2


def test_without_a_build_the_pages_say_how_to_make_one(tmp_path: Path) -> None:
    app = static_files.BuiltFiles(tmp_path / "static", fallback=True)
    answer = TestClient(app).get("/models")
    assert answer.status_code == 503
    assert "The interface is not built" in answer.text
    assert "pip install" in answer.text


def test_the_server_tells_the_build_that_it_serves() -> None:
    assert static_files.ui_build() == hatch_build.sources_digest(ROOT / "web")


def test_the_budgets_hold() -> None:
    page = (STATIC_FOLDER / "index.html").read_text()
    scripts = {
        path.name: len(gzip.compress(path.read_bytes())) for path in ASSETS if path.suffix == ".js"
    }
    shell = {name: size for name, size in scripts.items() if name in page}
    assert shell
    assert sum(shell.values()) <= SHELL_LIMIT, shell
    pages = {name: size for name, size in scripts.items() if name not in shell}
    assert pages
    assert {name: size for name, size in pages.items() if size > PAGE_LIMIT} == {}
    # `docs/` is Swagger UI as its makers ship it; no page of the interface loads it.
    whole = {
        path: path.stat().st_size
        for path in STATIC_FOLDER.rglob("*")
        if path.is_file() and "docs" not in path.relative_to(STATIC_FOLDER).parts
    }
    assert sum(whole.values()) <= ALL_LIMIT


def test_the_files_carry_the_licences_of_what_is_in_them() -> None:
    text = (STATIC_FOLDER / "licences.txt").read_text()
    for name in ("svelte", "lucide", "inter", "jetbrains-mono", "swagger-ui-dist"):
        assert name in text


def test_the_types_of_the_interface_are_those_of_the_api() -> None:
    assert TYPES.read_text() == generated_types()
