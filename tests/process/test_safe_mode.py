"""A server that died twice comes up in safe mode, and out of it by one request or a clean end."""

from pathlib import Path

from mlx_gui.store.runs import unclean_exits_in_a_row
from tests.process.visitor import visited_server
from tests.support.server import running_server


def _die(folder: Path) -> None:
    with running_server(folder) as server:
        server.process.kill()
        server.process.wait()


def _starts_in_safe_mode(folder: Path) -> bool:
    """Of a server that ends cleanly then."""
    with running_server(folder) as server:
        return '"safe_mode"' in server.log.read_text()


def test_two_kills_in_a_row_are_safe_mode_and_a_clean_end_is_the_way_out(tmp_path: Path) -> None:
    _die(tmp_path)
    assert not _starts_in_safe_mode(tmp_path)
    _die(tmp_path)
    _die(tmp_path)
    assert _starts_in_safe_mode(tmp_path)
    assert not _starts_in_safe_mode(tmp_path)


def test_who_leaves_safe_mode_has_left_it_even_if_the_server_dies_again(tmp_path: Path) -> None:
    _die(tmp_path)
    _die(tmp_path)
    with visited_server(tmp_path) as visitor:
        left = visitor.client.post("/v1/manager/leave-safe-mode")
        assert (left.status_code, left.json()) == (200, {"active": False, "reason": None})
        visitor.server.process.kill()
        visitor.server.process.wait()
    assert unclean_exits_in_a_row(tmp_path / "data") == 1
    assert not _starts_in_safe_mode(tmp_path)
