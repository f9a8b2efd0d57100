"""`mlx-gui update` against package indexes that tell the truth, lie, or do not answer."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlx_gui.core.errors import FetchFailed
from mlx_gui.core.installation import upgrade_command
from mlx_gui.package_index import newest_version
from mlx_gui.version import __version__
from tests.process.visitor import visited_server
from tests.support.nursery import ran
from tests.support.waiting import DEADLINE_S, wait_until

JSON_PAGE = "application/vnd.pypi.simple.v1+json"
LOGIN = b"<!doctype html><title>Log in</title><form action='/login'>"


def page(*files: str | tuple[str, dict[str, Any]], name: str = "mlx-gui") -> bytes:
    """What an index says of a project; of a file, more than its name may be said."""
    rows = [(file, {}) if isinstance(file, str) else file for file in files]
    said = [{"filename": file, "url": f"../{file}", "hashes": {}, **more} for file, more in rows]
    return json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": said}).encode()


def wheel(version: str, name: str = "mlx_gui") -> str:
    return f"{name}-{version}-py3-none-any.whl"


class Index:
    """An index of packages on this machine. What it answers is set by the test."""

    def __init__(self) -> None:
        self.status, self.kind, self.content = 200, JSON_PAGE, page()
        self.endless = False
        self.asked = 0
        self.closing = threading.Event()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        to.send_response(self.status)
        to.send_header("content-type", self.kind)
        if not self.endless:
            to.send_header("content-length", str(len(self.content)))
        to.end_headers()
        try:
            to.wfile.write(self.content)
            while self.endless and not self.closing.is_set():
                to.wfile.write(b" " * (1 << 20))
        except ConnectionError:
            pass

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """The index that pip is set up for."""
    made = Index()
    monkeypatch.setenv("PIP_INDEX_URL", made.address)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    yield made
    made.close()


def refusal() -> str:
    with pytest.raises(FetchFailed) as caught:
        newest_version()
    assert "\n" not in caught.value.message
    return caught.value.message


def test_only_a_release_for_this_machine_that_was_not_withdrawn_counts(index: Index) -> None:
    index.content = page(
        wheel("0.3.0"),
        wheel("0.4.0rc1"),
        wheel("not-a-version"),
        wheel("9" * 4000),
        wheel("9.0.0", name="other"),
        (wheel("5.0.0"), {"yanked": "it lost data"}),
        (wheel("6.0.0"), {"requires-python": ">=9"}),
        "mlx_gui-7.0.0-cp39-cp39-win_amd64.whl",
    )
    assert str(newest_version()) == "0.3.0"


def test_the_command_says_what_there_is_and_changes_nothing(index: Index, tmp_path: Path) -> None:
    index.content = page(wheel("99.1"))
    newer = update(tmp_path, "--check")
    assert newer.stdout.startswith(f"mlx-gui 99.1 is there; this is {__version__}.\nIt comes by: ")
    index.content = page(wheel("0.0.1"))
    older = json.loads(update(tmp_path, "--check", "--json").stdout)
    assert (older["newest"], older["newer"]) == ("0.0.1", False)


def test_nobody_is_asked_unless_that_is_wanted(index: Index, tmp_path: Path) -> None:
    index.status = 500
    assert __version__ in update(tmp_path).stdout
    offline = update(tmp_path, "--check", code=1, MLX_GUI_OFFLINE="1")
    assert offline.stderr == "Error: The package index is not asked: offline is set.\n"


def update(
    folder: Path, *arguments: str, code: int = 0, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLX_GUI_DATA_DIR": str(folder), "NO_COLOR": "1", **variables}
    told = ran("update", *arguments, environment=environment)
    assert told.returncode == code, told.stderr
    return told


def test_a_server_asks_once_when_that_is_set_and_says_what_it_was_told(
    index: Index, tmp_path: Path
) -> None:
    index.content = page(wheel("99.1"))
    with visited_server(tmp_path) as server:

        def known() -> dict[str, Any] | None:
            return server.client.get("/v1/system/status").raise_for_status().json()["update"]

        def set_to(wanted: bool | None) -> None:
            body = {"settings": {"check_updates": wanted}}
            server.client.patch("/v1/settings", json=body).raise_for_status()

        assert known() is None
        assert index.asked == 0
        set_to(True)
        wait_until(lambda: (known() or {})["newest"], what="the index's answer")
        told = known()
        assert told is not None
        assert (told["newest"], told["newer"], told["problem"]) == ("99.1", True, None)
        (notice,) = server.client.get("/v1/notices").json()["data"]
        assert (notice["kind"], notice["subject"]) == ("newer_version", "99.1")
        assert told["how"] in notice["hint"]
        said = update(server.server.data_dir).stdout
        assert said.startswith(f"mlx-gui 99.1 is there; this is {__version__}.\nIt comes by: ")
        assert "The server asked the index on " in said
        set_to(None)
        assert known() is None
        set_to(True)
        assert (known() or {})["asked_at"] == told["asked_at"]
        assert index.asked == 1


def test_a_server_answers_and_ends_while_an_index_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        silent.settimeout(DEADLINE_S)
        with visited_server(tmp_path, settings={"check_updates": True}) as server:
            connection, _ = silent.accept()
            (pip,) = (each for each in server.workers() if "versions" in each.cmdline())
            assert server.ask("fake/echo", "Hello").status_code == 200
            assert server.server.stop() == 0
        connection.close()
        assert has_ended(pip)


def test_an_index_without_a_release_of_ours_says_so(index: Index) -> None:
    index.content = page(wheel("9.0", name="other"), name="other")
    assert refusal() == "The package index has no release of mlx-gui for this machine."


def test_a_page_that_is_no_index_has_no_release(index: Index) -> None:
    index.kind, index.content = "text/html", LOGIN
    assert refusal() == "The package index has no release of mlx-gui for this machine."


@pytest.mark.parametrize("content", [b"{", b'{"files": [7]}'])
def test_an_answer_that_is_broken_is_one_sentence(index: Index, content: bytes) -> None:
    index.content = content
    assert refusal().startswith("pip could not read what the package index answered: ")


def test_an_index_that_refuses_is_named_with_its_reason(index: Index) -> None:
    index.status = 404
    assert "404" in refusal()


def test_an_index_that_is_not_there_is_named_with_the_reason(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        monkeypatch.setenv("PIP_INDEX_URL", address)
        assert refusal().startswith("The package index could not be asked: ")


def test_an_answer_without_end_is_given_up(index: Index) -> None:
    index.endless = True
    with pytest.raises(FetchFailed, match="more than can be read: pip took over 150 MiB"):
        newest_version(most_memory_bytes=150 << 20)


def test_an_answer_that_does_not_come_is_given_up(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with pytest.raises(FetchFailed, match="too slow"):
            newest_version(deadline_s=2)


def test_nobody_is_waited_for_whose_answer_is_not_wanted_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        with pytest.raises(FetchFailed, match="not waited for"):
            newest_version(given_up=lambda: True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
def test_an_endless_answer_ends_also_when_nobody_watches_any_more(index: Index) -> None:
    index.endless = True
    asking = "from mlx_gui.package_index import newest_version; newest_version()"
    with subprocess.Popen([sys.executable, "-c", asking]) as process:
        family = psutil.Process(process.pid)
        wait_until(lambda: bool(family.children()), what="pip")
        (pip,) = family.children()
        process.kill()
    wait_until(lambda: has_ended(pip), what="the end of pip")


def has_ended(process: psutil.Process) -> bool:
    """Also when nobody has asked yet how."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("installed_by", "prefix", "file", "command"),
    [
        ("bundle", "app", None, "Put the new application"),
        ("clone", ".venv", None, "git pull"),
        ("uv", "tools/mlx-gui", "uv-receipt.toml", "uv tool upgrade mlx-gui"),
        ("pip", "venvs/mlx-gui", "pipx_metadata.json", "pipx upgrade mlx-gui"),
        ("pip", "Cellar/mlx-gui/1/libexec", None, "brew upgrade mlx-gui"),
        ("uv", "archive-v0/a1", None, "uvx mlx-gui@latest"),
        ("uv", "an env", None, "uv pip install --python '"),
        ("pip", "env", None, "/env/bin/python -m pip install --upgrade mlx-gui"),
    ],
)
def test_what_to_do_follows_from_how_it_was_installed(
    installed_by: str, prefix: str, file: str | None, command: str, tmp_path: Path
) -> None:
    folder = tmp_path / prefix
    folder.mkdir(parents=True)
    if file is not None:
        (folder / file).touch()
    assert command in upgrade_command(installed_by, prefix=folder)
